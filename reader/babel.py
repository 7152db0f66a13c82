"""BABEL's clips of action recognition: the published arrays, or mmaction2's lists of them.

Arrays: `{train,val,test}[_extra]_ntu_sk_{60,120}.npy` (N, 3, 150, 25, 1) float64 or float32, each with its
`{split}[_extra]_label_{60,120}.pkl` = (segments, (labels, sequences, chunks, annotators)), lists of N.
Lists: `babel{60,120}_{train,val}.pkl`, annotations whose frame_dir is `segment_sequence_chunk_annotator`.
A clip is a chunk of 5 seconds at 30 frames a second, which BABEL's authors have normalised as 2s-AGCN does.
Source: Punnakkal et al. 2021 and its repository; mmaction2 0.x.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from operator import index
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reader.annotations import XYZ, AnnotationReader
from reader.padded import check_values, open_array
from utils.errors import UserError
from utils.pickles import load_pickle
from utils.recording import UNKNOWN, Bare, ReadError, Recording, Scan, Source

CLASSES = (60, 120)
CLIP = (1, 150, 25, 3)  # (M, T, V, C)
ROW = (3, 150, 25, 1)  # (C, T, V, M), as arrays hold it
SPLITS = {"train": "train", "val": "eval", "test": "test"}  # in the files' words, and in ours
NAME = re.compile(r"(?P<segment>.+)_(?P<sid>\d+)_(?P<chunk>\d+)_(?P<annotator>[^_]+)")
NO_EXTRA = "absent, so the dense one of the split is read"
LABELS = "expected a pickle of (segments, (labels, sequences, chunks, annotators)), lists of one length"


@dataclass(frozen=True)
class BabelReader:
    """Reads BABEL-60 or BABEL-120. A chunk is there once for each of its classes: the second one is called `<name>-2`.

    Arrays of float64 are kept as float32, which the originals' networks are given, too.

    Args:
        classes: 60 or 120.
        layout: the convention of NTU's edges and centre.
    """

    classes: int = 60
    layout: str = "ntu-stgcn"
    persons: int = 1
    form: str = "babel"
    channels: tuple[str, ...] = XYZ
    variants: tuple[str, ...] = ("original",)
    parallel: bool = False  # a list is one file of all clips, and rows of an array are only copied

    def __post_init__(self) -> None:
        if self.classes not in CLASSES:
            raise UserError(f"BABEL has {' or '.join(map(str, CLASSES))} classes, not {self.classes}")

    @property
    def split_list(self) -> str:
        """The list that recordings state their split of; also the name of the part of dense annotations."""
        return f"babel{self.classes}"

    @property
    def _annotations(self) -> AnnotationReader:
        return AnnotationReader(self.layout, self.persons)

    def scan(self, roots: Sequence[Path], part: str) -> Scan:
        """List the clips of training, validation and test, as far as they are there, in the files' order.

        A folder stands for its arrays or, where there are none, for its lists; lists may be named themselves. The part
        babel60 is that of the dense annotations, babel60-extra that of the `_extra` arrays; of 120 classes likewise.
        Raises `UserError` if there is no file, or if arrays and labels do not fit together.
        """
        if part not in (self.split_list, f"{self.split_list}-extra"):
            raise UserError(f"data.parts: {part} is not {self.split_list} or {self.split_list}-extra, which BABEL has")
        skipped: dict[str, list[str]] = {}
        files = [path for root in roots for path in self._files(root, part.endswith("-extra"), skipped)]
        _refuse_two_of_a_split(files)
        rows = [(name, path, row) for path in files for row, name in enumerate(self._names(path))]
        sizes = {path: path.stat().st_size for path in files}
        unique = numbered(name for name, _, _ in rows)
        sources = [Source(name, path, sizes[path], row) for name, (_, path, row) in zip(unique, rows, strict=True)]
        return Scan(sources, skipped, (self.split_list,))

    def list_file(self, path: Path) -> Scan:
        """List the clips of a list, or of an array, of any name and with or without its label file."""
        size = path.stat().st_size
        return Scan([Bare(name, path, size, row) for row, name in enumerate(numbered(self._names(path)))])

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield one chunk (1, 150, 25, 3); in the test split its label is unknown.

        Raises `ReadError` if it is empty or not finite, or if its label is no class.
        """
        split = None if isinstance(source, Bare) else _split_of(source.path)
        name = self._names(source.path)[source.item]
        joints, label = self._clip(source)
        try:
            check_values(joints)
            if joints.shape != CLIP:
                raise ValueError(f"is {joints.shape}, but {CLIP} was expected")
            if not 0 <= label < self.classes and (label != UNKNOWN or split not in ("test", None)):
                raise ValueError(f"has the label {label}, but the classes are 0 to {self.classes - 1}")
        except ValueError as error:
            raise ReadError(source.path, None, f"row {source.item} ({name}) {error}") from error
        columns = {**_columns(name), "source": str(source.path)}
        yield Recording(source.name, joints, label, columns, {self.split_list: SPLITS[split]} if split else {})

    def _clip(self, source: Source) -> tuple[np.ndarray, int]:
        """Return joints (M, T, V, C) and label."""
        if source.path.suffix == ".pkl":
            (recording,) = self._annotations.read(source)
            return recording.joints, recording.label
        arrays = _open(source.path)
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is refused
            joints = arrays.data[source.item].astype(np.float32).transpose(3, 1, 2, 0)  # (C, T, V, M) -> (M, T, V, C)
        return np.ascontiguousarray(joints), arrays.labels[source.item]

    def _names(self, path: Path) -> list[str]:
        return self._annotations.open_file(path).names if path.suffix == ".pkl" else _open(path).names

    def _files(self, root: Path, extra: bool, skipped: dict[str, list[str]]) -> list[Path]:
        """Return the files of a folder, one a split, or the list that is named."""
        lists = [] if extra else [f"{self.split_list}_{split}.pkl" for split in ("train", "val")]
        if root.name in lists:
            return [root]
        if root.is_file():
            to_do = f"give its folder: --raw {root.parent}"
            if lists and root.suffix == ".pkl" and "_label_" not in root.name:
                to_do = f"if it is a list of clips, name it {' or '.join(lists)}"
            raise UserError(f"{root}: is not read alone; {to_do}")
        arrays = self._arrays(root, SPLITS)
        if extra:
            arrays |= self._extra_arrays(root, arrays, skipped)
        if found := [path for path in arrays.values() if path.exists()]:
            _refuse_orphans(arrays.values())
            return found
        if found := [root / name for name in lists if (root / name).exists()]:
            return found
        names = ", ".join([*(path.name for path in arrays.values()), *lists])
        raise UserError(f"{root}: holds none of {names}; docs/forms/babel.md says where to get them")

    def _extra_arrays(self, root: Path, dense: Mapping[str, Path], skipped: dict[str, list[str]]) -> dict[str, Path]:
        """Return the extra arrays that are there; the dense one stands for another, which is told in `skipped`."""
        more = self._arrays(root, ("train", "val"), "_extra")
        _refuse_orphans(more.values())
        there = {split: path for split, path in more.items() if path.exists()}
        if not there:
            names = " or ".join(path.name for path in more.values())
            raise UserError(f"{root}: no {names}; part {self.split_list} is the one without")
        if absent := [path.name for split, path in more.items() if split not in there and dense[split].exists()]:
            skipped.setdefault(NO_EXTRA, []).extend(absent)
        return there

    def _arrays(self, root: Path, splits: Iterable[str], extra: str = "") -> dict[str, Path]:
        return {split: root / f"{split}{extra}_ntu_sk_{self.classes}.npy" for split in splits}


def numbered(names: Iterable[str]) -> Iterator[str]:
    """Yield names that are unique: where one comes again, it is called name-2, then name-3."""
    times: dict[str, int] = {}
    for name in names:
        unique = name
        while unique in times:
            times[name] += 1
            unique = f"{name}-{times[name]}"
        times[unique] = 1
        yield unique


def _refuse_orphans(arrays: Iterable[Path]) -> None:
    """Raise `UserError` for an array or a label file whose other half is absent: a split would be passed over."""
    for array in arrays:
        for path, other in permutations((array, _labels_of(array))):
            if path.exists() and not other.exists():
                raise UserError(f"{path}: no {other.name} beside it; get both, or move this one away")


def _labels_of(array: Path) -> Path:
    return array.with_name(array.name.replace("_ntu_sk_", "_label_")).with_suffix(".pkl")


def _split_of(path: Path) -> str:
    return next(word for word in re.split(r"[_.]", path.name) if word in SPLITS)


def _refuse_two_of_a_split(files: Sequence[Path]) -> None:
    """Raise `UserError` if two files are of one split: their clips are the same ones, and would be numbered."""
    seen: dict[str, Path] = {}
    for path in files:
        split = _split_of(path)
        if split in seen:
            raise UserError(f"{path}: the {split} split is {seen[split]} already; give only one of them (--raw)")
        seen[split] = path


def _columns(name: str) -> dict[str, int | float | str]:
    """Return segment, sequence (sid), chunk and annotator, of which a name consists; unknown if it is another name."""
    match = NAME.fullmatch(name)
    if match is None:
        return {"segment": "", "sid": UNKNOWN, "chunk": UNKNOWN, "annotator": ""}
    numbers = {key: int(match[key]) for key in ("sid", "chunk")}
    return {"segment": match["segment"], **numbers, "annotator": match["annotator"]}


class _Arrays(NamedTuple):
    """The mapped array (N, C, T, V, M), and the label and the name of every row."""

    data: np.ndarray
    labels: list[int]
    names: list[str]


def _open(path: Path) -> _Arrays:
    """Return an array with its labels; one that was written anew, or whose labels were, is opened anew."""
    labels = _labels_of(path)
    return _opened(path, labels, _state(path), _state(labels))


def _state(path: Path) -> tuple[int, int] | None:
    """Return size and time of a file; None where there is none, which opening it says in words."""
    stat = path.stat() if path.exists() else None
    return (stat.st_size, stat.st_mtime_ns) if stat else None


@lru_cache(maxsize=3)
def _opened(path: Path, labels: Path, *_: tuple[int, int] | None) -> _Arrays:
    data = open_array(path)
    if data.shape[1:] != ROW or data.dtype not in (np.float32, np.float64):
        expected = f"(N, {', '.join(map(str, ROW))}) of float32 or float64"
        raise ReadError(path, None, f"{data.dtype} {data.shape}, but {expected} was expected")
    if not labels.exists():  # which `scan` refuses
        return _Arrays(data, [UNKNOWN] * len(data), [f"{path.stem}-{row:06}" for row in range(len(data))])
    arrays = _Arrays(data, *_labels(labels))
    if len(arrays.labels) != len(data):
        raise ReadError(path, None, f"{len(data)} clips, but {labels.name} has {len(arrays.labels)}; fetch both again")
    return arrays


def _labels(path: Path) -> tuple[list[int], list[str]]:
    """Return label and name of every row; the name is spelt as mmaction2 does."""
    content = load_pickle(path, accepted=LABELS)
    try:
        segments, (labels, sequences, chunks, annotators) = content
        rows = zip(segments, map(index, labels), sequences, chunks, annotators, strict=True)
        table = [(label, f"{segment}_{sequence}_{chunk}_{who}") for segment, label, sequence, chunk, who in rows]
    except (TypeError, ValueError) as error:
        raise ReadError(path, None, LABELS) from error
    return [label for label, _ in table], [name for _, name in table]
