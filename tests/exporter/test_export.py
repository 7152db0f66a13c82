"""Exports of every network, the gate, and what happens where something goes wrong."""

import errno
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import config
import exporter
from config import ROOT
from dataset.layouts import load_layout
from dataset.memory import dense
from exporter import formats
from exporter.clips import generate
from exporter.staging import staged
from exporter.subject import Subject
from model.stages import plan_stages
from tests.exporter.conftest import SMALL
from utils.contract import Contract, Parity
from utils.deployed import open_program
from utils.errors import UserError
from utils.files import checksum

TWO_BLOCKS = ("input.frames=16", "model.base_channels=12")
TWO_CLIPS = "test.clips=2"
FAMILIES = {
    "1003": TWO_BLOCKS,
    "1004": TWO_BLOCKS,
    "1005": TWO_BLOCKS,
    "1101": (*TWO_BLOCKS, TWO_CLIPS, "input.person_padding=loop"),
    "2013": ("input.frames=12", "model.stem_channels=8", "model.blocks=[[16,2,1]]", "model.fusion_stage=0"),
    "3001": (*TWO_BLOCKS, TWO_CLIPS),
    "3005": (*TWO_BLOCKS, TWO_CLIPS, "input.streams=bm"),
    "4001": TWO_BLOCKS,
    "4011": (*TWO_BLOCKS, TWO_CLIPS, "test.average=score"),
    "5001": ("input.frames=16", "model.base_channels=16", TWO_CLIPS),
    "6011": (*TWO_BLOCKS, TWO_CLIPS),
}
SLOW = ("1003", "1004", "1005", "1101", "3001", "4001", "4011", "5001")


@pytest.fixture
def two_blocks(monkeypatch):
    """Networks of ten blocks have their first one and the one that goes down, so that tests are short."""

    def plan(*sizes, **options):
        whole = plan_stages(*sizes, **options)
        return [whole[0], whole[4]]

    for module in ("aagcn", "agcn", "ctrgcn", "multibranch", "stgcn"):
        monkeypatch.setattr(f"model.{module}.plan_stages", plan)


@pytest.mark.usefixtures("two_blocks")
@pytest.mark.parametrize(
    "number", [pytest.param(each, marks=pytest.mark.slow) if each in SLOW else each for each in FAMILIES]
)
def test_each_network_passes_the_gate(number, tmp_path, machine, save_untrained):
    experiment, said = config.load(number, FAMILIES[number]), []
    weights = save_untrained(tmp_path / "net.pt", experiment)
    paths = exporter.export(experiment, machine, weights, exporter.Request(say=said.append))
    contract = Contract.read(tmp_path / "net.json")
    assert paths == [tmp_path / name for name in ("net.onnx", "net.pt2", "net.json")]
    assert all(difference <= 1e-5 for difference in contract.parity.max_difference.values())
    assert contract.parity.max_difference.keys() == {"net.onnx", "net.pt2"}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["net.json", "net.onnx", "net.pt", "net.pt2"]


@pytest.mark.slow
def test_the_golden_checkpoint_gives_the_golden_logits(tmp_path, machine, goldens):
    weights, experiment = goldens / "pdparams" / "seed_xsub_2001.pdparams", config.load("2001")
    paths = exporter.export(experiment, machine, weights, exporter.Request(out=tmp_path, name="inference"))
    assert [path.name for path in paths] == ["inference.onnx", "inference.pt2", "inference.json"]
    raw = np.load(goldens / "models" / "input_realistic_n4.npz")["raw"]  # (N, C, T, V, M)
    joints, frames = raw.transpose(0, 4, 2, 3, 1), np.full(len(raw), raw.shape[2])
    expected = np.load(goldens / "models" / "real_seed_xsub_2001.npz")["logits"]
    for path in paths[:2]:
        np.testing.assert_allclose(open_program(path)(joints, frames), expected, atol=1e-4, rtol=0)


def test_the_json_says_what_the_programs_need(exported, small_experiment):
    folder, _, said = exported
    contract = Contract.read(folder / "best.json")
    assert contract.title == "2001_EfficientGCN-B0_ntu-xsub"
    assert config.Config.model_validate_json(json.dumps(contract.config)) == small_experiment
    assert contract.classes == tuple(f"class {number}" for number in range(7))
    assert contract.layout.joints[2] == "neck"
    assert (contract.channels, contract.persons, contract.max_frames) == (("x", "y", "z"), 2, 1024)
    assert contract.files == {name: checksum(folder / name) for name in ("best.onnx", "best.pt2")}
    assert contract.checkpoint.sha256 == checksum(folder / "best.pt")
    assert contract.versions.keys() == {"gesta", "torch", "onnx", "onnxruntime", "onnxscript"}
    assert contract.quantized == "none"
    assert str(Path.home()) not in (folder / "best.json").read_text()
    assert any(
        line.startswith("Data shape (branch, channel, frame, joint, person): [3, 6, 12, 25, 2]") for line in said
    )
    assert said[:3] == [f"Saving folder path: {folder}", "Starting preparing ...", "Saving model name: best"]
    assert f"Pretrained model: {folder / 'best.pt'} (form gesta)" in said
    assert said.index("Successful!") < said.index("Exporting ...")
    assert said[-1].startswith(f"Saved: {folder / 'best.onnx'}, ")


@pytest.mark.usefixtures("ungated")
def test_the_json_says_how_the_run_was_trained(tmp_path, machine, save_untrained):
    trained = config.load("2001", [*SMALL, "train.epochs=3", "input.augment=[]", "test.batch_size=3"])
    weights = save_untrained(tmp_path / "short.pt", trained)
    exporter.export(config.load("2001", SMALL), machine, weights, exporter.Request())
    stated = Contract.read(tmp_path / "short.json").config
    assert (stated["train"]["epochs"], stated["input"]["augment"]) == (3, [])
    assert stated["test"] == json.loads(config.load("2001", SMALL).test.model_dump_json())


def test_what_another_version_says_of_training_is_left_out(exported, small_experiment, machine):
    subject = Subject.load(small_experiment, machine, exported[0] / "best.pt", print)
    subject.loaded.imported.raw["config"]["train"]["of_another_version"] = 1
    parity = Parity(clips=1, source="", max_difference={}, agreement=1.0)
    stated = subject.contract("old", [subject.weights], parity).config
    assert config.Config.model_validate_json(json.dumps(stated)) == small_experiment


def test_programs_name_no_file_of_this_machine(exported):
    for name in ("best.onnx", "best.pt2"):
        assert str(ROOT).encode() not in (exported[0] / name).read_bytes()


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_a_clips_logits_do_not_depend_on_the_others(exported, small_experiment, suffix):
    program = open_program(exported[0] / f"best{suffix}", threads=1)
    clips = generate(small_experiment, load_layout("ntu"), 60, count=9).clips
    together = program(*dense(clips))
    for clip, expected in zip(clips, together, strict=True):
        joints, frames = dense([clip])
        longer = np.pad(joints, ((0, 0), (0, 2), (0, 5), (0, 0), (0, 0)))  # empty persons, and zeros behind the end
        np.testing.assert_allclose(program(joints, frames)[0], expected, atol=1e-5)
        np.testing.assert_allclose(program(longer, frames)[0], expected, atol=1e-5)


# --- where exports go, and what stays there


@pytest.fixture
def prepared(monkeypatch, exported):
    """Has exports take the programs of the small export, so that a test takes no time."""
    monkeypatch.setattr(exporter, "trace", lambda *_: None)
    for kind, suffix in (("save_onnx", ".onnx"), ("save_pt2", ".pt2")):
        monkeypatch.setattr(
            exporter, kind, lambda _, path, suffix=suffix: shutil.copy(exported[0] / f"best{suffix}", path)
        )
    return exported[0] / "best.pt"


@pytest.fixture
def ungated(prepared, monkeypatch):
    """Has the gate let everything through, unseen."""
    monkeypatch.setattr(exporter, "open_program", lambda path: path)
    monkeypatch.setattr(exporter, "refuse_other", lambda *_: 0.0)
    return prepared


def test_files_are_named_and_placed_as_asked(ungated, tmp_path, small_experiment, machine):
    out = tmp_path / "new" / "folder"
    for name, expected in (("xsub.pdparams", "xsub"), ("a.b.pth.tar", "a.b"), ("x.pt", "x")):
        weights = shutil.copy(ungated, tmp_path / name)
        exporter.export(small_experiment, machine, Path(weights), exporter.Request(out=out))
        assert open_program(out / f"{expected}.onnx").contract.name == expected
    exporter.export(small_experiment, machine, ungated, exporter.Request(out=out, name="inference"))
    assert (out / "inference.pt2").is_file()
    assert len(list(out.iterdir())) == 12


def test_the_newest_runs_best_is_exported_without_a_name(small_experiment, machine):
    with pytest.raises(UserError, match="no run"):
        exporter.export(small_experiment, machine, None, exporter.Request())


@pytest.mark.parametrize("name", ["a/b", "..", "", ".hidden"])
def test_a_name_is_no_path(prepared, tmp_path, small_experiment, machine, name):
    with pytest.raises(UserError, match="--out DIR says where"):
        exporter.export(small_experiment, machine, prepared, exporter.Request(out=tmp_path, name=name))


def test_a_json_that_is_no_exports_is_not_replaced(prepared, tmp_path, small_experiment, machine):
    (tmp_path / "environment.json").write_text("{}")
    with pytest.raises(UserError, match=r"environment.json: .* take another --save_name"):
        exporter.export(small_experiment, machine, prepared, exporter.Request(out=tmp_path, name="environment"))
    assert (tmp_path / "environment.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["mine.onnx", "mine.pt2", "mine-fp16.onnx", "mine-fp16.json"])
def test_a_program_that_no_json_of_ours_describes_is_not_replaced(prepared, tmp_path, small_experiment, machine, name):
    (tmp_path / name).write_text("theirs")
    request = exporter.Request(out=tmp_path, name="mine", quantize="fp16")
    with pytest.raises(UserError, match=f"{name}: would be replaced, and no json of -ex describes it; take another"):
        exporter.export(small_experiment, machine, prepared, request)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("out", ["file", "file/out"])
def test_a_folder_that_cannot_be_made_is_said(prepared, tmp_path, small_experiment, machine, out):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file.*name another place"):
        exporter.export(small_experiment, machine, prepared, exporter.Request(out=tmp_path / out))


def test_lines_are_in_the_form_of_a_runs_log(ungated, tmp_path, small_experiment, machine, capsys):
    exporter.export(small_experiment, machine, ungated, exporter.Request(out=tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f" ] Saving folder path: {tmp_path}")
    assert all(re.match(r"\[ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \] ", line) for line in lines)


@pytest.mark.usefixtures("ungated")
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["save_onnx", "move"])
def test_a_failed_export_leaves_the_old_set_whole(copied, small_experiment, machine, tree, monkeypatch, step, error):
    before, rename, count = tree(copied), Path.rename, []

    def fail(*_):
        raise error

    def rename_twice(path, target):
        count.append(path)
        return fail() if len(count) == 4 and isinstance(error, OSError) else rename(path, target)

    if step == "move" and isinstance(error, OSError):
        monkeypatch.setattr(Path, "rename", rename_twice)
    else:
        monkeypatch.setattr(exporter, step, fail)
    expected = UserError if step == "move" and isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        exporter.export(small_experiment, machine, copied / "best.pt", exporter.Request())
    assert tree(copied) == before


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UserError, match="x.onnx: no room left to write .* free some space and export again"):
        formats._write(tmp_path / "x.onnx", b"")


@pytest.mark.usefixtures("ungated")
def test_a_new_set_replaces_the_old_one(copied, small_experiment, machine):
    (copied / "best.onnx").write_bytes(b"old")
    (copied / "best.json").write_text('{"format": "gesta-deployed-1"')  # damaged
    exporter.export(small_experiment, machine, copied / "best.pt", exporter.Request())
    assert open_program(copied / "best.onnx").contract.name == "best"
    assert sorted(each.name for each in copied.iterdir()) == ["best.json", "best.onnx", "best.pt", "best.pt2"]


KILLED = """
import os, signal, sys
from pathlib import Path
import config, exporter
from initializer.machine import Machine
exporter.trace = lambda *_: None
exporter.save_pt2 = lambda _, path: path.write_bytes(b"half")
exporter.save_onnx = lambda _, path: os.kill(os.getpid(), signal.SIGKILL)
folder = Path(sys.argv[1])
exporter.export(config.load("2001", sys.argv[2:]), Machine(folder, folder), folder / "best.pt", exporter.Request())
"""


@pytest.mark.usefixtures("ungated")
def test_a_killed_export_leaves_the_old_set_and_the_next_one_cleans_up(copied, machine, small_experiment, tree):
    before = tree(copied)
    line = [sys.executable, "-c", KILLED, str(copied), *SMALL]
    killed = subprocess.run(line, cwd=ROOT, check=False, timeout=100, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = tree(copied)
    assert left.pop(str(Path(".best.exporting", "best.pt2"))) == b"half"
    assert left == before
    exporter.export(small_experiment, machine, copied / "best.pt", exporter.Request())
    assert not (copied / ".best.exporting").exists()


@pytest.mark.usefixtures("prepared")
def test_two_exports_of_one_name_do_not_meet(copied, small_experiment, machine):
    with staged(copied, "best") as folder:
        (folder / "mine").touch()
        with pytest.raises(UserError, match="another export of best is at work"):
            exporter.export(small_experiment, machine, copied / "best.pt", exporter.Request())
        assert (folder / "mine").exists()


def test_missing_packages_are_one_line(small_experiment, machine, tmp_path, monkeypatch):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(UserError) as error:
                exporter.export(small_experiment, machine, tmp_path / "x.pt", exporter.Request())
        line = "-ex needs onnx, onnxscript and onnxruntime: pip install -r requirements-export.txt"
        assert str(error.value) == line


# --- the gate


def other_weights(monkeypatch, change):
    """Has what evaluation says be changed by `change`."""
    evaluate = Subject.evaluate
    monkeypatch.setattr(Subject, "evaluate", lambda self, trial: change(evaluate(self, trial)))


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("clip", [0, 5])
def test_a_program_that_differs_does_not_pass(copied, small_experiment, machine, monkeypatch, tree, clip):
    def change(logits):
        logits[clip, 3] += 2e-4
        return logits

    before = tree(copied)
    other_weights(monkeypatch, change)
    words = rf"best.onnx: differs from the evaluation by 2.0e-04 \(at most 0.0001\) for generated clip {clip} .*nothing"
    with pytest.raises(UserError, match=words):
        exporter.export(small_experiment, machine, copied / "best.pt", exporter.Request())
    assert tree(copied) == before


@pytest.mark.usefixtures("prepared")
def test_a_damaged_checkpoint_is_said(copied, small_experiment, machine, monkeypatch):
    monkeypatch.setattr("exporter.subject.evaluate", lambda *_, **__: np.full((16, 7), np.nan))
    with pytest.raises(UserError, match=r"best.pt: the network's output is not finite for generated clip 0"):
        exporter.export(small_experiment, machine, copied / "best.pt", exporter.Request())


def test_the_example_of_the_document_runs(exported, monkeypatch, capsys):
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "export.md").read_text(), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(exported[0])
    exec(code, {})
    assert capsys.readouterr().out.startswith("class ")
