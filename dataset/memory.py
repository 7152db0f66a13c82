"""Clips in memory as a part, for who has no store: to classify, to compare, to measure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset.packing import COUNT, ROW, Packed
from dataset.store import Part


def part_of(clips: Sequence[Packed], persons: int = 1) -> Part:
    """Return clips (at least one, without labels) as a part that is in memory, with at least `persons` each."""
    slots = max(persons, *(len(clip.spans) for clip in clips))
    spans = np.zeros((len(clips), slots, 4), np.int64)
    starts = np.cumsum([0, *(len(clip.rows) for clip in clips[:-1])])
    for clip, start, mine in zip(clips, starts.tolist(), spans, strict=True):
        mine[: len(clip.spans)] = clip.spans
        mine[mine[:, COUNT] > 0, ROW] += start
    rows, frames = np.concatenate([clip.rows for clip in clips]), np.array([clip.frames for clip in clips])
    return Part(Path("memory"), {}, "", rows, spans, frames, np.zeros(len(clips), np.int64), checksum="")
