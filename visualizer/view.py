"""How a skeleton and its activation are looked at.

M persons, T frames, V joints, C channels, D axes of the page: 2 or 3.
"""

import numpy as np

from dataset.layouts import Layout
from visualizer.findings import Findings

Y, Z = 1, 2


def is_flat(findings: Findings) -> bool:
    """Tell whether there is no depth."""
    return "z" not in findings.config.data.channel_names


def present(joints: np.ndarray, findings: Findings) -> np.ndarray:
    """Return which joints are there (M, T, V): in 3-D all of a person who is; in 2-D those that were found."""
    if is_flat(findings):
        return np.asarray(joints[..., 2] > 0 if joints.shape[-1] > 2 else joints.any(axis=-1))
    return np.broadcast_to(np.asarray(joints.any(axis=(2, 3)))[:, :, None], joints.shape[:3])


def axes(findings: Findings) -> np.ndarray:
    """Return the page's axes (D, D) in the data's: right, up and, in 3-D, towards the one who looks.

    In 2-D, y counts downwards. In 3-D, up is where the spines point: y as most sensors have it, or z in variants that
    turn the skeleton. One looks from where the sensor stood, along z, or at the front of a turned skeleton. It is a
    turn of the data, never its mirror image.
    """
    if is_flat(findings):
        return np.diag([1.0, -1.0])
    up, near = np.zeros((2, 3))
    spine = _spine(findings)
    axis = Z if abs(spine[Z]) > abs(spine[Y]) else Y
    up[axis] = -1 if spine[axis] < 0 else 1
    near[Y if axis == Z else Z] = 1 if axis == Z else -1
    return np.stack([np.cross(up, near), up, near])


def turned(joints: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return joints (..., C) in the page's `axes` (..., D)."""
    return np.asarray(joints[..., : len(axes)] @ axes.T.astype(joints.dtype))


def bones(layout: Layout) -> list[tuple[int, int]]:
    """Return the joints that a line is drawn between."""
    return [(a, b) for a, b in layout.edges if a != b]


def scaled(activation: np.ndarray) -> np.ndarray:
    """Return an activation map in 0..1, of any shape: what is below 0 becomes 0, the highest 1; all 0 stays 0.

    Source: the original's pictures (relu over the maximum), which divide by the maximum even where that is 0.
    """
    above = np.maximum(activation, 0.0)
    highest = above.max(initial=0.0)
    return np.asarray(above / highest if highest > 0 else above)


def _spine(findings: Findings) -> np.ndarray:
    """Return the sum of all spines (3,); where the layout has none, y is up."""
    if findings.layout.spine is None:
        return np.array([0.0, 1.0, 0.0])
    lower, upper = findings.layout.spine
    spines = [shown.joints[:, :, upper, :3] - shown.joints[:, :, lower, :3] for shown in findings.shown]
    return np.sum([each.sum(axis=(0, 1), dtype=np.float64) for each in spines], axis=0) + np.zeros(3)
