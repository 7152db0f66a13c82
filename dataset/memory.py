"""Clips in memory as a part, or as one array: to classify and to compare.

Letters: N clips, M persons, T frames, V joints, C channels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset.packing import COUNT, ROW, Packed, unpack
from dataset.store import Part
from utils.recording import UNKNOWN


def part_of(clips: Sequence[Packed], persons: int = 1) -> Part:
    """Return clips (at least one, without labels) as a part that is in memory, with at least `persons` each."""
    slots = max(persons, *(len(clip.spans) for clip in clips))
    spans = np.zeros((len(clips), slots, 4), np.int64)
    starts = np.cumsum([0, *(len(clip.rows) for clip in clips[:-1])])
    for clip, start, mine in zip(clips, starts.tolist(), spans, strict=True):
        mine[: len(clip.spans)] = clip.spans
        mine[mine[:, COUNT] > 0, ROW] += start
    rows, frames = np.concatenate([clip.rows for clip in clips]), np.array([clip.frames for clip in clips])
    labels = np.full(len(clips), UNKNOWN)
    return Part(Path("memory"), {}, "", rows, spans, frames, labels, checksum="")


def dense(clips: Sequence[Packed], persons: int = 1, longest: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return clips, at least one, as joints (N, M, T, V, C) float32, M at least `persons`, and frames (N,) int64.

    T is the longest clip's, at most `longest`: what a clip has more is cut off.
    """
    frames = np.array([clip.frames for clip in clips], np.int64)
    if longest is not None:
        frames = np.minimum(frames, longest)
    slots = max(persons, *(len(clip.spans) for clip in clips))
    joints = np.zeros((len(clips), slots, int(frames.max()), *clips[0].rows.shape[1:]), np.float32)
    for place, clip in zip(joints, clips, strict=True):
        place[: len(clip.spans)] = unpack(clip.rows, clip.spans, clip.frames, joints.shape[2])
    return joints, frames
