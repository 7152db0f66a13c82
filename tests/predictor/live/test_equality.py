"""Streaming equals offline: the clips to the bit, the scores of a real network to 1e-4."""

import json

import numpy as np
import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

import config
from dataset.layouts import load_layout
from dataset.packing import unpack
from dataset.streams import stream_channels
from generator.clips import facts_of, read_source, vary
from generator.orders import reader_of
from initializer.network import build_model
from predictor.classifier import CheckpointClassifier
from tests.predictor.live.fake import Fake, answers
from utils.outputs import softmax
from utils.recording import Source

EFFICIENTGCN = ("model.stem_channels=8", "model.blocks=[[16,1,0.5],[16,2,1]]", "model.fusion_stage=1")
EXPERIMENTS = {  # the kinds of variants, samplers, streams and person padding
    "0001": EFFICIENTGCN,
    "2002": (*EFFICIENTGCN, "input.frames=40"),
    "3001": ("model.base_channels=8", "input.frames=16", "test.clips=3"),
    "3021": ("model.base_channels=8", "input.frames=16", "test.clips=2"),
    "1021": ("model.base_channels=8", "input.frames=30"),
}


def network(number):
    """Return a network that tells clips apart: random weights, but BatchNorm has seen something."""
    told = config.load(number, EXPERIMENTS[number])
    torch.manual_seed(1)
    model = build_model(told, 4).train()
    for each in model.modules():
        if isinstance(each, _BatchNorm):
            each.momentum = None  # all of the first batch
    names, channels = told.input.stream_names, len(told.data.channel_names)
    sizes = told.frames(trains=True), load_layout(told.data.layout).num_joints, told.input.persons
    with torch.no_grad():
        model(torch.randn(8, len(names), stream_channels(names, channels), *sizes))
        model.classifier_weight.mul_(20)
    return CheckpointClassifier(told, model, ("a", "b", "c", "d"), torch.device("cpu"))


def motion(frames, classifier):
    """Return somebody's joints (T, V, C) float32, who is not there in a few frames."""
    channels = len(classifier.config.data.channel_names)
    joints = np.random.default_rng(0).normal(size=(frames, classifier.layout.num_joints, channels)).round(4)
    joints += np.arange(frames)[:, None, None] / 10
    joints[5:8] = 0
    return joints.astype(np.float32)


def lines_of(joints, who=3):
    """Return the lines of somebody's joints (T, V, C); who is not there is not sent."""
    for t, places in enumerate(joints):
        persons = [{"id": who, "joints": places.tolist()}] if places.any() else []
        yield json.dumps({"t": t / 30, "persons": persons}).encode() + b"\n"


@pytest.mark.parametrize("number", EXPERIMENTS)
def test_scores_are_those_of_the_same_window_offline(number):
    classifier = network(number)
    joints, data = motion(35, classifier), classifier.config.data
    found, _ = answers(lines_of(joints), classifier, window=20, hop=5, threshold=0, smoothing=0, margin=0)
    scores = []
    for end, each in zip((5, 10, 15, 20, 25, 30, 35), found, strict=True):
        window = joints[max(0, end - 20) : end]
        window = window[window.any(axis=(1, 2)).argmax() :]  # from the first frame with the person
        clip = np.zeros((classifier.config.input.persons, *window.shape), np.float32)
        clip[0] = window
        stored = vary(data.variant, clip, facts_of(data.layout, {"persons": 1}))
        expected = softmax(classifier.logits([stored]))[0]
        assert each["score"] == pytest.approx(expected.max(), abs=1e-4)
        assert each["decision"] == "abcd"[expected.argmax()]
        scores.append(each["score"])
    assert np.ptp(scores) > 1e-3  # the network does see the window


@pytest.mark.parametrize("number", ["0001", "2002"])
def test_a_raw_file_that_streams_is_the_clip_of_the_part(number, tmp_path, write_skeleton):
    fake = Fake(number=number, overrides=("input.frames=40",))
    joints = motion(30, fake)
    path = write_skeleton(tmp_path / "S001C001P001R001A001.skeleton", joints[None].astype(np.float64).round(4))
    source = Source(path.stem, path, path.stat().st_size)
    (clip,) = read_source(reader_of(fake.config), source, (fake.config.data.variant,)).clips
    stored = clip.packed[fake.config.data.variant]
    answers(lines_of(joints.astype(np.float64).round(4)), fake, window=40, hop=30)
    np.testing.assert_array_equal(fake.clips[0], unpack(stored.rows, stored.spans, stored.frames), strict=True)
