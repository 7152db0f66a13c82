"""Clips in memory as a part."""

import numpy as np

from dataset.memory import dense, part_of
from dataset.packing import pack, unpack


def test_clips_of_different_slots_come_back():
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(slots, frames, 4, 3)).astype(np.float32) for slots, frames in ((1, 5), (3, 2), (2, 7))]
    clips[2][0, 3:] = 0
    clips.append(np.zeros((2, 4, 4, 3), np.float32))
    part = part_of([pack(clip) for clip in clips], persons=2)
    assert part.spans.shape == (4, 3, 4)
    assert len(part) == 4
    assert part.labels.tolist() == [-1] * 4  # nobody has said what they show
    for clip, spans, frames in zip(clips, part.spans, part.frames, strict=True):
        found = unpack(part.coordinates, spans, int(frames))
        np.testing.assert_array_equal(found[: len(clip)], clip)
        assert not found[len(clip) :].any()


def test_there_are_as_many_slots_as_are_asked_for():
    assert part_of([pack(np.ones((1, 2, 3, 3), np.float32))], persons=4).spans.shape == (1, 4, 4)


def test_clips_as_one_array_are_padded_with_zeros_and_cut_where_that_is_asked():
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(slots, frames, 4, 3)) for slots, frames in ((1, 5), (3, 2), (2, 7))]
    joints, frames = dense([pack(clip) for clip in clips])
    assert (joints.shape, joints.dtype, frames.dtype) == ((3, 3, 7, 4, 3), np.float32, np.int64)
    cut, fewer = dense([pack(clip) for clip in clips], persons=4, longest=6)
    assert cut.shape == (3, 4, 6, 4, 3)
    assert (frames.tolist(), fewer.tolist()) == ([5, 2, 7], [5, 2, 6])
    for clip, whole, short in zip(clips, joints, cut, strict=True):
        slots, count = clip.shape[:2]
        expected = np.zeros((3, 7, 4, 3), np.float32)
        expected[:slots, :count] = clip
        np.testing.assert_array_equal(whole, expected)
        np.testing.assert_array_equal(short[:3], expected[:, :6])
        assert not short[3].any()
