"""What is in a data set that nobody has described yet: clips, classes, lengths, joints, units.

Letters: M persons, T frames, V joints, C channels.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset.layouts import Layout
from reader.own.files import Held, open_clip
from reader.own.fitting import Skeleton, fit, joint_names
from reader.own.listing import Listing, Row, Value, list_clips, order_classes
from utils.errors import UserError
from utils.recording import UNKNOWN, ReadError

SAMPLE = 500  # files that are opened
MANY = 10  # persons: more are rather frames
TRAIN = ("train", "training")
XYZ, XY, SCORED = ("x", "y", "z"), ("x", "y"), ("x", "y", "score")


@dataclass(frozen=True)
class Findings:
    """What a data set turned out to be.

    Attributes:
        names: of the joints, where files state them.
        clips: (M, T, V, C) float32 each, of the files that were opened.
        missing: share of joints of present persons that are all zeros.
        refused: what cannot be read, one line each.
    """

    listing: Listing
    classes: tuple[str, ...]
    names: tuple[str, ...]
    num_joints: int
    channels: tuple[str, ...]
    persons: int
    clips: list[np.ndarray]
    refused: list[str]

    @property
    def spatial(self) -> int:
        """Coordinates of a joint, without a score."""
        return 3 if self.channels == XYZ else 2

    @property
    def frames(self) -> list[int]:
        """The lengths of the clips that were opened."""
        return [clip.shape[1] for clip in self.clips]

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

    @property
    def upright(self) -> str:
        """The axis along which persons are longest."""
        return "xyz"[
            int(np.argmax(np.median([np.ptp(person, axis=1).mean(axis=0) for person in self.people()], axis=0)))
        ]


def inspect(data: Path, layout: Layout | None, persons: int | None) -> Findings:
    """Open a sample of the clips of a folder or table; raises `UserError` where they are not of one form."""
    listing = list_clips([data])
    step = max(1, len(listing.rows) // SAMPLE)
    opened, refused = _open_all(listing.rows[::step])
    if not opened:
        raise UserError(f"{data}: none of its clips can be read, for {refused[0]}")
    names = joint_names(opened[0][1].columns)
    shape = _common_shape(opened, layout)
    channels = _channels(opened, shape)
    persons = persons or max(_persons(row, held) for row, held in opened)
    joints = names or (layout.joints if layout else tuple(f"j{v}" for v in range(shape[0])))
    skeleton = Skeleton(layout.name if layout else "of the first clip", joints, channels, persons)
    clips = []
    for row, held in opened:
        try:
            clips.append(fit(row.file, held, skeleton))
        except ReadError as error:
            refused.append(str(error))
    if not clips:
        raise UserError(f"{data}: none of its clips can be used, for {refused[0]}")
    classes = order_classes([row.label for row in listing.rows])
    return Findings(listing, classes, names, shape[0], channels, persons, clips, refused)


def _open_all(rows: Sequence[Row]) -> tuple[list[tuple[Row, Held]], list[str]]:
    opened, refused = [], []
    for row in {row.file: row for row in rows}.values():
        try:
            opened.append((row, open_clip(row.file)))
        except ReadError as error:
            refused.append(str(error))
    return opened, refused


def _common_shape(opened: Sequence[tuple[Row, Held]], layout: Layout | None) -> tuple[int, int]:
    """Return joints and numbers of a joint, the same in all clips."""
    shapes = {_shape(row, held, layout): row for row, held in reversed(opened)}
    if len(shapes) > 1:
        (first, a), (second, b) = list(shapes.items())[:2]
        raise UserError(
            f"{a.file}: {first[0]} joints of {first[1]} numbers, but {b.file} has {second[0]} of {second[1]}; "
            "all clips of a data set have the same joints"
        )
    return next(iter(shapes))


def _shape(row: Row, held: Held, layout: Layout | None) -> tuple[int, int]:
    if held.columns:
        joints = len(joint_names(held.columns))
        return joints, held.values.shape[1] // max(joints, 1)
    if held.values.ndim in (3, 4):
        return held.values.shape[-2], held.values.shape[-1]
    if held.values.ndim != 2:
        raise ReadError(row.file, None, f"an array {held.values.shape}; save (T, V, C), (M, T, V, C) or (T, V * C)")
    if layout is None:
        raise ReadError(row.file, None, f"{held.values.shape[1]} numbers a frame, of how many joints? give --layout")
    return layout.num_joints, held.values.shape[1] // layout.num_joints


def _channels(opened: Sequence[tuple[Row, Held]], shape: tuple[int, int]) -> tuple[str, ...]:
    """Return what a joint's numbers are: a third one between 0 and 1 beside larger ones is a score."""
    row, held = opened[0]
    if shape[1] not in (2, 3):
        raise ReadError(row.file, None, f"{shape[1]} numbers for each of {shape[0]} joints; x y, x y z or x y score")
    if shape[1] == 2:
        return XY
    if held.columns:
        return SCORED if any(name.lower().endswith("_score") for name in held.columns) else XYZ
    values = held.values.reshape(-1, *shape).astype(np.float64)
    third, others = values[..., 2], values[..., :2]
    pixels = np.nanmax(abs(others)) > 20 and np.nanmin(third) >= 0 and np.nanmax(third) <= 1
    return SCORED if held.scored or pixels else XYZ


def _persons(row: Row, held: Held) -> int:
    count = len(held.values) if held.values.ndim == 4 else 1
    if count > MANY:
        raise ReadError(
            row.file,
            None,
            f"{count} persons in {held.values.shape}? (M, T, V, C) is expected: save (T, M, V, C) with "
            "transpose(1, 0, 2, 3), or give --persons",
        )
    return count


def report(findings: Findings) -> list[str]:
    """Return what was found, line by line."""
    counts = Counter(row.label for row in findings.listing.rows)
    frames, opened = findings.frames, len(findings.clips)
    lines = [
        f"{len(findings.listing.rows)} clips of {len(findings.classes)} classes:",
        *(f"  {name}: {counts[name]}" for name in findings.classes),
        f"frames: {min(frames)} to {max(frames)}, median {int(np.median(frames))} ({opened} files opened)",
        f"joints: {findings.num_joints} of {' '.join(findings.channels)}, {findings.missing:.1%} missing",
        f"persons: at most {findings.persons}",
        f"units: {findings.units}, by a person's size" + _upright(findings),
    ]
    if subjects := findings.values("subject"):
        lines.append(f"subjects: {len(subjects)}")
    lines += [f"left out: {len(names)} {reason}" for reason, names in findings.listing.skipped.items()]
    return lines + [f"cannot be read: {reason}" for reason in findings.refused[:5]]


def _upright(findings: Findings) -> str:
    return f"; longest along {findings.upright}, which is probably up" if findings.spatial == 3 else ""
