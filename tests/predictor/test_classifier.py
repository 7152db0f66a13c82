"""What classifies: checkpoints of any form, and exported programs."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import config
import initializer
from dataset.layouts import load_layout
from dataset.packing import pack
from initializer.network import build_model
from predictor import open_classifier
from predictor.program import ProgramClassifier
from utils import checkpoint
from utils.contract import Contract
from utils.deployed import Program
from utils.errors import UserError

RNG = np.random.default_rng(2)


@pytest.fixture
def machine(tmp_path):
    return initializer.Machine(tmp_path / "store", tmp_path / "work", device="cpu", show_progress=False)


@pytest.fixture
def save_ours(tmp_path):
    """Writes a checkpoint of ours of an experiment; returns its path."""

    def save(experiment, classes=None, **changes):
        classes = classes or config_classes(experiment)
        about = {
            "config": json.loads(experiment.model_dump_json()),
            "classes": list(classes),
            "layout": load_layout(experiment.data.layout).facts(),
            "progress": {"epoch": 1, "best": None},
        }
        content = {"model": build_model(experiment, len(classes)).state_dict(), **about, **changes}
        checkpoint.save(tmp_path / "best.pt", content)
        return tmp_path / "best.pt"

    return save


def config_classes(experiment):
    from dataset.splits import load_benchmark

    return load_benchmark(experiment.data.benchmark).classes


def clips(count=3, persons=2, joints=25):
    return [pack(RNG.uniform(1, 2, (persons, n + 4, joints, 3)).astype(np.float32)) for n in range(count)]


# --- checkpoints


def test_a_checkpoint_of_ours_states_experiment_and_classes(save_ours, machine, small):
    experiment = config.load("2001", small)
    path = save_ours(experiment)
    found = open_classifier(None, path, machine)
    assert found.config == experiment
    assert found.classes == config_classes(experiment)
    assert found.layout.name == "ntu"
    some = clips()
    assert np.array_equal(found.logits(some), open_classifier(experiment, path, machine).logits(some))


def test_data_of_ones_own_have_the_classes_of_the_checkpoint(save_ours, machine, tmp_path):
    lines = "extends: [base/pyskl.yaml, base/stgcnpp.yaml]\ndata: {form: own, parts: [a], layout: ntu-pyskl, variant: original}\n"
    (tmp_path / "own.yaml").write_text(lines + "input: {streams: j}\nmodel: {stages: 2, inflate: [2], down: [2]}\n")
    experiment = config.load(str(tmp_path / "own.yaml"))
    found = open_classifier(experiment, save_ours(experiment, ("sit", "run")), machine)
    assert found.classes == ("sit", "run")
    assert found.logits(clips(1)).shape == (1, 2)
    torch.save(build_model(experiment, 2).state_dict(), tmp_path / "theirs.pt")
    with pytest.raises(UserError, match=r"theirs.pt: does not state its classes"):
        open_classifier(experiment, tmp_path / "theirs.pt", machine)


def test_a_clip_may_have_fewer_or_more_persons_than_the_network_sees(save_ours, machine, small):
    found = open_classifier(None, save_ours(config.load("2001", small)), machine)
    joints = RNG.uniform(1, 2, (3, 6, 25, 3)).astype(np.float32)
    alone = np.stack([joints[0], np.zeros_like(joints[0])])
    logits = found.logits([pack(joints), pack(joints[:2]), pack(joints[:1]), pack(alone)])
    assert logits[0] == pytest.approx(logits[1], abs=1e-5)
    assert logits[2] == pytest.approx(logits[3], abs=1e-5)
    assert abs(logits[0] - logits[2]).max() > 1e-4


@pytest.mark.parametrize("key", ["test.average", "input.person_padding"])
def test_test_clips_and_absent_persons_are_as_the_experiment_says(save_ours, machine, key):
    small = ("model.base_channels=8", "model.stages=2", "model.inflate=[2]", "model.down=[2]", "test.clips=4")
    values = {"test.average": ("probability", "score"), "input.person_padding": ("zero", "loop")}[key]
    torch.manual_seed(0)
    path = save_ours(config.load("3001", [*small, f"{key}={values[0]}"]))
    content = torch.load(path, weights_only=True)
    some, found = [pack(RNG.normal(size=(1, 300, 25, 3)).astype(np.float32))], []
    for value in values:
        experiment = config.load("3001", [*small, f"{key}={value}"])
        content["config"] = json.loads(experiment.model_dump_json())
        checkpoint.save(path, content)
        found.append(open_classifier(None, path, machine).logits(some))
    assert abs(found[0] - found[1]).max() > 1e-4


def test_what_cannot_be_opened_is_one_line(save_ours, machine, small, tmp_path):
    experiment = config.load("2001", small)
    torch.save(build_model(experiment, 60).state_dict(), tmp_path / "theirs.pt")
    old = json.loads(experiment.model_dump_json())
    old["train"]["gone"] = 1
    cases = [
        (None, None, "give what classifies: -pp CHECKPOINT, or -c NUMBER"),
        (None, tmp_path / "absent.pt", "-pp .*absent.pt: no such file"),
        (None, tmp_path, "-pp .*: is a folder; give a checkpoint in it"),
        (experiment, tmp_path / "absent.pt", "-pp .*absent.pt: no such file"),
        (experiment, None, "no run of 2001 has a best checkpoint yet"),
        (None, tmp_path / "theirs.pt", "theirs.pt: of form state-dict, which states no experiment; name it with -c"),
        (config.load("2002", small), save_ours(experiment), "best.pt: trained with data.benchmark=ntu-xsub"),
        (None, save_ours(experiment, config=old), "best.pt: states an experiment of another version .train.gone."),
    ]
    for given, path, message in cases[:-2]:
        with pytest.raises(UserError, match=message):
            open_classifier(given, path, machine)
    save_ours(experiment)
    with pytest.raises(UserError, match=cases[-2][2]):
        open_classifier(cases[-2][0], cases[-2][1], machine)
    save_ours(experiment, config=old)
    with pytest.raises(UserError, match=cases[-1][2]):
        open_classifier(None, cases[-1][1], machine)


# --- programs


@pytest.fixture
def program(tmp_path):
    """Returns a program of an experiment that remembers what it is asked."""

    def make(experiment, max_frames=64):
        layout = asdict(load_layout(experiment.data.layout))
        layout.pop("file")
        contract = Contract(
            name="net", title=experiment.title, config=json.loads(experiment.model_dump_json()), classes=("a", "b"),
            layout=layout, channels=("x", "y", "z"), persons=experiment.input.persons,
            variant={"name": "original", "options": {}}, max_frames=max_frames, test_clips=1, average="probability",
            inputs=(), outputs=(), before=(), checkpoint={"file": "best.pt", "sha256": ""}, files={"net.onnx": ""},
            thresholds={}, parity={"clips": 1, "source": "", "max_difference": {}, "agreement": 1.0}, versions={},
            quantized="none",
        )  # fmt: skip
        asked = []

        def run(joints, frames):
            asked.append((joints, frames))
            return joints.sum(axis=(1, 2, 3))[:, :2]

        return Program(tmp_path / "net.onnx", contract, run), asked

    return make


def test_a_program_gets_clips_padded_with_zeros(program):
    experiment = config.load("3001")
    run, asked = program(experiment)
    some = clips(3, persons=1)
    found = ProgramClassifier(run, experiment)
    assert found.logits(some).shape == (3, 2)
    ((joints, frames),) = asked
    assert (joints.shape, joints.dtype, frames.tolist()) == ((3, 2, 6, 25, 3), np.float32, [4, 5, 6])
    for dense, clip, count in zip(joints, some, (4, 5, 6)):
        assert np.array_equal(dense[0, :count], clip.rows)
        assert not dense[0, count:].any()
        assert not dense[1].any()
    assert (found.classes, found.longest) == (("a", "b"), 64)


def test_of_a_clip_that_is_too_long_a_program_that_sees_its_beginning_gets_that(program):
    experiment = config.load("2001")
    assert experiment.input.sampling.name == "first"
    run, asked = program(experiment, max_frames=5)
    found = ProgramClassifier(run, experiment)
    assert found.longest is None
    some = clips(3)
    found.logits(some)
    ((joints, frames),) = asked
    assert (joints.shape[2], frames.tolist()) == (5, [4, 5, 5])
    assert np.array_equal(joints[2, 0], some[2].rows[:5])


def test_what_is_inside_a_program_cannot_be_told_otherwise(program, machine, monkeypatch, tmp_path):
    run, _ = program(config.load("3001", ["test.clips=1"]))
    monkeypatch.setattr("predictor.program.open_program", lambda *told: run)
    (tmp_path / "net.onnx").write_bytes(b"x")
    same = config.load("3001", ["test.clips=1", "test.batch_size=2"])
    assert open_classifier(same, tmp_path / "net.onnx", machine).config == same
    for other, found in (
        (["test.clips=3"], "3 and probability"),
        (["test.clips=1", "test.average=score"], "1 and score"),
    ):
        with pytest.raises(UserError, match=f"exported with test.clips=1 .*, and not {found}; export it again"):
            open_classifier(config.load("3001", other), tmp_path / "net.onnx", machine)
    with pytest.raises(UserError, match="--plain has no effect"):
        open_classifier(None, tmp_path / "net.onnx", replace(machine, plain=True))


def test_an_exported_program_needs_no_experiment_and_refuses_another(save_ours, machine, small):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    import exporter

    experiment = config.load("2001", small)
    path = save_ours(experiment)
    exporter.export(experiment, machine, path, exporter.Request(say=lambda line: None))
    some = clips(4)
    expected = open_classifier(None, path, machine).logits(some)
    for suffix in (".onnx", ".pt2"):
        found = open_classifier(None, path.with_suffix(suffix), machine, threads=1)
        assert found.config == experiment
        assert abs(found.logits(some) - expected).max() <= 1e-4
        with pytest.raises(UserError, match="trained with data.benchmark=ntu-xsub"):
            open_classifier(config.load("2002", small), path.with_suffix(suffix), machine)
