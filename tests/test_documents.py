"""The documents tell the truth: their commands run as a user would type them, their links, files, flags and figures hold."""

import json
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import arguments
import config
from benchmarks import readme
from dataset.splits import load_benchmark
from tests.reader.babel_form import write_babel
from tests.reader.dlc_form import write_dlc
from tests.reader.kinetics_form import write_kinetics

ROOT = Path(__file__).resolve().parent.parent
PAGES = {path.name: path for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
READING_ORDER = ["README.md", "data-preparation.md", "coming-from.md"]  # a later page may use what an earlier one made

SET_UP = ("make ", "python -m venv ", "pip install ", "python -m pytest ", ". .venv/bin/activate")  # not run here
MADE_BY_RUNNING = ("data/", "workdir/", "configs/local.yaml")
ORIGINAL_FLAGS = """
    -c --config -g --gpus -s --seed -pp --pretrained_path -w --work_dir -np --no_progress_bar -dh --delay_hours
    -db --debug -r --resume -e --evaluate -ex --extract -v --visualize -gd --generate_data -vc --visualization_class
    -vs --visualization_sample -vf --visualization_frames -d --dataset -mt --model_type -o --optimizer
    -ls --lr_scheduler --dataset_args --model_args --optimizer_args --scheduler_args
    -st --static --data_file --label_file --model_file --params_file --batch-size --use-gpu --precision --ir_optim
    --use_tensorrt --gpu_mem --benchmark --enable_mkldnn --cpu_threads --inputs -ds --data_shape
    --source_path --save_dir --data_num --transform --mode
    scripts/auto_gen_data.sh scripts/modify_configs.py scripts/cal_mean_std.py infer.py tiny_data_gen.py
"""


# --- reading documents ----------------------------------------------------------------------------------------


def shell_lines(text):
    """Return the commands of the fenced sh blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def spans(text):
    """Return the inline code of a text, fenced blocks left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def rows(text):
    """Yield the rows of all tables as (header, cells)."""
    header = None
    for line in text.splitlines():
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        if header is None:
            header = cells
        elif not set(line) <= set("|-: "):
            yield header, cells


def our_cells(text):
    """Yield per row what stands under `ours` and right of it."""
    for header, cells in rows(text):
        if "ours" in header:
            yield " ".join(cells[header.index("ours") :])


OURS = "\n".join(our_cells(TEXTS["coming-from.md"]))


def our_commands():
    """Return every `python ...` of the documents that is meant for us, in reading order, once."""
    found = []
    for name in READING_ORDER:
        found += [line for line in shell_lines(TEXTS[name]) if not line.startswith(SET_UP)]
    found += [span for span in spans(OURS) if span.startswith("python ") and "..." not in span]
    return list(dict.fromkeys(found))


def is_concrete(command):
    """Tell whether a command can be typed as it is: no FILE, no DIR."""
    return not re.search(r"\b[A-Z]{2,}\b", command)


# --- commands run ---------------------------------------------------------------------------------------------

DRIVER = """
import contextlib, io, json, runpy, sys, traceback

def run(words):
    sys.argv = words[1:] if words[0] == "-m" else words
    try:
        if words[0] == "-m":
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(json.loads(line))
    print(json.dumps([code, said.getvalue()]), flush=True)
"""
TINY = {  # what a copy of the configurations is made small with
    r"\bframes: \d+": "frames: 16",
    r"\bepochs: \d+": "epochs: 1",
    r"\bbatch_size: \d+": "batch_size: 4",
    r"stem_channels: \d+": "stem_channels: 8",
    r"blocks: \[\[.*?\]\]": "blocks: [[16, 1, 0.5], [16, 2, 1]]",
    r"fusion_stage: \d+": "fusion_stage: 1",
    r"name: ST-GCN\+\+": "name: ST-GCN++, base_channels: 8",
    r"\bclips: \d+": "clips: 2",
    r"\brepeat: \d+": "repeat: 1",
}
RAW_60, RAW_120 = "nturgbd_skeletons_s001_to_s017", "nturgbd_skeletons_s018_to_s032"


class User:
    """Somebody in a fresh copy of the project, with small configurations and a few raw files in the usual place.

    Commands run verbatim, one after the other in one interpreter, which saves importing torch for each.
    """

    def __init__(self, home):
        self.home = home
        shutil.copytree(ROOT, home, ignore=self.left_out)
        for path in (home / "configs").rglob("*.yaml"):
            text = path.read_text()
            for pattern, small in TINY.items():
                text = re.sub(pattern, small, text)
            path.write_text(text)
        settings = {key: value for key, value in os.environ.items() if not key.startswith("GESTA_")}
        self.settings = {**settings, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = self.start("-c", DRIVER, stdin=subprocess.PIPE)

    @staticmethod
    def left_out(_folder, names):
        """Tell what is not copied: everything but code and texts, which may be large."""
        kept = {".py", ".yaml", ".txt", ".js", ".css", ".html", ""}  # "": folders
        others = {"data", "workdir", "tests", "__pycache__", "local.yaml"}
        return [name for name in names if name in others or name.startswith(".") or Path(name).suffix not in kept]

    def start(self, *words, **pipes):
        command = [sys.executable, *words]
        return subprocess.Popen(command, cwd=self.home, env=self.settings, text=True, stdout=subprocess.PIPE, **pipes)

    def run(self, command):
        """Run `python ...`; return exit code and output."""
        python, *words = shlex.split(command)
        assert python == "python", command
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def write_raw_files(self):
        """Write one take of five actions by three subjects as NTU-60, and once more under a setup of NTU-120."""
        raw = self.home / "data/raw_skeleton"
        assert self.run("python -m tools.make_skeletons written --subjects 3")[0] == 0
        for folder, setup in ((RAW_60, "S001"), (RAW_120, "S018")):
            (raw / folder).mkdir(parents=True)
            for path in (self.home / "written").glob("*A00[1-5].skeleton"):
                shutil.copy(path, raw / folder / path.name.replace("S001", setup))

    def write_other_forms(self):
        """Write a small set of every other form that a document reads, all at random."""
        numbers = np.random.default_rng(0)
        classes = load_benchmark("kinetics-skeleton").classes[:3]
        write_kinetics(self.home / "kinetics-skeleton", numbers, 16, classes=classes)
        write_babel(self.home / "babel", numbers, 60, splits=("train", "val", "test"))
        write_dlc(self.home / "csv_data", numbers, recordings=8)
        for name, joints in (("ntu60_hrnet.pkl", 17), ("ntu60_3danno.pkl", 25)):
            (self.home / name).write_bytes(pickle.dumps(annotations(numbers, joints)))
        (self.home / "all_sqe").mkdir()
        for n in range(18):
            clip = f"a{1 + n % 3:02}_s01_e{n:02}_v{1 + n % 3:02}"
            skeletons = numbers.normal(size=(6, 20, 3)).round(4).tolist()
            content = {"file_name": clip, "skeletons": skeletons, "label": 1 + n % 3}
            (self.home / f"all_sqe/{clip}.json").write_text(json.dumps(content))
        for n in range(16):
            folder = self.home / "my_skeletons" / ("wave", "squat")[n % 2]
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / f"clip{n}.npy", numbers.normal(size=(20, 5, 3)))

    def prepare(self, command):
        """Provide what a command takes for granted: a checkpoint from elsewhere, runs, an interrupted run."""
        words = shlex.split(command)
        if "tools.fuse" in words:
            self.train_two_streams()
        if "-pp" in words:
            file = self.home / words[words.index("-pp") + 1]
            number = words[words.index("-c") + 1]
            if not file.exists():
                shutil.copy(sorted(self.home.glob(f"work*/{number}_*/*/best.pt"))[-1], file)
        if "-r" in words:
            self.interrupt_a_run()

    def train_two_streams(self):
        for words in ("-c 3001 -gd --raw ntu60_3danno.pkl", "-c 3001 -np", "-c 3002 -np"):
            code, output = self.run(f"python main.py {words}")
            assert code == 0, output

    def interrupt_a_run(self):
        with self.start(
            "main.py", "-c", "2001", "-np", "--set", "train.epochs=12", stderr=subprocess.DEVNULL
        ) as process:
            for line in process.stdout:
                if "Batch: " in line:
                    process.send_signal(signal.SIGTERM)
                    break
            process.stdout.read()
        assert process.returncode == 143

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=30)


def annotations(numbers, joints):
    """Return an annotation file's content: twelve clips, X-sub's and X-view's lists."""
    clips = []
    for n in range(12):
        name = f"S001C00{1 + n % 3}P00{1 + n % 2}R001A00{1 + n % 4}"
        clips.append({"frame_dir": name, "label": n % 4, "total_frames": 9})
        shape = (1, 9, joints, 3 if joints == 25 else 2)
        clips[-1]["keypoint"] = (numbers.uniform(size=shape) * (1 if joints == 25 else 1000)).astype(np.float16)
        if joints == 17:
            clips[-1] |= {"keypoint_score": np.ones(shape[:3], np.float16), "img_shape": (1080, 1920)}
    names = [clip["frame_dir"] for clip in clips]
    split = {
        f"{name}_{subset}": names[8:] if subset == "val" else names[:8]
        for name in ("xsub", "xview")
        for subset in ("train", "val")
    }
    return {"split": split, "annotations": clips}


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    user = User(tmp_path_factory.mktemp("user") / "gesta")
    yield user
    user.close()


@pytest.mark.slow
def test_the_documents_commands_run_and_leave_what_they_describe(user):
    user.write_raw_files()
    user.write_other_forms()
    commands = [command for command in our_commands() if is_concrete(command)]
    assert len(commands) >= 20
    for command in commands:
        user.prepare(command)
        code, output = user.run(command)
        assert code == 0, f"{command}\n{output}"
        assert "Warning" not in output, f"{command}\n{output}"

    documented = spans("\n".join(cells[0] for _, cells in rows(TEXTS["run-folder.md"])))
    for path in user.home.glob("workdir/*/*/*"):
        assert any(path.match(name) for name in documented), f"docs/run-folder.md does not name {path.name}"
    assert any(user.home.glob("workdir/debug_2001_*/*/last.pt"))
    assert all("_eval" in path.parent.name for path in user.home.glob("workdir/*/*/features.npz"))


# --- commands, flags and keys are ours ------------------------------------------------------------------------


@pytest.mark.parametrize("command", our_commands())
def test_every_command_is_one_of_ours(command):
    _, *words = shlex.split(command)
    if words[0] == "-m":
        place = ROOT / words[1].replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists()
    elif "-h" not in words:
        options = arguments.build_parser().parse_args(words[1:])
        if options.config and options.config.isdigit():
            config.load(options.config, options.set or ())


def our_flags():
    """Return all option strings that -h shows."""
    actions = arguments.build_parser()._actions
    return {flag for action in actions if action.help != "==SUPPRESS==" for flag in action.option_strings}


def test_every_flag_is_documented_and_every_documented_flag_exists():
    first_cells = [cells[0] for header, cells in rows(TEXTS["command-line.md"]) if header[0] in ("action", "flag")]
    documented = {word for span in spans("\n".join(first_cells)) for word in re.findall(r"^--?[\w-]+", span)}
    assert documented == our_flags()


def test_flags_that_stand_beside_theirs_exist():
    for cells in our_cells(TEXTS["coming-from.md"]):
        for span in spans(cells):
            flag = span.split()[0]
            if re.fullmatch(r"--?[a-z][\w-]*", flag):
                assert flag in our_flags(), cells


def test_settings_that_stand_beside_theirs_are_accepted():
    settings = [shlex.split(span)[1] for span in spans(OURS) if span.startswith("--set ") and "KEY=" not in span]
    assert len(settings) > 5
    for setting in settings:
        config.load("2001", [setting])


def test_keys_that_stand_beside_theirs_exist():
    known = set(spans(TEXTS["config-reference.md"]))
    keys = [span.partition(":")[0] for span in spans(OURS) if re.match(r"(data|input|model|train|test)\.[a-z]", span)]
    assert len(keys) > 20
    assert set(keys) <= known


@pytest.mark.parametrize("name", ORIGINAL_FLAGS.split())
def test_nothing_of_theirs_is_forgotten(name):
    theirs = [cell for header, cells in rows(TEXTS["coming-from.md"]) for cell in cells[: header.index("ours")]]
    prose = TEXTS["coming-from.md"]
    assert re.search(rf"`(?:[^`]*[\s/(])?{re.escape(name)}(?![\w-])", "\n".join([*theirs, prose])), name


def test_local_yaml_is_as_shown():
    (block,) = re.findall(r"^```yaml\n(.*?)^```", TEXTS["coming-from.md"], re.MULTILINE | re.DOTALL)
    assert set(yaml.safe_load(block)) == set(config.Local.model_fields)


def test_every_documented_key_of_the_readme_and_guides_is_accepted():
    for name in READING_ORDER:
        for span in re.findall(r"--set \"?([\w.]+)", TEXTS[name]):
            assert span == "KEY" or span in spans(TEXTS["config-reference.md"]), f"{name}: {span}"


def test_make_has_the_targets_that_the_documents_name():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {
        span.split()[1]
        for text in TEXTS.values()
        for span in [*spans(text), *shell_lines(text)]
        if span.startswith("make ")
    }
    assert {"demo", "test", "check"} <= named
    assert named <= set(targets)


# --- links, files, figures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    targets = re.findall(r"\]\((?!https?://)([^)#\s]+)", TEXTS[name])
    missing = [target for target in targets if not (PAGES[name].parent / target).exists()]
    assert not missing


def test_every_document_is_linked_from_the_readme():
    linked = set(re.findall(r"\]\(([^)#\s]+\.md)", TEXTS["README.md"]))
    others = {str(path.relative_to(ROOT)) for path in PAGES.values()} - {"README.md"}
    assert linked >= others


@pytest.mark.parametrize("name", PAGES)
def test_files_that_are_named_exist(name):
    text = OURS if name == "coming-from.md" else TEXTS[name]
    rooms = {path.name for path in ROOT.iterdir()}
    for span in spans(text):
        is_path = re.fullmatch(r"[\w./-]+", span) and (span.split("/")[0] in rooms)
        if is_path and not span.startswith(MADE_BY_RUNNING):
            assert (ROOT / span).exists(), span


@pytest.mark.parametrize("name", PAGES)
def test_no_path_of_one_machine(name):
    assert not re.search(r"(^|[\s`(\"'=])(/(work|home|root|tmp|farm|Users)/|[A-Z]:\\)", TEXTS[name], re.MULTILINE)


def test_the_readmes_figures_are_the_configurations():
    found = {}
    for header, cells in rows(TEXTS["README.md"]):
        if header[-1] == "numbers":
            first, last = map(int, cells[-1].split("-"))
            numbers = range(first, last + 1)
            benchmarks = header[3 : 3 + len(numbers)]
            for number, benchmark, figure in zip(numbers, benchmarks, cells[3:-1], strict=True):
                found[str(number)] = (cells[1], cells[2], benchmark, float(figure))
    spelled = {"ntu-xsub": "X-sub", "ntu-xview": "X-view", "ntu-xsub120": "X-sub120", "ntu-xset120": "X-set120"}
    expected = {}
    for number in config.numbers():
        each = config.load(number)
        for published in each.published if each.model.name == "EfficientGCN" else ():
            layer = {"Sep": "EpSep"}.get(each.model.layer, each.model.layer)
            expected[number] = (each.model.size, layer, spelled[each.data.benchmark], published.value)
    assert found == expected


def test_the_readmes_figures_of_other_code_are_the_configurations():
    shown = set()
    for header, cells in rows(TEXTS["README.md"]):
        if header[-1] == "number":
            numbers = cells[-1].split(", ")
            published = [{each.metric: each.value for each in reversed(config.load(n).published)} for n in numbers]
            others = {each.value for n in numbers for each in config.load(n).published}
            figures = {float(figure) for figure in re.findall(r"\d+\.\d+", cells[2])}
            assert {value for each in published for value in each.values()} <= figures <= others, cells
            shown.update(numbers)
    assert shown == {n for n in config.numbers() if "1000" < n < "1100" or "4000" < n < "4010"}


def test_the_readmes_table_of_speeds_is_that_of_the_results():
    (results,) = (ROOT / "benchmarks/results").glob("*.json")
    text = TEXTS["README.md"]
    assert readme.renewed(text, readme.table(json.loads(results.read_text()))) == text


def test_the_readmes_fused_figures_are_the_configurations():
    found, expected = {}, {}
    for header, cells in rows(TEXTS["README.md"]):
        if header[-1] == "numbers (j, b, jm, bm)":
            ranges, figures = cells[-1].split(", "), [cell for cell in cells[2:6] if cell]
            for numbers, cell in zip(ranges, figures, strict=True):
                found[numbers.split("-")[0]] = tuple(map(float, cell.split(" / ")))
    for number in config.numbers():
        figures = {each.metric: each.value for each in config.load(number).published}
        if "four_stream" in figures:
            expected[number] = (figures["top1"], figures["four_stream"])
    assert found == expected


def test_the_expected_counts_are_the_benchmarks():
    counted = {}
    for header, cells in rows(TEXTS["data-preparation.md"]):
        if header[0] == "benchmark":
            train, evaluation = (int(cell.replace(" ", "")) for cell in cells[3:5])
            counted[cells[0].strip("`")] = {"train": train, "eval": evaluation}
    demo = counted.pop("demo-xsub")
    assert demo == {"train": 8 * 12 * 3, "eval": 4 * 12 * 3}
    assert counted == {name: load_benchmark(name).expected for name in counted}
    assert len(counted) == 4


def test_every_defect_of_the_originals_has_a_line():
    numbers = [cells[0] for header, cells in rows(TEXTS["differences.md"]) if header[1:] == ["defect", "here"]]
    assert [number for number in numbers if number] == [str(number) for number in range(1, 28)]


def test_every_dependency_is_justified():
    names = [
        re.split(r"[<>=]", line)[0].strip()
        for file in ("requirements.txt", "requirements-dev.txt", "requirements-export.txt")
        for line in (ROOT / file).read_text().splitlines()
        if line and not line.startswith(("#", "-"))
    ]
    justified = {name for _, cells in rows(TEXTS["dependencies.md"]) for name in cells[0].split(", ")}
    assert set(names) == justified


def test_lengths():
    assert len(TEXTS["README.md"].splitlines()) <= 200
    assert len(TEXTS["CONTRIBUTING.md"].splitlines()) <= 150
