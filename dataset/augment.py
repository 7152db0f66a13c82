"""Augmentations of training joints: what is drawn and what is done with it are separate functions.

Letters: N clips, C channels (coordinates first, then a score where there is one), T frames, V joints, M persons, A axes
(2 or 3 coordinates).

All act after person padding and after frames are sampled, before streams are made. The originals of `RotateAxes`,
`Scale` and `Noise` act before both. What is drawn per clip gives the same either way: each person is treated alike, and
who is absent stays zero.
Joints one frame later, which motions need, get the same `drawn` as the joints themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Generator, Size, Tensor

from dataset.augment_linear import DropJoints, DropParts, Flip, Rotate, RotateAxes, Scale, Shear
from dataset.augment_moving import Noise, RandomMove, ScaleShift, Shift, place, present
from dataset.layouts import Layout, require


class Augmentation(Protocol):
    """One augmentation of a batch. Its fields are keys of the configuration, but for those in `needs`."""

    needs: ClassVar[tuple[str, ...]]  # what `make_augmentation` gets from the data: axes, frame_size, pairs, parts

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Draw what `apply` needs for joints of `shape`, on the CPU: the same numbers for any device."""

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Return the augmented joints (N, C, T, V, M)."""


AUGMENTATIONS: dict[str, type[Augmentation]] = {
    "rotate": Rotate,
    "rotate_axes": RotateAxes,
    "scale": Scale,
    "shear": Shear,
    "flip": Flip,
    "drop_joints": DropJoints,
    "drop_parts": DropParts,
    "noise": Noise,
    "shift": Shift,
    "random_move": RandomMove,
    "scale_shift": ScaleShift,
}


def make_augmentation(
    name: str, options: Mapping[str, Any], layout: Layout, axes: int, frame_size: tuple[int, int] | None = None
) -> Augmentation:
    """Return the augmentation `name` with its `options`, for joints of a layout with 2 or 3 coordinates.

    `frame_size` is the image's W, H in pixels, where the data state it.

    Raises:
        UserError: if the layout or the data lack what it needs, or it needs another number of coordinates.
    """
    kind = AUGMENTATIONS[name]
    known: dict[str, Any] = {"axes": axes, "frame_size": frame_size}
    facts = {
        key: known[key] if key in known else require(layout, key, f"the augmentation {name}") for key in kind.needs
    }
    return kind(**options, **facts)


# --- what follows augmentation, in the test as well


def fit_into_box(halves: Sequence[Tensor], axes: int) -> list[Tensor]:
    """Move and scale every axis of each clip so that its joints reach from -1 to 1: (N, C, T, V, M) each -> the same.

    The first of `halves` counts; the other, the same clip one frame later, follows it. Who is absent stays zero. Size
    and proportions of a body go, and with them much of what differs between cameras.

    Source: the NW-UCLA feeder of Chen et al. 2021 (CTR-GCN), which looks at the whole clip, not at the frames seen.
    """
    seen = halves[0][:, :axes]
    here = present(halves[0], axes)
    low = torch.where(here, seen, torch.inf).amin(dim=(2, 3, 4), keepdim=True)
    high = torch.where(here, seen, -torch.inf).amax(dim=(2, 3, 4), keepdim=True)
    half = torch.where(high > low, (high - low) / 2, 1.0)
    return [place(joints, (joints[:, :axes] - (high + low) / 2) / half) for joints in halves]
