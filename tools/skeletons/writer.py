"""The text form of NTU RGB+D: one view of the sensor -> the text of one `.skeleton` file.

M persons, T frames, V = 25 joints. Numbers are printed as the real files print them, with up to 7 digits.
"""

import numpy as np

from tools.skeletons.body import NUM_JOINTS, Array
from tools.skeletons.sensor import View

FIRST_BODY_ID = 72057594037927936  # 2**56: the ids in real files lie a little above it
# Pinhole cameras of the Kinect v2, pixels: focal length, centre x, centre y.
DEPTH_CAMERA = (365.0, 256.0, 212.0)  # 512 x 424
COLOUR_CAMERA = (1060.0, 960.0, 540.0)  # 1920 x 1080

_JOINT_LINE = " ".join(["%.7g"] * 12) + "\n"  # 7 digits are what a float32 holds
_BODY = f"{NUM_JOINTS}\n" + _JOINT_LINE * NUM_JOINTS
# id, clipped edges, left hand confidence and state, right hand the same, restricted, lean x and y, tracked
_BODY_INFO = "%d 0 1 1 1 1 0 %.7g %.7g 2\n"


def to_text(view: View, body_ids: list[int]) -> str:
    """Return the file's content: frame count, then per frame the body count and the bodies (LF line ends)."""
    bodies = [_body_texts(body_id, *body) for body_id, *body in zip(body_ids, *_tables(view), strict=True)]
    frames = [
        "".join([f"{len(bodies)}\n", *parts]) if found else "0\n"
        for found, *parts in zip(view.found, *bodies, strict=True)
    ]
    return f"{len(frames)}\n" + "".join(frames)


def _tables(view: View) -> tuple[Array, Array]:
    """Return the numbers of the joint lines (M, T, V, 12) and of the body lines (M, T, 2)."""
    numbers = [
        view.joints,
        project(view.joints, DEPTH_CAMERA),
        project(view.joints, COLOUR_CAMERA),
        view.quaternions,
        view.states[..., None],
    ]
    return np.concatenate(numbers, axis=-1), _lean(view.joints)


def _body_texts(body_id: int, lines: Array, leans: Array) -> list[str]:
    """Return one person's text per frame, from (T, V, 12) and (T, 2) numbers."""
    heads = [_BODY_INFO % (body_id, x, y) for x, y in leans.tolist()]
    return [head + _BODY % tuple(row) for head, row in zip(heads, lines.reshape(len(lines), -1).tolist(), strict=True)]


def project(joints: Array, camera: tuple[float, float, float]) -> Array:
    """Return the pixels (..., 2) of joints (..., 3), metres, in a pinhole `camera`; y counts downwards."""
    focal, centre_x, centre_y = camera
    x, y, z = np.moveaxis(joints, -1, 0)
    return np.stack([centre_x + focal * x / z, centre_y - focal * y / z], axis=-1)


def _lean(joints: Array) -> Array:
    """Return the trunk's lean to the right and towards the camera (..., 2); 1 is 45 degrees."""
    x, y, z = np.moveaxis(joints[..., 20, :] - joints[..., 0, :], -1, 0)
    return np.stack([np.arctan2(x, y), np.arctan2(-z, y)], axis=-1) / (np.pi / 4)
