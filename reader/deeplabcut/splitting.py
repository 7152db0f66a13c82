"""Splitting windows so that no frame is on both sides, by blocks of time where there is one recording.

Letters: N windows.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reader.own.table import Row

BLOCK = "block"  # the column by which blocks of time are split


def in_blocks(rows: Sequence[Row], blocks: int) -> list[Row]:
    """Return the windows with the column `block`, each in that of `blocks` spans of its recording that has its middle.

    The spans are of equal length, from the first frame of all windows of a file to the last.
    """
    limits = _limits(rows)
    return [_in_block(row, blocks, *limits[row.file]) for row in rows]


def _in_block(row: Row, blocks: int, first: int, end: int) -> Row:
    columns = dict(row.columns or {})
    place = (sum(span(row)) - 2 * first) * blocks // (2 * (end - first))
    return replace(row, columns={**columns, BLOCK: f"{columns['recording']}_{place}"})


def too_near(rows: Sequence[Row], trains: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """Return (N,) which windows train, but have fewer than `gap` frames between them and one that evaluates.

    With gap 0: which overlap one. Without them nothing of an evaluated frame is trained on, whatever the split.
    """
    evaluated = {file: np.zeros(end, bool) for file, (_, end) in _limits(rows).items()}
    for row, is_trained in zip(rows, trains, strict=True):
        if not is_trained:
            evaluated[row.file][slice(*span(row))] = True
    near = [evaluated[row.file][max(0, span(row)[0] - gap) : span(row)[1] + gap].any() for row in rows]
    return np.array(near, bool) & trains


def span(row: Row) -> tuple[int, int]:
    """Return a window's first frame and the one behind its last."""
    assert row.start is not None and row.end is not None  # as `list_windows` lists them
    return row.start, row.end


def _limits(rows: Sequence[Row]) -> dict[Path, tuple[int, int]]:
    """Return of each file the first frame of all its windows, and the one behind the last."""
    limits: dict[Path, tuple[int, int]] = {}
    for row in rows:
        start, end = span(row)
        first, last = limits.get(row.file, (start, end))
        limits[row.file] = min(first, start), max(last, end)
    return limits
