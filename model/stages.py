"""The blocks of the ST-GCN family: their plan of channels and strides, and their residuals. Source: PYSKL 3f6795f."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from model.layers import Layer, Zero, normalised, pointwise_conv
from model.temporal_units import TemporalUnit


class Stage(NamedTuple):
    """One block of the plan."""

    number: int  # from 1
    in_channels: int
    channels: int
    stride: int  # along time


def plan_stages(
    in_channels: int,
    base_channels: int = 64,
    ratio: float = 2.0,
    stages: int = 10,
    inflate: Sequence[int] = (5, 8),
    down: Sequence[int] = (5, 8),
) -> list[Stage]:
    """Return the blocks of a network: those in `inflate` multiply channels by `ratio`, those in `down` have stride 2.

    Block 1 is left out where the input has `base_channels` already. Raises `ValueError` for a number that is no block,
    and for a block without channels.
    """
    wrong = [number for number in (*inflate, *down) if not 2 <= number <= stages]
    if wrong:
        raise ValueError(f"blocks that inflate or go down are numbered 2 to {stages}, got {wrong[0]}")
    plan, channels = [Stage(1, in_channels, base_channels, 1)], base_channels
    for number in range(2, stages + 1):
        inflations = sum(each <= number for each in inflate)
        wider = int(base_channels * ratio**inflations + 1e-4)  # upstream's rounding
        if wider < 1:
            raise ValueError(f"block {number} would have no channels: {base_channels} x {ratio:g}^{inflations}")
        plan.append(Stage(number, channels, wider, 2 if number in down else 1))
        channels = wider
    return plan[1:] if in_channels == base_channels else plan


def block_residual(stage: Stage) -> nn.Module:
    """Return the residual of a block: none in block 1, else its input, or a normalised 1x1 convolution of it."""
    if stage.number == 1:
        return Zero()
    if stage.in_channels == stage.channels and stage.stride == 1:
        return nn.Identity()
    return TemporalUnit(stage.in_channels, stage.channels, window=1, stride=stage.stride)


def graph_residual(stage: Stage) -> nn.Module:
    """Return the residual of a graph layer: its input, or a normalised 1x1 convolution of it where channels change."""
    if stage.in_channels == stage.channels:
        return nn.Identity()
    return normalised(pointwise_conv(stage.in_channels, stage.channels, bias=True))


class Block(Layer):
    """A graph layer, a temporal layer, and a residual around both: (N, C, T, V) -> (N, C', T/s, V)."""

    keys = ("gcn", "tcn")  # of the two layers

    def __init__(self, stage: Stage, graph: nn.Module, temporal: Layer) -> None:
        super().__init__()
        for key, layer in zip(self.keys, (graph, temporal), strict=True):
            self.add_module(key, layer)
        self.residual = block_residual(stage)
        self.activation = nn.ReLU()
        self.stride, self.radius = temporal.stride, temporal.radius

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for key in self.keys:
            y = getattr(self, key)(y)
        return self.activation(y + self.residual(x))


class AgcnBlock(Block):
    """The same block under the key names of 2s-AGCN and CTR-GCN."""

    keys = ("gcn1", "tcn1")
