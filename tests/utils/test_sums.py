"""Sums that have to be numpy's to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.sums import add_coordinates

CLOSE = st.sampled_from([0.1, 0.2, -0.3, 1.0, 1e8, -1e8, 1e-8, 3.4e38, 0.0])  # what rounding makes differ by order


@given(
    st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(1, 7)).flatmap(
        lambda shape: arrays(np.float32, shape, elements=CLOSE.map(lambda value: float(np.float32(value))))
    )
)
def test_coordinates_are_added_in_numpys_order(joints):
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.array_equal(add_coordinates(joints), joints.sum(axis=-1), equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_coordinates_too(dtype):
    joints = np.random.default_rng(0).normal(size=(2, 50, 25, 3)).astype(dtype)
    assert np.array_equal(add_coordinates(joints), joints.sum(axis=-1))
    assert not np.array_equal(joints[..., 0] + (joints[..., 1] + joints[..., 2]), joints.sum(axis=-1))
