"""The wrong clips."""

import numpy as np
import pytest

from visualizer.figures.wrong import wrong


def test_the_surest_mistake_is_first(make_findings):
    logits = np.log([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.9, 0.06, 0.04], [0.1, 0.1, 0.8]]).astype(np.float32)
    names = np.array(["a", "b", "c", "d"])
    findings = make_findings(classes=3, clips=4, shown=0, labels=np.array([1, 1, 2, -1]), logits=logits, names=names)
    rows = wrong(findings)
    assert [(row.index, row.name, row.true, row.predicted) for row in rows] == [(2, "c", 2, 0), (0, "a", 1, 0)]
    assert [row.true_probability for row in rows] == pytest.approx([0.04, 0.3])
    assert [row.predicted_probability for row in rows] == pytest.approx([0.9, 0.6])


def test_they_are_those_that_are_not_right(make_findings):
    findings = make_findings(clips=100, shown=0)
    assert {row.index for row in wrong(findings)} == set(np.flatnonzero(findings.predicted != findings.labels).tolist())
