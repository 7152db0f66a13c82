"""Which clips there are: label files `<name>_train_label.json`, `<name>_val_label.json`, and the folders beside them.

Made for 260 000 clips: what they have in common is held once, and no clip has a `Path` of its own.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

from reader.files import DANGLING
from reader.kinetics.labels import Label, add_classes, read_labels
from utils.errors import UserError
from utils.recording import UNKNOWN, Source

SPLITS = {"train": "train", "val": "eval"}  # in the files' words, and in ours
LABEL = "_label.json"
LABELS = re.compile(r"(?P<folder>(?:.+_)?(?P<split>train|val))_label\.json")
FOLDER = re.compile(r"(?:.+_)?(?:train|val)")
EXPECTED = "<name>_train_label.json or <name>_val_label.json, each beside its folder <name>_train or <name>_val"
UNLABELLED = "not in the label file, so without a class"
ABSENT = "in the label file, but not in its folder"
NO_SKELETON = "without a skeleton (has_skeleton: false)"
NO_PART_OF_IT = "neither a label file nor its folder"
NO_CLIP = "not <clip>.json, nor a folder"

Skipped = dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip(Source):
    """A listed clip. `path` is the folder of its split, which all its clips share; `file` is its own.

    Attributes:
        suffix: what the file is called behind the clip's name; nothing: a folder of OpenPose's frames.
        split: "train" or "eval".
        label: what the label file says of it; None: there is none, for it is to be classified.
    """

    suffix: str
    split: str
    label: Label | None

    @property
    def file(self) -> Path:
        """Where the clip lies."""
        return self.path / (self.name + self.suffix)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of OpenPose's frames."""
        return not self.suffix

    def key(self) -> list[str | int]:
        """Return what identifies the clip in a manifest: what the label file says of it, too."""
        return [self.name, self.size, self.label.class_index if self.label else UNKNOWN, self.split]


def list_clips(roots: Sequence[Path]) -> tuple[list[Clip], Skipped, tuple[str, ...]]:
    """Return the clips of all label files in `roots`, by split and name; what is left out; the classes.

    Raises `UserError` if a label file or a folder lacks the other, a label file is not right, two clips have one name,
    or there is no clip at all.
    """
    skipped: Skipped = {}
    names: dict[int, str] = {}
    sides: dict[str, list[Clip]] = {split: [] for split in SPLITS}
    for path in _label_files(roots, skipped):
        match = LABELS.fullmatch(path.name)
        assert match is not None
        labels = read_labels(path)
        add_classes(names, path, labels.values())
        folder = path.with_name(match["folder"])
        sides[match["split"]] += _clips_in(folder, SPLITS[match["split"]], labels, skipped)
    clips = [clip for side in sides.values() for clip in sorted(side, key=attrgetter("name"))]
    if not clips:
        left_out = "; ".join(f"{len(each)} {why}" for why, each in skipped.items()) or "the label files are empty"
        raise UserError(f"{', '.join(map(str, roots))}: no clips ({left_out}); give the folder of {EXPECTED}")
    _refuse_twins(clips)
    last = max(names) + 1
    skipped = {why: sorted(left_out) for why, left_out in skipped.items()}
    return clips, skipped, tuple(names.get(index, f"class {index}") for index in range(last))


def clip_at(path: Path) -> Clip:
    """Return a file, or a folder of OpenPose's frames, as a clip without a label file."""
    path = path if path.name not in ("", "..") else path.resolve()
    name = path.name if path.is_dir() else path.name.partition(".")[0]
    size = path.stat().st_size
    return Clip(name=name, path=path.parent, size=size, suffix=path.name[len(name) :], split="", label=None)


def _label_files(roots: Sequence[Path], skipped: Skipped) -> list[Path]:
    """Return the label files in `roots`, each of which has its folder; raises `UserError`."""
    found = []
    for root in roots:
        if not root.is_dir():
            raise UserError(f"{root}: no such folder; give that of {EXPECTED} (--raw FOLDER)")
        names = {entry.name for entry in _entries(root)}
        folders = {name for name in names if FOLDER.fullmatch(name) and (root / name).is_dir()}
        labelled = {match["folder"] for match in map(LABELS.fullmatch, names) if match}
        for name in sorted(labelled - folders):
            raise UserError(f"{root / name}{LABEL}: no folder {name} beside it, which holds its clips")
        for name in sorted(folders - labelled):
            raise UserError(f"{root / name}: no {name + LABEL} beside it, which says the classes of its clips")
        if not labelled:
            raise UserError(f"{root}: no {EXPECTED}; give the folder that holds them (--raw FOLDER)")
        others = names - folders - {name + LABEL for name in labelled}
        if others:
            skipped.setdefault(NO_PART_OF_IT, []).extend(others)
        found += [root / (name + LABEL) for name in sorted(labelled)]
    return found


# --- the folder of a split


def _clips_in(folder: Path, split: str, labels: dict[str, Label], skipped: Skipped) -> list[Clip]:
    """Return the clips in the folder of a split, in any order."""
    clips, found = [], set[str]()
    for entry in _entries(folder):
        name = entry.name.partition(".")[0]
        label = labels.get(name)
        if (reason := _reason(entry)) or label is None:
            skipped.setdefault(reason or UNLABELLED, []).append(entry.name)
        elif label.has_skeleton:
            found.add(name)
            suffix = sys.intern(entry.name[len(name) :])
            clip = Clip(name=name, path=folder, size=_size(entry), suffix=suffix, split=split, label=label)
            clips.append(clip)
    for name, label in labels.items():
        if name not in found:
            skipped.setdefault(ABSENT if label.has_skeleton else NO_SKELETON, []).append(name)
    return clips


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in a folder, unsorted; raises `UserError` if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); its clips would be missing") from error


def _reason(entry: os.DirEntry[str]) -> str | None:
    """Return why an entry is no clip, whatever its label."""
    if entry.is_dir():
        return NO_CLIP if "." in entry.name else None
    if not entry.name.endswith(".json"):
        return NO_CLIP
    return None if entry.is_file() else DANGLING


def _size(entry: os.DirEntry[str]) -> int:
    """Return the bytes of a clip: of its file, or of all its frames."""
    frames = _entries(entry.path) if entry.is_dir() else [entry]
    try:
        return sum(frame.stat().st_size for frame in frames)
    except OSError as error:
        raise UserError(f"{entry.path}: cannot be read ({error.strerror}); remove it, or mend it") from error


def _refuse_twins(clips: Sequence[Clip]) -> None:
    """Raise `UserError` if two clips have one name: it is how scores find a clip again."""
    for one, other in pairwise(sorted(clips, key=attrgetter("name"))):
        if one.name == other.name:
            raise UserError(f"{other.file}: a clip called {other.name} is also {one.file}; remove one of the two")
