"""Prediction of raw files against evaluation of the part that they make, and against the originals' logits."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

import config
import initializer
import processor
from dataset.packing import pack
from initializer.network import build_model
from predictor import open_classifier
from utils.outputs import softmax

SPREAD = 300  # of random logits
TINY = ("model.base_channels=8", "model.stages=2", "model.inflate=[2]", "model.down=[2]")


@pytest.fixture
def machine(tmp_path):
    return initializer.Machine(tmp_path / "store", tmp_path / "work", device="cpu", show_progress=False)


@pytest.fixture
def weigh(tmp_path):
    """Writes random weights of an experiment, with which clips differ in their scores; returns their path."""

    def save(experiment):
        torch.manual_seed(3)
        model = build_model(experiment, 60)
        for name, each in model.named_parameters():
            each.data.mul_(SPREAD if name.startswith(model.head) else 1)
        torch.save(model.state_dict(), tmp_path / "weights.pt")
        return tmp_path / "weights.pt"

    return save


def lines_of(printed):
    return [json.loads(line) for line in printed.splitlines()]


def probabilities(line):
    """Return (K,) in the order of the classes."""
    return [each["score"] for each in sorted(line["topk"], key=lambda each: each["class"])]


@pytest.fixture
def evaluated(generate, weigh, machine, tmp_path):
    """Generates and evaluates raw files; returns what `-e --out` wrote, and the same as a classifier."""

    def run(number, overrides, raw, *, plain):
        generate(number, machine.store, raw, overrides=overrides)
        experiment, here = config.load(number, overrides), replace(machine, plain=plain)
        weights = weigh(experiment)
        processor.run_evaluation(initializer.prepare_evaluation(experiment, here, weights), tmp_path / "scores.json")
        return json.loads((tmp_path / "scores.json").read_text()), open_classifier(experiment, weights, here)

    return run


def assert_equal(clips, classifier, predict, raw):
    """Compare what was evaluated with what is predicted of all clips, whatever their split."""
    code, out, err = predict(classifier, raw, topk=60, batch=5)
    found = {line["name"]: line for line in lines_of(out)}
    assert code == 0
    assert len(found) > len(clips) > 1
    assert np.ptp([probabilities(line) for line in found.values()], axis=0).max() > 1e-3
    for clip in clips:
        assert found[clip["name"]]["label"] == clip["label"]
        wanted = softmax(np.array([clip["logits"]]))[0]
        assert probabilities(found[clip["name"]]) == pytest.approx(wanted, abs=1e-5)
    right = sum(line["label"] == line["topk"][0]["class"] for line in found.values())
    assert err == f"Top-1 accuracy: {right}/{len(found)}({right / len(found):.2%})\n"


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("number", ["2001", "2002"])
def test_predict_equals_evaluate_on_raw_skeletons_and_transformed_ones(
    evaluated, predict, small, write_raw, tmp_path, number, plain
):
    raw = write_raw(tmp_path / "raw", 24, frames=12)
    assert_equal(*evaluated(number, small, raw, plain=plain), predict, raw)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind, number", [("hrnet", "3005"), ("3danno", "3001")])
def test_predict_equals_evaluate_on_annotations_seen_ten_times(evaluated, predict, shared, kind, number, plain):
    raw = shared / f"goldens/stgcn/mini_ntu60_{kind}.pkl"
    clips, classifier = evaluated(number, (*TINY, "input.streams=j+bm"), raw, plain=plain)
    assert classifier.config.test.clips == 10
    assert_equal(clips, classifier, predict, raw)


def test_a_clip_alone_or_in_any_batch_is_the_same(predict, weigh, machine, small, write_raw, tmp_path):
    experiment, raw = config.load("2001", small), write_raw(tmp_path / "raw", 7)
    classifier = open_classifier(experiment, weigh(experiment), machine)
    found = [lines_of(predict(classifier, raw, topk=60, batch=batch)[1]) for batch in (1, 3, 16)]
    for lines in zip(*found):
        first, *others = map(probabilities, lines)
        for other in others:
            assert other == pytest.approx(first, abs=1e-5)
    assert [len(lines) for lines in found] == [7, 7, 7]


# --- the originals


def test_the_seeds_weights_give_the_originals_logits(goldens, machine):
    raw = np.load(goldens / "models/input_realistic_n4.npz")["raw"]  # (N, C, T, V, M)
    logits = np.load(goldens / "models/real_seed_xsub_2001.npz")["logits"]
    classifier = open_classifier(config.load("2001"), goldens / "weights/seed_xsub_2001.pt", machine)
    found = classifier.logits([pack(np.ascontiguousarray(clip.transpose(3, 1, 2, 0))) for clip in raw[:2]])
    assert abs(found - logits[:2]).max() <= 1e-4


@pytest.mark.parametrize(
    "number, file",
    [
        ("3005", "pyskl_stgcnpp_ntu60_hrnet.pt"),
        ("3001", "pyskl_stgcnpp_ntu60_3d.pt"),
        ("3041", "paddle_stgcnpp_ntu60_hrnet.npz"),
    ],
)
def test_published_forms_of_checkpoints_give_the_originals_logits(shared, machine, tmp_path, number, file):
    path, theirs = shared / "goldens/stgcn" / file, {}
    if file.endswith(".npz"):
        theirs = dict(np.load(path))
        keys = [key for key in theirs if key.startswith("state_dict/")]
        state = {key.removeprefix("state_dict/"): theirs[key].astype(np.float32) for key in keys}
        path = tmp_path / "model.pdparams"
        path.write_bytes(pickle.dumps(state))
        theirs["input"] = theirs["input"][:, 0]
    else:
        theirs = torch.load(path, weights_only=True)
    clips, logits = np.asarray(theirs["input"]), np.asarray(theirs["logits"])  # (N, M, T, V, C): 100 frames, all seen
    classifier = open_classifier(config.load(number, ["test.clips=1"]), path, machine)
    assert abs(classifier.logits([pack(clip) for clip in clips]) - logits).max() <= 1e-4 * max(1, abs(logits).max())


def test_the_annotation_of_paddles_example_is_one_clip(shared, machine, predict, tmp_path):
    mini = pickle.loads((shared / "goldens/stgcn/mini_ntu60_hrnet.pkl").read_bytes())["annotations"]
    weights = shared / "goldens/stgcn/pyskl_stgcnpp_ntu60_hrnet.pt"
    classifier = open_classifier(config.load("3005", ["test.clips=1"]), weights, machine)
    (tmp_path / "example_ntu60_skeleton.pkl").write_bytes(pickle.dumps(mini[0]))
    (tmp_path / "all.pkl").write_bytes(pickle.dumps(mini))
    _, alone, _ = predict(classifier, tmp_path / "example_ntu60_skeleton.pkl")
    _, among, _ = predict(classifier, tmp_path / "all.pkl")
    one, first = json.loads(alone), lines_of(among)[0]
    assert (one["name"], one["label"]) == (first["name"], first["label"])
    assert probabilities(one) == pytest.approx(probabilities(first), abs=1e-5)
