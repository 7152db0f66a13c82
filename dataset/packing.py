"""Ragged form of a clip: the real frames of its real persons, and where each belongs.

A dense clip is (M, T, V, C). Packed, it is rows (R, V, C) and one span per person: first row, first frame, number of
rows, and whether they repeat to the clip's end. Everything a span does not cover is zero. Exact to the bit, both ways.
"""

from dataclasses import dataclass

import numpy as np

ROW, FIRST, COUNT, LOOP = range(4)  # columns of a span


@dataclass(frozen=True)
class Packed:
    """A clip in ragged form: rows (R, V, C), spans (M, 4) with rows counted from the clip's own first."""

    rows: np.ndarray
    spans: np.ndarray
    frames: int


def pack(joints: np.ndarray, periods: tuple[int, ...] = ()) -> Packed:
    """Pack (M, T, V, C); `periods` suggests per person after how many frames it repeats (0: it does not)."""
    persons, frames = joints.shape[:2]
    spans = np.zeros((persons, 4), np.int64)
    pieces = [joints[0, :0]]
    for m in range(persons):
        first, count, loop = _cover(joints[m], periods[m] if periods else 0)
        if count:
            spans[m] = sum(map(len, pieces)), first, count, loop
            pieces.append(joints[m, first : first + count])
    return Packed(np.concatenate(pieces), spans, frames)


def _cover(person: np.ndarray, period: int) -> tuple[int, int, bool]:
    """Return first frame, count and loop flag of the shortest span that restores (T, V, C) exactly."""
    bits = np.ascontiguousarray(person).reshape(len(person), -1)
    bits = bits.view(f"u{bits.itemsize}")  # a negative zero is not empty
    loops = 0 < period < len(bits) and np.array_equal(bits[period:], bits[:-period])
    if not loops and len(bits) and bits[0].any() and bits[-1].any():
        return 0, len(bits), False  # as nearly all are: the frames in between need not be looked at
    live = np.flatnonzero(bits[: period if loops else None].any(axis=1))
    if not len(live):
        return 0, 0, False  # absent, whatever its period
    if loops:
        return 0, period, True
    return int(live[0]), int(live[-1] - live[0]) + 1, False


def unpack(rows: np.ndarray, spans: np.ndarray, frames: int, length: int | None = None) -> np.ndarray:
    """Return the dense clip (M, `length` or T, V, C): cut, or padded with zeros behind its last frame."""
    length = frames if length is None else length
    joints = np.zeros((len(spans), length, *rows.shape[1:]), rows.dtype)
    for person, (row, first, count, loop) in zip(joints, spans.tolist(), strict=True):
        at = np.arange(min(length, frames)) if loop else np.arange(first, min(first + count, length))
        person[at] = rows[row + (at % count if loop else at - first)]
    return joints
