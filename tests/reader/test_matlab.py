"""MATLAB v5 files: the numbers that scipy writes, and content that is damaged anywhere."""

import io
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.io import savemat

from reader.matlab import read_array

DTYPES = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4"]


def written(compress=False, **variables):
    """Return the content of a file with these variables."""
    file = io.BytesIO()
    savemat(file, variables, do_compression=compress)
    return file.getvalue()


@given(
    st.sampled_from(DTYPES).flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=2, max_side=4))),
    st.booleans(),
    st.sampled_from(["x", "joints", "a_longer_name"]),
)
def test_what_scipy_writes_is_read(values, compress, name):
    content = written(compress, first="text", **{name: values}, last=[1.0, 2.0])
    assert np.array_equal(read_array(content, name), values.astype(float), equal_nan=True)
    assert read_array(content, "last").tolist() == [[1, 2]]


def test_the_other_order_of_bytes_is_read():
    def element(kind, values):
        return kind.to_bytes(4) + values.nbytes.to_bytes(4) + values.tobytes() + bytes(-values.nbytes % 8)

    flags, shape = np.array([6, 0], ">u4"), np.array([1, 3], ">i4")
    matrix = element(6, flags) + element(5, shape) + b"\0\1\0\1x\0\0\0" + element(9, np.array([1, 2, 3], ">f8"))
    content = bytes(126) + b"MI" + (14).to_bytes(4) + len(matrix).to_bytes(4) + matrix
    assert read_array(content, "x").tolist() == [[1, 2, 3]]


def test_another_name_is_refused_with_those_that_there_are():
    with pytest.raises(KeyError, match="a, b"):
        read_array(written(a=1, b=2), "c")
    with pytest.raises(KeyError, match="none"):
        read_array(written(), "c")


@pytest.mark.parametrize("value", ["text", {"a": 1}, 1j, np.array([[1, "a"]], object)])
def test_what_is_no_array_of_real_numbers_is_refused(value):
    with pytest.raises(ValueError, match="not an array of real numbers"):
        read_array(written(x=value), "x")


@pytest.mark.parametrize("content", [b"", b"text" * 100, b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_what_is_no_matlab_file_is_refused(content):
    with pytest.raises(ValueError, match="no MATLAB v5 file"):
        read_array(content, "x")


@pytest.mark.parametrize("compress", [False, True])
def test_damaged_content_is_read_or_refused_but_nothing_else(compress):
    """scipy's reader ends the process for some of these."""
    whole, rng = written(compress, x=np.ones((20, 3, 5))), random.Random(5)
    refused = 0
    for turn in range(3000):
        damaged = bytearray(whole[: rng.randrange(128, len(whole))] if turn % 3 == 0 else whole)
        for _ in range(turn % 3):
            damaged[rng.randrange(min(len(damaged), 240))] = rng.choice([rng.randrange(256), rng.randrange(20)])
        try:
            assert read_array(bytes(damaged), "x").dtype == np.float64
        except (ValueError, KeyError):
            refused += 1
    assert refused > 1000
