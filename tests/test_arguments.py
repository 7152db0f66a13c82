"""The command line by itself: what the help states is so, and a flag that would have no effect is refused."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

import arguments
from initializer.data import DEBUG_CLIPS
from predictor import Request
from predictor.live import Settings
from predictor.live.settings import HOPS
from utils.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
HELP = {action.dest: action.help for action in arguments.build_parser()._actions}
NUMBERS = {
    each.name: each.default
    for each in (*fields(Request), *fields(Settings))
    if type(each.default) in (int, float)
}  # fmt: skip


def test_the_defaults_that_the_help_states_are_the_codes():
    stated = {name: re.findall(r"\((\d[\d.]*)\)", HELP[name]) for name in HELP if HELP[name]}
    assert len(NUMBERS) > 10
    assert {name: [float(each) for each in found] for name, found in stated.items() if found} == {
        name: [default] for name, default in NUMBERS.items()
    }
    assert HOPS == 8 and "an eighth of the window" in HELP["hop"]
    assert f"{DEBUG_CLIPS} clips, " in HELP["debug"]


def test_the_defaults_that_the_documents_state_are_the_codes():
    for document in ("predict.md", "command-line.md"):
        rows = re.findall(
            r"^\| `--(\w+) [^|]*\|(?: `-i` \|)? ([^|]*)", (ROOT / "docs" / document).read_text(), re.MULTILINE
        )
        found = {name: re.search(r"\((\d+)\)|; (\d+)\b", text) for name, text in rows if name in NUMBERS}
        assert {name: float(match[1] or match[2]) for name, match in found.items()} == {"topk": 5, "batch": 16}
    assert (Request.topk, Request.batch) == (5, 16)


def test_one_address_is_the_example():
    sources = [*ROOT.glob("*.py"), *ROOT.glob("predictor/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]
    found = {port for path in sources for port in re.findall(r"127\.0\.0\.1:(\d+)", path.read_text(encoding="utf-8"))}
    assert found == {"8765"}


def test_every_flag_that_goes_with_some_action_exists():
    known = {flag for action in arguments.build_parser()._actions for flag in action.option_strings}
    tables = (arguments.GOES_WITH, arguments.IDLE_WITH, arguments.WITHOUT)
    assert {flag for table in tables for flag in table} <= known
    assert {flag for flags in arguments.IDLE_WITH.values() for flag in flags} <= known
    assert {flag for flags in arguments.GOES_WITH.values() for flag in flags} - {"training"} <= arguments.ACTIONS.keys()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("-i - --clients 2", "--clients has no effect without --listen"),
        ("-i x.npy --open_to_network", "--open_to_network has no effect without --listen"),
        ("-i - --lossless --max_rate 9", "--max_rate has no effect with --lossless; leave it out"),
        ("-i x.npy --lossless", "--lossless has no effect with files; it goes with -i - and with --listen"),
        ("-i - --batch 3", "--batch has no effect with frames that come live"),
        ("-i --listen 127.0.0.1:0 --json x", "--json has no effect with frames that come live"),
        ("--listen 127.0.0.1:0", "--listen has no effect with training; it goes with -i"),
        ("-i x.npy --set a=1", "--set has no effect without -c N, whose keys it changes"),
        ("-l --topk 3", "--topk has no effect with -l; it goes with -i"),
        ("-l -g 0", "--gpus has no effect with -l; it goes with training, -r, -e, -xf, -i, -v"),
        ("-i", "-i: give raw files or folders, or - (standard input), or --listen HOST:PORT: one of them"),
        ("-c 1 -gd -g", "command line: argument -g/--gpus: expected at least one argument; `python main.py -h` shows all flags"),
    ],
)  # fmt: skip
def test_a_flag_without_effect_is_refused(words, line):
    with pytest.raises(UserError) as caught:
        arguments.parse(words.split())
    assert str(caught.value) == line


@pytest.mark.parametrize(
    "words",
    [
        "-c 1 -v -vc drink -vs a 7 -vf 0 12",
        "-c 1 -v run -w x -g 0",
        "-c 1 -v -pp x.pt --set test.clips=2",
        "-l -w x",
        "-l -c 2001",
        "-i a b --from-layout ntu",
        "-i --listen [::1]:0 --clients 2",
        "-c 1 -i - --lossless",
    ],
)
def test_what_goes_together_is_taken(words):
    arguments.parse(words.split())


def test_only_what_was_said_is_told():
    options = arguments.parse(["-i", "-", "--threshold", "0", "--frame_size", "640", "480", "--together"])
    assert arguments.told(options, arguments.LIVE) == {"threshold": 0.0, "frame_size": [640, 480], "together": True}
    assert arguments.told(options, arguments.INFERRING) == {}
