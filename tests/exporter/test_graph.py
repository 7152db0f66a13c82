"""The program in torch does what evaluation does, whatever the experiment's input."""

import numpy as np
import pytest
import torch
from torch import nn

import config
from dataset.layouts import load_layout
from dataset.memory import dense
from exporter.clips import generate
from exporter.gate import evaluate
from exporter.graph import Deployed, longest_clip
from initializer.clips import bare_data
from initializer.data import make_pipeline
from tests.exporter.conftest import untrained

TINY = ("model.stages=2", "model.inflate=[2]", "model.down=[2]", "model.base_channels=6", "input.frames=16")
SETTINGS = {
    "first, J V B": ("2001", "input.frames=16", "model.stem_channels=8", "model.blocks=[[8,2,1]]", "model.fusion_stage=0"),
    "uniform, 3 test clips": ("1101", *TINY, "test.clips=3"),
    "score average": ("1101", *TINY, "test.clips=2", "test.average=score"),
    "uniform_mma": ("1101", *TINY, "input.sampling={name: uniform_mma}", "test.clips=2"),
    "loop": ("1101", *TINY, "input.sampling={name: loop}", "test.clips=1"),
    "window": ("1101", *TINY, "input.sampling={name: window, pad: zero}", "test.clips=3"),
    "looped window": ("1101", *TINY, "input.sampling={name: window, pad: loop}", "test.clips=1"),
    "spread, boxed": ("6011", *TINY, "test.clips=2"),
    "who is alone twice": ("1101", *TINY, "test.clips=1", "input.person_padding=loop", "model.data_bn=MVC"),
    "motions, scores, boxed": ("3005", *TINY, "input.streams=j+b+jm+bm", "test.clips=2", "input.normalise=box"),
    "other frames to test": ("1101", *TINY, "test.clips=1", "test.frames=20"),
}  # fmt: skip


def lively(network):
    """Have convolutions keep the size of what they get, so that clips are told apart."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in")
    return network


@pytest.mark.parametrize("number, overrides", [(n, o) for n, *o in SETTINGS.values()], ids=SETTINGS)
def test_logits_are_the_plain_networks(number, overrides, monkeypatch):
    """The gate must not compare folded with folded."""
    monkeypatch.delattr("model.compact.fold")
    experiment = config.load(number, overrides)
    layout, classes = load_layout(experiment.data.layout), ["a", "b", "c"]
    network, data = lively(untrained(experiment, len(classes))), bare_data(layout, classes, torch.device("cpu"))
    pipeline = make_pipeline(experiment, data, trains=False, clips=experiment.test.clips)
    clips = generate(experiment, layout, 60, count=12).clips
    program = Deployed(experiment, layout, pipeline, network)
    with torch.inference_mode():
        found = program(*map(torch.from_numpy, dense(clips))).numpy()
    expected = evaluate(experiment, data, network, clips)
    assert np.ptp(expected, axis=0).min() > 0.01  # from clip to clip
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_program_takes_clips_of_half_a_minute_and_twice_what_the_network_sees():
    assert longest_clip(288) == 1024
    assert longest_clip(600) == 1200
