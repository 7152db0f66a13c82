"""The field's annotation pickles: PYSKL's and mmaction2's files of skeletons, 2D with score or 3D.

Form: dict(split: {list_subset: [ids]}, annotations: [item, ...]), or a plain list of items (mmaction2 0.x), one file a
split. An item: frame_dir (or filename), label from 0, total_frames, keypoint (M, T, V, 2 or 3), in 2D with
keypoint_score (M, T, V) and img_shape (height, width). Source: PYSKL's PoseDataset, and the files that it publishes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from reader.names import list_and_subset, list_and_subset_of_file, ntu_columns
from utils.errors import UserError
from utils.pickles import HeldArray, load_pickle
from utils.recording import UNKNOWN, ReadError, Recording, Scan, Source, refuse_twins

XYZ, SCORED = ("x", "y", "z"), ("x", "y", "score")
USUAL: dict[str, tuple[int, tuple[str, ...]]] = {  # what the files of a layout hold, unless one says otherwise
    "coco-17": (17, SCORED),
    "coco-17-mma": (17, SCORED),
    "ntu-pyskl": (25, XYZ),
    "ntu-stgcn": (25, XYZ),
    "ntu": (25, XYZ),
    "openpose-18": (18, SCORED),
    "kinetics-18": (18, SCORED),
    "openpose-25": (25, SCORED),
    "hand-21": (21, SCORED),
}
FLOATS = (np.float16, np.float32, np.float64)
ACCEPTED = "expected an annotation pickle of PYSKL or mmaction2; fetch or export it again"
ABSENT = "named in a split, but not among the annotations"
KINETICS = (
    "an index of Kinetics (items with raw_file and frame_inds), whose skeletons lie in other files; that form is not "
    "read: give a file whose items hold keypoint"
)


@dataclass(frozen=True)
class AnnotationReader:
    """Reads annotation pickles; one file is in memory at a time, and nothing else of that size.

    Args:
        layout: the skeleton of the items.
        persons: slots kept per clip: the first ones, as upstream's FormatGCNInput keeps them; the column `persons` says
            how many the file holds. Upstream drops persons after normalising, which differs only where a 3D clip has
            more than two: it swaps two persons, but never two of three.
        num_joints: of the layout; None where `layout` is a usual one.
        channels: of the items; empty where `layout` is a usual one.
    """

    layout: str = "coco-17"
    persons: int = 2
    num_joints: int | None = None
    channels: tuple[str, ...] = ()
    form: str = "annotations"
    variants: tuple[str, ...] = ("original",)
    parallel: bool = False  # every process would hold the whole file

    def __post_init__(self) -> None:
        if (self.num_joints is None or not self.channels) and self.layout not in USUAL:
            raise UserError(f"layout {self.layout}: annotations of it need joints and channels to be given")
        joints, channels = USUAL.get(self.layout, (self.num_joints, self.channels))
        object.__setattr__(self, "num_joints", self.num_joints or joints)
        object.__setattr__(self, "channels", self.channels or channels)

    def scan(self, roots: Sequence[Path], part: str) -> Scan:
        """List all clips of the files `roots`, in the order of their annotations.

        A folder stands for its file `<part>.pkl` (- as _) or `<part>anno.pkl`, as PYSKL calls its 3D files; where there
        is none, for all .pkl files that lie in it.
        Raises `UserError` for what is no annotation pickle, for clips of one name, and for skeletons of another layout.
        """
        sources: list[Source] = []
        lists: dict[str, None] = {}
        absent: list[str] = []
        for path in (path for root in roots for path in _files(root, part)):
            held = _open(path)
            self._refuse_other_form(path, held.items[0])
            size = path.stat().st_size
            sources += [Source(name, path, size, item) for item, name in enumerate(held.names)]
            lists |= dict.fromkeys(held.lists)
            absent += sorted(set().union(*held.lists.values()).difference(held.names))
            del held  # before the next file is read
        refuse_twins(sources)
        return Scan(sources, {ABSENT: absent} if absent else {}, tuple(lists))

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield the one clip of an item, joints (persons, T, V, C) in the file's dtype, absent persons zero.

        Raises `ReadError` if label, length, shape, dtype or values are not what they should be.
        """
        held = _open(source.path)
        item = held.items[source.item]
        try:
            joints, label = self._joints(item), _label(item)
            columns = _frame_size(item) if "score" in self.channels else {}
            if joints.dtype != held.dtype:
                raise ValueError(f"{joints.dtype}, but the file's first clip is {held.dtype}")
        except ValueError as error:
            raise ReadError(source.path, None, f"clip {source.item} ({source.name}): {error}") from error
        columns |= {"persons": len(joints), **ntu_columns(source.name), "source": str(source.path)}
        slots = np.zeros((self.persons, *joints.shape[1:]), joints.dtype)
        slots[: len(joints)] = joints[: self.persons]
        splits = {name: members[source.name] for name, members in held.lists.items() if source.name in members}
        yield Recording(source.name, slots, label, columns, splits)

    def _refuse_other_form(self, path: Path, item: Mapping[str, Any]) -> None:
        """Refuse a file whose first clip is of another skeleton: all its clips would be."""
        keypoint = item.get("keypoint")
        if not isinstance(keypoint, HeldArray) or len(keypoint.shape) != 4:
            return  # that clip alone will be refused
        joints = keypoint.shape[2]
        if joints != self.num_joints:
            fitting = next((name for name, (number, _) in USUAL.items() if number == joints), f"one of {joints} joints")
            raise UserError(
                f"{path}: skeletons of {joints} joints, but layout {self.layout} has {self.num_joints}; "
                f"give the experiment's own file (--raw FILE), or, for data of yours, set data.layout: {fitting}"
            )
        if _channels(item) != len(self.channels) or ("keypoint_score" in item and "score" not in self.channels):
            scored = " with a score" if "keypoint_score" in item else ""
            raise UserError(
                f"{path}: keypoints of {keypoint.shape[3]} coordinates{scored}, but {' '.join(self.channels)} "
                "is configured; give the file that belongs to the experiment (--raw FILE)"
            )

    def _joints(self, item: Mapping[str, Any]) -> np.ndarray:
        """Return (M, T, V, C), with the score as last channel in 2D; raises `ValueError`, saying what is wrong."""
        joints = _array(item, "keypoint", 4)
        if "keypoint_score" in item:
            score = _array(item, "keypoint_score", 3)
            if score.shape != joints.shape[:3]:
                raise ValueError(f"keypoint_score {score.shape} beside keypoint {joints.shape}")
            joints = np.concatenate([joints, score[..., None]], axis=-1)
        if joints.shape[2:] != (self.num_joints, len(self.channels)) or not joints.size:
            expected = f"(M, T, {self.num_joints}, {len(self.channels)}: {' '.join(self.channels)})"
            raise ValueError(f"its joints are {joints.shape}, but {expected} was expected")
        frames = _integer(item, "total_frames")
        if frames != joints.shape[1]:
            raise ValueError(f"total_frames is {frames}, but keypoint has {joints.shape[1]} frames")
        return joints


@dataclass(frozen=True)
class _Annotations:
    """A file's items, their names, and per list of splits the subset of every clip that it names."""

    items: list[dict[str, Any]]
    names: list[str]
    lists: dict[str, dict[str, str]]

    @property
    def dtype(self) -> np.dtype:
        """The type of the first clip that has joints: all must have it."""
        arrays = ([item.get(key) for key in ("keypoint", "keypoint_score")] for item in self.items)
        first = next(pair for pair in arrays if isinstance(pair[0], HeldArray))
        return np.result_type(*(array.dtype for array in first if isinstance(array, HeldArray)))


_held: dict[tuple[Path, int, int], _Annotations] = {}  # the last file that was opened, and no other


def _open(path: Path) -> _Annotations:
    try:
        stat = path.stat()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; {ACCEPTED}") from error
    key = path, stat.st_size, stat.st_mtime_ns
    if key not in _held:
        _held.clear()  # before the next one is read
        _held[key] = _parse(path, load_pickle(path, accepted=ACCEPTED, hold=True))
    return _held[key]


def _parse(path: Path, content: Any) -> _Annotations:
    splits, items = {}, content
    if isinstance(content, dict):
        splits, items = content.get("split", {}), content.get("annotations")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        keys = f" of {', '.join(map(str, content))[:100]}" if isinstance(content, dict) else ""
        raise UserError(f"{path}: holds a {type(content).__name__}{keys}, but no list of annotations; {ACCEPTED}")
    if "keypoint" not in items[0] and items[0].keys() & {"raw_file", "frame_inds"}:
        raise UserError(f"{path}: {KINETICS}")
    names = _names(path, items)
    if not isinstance(content, dict):
        stated = list_and_subset_of_file(path.stem, path.absolute().parent.name)
        return _Annotations(items, names, _lists(path, {stated: names} if stated else {}))
    return _Annotations(items, names, _lists(path, _stated(path, splits)))


def _names(path: Path, items: Sequence[Mapping[str, Any]]) -> list[str]:
    key = "filename" if "filename" in items[0] else "frame_dir"  # as upstream chooses
    names = [item.get(key) for item in items]
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise UserError(f"{path}: annotation {number} has no {key}, so its clip has no name; {ACCEPTED}")
    twins = [name for name, times in Counter(names).items() if times > 1]
    if twins:
        raise UserError(f"{path}: {twins[0]} is in it twice; a clip's name must be unique, so remove one of them")
    return [str(name) for name in names]


def _stated(path: Path, splits: Any) -> dict[tuple[str, str], list[str]]:
    """Return the clips of every (list, subset) of a `split` dictionary."""
    if not isinstance(splits, dict) or not all(
        isinstance(name, str) and isinstance(clips, (list, tuple)) and all(isinstance(clip, str) for clip in clips)
        for name, clips in splits.items()
    ):
        raise UserError(f"{path}: its split is not a dictionary of lists of clip names; {ACCEPTED}")
    return {list_and_subset(name): list(clips) for name, clips in splits.items()}


def _lists(path: Path, stated: Mapping[tuple[str, str], list[str]]) -> dict[str, dict[str, str]]:
    """Return per list the subset of every clip: val and test are "eval", but "val" where the list has both."""
    lists: dict[str, dict[str, str]] = {}
    for (name, subset), clips in stated.items():
        if not name.replace("-", "").replace("_", "").isalnum():  # it becomes a file's name
            raise UserError(f"{path}: a split called '{name[:40]}'; names have letters, digits, - and _")
        tested = (subset == "val" and (name, "test") not in stated) or subset == "test"
        members = lists.setdefault(name, {})
        twins = members.keys() & set(clips)
        if twins:
            raise UserError(f"{path}: {min(twins)} is in two splits of '{name}'; it would be trained on and evaluated")
        members |= dict.fromkeys(clips, "eval" if tested else subset)
    return lists


def _array(item: Mapping[str, Any], key: str, dimensions: int) -> np.ndarray:
    held = item.get(key)
    if not isinstance(held, HeldArray):
        raise ValueError(f"{key} is {'absent' if held is None else f'a {type(held).__name__}, not an array'}")
    if len(held.shape) != dimensions or held.dtype.newbyteorder("=") not in FLOATS:
        raise ValueError(f"{key} is {held.dtype} {held.shape}, but {dimensions} dimensions of floats were expected")
    array = np.asarray(held).astype(held.dtype.newbyteorder("="), copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{key} holds values that are not finite")
    return array


def _integer(item: Mapping[str, Any], key: str) -> int:
    try:
        return index(item[key])
    except (KeyError, TypeError):
        raise ValueError(f"{key} is {item.get(key, 'absent')!r}, not a whole number"[:200]) from None


def _label(item: Mapping[str, Any]) -> int:
    label = _integer(item, "label")
    if label < 0:
        raise ValueError(f"label is {label}; labels count from 0")
    return label


def _channels(item: Mapping[str, Any]) -> int:
    return int(item["keypoint"].shape[3]) + ("keypoint_score" in item)


def _frame_size(item: Mapping[str, Any]) -> dict[str, int | float | str]:
    """Return the columns height and width in pixels, unknown where the item does not state them."""
    try:
        height, width = map(index, item.get("img_shape", (UNKNOWN, UNKNOWN)))
    except (TypeError, ValueError):
        raise ValueError("img_shape is not (height, width)") from None
    return {"height": height, "width": width}


def _files(root: Path, part: str) -> list[Path]:
    if not root.is_dir():
        return [root]
    named = (root / f"{part.replace('-', '_')}{ending}" for ending in (".pkl", "anno.pkl"))
    files = [path for path in named if path.exists()][:1] or sorted(root.glob("*.pkl"))
    if not files:
        raise UserError(f"{root}: no .pkl file; give an annotation pickle as --raw FILE")
    return files
