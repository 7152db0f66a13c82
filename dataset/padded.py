"""Writing the padded arrays of older code from a store.

OUT/{original,transformed}/<benchmark>/{train,eval}_data.npy    (N, 3, 300, 25, 2) float32
                                       {train,eval}_label.pkl   (source paths, class indices, frame counts)
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from dataset.packing import unpack
from dataset.splits import SPLITS, Benchmark, select
from dataset.store import Part
from dataset.variants import PADDED_FRAMES
from utils.files import disk_errors, write_atomic


def export(parts: Sequence[Part], benchmark: Benchmark, out: Path) -> list[Path]:
    """Write the splits of `benchmark` that have clips, in the store's order; return the arrays' paths.

    Clips longer than 300 frames are cut to 300 there (the original cannot hold them). Memory does not grow with N.
    """
    folder = out / parts[0].variant / benchmark.name
    written = []
    with disk_errors(folder, "nothing half-written is left; free some space and repeat"):
        folder.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            picks = [(part, select(part, benchmark, split)) for part in parts]
            if any(len(index) for _, index in picks):
                written.append(_export_split(picks, folder, split))
    return written


def _export_split(picks: Sequence[tuple[Part, np.ndarray]], folder: Path, split: str) -> Path:
    path = folder / f"{split}_data.npy"
    write_atomic(path, lambda file: _write_data(file, picks))
    write_atomic(folder / f"{split}_label.pkl", lambda file: pickle.dump(_labels(picks), file))
    return path


def _write_data(file: IO[bytes], picks: Sequence[tuple[Part, np.ndarray]]) -> None:
    """Write (N, C, T, V, M) clip by clip."""
    first = picks[0][0]
    joints, channels = first.coordinates.shape[1:]
    shape = (sum(len(index) for _, index in picks), channels, PADDED_FRAMES, joints, first.spans.shape[1])
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    for part, index in picks:
        for n in index.tolist():
            clip = unpack(part.coordinates, part.spans[n], int(part.frames[n]), PADDED_FRAMES)  # (M, T, V, C)
            file.write(np.ascontiguousarray(clip.transpose(3, 1, 2, 0), np.float32).data)


def _labels(picks: Sequence[tuple[Part, np.ndarray]]) -> tuple[list[str], list[int], list[int]]:
    sources = [source for part, index in picks for source in part.column("source")[index].tolist()]
    labels = [label for part, index in picks for label in part.labels[index].tolist()]
    frames = [min(n, PADDED_FRAMES) for part, index in picks for n in part.recorded_frames[index].tolist()]
    return sources, labels, frames
