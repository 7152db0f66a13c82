"""The calibration diagram."""

import numpy as np
import pytest

from utils.statistics import calibration_error
from visualizer.figures.calibration import calibration


def two_classes(*shares):
    """Return logits whose softmax has these probabilities of class 0."""
    found = np.array(shares)
    return np.log(np.stack([found, 1 - found], axis=1)).astype(np.float32)


def test_bins_by_hand(make_findings):
    logits, labels = two_classes(0.99, 0.97, 0.1, 0.62), np.array([0, 1, 1, 0])
    found = calibration(make_findings(classes=2, clips=4, shown=0, labels=labels, logits=logits))
    assert [each.count for each in found.bins] == [1, 1, 2]
    assert [each.accuracy for each in found.bins] == [1, 1, 0.5]
    assert [each.confidence for each in found.bins] == pytest.approx([0.62, 0.9, 0.98])
    assert found.mce == pytest.approx(0.48)
    assert found.ece == pytest.approx((0.38 + 0.1 + 2 * 0.48) / 4)


def test_bins_hold_all_known_clips(make_findings):
    labels = np.arange(300) % 6
    labels[:20] = -1
    findings = make_findings(classes=6, clips=300, shown=0, labels=labels)
    found, known = calibration(findings), findings.labelled
    confidence = findings.probabilities.max(axis=1)[known]
    assert found.ece == calibration_error(confidence, (findings.predicted == labels)[known])
    assert sum(each.count for each in found.bins) == 280
    for each in found.bins:
        assert each.low < each.confidence <= each.high
        assert each.at_least <= each.accuracy <= each.at_most
    assert found.mce >= found.ece


def test_without_labels_there_is_no_bin(make_findings):
    found = calibration(make_findings(shown=0, labels=np.full(40, -1)))
    assert (found.bins, found.ece, found.mce) == ((), 0, 0)
