"""Packing keeps every bit, and only what is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dataset.packing import pack, unpack

VALUES = st.sampled_from([0.0, -0.0, 1.5, -2.25, 1e-40, 3.4e38])


@st.composite
def clips(draw):
    """A clip (M, T, 2, 2) whose persons have gaps, come late, leave early, or repeat."""
    persons, frames = draw(st.integers(1, 3)), draw(st.integers(1, 9))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    with np.errstate(over="ignore"):
        clip = draw(arrays(np.float64, (persons, frames, 2, 2), elements=VALUES)).astype(dtype)
    for person in clip:
        person[: draw(st.integers(0, frames))] = 0
        period = draw(st.integers(0, frames))
        if period:
            person[:] = person[np.arange(frames) % period]
    periods = draw(st.lists(st.integers(0, frames + 1), min_size=persons, max_size=persons))
    return clip, tuple(periods)


@given(clips(), st.booleans())
def test_what_is_packed_comes_back_to_the_bit(drawn, suggest):
    clip, periods = drawn
    packed = pack(clip, periods if suggest else ())
    found = unpack(packed.rows, packed.spans, packed.frames)
    assert (found.shape, found.dtype) == (clip.shape, clip.dtype)
    assert found.tobytes() == clip.tobytes()


@given(clips(), st.integers(0, 12))
def test_another_length_cuts_or_pads_with_zeros(drawn, length):
    clip, periods = drawn
    packed = pack(clip, periods)
    expected = np.zeros((len(clip), length, 2, 2), clip.dtype)
    kept = min(length, clip.shape[1])
    expected[:, :kept] = clip[:, :kept]
    assert unpack(packed.rows, packed.spans, packed.frames, length).tobytes() == expected.tobytes()


def person(*values):
    """Return frames (T, 1, 1) of one joint with one coordinate."""
    return np.array(values, np.float32)[:, None, None]


@pytest.mark.parametrize(
    ("values", "period", "span", "rows"),
    [
        ((1, 2, 3), 0, [0, 0, 3, 0], 3),
        ((0, 0, 1, 2), 0, [0, 2, 2, 0], 2),  # comes late
        ((1, 2, 0, 0), 0, [0, 0, 2, 0], 2),  # leaves early
        ((0, 1, 0, 2, 0), 0, [0, 1, 3, 0], 3),  # a gap is kept
        ((0, -0.0, 0), 0, [0, 1, 1, 0], 1),  # a negative zero is not nothing
        ((0, 0, 0), 0, [0, 0, 0, 0], 0),  # absent
        ((0, 0, 0), 1, [0, 0, 0, 0], 0),  # absent, though it repeats
        ((1, 2, 1, 2, 1), 2, [0, 0, 2, 1], 2),  # repeats
        ((1, 2, 1, 2, 3), 2, [0, 0, 5, 0], 5),  # does not
        ((0, 1, 0, 1), 2, [0, 0, 2, 1], 2),  # repeats with its gap
        ((1, 2, 3), 3, [0, 0, 3, 0], 3),  # a period as long as the clip is none
        ((0, 2, 0, -0.0), 2, [0, 1, 3, 0], 3),  # equal, but not to the bit
    ],
)
def test_a_span_is_the_shortest_that_restores_a_person(values, period, span, rows):
    packed = pack(person(*values)[None], (period,))
    assert packed.spans.tolist() == [span]
    assert len(packed.rows) == rows


def test_persons_follow_each_other_in_the_rows():
    packed = pack(np.stack([person(0, 1, 2), person(0, 0, 0), person(3, 3, 3)]), (0, 0, 1))
    assert packed.rows.ravel().tolist() == [1, 2, 3]
    assert packed.spans.tolist() == [[0, 1, 2, 0], [0, 0, 0, 0], [2, 0, 1, 1]]
    assert packed.frames == 3
