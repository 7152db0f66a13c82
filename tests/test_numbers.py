"""Every numbered experiment: it builds at its published size, and goes raw files -> part -> training -> scores."""

import json
import pickle
import re

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
from initializer.data import build_loss, data_shape, make_loader, open_data
from initializer.network import build_model, build_optimizer, build_recipe
from reader.ucla import ACTIONS
from tests.reader.babel_form import write_babel
from tests.reader.dlc_form import write_dlc
from tests.reader.kinetics_form import write_kinetics
from utils.cost import Cost, measure

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


OWN_CLASSES = 2  # of the animals below
ST_GCN_FROM_1001 = {  # section 1.1 of ST-GCN's fact sheet, section 5.2 of the family's
    **dict.fromkeys(("1001", "1002", "1012", "1021", "1022"), 3_098_832),
    **dict.fromkeys(("1023", "1024"), 3_114_252),
    "1003": 3_177_140,
    "1004": 2 * 3_177_140,
    "1011": 3_088_704,
    **dict.fromkeys(("4001", "4002"), 3_469_360),
}


def classes_of(experiment):
    name = experiment.data.benchmark
    return OWN_CLASSES if name == "own" else len(load_benchmark(name).classes)


def parameters_of(number):
    experiment = EXPERIMENTS[number]
    with torch.device("meta"):
        network = build_model(experiment, classes_of(experiment))
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("number", [n for n in NUMBERS if n > "1100" and EXPERIMENTS[n].data.form == "annotations"])
def test_networks_have_the_published_size(number):
    experiment = EXPERIMENTS[number]
    expected = PARAMETERS[experiment.model.name, experiment.data.layout]
    expected += HEAD_OF_60_MORE * (classes_of(experiment) == 120) - ADJACENCIES * (number == "3041")
    assert parameters_of(number) == expected


@pytest.mark.parametrize("number", ST_GCN_FROM_1001)
def test_the_originals_networks_have_their_size(number):
    assert parameters_of(number) == ST_GCN_FROM_1001[number]


# --- what is published, and how it is trained

STREAMS = ["j", "b", "jm", "bm"]
ROWS = [  # of PYSKL's tables: benchmark, layout, part
    (benchmark, layout, f"{data}-{kind}")
    for benchmark, data in [("xsub", "ntu60"), ("xview", "ntu60"), ("xsub120", "ntu120"), ("xset120", "ntu120")]
    for layout, kind in [("ntu-pyskl", "3d"), ("coco-17", "hrnet")]
]


@pytest.fixture(scope="module")
def tables(shared):
    """Returns PYSKL's figures by the first number of a row: network, place in ROWS, and six figures (j b jm bm 2s 4s)."""
    (page,), facts = (shared / "seeds").glob("001*"), (shared / "facts/stgcn_family.md").read_text("utf-8")
    rows = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| NTURGB+D")]
    plus = [re.findall(r"(?<=[\[ ])\d\d\.\d(?=[\] ])", line) for line in rows]
    plain = [cell.split() for row in re.findall(r"\| PYSKL \| ([\d. ]+) \| ([\d. ]+) \|$", facts, re.M) for cell in row]
    ((aagcn, ctrgcn),) = re.findall(r"^\| NTU60 xsub \| ([\d. ]+) · [\d. ]+ \| ([\d. ]+) · ", facts, re.M)
    found = {3001 + 4 * row: ("ST-GCN++", row, figures) for row, figures in enumerate(plus)}
    found |= {1101 + 4 * row: ("ST-GCN", row, figures) for row, figures in enumerate(plain)}
    found |= {4011: ("AAGCN", 0, aagcn.split()), 5001: ("CTR-GCN", 0, ctrgcn.split())}
    assert len(found) == 18 and {len(figures) for _, _, figures in found.values()} == {6}
    return found


def test_published_figures_rows_and_streams_are_those_of_pyskls_tables(tables):
    for first, (network, row, figures) in tables.items():
        benchmark, layout, part = ROWS[row]
        for number, stream, figure in zip(range(first, first + 4), STREAMS, figures, strict=False):
            found = EXPERIMENTS[str(number)]
            assert (found.model.name, found.input.streams) == (network, stream), number
            assert (found.data.benchmark, found.data.layout, found.data.parts) == (f"ntu-{benchmark}", layout, (part,))
            assert found.data.variant == {"ntu-pyskl": "prenormalized", "coco-17": "prenormalized-2d"}[layout]
            fused = zip(("two_stream", "four_stream"), figures[4:], strict=True) if stream == "j" else ()
            expected = [("top1", float(figure)), *((metric, float(each)) for metric, each in fused)]
            assert [(each.metric, each.value) for each in found.published] == expected, number


def test_pyskls_numbers_are_trained_and_tested_as_pyskl_does(tables):
    """Section 9 of the fact sheet."""
    sgd = config.Sgd(name="SGD", lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    recipe = {"epochs": 16, "repeat": 5, "batch_size": 128, "reference_batch": 128, "optimizer": sgd}
    for number in (str(first + n) for first in tables for n in range(4)):
        found = EXPERIMENTS[number]
        assert found.train == config.Train(**recipe, schedule=config.Cosine(name="cosine", warmup_epochs=0)), number
        assert found.test == config.Test(batch_size=16, clips=10, average="probability")
        assert (found.input.frames, found.input.persons, found.input.sampling.name) == (100, 2, "uniform")
        assert found.input.augment == ()


def test_3041_is_3013_but_for_what_paddlevideo_does_otherwise():
    """Section 12.1: the frames' order of draws, an adjacency that is not learned, and the mean of logits."""
    changes = ["input.sampling={name: uniform_mma}", "model.adaptive=none", "test.average=score", "number='3041'"]
    pyskl, paddle = config.load("3013", changes), EXPERIMENTS["3041"]
    assert paddle.model_copy(update={"published": pyskl.published}) == pyskl
    assert [(each.metric, each.value) for each in paddle.published] == [("top1", 97.56)]


@pytest.fixture(scope="module")
def mmaction2_table(shared):
    """Returns the rows of mmaction2's table of BABEL: per configuration its four figures."""
    (page,) = (shared / "seeds").glob("002*")
    rows = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| [stgcn_80e_babel")]
    return {re.search(r"stgcn_80e_(\w+)", row)[1]: re.findall(r"\d\d\.\d\d", row.split("download")[0]) for row in rows}


def test_babels_figures_are_those_of_mmaction2s_table(mmaction2_table):
    for n, name in enumerate(("babel60", "babel60_wfl", "babel120", "babel120_wfl")):
        figures = [[f"{each.value:.2f}" for each in EXPERIMENTS[str(1021 + n + more)].published] for more in (0, 2980)]
        assert figures[0] + figures[1] == mmaction2_table[name]


def test_babels_are_trained_as_mmaction2_and_babel_do():
    """Section 7.3 and 7.4 of the fact sheet; 2.0 and 1.0 are their gammas."""
    for n in range(8):
        found = EXPERIMENTS[str((1021, 1022, 1023, 1024, 4001, 4002, 4003, 4004)[n])]
        train, official, focal = found.train, n >= 4, n % 2 == 1
        expected = (200 if focal else 250, 1, 64) if official else (16, 5, 128)
        assert (train.epochs, train.repeat, train.batch_size) == expected
        assert train.loss.name == ("cb_focal" if focal else "cross_entropy")
        assert not focal or (train.loss.beta, train.loss.gamma) == (0.9999, 1.0 if official else 2.0)
        assert (found.input.frames, found.input.persons, found.data.layout) == (150, 1, "ntu-stgcn")
        assert train.schedule.name == ("constant" if official else "step")
        assert train.optimizer.weight_decay == 1e-4


def test_the_originals_are_trained_as_it_does():
    """Section 3.3 of the fact sheet."""
    for number in ("1001", "1002", "1003", "1004", "1005"):
        found, kinetics = EXPERIMENTS[number], number > "1002"
        sgd = config.Sgd(name="SGD", lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
        assert found.train.optimizer == sgd
        assert (found.input.frames, found.test.frames or 300) == (150 if kinetics else 300, 300)
        assert getattr(found.model, "temporal_dropout", 0) == (0 if kinetics else 0.5)
        assert [each.name for each in found.input.augment] == (["random_move"] if kinetics else [])
        assert found.data.layout == ("openpose-18" if kinetics else "ntu-stgcn")


@pytest.mark.parametrize("number", ["1001", "1003", "1004", "1005", "1006", "1011", "1012", "1021", "1023", "4001",
    "4003", "1101", "1105", "3001", "3005", "3041", "4011", "5001", *(
    number for number in NUMBERS if number[0] == "6" and number[-1] == "1")])  # fmt: skip
def test_the_cost_in_the_header_is_the_networks(number):
    header = (config.FOLDER / f"{number}.yaml").read_text()
    stated, clips = re.search(r"Cost: ([\d.]+) GMAC x (\d+) clip", header).groups()
    found = EXPERIMENTS[number]
    seen, channels = found.input, len(found.data.channel_names)
    streams = len(seen.stream_names), stream_channels(seen.stream_names, channels)
    shape = (1, *streams, found.frames(trains=False), load_layout(found.data.layout).num_joints, seen.persons)
    cost = measure(build_model(found, classes_of(found)), shape).macs / 1e9
    share = 0.88 if found.model.name == "CTR-GCN" else 0.98  # as published: here means are taken before convolutions
    assert share * float(stated) - 0.005 <= cost <= float(stated) + 0.005
    assert int(clips) == found.test.clips


def test_every_number_of_this_family_states_its_cost():
    states = {number: "GMAC" in (config.FOLDER / f"{number}.yaml").read_text() for number in NUMBERS}
    assert all(stated for number, stated in states.items() if number[0] not in "02")


# --- every number, small


def tiny(experiment):
    """Return `--set` overrides that leave an experiment its form, network and streams, and little else."""
    slim = ("model.stem_channels=8", "model.blocks=[[16,1,0.5],[16,2,1]]", "model.fusion_stage=1", "model.size=B0")
    train = ("epochs=1", "batch_size=4", "reference_batch=null", "repeat=1", "schedule.warmup_epochs=0")
    return [
        *(slim if experiment.model.name == "EfficientGCN" else ["model.base_channels=8"]),
        *(["test.frames=12"] if experiment.test.frames else []),
        *(f"train.{override}" for override in train),
        "input.frames=8",
        "test.batch_size=4",
        f"test.clips={min(experiment.test.clips, 2)}",
    ]


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
    write_kinetics(folder / "kinetics", rng, 12, classes=load_benchmark("kinetics-skeleton").classes[:3])
    for classes in (60, 120):
        write_babel(folder / "babel", rng, classes)
    write_dlc(folder / "deeplabcut", rng)
    for setup in (1, 2, 18, 19):  # of ntu60 and of ntu120
        write_raw(folder / "ntu", 12, frames=12, setup=setup)
    (folder / "ntu-stgcn.pkl").symlink_to(folder / "ntu-pyskl.pkl")
    (folder / "coco-17-mma.pkl").symlink_to(folder / "coco-17.pkl")
    return lambda data: folder / (f"{data.layout}.pkl" if data.form == "annotations" else data.form)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_reads_its_form_and_takes_a_step(tmp_path, raw, store, generate, number):
    experiment = config.load(number, tiny(EXPERIMENTS[number]))
    good, said = generate(number, store, raw(experiment.data), overrides=tiny(experiment))
    assert good, said
    data = open_data(experiment, initializer.Machine(store, tmp_path, device="cpu"), ("train",))
    batch = next(iter(make_loader(experiment, data, "train", trains=True)))
    assert list(batch.streams.shape) == [4, *data_shape(experiment, data, trains=True)]

    train = experiment.train
    torch.manual_seed(1)
    network = build_model(experiment, classes_of(experiment))
    logits = network(batch.streams)
    assert logits.shape == (4, classes_of(experiment))
    loss = build_loss(experiment, data)(logits, batch.labels)
    loss.sum().backward()
    trainable = {name: each for name, each in network.named_parameters() if each.requires_grad}
    assert all(each.grad is not None and each.grad.isfinite().all() for each in trainable.values())
    before = {name: each.clone() for name, each in trainable.items()}
    build_optimizer(train.optimizer, network).step()
    assert any(not torch.equal(before[name], each) for name, each in trainable.items())
    assert build_recipe(experiment, steps_per_epoch=3).evaluates(1)


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
    frames = {"eval": experiment.test.frames or experiment.input.frames, "train": experiment.input.frames}
    seen = {"eval": run.batches["eval"], "train": run.train_batches}
    assert {split: next(iter(batches)).streams.shape[3] for split, batches in seen.items()} == frames
    run.train_batches.start_epoch()
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
