"""The body: 25 Kinect v2 joints, the bones between them, and forward kinematics from joint angles.

T frames, V = 25 joints, K channels (one joint angle each).  Angles in degrees, lengths in metres.
Body axes: x to the person's right, y up, z to the person's back, so a person with heading 0 faces a Kinect
that looks along +z.

Legend (NTU order, 0-based):
     0 base of spine   1 mid spine   20 spine at shoulders    2 neck          3 head
     4 left shoulder   5 elbow   6 wrist   7 hand   21 hand tip   22 thumb
     8 right shoulder  9 elbow  10 wrist  11 hand   23 hand tip   24 thumb
    12 left hip       13 knee   14 ankle  15 foot
    16 right hip      17 knee   18 ankle  19 foot
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

NUM_JOINTS = 25
HANDS, ANKLES = (7, 11), (14, 18)
LEAVES = (3, 15, 19, 21, 22, 23, 24)  # joints that no bone starts from

CHANNELS = (
    "lift",  # metres between the lower foot and the floor
    "bend",  # trunk forward
    "turn",  # trunk about the vertical, right shoulder forward
    "nod",  # head down
    *(
        f"{side}_{angle}"
        for side in ("left", "right")
        for angle in (
            "raise",  # upper arm forward and up: 90 is horizontal, 180 overhead
            "spread",  # upper arm away from the trunk
            "twist",  # upper arm inwards about itself: a bent forearm swings across the chest
            "elbow",  # 0 is straight
            "hip",  # thigh forward and up
            "knee",  # 0 is straight
        )
    ),
)


@dataclass(frozen=True)
class Bone:
    """The bone that ends in a joint: where it starts, what turns it, and how it lies in the rest pose."""

    parent: int
    segment: str  # the rigid part that carries the bone (see `_turn_segments`)
    scale: str  # which of a subject's proportions lengthens it
    rest: tuple[float, float, float]  # metres, body axes, of an adult of 1.70 m standing with arms hanging


def _limbs(side: str, sign: int, arm: int, leg: int, tip: int) -> dict[int, Bone]:
    """Return the arm and the leg of one side; `arm`, `leg` and `tip` are the first joint of each."""
    hand = arm + 3
    return {
        arm: Bone(20, "chest", "width", (sign * 0.17, -0.03, 0.0)),
        arm + 1: Bone(arm, f"{side}_upper_arm", "arm", (0.0, -0.28, 0.0)),
        arm + 2: Bone(arm + 1, f"{side}_forearm", "arm", (0.0, -0.25, 0.0)),
        hand: Bone(arm + 2, f"{side}_forearm", "arm", (0.0, -0.08, 0.0)),
        tip: Bone(hand, f"{side}_forearm", "arm", (0.0, -0.08, 0.0)),
        tip + 1: Bone(arm + 2, f"{side}_forearm", "arm", (-sign * 0.02, -0.06, -0.05)),
        leg: Bone(0, "pelvis", "width", (sign * 0.085, -0.02, 0.0)),
        leg + 1: Bone(leg, f"{side}_thigh", "leg", (0.0, -0.42, 0.0)),
        leg + 2: Bone(leg + 1, f"{side}_shin", "leg", (0.0, -0.40, 0.0)),
        leg + 3: Bone(leg + 2, "pelvis", "leg", (0.0, -0.05, -0.13)),  # feet stay level
    }


# In the order of kinematics: a bone's parent comes before it.
BONES: dict[int, Bone] = {
    1: Bone(0, "waist", "trunk", (0.0, 0.30, 0.0)),
    20: Bone(1, "chest", "trunk", (0.0, 0.22, 0.0)),
    2: Bone(20, "chest", "trunk", (0.0, 0.07, 0.0)),
    3: Bone(2, "head", "trunk", (0.0, 0.14, -0.01)),
    **_limbs("left", -1, arm=4, leg=12, tip=21),
    **_limbs("right", 1, arm=8, leg=16, tip=23),
}
ANKLE_HEIGHT_M = 0.08
_SWAPPED_SIDES = [0, 1, 2, 3, *range(8, 12), *range(4, 8), *range(16, 20), *range(12, 16), 20, 23, 24, 21, 22]


@dataclass(frozen=True)
class Motion:
    """One person's movement: where the joints are, and how the bones that end in them are turned.

    A bone's own y axis points along it, as the Kinect software has it; joint 0 has the body axes.
    """

    joints: Array  # (T, V, 3) metres
    axes: Array  # (T, V, 3, 3), the columns are the bone's x, y and z axis

    def moved(self, heading: float, shift: Array) -> "Motion":
        """Turn about the vertical by `heading` degrees (to the left is positive), then shift (3,) metres."""
        turn = Rotation.from_euler("Y", heading, degrees=True).as_matrix()
        return Motion(self.joints @ turn.T + shift, turn @ self.axes)

    def mirrored(self) -> "Motion":
        """Return what a left-hander does where a right-hander did this: left and right change places."""
        flip = np.array([-1.0, 1.0, 1.0])
        joints = self.joints[:, _SWAPPED_SIDES] * flip
        return Motion(joints, self.axes[:, _SWAPPED_SIDES] * np.outer(flip, flip))


def _turn_segments(angles: Array) -> dict[str, Rotation]:
    """Return the orientation of every rigid part in body axes, T rotations each, from (T, K) angles."""
    at = dict(zip(CHANNELS, angles.T, strict=True))
    half_trunk = Rotation.from_euler("YX", np.stack([at["turn"], -at["bend"]], axis=1) / 2, degrees=True)
    chest = half_trunk * half_trunk
    segments = {
        "pelvis": Rotation.identity(len(angles)),
        "waist": half_trunk,
        "chest": chest,
        "head": chest * _pitch(-at["nod"]),
    }
    for side, sign in (("left", -1), ("right", 1)):
        arm = np.stack([at[f"{side}_raise"], sign * at[f"{side}_spread"], sign * at[f"{side}_twist"]], axis=1)
        upper_arm = chest * Rotation.from_euler("XZY", arm, degrees=True)
        segments[f"{side}_upper_arm"] = upper_arm
        segments[f"{side}_forearm"] = upper_arm * _pitch(at[f"{side}_elbow"])
        segments[f"{side}_thigh"] = _pitch(at[f"{side}_hip"])
        segments[f"{side}_shin"] = _pitch(at[f"{side}_hip"] - at[f"{side}_knee"])
    return segments


def _pitch(degrees: Array) -> Rotation:
    """Return T rotations about the x axis: what hangs down swings forward."""
    return Rotation.from_euler("X", degrees[:, None], degrees=True)


def _along(bone: Array) -> Array:
    """Return a (3, 3) frame with its y axis along `bone` (3,) and its x axis to the right, if that can be."""
    y = bone / np.linalg.norm(bone)
    z = np.cross((1.0, 0.0, 0.0), y) if abs(y[0]) < 0.9 else np.cross((0.0, 1.0, 0.0), y)
    z /= np.linalg.norm(z)
    return np.stack([np.cross(y, z), y, z], axis=1)


def pose_body(lengths: dict[str, float], angles: Array) -> Motion:
    """Return the movement of a body that stands at the origin, facing -z, its lower foot carrying it.

    Args:
        lengths: factor per proportion (`trunk`, `width`, `arm`, `leg`) on the bones of the 1.70 m adult.
        angles: (T, K) degrees in the order of `CHANNELS` (`lift` in metres).

    Returns:
        T frames; bone lengths are the same in every one.
    """
    segments = {name: turns.as_matrix() for name, turns in _turn_segments(angles).items()}
    joints = np.zeros((len(angles), NUM_JOINTS, 3))
    axes = np.tile(np.eye(3), (len(angles), NUM_JOINTS, 1, 1))
    for joint, bone in BONES.items():
        rest = np.array(bone.rest) * lengths[bone.scale]
        joints[:, joint] = joints[:, bone.parent] + segments[bone.segment] @ rest
        axes[:, joint] = segments[bone.segment] @ _along(rest)
    lift = angles[:, CHANNELS.index("lift")]
    return Motion(joints + _stand(joints, lift, ANKLE_HEIGHT_M * lengths["leg"])[:, None], axes)


def _stand(joints: Array, lift: Array, ankle_height: float) -> Array:
    """Return the (T, 3) shift of the whole body that keeps the carrying foot in its place on the floor.

    Walking, sitting down and lunging move the pelvis this way without a word about it in the choreography.
    """
    ankles = joints[:, ANKLES]  # (T, 2, 3)
    height = ankles[..., 1] - ankles[..., 1].min(axis=1, keepdims=True)
    load = np.exp(-height / 0.02)  # a foot 2 cm above the other still carries a third
    load /= load.sum(axis=1, keepdims=True)
    slip = np.diff(ankles, axis=0, prepend=ankles[:1]) * load[..., None]
    shift = -np.cumsum(slip.sum(axis=1), axis=0)
    shift[:, 1] = ankle_height + lift - ankles[..., 1].min(axis=1)
    return shift
