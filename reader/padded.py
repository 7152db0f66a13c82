"""The padded arrays of older code: `{train,eval}_data.npy` (N, 3, 300, 25, 2) float32 with `{train,eval}_label.pkl`.

A label file is a pickled tuple (source paths, class indices from 0, frame counts).
Source: EfficientGCN's and 2s-AGCN's generated data sets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import index
from pathlib import Path

import numpy as np

from reader.ntu import NAME, part_of
from utils.errors import UserError
from utils.pickles import load_pickle
from utils.recording import UNKNOWN, ReadError, Recording, Scan, Source, refuse_twins

SPLITS = ("train", "eval")
CENTRE = 1  # the joint of person 0 that is the origin of a transformed clip


@dataclass(frozen=True)
class PaddedReader:
    """Reads the arrays of one benchmark; they state the split, and hold one variant, already made.

    Args:
        benchmark: the benchmark whose splits the files are.
        variant: the variant that the arrays hold.
    """

    benchmark: str
    variant: str
    form: str = "padded"
    layout: str = "ntu"
    channels: tuple[str, ...] = ("x", "y", "z")
    persons: int = 2

    @property
    def variants(self) -> tuple[str, ...]:
        """The variant that the recordings already are."""
        return (self.variant,)

    def scan(self, roots: Sequence[Path], part: str) -> Scan:
        """List the clips of `part` (by the setup in their names) in the one folder of `roots`.

        One of the two splits may be absent. Raises `UserError` if arrays and labels do not fit together.
        """
        (folder,) = roots
        paths = [folder / f"{split}_data.npy" for split in SPLITS]
        if not any(path.exists() for path in paths):
            raise UserError(f"{folder}: neither train_data.npy nor eval_data.npy; give the folder that holds them")
        sources = [source for path in paths if path.exists() for source in _clips(path, part)]
        if not sources:
            raise UserError(f"{folder}: none of its clips belongs to part {part} (by the setup number Sxxx)")
        refuse_twins(sources)
        return Scan(sources, split_of=self.benchmark)

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield one row of an array as (2, T, 25, 3); `original` is cut to the frames that the label file states."""
        data, labels = _open(source.path)
        path, label, frames = labels[source.item]
        joints = np.ascontiguousarray(data[source.item].transpose(3, 1, 2, 0))  # (C, T, V, M) -> (M, T, V, C)
        if not np.isfinite(joints).all():
            raise ReadError(source.path, None, f"row {source.item} ({source.name}) holds values that are not finite")
        centred = not joints[0, :, CENTRE].any()
        if centred != (self.variant != "original"):
            found = f"centred on joint {CENTRE}" if centred else f"not centred on joint {CENTRE}"
            raise ReadError(source.path, None, f"row {source.item} ({source.name}) is not {self.variant}: {found}")
        if self.variant == "original":
            joints = self._cut(joints, frames, source)
        split = source.path.name.removesuffix("_data.npy")
        yield Recording(source.name, joints, label, {**_columns(source.name), "source": path}, split, frames)

    @staticmethod
    def _cut(joints: np.ndarray, frames: int, source: Source) -> np.ndarray:
        if not 0 < frames <= joints.shape[1] or joints[:, frames:].any():
            raise ReadError(source.path, None, f"row {source.item} ({source.name}) does not end at frame {frames}")
        return joints[:, :frames]


def _columns(name: str) -> dict[str, int | str]:
    """Return the columns that the name states; all unknown if it is not an NTU name."""
    match = NAME.fullmatch(name)
    keys = [key for key in NAME.groupindex if key != "action"]
    return {key: int(match[key]) if match else UNKNOWN for key in keys}


def _clips(path: Path, part: str) -> list[Source]:
    _, labels = _open(path)
    names = [Path(source.replace("\\", "/")).stem for source, _, _ in labels]
    size = path.stat().st_size
    return [
        Source(name, path, size, row)
        for row, name in enumerate(names)
        if (part_of(name, part) if NAME.fullmatch(name) else part != "ntu120")  # else it would be in both parts
    ]


@lru_cache(maxsize=2)
def _open(path: Path) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
    """Return the mapped array (N, C, T, V, M) and per row (source path, label, frames)."""
    try:
        data = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, OSError) as error:
        raise ReadError(path, None, f"not a whole .npy array ({error})") from error
    if data.ndim != 5 or data.shape[1] != 3 or data.shape[3:] != (25, 2) or data.dtype != np.float32:
        raise ReadError(path, None, f"{data.dtype} {data.shape}, but (N, 3, T, 25, 2) float32 was expected")
    labels = _labels(path.with_name(path.name.replace("_data.npy", "_label.pkl")))
    if len(labels) != len(data):
        raise ReadError(path, None, f"{len(data)} clips, but its label file has {len(labels)}")
    return data, labels


def _labels(path: Path) -> list[tuple[str, int, int]]:
    content = load_pickle(path)
    wrong = ReadError(path, None, "expected a tuple of three equally long lists (paths, labels, frame counts)")
    if not isinstance(content, tuple) or len(content) != 3:
        raise wrong
    try:
        return [(str(source), index(label), index(frames)) for source, label, frames in zip(*content, strict=True)]
    except (TypeError, ValueError) as error:
        raise wrong from error
