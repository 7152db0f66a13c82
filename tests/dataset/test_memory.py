"""Clips in memory as a part."""

import numpy as np

from dataset.memory import part_of
from dataset.packing import pack, unpack


def test_clips_of_different_slots_come_back():
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(slots, frames, 4, 3)).astype(np.float32) for slots, frames in ((1, 5), (3, 2), (2, 7))]
    clips[2][0, 3:] = 0
    clips.append(np.zeros((2, 4, 4, 3), np.float32))
    part = part_of([pack(clip) for clip in clips], persons=2)
    assert part.spans.shape == (4, 3, 4)
    assert len(part) == 4
    for clip, spans, frames in zip(clips, part.spans, part.frames, strict=True):
        found = unpack(part.coordinates, spans, int(frames))
        np.testing.assert_array_equal(found[: len(clip)], clip)
        assert not found[len(clip) :].any()


def test_there_are_as_many_slots_as_are_asked_for():
    assert part_of([pack(np.ones((1, 2, 3, 3), np.float32))], persons=4).spans.shape == (1, 4, 4)
