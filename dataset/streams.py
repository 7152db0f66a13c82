"""Input streams: what a network sees of the joints. Pure, batched, on the device of its input.

Letters: N clips, I streams, C channels, T frames, V joints, M persons; coordinates in metres.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

CHANNELS = 6  # of every stream
EPSILON = 1e-4  # metres, added to a bone's length


def joint(joints: Tensor, centre: int, parents: Tensor) -> Tensor:  # noqa: ARG001 - all streams share a signature
    """Return positions, and positions relative to joint `centre`: (N, 3, T, V, M) -> (N, 6, T, V, M)."""
    return torch.cat((joints, joints - joints[:, :, :, centre, None]), dim=1)


def velocity(joints: Tensor, centre: int, parents: Tensor) -> Tensor:  # noqa: ARG001
    """Return the steps to the next frame and the one after it: (N, 3, T, V, M) -> (N, 6, T, V, M).

    Both are 0 in the last two frames. Behind a clip's end there is one jump to the zeros of the padding.
    """
    steps = joints.new_zeros(joints.shape[0], 6, *joints.shape[2:])
    steps[:, :3, :-2] = joints[:, :, 1:-1] - joints[:, :, :-2]
    steps[:, 3:, :-2] = joints[:, :, 2:] - joints[:, :, :-2]
    return steps


def bone(joints: Tensor, centre: int, parents: Tensor) -> Tensor:  # noqa: ARG001
    """Return vectors from the parents, and their angles to the axes: (N, 3, T, V, M) -> (N, 6, T, V, M).

    Angles are computed in float64, in radians. A bone of length 0 (the root's; padding; an absent person) has angles
    pi/2, as in the original, whose weights expect it.
    """
    bones = joints - joints[:, :, :, parents]
    wide = bones.double()
    length = (wide[:, 0] ** 2 + wide[:, 1] ** 2 + wide[:, 2] ** 2).sqrt() + EPSILON  # (N, T, V, M)
    return torch.cat((bones, torch.arccos(wide / length[:, None]).to(bones.dtype)), dim=1)


STREAMS: dict[str, Callable[[Tensor, int, Tensor], Tensor]] = {"J": joint, "V": velocity, "B": bone}


def build_streams(joints: Tensor, letters: Sequence[str], centre: int, parents: Tensor) -> Tensor:
    """Stack streams in the order of `letters`: (N, 3, T, V, M) -> (N, I, 6, T, V, M) float32.

    Args:
        joints: at least 3 frames.
        letters: keys of `STREAMS`.
        centre: the joint that J is relative to.
        parents: (V,) int64, the joint that each bone starts from.

    Source: Song et al. 2022 (EfficientGCN), input branches; equal to the original's feeder to the bit.
    """
    return torch.stack([STREAMS[letter](joints, centre, parents) for letter in letters], dim=1)
