"""The padded arrays of older code: `{train,val}_data.npy` (N, 3, T, V, 2) float32 with `{train,val}_label.pkl`.

A label file is a pickled tuple (names or paths, class indices from 0) and, in EfficientGCN's, frame counts.
Source: the generated data sets of EfficientGCN (`eval_*`), ST-GCN (`val_*`) and 2s-AGCN (`*_data_joint.npy`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import index
from pathlib import Path
from tokenize import TokenError  # of numpy, which parses an array's header

import numpy as np

from reader.annotations import USUAL, XYZ
from reader.items import FLOATS
from reader.names import ntu_columns
from reader.ntu import NAME, PARTS, part_of
from utils.errors import UserError
from utils.pickles import load_pickle
from utils.recording import UNKNOWN, Bare, ReadError, Recording, Scan, Source, refuse_twins

FILES = {  # of a split; the first that is there counts
    "train": ("train_data.npy", "train_data_joint.npy"),
    "eval": ("eval_data.npy", "val_data.npy", "val_data_joint.npy"),
}
HELD = ("original", "transformed")
HEADER_ERRORS = (  # what numpy raises on an array's header that is none, or states what cannot be
    *(ValueError, TypeError, LookupError, ArithmeticError, SyntaxError, TokenError),
    *(EOFError, OSError, RecursionError, MemoryError),
)
CENTRE = 1  # the joint of person 0 that is the origin of a transformed clip


@dataclass(frozen=True)
class PaddedReader:
    """Reads the arrays of one benchmark; they state the split, and hold one variant, already made.

    Args:
        benchmark: the benchmark whose splits the files are.
        variant: the variant that the arrays hold: `transformed` those of 2s-AGCN, `original` those of ST-GCN.
        layout: one of NTU's conventions, or kinetics-18 for ST-GCN's arrays of Kinetics.
    """

    benchmark: str
    variant: str
    layout: str = "ntu"
    form: str = "padded"
    persons: int = 2
    parallel: bool = True

    def __post_init__(self) -> None:
        if self.variant not in HELD:
            raise UserError(f"data.variant {self.variant}: padded arrays hold {' or '.join(HELD)} clips; name that one")

    @property
    def channels(self) -> tuple[str, ...]:
        """What the three numbers of a joint are."""
        return USUAL[self.layout][1]

    @property
    def variants(self) -> tuple[str, ...]:
        """The variant that the recordings already are."""
        return (self.variant,)

    def scan(self, roots: Sequence[Path], part: str) -> Scan:
        """List the clips of `part` (ntu60 and ntu120: by the setup in their names) in the one folder of `roots`.

        One of the two splits may be absent. Raises `UserError` if arrays and labels do not fit together.
        """
        (folder,) = roots
        there = [[folder / name for name in names if (folder / name).exists()] for names in FILES.values()]
        paths = [found[0] for found in there if found]
        if not paths:
            names = ", ".join(name for names in FILES.values() for name in names)
            raise UserError(f"{folder}: none of {names}; give the folder that holds them")
        sources = [source for path in paths for source in self._clips(path, part)]
        if not sources:
            raise UserError(f"{folder}: none of its clips belongs to part {part} (by the setup number Sxxx)")
        refuse_twins(sources)
        return Scan(sources, split_lists=(self.benchmark,))

    def list_file(self, path: Path) -> Scan:
        """List the rows of an array (N, 3, T, V, M) of any name, which needs no label file."""
        size, (_, labels) = path.stat().st_size, _open(path, USUAL[self.layout][0], strict=False)
        names = [Path(source.replace("\\", "/")).stem for source, _, _ in labels]
        return Scan([Bare(name, path, size, row) for row, name in enumerate(names)])

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield one row of an array as (2, T, V, 3).

        `original` is cut to the frames that the label file states, or else behind the last frame that is not empty.
        """
        is_bare = isinstance(source, Bare)
        data, labels = _open(source.path, USUAL[self.layout][0], strict=not is_bare)
        path, label, frames = labels[source.item]
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is refused
            row = data[source.item].astype(np.float32)
        joints = np.ascontiguousarray(row.transpose(3, 1, 2, 0))  # (C, T, V, M) -> (M, T, V, C)
        try:
            self._check(joints)
            joints = cut(joints, frames) if self.variant == "original" else joints
        except ValueError as error:
            raise ReadError(source.path, None, f"row {source.item} ({source.name}) {error}") from error
        side = next((split for split, names in FILES.items() if source.path.name in names), None)
        splits = {self.benchmark: side} if side else {}
        columns = {**ntu_columns(source.name), "source": path}
        yield Recording(source.name, joints, label, columns, splits, frames)

    def _check(self, joints: np.ndarray) -> None:
        """Raise `ValueError` if a clip is broken, or not of the variant."""
        check_values(joints)
        centred = is_centred(joints)
        if self.channels == XYZ and centred != (self.variant != "original"):
            state = f"centred on joint {CENTRE}" if centred else f"not centred on joint {CENTRE}"
            raise ValueError(f"is not {self.variant}: {state}")

    def _clips(self, path: Path, part: str) -> list[Source]:
        _, labels = _open(path, USUAL[self.layout][0], strict=True)
        names = [Path(source.replace("\\", "/")).stem for source, _, _ in labels]
        size = path.stat().st_size
        return [Source(name, path, size, row) for row, name in enumerate(names) if _belongs(name, part)]


def is_centred(joints: np.ndarray) -> bool:
    """Tell whether a clip (M, T, V, C) is centred, as transformed ones are."""
    return not joints[0, :, CENTRE].any()


def check_values(joints: np.ndarray) -> None:
    """Raise `ValueError` if values are not finite, or all zero."""
    if not np.isfinite(joints).all():
        raise ValueError("holds values that are not finite")
    if not joints.any():
        raise ValueError("has no body in any frame, so there is nothing to learn from")


def cut(joints: np.ndarray, frames: int | None) -> np.ndarray:
    """Return (M, T, V, C) without its padding: the stated `frames`, or else up to the last that is not empty.

    Raises `ValueError` if there is something behind the stated frames.
    """
    if frames is None:
        return joints[:, : np.flatnonzero(joints.any(axis=(0, 2, 3)))[-1] + 1]
    if not 0 < frames <= joints.shape[1] or joints[:, frames:].any():
        raise ValueError(f"does not end at frame {frames}")
    return joints[:, :frames]


def _belongs(name: str, part: str) -> bool:
    """Tell whether a clip is of a part; one of another name is in the first of NTU's two only, not in both."""
    if part not in PARTS:
        return True
    match = NAME.fullmatch(name)
    return part_of(match, part) if match else part != "ntu120"


def open_array(path: Path) -> np.ndarray:
    """Return a mapped `.npy` array; raises `ReadError` if it is no such file, or not whole.

    Also where the header states what no file can hold: numpy multiplies whatever shape it finds there, with a warning
    or an error of any kind. Without rows an array is whole; with rows that are empty, there might be billions of them.
    """
    try:
        with np.errstate(over="raise"):
            data = np.lib.format.open_memmap(path, mode="r")
        if 0 in data.shape[1:]:
            raise ValueError(f"its rows are empty: {data.shape}")
    except HEADER_ERRORS as error:
        reason = str(error).partition("\n")[0]
        if path.is_file() and not path.stat().st_size:
            raise ReadError(path, None, "the file is empty; write it again") from error
        if "Python objects" in reason:
            objects = "holds Python objects, and nothing is unpickled; save numbers: array.astype(numpy.float32)"
            raise ReadError(path, None, objects) from error
        raise ReadError(path, None, f"not a whole .npy array ({reason}); fetch it again") from error
    return data


@lru_cache(maxsize=2)
def _open(path: Path, joints: int, *, strict: bool) -> tuple[np.ndarray, list[tuple[str, int, int | None]]]:
    """Return the mapped array (N, C, T, V, M) and per row (source path, label, frames where stated).

    If not `strict`, M may be any number, the type any float, and labels may be absent.
    """
    data, label_file = open_array(path), path.with_name(path.name.partition("_")[0] + "_label.pkl")
    is_ours = data.shape[4:] == (2,) and data.dtype == np.float32
    fits = data.ndim == 5 and data.shape[1] == 3 and data.shape[3] == joints
    if not fits or not (is_ours or (data.dtype in FLOATS and not strict)):
        raise ReadError(path, None, f"{data.dtype} {data.shape}, but (N, 3, T, {joints}, 2) float32 was expected")
    if not strict and not label_file.exists():
        return data, [(f"{path.stem}-{row:06}", UNKNOWN, None) for row in range(len(data))]
    labels = _labels(label_file)
    if len(labels) != len(data):
        raise ReadError(path, None, f"{len(data)} clips, but its label file has {len(labels)}")
    return data, labels


def _labels(path: Path) -> list[tuple[str, int, int | None]]:
    content = load_pickle(path)
    wrong = ReadError(path, None, "expected a tuple of equally long lists (paths, labels and, of some, frame counts)")
    if not isinstance(content, tuple) or len(content) not in (2, 3):
        raise wrong
    try:
        rows = list(zip(*content, strict=True))
        return [(str(row[0]), index(row[1]), index(row[2]) if len(row) == 3 else None) for row in rows]
    except (TypeError, ValueError) as error:
        raise wrong from error
