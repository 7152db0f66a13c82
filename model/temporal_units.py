"""Temporal layers of the ST-GCN family: (N, C, T, V) -> (N, C', T/s, V), with PYSKL's key names (3f6795f)."""

import torch
from torch import Tensor, nn

from model.layers import Layer, pointwise_conv, reduced, temporal_conv

WINDOW = 9  # frames of the plain temporal convolution
MULTISCALE_WINDOW = 3  # frames of every branch of the multi-scale one
DILATIONS = (1, 2, 3, 4)


class TemporalUnit(Layer):
    """unit_tcn: convolution over `window` frames, normalisation, dropout; no activation."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        window: int = WINDOW,
        stride: int = 1,
        dilation: int = 1,
        drop_prob: float = 0.0,
    ) -> None:
        super().__init__()
        self.stride, self.radius = stride, window // 2 * dilation
        self.conv = temporal_conv(in_channels, channels, window, stride=stride, dilation=dilation)
        self.bn = nn.BatchNorm2d(channels)
        self.drop = nn.Dropout(drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.bn(self.conv(x)))


class MultiScaleTemporal(Layer):
    """mstcn: six branches that look over different spans, joined, mixed and normalised; no activation at the end.

    Branches 0 to 3 are convolutions of dilation 1 to 4, branch 4 a maximum over 3 frames, branch 5 one frame alone.
    Branch 0 takes what is left of the channels when they do not divide by six.
    """

    def __init__(self, in_channels: int, channels: int, *, stride: int = 1, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.stride, self.radius = stride, max(DILATIONS)
        self.widths = divide(channels, len(DILATIONS) + 2)
        ends: list[nn.Module] = [DilatedConv(w, d, stride) for w, d in zip(self.widths, DILATIONS, strict=False)]
        ends.append(nn.MaxPool2d(kernel_size=(3, 1), stride=(stride, 1), padding=(1, 0)))
        branches: list[nn.Module] = [
            nn.Sequential(pointwise_conv(in_channels, width, bias=True), nn.BatchNorm2d(width), nn.ReLU(), end)
            for width, end in zip(self.widths, ends, strict=False)
        ]
        branches.append(pointwise_conv(in_channels, self.widths[-1], bias=True, stride=stride))
        self.branches = nn.ModuleList(branches)
        mix = pointwise_conv(channels, channels, bias=True)
        self.transform = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), mix)
        self.bn = nn.BatchNorm2d(channels)
        self.drop = nn.Dropout(drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([branch(x) for branch in self.branches], dim=1)
        return self.drop(self.bn(self.transform(x)))


class DilatedConv(nn.Module):
    """The convolution of one branch, without normalisation; a module of its own for the sake of its key."""

    def __init__(self, channels: int, dilation: int, stride: int) -> None:
        super().__init__()
        self.conv = temporal_conv(channels, channels, MULTISCALE_WINDOW, stride=stride, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def divide(channels: int, count: int) -> list[int]:
    """Return the widths of `count` branches: equal, and the first with the remainder; ValueError if one is 0."""
    width = reduced(channels, count)
    return [channels - width * (count - 1), *[width] * (count - 1)]


TEMPORAL_UNITS: dict[str, type[TemporalUnit] | type[MultiScaleTemporal]] = {
    "unit": TemporalUnit,
    "multiscale": MultiScaleTemporal,
}
