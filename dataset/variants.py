"""Variants: pure functions of one clip whose results are stored.

Letters: M persons, T frames, V joints; coordinates in metres.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

PADDED_FRAMES = 300  # the length of the originals' arrays


@dataclass(frozen=True)
class Variant:
    """A named per-clip function: (M, T, V, C) -> the new clip, and per person the period it may repeat with."""

    name: str
    apply: Callable[[np.ndarray], tuple[np.ndarray, tuple[int, ...]]]
    options: Mapping[str, int | str] = field(default_factory=dict)  # what a manifest remembers of it


def keep(joints: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Leave the clip as it was read."""
    return joints, ()


def transform(joints: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Loop, centre and turn a clip as 2s-AGCN's `pre_normalization` does: (2, T, 25, 3) -> (2, 300, 25, 3) float32.

    Only the first 300 frames are used. The quirks are kept, because published weights depend on them:
    "zero" means that a sum is zero; a person who appears late is moved to frame 0 and loses its gaps; padding repeats
    the motion; the second turn is a full rotation, so that it undoes some of the first.

    Source: Shi et al. 2019 (2s-AGCN), as used by EfficientGCN for X-view; the float64 arithmetic follows it in order,
    so that results are equal to the bit.
    """
    clip = np.zeros((len(joints), PADDED_FRAMES, *joints.shape[2:]), np.float32)
    clip[:, : joints.shape[1]] = joints[:, :PADDED_FRAMES]
    alive = [m for m, person in enumerate(clip) if person.sum() != 0]
    periods = {m: _loop(clip[m]) for m in alive}
    _centre(clip, alive)
    _turn(clip, alive, (0, 1), np.array([0, 0, 1]))  # the spine upwards
    _turn(clip, alive, (4, 8), np.array([1, 0, 0]))  # left to right shoulder along x
    whole = math.lcm(*periods.values())  # the centre is person 0's, so the others repeat with both
    return clip, tuple(periods.get(m, 0) if m == 0 else whole for m in range(len(clip)))


def _loop(person: np.ndarray) -> int:
    """Fill the frames behind the last live one by repeating the live ones, in place; return their number."""
    live = person.sum(axis=-1).sum(axis=-1) != 0
    if person[0].sum() == 0:
        packed = person[live]
        person[:] = 0
        person[: len(packed)] = packed
    period = next((t for t in range(1, len(person)) if person[t].sum() == 0 and person[t:].sum() == 0), len(person))
    person[period:] = person[np.arange(len(person) - period) % period]
    return period


def _centre(clip: np.ndarray, alive: list[int]) -> None:
    """Move joint 1 of person 0 to the origin, frame by frame; joints that were zero stay zero."""
    centre = clip[0, :, 1:2].copy()  # (T, 1, 3)
    for m in alive:
        present = clip[m].sum(axis=-1, keepdims=True) != 0  # (T, V, 1)
        clip[m] = (clip[m] - centre) * present


def _turn(clip: np.ndarray, alive: list[int], bone: tuple[int, int], target: np.ndarray) -> None:
    """Rotate all live frames such that `bone` of person 0 in frame 0 points along `target`."""
    direction = clip[0, 0, bone[1]] - clip[0, 0, bone[0]]
    matrix = _rotation(np.cross(direction, target), _angle(direction, target))
    for m in alive:
        if clip[m].sum() != 0:  # a lone joint may have been centred away
            live = clip[m].sum(axis=-1).sum(axis=-1) != 0
            clip[m, live] = clip[m, live] @ matrix.T


def _angle(first: np.ndarray, second: np.ndarray) -> float:
    """Return the angle between two vectors, in radians; 0 if one of them is (nearly) null."""
    if min(np.abs(first).sum(), np.abs(second).sum()) < 1e-6:
        return 0.0
    cosine = np.dot(first / np.linalg.norm(first), second / np.linalg.norm(second))
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the (3, 3) float64 matrix that rotates counter-clockwise about `axis` (Euler-Rodrigues)."""
    if np.abs(axis).sum() < 1e-6 or abs(angle) < 1e-6:
        return np.eye(3)
    axis = axis / math.sqrt(np.dot(axis, axis))
    a = math.cos(angle / 2.0)
    b, c, d = -axis * math.sin(angle / 2.0)
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)],
            [2 * (b * c - a * d), a * a + c * c - b * b - d * d, 2 * (c * d + a * b)],
            [2 * (b * d + a * c), 2 * (c * d - a * b), a * a + d * d - b * b - c * c],
        ]
    )


VARIANTS: dict[str, Variant] = {
    "original": Variant("original", keep),
    "transformed": Variant("transformed", transform, {"frames": PADDED_FRAMES, "source": "2s-AGCN"}),
}
