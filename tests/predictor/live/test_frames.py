"""A line is a frame, or one sentence says why not."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.live.frames import LAST_ID, FrameForm, LineError

FORM = FrameForm(joints=2, channels=("x", "y", "z"), max_persons=3)


def line(t=1.5, **person):
    return json.dumps({"t": t, "persons": [{"id": 7, "joints": [[1, 2, 3], [4, 5, 6.5]]} | person]}).encode()


def test_a_frame_is_read():
    frame = FORM.parse(line())
    assert frame.t == 1.5
    assert frame.persons.keys() == {7}
    np.testing.assert_array_equal(frame.persons[7], np.array([[1, 2, 3], [4, 5, 6.5]], np.float32), strict=True)


def test_a_frame_may_be_empty_and_say_more():
    assert FORM.parse(b'{"t": 3, "persons": [], "camera": "hall"}').persons == {}


def test_missing_joints_are_zeros_and_who_has_none_is_not_there():
    frame = FORM.parse(line(joints=[None, [1, 0, 0]]))
    assert frame.persons[7].tolist() == [[0, 0, 0], [1, 0, 0]]
    assert FORM.parse(line(joints=[None, None])).persons == {}
    assert FORM.parse(line(joints=[None, [0, 1e-9, 0]])).persons == {}


def test_joints_of_another_skeleton_are_mapped():
    form = FrameForm(joints=2, channels=("x", "y"), max_persons=1, map_joints=lambda joints: joints[[1, 0, 1]])
    assert form.parse(line(joints=[[1, 2], None])).persons[7].tolist() == [[0, 0], [1, 2], [0, 0]]


NESTED = b'{"t": ' + b"[" * 100_000
WRONG = {
    b"": "not JSON",
    b"hello": "not JSON",
    b"\x80\x00\xff": "not JSON",
    b'{"t": 1, "persons": [': "not JSON",
    b'{"t": ' + b"1" * 5000 + b"}": "not JSON",
    NESTED: "nested too deeply",
    b"[1, 2]": 'expected {"t": seconds',
    b'{"persons": []}': "t is missing",
    b'{"t": "1", "persons": []}': "found t '1'",
    b'{"t": NaN, "persons": []}': "found t NaN",
    b'{"t": 1e400, "persons": []}': "found t Infinity",
    b'{"t": true, "persons": []}': "found t true",
    b'{"t": 1}': "persons is missing",
    b'{"t": 1, "persons": {}}': "persons must be a list",
    b'{"t": 1, "persons": [3]}': r"persons\[0\]: id must be a whole number from 0 to 2\^63 - 1, found 3",
    b'{"t": 1, "persons": [{"joints": []}]}': "id is missing",
    b'{"t": 1, "persons": [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]}': "4 persons; at most 3",
    line(id=-1): "found id -1",
    line(id=1.0): r"found id 1\.0",
    line(id=True): "found id true",
    line(id=LAST_ID + 1): "id must be a whole number",
    line(joints=None): "id 7: joints must be a list of 2, found null",
    line(joints=[[1, 2, 3]]): "id 7: joints must be a list of 2, found 1",
    line(
        joints=[[1, 2], [1, 2]]
    ): r"a joint must be \[x, y, z\] in finite numbers, up to 1e\+09, or null; found \[1, 2\]",
    line(joints=[[1, 2, None], [1, 2, 3]]): r"found \[1, 2, null\]",
    line(joints=[[1, 2, "3"], [1, 2, 3]]): "a joint must be",
    line(joints=[[1, 2, True], [1, 2, 3]]): "a joint must be",
    line(joints=[[1, 2, float("nan")], [1, 2, 3]]): r"found \[1, 2, NaN\]",
    line(joints=[[1, 2, float("-inf")], [1, 2, 3]]): "a joint must be",
    line(joints=[[1, 2, 10**400], [1, 2, 3]]): "a joint must be",
    line(joints=[[1, 2, 1.1e9], [1, 2, 3]]): r"numbers, up to 1e\+09, or null; found \[1, 2, 1100000000\.0\]",
    b'{"t": 1, "persons": [{"id": 1, "joints": [null, null]}, {"id": 1, "joints": [null, null]}]}': "id 1 is given twice",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said_shortly(text):
    with pytest.raises(LineError, match=WRONG[text]) as said:
        FORM.parse(text)
    assert len(str(said.value)) < 200


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["t", "persons", "id", "joints"]), inner)
    ),
    max_leaves=12,
)


@given(VALUES | st.fixed_dictionaries({"t": VALUES, "persons": VALUES}))
def test_whatever_json_is_sent_it_is_a_frame_or_a_sentence(value):
    try:
        frame = FORM.parse(json.dumps(value).encode())
    except LineError:
        return
    assert all(np.isfinite(joints).all() and joints.any() for joints in frame.persons.values())


@given(st.binary(max_size=60))
def test_whatever_bytes_are_sent_it_is_a_sentence(text):
    with pytest.raises(LineError):
        FORM.parse(text)
