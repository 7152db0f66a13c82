"""NTU clips in arrays: a folder of padded arrays (`reader/padded.py`), or the `.npz` of CTR-GCN and its descendants.

The `.npz` holds x_train (N, T, 150), y_train (N, K) one-hot, x_test and y_test; a frame's 150 numbers are two persons
of 25 joints of x y z. It holds no names: a clip is called after its split and row (train-000123). Arrays are streamed
row by row, so that memory does not grow with the file.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tokenize import TokenError  # of numpy, which parses an array's header
from typing import IO
from weakref import finalize

import numpy as np

from reader.items import FLOATS
from reader.padded import PaddedReader, check_values, cut
from utils.errors import UserError
from utils.recording import UNKNOWN, Bare, ReadError, Recording, Scan, Source

SPLITS = {"train": "train", "test": "eval"}  # in the file's words, and in ours
PERSONS, JOINTS, AXES = 2, 25, 3
WIDTH = PERSONS * JOINTS * AXES
UNUSED = "not one of x_train, y_train, x_test and y_test"
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, TokenError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class ArraysReader:
    """Reads the arrays of one benchmark; they state the split.

    Args:
        benchmark: the benchmark whose splits the arrays are.
        variant: the variant that they hold; `original` for all .npz.
        layout: the convention of NTU's edges and centre.
    """

    benchmark: str = "split"
    variant: str = "original"
    layout: str = "ntu"
    form: str = "arrays"
    channels: tuple[str, ...] = ("x", "y", "z")
    persons: int = PERSONS
    parallel: bool = False  # a compressed array can only be read from its beginning

    @property
    def variants(self) -> tuple[str, ...]:
        """The variant that the recordings already are."""
        return (self.variant,)

    @property
    def _padded(self) -> PaddedReader:
        return PaddedReader(self.benchmark, self.variant, self.layout)

    def scan(self, roots: Sequence[Path], part: str) -> Scan:
        """List the rows of x_train, then of x_test, in the one file `roots`, or the clips of the one folder.

        One of the two may be absent. Raises `UserError` if a file is damaged, or arrays are not of the form or variant.
        """
        path = roots[0]
        if len(roots) > 1:
            raise UserError(f"{roots[1]}: one file or folder holds all splits; give only {path} or it (--raw)")
        if path.is_dir():
            return self._padded.scan(roots, part)
        if self.variant != "original":
            raise UserError(f"{path}: an .npz holds original clips, no {self.variant} ones; set data.variant: original")
        held = held_in(path)
        for split in SPLITS:
            if f"x_{split}" in held and f"y_{split}" not in held:
                raise UserError(f"{path}: has no y_{split}")
        unused = sorted(held - {f"{letter}_{split}" for letter in "xy" for split in SPLITS})
        return Scan(_rows(path, held, Source), {UNUSED: unused} if unused else {}, (self.benchmark,))

    def list_file(self, path: Path) -> Scan:
        """List the rows of an .npz, which needs no y_train nor y_test, or of a padded array."""
        return self._padded.list_file(path) if path.suffix == ".npy" else Scan(_rows(path, held_in(path), Bare))

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield one row as (2, T, 25, 3), cut behind the last frame that is not empty."""
        if source.path.suffix == ".npy":
            yield from self._padded.read(source)
            return
        split = source.name.partition("-")[0]
        arrays = _open(source.path, split)
        label, row = int(arrays.labels[source.item]), arrays.row(source.item)  # row: (T, M * V * C)
        joints = row.reshape(len(row), PERSONS, JOINTS, AXES).transpose(1, 0, 2, 3)
        try:
            if label < 0 and not isinstance(source, Bare):
                raise ValueError(f"has no class: row {source.item} of y_{split} is not one-hot")
            check_values(joints)
        except ValueError as error:
            raise ReadError(source.path, None, f"{source.name} {error}") from error
        columns: dict[str, int | float | str] = {"row": source.item, "source": str(source.path)}
        yield Recording(source.name, cut(joints, None), label, columns, {self.benchmark: SPLITS[split]})


def held_in(path: Path) -> set[str]:
    """Return the names of the arrays in an .npz; raises `UserError` if it is none."""
    with _refusing(path), zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy") for name in archive.namelist()}


def _rows(path: Path, held: set[str], kind: type[Source]) -> list[Source]:
    """Return the rows of the splits that a file holds; raises `UserError` if there is none."""
    size, rows = path.stat().st_size, list[Source]()
    for split in (split for split in SPLITS if f"x_{split}" in held):
        rows += [kind(f"{split}-{row:06}", path, size, row) for row in range(len(_open(path, split).labels))]
    if not rows:
        raise UserError(f"{path}: neither x_train nor x_test; it holds {', '.join(sorted(held))[:200] or 'nothing'}")
    return rows


class _Arrays:
    """The two arrays of a split: labels (N,), -1 where the row is not one-hot, and the clips, read on one at a time.

    Without labels all are -1.
    """

    def __init__(self, path: Path, split: str) -> None:
        self._path = path
        with ExitStack() as files:
            self._archive = zipfile.ZipFile(files.enter_context(path.open("rb")))
            is_labelled = f"y_{split}.npy" in self._archive.namelist()
            labels = self._read_labels(f"y_{split}") if is_labelled else None
            count = self._read_header(f"x_{split}")
            self.labels = np.full(count, UNKNOWN) if labels is None else labels
            if len(self.labels) != count:
                raise UserError(f"{path}: x_{split} has {count} clips, but y_{split} has {len(self.labels)}")
            finalize(self, files.pop_all().close)

    def _read_header(self, name: str) -> int:
        """Open the clips of a split and return how many there are."""
        self._stream, shape, self._dtype = self._member(name)
        if len(shape) != 3 or shape[2] != WIDTH or self._dtype not in FLOATS:
            raise UserError(
                f"{self._path}: {name} is {self._dtype} {shape}, but (N, T, {WIDTH}) of floats was expected"
            )
        self._shape, self._start = shape[1:], self._stream.tell()
        return shape[0]

    def row(self, number: int) -> np.ndarray:
        """Return one clip (T, 150); quick for the next one, and for a later one as long as reading up to it takes."""
        size = math.prod(self._shape) * self._dtype.itemsize
        with _refusing(self._path):
            if self._stream.tell() != self._start + number * size:
                self._stream.seek(self._start + number * size)
            return np.frombuffer(self._stream.read(size), self._dtype).reshape(self._shape)

    def _member(self, name: str) -> tuple[IO[bytes], tuple[int, ...], np.dtype]:
        """Open an array behind its header, which must describe as many bytes as there are."""
        if f"{name}.npy" not in self._archive.namelist():
            raise UserError(f"{self._path}: has no {name}")
        stream = self._archive.open(f"{name}.npy")
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read(stream)
        size = stream.tell() + math.prod(shape) * dtype.itemsize
        if dtype.hasobject or is_fortran or size != self._archive.getinfo(f"{name}.npy").file_size:
            raise UserError(f"{self._path}: {name} ({dtype} {shape}) is no plain array, or is not whole")
        return stream, shape, dtype

    def _read_labels(self, name: str) -> np.ndarray:
        stream, shape, dtype = self._member(name)
        with stream:
            table = np.frombuffer(stream.read(), dtype).reshape(shape)
        if table.ndim != 2 or dtype.kind not in "biuf" or not shape[1]:
            raise UserError(f"{self._path}: {name} is {dtype} {shape}, but one-hot rows (N, K) were expected")
        hot = ((table == 1).sum(axis=1) == 1) & ((table != 0).sum(axis=1) == 1)
        return np.where(hot, table.argmax(axis=1), UNKNOWN)


def _open(path: Path, split: str) -> _Arrays:
    with _refusing(path):
        return _opened(path, split, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _opened(path: Path, split: str, _: int) -> _Arrays:
    return _Arrays(path, split)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn a damaged file into one line. Not a `ReadError`: which clips are damaged, its checksums do not tell."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path}: {error.strerror}; give the .npz file as --raw FILE") from error
    except DAMAGED as error:
        raise UserError(f"{path}: not an .npz file, or a damaged one ({error}); fetch or make it again") from error
