"""Augmentations of training joints: what is drawn and what is done with it are separate functions.

Letters: N clips, C channels (x, y, z first), T frames, V joints, M persons.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Size, Tensor


class Augmentation(Protocol):
    """One augmentation of a batch."""

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Draw what `apply` needs for joints of `shape`, on the CPU: the same numbers for any device."""

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Return the augmented joints (N, C, T, V, M)."""


@dataclass(frozen=True)
class Rotate:
    """Turn each clip about the vertical axis (y), by an angle uniform in +-`degrees`."""

    degrees: float

    def draw(self, shape: Size, generator: Generator) -> Tensor:
        """Return angles (N,), radians."""
        return (torch.rand(shape[0], generator=generator) * 2 - 1) * math.radians(self.degrees)

    def apply(self, joints: Tensor, drawn: Tensor) -> Tensor:
        """Turn (N, 3, T, V, M) by `drawn` (N,); zeros stay zero."""
        cosine, sine = (each[:, None, None, None] for each in (drawn.cos(), drawn.sin()))
        x, y, z = joints.unbind(dim=1)
        return torch.stack((cosine * x + sine * z, y, cosine * z - sine * x), dim=1)


AUGMENTATIONS: dict[str, type[Rotate]] = {"rotate": Rotate}
