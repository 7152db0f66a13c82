"""Augmentations that are linear maps of a clip: turn, stretch, slant, mirror, leave out; zeros stay zero of themselves.

Letters: N clips, C channels (coordinates first, then a score where there is one), T frames, V joints, M persons, A axes
(2 or 3 coordinates), P body parts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Size, Tensor

from dataset.layouts import Pair
from utils.errors import UserError


def uniform(size: tuple[int, ...], limits: float | Tensor, generator: Generator) -> Tensor:
    """Draw numbers of `size` between -`limits` and `limits`."""
    return (torch.rand(size, generator=generator) * 2 - 1) * limits


def _transform(joints: Tensor, matrices: Tensor) -> Tensor:
    """Apply (N, A, A) to the coordinates of (N, C, T, V, M); a score stays as it is."""
    axes = matrices.shape[1]
    turned = torch.einsum("nij,njtvm->nitvm", matrices.to(joints.dtype), joints[:, :axes])
    return torch.cat((turned, joints[:, axes:]), dim=1)


@dataclass(frozen=True)
class Rotate:
    """Turn each clip about the vertical axis (y), by an angle uniform in +-`degrees`; after person padding."""

    degrees: float
    axes: int = 3
    needs: ClassVar[tuple[str, ...]] = ("axes",)

    def __post_init__(self) -> None:
        if self.axes != 3:
            raise UserError("input.augment: rotate turns about the vertical axis, out of the image; use rotate_axes")

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return angles (N,), radians."""
        return uniform((shape[0],), math.radians(self.degrees), generator)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Turn (N, 3, T, V, M) by `drawn` (N,); zeros stay zero."""
        cosine, sine = (each[:, None, None, None] for each in (drawn.cos(), drawn.sin()))
        x, y, z = joints.unbind(dim=1)
        return torch.stack((cosine * x + sine * z, y, cosine * z - sine * x), dim=1)


@dataclass(frozen=True)
class RotateAxes:
    """Turn each clip about x, y and z in `order`, by angles uniform in +-`degrees` of each; 2D by the third, about 0.

    Acts after person padding, the original before it, with the same result. PYSKL's theta 0.3 is 17.19 degrees. Its 2D
    angle is drawn from -theta to 1, whatever theta is: a slip, which is not repeated here.

    Source: Duan et al. 2022 (PYSKL), RandomRot; order "yx" and degrees [60, 60, 0]: CTR-GCN on NW-UCLA.
    """

    degrees: tuple[float, float, float]  # about x, y, z
    order: Literal["xyz", "yx"] = "xyz"
    axes: int = 3
    needs: ClassVar[tuple[str, ...]] = ("axes",)

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return angles (N, 3), radians."""
        return uniform((shape[0], 3), torch.tensor(self.degrees).deg2rad(), generator)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Turn coordinates by `drawn` (N, 3)."""
        if self.axes == 2:
            return _transform(joints, _turn(-drawn[:, 2], 0, 1, size=2))
        planes = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}
        whole = torch.eye(3, device=drawn.device, dtype=drawn.dtype)
        for axis in self.order:
            whole = _turn(drawn[:, "xyz".index(axis)], *planes[axis], size=3) @ whole
        return _transform(joints, whole)


def _turn(angles: Tensor, first: int, second: int, size: int) -> Tensor:
    """Return (N, size, size) rotations from axis `second` towards axis `first`."""
    matrices = torch.eye(size, device=angles.device, dtype=angles.dtype).repeat(len(angles), 1, 1)
    matrices[:, first, first] = matrices[:, second, second] = angles.cos()
    matrices[:, first, second], matrices[:, second, first] = angles.sin(), -angles.sin()
    return matrices


@dataclass(frozen=True)
class Scale:
    """Stretch each clip along each axis by a factor uniform in 1 +- `share`.

    Acts after person padding, the original before it, with the same result. Source: PYSKL, RandomScale.
    """

    share: float
    axes: int = 3
    needs: ClassVar[tuple[str, ...]] = ("axes",)

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return factors (N, A)."""
        return 1 + uniform((shape[0], self.axes), self.share, generator)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Multiply coordinates by `drawn` (N, A)."""
        return _transform(joints, torch.diag_embed(drawn))


@dataclass(frozen=True)
class Shear:
    """Slant each clip: to each coordinate add the others times factors uniform in +-`share`.

    Acts after person padding. Source: Rao et al. 2021 (AS-CAL).
    """

    share: float
    axes: int = 3
    needs: ClassVar[tuple[str, ...]] = ("axes",)

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return matrices (N, A, A), 1 on the diagonal."""
        one = torch.eye(self.axes)
        return one + uniform((shape[0], self.axes, self.axes), self.share, generator) * (1 - one)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Apply `drawn` (N, A, A) to coordinates."""
        return _transform(joints, drawn)


@dataclass(frozen=True)
class Flip:
    """Mirror clips with a `probability`: left joints become right ones, and x changes its sign.

    Acts after person padding. The origin has to be in the middle: for metres, or image coordinates that are normalised.
    """

    probability: float
    pairs: tuple[Pair, ...] = ()
    needs: ClassVar[tuple[str, ...]] = ("pairs",)

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return (N,) bool."""
        return torch.rand(shape[0], generator=generator) < self.probability

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Mirror the clips that `drawn` (N,) marks."""
        order = list(range(joints.shape[3]))
        for left, right in self.pairs:
            order[left], order[right] = right, left
        mirrored = joints[:, :, :, order]
        mirrored[:, 0] *= -1
        return torch.where(drawn[:, None, None, None, None], mirrored, joints)


@dataclass(frozen=True)
class DropJoints:
    """Zero each joint of each person for the whole clip, with a `probability`, score included.

    Acts after person padding: a repeated person has draws of its own. `Shift`, `Noise` and `RandomMove` come before it:
    without a score they take a zero for a place.
    """

    probability: float
    needs: ClassVar[tuple[str, ...]] = ()

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return (N, V, M) bool: whether a joint is kept."""
        return torch.rand(shape[0], *shape[3:], generator=generator) >= self.probability

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Zero what `drawn` (N, V, M) does not keep."""
        return torch.where(drawn[:, None, None], joints, 0)


@dataclass(frozen=True)
class DropParts:
    """Zero body parts of a person for the whole clip, with a `probability`; after person padding, as `DropJoints`."""

    probability: float
    parts: Mapping[str, tuple[int, ...]]
    needs: ClassVar[tuple[str, ...]] = ("parts",)

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return (N, P, M) bool: whether a part is kept."""
        return torch.rand(shape[0], len(self.parts), shape[4], generator=generator) >= self.probability

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Zero what `drawn` (N, P, M) does not keep."""
        part_of = {joint: p for p, part in enumerate(self.parts.values()) for joint in part}
        kept = drawn[:, [part_of[joint] for joint in range(joints.shape[3])]]  # (N, V, M)
        return torch.where(kept[:, None, None], joints, 0)
