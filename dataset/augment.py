"""Augmentations of training joints: what is drawn and what is done with it are separate functions.

Letters: N clips, C channels (coordinates first, then a score where there is one), T frames, V joints, M persons, A axes
(2 or 3 coordinates), P body parts.

All act after person padding and after frames are sampled, before streams are made. The originals of `RotateAxes`,
`Scale` and `Noise` act before both. What is drawn per clip gives the same either way: each person is treated alike, and
who is absent stays zero.
Joints one frame later, which motions need, get the same `drawn` as the joints themselves.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Generator, Size, Tensor

from dataset.layouts import Layout, Pair, require
from utils.errors import UserError


class Augmentation(Protocol):
    """One augmentation of a batch. Its fields are keys of the configuration, but for those in `needs`."""

    needs: ClassVar[tuple[str, ...]]  # what `make_augmentation` gets from the data: axes, frame_size, pairs, parts

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Draw what `apply` needs for joints of `shape`, on the CPU: the same numbers for any device."""

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Return the augmented joints (N, C, T, V, M)."""


def _uniform(size: tuple[int, ...], limits: float | Tensor, generator: Generator) -> Tensor:
    """Draw numbers of `size` between -`limits` and `limits`."""
    return (torch.rand(size, generator=generator) * 2 - 1) * limits


def _transform(joints: Tensor, matrices: Tensor) -> Tensor:
    """Apply (N, A, A) to the coordinates of (N, C, T, V, M); a score stays as it is."""
    axes = matrices.shape[1]
    turned = torch.einsum("nij,njtvm->nitvm", matrices.to(joints.dtype), joints[:, :axes])
    return torch.cat((turned, joints[:, axes:]), dim=1)


def _there(joints: Tensor, axes: int) -> Tensor:
    """Return which joints (N, C, T, V, M) of `axes` coordinates are there: (N, 1, T, V or 1, M), bool.

    Joints with a score are there if one of their channels is not zero. Without a score all joints of a person are, in
    each frame where one is: the joint in the origin of a centred clip is no missing one.
    """
    there = (joints != 0).any(dim=1, keepdim=True)
    return there.any(dim=3, keepdim=True) if axes == joints.shape[1] else there


def _place(joints: Tensor, coordinates: Tensor) -> Tensor:
    """Return (N, C, T, V, M) with `coordinates` (N, A, T, V, M) for whoever is there."""
    axes = coordinates.shape[1]
    placed = torch.where(_there(joints, axes), coordinates.to(joints.dtype), joints[:, :axes])
    return torch.cat((placed, joints[:, axes:]), dim=1)


# --- what follows augmentation, in the test as well


def fit_into_box(halves: Sequence[Tensor], axes: int) -> list[Tensor]:
    """Move and scale every axis of each clip so that its joints reach from -1 to 1: (N, C, T, V, M) each -> the same.

    The first of `halves` counts; the other, the same clip one frame later, follows it. Who is absent stays zero. Size
    and proportions of a body go, and with them much of what differs between cameras.

    Source: the NW-UCLA feeder of Chen et al. 2021 (CTR-GCN), which looks at the whole clip, not at the frames seen.
    """
    seen = halves[0][:, :axes]
    there = _there(halves[0], axes)
    low = torch.where(there, seen, torch.inf).amin(dim=(2, 3, 4), keepdim=True)
    high = torch.where(there, seen, -torch.inf).amax(dim=(2, 3, 4), keepdim=True)
    half = torch.where(high > low, (high - low) / 2, 1.0)
    return [_place(joints, (joints[:, :axes] - (high + low) / 2) / half) for joints in halves]


# --- turning, scaling, shearing: zeros stay zero of themselves


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
        return _uniform((shape[0],), math.radians(self.degrees), generator)

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
        return _uniform((shape[0], 3), torch.tensor(self.degrees).deg2rad(), generator)

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
        return 1 + _uniform((shape[0], self.axes), self.share, generator)

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
        return one + _uniform((shape[0], self.axes, self.axes), self.share, generator) * (1 - one)

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


# --- leaving out


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


# --- moving


@dataclass(frozen=True)
class Noise:
    """Move every joint in every frame in a random direction, by a normal share of the body's size.

    A motion's two frames get the same noise, so that motions have next to none; in the original they have both's.

    Acts after person padding: a repeated person has noise of its own; the original acts before it.

    Source: PYSKL, RandomGaussianNoise with base "frame", not shared.
    """

    sigma: float  # of the diagonal of the box around a person in a frame
    axes: int = 3
    needs: ClassVar[tuple[str, ...]] = ("axes",)

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return steps (N, A, T, V, M), in sizes of the body."""
        size = (shape[0], *shape[2:])
        lengths = torch.randn(size, generator=generator) * self.sigma
        directions = _uniform((shape[0], self.axes, *shape[2:]), 1.0, generator)
        return lengths[:, None] * torch.nn.functional.normalize(directions, dim=1)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Add `drawn` (N, A, T, V, M) times the body's size."""
        places = joints[:, : self.axes]
        extent = places.amax(dim=3, keepdim=True) - places.amin(dim=3, keepdim=True)
        return _place(joints, places + drawn * extent.norm(dim=1, keepdim=True))


@dataclass(frozen=True)
class Shift:
    """Move each clip along each axis by a distance uniform in +-`distance`, in units of the coordinates.

    Acts after person padding; zeros stay zero.

    Feeders of the field call another thing `random_shift`: putting a short clip anywhere among its padding, which here
    is the sampler `window`.
    """

    distance: float
    axes: int = 3
    needs: ClassVar[tuple[str, ...]] = ("axes",)

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return steps (N, A)."""
        return _uniform((shape[0], self.axes), self.distance, generator)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Add `drawn` (N, A)."""
        return _place(joints, joints[:, : self.axes] + drawn[:, :, None, None, None])


@dataclass(frozen=True)
class RandomMove:
    """Turn, scale and shift x and y by amounts that go in a line from one draw, in the first frame, to another.

    Acts after person padding, as the original, which moves missing joints, absent persons and padding, too, away from
    zero. Here they stay zero, unless `masked` is false. Computed in float32, the original in float64: places differ by
    less than 2e-7 of the image (measured 1.6e-7 over 300 frames).

    Source: Yan et al. 2018 (ST-GCN), `random_move`, whose number of segments is always 1.
    """

    degrees: tuple[float, ...] = (-10.0, -5.0, 0.0, 5.0, 10.0)  # each of these is as likely
    scales: tuple[float, ...] = (0.9, 1.0, 1.1)
    shifts: tuple[float, ...] = (-0.2, -0.1, 0.0, 0.1, 0.2)  # of x, and of y
    masked: bool = True  # who is missing stays zero
    axes: int = 3
    needs: ClassVar[tuple[str, ...]] = ("axes",)

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return (N, 2, 4): angle in radians, factor, steps along x and y; at the first and the last frame."""
        choices = (torch.tensor(self.degrees).deg2rad(), *map(torch.tensor, (self.scales, self.shifts, self.shifts)))
        picked = [each[torch.randint(len(each), (shape[0], 2), generator=generator)] for each in choices]
        return torch.stack(picked, dim=-1)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Move x and y by `drawn` (N, 2, 4)."""
        along = torch.linspace(0, 1, joints.shape[2], device=drawn.device, dtype=drawn.dtype)[:, None]  # (T, 1)
        angle, factor, *steps = (drawn[:, :1] + along * (drawn[:, 1:] - drawn[:, :1])).unbind(dim=-1)  # each (N, T)
        cosine, sine, step_x, step_y = (
            each[:, :, None, None] for each in (factor * angle.cos(), factor * angle.sin(), *steps)
        )
        x, y, *rest = joints[:, : self.axes].unbind(dim=1)
        moved = torch.stack((cosine * x - sine * y + step_x, sine * x + cosine * y + step_y, *rest), dim=1)
        return _place(joints, moved) if self.masked else torch.cat((moved, joints[:, self.axes :]), dim=1)


@dataclass(frozen=True)
class ScaleShift:
    """Scale each clip about the image's upper left corner and shift it by a few pixels; a share stays as it is.

    For places as shares of the image, from its middle: x / W - 0.5. Factors are whole percents in 1 +- `percent`, each
    as likely, and so are `pixels`, to the right and down. Acts after person padding; who is missing stays zero.

    Source: csv2json of the multi-branch ST-GCN for DeepLabCut (ByeByeChen), x' = (s * x + t) / W, which writes each
    recording once as it is and four times scaled and shifted, and splits afterwards: copies of training clips are
    evaluated. Here clips are drawn anew in each epoch, and only training sees them. There, missing joints move, too.
    """

    percent: int = 3
    pixels: tuple[int, ...] = (1, 2, 3)  # of x, and of y
    original: float = 0.2  # the share of clips that stay
    frame_size: tuple[int, int] | None = None  # W, H in pixels
    axes: int = 2
    needs: ClassVar[tuple[str, ...]] = ("axes", "frame_size")

    def __post_init__(self) -> None:
        if self.axes != 2:
            raise UserError("input.augment: scale_shift moves places in an image, not in space; use scale and shift")
        if self.frame_size is None:
            raise UserError(
                "input.augment: scale_shift counts in pixels; set data.frame_size: [W, H], the image's size"
            )

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return (N, 3): factor, steps along x and y as shares of the image, for places counted from its middle."""
        percents = torch.randint(-self.percent, self.percent + 1, (shape[0], 1), generator=generator)
        picks = torch.randint(len(self.pixels), (shape[0], 2), generator=generator)
        moves = torch.tensor(self.pixels)[picks] / torch.tensor(self.frame_size)
        kept = torch.rand(shape[0], 1, generator=generator) < self.original
        excess = percents / 100  # s - 1; x' + 0.5 = s (x + 0.5) + t is x' = s x + (s - 1) / 2 + t: exact for s = 1
        return torch.where(kept, torch.tensor([1.0, 0.0, 0.0]), torch.cat((1 + excess, excess / 2 + moves), dim=1))

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Move x and y by `drawn` (N, 3)."""
        factor, steps = (each[:, :, None, None, None] for each in drawn.split((1, 2), dim=1))
        return _place(joints, factor * joints[:, :2] + steps)


AUGMENTATIONS: dict[
    str,
    type[Rotate | RotateAxes | Scale | Shear | Flip | DropJoints | DropParts | Noise | Shift | RandomMove | ScaleShift],
] = {
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
