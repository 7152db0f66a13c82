"""Batches made ahead: in order, one at a time, none lost."""

import pytest
import torch

from dataset.ahead import one_ahead

CPU = torch.device("cpu")


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_everything_comes_once_and_in_order(count):
    assert list(one_ahead(((n, -n) for n in range(count)), CPU)) == [(n, -n) for n in range(count)]


def test_one_is_made_ahead_and_not_more():
    made = []

    def making():
        for n in range(4):
            made.append(n)
            yield n, None

    ahead = one_ahead(making(), CPU)
    assert made == []
    counts = []
    for batch, _ in ahead:
        counts.append((batch, len(made)))
    assert counts == [(0, 2), (1, 3), (2, 4), (3, 4)]


def test_what_goes_wrong_is_not_hidden():
    def making():
        yield 0, None
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(one_ahead(making(), CPU))
