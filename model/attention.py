"""Attention layers: (N, C, T, V) -> the same shape, with joints, frames, channels or body parts weighted.

Attribute names are the key names of the published checkpoints. Source: Song et al. 2022 (EfficientGCN).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.layers import FrameMean, JointMean, Layer, pointwise_conv, reduced

CHANNEL_REDUCTION = 4  # of the channel attention, whatever the config's reduct_ratio
FRAME_WINDOW = 9  # frames that the frame attention looks at


@dataclass(frozen=True)
class AttentionOptions:
    """What the attentions of one network share; each type reads what concerns it."""

    num_joints: int  # V
    parts: Sequence[Sequence[int]] | None  # joints of every body part; needed by "pa" only
    reduct_ratio: int  # stja and pa: inner channels = C // ratio
    bias: bool


class Attention(Layer):
    """Weights for the input, of a shape that broadcasts to (N, C, T, V)."""

    def __init__(self, channels: int, options: AttentionOptions) -> None:  # noqa: ARG002 - the common signature
        super().__init__()


class JointFrameAttention(Attention):
    """stja: one weight per joint and one per frame and channel, from shared inner channels, multiplied."""

    def __init__(self, channels: int, options: AttentionOptions) -> None:
        super().__init__(channels, options)
        inner = reduced(channels, options.reduct_ratio)
        self.fcn = nn.Sequential(
            pointwise_conv(channels, inner, bias=options.bias), nn.BatchNorm2d(inner), nn.Hardswish()
        )
        self.conv_t = pointwise_conv(inner, channels, bias=True)
        self.conv_v = pointwise_conv(inner, channels, bias=True)
        self.over_frames, self.over_joints = FrameMean(), JointMean()

    def forward(self, x: Tensor) -> Tensor:
        frames = self.over_joints(x)  # (N, C, T, 1)
        joints = self.over_frames(x).transpose(2, 3)  # (N, C, V, 1)
        inner = self.fcn(torch.cat([frames, joints], dim=2))  # (N, C/r, T + V, 1)
        frames, joints = inner.split([x.shape[2], x.shape[3]], dim=2)
        joints = joints.transpose(2, 3)  # (N, C/r, 1, V)
        return self.conv_t(frames).sigmoid() * self.conv_v(joints).sigmoid()  # (N, C, T, V)


class PartAttention(Attention):
    """pa: one weight per channel and body part, from the mean of the clip; softmax over the parts."""

    def __init__(self, channels: int, options: AttentionOptions) -> None:
        super().__init__(channels, options)
        if options.parts is None:
            raise ValueError("attention 'pa' weighs body parts, and this skeleton layout names none")
        inner, self.num_parts = reduced(channels, options.reduct_ratio), len(options.parts)
        self.joints = nn.Parameter(part_of_joints(options.parts), requires_grad=False)  # (V,) part of each joint
        self.fcn = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            pointwise_conv(channels, inner, bias=options.bias),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            pointwise_conv(inner, channels * self.num_parts, bias=options.bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        weight = self.fcn(x).flatten(1).unflatten(1, (-1, 1, self.num_parts))  # (N, C, 1, P)
        return weight.softmax(3).index_select(3, self.joints)  # (N, C, 1, V)


class ChannelAttention(Attention):
    """ca: one weight per channel, from the mean of the clip (squeeze and excitation)."""

    def __init__(self, channels: int, options: AttentionOptions) -> None:
        super().__init__(channels, options)
        inner = reduced(channels, CHANNEL_REDUCTION)
        self.fcn = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            pointwise_conv(channels, inner, bias=True),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            pointwise_conv(inner, channels, bias=True),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.fcn(x)  # (N, C, 1, 1)


class FrameAttention(Attention):
    """fa: one weight per frame, from the mean and the maximum of the frames around it; not squashed."""

    radius = FRAME_WINDOW // 2

    def __init__(self, channels: int, options: AttentionOptions) -> None:
        super().__init__(channels, options)
        self.conv = nn.Conv2d(2, 1, kernel_size=(FRAME_WINDOW, 1), padding=(FRAME_WINDOW // 2, 0))

    def forward(self, x: Tensor) -> Tensor:
        summary = torch.stack([x.mean((1, 3)), x.amax((1, 3))], dim=1)  # (N, 2, T)
        return self.conv(summary.unsqueeze(3))  # (N, 1, T, 1)


class JointAttention(Attention):
    """ja: one weight per joint, from its mean over channels and frames; softmax over the joints."""

    def __init__(self, channels: int, options: AttentionOptions) -> None:
        super().__init__(channels, options)
        num_joints, inner = options.num_joints, options.num_joints // 2
        self.fcn = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            pointwise_conv(num_joints, inner, bias=True),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            pointwise_conv(inner, num_joints, bias=True),
            nn.Softmax(dim=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.fcn(x.transpose(1, 3)).transpose(1, 3)  # (N, 1, 1, V)


def part_of_joints(parts: Sequence[Sequence[int]]) -> Tensor:
    """Return the (V,) int64 index of the part that each joint belongs to."""
    part_of = {joint: part for part, joints in enumerate(parts) for joint in joints}
    return torch.tensor([part_of[joint] for joint in range(len(part_of))])


ATTENTIONS: dict[str, type[Attention] | None] = {
    "stja": JointFrameAttention,
    "pa": PartAttention,
    "ca": ChannelAttention,
    "fa": FrameAttention,
    "ja": JointAttention,
    "none": None,  # the layer is left out
}


class AttentionLayer(Layer):
    """The input weighted and normalised, plus the input, activated."""

    def __init__(self, channels: int, attention: Attention, activation: nn.Module) -> None:
        super().__init__()
        self.att = attention
        self.bn = nn.BatchNorm2d(channels)
        self.activation = activation
        self.radius = attention.radius

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.bn(x * self.att(x)) + x)
