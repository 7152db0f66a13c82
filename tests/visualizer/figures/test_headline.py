"""The figures at the top."""

import numpy as np
import pytest
import torch

from utils.metrics import score
from utils.statistics import wilson, wilson_mean
from visualizer.figures.headline import headline


def test_figures_are_those_of_an_evaluation(make_findings):
    findings = make_findings(classes=12, clips=100)
    scores = score(torch.from_numpy(findings.logits), torch.from_numpy(findings.labels), torch.zeros(100))
    found = headline(findings)
    top1, top5, mean = found.best
    assert [each.name for each in found.best] == ["top-1", "top-5", "mean class"]
    assert (top1.value, top5.value) == (scores.accuracy, scores.top5 / 100)
    assert mean.value == pytest.approx(scores.mean_class)
    assert (top1.low, top1.high) == wilson(scores.top1, 100)
    assert (found.clips, found.unlabelled, found.chosen) == (100, 0, findings.chosen)


def test_of_equal_logits_the_lower_class_is_predicted(make_findings):
    found = headline(make_findings(classes=7, clips=14, shown=0, logits=np.zeros((14, 7), np.float32)))
    assert [each.value for each in found.best] == pytest.approx([1 / 7, 5 / 7, 1 / 7])


def test_only_known_classes_count(make_findings):
    whole = make_findings(clips=40)
    labels = whole.labels.copy()
    labels[::2] = -1
    found = headline(make_findings(clips=40, labels=labels))
    assert (found.clips, found.unlabelled) == (20, 20)
    known = make_findings(clips=40).predicted[1::2] == whole.labels[1::2]
    assert found.best[0].value == known.mean()


def test_no_figures_without_labels_and_none_of_the_last_epoch_without_its_scores(make_findings):
    assert headline(make_findings(shown=0, labels=np.full(40, -1))).best == ()
    assert headline(make_findings(shown=0, labels=np.full(40, -1))).last == ()
    assert headline(make_findings(last=None)).last == ()


def test_best_and_last_are_of_their_own_logits(make_findings):
    findings = make_findings()
    right = 9 * np.eye(5, dtype=np.float32)[findings.labels]
    found = headline(make_findings(last=right))
    assert [each.value for each in found.last] == [1, 1, 1]
    assert found.best[0].value == (findings.predicted == findings.labels).mean() < 1


def test_the_interval_of_the_mean_is_of_the_classes(make_findings):
    labels, predicted = np.repeat([0, 1, 3], [4, 30, 2]), np.repeat([0, 1, 2, 3], [3, 29, 2, 2])
    logits = np.eye(4, dtype=np.float32)[predicted]
    mean = headline(make_findings(classes=4, clips=36, shown=0, labels=labels, logits=logits)).best[2]
    right = np.array([(predicted == labels)[labels == k].sum() for k in (0, 1, 3)])
    assert (mean.low, mean.high) == wilson_mean(right, np.array([4, 30, 2]))
    assert mean.high - mean.low > 2 * (wilson(34, 36)[1] - wilson(34, 36)[0])
