"""Decisions do not flicker, and are never less probable than they must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.live.decisions import Votes

PROBABILITIES = st.lists(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), min_size=1, max_size=30).map(
    lambda rows: [np.array(row) / sum(row) for row in rows]
)
UNIT = st.floats(0, 1)


@given(PROBABILITIES, UNIT, UNIT, st.floats(0, 0.95))
def test_a_decision_is_probable_enough_and_nearly_the_best(rows, threshold, margin, smoothing):
    votes, smoothed, before = Votes(threshold, margin, smoothing), rows[0], None
    for row in rows:
        found = votes.add(row)
        smoothed = smoothing * smoothed + (1 - smoothing) * row
        assert found.score == pytest.approx(smoothed.max())
        assert smoothed[found.best] == pytest.approx(smoothed.max())
        now = found.decided
        assert found.changed == (now != before)
        if now is None:
            assert smoothed.max() < threshold + 1e-9
        else:
            assert smoothed[now] >= max(threshold, smoothed.max() - margin) - 1e-9
        if before is not None and now not in (before, None):  # it has lost its place for a reason
            assert smoothed[before] < max(threshold, smoothed[now] - margin) + 1e-9
        before = now


@given(PROBABILITIES)
def test_without_smoothing_margin_and_threshold_it_is_the_best(rows):
    votes = Votes(0, 0, 0)
    assert all(row[votes.add(row).decided] == row.max() for row in rows)  # of equal ones, the one that it was


@given(PROBABILITIES, st.floats(0, 0.95))
def test_a_wide_margin_never_changes(rows, smoothing):
    votes = Votes(0, 1, smoothing)
    assert len({votes.add(row).decided for row in rows}) == 1


def test_a_rival_has_to_win_by_the_margin():
    votes = Votes(threshold=0.3, margin=0.2, smoothing=0)
    found = [
        votes.add(np.array(row)) for row in ([0.5, 0.4, 0.1], [0.4, 0.55, 0.05], [0.35, 0.6, 0.05], [0.4, 0.5, 0.1])
    ]
    assert [each.decided for each in found] == [0, 0, 1, 1]
    assert [each.best for each in found] == [0, 1, 1, 1]
    assert [each.changed for each in found] == [True, False, True, False]


def test_it_abstains_below_the_threshold_and_begins_anew():
    votes = Votes(threshold=0.5, margin=0.9, smoothing=0)
    rows = ([0.4, 0.6], [0.5, 0.5], [0.6, 0.4], [0.4, 0.6])
    assert [votes.add(np.array(row)).decided for row in rows] == [1, 1, 0, 1]
    assert Votes(0.7, 0, 0).add(np.array([0.6, 0.4])).decided is None


def test_smoothing_is_exponential():
    votes = Votes(0, 0, 0.75)
    scores = [votes.add(np.array(row)).score for row in ([1.0, 0.0], [0.0, 1.0], [0.0, 1.0])]
    assert scores == pytest.approx([1, 0.75, 0.5625])
