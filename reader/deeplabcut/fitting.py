"""From a table's columns to the joints of a layout, in fractions of the frame.

Letters: M persons (individuals), T frames, V joints.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reader.deeplabcut.tables import COORDS, UNIQUE, Table, open_table
from reader.own.files import AGAIN
from reader.own.fitting import LARGEST
from utils.recording import ReadError

MOST_OUTSIDE = 0.1  # of the points seen may lie beyond the frame: filters and interpolation bring a few there
HALF = np.float32(0.5)
NAMED = 8  # body points, in a message


@dataclass(frozen=True)
class Skeleton:
    """What is made of a file.

    Attributes:
        layout: its name or file, for messages.
        joints: (V,) body points of the file, in the layout's order.
        persons: M, the most individuals.
        frame_size: width and height of the video in pixels, which no file of DeepLabCut states.
        likelihood: below which a point counts as missing.
    """

    layout: str
    joints: tuple[str, ...]
    persons: int
    frame_size: tuple[int, int]
    likelihood: float


def open_track(path: Path, skeleton: Skeleton) -> np.ndarray:
    """Return a file's joints (M, T, V, 3) float32: x / width - 0.5, y / height - 0.5, likelihood.

    A joint of a lower likelihood than wanted, or of none, is (0, 0) with score 0. Persons are the file's individuals in
    its order, without the `single` one of points that belong to no animal; absent ones are 0. The half is taken off in
    float32, after division in float64, as readers of the Kinetics form do: rows are the same by either way.

    Raises:
        ReadError: where `open_table` does, for a point that is not there, for more individuals than persons, and for
            points of which many lie outside the frame, and for likelihoods that are none.
    """
    table = open_table(path, skeleton.joints)
    individuals = table.individuals
    if not individuals:
        raise ReadError(path, 2, f"only individual '{UNIQUE}', whose points belong to no animal; remove the file")
    if len(individuals) > skeleton.persons:
        names = ", ".join(individuals)
        reason = f"{len(individuals)} individuals ({names}), but data.persons is {skeleton.persons}"
        raise ReadError(path, 2, f"{reason}: set it, or give a file of fewer")
    track = np.zeros((skeleton.persons, len(table.values), len(skeleton.joints), len(COORDS)), np.float32)
    for person, individual in zip(track, individuals, strict=False):
        person[...] = _normalised(path, _pick(path, table, individual, skeleton), skeleton)
    _refuse_outside(path, track, skeleton)
    return track


def _pick(path: Path, table: Table, individual: str, skeleton: Skeleton) -> np.ndarray:
    """Return (T, V, 3) x, y in pixels and likelihood of one individual."""
    place = {column: at for at, column in enumerate(table.columns)}
    wanted = [(individual, joint, coord) for joint in skeleton.joints for coord in COORDS]
    missing = next((column for column in wanted if column not in place), None)
    if missing:
        points, of = table.points(individual), f" of {individual}" if individual else ""
        near = difflib.get_close_matches(missing[1], points, n=1)
        there = ", ".join(points[:NAMED]) + (", ..." if len(points) > NAMED else "")
        hint = f"is it {near[0]}?" if near else f"there are {there};"
        raise ReadError(
            path,
            None,
            f"no {missing[2]} of body point {missing[1]}{of}; {hint} data.joints lists the points that are the "
            f"{len(skeleton.joints)} joints of layout {skeleton.layout}",
        )
    return table.values[:, [place[column] for column in wanted]].reshape(len(table.values), -1, len(COORDS))


def _normalised(path: Path, values: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    likelihood = values[..., 2]
    wrong = abs(values) > LARGEST  # infinite, too; NaN is not
    wrong[..., 2] |= (likelihood < 0) | (likelihood > 1)
    if wrong.any():
        t, v, c = np.argwhere(wrong)[0]
        reason = f"frame {t}, body point {skeleton.joints[v]}: {COORDS[c]} is {values[t, v, c]}"
        raise ReadError(path, None, f"{reason}{', not 0 to 1' if c == 2 else ''}; {AGAIN}")
    score = likelihood.astype(np.float32)
    seen = ~np.isnan(values).any(axis=-1) & (likelihood >= skeleton.likelihood) & (score > 0)
    places = (values[..., :2] / skeleton.frame_size).astype(np.float32) - HALF
    return np.where(seen[..., None], np.concatenate([places, score[..., None]], axis=-1), np.float32(0))


def _refuse_outside(path: Path, track: np.ndarray, skeleton: Skeleton) -> None:
    seen = track[track[..., 2] > 0][:, :2]  # (points, 2)
    share = (abs(seen) > HALF).any(axis=1).mean() if len(seen) else 0.0
    if share > MOST_OUTSIDE:
        size, (x, y) = "x".join(map(str, skeleton.frame_size)), (seen.max(axis=0) + HALF) * skeleton.frame_size
        reason = f"{share:.0%} of its points lie outside the frame of {size} (x up to {x:.0f}, y up to {y:.0f})"
        raise ReadError(path, None, f"{reason}; set data.frame_size to [width, height] of the video in pixels")
