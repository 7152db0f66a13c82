"""Exact fast evaluation of networks that declare how they look at persons and at time.

Most of a padded batch is padding: NTU clips have 87 of 288 frames and 1.3 of 2 persons. What a network makes of it is
known without computing it again:

- Every absent person has the same features: computed once for each number of frames.
- Behind a person's last live frame all frames are alike, and so are their features, but within the network's temporal
  radius of the last live frame and of the end. Such frames are left out, and one that stays counts for all of them in
  the means over time. Looped clips have no such frames.
- Rows of like length go together, so that there is little padding left, and their intermediate results fit the cache.

The rest is `model.folding` and `model.shifted`. Results differ from the plain network's by float32's rounding: 1e-4,
as tests show.

Letters: N clips, I streams, C channels, T frames, V joints, M persons, K classes, R rows (a person of a clip each).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from model.folded import FoldedMultiScale
from model.folding import fold, replace
from model.layers import FrameMean
from model.shifted import ShiftedMultiScale

FRAMES_AT_ONCE = 192  # of all rows that are computed together; more would fall out of two cores' caches


class Clips(Protocol):
    """What is evaluated: a batch.

    Attributes:
        streams: (N, I, C, T, V, M).
        lengths: (N, M), frames behind which a person's streams never change again; 0 where the person is absent.
    """

    @property
    def streams(self) -> Tensor: ...
    @property
    def lengths(self) -> Tensor: ...


class Network(Protocol):
    """What a network declares and offers."""

    @property
    def persons_independent(self) -> bool: ...
    @property
    def temporal_radius(self) -> int | None: ...
    @property
    def temporal_stride(self) -> int: ...
    def __call__(self, streams: Tensor) -> Tensor: ...
    def forward_features(self, streams: Tensor) -> Tensor: ...
    def pool(self, features: Tensor) -> Tensor: ...
    def forward_head(self, features: Tensor) -> Tensor: ...


class Plain:
    """A network as it is: the pooled features and the logits of clips."""

    def __init__(self, network: nn.Module) -> None:
        self.network = cast(Network, network.eval())

    def pool(self, clips: Clips) -> Tensor:
        """Return the mean features (N, C') over frames, joints and persons."""
        return self.network.pool(self.network.forward_features(clips.streams))

    def head(self, pooled: Tensor) -> Tensor:
        """Return the logits (N, K) of mean features (N, C')."""
        return self.network.forward_head(pooled[:, :, None, None, None])

    def __call__(self, clips: Clips) -> Tensor:
        """Return the logits (N, K)."""
        return self.network(clips.streams)


def compact(network: nn.Module, frames_at_once: int = FRAMES_AT_ONCE) -> Plain:
    """Return the fastest exact way to evaluate a network with its present weights; the network stays as it is.

    After its weights have changed, call this again. Networks whose persons are not independent are evaluated plainly.

    Args:
        network: any of `model.MODELS`.
        frames_at_once: live frames of the rows that are computed together; how many are fast depends on the machine.
    """
    independent = getattr(network, "persons_independent", False)
    return Compact(network, frames_at_once) if independent else Plain(network)


@dataclass
class Omission:
    """Which frames of the rows in work are left out: `dropped` of them, from `start` on; both are whole strides.

    The frame behind them counts for them, too.
    """

    stride: int  # of the network
    frames: int = 0  # that are there
    start: int = 0
    dropped: int = 0

    def choose(self, live: int, frames: int, radius: int) -> None:
        """Leave out what can be of rows of `frames` frames that do not change from frame `live` on.

        All frames from `live + radius` to `radius` before the last are alike, in every layer. Of these the last that
        every layer has stays, and those before it go: then a layer sees constant frames on both sides of the gap.
        """
        stride = self.stride
        self.start = -(-(live + radius) // stride) * stride
        self.dropped = max((frames - 1 - radius) // stride * stride - self.start, 0)
        self.frames = frames - self.dropped

    def keep(self, x: Tensor) -> Tensor:
        """Return what stays of the frames of x (I, T, V, C)."""
        if not self.dropped:
            return x
        return torch.cat([x[:, : self.start], x[:, self.start + self.dropped :]], dim=1)

    def weights(self, x: Tensor) -> Tensor:
        """Return what every frame counts in the mean over the frames of x (N, C, T, V) in some layer: (T,)."""
        counts = x.new_ones(x.shape[2])
        if self.dropped:
            lengths = {-(-self.frames // s): s for s in range(1, self.stride + 1) if self.stride % s == 0}
            stride = lengths[len(counts)]  # where two give one length, it is 1
            counts[self.start // stride] += self.dropped // stride
        return counts / counts.sum()


class WeightedMean(nn.Module):
    """The mean over frames that counts what is left out: (N, C, T, V) -> (N, C, 1, V)."""

    def __init__(self, omission: Omission) -> None:
        super().__init__()
        self.omission = omission

    def forward(self, x: Tensor) -> Tensor:
        frames = x.permute(0, 2, 3, 1).flatten(2)  # (N, T, VC), as the memory lies
        mean = self.omission.weights(x).expand(len(x), 1, -1) @ frames
        return mean.unflatten(2, (x.shape[3], -1)).permute(0, 3, 1, 2)


class WeightedPool(WeightedMean):
    """The mean over frames and joints that counts what is left out: (N, C, T, V) -> (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean(3, keepdim=True)


class Compact(Plain):
    """A folded network that computes no person and no frame of whose features it knows already."""

    def __init__(self, network: nn.Module, frames_at_once: int = FRAMES_AT_ONCE) -> None:
        folded, declared = fold(network), cast(Network, network)  # the folded layers know nothing of their radius
        super().__init__(folded)
        self.frames_at_once, self.radius = frames_at_once, declared.temporal_radius
        self.omission = Omission(1 if self.radius is None else declared.temporal_stride)
        self.mean = WeightedPool(self.omission)
        replace(folded, lambda module: _adapt(module, self.omission))
        _quicken(folded)
        self._absent: dict[int, Tensor] = {}  # (C',) by number of frames

    def pool(self, clips: Clips) -> Tensor:
        """Return the mean features (N, C') over frames, joints and persons."""
        lengths = clips.lengths.flatten().tolist()
        rows = [row for clip in clips.streams.permute(0, 5, 1, 3, 4, 2) for row in clip]  # NM times (I, T, V, C)
        found = {row: self._features_of_absent(rows[row]) for row, length in enumerate(lengths) if not length}
        for group in _groups(lengths, self.frames_at_once):
            features = self._features([rows[row] for row in group], max(lengths[row] for row in group))
            found |= zip(group, features, strict=True)
        each = torch.stack([found[row] for row in range(len(rows))])
        return each.unflatten(0, (len(clips.streams), -1)).mean(1)

    def __call__(self, clips: Clips) -> Tensor:
        """Return the logits (N, K)."""
        return self.head(self.pool(clips))

    def _features(self, rows: list[Tensor], live: int) -> Tensor:
        """Return the mean features (R, C') of rows (I, T, V, C) that do not change from frame `live` on."""
        frames = rows[0].shape[1]
        self.omission.choose(live, frames, frames if self.radius is None else self.radius)
        streams = torch.stack([self.omission.keep(row) for row in rows])
        features = self.network.forward_features(streams.permute(0, 1, 4, 2, 3).unsqueeze(5))  # (R, C', T', V, 1)
        return self.mean(features.squeeze(4)).flatten(1)

    def _features_of_absent(self, row: Tensor) -> Tensor:
        frames = row.shape[1]
        if frames not in self._absent:
            self._absent[frames] = self._features([row], live=0)[0]
        return self._absent[frames]


def _groups(lengths: list[int], frames_at_once: int) -> Iterator[list[int]]:
    """Yield the rows that are there, in groups of like length."""
    group: list[int] = []
    for row in sorted((row for row, length in enumerate(lengths) if length), key=lambda row: lengths[row]):
        if group and (len(group) + 1) * lengths[row] > frames_at_once:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _quicken(network: nn.Module) -> None:
    """Let Python find a module's parts and parameters where it looks first: torch's way takes a microsecond each."""
    for module in network.modules():
        vars(module).update({**module._parameters, **module._buffers, **module._modules})


def _adapt(module: nn.Module, omission: Omission) -> nn.Module:
    """Have a mean over time count what is left out, and short convolutions computed as products."""
    if isinstance(module, FrameMean):
        return WeightedMean(omission)
    if isinstance(module, FoldedMultiScale):
        return ShiftedMultiScale(module)
    return WeightedPool(omission) if isinstance(module, nn.AdaptiveAvgPool2d) else module
