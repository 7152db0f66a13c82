"""Sums as numpy makes them, to the bit, without its slow ways."""

import numpy as np


def add_coordinates(joints: np.ndarray) -> np.ndarray:
    """Return `joints.sum(axis=-1)` of (..., C) float32 or float64, C < 8, many times as fast.

    Numpy adds so few neighbours one after the other, too, but starts a loop for each joint. Whether originals' "zero"
    is zero depends on the rounding, so the order has to be theirs. (A zero's sign may differ.)
    """
    total = joints[..., 0]
    for axis in range(1, joints.shape[-1]):
        total = total + joints[..., axis]
    return total
