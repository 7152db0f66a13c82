"""The confusion matrix and its pairs."""

import numpy as np
import pytest

from visualizer.figures.confusion import PAIRS, confusion


def taken(make_findings, *rows, classes):
    """Return the confusion of clips (true, predicted, how many)."""
    labels = np.concatenate([np.full(count, true) for true, _, count in rows])
    predicted = np.concatenate([np.full(count, each) for _, each, count in rows])
    logits = np.eye(classes, dtype=np.float32)[predicted]
    return confusion(make_findings(classes=classes, clips=len(labels), shown=0, labels=labels, logits=logits))


def test_counts_and_pairs_by_hand(make_findings):
    found = taken(make_findings, (0, 0, 6), (0, 1, 3), (1, 1, 8), (1, 0, 1), (2, 0, 1), (2, 2, 1), classes=4)
    assert found.counts.tolist() == [[6, 3, 0, 0], [1, 8, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert [(pair.true, pair.predicted, pair.count, pair.clips, pair.back) for pair in found.pairs] == [
        (0, 1, 3, 9, 1),
        (2, 0, 1, 2, 0),  # half of its class: before one of nine
        (1, 0, 1, 9, 3),
    ]
    assert found.pairs[0].p_value == pytest.approx((1 + 4 + 4 + 1) / 2**4)  # 3 or more of 4, or 1 or fewer
    assert found.pairs[1].p_value == pytest.approx(2 / 11)  # one error, of 2 clips against 9


def test_rows_of_shares_are_whole_or_empty(make_findings):
    found = taken(make_findings, (0, 0, 3), (0, 1, 1), (2, 2, 5), classes=4)
    assert found.shares[0].tolist() == [0.75, 0.25, 0, 0]
    assert found.shares.sum(axis=1).tolist() == [1, 0, 1, 0]


def test_unlabelled_clips_are_in_no_row(make_findings):
    found = taken(make_findings, (0, 0, 3), (-1, 1, 2), classes=2)
    assert found.counts.tolist() == [[3, 0], [0, 0]]
    assert found.pairs == ()


def test_classes_that_are_taken_for_each_other_are_neighbours(make_findings):
    rows = [(k, k, 4) for k in range(6)] + [(0, 3, 4), (3, 0, 4), (1, 5, 4), (5, 1, 4)]
    order = taken(make_findings, *rows, classes=6).order.tolist()
    assert sorted(order) == list(range(6))
    for one, other in ((0, 3), (1, 5)):
        assert abs(order.index(one) - order.index(other)) == 1


@pytest.mark.parametrize("classes", [1, 2, 3, 60])
def test_any_number_of_classes(make_findings, classes):
    found = confusion(make_findings(classes=classes, clips=120, shown=0))
    assert found.counts.shape == (classes, classes)
    assert found.counts.sum() == 120
    assert sorted(found.order.tolist()) == list(range(classes))
    assert len(found.pairs) <= PAIRS
    counts = [pair.count for pair in found.pairs]
    assert counts == sorted(counts, reverse=True)
    assert all(pair.true != pair.predicted and pair.count > 0 and 0 < pair.p_value <= 1 for pair in found.pairs)
