"""Pieces that several layers use: activations by name, convolutions with their normalisation, residuals."""

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hswish": nn.Hardswish,  # x * relu6(x + 3) / 6
    "swish": nn.SiLU,  # x * sigmoid(x)
}


class Layer(nn.Module):
    """A module (N, C, T, V) -> (N, C', T/s, V) that knows how it looks along time."""

    stride = 1  # s, in frames of its input
    radius = 0  # frames of its input that one frame of its output sees to either side


class Reach(NamedTuple):
    """How layers look along time, in frames of the input of the first."""

    radius: int  # frames that one frame of the output sees to either side, means over all frames aside
    stride: int  # frames between two frames of the output


def reach(layers: Iterable[nn.Module]) -> Reach:
    """Return the reach of layers that follow one another; modules that are no `Layer` look at one frame."""
    radius, stride = 0, 1
    for layer in layers:
        if isinstance(layer, Layer):
            radius += layer.radius * stride
            stride *= layer.stride
    return Reach(radius, stride)


class FrameMean(nn.Module):
    """The mean over the frames: (N, C, T, V) -> (N, C, 1, V). A module, so that frames can be left out and weighted."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(2, keepdim=True)


class JointMean(nn.Module):
    """The mean over the joints: (N, C, T, V) -> (N, C, T, 1). A module, so that memory of another order can be used."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(3, keepdim=True)


class Zero(nn.Module):
    """The residual of a layer that has none."""

    def forward(self, x: Tensor) -> float:  # noqa: ARG002 - called like any other residual
        return 0.0


class PointwiseConv(nn.Conv2d):
    """A 1x1 convolution of every s-th frame: (N, C, T, V) -> (N, C', T/s, V).

    The frames are taken first: with a stride of its own, torch 2.13 on a CPU ends the process (oneDNN, backwards) where
    channels come last and are fewer than 16.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, stride: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1, bias=bias)
        self.every = stride

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :, :: self.every])


def pointwise_conv(in_channels: int, out_channels: int, *, bias: bool, stride: int = 1) -> nn.Conv2d:
    """Return a 1x1 convolution: (N, C, T, V) -> (N, C', T/s, V)."""
    return PointwiseConv(in_channels, out_channels, bias=bias, stride=stride)


def temporal_conv(
    in_channels: int,
    channels: int,
    window: int,
    *,
    stride: int,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
) -> nn.Conv2d:
    """Return a convolution over `window` frames, padded at both ends: (N, C, T, V) -> (N, C', T/s, V)."""
    if window == groups == 1:
        return pointwise_conv(in_channels, channels, bias=bias, stride=stride)
    return nn.Conv2d(
        in_channels,
        channels,
        kernel_size=(window, 1),
        stride=(stride, 1),
        padding=(window // 2 * dilation, 0),
        dilation=(dilation, 1),
        groups=groups,
        bias=bias,
    )


def normalised(conv: nn.Conv2d) -> nn.Sequential:
    """Return `conv` followed by the normalisation of its output; their keys are `0` and `1`."""
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))


def reduced(channels: int, ratio: int) -> int:
    """Return the inner channels of a bottleneck; ValueError if there would be none."""
    if channels < ratio:
        raise ValueError(f"{channels} channels cannot be reduced {ratio} times")
    return channels // ratio
