"""Frame sampling: which frames of a clip a network sees.

Letters: N clips, S test clips of each, L frames that the network takes, n frames that a clip has (at least 1).
Indices are int64 on the CPU; -1 stands for a frame of zeros. All of it acts before person padding, and looks at
frame counts only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.random import RandomState
from torch import Generator, Tensor

SEED = 255  # of every clip's test indices, as upstream
Share = tuple[float, float]
WHOLE: Share = (1.0, 1.0)


class Sampler(Protocol):
    """A way to pick frames."""

    @property
    def frames(self) -> int:
        """L."""

    def test(self, frames: Tensor, clips: int) -> Tensor:
        """Return the fixed indices (N, S, L) of clips with `frames` (N,) frames; a clip's do not depend on others'."""

    def draw(self, frames: Tensor, generator: Generator) -> Tensor:
        """Draw indices (N, 1, L) to train on."""


# --- uniform sampling, index by index as upstream


def uniform_indices(
    num_frames: int,
    length: int,
    num_clips: int,
    *,
    test: bool,
    state: RandomState,
    pyskl_draws: bool,
    ratio: Share = WHOLE,
) -> np.ndarray:
    """Return (S, L) indices of one clip: one frame from each of L equal pieces, looping where the clip is short.

    Args:
        num_frames: n, at least 1.
        length: L.
        num_clips: S.
        test: start short clips at fixed frames instead of random ones.
        state: is advanced exactly as the originals advance NumPy's global state.
        pyskl_draws: draw share and offset of a crop first, as PYSKL does even where `ratio` leaves nothing to draw;
            mmaction2 and PaddleVideo do not, so their indices differ for n > L.
        ratio: range of the share of the clip that is used, only with `pyskl_draws`. Of a clip at least one frame is
            used; PYSKL fails where the share is less than a frame.

    Source: Duan et al. 2022 (PYSKL), UniformSampleFrames; equal to it and to mmaction2's index by index.
    """
    picked = []
    for clip in range(num_clips):
        count, offset = num_frames, 0
        if pyskl_draws:
            share = state.rand() * (ratio[1] - ratio[0]) + ratio[0]
            count = max(1, int(share * num_frames))
            offset = state.randint(num_frames - count + 1)
        start = (clip if count < num_clips else clip * count // num_clips) if test else None
        picked.append((_one_per_piece(count, length, start, state) + offset) % num_frames)
    return np.stack(picked).astype(np.int64)


def _one_per_piece(count: int, length: int, start: int | None, state: RandomState) -> np.ndarray:
    """Return (L,) ascending indices below `count`, or beyond it if `count` < L; a missing `start` is drawn."""
    if count < length:
        return (state.randint(0, count) if start is None else start) + np.arange(length)
    if count < 2 * length:
        skipped = np.zeros(length + 1, np.int64)
        skipped[state.choice(length + 1, count - length, replace=False)] = 1
        return np.arange(length) + skipped.cumsum()[:-1]
    borders = np.arange(length + 1) * count // length
    return borders[:-1] + state.randint(np.diff(borders))


@lru_cache(maxsize=4096)
def test_table(num_frames: int, length: int, num_clips: int, *, pyskl_draws: bool, ratio: Share = WHOLE) -> Tensor:
    """Return the test indices (S, L) of every clip of `num_frames` frames: each clip is drawn with the same seed."""
    state = RandomState(SEED)
    found = uniform_indices(num_frames, length, num_clips, test=True, state=state, pyskl_draws=pyskl_draws, ratio=ratio)
    return torch.from_numpy(found)


test_table.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for a test where it is imported


# --- draws for a whole batch


def draw_crop(frames: Tensor, share: Share, generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw a contiguous piece of each clip: its first frame (N,) and its length (N,), a share uniform in `share`."""
    width = torch.rand(len(frames), generator=generator, dtype=torch.float64) * (share[1] - share[0]) + share[0]
    count = (width * frames).long().clamp(min=1)
    return _below(frames - count + 1, generator), count


def draw_uniform(frames: Tensor, length: int, generator: Generator, ratio: Share = WHOLE) -> Tensor:
    """Draw (N, L) indices with the distribution of `uniform_indices` in training, for all clips (N,) at once."""
    first, count = (each[:, None] for each in draw_crop(frames, ratio, generator))
    steps = torch.arange(length)
    looped = _below(count, generator) + steps
    rank = torch.rand(len(frames), length + 1, generator=generator).argsort(dim=1).argsort(dim=1)
    skipping = steps + (rank < count - length).long().cumsum(dim=1)[:, :-1]
    borders = torch.arange(length + 1) * count // length
    binned = borders[:, :-1] + _below(borders.diff(dim=1).clamp(min=1), generator)
    picked = torch.where(count < length, looped, torch.where(count < 2 * length, skipping, binned))
    return (first + picked) % frames[:, None]  # what loops leaves its crop, as upstream


def draw_sorted(frames: Tensor, length: int, generator: Generator) -> Tensor:
    """Draw (N, L) indices of clips (N,) with replacement, ascending."""
    return _below(frames[:, None].expand(-1, length), generator).sort(dim=1).values


def _below(limits: Tensor, generator: Generator) -> Tensor:
    """Draw an integer from 0 to below each of `limits`; float64 keeps all of them equally likely."""
    return (torch.rand(limits.shape, generator=generator, dtype=torch.float64) * limits).long()


def _by_count(frames: Tensor, indices: Callable[[int], Tensor]) -> Tensor:
    """Return (N, S, L): `indices` (S, L) of each clip's frame count, computed once per count."""
    counts, which = frames.cpu().unique(return_inverse=True)
    return torch.stack([indices(count) for count in counts.tolist()])[which]


# --- samplers; their fields are keys of the configuration


@dataclass(frozen=True)
class First:
    """The first L frames; a shorter clip is followed by zeros (PYSKL's PadTo zero; ST-GCN's arrays)."""

    frames: int

    def test(self, frames: Tensor, clips: int) -> Tensor:
        """Return the same indices for every one of `clips`."""
        steps = torch.arange(self.frames).expand(len(frames), clips, -1)
        return torch.where(steps < frames[:, None, None], steps, -1)

    def draw(self, frames: Tensor, generator: Generator) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """Return what `test` returns."""
        return self.test(frames, 1)


@dataclass(frozen=True)
class Loop:
    """The first L frames; a shorter clip is repeated (PYSKL's PadTo loop, mmaction2 0.x's PaddingWithLoop)."""

    frames: int

    def test(self, frames: Tensor, clips: int) -> Tensor:
        """Return the same indices for every one of `clips`."""
        return torch.arange(self.frames).expand(len(frames), clips, -1) % frames[:, None, None]

    def draw(self, frames: Tensor, generator: Generator) -> Tensor:  # noqa: ARG002
        """Return what `test` returns."""
        return self.test(frames, 1)


@dataclass(frozen=True)
class Uniform:
    """One random frame from each of L equal pieces, in PYSKL's order of draws; see `uniform_indices`."""

    frames: int
    ratio: Share = WHOLE  # of the clip that is used, drawn per clip

    def test(self, frames: Tensor, clips: int) -> Tensor:
        """Return PYSKL's test indices."""
        return _by_count(frames, lambda n: test_table(n, self.frames, clips, pyskl_draws=True, ratio=tuple(self.ratio)))

    def draw(self, frames: Tensor, generator: Generator) -> Tensor:
        """Draw from a crop of each clip."""
        return draw_uniform(frames, self.frames, generator, self.ratio)[:, None]


@dataclass(frozen=True)
class UniformMma:
    """`Uniform` without PYSKL's extra draws, as mmaction2 and PaddleVideo: other test indices where n > L."""

    frames: int

    def test(self, frames: Tensor, clips: int) -> Tensor:
        """Return mmaction2's test indices."""
        return _by_count(frames, lambda n: test_table(n, self.frames, clips, pyskl_draws=False))

    def draw(self, frames: Tensor, generator: Generator) -> Tensor:
        """Draw from the whole clip."""
        return draw_uniform(frames, self.frames, generator)[:, None]


@dataclass(frozen=True)
class Window:
    """L frames in a row, from anywhere in the clip; a shorter clip is padded.

    With zeros it lies anywhere among them in training, and first in the test, as with ST-GCN's `random_choose`.
    """

    frames: int
    pad: Literal["zero", "loop"] = "zero"

    def test(self, frames: Tensor, clips: int) -> Tensor:
        """Return windows at equal distances from the clip's start to its end; the middle one if S is 1."""
        room = (frames - self.frames).clamp(min=0)[:, None]
        starts = room // 2 if clips == 1 else room * torch.arange(clips) // (clips - 1)  # (N, S)
        return self._from(starts, frames)

    def draw(self, frames: Tensor, generator: Generator) -> Tensor:
        """Draw where the window begins."""
        room = frames - self.frames
        if self.pad == "zero":
            start = room.clamp(max=0) + _below(room.abs() + 1, generator)
        else:
            start = _below(torch.where(room < 0, frames, room + 1), generator)
        return self._from(start[:, None], frames)

    def _from(self, starts: Tensor, frames: Tensor) -> Tensor:
        """Return the windows (N, S, L) that begin at `starts` (N, S)."""
        steps, count = starts[:, :, None] + torch.arange(self.frames), frames[:, None, None]
        if self.pad == "loop":
            return steps % count
        return torch.where((steps >= 0) & (steps < count), steps, -1)


@dataclass(frozen=True)
class Spread:
    """L frames spread over a random crop of the clip, with repeats; in the test evenly over the whole clip.

    Source: the NW-UCLA feeder of Chen et al. 2021 (CTR-GCN), which takes the whole clip in training, too.
    """

    frames: int
    crop: Share = (0.75, 1.0)  # of the clip, drawn per clip

    def test(self, frames: Tensor, clips: int) -> Tensor:
        """Return evenly spread indices; from the second of `clips` on, seeded draws from the whole clip."""
        return _by_count(frames, lambda n: _spread_table(n, self.frames, clips))

    def draw(self, frames: Tensor, generator: Generator) -> Tensor:
        """Draw with replacement from the crop, in order."""
        first, count = draw_crop(frames, self.crop, generator)
        return (first[:, None] + draw_sorted(count, self.frames, generator))[:, None]


@lru_cache(maxsize=4096)
def _spread_table(num_frames: int, length: int, num_clips: int) -> Tensor:
    """Return (S, L); the float64 arithmetic is NumPy's, because values just below an integer are cut."""
    even = np.linspace(0, num_frames - 1, length).astype(np.int64)
    drawn = np.sort(RandomState(SEED).randint(0, num_frames, (num_clips - 1, length)), axis=1)
    return torch.from_numpy(np.concatenate((even[None], drawn)))


SAMPLERS: dict[str, type[First | Loop | Uniform | UniformMma | Window | Spread]] = {
    "first": First,
    "loop": Loop,
    "uniform": Uniform,
    "uniform_mma": UniformMma,
    "window": Window,
    "spread": Spread,
}
