"""The per-class table."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from utils.statistics import wilson
from visualizer.figures.classes import classes


def test_figures_are_scikit_learns(make_findings):
    findings = make_findings(classes=8, clips=100)
    rows = classes(findings)
    expected = precision_recall_fscore_support(findings.labels, findings.predicted, labels=range(8), zero_division=0)
    found = [(row.precision or 0, row.recall, row.f1, row.support) for row in rows]
    np.testing.assert_allclose(found, np.transpose(expected))
    assert [row.name for row in rows] == list(findings.classes)
    assert [(row.low, row.high) for row in rows] == [wilson(row.right, row.support) for row in rows]


def test_a_class_without_clips_keeps_its_row_without_figures(make_findings):
    labels, logits = np.array([0, 0, 1]), np.eye(4, dtype=np.float32)[[0, 2, 0]]
    rows = classes(make_findings(classes=4, clips=3, shown=0, labels=labels, logits=logits))
    assert [(row.support, row.predicted, row.right) for row in rows] == [(2, 2, 1), (1, 0, 0), (0, 1, 0), (0, 0, 0)]
    assert [(row.precision, row.recall) for row in rows] == [(0.5, 0.5), (None, 0), (0, None), (None, None)]
    assert [row.f1 for row in rows] == [pytest.approx(0.5), 0, None, None]
    assert [row.low is None for row in rows] == [False, False, True, True]
