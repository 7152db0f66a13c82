"""The field's annotation pickles: PYSKL's and mmaction2's files of skeletons, 2D with score or 3D.

Form: dict(split: {list_subset: [ids]}, annotations: [item, ...]), or a plain list of items (mmaction2 0.x), one file a
split. An item: frame_dir (or filename), label from 0, total_frames, keypoint (M, T, V, 2 or 3), in 2D with
keypoint_score (M, T, V) and img_shape (height, width). PYSKL's Kinetics has its keypoints in other files
(`reader/compressed.py`). To classify, a file may be one item alone, as PaddleVideo's example is, without label, name
or total_frames. Source: PYSKL's PoseDataset, and the files that it publishes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from reader.compressed import CompressedSource, is_index, list_items, read_joints, valid_share
from reader.items import FLOATS, LastFile, array, integer
from reader.names import list_and_subset, list_and_subset_of_file, ntu_columns
from utils.errors import UserError
from utils.pickles import HeldArray, load_pickle
from utils.recording import UNKNOWN, Bare, ReadError, Recording, Scan, Source, refuse_twins

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
ACCEPTED = "expected an annotation pickle of PYSKL or mmaction2; fetch or export it again"
GIVE = "give the experiment's own file (--raw FILE), or, for data of yours, set data.layout: {}"
MAP = "if it is {}, --from-layout with that name maps its joints"
ABSENT = "named in a split, but not among the annotations"


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
        valid_ratio: of Kinetics: share of a clip's frames that must have a box of `box_threshold` or more for the clip
            to be listed; 0: every clip is, with all its skeletons.
        box_threshold: of Kinetics: box_score from which a skeleton is kept, where there is a `valid_ratio`.
    """

    layout: str = "coco-17"
    persons: int = 2
    num_joints: int | None = None
    channels: tuple[str, ...] = ()
    form: str = "annotations"
    variants: tuple[str, ...] = ("original",)
    valid_ratio: float = 0
    box_threshold: float = 0.5
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
        is none, for all .pkl files that lie in it. If the first of `roots` is an index of Kinetics, the skeletons are
        looked for below the folders behind it, then near it; its clips are listed by the file of their skeletons,
        unlike upstream, which holds several of these files at once.
        Raises `UserError` for what is no annotation pickle, for clips of one name, and for skeletons of another layout.
        """
        sources: list[Source] = []
        lists: dict[str, None] = {}
        skipped: dict[str, list[str]] = {}
        files, folders = self._split_roots(roots, part)
        for path in files:
            held = self.open_file(path)
            _refuse_repeated(path, held.names)
            sources += self._sources(path, held, folders, skipped)
            lists |= dict.fromkeys(held.lists)
            if absent := sorted(set().union(*held.lists.values()).difference(held.names)):
                skipped.setdefault(ABSENT, []).extend(absent)
            del held  # before the next file is read
        refuse_twins(sources)
        return Scan(sources, skipped, tuple(lists))

    def list_file(self, path: Path) -> Scan:
        """List all clips of a file, or the one item that it is; raises `UserError` as `scan`."""
        held = _files.open(path)
        reader = self if is_index(held.items) else replace(self, valid_ratio=0)  # which asks for an index
        reader._refuse_other_form(path, held.items, MAP)
        if is_index(held.items):
            return Scan(list_items(path, held.items, held.names, range(len(held.items))))
        size = path.stat().st_size
        return Scan([Bare(name, path, size, number) for number, name in enumerate(held.names)])

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield the one clip of an item, joints (persons, T, V, C) in the file's dtype, absent persons zero.

        Raises `ReadError` if label, length, shape, dtype or values are not what they should be.
        """
        held = _files.open(source.path)
        item, name = held.items[source.item], held.names[source.item]
        try:
            item = _completed(item) if isinstance(source, Bare) else item
            joints, label = self._joints(item, source, held), _label(item, UNKNOWN if isinstance(source, Bare) else 0)
            columns = _frame_size(item) if "score" in self.channels else {}
        except UserError:
            raise  # the file of the skeletons is damaged, and not this clip alone
        except ValueError as error:
            raise ReadError(source.path, None, f"clip {source.item} ({name}): {error}") from error
        columns |= {"persons": len(joints), **ntu_columns(name), "source": str(source.path)}
        slots = np.zeros((self.persons, *joints.shape[1:]), joints.dtype)
        slots[: len(joints)] = joints[: self.persons]
        splits = {each: members[name] for each, members in held.lists.items() if name in members}
        yield Recording(source.name, slots, label, columns, splits)

    def open_file(self, path: Path) -> "Annotations":
        """Return what an annotation pickle holds; raises `UserError` if it is none, or of another skeleton."""
        held = _files.open(path)
        self._refuse_other_form(path, held.items, GIVE)
        return held

    def _split_roots(self, roots: Sequence[Path], part: str) -> tuple[list[Path], list[Path]]:
        """Return the annotation files, and the folders with the skeletons of an index."""
        first, *others = roots
        files, folders = _files_of(first, part), list[Path]()
        if is_index(_files.open(files[0]).items):
            folders = [root for root in others if root.is_dir()]
        return files + [path for root in others if root not in folders for path in _files_of(root, part)], folders

    def _sources(
        self, path: Path, held: "Annotations", folders: Sequence[Path], skipped: dict[str, list[str]]
    ) -> Iterable[Source]:
        """Return the clips of a file; those without enough frames that have a box are left out, into `skipped`."""
        if not is_index(held.items):
            size = path.stat().st_size
            return [Source(name, path, size, number) for number, name in enumerate(held.names)]
        every = range(len(held.items))
        valid = [number for number in every if not self.valid_ratio or self._is_valid(path, held, number)]
        reason = f"with a box of score {self.box_threshold:g} in less than {self.valid_ratio:g} of their frames"
        if not valid:
            raise UserError(f"{path}: all clips are left out: {reason}; lower data.valid_ratio or data.box_threshold")
        if invalid := sorted(set(every).difference(valid)):
            skipped.setdefault(reason, []).extend(held.names[number] for number in invalid)
        return list_items(path, held.items, held.names, valid, folders)

    def _is_valid(self, path: Path, held: "Annotations", number: int) -> bool:
        try:
            return valid_share(held.items[number], self.box_threshold) >= self.valid_ratio
        except ValueError as error:
            raise UserError(f"{path}: clip {number} ({held.names[number]}): {error}") from error

    def _refuse_other_form(self, path: Path, items: Sequence[Mapping[str, Any]], remedy: str) -> None:
        """Refuse a file whose first clip is of another skeleton: all its clips would be."""
        if is_index(items):
            if self.channels != SCORED:
                raise UserError(f"{path}: an index of 2D skeletons; set data.layout: coco-17 and data.channels: xys")
            return
        if self.valid_ratio:
            raise UserError(f"{path}: data.valid_ratio is for an index of Kinetics, which this is not; leave it out")
        item = items[0]
        keypoint = item.get("keypoint")
        if not isinstance(keypoint, HeldArray) or len(keypoint.shape) != 4:
            return  # that clip alone will be refused
        joints = keypoint.shape[2]
        if joints != self.num_joints:
            fitting = next((name for name, (number, _) in USUAL.items() if number == joints), f"one of {joints} joints")
            raise UserError(
                f"{path}: skeletons of {joints} joints, but layout {self.layout} has {self.num_joints}; "
                f"{remedy.format(fitting)}"
            )
        if _channels(item) != len(self.channels) or ("keypoint_score" in item and "score" not in self.channels):
            scored = " with a score" if "keypoint_score" in item else ""
            raise UserError(
                f"{path}: keypoints of {keypoint.shape[3]} coordinates{scored}, but {' '.join(self.channels)} "
                "is configured; give the file that belongs to the experiment (--raw FILE)"
            )

    def _joints(self, item: Mapping[str, Any], source: Source, held: "Annotations") -> np.ndarray:
        """Return (M, T, V, C), with the score as last channel in 2D; raises `ValueError`, saying what is wrong."""
        if isinstance(source, CompressedSource):
            threshold = self.box_threshold if self.valid_ratio else None
            return read_joints(item, source.skeletons, threshold, self.num_joints)
        joints = array(item, "keypoint", 4, FLOATS)
        if "keypoint_score" in item:
            score = array(item, "keypoint_score", 3, FLOATS)
            if score.shape != joints.shape[:3]:
                raise ValueError(f"keypoint_score {score.shape} beside keypoint {joints.shape}")
            joints = np.concatenate([joints, score[..., None]], axis=-1)
        if joints.shape[2:] != (self.num_joints, len(self.channels)) or not joints.size:
            expected = f"(M, T, {self.num_joints}, {len(self.channels)}: {' '.join(self.channels)})"
            raise ValueError(f"its joints are {joints.shape}, but {expected} was expected")
        if joints.dtype != held.dtype:
            raise ValueError(f"{joints.dtype}, but the file's first clip is {held.dtype}")
        frames = integer(item, "total_frames")
        if frames != joints.shape[1]:
            raise ValueError(f"total_frames is {frames}, but keypoint has {joints.shape[1]} frames")
        return joints


@dataclass(frozen=True)
class Annotations:
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


def _load(path: Path) -> Annotations:
    return _parse(path, load_pickle(path, accepted=ACCEPTED, hold=True))


_files = LastFile(_load, ACCEPTED)


def _parse(path: Path, content: Any) -> Annotations:
    splits, items = {}, content
    if isinstance(content, dict) and isinstance(content.get("keypoint"), HeldArray):
        items = [{"frame_dir": path.stem, **content}]
    elif isinstance(content, dict):
        splits, items = content.get("split", {}), content.get("annotations")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        keys = f" of {', '.join(map(str, content))[:100]}" if isinstance(content, dict) else ""
        raise UserError(f"{path}: holds a {type(content).__name__}{keys}, but no list of annotations; {ACCEPTED}")
    names = _names(path, items)
    if not isinstance(content, dict):
        stated = list_and_subset_of_file(path.stem, path.absolute().parent.name)
        return Annotations(items, names, _lists(path, {stated: names} if stated else {}))
    return Annotations(items, names, _lists(path, _stated(path, splits)))


def _names(path: Path, items: Sequence[Mapping[str, Any]]) -> list[str]:
    key = "filename" if "filename" in items[0] else "frame_dir"  # as upstream chooses
    names = [item.get(key) for item in items]
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise UserError(f"{path}: annotation {number} has no {key}, so its clip has no name; {ACCEPTED}")
    return [str(name) for name in names]


def _refuse_repeated(path: Path, names: Sequence[str]) -> None:
    if twins := [name for name, times in Counter(names).items() if times > 1]:
        raise UserError(f"{path}: {twins[0]} is in it twice; a clip's name must be unique, so remove one of them")


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


def _completed(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item with what one to be classified need not state."""
    keypoint: Any = item.get("keypoint")
    is_clip = isinstance(keypoint, HeldArray) and len(keypoint.shape) == 4  # anything else will be refused
    return {"label": UNKNOWN, **({"total_frames": keypoint.shape[1]} if is_clip else {}), **item}


def _label(item: Mapping[str, Any], lowest: int) -> int:
    label = integer(item, "label")
    if label < lowest:
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


def _files_of(root: Path, part: str) -> list[Path]:
    if not root.is_dir():
        return [root]
    named = (root / f"{part.replace('-', '_')}{ending}" for ending in (".pkl", "anno.pkl"))
    files = [path for path in named if path.exists()][:1] or sorted(root.glob("*.pkl"))
    if not files:
        raise UserError(f"{root}: no .pkl file; give an annotation pickle as --raw FILE")
    return files
