"""Graph convolution over the joints of a skeleton: (N, C, T, V) -> (N, C', T, V).

Three ways to one result. The readable one evaluates. In training, where what the gradient needs fills the memory, the
cheaper of two orders is taken, by shape; both keep nothing but the input. Faster evaluation: `model.folding`.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.layers import Layer, Zero, normalised, pointwise_conv


class SpatialGraphConv(nn.Module):
    """One weight matrix per hop distance, summed over hops and joints (Yan et al. 2018; Song et al. 2022).

    Args:
        in_channels: C.
        out_channels: C'.
        adjacency: (H, V, V), normalised, one matrix per hop distance.
        learn_edges: give every entry of the adjacency a learned factor that starts at 1.
        bias: of the convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, adjacency: Tensor, *, learn_edges: bool, bias: bool
    ) -> None:
        super().__init__()
        # a frozen parameter and not a buffer: so the keys keep the order of the published checkpoints
        self.A = nn.Parameter(adjacency.clone(), requires_grad=False)  # (H, V, V)
        self.edge = nn.Parameter(torch.ones_like(adjacency)) if learn_edges else None  # (H, V, V)
        self.gcn = pointwise_conv(in_channels, len(adjacency) * out_channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.A if self.edge is None else self.A * self.edge  # (H, V, V)
        if self.training:
            narrow = 2 * self.gcn.in_channels * len(weight) <= self.gcn.out_channels
            convolve = sum_then_mix if narrow else mix_then_sum
            return convolve(x, self.gcn.weight, self.gcn.bias, weight)
        num_hops, num_frames = len(weight), x.shape[2]
        x = self.gcn(x).unflatten(1, (num_hops, -1)).flatten(2, 3)  # (N, H, C'T, V)
        x = (x @ weight).sum(1)  # (N, C'T, V); five times as fast on a CPU as the einsum "nhctv,hvw->nctw"
        return x.unflatten(1, (-1, num_frames))  # (N, C', T, V)


def sum_then_mix(x: Tensor, weight: Tensor, bias: Tensor | None, adjacency: Tensor) -> Tensor:
    """Sum over the joints, then mix the channels: cheap where the output has many more channels.

    Args:
        x: (N, C, T, V).
        weight: (HC', C, 1, 1), of a convolution that yields all hops, the hop slowest.
        bias: (HC',).
        adjacency: (H, V, V).
    """
    num_hops = len(adjacency)
    summed = torch.cat([x @ hop for hop in adjacency], dim=1)  # (N, HC, T, V); one product would copy x for every hop
    mix = weight.unflatten(0, (num_hops, -1)).transpose(0, 1).flatten(1, 2)  # (C', HC, 1, 1)
    y = functional.conv2d(summed, mix)
    if bias is None:
        return y
    return y + torch.einsum("hvw,hc->cw", adjacency, bias.unflatten(0, (num_hops, -1))).unsqueeze(1)


def mix_then_sum(x: Tensor, weight: Tensor, bias: Tensor | None, adjacency: Tensor) -> Tensor:
    """Mix the channels, then sum over the joints: the plain order; see `sum_then_mix`."""
    device = x.device.type
    given: tuple[Tensor | None, ...] = (x, weight, bias, adjacency)
    # autocast knows nothing of functions with a gradient of their own
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        given = tuple(None if each is None else each.to(torch.get_autocast_dtype(device)) for each in given)
    result: Tensor = _MixThenSum.apply(*given)
    return result


class _MixThenSum(torch.autograd.Function):
    """Computes the hops' (N, HC', T, V) again for the gradient, for which keeping them takes most of the memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, adjacency: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, bias, adjacency)
        hops = _hops(x, weight, bias, adjacency)
        y = hops[:, 0] @ adjacency[0]
        for k in range(1, len(adjacency)):
            y.baddbmm_(hops[:, k], adjacency[k].expand(len(x), -1, -1))
        return y.unflatten(1, (-1, x.shape[2]))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, adjacency = ctx.saved_tensors
        *needs, needs_adjacency = ctx.needs_input_grad
        gradient, of_adjacency = gradient.flatten(1, 2), None  # (N, C'T, V)
        if needs_adjacency:
            hops = _hops(x, weight, bias, adjacency)  # (N, H, C'T, V)
            of_adjacency = torch.stack([(hop.mT @ gradient).sum(0) for hop in hops.unbind(1)])
        else:
            hops = gradient.new_empty(len(x), len(adjacency), *gradient.shape[1:])
        for k, hop in enumerate(adjacency):  # the hops make room for their gradients
            hops[:, k].baddbmm_(gradient, hop.T.expand(len(x), -1, -1), beta=0)
        of_hops = hops.flatten(1, 2).unflatten(1, (len(weight), -1))  # (N, HC', T, V)
        of_conv = torch.ops.aten.convolution_backward(
            of_hops, x, weight, [len(weight)], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, needs
        )
        return (*of_conv, of_adjacency)


def _hops(x: Tensor, weight: Tensor, bias: Tensor | None, adjacency: Tensor) -> Tensor:
    """Return what every hop adds, before the sum over the joints: (N, H, C'T, V)."""
    return functional.conv2d(x, weight, bias).unflatten(1, (len(adjacency), -1)).flatten(2, 3)


class SpatialGraphLayer(Layer):
    """Graph convolution, normalisation, residual, activation: (N, C, T, V) -> (N, C', T, V)."""

    def __init__(self, conv: SpatialGraphConv, activation: nn.Module, *, residual: bool) -> None:
        super().__init__()
        in_channels, bias = conv.gcn.in_channels, conv.gcn.bias is not None
        out_channels = conv.gcn.out_channels // len(conv.A)
        self.conv = conv
        self.bn = nn.BatchNorm2d(out_channels)
        self.residual: nn.Module = nn.Identity() if residual else Zero()
        if residual and in_channels != out_channels:
            self.residual = normalised(pointwise_conv(in_channels, out_channels, bias=bias))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.bn(self.conv(x)) + self.residual(x))
