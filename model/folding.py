"""Networks made ready to evaluate: the same function in fewer and cheaper steps.

A normalisation that follows a convolution becomes part of its weights, two successive 1x1 convolutions become one, and
the rows (N, C, T, V) lie in channels-last memory: the channels of a joint together, then the joints of a frame. There,
every graph convolution is two matrix products, between which nothing has to be copied.

Nothing of this is for training: a folded normalisation has no batch statistics, and torch's channels-last
normalisation on a CPU is a hundred times less accurate than that of channels first.
"""

import copy
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from model.attention import AttentionLayer
from model.graph_conv import SpatialGraphLayer
from model.layers import JointMean, PointwiseConv, Zero, pointwise_conv
from model.stages import Block
from model.stgcn import GraphUnit
from model.temporal import TemporalConv, TemporalSandGlass
from model.temporal_units import MultiScaleTemporal, TemporalUnit


def fold(network: nn.Module) -> nn.Module:
    """Return a folded copy of a network, in evaluation mode; the network itself stays as it is.

    What it does not know, it leaves as it is. The copy has other keys and cannot be trained.
    """
    twin = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    with torch.no_grad():
        return replace(replace(twin, _fold), _lay_out)


def replace(module: nn.Module, change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Return what `change` makes of a module, after all in it; one that has several places is changed once."""
    changed: dict[nn.Module, nn.Module] = {}

    def visit(module: nn.Module) -> nn.Module:
        if module not in changed:
            for name, child in _children(module).items():
                module.add_module(name, visit(child))
            changed[module] = change(module)
        return changed[module]

    return visit(module)


def _children(module: nn.Module) -> dict[str, nn.Module]:
    """Return the modules right in `module`; unlike `named_children`, one with two names under both."""
    return {name: child for name, child in module._modules.items() if child is not None}


def _fold(module: nn.Module) -> nn.Module:
    rule = RULES.get(type(module))
    return rule(module) if rule else module


def _lay_out(module: nn.Module) -> nn.Module:
    """Have a convolution or a mean read channels-last memory as it lies."""
    if isinstance(module, PointwiseConv):
        return Mix(module)
    if isinstance(module, JointMean):
        return ChannelsLastJointMean()
    if isinstance(module, nn.Conv2d):
        module.weight = nn.Parameter(module.weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
    return module


def _fold_sequence(sequence: nn.Module) -> nn.Module:
    """Fold every normalisation that follows a convolution."""
    for first, second in pairwise(_children(sequence)):
        _fold_pair(sequence, first, second)
    return sequence


def _fold_pair(module: nn.Module, conv: str, bn: str) -> None:
    """Fold the normalisation called `bn` into the convolution called `conv`, if they are that."""
    first, second = module.get_submodule(conv), module.get_submodule(bn)
    if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d) and _is_constant(second):
        module.add_module(conv, _scaled(first, *_affine(second)))
        module.add_module(bn, nn.Identity())


def _fold_unit(unit: nn.Module) -> nn.Module:
    _fold_pair(unit, "conv", "bn")
    return unit


def _fold_block(block: nn.Module) -> nn.Module:
    assert isinstance(block, Block)
    block.add_module("activation", _overwriting(block.activation))  # of a sum, which nobody else has
    return block


def _fold_sand_glass(layer: nn.Module) -> nn.Module:
    """Merge the two 1x1 convolutions of the bottleneck, between which there is nothing."""
    assert isinstance(layer, TemporalSandGlass)
    first, second = layer.point_conv1[0], layer.point_conv2[0]
    assert isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d)
    weight, outer = first.weight.flatten(1), second.weight.flatten(1)  # (C/r, C), (C, C/r)
    bias = outer @ _bias(first) + _bias(second)
    layer.point_conv1, layer.point_conv2 = nn.Sequential(_pointwise(outer @ weight, bias)), nn.Sequential()
    return layer


def _fold_spatial(layer: nn.Module) -> nn.Module:
    assert isinstance(layer, SpatialGraphLayer)
    conv = layer.conv
    adjacency = conv.A if conv.edge is None else conv.A * conv.edge
    return _fold_graph(conv.gcn, adjacency, layer.bn, layer.residual, layer.activation)


def _fold_unit_gcn(unit: nn.Module) -> nn.Module:
    assert isinstance(unit, GraphUnit)
    if unit.conv_pos == "post":
        return unit
    return _fold_graph(unit.conv, unit.adjacency, unit.bn, unit.down, unit.activation)


def _fold_graph(
    conv: nn.Conv2d, adjacency: Tensor, bn: nn.BatchNorm2d, residual: nn.Module, activation: nn.Module
) -> nn.Module:
    """Return a graph layer, whose convolution yields all hops (HC'), the hop slowest, in the cheaper of two orders."""
    num_hops, (scale, shift) = len(adjacency), _affine(bn)
    weight = conv.weight.flatten(1).unflatten(0, (num_hops, -1)) * scale[:, None]  # (H, C', C)
    bias = _bias(conv).unflatten(0, (num_hops, -1)) * scale  # (H, C')
    # what does not depend on the input: every hop's bias, summed over the joints that it comes from
    constant = shift + torch.einsum("hvw,hc->wc", adjacency, bias)  # (V, C')
    kind = SumThenMix if 2 * conv.in_channels <= weight.shape[1] else MixThenSum
    return kind(weight, constant, adjacency.detach(), residual, activation)


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
        self.residual, self.activation = residual, _overwriting(activation)
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
        self.att, self.activation = layer.att, _overwriting(layer.activation)
        self.scale, self.shift = map(_factor, _affine(layer.bn))

    def forward(self, x: Tensor) -> Tensor:
        weights = self.att(x) * self.scale
        return self.activation(torch.addcmul(self.shift, x, weights.add_(1)))


class Mix(nn.Module):
    """A 1x1 convolution of every s-th frame as one matrix product: (N, C, T, V) -> (N, C', T/s, V), channels last."""

    def __init__(self, conv: PointwiseConv) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, nn.Parameter(_bias(conv), requires_grad=False)
        self.every = conv.every

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.every].permute(0, 2, 3, 1)  # (N, T, V, C)
        y = torch.addmm(self.bias, x.flatten(0, 2), self.weight.flatten(1).T)
        return y.view(*x.shape[:3], -1).permute(0, 3, 1, 2)


class FoldedMultiScale(nn.Module):
    """A multi-scale temporal layer: (N, C, T, V) -> (N, C, T/s, V), channels last.

    The branches' six 1x1 convolutions are one. The normalisation of what the branches find lies in their weights, but
    for the maximum's: a negative factor would make it a minimum.
    """

    def __init__(self, unit: MultiScaleTemporal) -> None:
        super().__init__()
        self.widths, self.stride = unit.widths, unit.stride
        norm, _, mix = unit.transform
        *branches, last = unit.branches
        assert isinstance(norm, nn.BatchNorm2d)
        scales, shifts = (each.split(self.widths) for each in _affine(norm))
        ends = [branch.get_submodule("3.conv") for branch in branches[:-1]]
        self.ends = nn.ModuleList(map(_scaled, ends, scales, shifts))
        self.scale, self.shift = (_factor(each[-2]) for each in (scales, shifts))
        self.entry = _joined(
            [*(branch.get_submodule("0") for branch in branches), _scaled(last, scales[-1], shifts[-1])]
        )
        self.mix = _scaled(mix, *_affine(unit.bn))

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


def _affine(bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the factors and summands (C,) that a normalisation is in evaluation."""
    assert bn.running_mean is not None and bn.running_var is not None
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    return scale, bn.bias - bn.running_mean * scale


def _is_constant(bn: nn.BatchNorm2d) -> bool:
    return bn.affine and bn.track_running_stats


def _factor(values: Tensor) -> nn.Parameter:
    """Return (C,) values for (N, C, T, V)."""
    return nn.Parameter(values[:, None, None], requires_grad=False)


def _bias(conv: nn.Conv2d) -> Tensor:
    return conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias


def _scaled(conv: nn.Module, scale: Tensor, shift: Tensor) -> nn.Conv2d:
    """Return a convolution whose output (N, C, T, V) is multiplied by `scale` (C,) and shifted."""
    assert isinstance(conv, nn.Conv2d)
    twin = copy.deepcopy(conv)
    twin.weight = nn.Parameter(conv.weight * scale[:, None, None, None], requires_grad=False)
    twin.bias = nn.Parameter(_bias(conv) * scale + shift, requires_grad=False)
    return twin


def _joined(convs: Iterable[nn.Module]) -> nn.Conv2d:
    """Return 1x1 convolutions of the same input as one."""
    each = [conv for conv in convs if isinstance(conv, PointwiseConv)]
    return _pointwise(torch.cat([conv.weight.flatten(1) for conv in each]), torch.cat(list(map(_bias, each))))


def _pointwise(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """Return the 1x1 convolution of these (C', C) and (C',)."""
    conv = pointwise_conv(weight.shape[1], weight.shape[0], bias=True)
    conv.weight, conv.bias = nn.Parameter(weight[:, :, None, None]), nn.Parameter(bias)
    return conv


def _overwriting(activation: nn.Module) -> nn.Module:
    """Return an activation that writes its result over its input, where torch has one."""
    twin: Any = copy.copy(activation)  # others may have the activation, too, and need their input
    if hasattr(twin, "inplace"):
        twin.inplace = True
    overwriting: nn.Module = twin
    return overwriting


RULES: dict[type[nn.Module], Callable[..., nn.Module]] = {
    nn.Sequential: _fold_sequence,
    TemporalConv: _fold_unit,
    TemporalUnit: _fold_unit,
    TemporalSandGlass: _fold_sand_glass,
    MultiScaleTemporal: FoldedMultiScale,
    SpatialGraphLayer: _fold_spatial,
    GraphUnit: _fold_unit_gcn,
    Block: _fold_block,
    AttentionLayer: FoldedAttention,
}
