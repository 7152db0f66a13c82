"""Networks made ready to evaluate: the same function in fewer and cheaper steps.

A normalisation that follows a convolution becomes part of its weights, two successive 1x1 convolutions become one, and
the layers of `model.folded`, which read channels-last memory, take the place of others.

Nothing of this is for training: a folded normalisation has no batch statistics, and torch's channels-last
normalisation on a CPU is a hundred times less accurate than that of channels first.
"""

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from model.attention import AttentionLayer
from model.folded import (
    ChannelsLastJointMean,
    FoldedAttention,
    FoldedMultiScale,
    Mix,
    MixThenSum,
    SumThenMix,
    affine,
    bias_of,
    overwriting,
    pointwise,
    scaled,
)
from model.graph_conv import SpatialGraphLayer
from model.layers import JointMean, PointwiseConv
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
        module.add_module(conv, scaled(first, *affine(second)))
        module.add_module(bn, nn.Identity())


def _is_constant(bn: nn.BatchNorm2d) -> bool:
    """Tell whether a normalisation does the same to every batch, by factors and summands that it has."""
    return bn.affine and bn.track_running_stats


def _fold_unit(unit: nn.Module) -> nn.Module:
    _fold_pair(unit, "conv", "bn")
    return unit


def _fold_block(block: nn.Module) -> nn.Module:
    assert isinstance(block, Block)
    block.add_module("activation", overwriting(block.activation))  # of a sum, which nobody else has
    return block


def _fold_sand_glass(layer: nn.Module) -> nn.Module:
    """Merge the two 1x1 convolutions of the bottleneck, between which there is nothing."""
    assert isinstance(layer, TemporalSandGlass)
    first, second = layer.point_conv1[0], layer.point_conv2[0]
    assert isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d)
    weight, outer = first.weight.flatten(1), second.weight.flatten(1)  # (C/r, C), (C, C/r)
    bias = outer @ bias_of(first) + bias_of(second)
    layer.point_conv1, layer.point_conv2 = nn.Sequential(pointwise(outer @ weight, bias)), nn.Sequential()
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
    num_hops, (scale, shift) = len(adjacency), affine(bn)
    weight = conv.weight.flatten(1).unflatten(0, (num_hops, -1)) * scale[:, None]  # (H, C', C)
    bias = bias_of(conv).unflatten(0, (num_hops, -1)) * scale  # (H, C')
    # what does not depend on the input: every hop's bias, summed over the joints that it comes from
    constant = shift + torch.einsum("hvw,hc->wc", adjacency, bias)  # (V, C')
    kind = SumThenMix if 2 * conv.in_channels <= weight.shape[1] else MixThenSum
    return kind(weight, constant, adjacency.detach(), residual, activation)


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
