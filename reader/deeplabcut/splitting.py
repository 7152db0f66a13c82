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
    ends = _ends(rows)
    starts = {file: min(span(row)[0] for row in rows if row.file == file) for file in ends}
    return [
        replace(row, columns={**(row.columns or {}), BLOCK: f"{row.file.stem}_{place}"})
        for row in rows
        for first in [starts[row.file]]
        for place in [(sum(span(row)) - 2 * first) * blocks // (2 * (ends[row.file] - first))]
    ]


def too_near(rows: Sequence[Row], trains: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """Return (N,) which windows train, but have fewer than `gap` frames between them and one that evaluates.

    With gap 0: which overlap one. Without them nothing of an evaluated frame is trained on, whatever the split.
    """
    evaluated = {file: np.zeros(end, bool) for file, end in _ends(rows).items()}
    for row, is_trained in zip(rows, trains, strict=True):
        if not is_trained:
            evaluated[row.file][slice(*span(row))] = True
    near = [evaluated[row.file][max(0, span(row)[0] - gap) : span(row)[1] + gap].any() for row in rows]
    return np.array(near, bool) & trains


def span(row: Row) -> tuple[int, int]:
    """Return a window's first frame and the one behind its last."""
    assert row.start is not None and row.end is not None  # as `list_windows` lists them
    return row.start, row.end


def _ends(rows: Sequence[Row]) -> dict[Path, int]:
    ends: dict[Path, int] = {}
    for row in rows:
        ends[row.file] = max(ends.get(row.file, 0), span(row)[1])
    return ends
