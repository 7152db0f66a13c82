"""The command line: flags, exit codes, one line per mistake."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import config
import main
from arguments import build_parser

ROOT = Path(__file__).resolve().parent.parent

FLAGS = """
    -h --help -c --config -gd --generate_data -e --evaluate -r --resume -xf --extract -l --list --raw -j --jobs --force
    --strict --shard --merge --padded --from-padded -pp --pretrained_path --init-head --out --clips -s --seed --set -db --debug --store
    -w --work_dir -g --gpus --compile --precision --deterministic -np --no_progress_bar --plain
    -v --visualize -vc --visualization_class -vs --visualization_sample -vf --visualization_frames
    -ex --export --save_name --quantize -i --infer --topk --json --batch --cpu_threads --from-layout
    --listen --window --hop --together --threshold --margin --smoothing --forget --frame_size --lossless
    --max_line --max_persons --max_rate --queue --clients --open_to_network
"""


@pytest.fixture
def said(capsys, monkeypatch, tmp_path):
    """Runs main in this process; returns the exit code and the lines on stderr."""
    monkeypatch.delenv("GESTA_RAW", raising=False)
    monkeypatch.setenv("GESTA_STORE", str(tmp_path / "store"))

    def run(*arguments):
        code = main.main([str(argument) for argument in arguments])
        return code, capsys.readouterr().err.splitlines()

    return run


def test_the_flags_are_frozen():
    found = {flag for action in build_parser()._actions for flag in action.option_strings}
    assert found == set(FLAGS.split())


def test_help_needs_no_torch():
    code = "import sys, main\ntry: main.main(['-h'])\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "--generate_data" in done.stdout


@pytest.mark.parametrize("words", [["-i", "x"], ["-c", "2001", "-ex"], ["-c", "2001", "-e"], ["-c", "2001"]])
def test_what_torch_reads_when_it_is_imported_is_set_before(words):
    code = (
        "import sys, main\nmain._prepare_for_torch = lambda: sys.exit('torch' in sys.modules)\nmain.main(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words, "-pp", "gone.pt"], cwd=ROOT, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-c", "20001"], "-c 20001: no such experiment; did you mean 2001? `python main.py -l` lists all"),
        (["-c", "gone.yaml"], "gone.yaml: no such file; -c takes a number or the path of a yaml"),
        (["-c", "2001", "--set", "model.drop_prb=1"], "configs/2001.yaml: unknown key 'model.drop_prb'; did you mean 'drop_prob'?"),
        (["-c", "2001", "--set", "train.optimizer.lr=1e-1"], "configs/2001.yaml: 'train.optimizer.lr' must be a valid number, got '1e-1' (yaml reads 1e-4 as text: write 1.0e-4)"),
        ([], "-c N is missing; `python main.py -l` lists the experiments, -h the flags"),
        (["-c", "2001", "--stor", "x"], "command line: unrecognized arguments: --stor x; `python main.py -h` shows all flags"),
        (["-c", "2001", "-gd", "-e"], "command line: argument -e/--evaluate: not allowed with argument -gd/--generate_data; `python main.py -h` shows all flags"),
        (["-ex"], "-c N is missing; `python main.py -l` lists the experiments, -h the flags"),
        (["-v"], "-c N is missing; `python main.py -l` lists the experiments, -h the flags"),
        (["-c", "2001", "-v", "run", "-pp", "x.pt"], "-v run and -pp x.pt: give a run or a checkpoint"),
        (["-c", "2001", "-v", "--set", "test.clips=2"], "--set has no effect on a run, whose own configuration holds; it goes with -v -pp FILE"),
        (["-c", "2001", "-e", "-vc", "3"], "--visualization_class has no effect with -e; it goes with -v"),
        (["-c", "2001", "-v", "-g", "cpu", "cpu"], "-g cpu cpu: -v runs on one device; name one"),
        (["-c", "2001", "-v", "-vf", "x"], "command line: argument -vf/--visualization_frames: invalid int value: 'x'; `python main.py -h` shows all flags"),
        (["-i", "file"], "-i: give what classifies: -pp CHECKPOINT, or -c NUMBER for the best of its newest run"),
        (["-i", "-pp", "x.pt"], "-i: give raw files or folders, or - (standard input), or --listen HOST:PORT: one of them"),
        (["-i", "-", "--listen", "127.0.0.1:1"], "-i: give raw files or folders, or - (standard input), or --listen HOST:PORT: one of them"),
        (["-i", "file", "-pp", "x.pt", "--set", "test.clips=1"], "--set has no effect without -c N, whose keys it changes"),
        (["-i", "file", "-pp", "gone.pt"], "-pp gone.pt: no such file"),
        (["-i", "file", "-pp", "x.pt", "--cpu_threads", "0"], "--cpu_threads 0: give 1 to 1024"),
        (["-i", "file", "-pp", "x.pt", "--cpu_threads", "99999"], "--cpu_threads 99999: give 1 to 1024"),
        (["-i", "", "-pp", "x.pt"], "-i '': empty; is a shell variable unset?"),
        (["-c", "2001", "-ex", "--out", ""], "--out '': empty; is a shell variable unset?"),
        (["-c", "2001", "-e", "-pp", ""], "-pp '': empty; is a shell variable unset?"),
        (["-c", "2001", "-gd", "--store="], "--store '': empty; is a shell variable unset?"),
        (["-i", "-", "file", "-pp", "x.pt"], "-i -: standard input comes alone; give it, or raw files and folders"),
        (["-i", "file", "-pp", "best.json"], "-pp best.json: describes programs; give best.onnx or best.pt2 beside it"),
        (["-c", "2001", "-ex", "-pp", "best.onnx"], "-pp best.onnx: is an exported program already; -ex takes a checkpoint"),
        (["-c", "2001", "-ex", "--out", __file__], f"--out {__file__}: {__file__} is a file; name a folder"),
        (["-i", "file", "-pp", "x.pt", "--topk", "0"], "--topk 0: give 1 or more"),
        (["-i", "file", "--hop", "2"], "--hop has no effect with files; it goes with -i - and with --listen"),
        (["-c", "2001", "-i", "-", "--topk", "2"], "--topk has no effect with frames that come live"),
        (["-c", "2001", "--window", "2"], "--window has no effect with training; it goes with -i"),
        (["-c", "2001", "-e", "--quantize", "fp16"], "--quantize has no effect with -e; it goes with -ex"),
        (["-c", "2001", "-ex", "-g", "0"], "--gpus has no effect with -ex; it goes with training, -r, -e, -xf, -i, -v"),
        (["-c", "2001", "-g", "cpu", "98"], f"-g 98: {torch.cuda.device_count()} CUDA devices are visible, counted from 0; or -g cpu"),
        (["-c", "2001", "-xf", "-g", "cpu", "cpu"], "-g cpu cpu: -xf runs on one device; name one"),
        (["-c", "2001", "-r", "--precision", "bf16"], "--precision has no effect with -r; it goes with training"),
        (["-c", "2001", "-e", "--compile"], "--compile has no effect with -e; it goes with training, -r"),
        (["-c", "2001", "--raw", "x"], "--raw has no effect with training; it goes with -gd"),
        (["-c", "2001", "--out", "x.npz"], "--out has no effect with training; it goes with -e, -xf, -ex"),
        (["-c", "2001", "-e", "--clips", "x"], "--clips has no effect with -e; it goes with -xf"),
        (["-c", "2001", "-e", "--init-head"], "--init-head has no effect with -e; it goes with training"),
        (["-c", "2001", "--init-head"], "--init-head has no effect without -pp FILE"),
        (["-c", "2001", "-r", "--set", "train.epochs=2"], "--set has no effect with -r; it goes with training, -gd, -e, -xf, -ex, -i, -v"),
        (["-c", "2001", "-gd", "-w", "x"], "--work_dir has no effect with -gd; it goes with training, -r, -e, -xf, -ex, -i, -v, -l"),
        (["-c", "2001", "-gd", "-j", "0"], "-j 0: give at least 1 process, or leave it out to use all cores"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_the_remedy_and_exit_code_2(said, arguments, line):
    assert said(*arguments) == (2, [line])


def test_ctrl_c_while_files_are_classified_says_what_holds(said, monkeypatch):
    monkeypatch.setattr("predictor.open_classifier", lambda *told, threads: None)
    monkeypatch.setattr("predictor.predict", lambda *told: (_ for _ in ()).throw(KeyboardInterrupt))
    assert said("-i", "x", "-pp", "y") == (130, ["interrupted; nothing is half-written: give the command again"])


@pytest.mark.parametrize("words", [["-i", "x", "-pp", "y"], ["-c", "2001", "-ex", "-pp", "y"]])
def test_sigterm_ends_at_once_and_says_what_holds(said, monkeypatch, words):
    def killed(*told, **more):  # noqa: ARG001
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr("predictor.open_classifier", killed)
    monkeypatch.setattr("exporter.export", killed)
    before = signal.getsignal(signal.SIGTERM)
    assert said(*words) == (143, ["interrupted; nothing is half-written: give the command again"])
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's words")
@pytest.mark.parametrize(("words", "name"), [("-i x -pp y >&-", "output"), ("-i - -pp y <&-", "input")])
def test_a_stream_that_was_closed_from_the_start_is_a_line(words, name):
    line = f"'{sys.executable}' main.py {words}"
    found = subprocess.run(line, shell=True, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert found.stderr == f"-i: standard {name} is closed; leave it open, or name a file for it\n"
    assert found.returncode == 2


@pytest.mark.parametrize("action", ["-e", "-xf"])
def test_a_split_is_eval_train_or_test(said, action):
    code, (line,) = said("-c", "2001", action, "val")
    assert code == 2
    assert re.search(r"invalid choice: 'val' \(choose from '?eval'?, '?train'?, '?test'?\)", line)
    code, (line,) = said("-c", "2001", action, "test", "--raw", "x")
    assert line == f"--raw has no effect with {action}; it goes with -gd"


def test_raw_files_that_are_not_there_name_the_download_and_the_ways_to_say_where(said):
    code, (line,) = said("-c", "2001", "-gd")
    assert code == 2
    assert "nturgbd_skeletons_s001_to_s017: no such file or folder; download" in line
    assert line.endswith("--raw PATH, GESTA_RAW, or ntu60_path in configs/local.yaml")


def test_training_without_data_names_the_command_that_makes_it(said, tmp_path):
    code, (line,) = said("-c", "2001", "-w", tmp_path / "work")
    assert (code, line) == (2, f"{tmp_path}/store/ntu60: not generated yet; run: python main.py -c 2001 -gd")
    code, (line,) = said("-c", "2001", "--store", tmp_path / "a b")
    assert line.endswith(f"not generated yet; run: python main.py -c 2001 --store '{tmp_path}/a b' -gd")
    assert not (tmp_path / "work").exists()


def test_the_list_shows_every_experiment_and_its_best_plain_run(capsys, tmp_path):
    experiment = config.load("2002")
    for name, overrides, top1 in (("a", ["train.seed=7"], 0.9494), ("b", ["model.size=B2"], 0.99)):
        run = tmp_path / experiment.title / name
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(config.load("2002", overrides).to_yaml())
        (run / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "eval": {"top1": top1}}) + "\n")
    assert main.main(["-l", "-w", str(tmp_path)]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["number", "model", "benchmark", "input", "published", "own", "best", "run"]
    assert [row.split()[0] for row in rows] == config.numbers()
    row = next(row for row in rows if row.startswith("2002"))
    assert row.split() == ["2002", "EfficientGCN-B0", "SG", "ntu-xview", "ntu", "JVB", "94.9", "94.94%", "a"]
    assert "88.0" in next(row for row in rows if row.startswith("2007"))


def test_no_command_reads_stdin():
    sources = [
        *ROOT.glob("*.py"),
        *(p for room in ("utils", "initializer", "tools") for p in ROOT.glob(f"{room}/**/*.py")),
    ]
    assert not [path for path in sources if re.search(r"\binput\(|stdin", path.read_text())]


def test_from_raw_files_to_scores_and_features(command, small, write_raw, tmp_path):
    """The three commands of a user, and extraction, in processes of their own."""
    raw = write_raw(tmp_path / "raw", 48)
    place = ["--store", tmp_path / "store"]
    run = [*place, "-w", tmp_path / "work", "-g", "cpu"]
    overrides = [word for each in (*small, "train.epochs=1") for word in ("--set", each)]

    made = command("-c", "2001", "-gd", "--raw", raw, *place)
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1] == f"Next: python main.py -c 2001 --store {tmp_path}/store"

    trained = command("-c", "2001", *run, *overrides)
    assert trained.returncode == 0, trained.stderr
    assert "Using CPU!" in trained.stdout

    scored = command("-c", "2001", "-e", *run, *overrides, "--out", tmp_path / "scores.json")
    assert scored.returncode == 0, scored.stderr
    assert "Finish evaluating!" in scored.stdout
    assert len(json.loads((tmp_path / "scores.json").read_text())) == 18

    missing = command("-c", "2001", "-e", "test", *run, *overrides)
    assert missing.returncode == 2
    assert missing.stderr == f"{tmp_path}/store: ntu-xsub has no test split here; it has eval, train\n"

    extracted = command("-c", "2001", "-xf", "train", *run, *overrides, "--out", tmp_path / "features.npz")
    assert extracted.returncode == 0, extracted.stderr
    with np.load(tmp_path / "features.npz", allow_pickle=False) as found:
        assert found["features"].shape == (30, 16)
        assert set(found.files) == {"names", "labels", "logits", "features", "weight"}

    vectors = command(
        "-c", "2001", "-xf", *run, *overrides, "--out", tmp_path / "f.pkl", "--clips", "S001C001P003R001A003"
    )
    assert vectors.returncode == 2
    assert "feature maps (--clips) need .npz" in vectors.stderr
