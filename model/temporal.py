"""Temporal layers, chains of convolutions over the frames of every joint: (N, C, T, V) -> (N, C, T/s, V).

Attribute names are the key names of the published checkpoints.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from model.layers import Layer, Zero, normalised, pointwise_conv, reduced, temporal_conv


@dataclass(frozen=True)
class TemporalOptions:
    """What the temporal layers of one network share; each type reads what concerns it."""

    window: int  # frames under one convolution, odd
    activation: type[nn.Module]
    expand_ratio: int  # Sep: inner channels = C * ratio; 0 leaves out the expansion
    reduct_ratio: int  # Bottleneck and SG: inner channels = C // ratio
    bias: bool
    residual: bool


class TemporalLayer(Layer):
    """A temporal layer's stride, radius and residual.

    Args:
        channels: C.
        stride: s, in frames.
        options: shared by all temporal layers of the network.
    """

    num_windows = 1  # convolutions over time, one after the other, none of them after the stride

    def __init__(self, channels: int, stride: int, options: TemporalOptions) -> None:
        super().__init__()
        self.num_channels = channels
        self.stride = stride
        self.radius = self.num_windows * (options.window // 2)  # frames seen to either side
        self.activation = options.activation()

    def make_residual(self, options: TemporalOptions) -> nn.Module:
        """Return the module to add to the output: nothing, the input, or the input at the layer's stride."""
        if not options.residual:
            return Zero()
        if self.stride == 1:
            return nn.Identity()
        channels = self.num_channels
        return normalised(pointwise_conv(channels, channels, bias=options.bias, stride=self.stride))


class TemporalConv(TemporalLayer):
    """Basic: one full convolution."""

    def __init__(self, channels: int, stride: int, options: TemporalOptions) -> None:
        super().__init__(channels, stride, options)
        self.conv = temporal_conv(channels, channels, options.window, stride=stride, bias=options.bias)
        self.bn = nn.BatchNorm2d(channels)
        self.residual = self.make_residual(options)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.bn(self.conv(x)) + self.residual(x))


class TemporalBottleneck(TemporalLayer):
    """Bottleneck: a full convolution on C // reduct_ratio channels."""

    def __init__(self, channels: int, stride: int, options: TemporalOptions) -> None:
        super().__init__(channels, stride, options)
        inner, bias = reduced(channels, options.reduct_ratio), options.bias
        self.reduct_conv = normalised(pointwise_conv(channels, inner, bias=bias))
        self.conv = normalised(temporal_conv(inner, inner, options.window, stride=stride, bias=bias))
        self.expand_conv = normalised(pointwise_conv(inner, channels, bias=bias))
        self.residual = self.make_residual(options)

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.reduct_conv(x))
        y = self.activation(self.conv(y))
        return self.activation(self.expand_conv(y) + self.residual(x))


class TemporalSeparable(TemporalLayer):
    """Sep: a depthwise convolution on C * expand_ratio channels, "EpSep" in the paper.

    No activation follows the sum.
    """

    def __init__(self, channels: int, stride: int, options: TemporalOptions) -> None:
        super().__init__(channels, stride, options)
        inner, bias = channels * (options.expand_ratio or 1), options.bias
        self.expand_conv = None
        if options.expand_ratio > 0:
            self.expand_conv = normalised(pointwise_conv(channels, inner, bias=bias))
        self.depth_conv = normalised(
            temporal_conv(inner, inner, options.window, stride=stride, groups=inner, bias=bias)
        )
        self.point_conv = normalised(pointwise_conv(inner, channels, bias=bias))
        self.residual = self.make_residual(options)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand_conv is None else self.activation(self.expand_conv(x))
        y = self.activation(self.depth_conv(y))
        return self.point_conv(y) + self.residual(x)


class TemporalSandGlass(TemporalLayer):
    """SG: two depthwise convolutions around a bottleneck of C // reduct_ratio channels (sandglass).

    No activation follows the sum, nor the narrow end of the bottleneck.
    """

    num_windows = 2

    def __init__(self, channels: int, stride: int, options: TemporalOptions) -> None:
        super().__init__(channels, stride, options)
        inner, bias, window = reduced(channels, options.reduct_ratio), options.bias, options.window
        self.depth_conv1 = normalised(temporal_conv(channels, channels, window, stride=1, groups=channels, bias=bias))
        self.point_conv1 = normalised(pointwise_conv(channels, inner, bias=bias))
        self.point_conv2 = normalised(pointwise_conv(inner, channels, bias=bias))
        self.depth_conv2 = normalised(
            temporal_conv(channels, channels, window, stride=stride, groups=channels, bias=bias)
        )
        self.residual = self.make_residual(options)

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.depth_conv1(x))
        y = self.activation(self.point_conv2(self.point_conv1(y)))
        return self.depth_conv2(y) + self.residual(x)


TEMPORAL_LAYERS: dict[str, type[TemporalLayer]] = {
    "Basic": TemporalConv,
    "Bottleneck": TemporalBottleneck,
    "Sep": TemporalSeparable,
    "SG": TemporalSandGlass,
}
