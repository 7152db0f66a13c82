"""Where to draw the joints of a layout when no clip is at hand: somebody who stands and looks at us.

V joints; places (V, 2): right of the picture, up. A standing body is about 1.8 high, its feet at 0.
"""

import numpy as np

from dataset.layouts import Layout

# Joints of the layouts of dataset/layouts/, by name; drawn by hand, near human proportions (faces and hands larger).
MIDDLE = {
    "hip": (0.0, 0.95), "mid_hip": (0.0, 0.95), "hip_centre": (0.0, 0.95), "spine_base": (0.0, 0.95),
    "lower_back": (0.0, 1.03), "spine": (0.0, 1.17), "spine_middle": (0.0, 1.17), "upper_back": (0.0, 1.19),
    "thorax": (0.0, 1.34), "spine_shoulder": (0.0, 1.40), "shoulder_centre": (0.0, 1.41), "lower_neck": (0.0, 1.46),
    "neck": (0.0, 1.48), "upper_neck": (0.0, 1.57), "nose": (0.0, 1.64), "head": (0.0, 1.72),
}  # fmt: skip
LEFT = {  # of the body, so on our right; the right side mirrors it
    "eye_inner": (0.03, 1.72), "eye": (0.07, 1.73), "eye_outer": (0.11, 1.73), "ear": (0.17, 1.68),
    "mouth": (0.05, 1.56), "shoulder": (0.21, 1.40), "elbow": (0.37, 1.14), "wrist": (0.48, 0.90),
    "hand": (0.52, 0.80), "hand_tip": (0.55, 0.69), "fingers": (0.55, 0.69), "thumb": (0.43, 0.76),
    "index": (0.53, 0.74), "little": (0.60, 0.78), "hip": (0.12, 0.91), "knee": (0.15, 0.50),
    "ankle": (0.17, 0.11), "heel": (0.15, 0.02), "foot": (0.24, 0.03), "toes": (0.26, 0.02),
    "big_toe": (0.22, 0.01), "small_toe": (0.30, 0.04),
}  # fmt: skip
SPREAD = np.pi / 6  # between the ends of a tree, where there are few


def pose(layout: Layout) -> np.ndarray:
    """Return places (V, 2) for any layout: a standing body, or else its tree from the root up, opened like a fan."""
    body = standing(layout)
    return _fan(layout) if body is None else body


def standing(layout: Layout) -> np.ndarray | None:
    """Return places (V, 2) of a standing body; None where a joint's name is none of a body's."""
    places = [_of_body(name) for name in layout.joints]
    return None if None in places else np.array(places)


def _of_body(name: str) -> tuple[float, float] | None:
    side, _, joint = name.partition("_")
    if side in ("left", "right") and joint in LEFT:
        x, y = LEFT[joint]
        return (x if side == "left" else -x), y
    return MIDDLE.get(name)


def _fan(layout: Layout) -> np.ndarray:
    """Place joints as far from the root as edges lead to them, each in the middle of the ends behind it."""
    behind: dict[int, list[int]] = {joint: [] for joint in range(layout.num_joints)}
    for joint, towards in layout.inward:
        behind[towards].append(joint)
    inner = {joint for joint, _ in layout.inward}
    roots = [joint for joint in behind if joint not in inner]
    angle, depth = np.zeros(layout.num_joints), np.zeros(layout.num_joints)
    ends: list[int] = []

    def place(joint: int, edges: int) -> None:
        depth[joint] = edges
        first = len(ends)
        for each in behind[joint]:
            place(each, edges + 1)
        if not behind[joint]:
            ends.append(joint)
        angle[joint] = (first + len(ends) - 1) / 2

    for root in roots:
        place(root, 0 if len(roots) == 1 else 1)
    turn = (angle - (len(ends) - 1) / 2) * min(SPREAD, 2 * np.pi / len(ends))
    return np.stack([depth * np.sin(turn), depth * np.cos(turn)], axis=1)
