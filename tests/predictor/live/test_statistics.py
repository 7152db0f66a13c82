"""What a session has counted."""

import math

import pytest

from predictor.live.statistics import REMEMBERED, Statistics


def test_sessions_are_added():
    total = Statistics(frames=3, errors=1)
    total.latencies.extend([0.001, 0.002])
    other = Statistics(frames=4, dropped=2)
    other.latencies.append(0.003)
    total.add(other)
    assert (total.frames, total.errors, total.dropped, list(total.latencies)) == (7, 1, 2, [0.001, 0.002, 0.003])
    assert total.percentile(50) == pytest.approx(2)
    assert str(total) == (
        "frames 7, decisions 0, dropped 2, limited 0, errors 1, jumps 0, unread 0; "
        "from line in to line out: p50 2.0 ms, p95 2.9 ms"
    )


def test_without_a_decision_there_is_no_latency():
    assert math.isnan(Statistics().percentile(50))
    assert str(Statistics()).endswith("unread 0")


def test_the_newest_latencies_are_remembered():
    held = Statistics()
    held.latencies.extend(range(REMEMBERED + 5))
    assert (len(held.latencies), held.latencies[0]) == (REMEMBERED, 5)
