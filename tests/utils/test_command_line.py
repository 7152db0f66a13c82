import re
import subprocess
import sys
from pathlib import Path

import pytest

import main
from arguments import build_parser
from utils.command_line import ANSWERS, Parser, guarded
from utils.errors import UserError

ROOT = Path(main.__file__).parent
FULL = Path("/dev/full")  # takes nothing


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("-c 2001 --validate --test-last", "--validate is other code's; here: training always evaluates"),
        ("-c 2001 --test-best", "reports both"),
        ("-c 2001 --test --weights best.pdparams", "here: -e evaluates"),
        ("-c 2001 -e --weights best.pdparams", "here: -pp FILE"),
        ("-c 2001 -e --weights=best.pdparams", "here: -pp FILE"),
        ("-c 2001 -e --eval top_k_accuracy mean_class_accuracy", "-e prints top-1, top-5 and mean class accuracy"),
        ("-c 2001 --launcher pytorch", "-g 0 1 on one machine"),
        ("-c 2001 --resume-from latest.pth", "here: -r goes on"),
        ("-c 2001 --work-dir runs", "here: -w DIR"),
        ("-c 2001 --cfg-options optimizer.lr=0.1", "here: --set KEY=VALUE"),
        ("-c 2001 -o MODEL.lr=0.1", "here: --set KEY=VALUE"),
        ("recognition -c 2001", "no action trains"),
        ("-c 3041 -p=STGCN_PlusPlus_best.pdparams", "here: -pp FILE"),
        ("-c 2001 -d ntu-xview", "here: --set KEY=VALUE, or the number that has it"),
        ("-c 2001 -st", "none: leave it out"),
        ("-c 2001 --visualization", "here: -v: a report and pictures"),
    ],
)
def test_an_old_flag_is_answered_with_ours(arguments, answer):
    with pytest.raises(UserError) as refusal:
        build_parser().parse_args(arguments.split())
    assert answer in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "docs/coming-from.md" in str(refusal.value)


@pytest.mark.parametrize("word", ["-p", "-d", "-x", "-n", "--pretrained"])
def test_flags_cannot_be_abbreviated(word):
    with pytest.raises(UserError, match=r"other code's|unrecognized arguments"):
        build_parser().parse_args(["-c", "2001", word])
    assert build_parser().parse_args(["-c2001", "-s7"]).seed == 7


def test_every_flag_on_the_pages_of_other_code_is_ours_or_answered(shared):
    pages = [path.read_text("utf-8") for path in (shared / "seeds").glob("00[0124]*")]
    blocks = [block for page in pages for block in page.split("```")[1::2]]
    theirs = {flag for block in blocks for flag in re.findall(r"\s(--?[a-z][\w-]*)", re.sub(r"^#.*", "", block))}
    ours = {flag for action in build_parser()._actions for flag in action.option_strings}
    assert {"--test-best", "--input_file", "-p", "-o", "--eval", "--test_batch_size", "--data_path"} <= theirs
    assert theirs - {"-u", "-r", "-s"} <= ours | ANSWERS.keys()  # of python, pip and ln


def test_an_old_flag_on_the_command_line_is_one_line_and_exit_code_2(capsys):
    assert main.main(["-c", "2001", "--validate"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_answer_stands_in_the_way_of_a_flag_of_ours():
    ours = {flag for action in build_parser()._actions for flag in action.option_strings}
    assert not ours & ANSWERS.keys()
    named = {word for answer in ANSWERS.values() for word in answer.replace(",", " ").split() if word.startswith("-")}
    assert {word.strip(".;:") for word in named} <= ours


def test_every_flag_that_is_answered_stands_in_the_document():
    page = (ROOT / "docs/coming-from.md").read_text(encoding="utf-8")
    words = {word.partition("=")[0] for span in re.findall(r"`([^`\n]+)`", page) for word in span.split()}
    assert set(ANSWERS) <= words


def test_two_settings_behind_one_flag_are_told_apart():
    with pytest.raises(UserError, match=r"train\.epochs=3: every key has a --set of its own: --set train\.epochs=3"):
        build_parser().parse_args(["-c", "2001", "--set", "train.seed=2", "train.epochs=3"])


def test_a_tool_keeps_its_own_flags_and_other_mistakes_their_message():
    parser = Parser("python -m tools.thing", None)
    parser.add_argument("--weights", type=float)
    assert parser.parse_args(["--weights", "2"]).weights == 2
    with pytest.raises(UserError, match="unrecognized arguments: --nonsense; `python -m tools.thing -h`"):
        parser.parse_args(["--nonsense"])
    with pytest.raises(UserError, match="argument --weights: invalid float value: '--validate'|expected one argument"):
        parser.parse_args(["--weights", "--validate"])


@pytest.mark.parametrize("flags", [["--list"], ["2001", "--list"]])  # more and less than a buffer holds
def test_who_stops_reading_gets_no_traceback(flags):
    line = [sys.executable, "-m", "tools.fetch", *flags]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_another_pipe_that_breaks_is_not_hidden():
    line = "from utils.command_line import guarded\nguarded(lambda: (_ for _ in ()).throw(BrokenPipeError('a worker')))"
    found = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, cwd=ROOT, check=False)
    assert found.returncode == 1 and "BrokenPipeError: a worker" in found.stderr


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
@pytest.mark.parametrize("python", [[], ["-u"]])
@pytest.mark.parametrize("count", [1, 100_000])  # less and more than a buffer holds
def test_a_full_standard_output_is_a_line(python, count):
    code = f"from utils.command_line import guarded\nraise SystemExit(guarded(lambda: print('x' * {count}) or 0))"
    line = [sys.executable, *python, "-c", code]
    with FULL.open("w") as full:
        found = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert found.stderr == "standard output: No space left on device; write to another place\n"
    assert found.returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's word")
def test_a_standard_output_that_was_closed_from_the_start_is_none():
    line = f"'{sys.executable}' -m tools.fetch --list >&-"
    found = subprocess.run(line, shell=True, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def failing(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(13, "Denied", "a.txt")])
def test_an_error_of_another_file_is_not_hidden(error, capsys):
    with pytest.raises(OSError, match=error.strerror):
        guarded(failing(error))
    assert capsys.readouterr().err == ""
