"""Layers of a folded network, and the weights that they are made with; see `model.folding`.

Rows (N, C, T, V) lie in channels-last memory: the channels of a joint together, then the joints of a frame. There,
every graph convolution is two matrix products, between which nothing has to be copied.
"""

import copy
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from model.attention import AttentionLayer
from model.layers import PointwiseConv, Zero, pointwise_conv
from model.temporal_units import MultiScaleTemporal


class FoldedGraph(nn.Module):
    """A graph layer with its normalisation, residual and activation: (N, C, T, V) -> (N, C', T, V), channels last.

    Args:
        weight: (H, C', C), one matrix per hop.
        constant: (V, C'), to be added.
        adjacency: (H, V, V).
        residual: of the layer, folded.
        activation: of the layer.
    """

    def __init__(
        self, weight: Tensor, constant: Tensor, adjacency: Tensor, residual: nn.Module, activation: nn.Module
    ) -> None:
        super().__init__()
        self.residual, self.activation = residual, overwriting(activation)
        self.constant = nn.Parameter(constant, requires_grad=False)
        self.mix, self.adjacency = (
            nn.Parameter(each.contiguous(), requires_grad=False) for each in self.ordered(weight, adjacency)
        )

    def ordered(self, weight: Tensor, adjacency: Tensor) -> tuple[Tensor, Tensor]:
        """Return both as `gather` multiplies them."""
        raise NotImplementedError

    def gather(self, frames: Tensor, start: Tensor) -> Tensor:
        """Return `start` (NT, V, C'), overwritten, plus the convolution of `frames` (NT, V, C)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.residual, Zero):
            start = self.constant.repeat(x.shape[0] * x.shape[2], 1, 1)
        else:
            start = _frames(self.residual(x)) + self.constant
        y = self.activation(self.gather(_frames(x), start))
        return y.unflatten(0, (x.shape[0], -1)).permute(0, 3, 1, 2)


class MixThenSum(FoldedGraph):
    """First the channels, then the joints: cheaper unless there are far fewer channels before than after."""

    def ordered(self, weight: Tensor, adjacency: Tensor) -> tuple[Tensor, Tensor]:
        return weight.flatten(0, 1).T, adjacency.permute(2, 1, 0).flatten(1)  # (C, HC'), (V, VH)

    def gather(self, frames: Tensor, start: Tensor) -> Tensor:
        mixed = (frames.flatten(0, 1) @ self.mix).view(frames.shape[0], self.adjacency.shape[1], -1)  # (NT, VH, C')
        return start.baddbmm_(self.adjacency.expand(frames.shape[0], -1, -1), mixed)


class SumThenMix(FoldedGraph):
    """First the joints, then the channels."""

    def ordered(self, weight: Tensor, adjacency: Tensor) -> tuple[Tensor, Tensor]:
        return weight.mT.flatten(0, 1), adjacency.permute(2, 0, 1).flatten(0, 1)  # (HC, C'), (VH, V)

    def gather(self, frames: Tensor, start: Tensor) -> Tensor:
        summed = torch.bmm(self.adjacency.expand(frames.shape[0], -1, -1), frames).view(-1, len(self.mix))  # (NTV, HC)
        return start.flatten(0, 1).addmm_(summed, self.mix).view(start.shape)


class FoldedAttention(nn.Module):
    """The input weighted and normalised, plus the input, activated: x (1 + scale * weights) + shift."""

    def __init__(self, layer: AttentionLayer) -> None:
        super().__init__()
        self.att, self.activation = layer.att, overwriting(layer.activation)
        self.scale, self.shift = map(_factor, affine(layer.bn))

    def forward(self, x: Tensor) -> Tensor:
        weights = self.att(x) * self.scale
        return self.activation(torch.addcmul(self.shift, x, weights.add_(1)))


class Mix(nn.Module):
    """A 1x1 convolution of every s-th frame as one matrix product: (N, C, T, V) -> (N, C', T/s, V), channels last."""

    def __init__(self, conv: PointwiseConv) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.flatten(1).T, requires_grad=False)  # (C, C')
        self.bias = nn.Parameter(bias_of(conv), requires_grad=False)
        self.every = conv.every

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.every].permute(0, 2, 3, 1)  # (N, T, V, C)
        y = torch.addmm(self.bias, x.flatten(0, 2), self.weight)
        return y.view(*x.shape[:3], -1).permute(0, 3, 1, 2)


class FoldedMultiScale(nn.Module):
    """A multi-scale temporal layer: (N, C, T, V) -> (N, C, T/s, V), channels last; `model.shifted` is faster in torch.

    The branches' six 1x1 convolutions are one. The normalisation of what the branches find lies in their weights, but
    for the maximum's: a negative factor would make it a minimum.
    """

    def __init__(self, unit: MultiScaleTemporal) -> None:
        super().__init__()
        self.widths, self.stride = unit.widths, unit.stride
        norm, _, mix = unit.transform
        *branches, last = unit.branches
        assert isinstance(norm, nn.BatchNorm2d)
        scales, shifts = (each.split(self.widths) for each in affine(norm))
        ends = [branch.get_submodule("3.conv") for branch in branches[:-1]]
        self.ends = nn.ModuleList(map(scaled, ends, scales, shifts))
        self.scale, self.shift = (_factor(each[-2]) for each in (scales, shifts))
        self.entry = _joined(
            [*(branch.get_submodule("0") for branch in branches), scaled(last, scales[-1], shifts[-1])]
        )
        self.mix = scaled(mix, *affine(unit.bn))

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = self.entry(x).split(self.widths, dim=1)
        *parts, most = [part.relu() for part in parts]
        found = [end(part) for end, part in zip(self.ends, parts, strict=True)]
        found.append(torch.addcmul(self.shift, maximum_of_three(most, self.stride), self.scale))
        return self.mix(torch.cat([*found, last[:, :, :: self.stride]], dim=1).relu_())


def maximum_of_three(x: Tensor, stride: int) -> Tensor:
    """Return the maximum of every s-th frame and its two neighbours: (N, C, T/s, V), in half of the pooling's time."""
    y = x[:, :, ::stride].clone()
    for here, near in ((y[:, :, 1:], x[:, :, stride - 1 :: stride]), (y, x[:, :, 1::stride])):
        shared = min(here.shape[2], near.shape[2])
        here[:, :, :shared].clamp_min_(near[:, :, :shared])
    return y


class ChannelsLastJointMean(nn.Module):
    """The mean over the joints, six times as fast where channels are last: (N, C, T, V) -> (N, C, T, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).mean(2, keepdim=True).permute(0, 3, 1, 2)


def _frames(x: Tensor) -> Tensor:
    """Return (N, C, T, V) as (NT, V, C): the memory as it lies, where channels are last."""
    return x.permute(0, 2, 3, 1).flatten(0, 1)


def affine(bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the factors and summands (C,) that a normalisation is in evaluation."""
    assert bn.running_mean is not None and bn.running_var is not None
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    return scale, bn.bias - bn.running_mean * scale


def _factor(values: Tensor) -> nn.Parameter:
    """Return (C,) values for (N, C, T, V)."""
    return nn.Parameter(values[:, None, None], requires_grad=False)


def bias_of(conv: nn.Conv2d) -> Tensor:
    """Return the bias (C,) of a convolution, zeros where it has none."""
    return conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias


def scaled(conv: nn.Module, scale: Tensor, shift: Tensor) -> nn.Conv2d:
    """Return a convolution whose output (N, C, T, V) is multiplied by `scale` (C,) and shifted."""
    assert isinstance(conv, nn.Conv2d)
    twin = copy.deepcopy(conv)
    twin.weight = nn.Parameter(conv.weight * scale[:, None, None, None], requires_grad=False)
    twin.bias = nn.Parameter(bias_of(conv) * scale + shift, requires_grad=False)
    return twin


def _joined(convs: Iterable[nn.Module]) -> nn.Conv2d:
    """Return 1x1 convolutions of the same input as one."""
    each = [conv for conv in convs if isinstance(conv, PointwiseConv)]
    return pointwise(torch.cat([conv.weight.flatten(1) for conv in each]), torch.cat(list(map(bias_of, each))))


def pointwise(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """Return the 1x1 convolution of these (C', C) and (C',)."""
    conv = pointwise_conv(weight.shape[1], weight.shape[0], bias=True)
    conv.weight, conv.bias = nn.Parameter(weight[:, :, None, None]), nn.Parameter(bias)
    return conv


def overwriting(activation: nn.Module) -> nn.Module:
    """Return an activation that writes its result over its input, where torch has one."""
    twin = copy.copy(activation)  # others may have the activation, too, and need their input
    if hasattr(twin, "inplace"):
        cast(Any, twin).inplace = True
    return twin
