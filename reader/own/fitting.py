"""From the numbers of a file to the joints of a layout, or one line that says why they do not fit.

Letters: M persons, T frames, V joints, C channels.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reader.own.files import AXES, Held
from utils.recording import ReadError

LARGEST = float(np.finfo(np.float32).max)


class MisfitError(ReadError):
    """A file of another skeleton, or of other channels: very likely all files of the data set are."""


@dataclass(frozen=True)
class Skeleton:
    """What the clips have to be."""

    layout: str
    joints: tuple[str, ...]
    channels: tuple[str, ...]
    persons: int

    def words(self) -> str:
        """Say what a clip has to be."""
        return f"layout {self.layout} has {len(self.joints)} joints, of {' '.join(self.channels)} each"


def fit(path: Path, held: Held, skeleton: Skeleton) -> np.ndarray:
    """Return a file's joints (M, T, V, C) float32, M as configured, absent persons and missing joints zero.

    A joint whose coordinates are all NaN is missing. float32 holds 24 binary digits, more than any sensor gives, and a
    part has one type, whatever the mixture of files.

    Raises:
        MisfitError: for another number of joints, other channels, other names.
        ReadError: for too many persons, half a joint, infinite numbers, no frames or nothing but zeros.
    """
    values = _in_order(path, held, skeleton) if held.columns else held.values
    joints = _shaped(path, values, held, skeleton)
    if len(joints) > skeleton.persons:
        raise ReadError(
            path,
            None,
            f"{len(joints)} persons {joints.shape}, but data.persons is {skeleton.persons}: set it, or, if these are "
            "(T, M, V, C), save joints.transpose(1, 0, 2, 3)",
        )
    joints = _finite(path, joints, skeleton)
    if not joints.any():
        raise ReadError(path, None, "no frames, or all coordinates are 0: nothing to learn from; remove it")
    clip = np.zeros((skeleton.persons, *joints.shape[1:]), np.float32)
    clip[: len(joints)] = joints
    return clip


def cut(path: Path, name: str, joints: np.ndarray, start: int | None, end: int | None) -> np.ndarray:
    """Return clip `name`: the frames `start` to `end` (behind the last; None: all) of a file's joints (M, T, V, C).

    Raises `ReadError` if they are not there, or nobody is in them.
    """
    frames = joints.shape[1]
    first, last = start or 0, frames if end is None else end
    if not first < last <= frames:
        reason = f"has {frames} frames, but the table wants {first} to {last} ({name}); mend the table"
        raise ReadError(path, None, reason)
    if not joints[:, first:last].any():
        raise ReadError(path, None, f"nobody is in frames {first} to {last} ({name}); mend the table")
    return joints[:, first:last]


def _shaped(path: Path, values: np.ndarray, held: Held, skeleton: Skeleton) -> np.ndarray:
    """Return (M, T, V, C)."""
    V, C = len(skeleton.joints), len(skeleton.channels)
    if values.ndim == 2 and values.shape[1] == V * C:
        values = values.reshape(len(values), V, C)
    if values.ndim in (3, 4) and values.shape[-2:] == (V, C):
        return values if values.ndim == 4 else values[None]
    score = " with their score" if held.scored else ""
    if values.ndim == 2:
        found = f"{values.shape[1]} numbers a frame"
    elif values.ndim in (3, 4):
        found = f"{values.shape[-2]} joints of {values.shape[-1]} numbers each{score}"
    else:
        found = f"an array {values.shape}"
    forms = "(T, V, C), (M, T, V, C) or (T, V * C)"
    raise MisfitError(
        path, None, f"{found}, but {skeleton.words()}; save {forms}, or set data.layout and data.channels to what it is"
    )


def _in_order(path: Path, held: Held, skeleton: Skeleton) -> np.ndarray:
    """Return the columns of a .csv with a header, by the names of the layout."""
    place = {_plain(name): at for at, name in enumerate(held.columns)}
    wanted = [f"{joint}_{axis}" for joint in skeleton.joints for axis in skeleton.channels]
    missing = [name for name in wanted if _plain(name) not in place]
    if missing:
        near = difflib.get_close_matches(_plain(missing[0]), place, n=1)
        hint = f"; is it {held.columns[place[near[0]]]}?" if near else ""
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise MisfitError(path, 1, f"no column {missing[0]}{more}{hint} ({skeleton.words()})")
    known = set(map(_plain, wanted))
    strange = [name for name in held.columns if _plain(name) not in known]
    if strange or len(place) != len(held.columns):
        which = f"column {strange[0]} is none of the layout's" if strange else "a column is there twice"
        raise MisfitError(path, 1, f"{which}; remove it ({skeleton.words()})")
    return held.values[:, [place[_plain(name)] for name in wanted]]


def _plain(name: str) -> str:
    """Return a name without what differs by taste: case, blanks, dashes."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def joint_names(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the joints that the columns `<joint>_<axis>` name, in order."""
    return tuple(dict.fromkeys(name.rpartition("_")[0] for name in columns if name.rpartition("_")[2].lower() in AXES))


def _finite(path: Path, joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return float32 with missing joints as zeros; refuses joints that are half there."""
    joints = joints.astype(np.float64)
    spatial = [at for at, name in enumerate(skeleton.channels) if name != "score"]
    missing = np.isnan(joints[..., spatial]).all(axis=-1)
    joints[missing] = 0
    wrong = np.argwhere(~(abs(joints) <= LARGEST))  # NaN, too
    if len(wrong):
        m, t, v, c = wrong[0]
        person = f"person {m}, " if len(joints) > 1 else ""
        raise ReadError(
            path,
            None,
            f"{person}frame {t}, joint {skeleton.joints[v]}: {skeleton.channels[c]} is {joints[m, t, v, c]}; "
            "a missing joint has NaN (or 0) for all of its coordinates",
        )
    return joints.astype(np.float32)
