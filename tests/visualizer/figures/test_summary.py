"""What the split consists of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualizer.figures.summary import BARS, length_bars, summary


def test_counts_by_hand(make_findings):
    found = summary(
        make_findings(
            classes=3,
            clips=4,
            shown=0,
            labels=np.array([0, 2, 2, -1]),
            num_frames=np.array([10, 12, 12, 11]),
            num_persons=np.array([1, 2, 1, 0]),
            refused={"b": "bad", "a": "worse"},
            left_out={"few": 1, "many": 5, "also one": 1},
        )
    )
    assert (found.length_edges.tolist(), found.length_counts.tolist()) == ([10, 11, 12, 13], [1, 1, 2])
    assert found.persons == {0: 1, 1: 2, 2: 1}
    assert (found.class_counts.tolist(), found.unlabelled) == ([1, 0, 2], 1)
    assert found.refused == (("a", "worse"), ("b", "bad"))
    assert found.left_out == (("many", 5), ("also one", 1), ("few", 1))


@given(st.lists(st.integers(1, 5000), max_size=60))
def test_every_length_is_in_one_bar(frames):
    edges, counts = length_bars(np.array(frames, np.int64))
    assert counts.sum() == len(frames)
    assert len(counts) == len(edges) - 1 <= BARS
    assert len(set(np.diff(edges).tolist())) == 1
    for low, high, count in zip(edges, edges[1:], counts):
        assert count == sum(low <= each < high for each in frames)


@pytest.mark.parametrize("clips", [1, 40])
def test_all_clips_are_counted(make_findings, clips):
    found = summary(make_findings(clips=clips))
    assert sum(found.persons.values()) == found.class_counts.sum() == found.length_counts.sum() == clips


@pytest.mark.parametrize(("longest", "bars"), [(BARS, BARS), (BARS + 1, BARS // 2 + 1), (2 * BARS, BARS)])
def test_there_are_never_more_bars_than_asked_for(longest, bars):
    edges, counts = length_bars(np.array([1, longest]))
    assert len(counts) == bars
    assert (edges[0], counts[0], counts[-1]) == (1, 1, 1)
