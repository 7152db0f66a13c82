"""The sensor: three Kinects around the room, and what they make of a body.

M persons, T frames, V = 25 joints; metres in camera axes (y up, z away from the camera).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tools.skeletons.body import LEAVES, NUM_JOINTS, Array, Motion

CAMERA_YAWS = (-45, 0, 45)  # degrees, C001 to C003
CAMERA_HEIGHT_M, CAMERA_DISTANCE_M = 1.1, 3.2

# Jitter of a joint, metres: the trunk is seen best, hand tips and thumbs worst.
JITTER_M = np.full(NUM_JOINTS, 0.003)
JITTER_M[[5, 6, 9, 10, 13, 14, 17, 18]] = 0.005
JITTER_M[[7, 11, 15, 19]] = 0.007
JITTER_M[[21, 22, 23, 24]] = 0.011

TRACKED, INFERRED = 2, 1
HIDEABLE = (5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 24)
BLIND_CLIPS = 0.3  # share of the clips with frames in which no body is found


@dataclass(frozen=True)
class View:
    """What one camera recorded of one performance."""

    joints: Array  # (M, T, V, 3) metres
    quaternions: Array  # (M, T, V, 4) w x y z; zero where a limb ends, as the Kinect leaves them
    states: NDArray[np.int64]  # (M, T, V) 2 tracked, 1 inferred
    found: NDArray[np.bool_]  # (T,) False: the frame has no body


def look(motions: list[Motion], camera: int) -> View:
    """Return the perfect view of `motions` (room axes) from `camera` (1 to 3): no noise, nothing lost."""
    shift = np.array([0.0, -CAMERA_HEIGHT_M, CAMERA_DISTANCE_M])
    seen = [motion.moved(CAMERA_YAWS[camera - 1], shift) for motion in motions]
    joints = np.stack([motion.joints for motion in seen])
    states = np.full(joints.shape[:3], TRACKED)
    quaternions = np.stack([_to_quaternions(motion.axes) for motion in seen])
    return View(joints, quaternions, states, np.ones(joints.shape[1], dtype=bool))


def record(view: View, rng: np.random.Generator) -> View:
    """Return `view` as a sensor delivers it: bodies in any order, jitter, hidden joints, empty frames."""
    order = rng.permutation(len(view.joints))
    states, joints = view.states[order], view.joints[order]
    joints = joints + rng.normal(0.0, 1.0, joints.shape) * JITTER_M[:, None]
    for person in range(len(joints)):
        for _ in range(rng.poisson(1.0)):
            _hide(joints[person], states[person], rng)
    return View(joints, view.quaternions[order], states, _lose_frames(len(view.found), rng))


def _to_quaternions(axes: Array) -> Array:
    """Return (T, V, 4) w x y z of the axes (T, V, 3, 3)."""
    quaternions = Rotation.from_matrix(axes.reshape(-1, 3, 3)).as_quat().reshape(*axes.shape[:2], 4)
    quaternions[:, LEAVES] = 0.0
    return np.roll(quaternions, 1, axis=-1)


def _hide(joints: Array, states: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Hide one joint of (T, V, 3) for a few frames, in place: the sensor guesses, some centimetres off."""
    joint, length = rng.choice(HIDEABLE), rng.integers(4, 12)
    start = rng.integers(0, len(joints) - length)
    error = np.sin(np.linspace(0.0, np.pi, length))[:, None] * rng.normal(0.0, 0.03, 3)
    joints[start : start + length, joint] += error
    states[start : start + length, joint] = INFERRED


def _lose_frames(num_frames: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return (T,): False where no body is found, in some clips one to three frames at an end or within."""
    found = np.ones(num_frames, dtype=bool)
    if rng.random() < BLIND_CLIPS:
        length = int(rng.integers(1, 4))
        within = int(rng.integers(length, num_frames - 2 * length))
        start = rng.choice([0, within, num_frames - length])
        found[start : start + length] = False
    return found
