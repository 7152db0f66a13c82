"""What a program has to say to pass."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import config
from dataset.layouts import load_layout
from exporter.clips import Trial, generate
from exporter.gate import refuse_other, run
from utils.errors import UserError

NAMES = ["a", "b", "c", "d", "e"]


class Fake:
    """Gives the logits (N, K) that it is made with, clip after clip; notes what it gets."""

    path = Path("x.onnx")

    def __init__(self, logits, persons=2):
        self.logits, self.contract = np.array(logits), SimpleNamespace(persons=persons)
        self.asked, self.next = [], 0

    def __call__(self, joints, frames):
        self.asked.append((joints.shape, len(frames)))
        place = np.arange(self.next, self.next + len(joints)) % len(self.logits)
        self.next += len(joints)
        return self.logits[place]


@pytest.fixture(scope="module")
def trial():
    clips = generate(config.load("2001", ["input.frames=4"]), load_layout("ntu"), 10, count=len(NAMES)).clips
    return Trial("made", NAMES, clips)


def spread(lead):
    """Return logits (5, 2) whose second class leads by `lead`."""
    return np.array([[1.0, 1.0 + lead]] * len(NAMES))


def test_several_batch_sizes_are_tried(trial):
    program = Fake(spread(1))
    assert refuse_other(program, trial, spread(1)) == 0
    assert [count for _, count in program.asked] == [1, 1, 1, 1, 1, 3, 2, 5]


def test_persons_are_padded_to_what_the_program_takes(trial):
    program = Fake(spread(1), persons=3)
    run(program, trial.clips, 5)
    assert program.asked[0][0][:2] == (5, 3)


@pytest.mark.parametrize("clip", range(5))
@pytest.mark.parametrize("difference, passes", [(0.9e-4, True), (1.1e-4, False), (-1.1e-4, False), (np.nan, False)])
def test_a_logit_may_differ_by_a_ten_thousandth(trial, clip, difference, passes):
    found = spread(1)
    found[clip, 0] += difference
    if passes:
        assert refuse_other(Fake(found), trial, spread(1)) == pytest.approx(difference, rel=1e-3)
    else:
        with pytest.raises(UserError, match=rf"x.onnx: differs .* for {NAMES[clip]}, in batches of 1; nothing was"):
            refuse_other(Fake(found), trial, spread(1))


def test_ties_are_decided_by_rounding_and_nothing_else(trial):
    found = spread(0.8e-4)
    found[3] = 1.0 + 0.9e-4, 1.0
    assert refuse_other(Fake(found), trial, spread(0.8e-4)) == pytest.approx(0.9e-4, rel=1e-3)
    found[3] = 1.0 + 0.9e-4, 1.0 + 0.7e-4
    with pytest.raises(UserError, match="another highest class than the evaluation's for d, in batches of 1"):
        refuse_other(Fake(found), trial, spread(1.6e-4))
