"""What is in a data set that nobody has described yet: clips, classes, lengths, joints, units.

Letters: M persons, T frames, V joints, C channels.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset.layouts import Layout
from reader.own.files import Held, open_clip
from reader.own.fitting import Skeleton, cut, fit, joint_names
from reader.own.listing import FRAME_SIZE, Listing, list_clips, order_classes
from reader.own.table import Row, Value
from utils.errors import UserError
from utils.recording import UNKNOWN, ReadError

SAMPLE = 500  # clips that are looked at, at most
KEPT = 50_000  # frames that are kept of them: 30 MB of two persons of 25 joints
PIXELS = 20  # larger coordinates are no metres, and no shares of a picture
CHECK = "CHECK by hand:"
MANY = 10  # persons: more are rather frames
TRAIN = ("train", "training")
XYZ, XY, SCORED = ("x", "y", "z"), ("x", "y"), ("x", "y", "score")


@dataclass(frozen=True)
class Glance:
    """What a file is: joints and numbers of a joint, columns, persons, and the range of its numbers.

    `low` and `high` are of the third number of a joint, `largest` is of the absolute others.
    """

    shape: tuple[int, int]
    columns: tuple[str, ...]
    persons: int
    scored: bool
    low: float
    high: float
    largest: float


@dataclass(frozen=True)
class Findings:
    """What a data set turned out to be.

    Attributes:
        names: of the joints, where files state them.
        guess: in words, what of `channels` was guessed; empty where nothing.
        frames: lengths of the clips that were looked at.
        clips: (M, T, V, C) float32 each: the same ones, of long ones only frames spread over them.
        refused: what cannot be read, one line each.
    """

    listing: Listing
    classes: tuple[str, ...]
    names: tuple[str, ...]
    num_joints: int
    channels: tuple[str, ...]
    guess: str
    persons: int
    frames: list[int]
    clips: list[np.ndarray]
    refused: list[str]

    @property
    def spatial(self) -> int:
        """Coordinates of a joint, without a score."""
        return 3 if self.channels == XYZ else 2

    def people(self) -> list[np.ndarray]:
        """Return the present frames (T, V, 2 or 3) of every person of every clip."""
        persons = [person[..., : self.spatial] for clip in self.clips for person in clip]
        present = [person[person.any(axis=(1, 2))] for person in persons]
        return [person for person in present if len(person)]

    def values(self, column: str) -> list[Value]:
        """Return the different values of a column of the table; none if there is no such column."""
        found = {(row.columns or {}).get(column, UNKNOWN) for row in self.listing.rows} - {UNKNOWN, ""}
        return sorted(found, key=str)

    def train_values(self) -> list[Value]:
        """Return how the column `split` calls the training clips, if it divides them from others."""
        values = self.values("split")
        trains = [value for value in values if str(value).lower() in TRAIN]
        return trains if len(values) > 1 else []

    @property
    def missing(self) -> float:
        """Share of the joints of present persons that are missing."""
        return float(np.mean([np.mean(~person.any(axis=-1)) for person in self.people()]))

    @property
    def size(self) -> float:
        """How large a person gets along an axis, in the median."""
        return float(np.median([np.ptp(person, axis=1).max() for person in self.people()]))

    @property
    def units(self) -> str:
        """A guess by the size of a person."""
        if self.spatial == 2:
            return "pixels" if self.size > 10 else "normalised"
        return "metres" if self.size < 10 else "centimetres" if self.size < 400 else "millimetres"

    def frame_size(self) -> float | None:
        """Return the longer side of the picture, in the median, if the table says height and width of every clip."""
        sizes = [[(row.columns or {}).get(side, UNKNOWN) for side in FRAME_SIZE] for row in self.listing.rows]
        known = [max(map(int, size)) for size in sizes if all(int(side) > 0 for side in size)]
        return float(np.median(known)) if len(known) == len(sizes) else None

    @property
    def upright(self) -> str:
        """The axis along which persons are longest."""
        return "xyz"[
            int(np.argmax(np.median([np.ptp(person, axis=1).mean(axis=0) for person in self.people()], axis=0)))
        ]


def inspect(data: Path, layout: Layout | None, persons: int | None) -> Findings:
    """Open a sample of the clips of a folder or table; raises `UserError` where they are not of one form.

    Files are opened one after the other, twice: to see what they are, and then as that. Of a clip at most its share of
    `KEPT` frames stays in memory.
    """
    listing = list_clips([data], "python -m tools.new_experiment")
    files = _by_file(listing.rows[:: _step(len(listing.rows), SAMPLE)])
    refused: list[str] = []
    glances = _glance_at_all(data, files, layout, persons, refused)
    num_joints, _ = _common_shape(glances)
    names = joint_names(next(iter(glances.values())).columns)
    channels, guess = _channels(list(glances.values()))
    persons = persons or max(each.persons for each in glances.values())
    joints = names or (layout.joints if layout else tuple(f"j{v}" for v in range(num_joints)))
    skeleton = Skeleton(layout.name if layout else "of the first clip", joints, channels, persons)
    frames, clips = _measure(data, {path: files[path] for path in glances}, skeleton, refused)
    classes = order_classes([row.label for row in listing.rows])
    return Findings(listing, classes, names, num_joints, channels, guess, persons, frames, clips, refused)


def _step(count: int, most: int) -> int:
    """Return the step that takes at most `most` of `count`, spread over them."""
    return math.ceil(count / most)


@contextmanager
def _noting(refused: list[str]) -> Iterator[None]:
    """Leave out what cannot be read; why goes to `refused`."""
    try:
        yield
    except ReadError as error:
        refused.append(str(error))


def _by_file(rows: Sequence[Row]) -> dict[Path, list[Row]]:
    files: dict[Path, list[Row]] = {}
    for row in rows:
        files.setdefault(row.file, []).append(row)
    return files


def _glance_at_all(
    data: Path, files: Iterable[Path], layout: Layout | None, persons: int | None, refused: list[str]
) -> dict[Path, Glance]:
    """Return what the files are that can be read; why others cannot goes to `refused`."""
    glances = {}
    for path in files:
        with _noting(refused):
            glances[path] = _glance(path, layout, persons)
    if not glances:
        raise UserError(f"{data}: none of its clips can be read, for {refused[0]}")
    return glances


def _measure(
    data: Path, files: Mapping[Path, Sequence[Row]], skeleton: Skeleton, refused: list[str]
) -> tuple[list[int], list[np.ndarray]]:
    """Return the lengths of the clips, and their joints (M, a share of `KEPT` frames, V, C) float32."""
    most = max(1, KEPT // sum(map(len, files.values())))
    lengths, clips = [], []
    for path, rows in files.items():
        for clip in _windows(path, rows, skeleton, refused):
            lengths.append(clip.shape[1])
            clips.append(clip[:, :: _step(clip.shape[1], most)].copy())  # a view would keep all of the file
    if not clips:
        raise UserError(f"{data}: none of its clips can be used, for {refused[-1]}")
    return lengths, clips


def _windows(path: Path, rows: Sequence[Row], skeleton: Skeleton, refused: list[str]) -> Iterator[np.ndarray]:
    """Yield the clips `rows` of a file, joints (M, T, V, C)."""
    with _noting(refused):
        joints = fit(path, open_clip(path), skeleton)
        for row in rows:
            with _noting(refused):
                yield cut(path, row.name, joints, row.start, row.end)


def _glance(path: Path, layout: Layout | None, persons: int | None) -> Glance:
    """Open a file and return what it is; raises `ReadError` if no clip can be of its form."""
    held = open_clip(path)
    joints, numbers = _shape(path, held, layout)
    if numbers not in (2, 3):
        raise ReadError(path, None, f"{numbers} numbers for each of {joints} joints; x y, x y z or x y score")
    found = len(held.values) if held.values.ndim == 4 else 1
    if found > MANY and persons is None:
        words = f"{found} persons in {held.values.shape}? (M, T, V, C) is expected: save (T, M, V, C) with"
        raise ReadError(path, None, f"{words} transpose(1, 0, 2, 3), or give --persons")
    values = held.values.reshape(-1, numbers)
    (low, high), others = _limits(values[:, 2:]), _limits(values[:, :2])
    return Glance((joints, numbers), held.columns, found, held.scored, low, high, max(-others[0], others[1]))


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest number that is finite."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.inf, -np.inf)


def _common_shape(glances: dict[Path, Glance]) -> tuple[int, int]:
    """Return joints and numbers of a joint, the same in all clips."""
    shapes = {glance.shape: path for path, glance in reversed(glances.items())}
    if len(shapes) > 1:
        (first, a), (second, b) = list(shapes.items())[:2]
        raise UserError(
            f"{a}: {first[0]} joints of {first[1]} numbers, but {b} has {second[0]} of {second[1]}; "
            "all clips of a data set have the same joints"
        )
    return next(iter(shapes))


def _shape(path: Path, held: Held, layout: Layout | None) -> tuple[int, int]:
    if held.columns:
        return _divide(path, held.values.shape[1], len(joint_names(held.columns)), "that its first line names")
    if held.values.ndim in (3, 4):
        return held.values.shape[-2], held.values.shape[-1]
    if held.values.ndim != 2:
        raise ReadError(path, None, f"an array {held.values.shape}; save (T, V, C), (M, T, V, C) or (T, V * C)")
    if layout is None:
        raise ReadError(path, None, f"{held.values.shape[1]} numbers a frame, of how many joints? give --layout")
    return _divide(path, held.values.shape[1], layout.num_joints, f"of layout {layout.name}")


def _divide(path: Path, numbers: int, joints: int, which: str) -> tuple[int, int]:
    if not joints or numbers % joints:
        reason = f"{numbers} numbers a frame are not as many for each of the {joints} joints {which}"
        raise ReadError(path, None, f"{reason}; each has x y, x y z or x y score")
    return joints, numbers // joints


def _channels(glances: Sequence[Glance]) -> tuple[tuple[str, ...], str]:
    """Return what a joint's numbers are, and what was guessed: a third one from 0 to 1 beside pixels is a score."""
    first = glances[0]
    if first.shape[1] == 2:
        return XY, ""
    if first.columns:
        return SCORED if any(name.lower().endswith("_score") for name in first.columns) else XYZ, ""
    if all(each.scored for each in glances):
        return SCORED, ""
    low, high = min(each.low for each in glances), max(each.high for each in glances)
    if low >= 0 and high <= 1 and max(each.largest for each in glances) > PIXELS:
        return SCORED, f"from {low:.3g} to {high:.3g} beside pixels: taken for a score; if it is z, data.channels: xyz"
    return XYZ, f"from {low:.3g} to {high:.3g}: taken for z; if it is a score, data.channels: xys"


def report(findings: Findings) -> list[str]:
    """Return what was found, line by line."""
    counts = Counter(row.label for row in findings.listing.rows)
    frames, opened = findings.frames, len(findings.clips)
    lines = [
        f"{len(findings.listing.rows)} clips of {len(findings.classes)} classes:",
        *(f"  {name}: {counts[name]}" for name in findings.classes),
        f"frames: {min(frames)} to {max(frames)}, median {int(np.median(frames))} ({opened} clips looked at)",
        f"joints: {findings.num_joints} of {' '.join(findings.channels)}, {findings.missing:.1%} missing",
        f"persons: at most {findings.persons}",
        f"units: {findings.units}, by a person's size" + _upright(findings),
    ]
    if findings.guess:
        lines.append(f"third number of a joint: {findings.guess}; {CHECK} look at a file")
    if subjects := findings.values("subject"):
        lines.append(f"subjects: {len(subjects)}")
    lines += [f"left out: {len(names)} {reason}" for reason, names in findings.listing.skipped.items()]
    return lines + [f"cannot be read: {reason}" for reason in findings.refused[:5]]


def _upright(findings: Findings) -> str:
    return f"; longest along {findings.upright}, which is probably up" if findings.spatial == 3 else ""
