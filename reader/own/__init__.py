"""Anybody's own skeletons: a folder `<class>/<clip>.{npy,npz,csv,json}`, or a table `file,label[,start,end,...]`.

Which clips train is settled when they are listed, from names and table alone: a file that is refused later moves no
other clip to the other side. docs/forms/own.md says what must lie where.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from reader.own.files import open_clip
from reader.own.fitting import MisfitError, Skeleton, cut, fit
from reader.own.listing import Listing, labels_of, list_clips, list_file, order_classes
from reader.own.splitting import divide, omit_untested
from reader.own.table import Row, Value
from utils.recording import ReadError, Recording, Scan, Source

SPLIT = "own"  # the list that the recordings state
RANDOM = {"group": None, "share": 0.25, "seed": 1}  # the split where none is given, as config.GroupSplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip(Source):
    """A listed clip: with its file, all that is known of it."""

    label: int
    split: str
    start: int | None
    end: int | None
    columns: tuple[tuple[str, Value], ...]

    def key(self) -> list[str | int]:
        """Return what identifies the clip in a manifest: what the table says of it, too."""
        stated = "|".join(f"{key}={value}" for key, value in self.columns)
        return [self.name, self.size, self.label, self.split, f"{self.start}-{self.end}", stated]


@dataclass(frozen=True)
class OwnReader:
    """Reads anybody's skeletons.

    Args:
        layout: the layout's name or file, for messages.
        joints: (V,) its joints' names, by which the columns of a .csv are found.
        channels: of a joint: x y z, x y, or x y score.
        persons: the most persons in a clip.
        split: {"column", "train"}: clips whose column has one of the values `train` train; or {"group", "share",
            "seed"}: drawn as `split_groups` does, a `group` being all clips of one value of that column, or where it
            is None all clips of one file.
    """

    layout: str
    joints: tuple[str, ...]
    channels: tuple[str, ...] = ("x", "y", "z")
    persons: int = 1
    split: Mapping[str, Any] = field(default_factory=lambda: dict(RANDOM))
    form: str = "own"
    variants: tuple[str, ...] = ("original",)
    parallel: bool = True

    def scan(self, roots: Sequence[Path], part: str) -> Scan:  # noqa: ARG002 - its clips are all that are there
        """List the clips below `roots`, by class and name or in the table's order.

        Raises `UserError` where list_clips does, where the split cannot be made, and where the first clip that can be
        read has not the layout's joints: the others would not have them, either.
        """
        listing = list_clips(roots)
        classes = order_classes([row.label for row in listing.rows])
        trains = divide(listing.rows, classes, self.split)
        omit_untested(listing, classes, trains, self.split)
        scan = scan_of(listing, classes, trains)
        self._refuse_misfit(listing.rows)
        return scan

    def list_file(self, path: Path) -> Scan:
        """List the clips of a table; a file alone is one, of the class that its folder is called after."""
        return classify(list_file(path))

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield the one clip of a source, joints (persons, T, V, C) float32; raises `ReadError`."""
        assert isinstance(source, Clip)  # what `scan` lists
        joints = cut(source.path, source.name, self._open(source.path), source.start, source.end)
        persons = int(np.flatnonzero(joints.any(axis=(1, 2, 3)))[-1]) + 1
        columns = {**dict(source.columns), "persons": persons, "source": str(source.path)}
        yield Recording(source.name, joints, source.label, columns, {SPLIT: source.split})

    def _open(self, path: Path) -> np.ndarray:
        skeleton = Skeleton(self.layout, self.joints, self.channels, self.persons)
        return _opened(path, path.stat().st_mtime_ns if path.exists() else 0, skeleton)

    def _refuse_misfit(self, rows: Sequence[Row]) -> None:
        for row in rows:
            try:
                self._open(row.file)
            except MisfitError:
                raise
            except ReadError:
                continue  # a damaged one, which will be refused when its turn comes
            return


def scan_of(listing: Listing, classes: tuple[str, ...], trains: np.ndarray) -> Scan:
    """Return the listed clips with their labels, UNKNOWN without classes, and their side; `trains` (N,) says which."""
    labels = labels_of(listing.rows, classes)
    sources = [_clip(*each) for each in zip(listing.rows, labels, trains.tolist(), strict=True)]
    return Scan(list[Source](sources), listing.skipped, (SPLIT,), classes)


def classify(listing: Listing) -> Scan:
    """Return the listed clips for one who classifies them: their classes are those that are there, and none trains."""
    classes = tuple(sorted({row.label for row in listing.rows} - {""}))
    return scan_of(listing, classes, np.zeros(len(listing.rows), bool))


def _clip(row: Row, label: int, trains: bool) -> Clip:
    return Clip(
        name=row.name,
        path=row.file,
        size=row.file.stat().st_size,
        label=label,
        split="train" if trains else "eval",
        start=row.start,
        end=row.end,
        columns=tuple((row.columns or {}).items()),
    )


@lru_cache(maxsize=1)  # the windows of a file follow one another
def _opened(path: Path, _modified_ns: int, skeleton: Skeleton) -> np.ndarray:
    """Return the joints of a file; one that was written anew is opened anew."""
    joints = fit(path, open_clip(path), skeleton)
    joints.flags.writeable = False
    return joints
