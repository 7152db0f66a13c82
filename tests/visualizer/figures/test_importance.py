"""The joints that speak for a class."""

import numpy as np

from visualizer.figures.importance import importance


def test_joints_are_ordered_and_scaled_per_class(make_findings):
    values = np.zeros((3, 25))
    values[0, [4, 9]] = 2.0, 8.0
    values[1] = -np.arange(25)
    values[2] = np.nan
    found = importance(make_findings(classes=3, importance=values, importance_clips=np.array([7, 2, 0])))
    assert found.order[0, :2].tolist() == [9, 4]
    assert found.values[0, [9, 4, 0]].tolist() == [1, 0.25, 0]
    assert found.order[1].tolist() == list(range(25))  # by the activation as it was, all against the class
    assert not found.values[1].any()
    assert found.clips.tolist() == [7, 2, 0]


def test_nothing_is_nan(make_findings):
    found = importance(make_findings(classes=60, clips=50, shown=0))
    assert np.isfinite(found.values).all()
    assert (found.clips == 0).sum() == 10
    assert (found.values[found.clips > 0].max(axis=1) == 1).all()


def test_what_cannot_be_told_is_over_no_clip(make_findings):
    values = np.ones((2, 25))
    values[1, 3] = np.nan  # of clips in which nobody is
    found = importance(make_findings(classes=2, importance=values, importance_clips=np.array([4, 5])))
    assert found.clips.tolist() == [4, 0]
    assert not found.values[1].any()
