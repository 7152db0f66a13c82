"""Every numbered experiment: it builds at its published size, and goes raw files -> part -> training -> scores."""

import json
import pickle

import numpy as np
import pytest
import torch
from scipy.io import savemat

import config
import initializer
import processor
from dataset.layouts import load_layout
from dataset.splits import load_benchmark
from dataset.streams import stream_channels
from initializer.network import build_model, build_optimizer, build_recipe
from loss import LOSSES
from reader.ucla import ACTIONS
from utils.cost import Cost

NUMBERS = [number for number in config.numbers() if number < "9000"]  # not the users'
EXPERIMENTS = {number: config.load(number) for number in NUMBERS}

# Section 10 of the fact sheet: for 60 classes; `A` of 3041 is not learned (Paddle).
PARAMETERS = {
    ("ST-GCN++", "ntu-pyskl"): 1_403_144,
    ("ST-GCN++", "coco-17"): 1_393_016,
    ("ST-GCN", "ntu-pyskl"): 3_098_832,
    ("ST-GCN", "coco-17"): 3_088_704,
    ("AAGCN", "ntu-pyskl"): 3_781_668,
    ("CTR-GCN", "ntu-pyskl"): 1_446_672,
}
HEAD_OF_60_MORE = 15_420
ADJACENCIES = 10 * 3 * 17 * 17


def classes_of(experiment):
    return len(load_benchmark(experiment.data.benchmark).classes)


@pytest.mark.parametrize("number", [n for n in NUMBERS if EXPERIMENTS[n].data.form == "annotations"])
def test_networks_have_the_published_size(number):
    experiment = EXPERIMENTS[number]
    with torch.device("meta"):
        network = build_model(experiment, classes_of(experiment))
    expected = PARAMETERS[experiment.model.name, experiment.data.layout]
    expected += HEAD_OF_60_MORE * (classes_of(experiment) == 120) - ADJACENCIES * (number == "3041")
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


# --- every number, small: forwards, loss, backwards, a step


def tiny(experiment):
    """Return `--set` overrides that leave an experiment its form, network and streams, and little else."""
    slim = ("model.stem_channels=8", "model.blocks=[[16,1,0.5],[16,2,1]]", "model.fusion_stage=1", "model.size=B0")
    train = ("epochs=1", "batch_size=4", "reference_batch=null", "repeat=1", "schedule.warmup_epochs=0")
    return [
        *(slim if experiment.model.name == "EfficientGCN" else ["model.base_channels=8"]),
        *(f"train.{override}" for override in train),
        "input.frames=8",
        "test.batch_size=4",
        f"test.clips={min(experiment.test.clips, 2)}",
    ]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_takes_a_step(number):
    experiment = config.load(number, tiny(EXPERIMENTS[number]))
    data, seen, train = experiment.data, experiment.input, experiment.train
    torch.manual_seed(1)
    network = build_model(experiment, classes_of(experiment))
    channels, joints = len(data.channel_names), load_layout(data.layout).num_joints
    shape = (2, len(seen.stream_names), stream_channels(seen.stream_names, channels), seen.frames, joints, seen.persons)
    logits = network(torch.randn(shape))
    assert logits.shape == (2, classes_of(experiment))
    loss = LOSSES[train.loss.name](logits, torch.tensor([0, 1]), **train.loss.model_dump(exclude={"name"}))
    loss.sum().backward()
    trainable = {name: each for name, each in network.named_parameters() if each.requires_grad}
    assert all(each.grad is not None and each.grad.isfinite().all() for each in trainable.values())
    before = {name: each.clone() for name, each in trainable.items()}
    build_optimizer(train.optimizer, network).step()
    assert any(not torch.equal(before[name], each) for name, each in trainable.items())
    assert build_recipe(experiment, steps_per_epoch=3).evaluates(1)


# --- raw files of every form, of 12 made-up clips


def people(rng, joints, channels=3, count=1):
    """Return `count` moving persons (M, T, V, C) that stand upright."""
    frames = int(rng.integers(6, 20))
    pose = rng.normal(size=(1, 1, joints, channels)) + 3
    return pose + 0.1 * rng.normal(size=(count, frames, joints, channels))


def write_pickle(path, rng, joints):
    names = [f"S{n % 3 + 1:03d}C{n % 3 + 1:03d}P{n % 2 + 1:03d}R001A{n + 1:03d}" for n in range(12)]
    lists = {"xsub": 2, "xview": 3, "xset": 2}
    split = {f"{name}_train": [each for n, each in enumerate(names) if n % step] for name, step in lists.items()}
    split |= {f"{name}_val": names[::step] for name, step in lists.items()}
    annotations = []
    for n, name in enumerate(names):
        keypoint = people(rng, joints, 2 if joints == 17 else 3, count=1 + n % 2).astype(np.float16)
        item = {"frame_dir": name, "label": n, "total_frames": keypoint.shape[1], "keypoint": keypoint}
        if joints == 17:
            item |= {"keypoint": 100 * keypoint, "img_shape": (1080, 1920)}
            item["keypoint_score"] = rng.uniform(0, 1, keypoint.shape[:3]).astype(np.float16)
        annotations.append(item)
    path.write_bytes(pickle.dumps({"split": split, "annotations": annotations}))


def write_ucla(path, rng):
    path.mkdir()
    for n in range(12):
        name = f"a{ACTIONS[n % 10]}_s01_e00_v{n % 3 + 1:02d}"
        content = {"file_name": name, "skeletons": people(rng, 20)[0].tolist(), "label": n % 10 + 1}
        (path / f"{name}.json").write_text(json.dumps(content))


def write_utd(path, rng):
    path.mkdir()
    for n in range(12):
        savemat(path / f"a{n % 27 + 1}_s{n % 3 + 1}_t1_skeleton.mat", {"d_skel": people(rng, 20)[0].transpose(1, 2, 0)})


@pytest.fixture(scope="module")
def raw(tmp_path_factory, write_raw):
    """Returns where the raw files of an experiment lie."""
    folder, rng = tmp_path_factory.mktemp("raw"), np.random.default_rng(7)
    write_pickle(folder / "coco-17.pkl", rng, 17)
    write_pickle(folder / "ntu-pyskl.pkl", rng, 25)
    write_ucla(folder / "ucla", rng)
    write_utd(folder / "utd", rng)
    write_raw(folder / "ntu", 12, frames=12)
    return lambda data: folder / (f"{data.layout}.pkl" if data.form == "annotations" else data.form)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def kind(experiment):
    """Return what decides which code an experiment runs through."""
    streams = experiment.input.streams
    return experiment.data.form, experiment.model.name, streams.isupper(), "m" in streams


REPRESENTATIVES = {kind(EXPERIMENTS[number]): number for number in reversed(NUMBERS) if number != "0001"}
REPRESENTATIVES |= {"2D": "3005", "2D motions": "3008", "120 classes": "3029", "Paddle's": "3041"}


@pytest.mark.parametrize("number", sorted(REPRESENTATIVES.values()))
def test_a_number_of_every_kind_reads_its_form_trains_and_scores(tmp_path, raw, store, generate, monkeypatch, number):
    overrides = tiny(EXPERIMENTS[number])
    experiment = config.load(number, overrides)
    good, said = generate(number, store, raw(experiment.data), overrides=overrides)
    assert good, said
    machine = initializer.Machine(store, tmp_path, device="cpu", show_progress=False)
    run = initializer.prepare_training(experiment, machine)
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    processor.train(run)
    assert run.progress.concluded
    assert run.progress.step == len(run.train_batches) > 0
    assert any(not torch.equal(before[key], value) for key, value in run.model.state_dict().items())

    # It has been measured: half of this test's time.
    monkeypatch.setattr(initializer, "measure", lambda *_: Cost(0, 0, 0, 0))
    again = initializer.prepare_evaluation(experiment, machine, None)
    found = processor.run_evaluation(again)
    names = found.columns["names"].tolist()
    assert found.columns["logits"].shape == (len(names), classes_of(experiment))
    assert len(names) == len(set(names)) > 0
    assert not set(names) & set(run.train_batches.names.tolist())
    with np.load(run.folder.path / "scores.npz") as kept:
        assert np.array_equal(kept["logits"], found.columns["logits"])
