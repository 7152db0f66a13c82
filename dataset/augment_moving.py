"""Augmentations that add to places: who is missing is zero, and has to be kept there.

Letters: N clips, C channels (coordinates first, then a score where there is one), T frames, V joints, M persons, A axes
(2 or 3 coordinates).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Size, Tensor

from dataset.augment_linear import uniform
from utils.errors import UserError


def present(joints: Tensor, axes: int) -> Tensor:
    """Return which joints (N, C, T, V, M) of `axes` coordinates are there: (N, 1, T, V or 1, M), bool.

    Joints with a score are there if one of their channels is not zero. Without a score all joints of a person are, in
    each frame where one is: the joint in the origin of a centred clip is no missing one.
    """
    nonzero = (joints != 0).any(dim=1, keepdim=True)
    return nonzero.any(dim=3, keepdim=True) if axes == joints.shape[1] else nonzero


def place(joints: Tensor, coordinates: Tensor) -> Tensor:
    """Return (N, C, T, V, M) with `coordinates` (N, A, T, V, M) for whoever is there."""
    axes = coordinates.shape[1]
    placed = torch.where(present(joints, axes), coordinates.to(joints.dtype), joints[:, :axes])
    return torch.cat((placed, joints[:, axes:]), dim=1)


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
        directions = uniform((shape[0], self.axes, *shape[2:]), 1.0, generator)
        return lengths[:, None] * torch.nn.functional.normalize(directions, dim=1)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Add `drawn` (N, A, T, V, M) times the body's size."""
        places = joints[:, : self.axes]
        extent = places.amax(dim=3, keepdim=True) - places.amin(dim=3, keepdim=True)
        return place(joints, places + drawn * extent.norm(dim=1, keepdim=True))


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
        return uniform((shape[0], self.axes), self.distance, generator)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Add `drawn` (N, A)."""
        return place(joints, joints[:, : self.axes] + drawn[:, :, None, None, None])


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
        return place(joints, moved) if self.masked else torch.cat((moved, joints[:, self.axes :]), dim=1)


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
        return place(joints, factor * joints[:, :2] + steps)
