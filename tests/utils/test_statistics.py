"""Intervals and tests against textbook values, values by hand, and what must hold of any clips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.statistics import (
    bootstrap_difference,
    calibration_error,
    equal_rates,
    mcnemar,
    p_words,
    reliability,
    wilson,
    wilson_mean,
)


@st.composite
def shares(draw):
    count = draw(st.integers(1, 500))
    return draw(st.integers(0, count)), count


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_has_newcombes_values(right, count, low, high):
    """Newcombe 1998, table I, method 3."""
    assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)


@given(shares())
def test_wilson_holds_the_share_and_is_the_same_for_the_wrong_clips(share):
    right, count = share
    low, high = wilson(right, count)
    assert 0 <= low <= right / count <= high <= 1
    assert high - low > 0
    assert (1 - high, 1 - low) == pytest.approx(wilson(count - right, count))


def test_nothing_is_known_without_clips():
    assert wilson(0, 0) == (0, 1)


@given(shares())
def test_the_mean_of_one_class_has_its_interval(share):
    right, count = share
    assert wilson_mean(np.array([right]), np.array([count])) == pytest.approx(wilson(right, count))


def test_the_mean_of_two_classes_by_hand():
    low, high = wilson(3, 4)
    other_low, other_high = wilson(10, 10)
    below = np.hypot(0.75 - low, 1 - other_low) / 2
    above = np.hypot(high - 0.75, other_high - 1) / 2
    assert wilson_mean(np.array([3, 10]), np.array([4, 10])) == pytest.approx((0.875 - below, 0.875 + above))


@given(st.lists(shares(), min_size=1, max_size=20))
def test_the_mean_lies_in_its_interval(classes):
    right, count = np.array(classes).T
    low, high = wilson_mean(right, count)
    assert 0 <= low <= (right / count).mean() <= high <= 1


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth, count = np.array([0.95, 0.8, 0.6, 0.9]), np.array([30, 40, 20, 50])
    draws = rng.binomial(count, truth, size=(300, 4))
    inside = [low <= truth.mean() <= high for low, high in (wilson_mean(right, count) for right in draws)]
    assert 0.91 <= np.mean(inside) <= 0.99


def discordant(only_first, only_second, both=5, neither=3):
    first = np.repeat([True, False, True, False], [only_first, only_second, both, neither])
    second = np.repeat([False, True, True, False], [only_first, only_second, both, neither])
    return first, second


def test_mcnemar_by_hand():
    assert mcnemar(*discordant(1, 9)) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(*discordant(0, 6)) == pytest.approx(2 / 2**6)
    assert mcnemar(*discordant(4, 4)) == 1
    assert mcnemar(*discordant(0, 0)) == 1


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 50))
def test_mcnemar_looks_at_clips_that_one_network_gets_right(only_first, only_second, both):
    found = mcnemar(*discordant(only_first, only_second))
    assert mcnemar(*discordant(only_second, only_first, both)) == pytest.approx(found)
    assert 0 < found <= 1


def test_bootstrap_draws_as_if_it_drew_clips():
    first, second = discordant(6, 20, both=40, neither=14)
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(first), (4000, len(first)))
    plain = np.quantile(second[drawn].mean(axis=1) - first[drawn].mean(axis=1), [0.025, 0.975])
    assert bootstrap_difference(first, second) == pytest.approx(tuple(plain), abs=0.013)


def test_bootstrap_is_seeded_and_centred():
    first, second = discordant(3, 12)
    low, high = bootstrap_difference(first, second)
    assert bootstrap_difference(first, second) == (low, high)
    assert low < second.mean() - first.mean() < high
    narrow = bootstrap_difference(first, second, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_bootstrap_at_the_ends():
    right, wrong = np.ones(7, bool), np.zeros(7, bool)
    assert bootstrap_difference(wrong, right) == (1, 1)
    assert bootstrap_difference(right, wrong) == (-1, -1)
    assert bootstrap_difference(right, right) == (0, 0)


@pytest.mark.parametrize("test", [mcnemar, bootstrap_difference])
@pytest.mark.parametrize("shapes", [(3, 4), (0, 0), ((2, 2), (2, 2))])
def test_pairs_are_of_the_same_clips(test, shapes):
    with pytest.raises(ValueError, match="same clips"):
        test(*(np.zeros(shape, bool) for shape in shapes))


def test_equal_rates_by_hand():
    assert equal_rates(3, 0, 8, 8) == pytest.approx(2 / 2**3)
    assert equal_rates(2, 2, 8, 8) == 1
    assert equal_rates(0, 0, 8, 0) == 1
    assert equal_rates(3, 0, 10, 30) == pytest.approx(0.25**3)  # of 0 to 3, three are the least likely
    assert equal_rates(4, 0, 5, 0) == 1  # nothing could have gone the other way


def test_a_p_value_has_three_decimals_or_is_small():
    assert [p_words(each) for each in (1, 0.0344, 0.001, 0.00099, 0)] == [
        "1.000",
        "0.034",
        "0.001",
        "< 0.001",
        "< 0.001",
    ]


def test_calibration_by_hand():
    confidence, right = np.array([0.95, 0.95, 0.65, 0.65]), np.array([True, False, True, True])
    assert calibration_error(confidence, right, 10) == pytest.approx((0.45 + 0.35) / 2)
    counts, (confident, correct) = reliability(confidence, right, 10)
    assert counts.tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 0, 2]
    assert confident[[6, 9]] == pytest.approx([1.3, 1.9])
    assert correct[[6, 9]].tolist() == [2, 1]


def test_a_bins_upper_edge_is_in_it():
    counts, _ = reliability(np.array([0.0, 0.25, 0.26, 0.5, 1.0]), np.ones(5, bool), 4)
    assert counts.tolist() == [2, 2, 0, 1]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=50), st.integers(1, 20))
def test_calibration_error_is_a_share(clips, bins):
    confidence, right = np.array([each[0] for each in clips]), np.array([each[1] for each in clips], bool)
    found = calibration_error(confidence, right, bins)
    assert 0 <= found <= 1
    if clips:
        assert found >= abs(confidence.mean() - right.mean()) - 1e-9  # which is the error of one bin
