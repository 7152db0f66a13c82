"""Normalisation of whole clips: moving them to the origin, turning them upright, scaling image coordinates.

Letters: M persons, T frames, V joints, C channels (x, y, z in metres, or x, y in pixels and a score).
All of it but `pose_normalize` acts before person padding, on what a source holds.
Without torch, as all that makes parts.
"""

import math
from typing import Literal

import numpy as np

Pair = tuple[int, int]
FrameSize = tuple[int, int]  # height, width, in pixels

UP, RIGHT = np.array([0, 0, 1]), np.array([1, 0, 0])
DEFAULT_FRAME_SIZE = (1080, 1920)  # upstream's, for sources that state none
LEAST_SCORE = 0.01  # joints that are not above it are zeroed by PYSKL since 0.3
LEAST_RANGE = 10  # pixels that a clip spans at least in x and y to be fitted into its own box

Version = Literal["pyskl-0.1", "pyskl-0.3", "auto"]


# --- 3D


def prenormalize_3d(
    joints: np.ndarray, *, centre: int, spine: Pair, shoulders: Pair, align_spine: bool = True
) -> np.ndarray:
    """Keep the main person's frames, centre them and turn them upright: (M, T, V, 3) -> (M, T', V, 3) float32.

    Acts before person padding.

    Kept are the frames in which person 0 is there; of two persons the one with more frames becomes person 0. The
    origin is its joint `centre` in the first of them, for all frames. Then all is turned such that `spine` (lower,
    upper) points along z and after that such that `shoulders` (left, right) point along x, both in the first frame;
    the second is a full rotation, so that it undoes some of the first. Joints that are zero stay zero.

    The arithmetic follows the original in order and type: centring in the type of `joints`, turning in float64.
    A clip whose sum is zero is left as it is. Where person 0 is never there among other than two persons, the
    original fails; here the person with the most frames takes its place.

    Source: Duan et al. 2022 (PYSKL), PreNormalize3D. `align_spine=False` skips both turns, as there.
    """
    if joints.sum() == 0:
        return joints.astype(np.float32)
    clip = _main_person_first(joints)
    present = (clip != 0).any(axis=-1, keepdims=True)  # (M, T, V, 1)
    clip = (clip - clip[0, 0, centre]) * present
    if align_spine:
        for (first, second), target in ((spine, UP), (shoulders, RIGHT)):
            clip = np.einsum("mtvc,kc->mtvk", clip, turn_onto(clip[0, 0, second] - clip[0, 0, first], target))
    return clip.astype(np.float32) + np.float32(0)  # no negative zeros: they count as something to store


def _main_person_first(joints: np.ndarray) -> np.ndarray:
    """Return the frames in which the main person is there, with that person in place 0."""
    live = ~np.isclose(joints, 0).all(axis=(2, 3))  # (M, T)
    counts = live.sum(axis=1)
    main = int(counts.argmax()) if len(joints) == 2 or not counts[0] else 0
    order = np.arange(len(joints))
    order[[0, main]] = main, 0
    return joints[order][:, live[main]]


def turn_onto(direction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the (3, 3) float64 rotation that turns `direction` onto `target`; none if one is (nearly) null.

    Opposite vectors are left alone, because their axis is null; the originals leave them, too.
    """
    (a, b, c), (x, y, z) = direction.tolist(), target.tolist()
    axis = np.array([b * z - c * y, c * x - a * z, a * y - b * x])  # np.cross, whose generality takes longer than all
    return _rotation(axis, _angle(direction, target))


def _angle(first: np.ndarray, second: np.ndarray) -> float:
    """Return the angle between two vectors, in radians; 0 if one of them is (nearly) null."""
    if min(np.abs(first).sum(), np.abs(second).sum()) < 1e-6:
        return 0.0
    cosine = np.dot(first / np.linalg.norm(first), second / np.linalg.norm(second))
    return float(np.arccos(min(max(cosine, -1.0), 1.0)))


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


# --- 2D


def prenormalize_2d(
    joints: np.ndarray, frame_size: FrameSize | None, *, version: Version, threshold: float | None = None
) -> np.ndarray:
    """Scale pixels to -1 ... 1, the frame's edges: (M, T, V, 3) with the score last -> the same.

    Acts before person padding: joints that a person misses are scaled, too, an absent person is not.

    Args:
        joints: x and y in pixels, and the score, which is kept; without a score (M, T, V, 2) where none is looked at.
        frame_size: height and width; None is upstream's default, 1080 and 1920.
        version: "pyskl-0.1", which made the published weights, as do mmaction2 and PaddleVideo: in the type of
            `joints`, and every missing joint (0, 0) becomes (-1, -1). "pyskl-0.3", PYSKL since February 2023: in
            float32, and joints with a low score become (0, 0). "auto", of the same age: the box around all joints
            with a good score becomes -1 ... 1, if it is more than 10 pixels wide and high.
        threshold: of the score; default: 0.01, and for pyskl-0.1 none. A negative one spares all joints.

    Source: Duan et al. 2022 (PYSKL), PreNormalize2D.
    """
    if threshold is None:
        threshold = -1.0 if version == "pyskl-0.1" else LEAST_SCORE
    wide = joints.astype(joints.dtype if version == "pyskl-0.1" else np.float32)  # a copy
    places = wide[..., :2]
    low = wide[..., 2] <= threshold if threshold >= 0 else np.zeros(wide.shape[:-1], bool)
    middle, half = _frame_box(frame_size or DEFAULT_FRAME_SIZE)
    if version == "auto":
        middle, half = _own_box(places[~low], (middle, half))
    places[:] = (places - middle.astype(wide.dtype)) / half.astype(wide.dtype)
    places[low] = 0
    return wide


Box = tuple[np.ndarray, np.ndarray]  # middle (2,) and half the size (2,), as x, y


def _frame_box(frame_size: FrameSize) -> Box:
    half = np.array(frame_size[::-1]) / 2
    return half, half


def _own_box(places: np.ndarray, otherwise: Box) -> Box:
    """Return the box around `places` (n, 2) if it is large enough; upstream leaves a smaller clip in pixels."""
    if not len(places) or (np.ptp(places, axis=0) <= LEAST_RANGE).any():
        return otherwise
    low, high = places.min(axis=0), places.max(axis=0)
    return (high + low) / 2, (high - low) / 2


def pose_normalize(joints: np.ndarray) -> np.ndarray:
    """Scale pixels and score to -0.5 ... 0.5: (M, T, V, 3) -> the same, float32.

    Acts after person padding, and on the padding, too: who is absent becomes (-0.5, -0.5, -0.5), as do missing joints.

    Source: mmaction2 0.x, PoseNormalize, whose frame is 1080 by 1920 whatever the clip's is.
    """
    middle, half = _frame_box(DEFAULT_FRAME_SIZE)
    centre, size = np.array([*middle, 0.5], np.float32), np.array([*(2 * half), 1], np.float32)
    return (joints.astype(np.float32) - centre) / size
