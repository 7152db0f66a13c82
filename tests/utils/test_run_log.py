"""What an evaluation's log lines say where there is something to leave out."""

import logging
from types import SimpleNamespace

import pytest
import torch

from utils.distributed import ALONE
from utils.metrics import Scores
from utils.run_log import log_scores


@pytest.fixture
def lines(caplog):
    """Logs scores, 2 seconds' work; returns the lines."""
    caplog.set_level(logging.INFO)

    def logged(scores):
        log_scores(SimpleNamespace(log=logging.getLogger("test of lines"), ranks=ALONE), scores, 2.0)
        return caplog.messages

    return logged


def test_all_classes_are_said_to_be_all(lines):
    assert lines(Scores(torch.eye(60, dtype=torch.int64), 60, 0.5)) == [
        "Top-1 accuracy: 60/60(100.00%), Top-5 accuracy: 60/60(100.00%), Mean loss:0.5000",
        "Mean-class accuracy: 100.00% over the 60 classes",
        "Evaluating time: 2.00s, Speed: 30.00 sequnces/(second*GPU)",
        "",
    ]


def test_classes_without_clips_are_left_out_of_their_mean(lines):
    confusion = torch.tensor([[1, 1, 0], [0, 2, 0], [0, 0, 0]])
    assert lines(Scores(confusion, 4, 0.5))[1] == "Mean-class accuracy: 75.00% over the 2 classes that are present of 3"


def test_without_any_label_there_is_no_accuracy(lines):
    found = lines(Scores(torch.zeros(3, 3, dtype=torch.int64), 0, float("nan"), unlabelled=8))
    assert found[0] == "8 clips scored, none labelled: no accuracy"
    assert found[1] == "Evaluating time: 2.00s, Speed: 4.00 sequnces/(second*GPU)"
