"""CTR-GCN (Chen et al. 2021), in PYSKL's form (3f6795f): a graph of its own for every channel of a clip.

Letters: N clips and persons, C channels, T frames, V joints, K subsets of the adjacency (K, V, V).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.aagcn import SMALL
from model.aagcn import initialise as initialise_agcn
from model.layers import Layer, pointwise_conv
from model.recognizer import InputShape, PysklRecognizer
from model.stages import AgcnBlock, Stage, graph_residual, plan_stages
from model.temporal_units import TemporalUnit

CONTRACTIONS = ("pyskl", "official")
WINDOW, DILATIONS, BRANCHES = 5, (1, 2), 4  # of the temporal layer
FEW_CHANNELS, FEW_INNER, REDUCTION = 16, 8, 8  # up to so many channels, joints are compared in 8, else in C // 8


class CTRGCN(PysklRecognizer):
    """Ten blocks of a channel-wise graph layer and a multi-scale temporal layer, a mean, one linear layer.

    Args:
        adjacency: (K, V, V) float32; every block learns a copy of its own.
        parts: not used.
        num_streams: has to be 1.
        in_channels: C of the input.
        num_persons: M, on which data_bn depends ("MVC").
        num_classes: K.
        base_channels: of the first block; blocks 5 and 8 double them.
        contraction: "official" sums over the other index of a channel's graph than "pyskl", and has no activation after
            the temporal layer, as in the authors' code; weights of one are of no use in the other.
        drop_prob: dropout before the classifier.

    Raises:
        ValueError: if there is more than one stream, or no such contraction.
    """

    blocks_key = "net"

    def __init__(  # noqa: PLR0913 - one argument per key of the config
        self,
        *,
        adjacency: Tensor,
        parts: Sequence[Sequence[int]] | None = None,  # noqa: ARG002 - given to every network
        num_streams: int,
        in_channels: int,
        num_persons: int,
        num_classes: int,
        base_channels: int = 64,
        contraction: str = "pyskl",
        drop_prob: float = 0.0,
    ) -> None:
        if contraction not in CONTRACTIONS:
            raise ValueError(f"contraction is one of {', '.join(CONTRACTIONS)}, got '{contraction}'")
        official = contraction == "official"

        def block(stage: Stage) -> AgcnBlock:
            graph = ChannelGraphUnit(stage, adjacency, transposed=official)
            return AgcnBlock(
                stage, graph, BranchedTemporal(stage.channels, stride=stage.stride, activated=not official)
            )

        plan = plan_stages(in_channels, base_channels)
        super().__init__(
            InputShape(num_streams, in_channels, adjacency.shape[-1], num_persons),
            blocks=map(block, plan),
            channels=plan[-1].channels,
            num_classes=num_classes,
            data_bn="MVC",
            drop_prob=drop_prob,
        )
        self.backbone.register_buffer("A", adjacency.clone())  # not used, but in the published checkpoints
        self.apply(initialise)


class ChannelGraphUnit(nn.Module):
    """unit_ctrgcn: channel-wise graph convolutions, summed over the subsets: (N, C, T, V) -> (N, C', T, V)."""

    def __init__(self, stage: Stage, adjacency: Tensor, *, transposed: bool = False) -> None:
        super().__init__()
        self.A = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self.transposed = transposed
        self.convs = nn.ModuleList(ChannelGraphConv(stage) for _ in adjacency)
        self.bn = nn.BatchNorm2d(stage.channels)
        self.down = graph_residual(stage)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(sum(self.aggregate(x, k) for k in range(len(self.A))))
        return self.activation(y + self.down(x))

    def aggregate(self, x: Tensor, subset: int) -> Tensor:
        """Return the graph convolution of one subset: its adjacency, refined for every channel of every clip."""
        refinement, values = self.convs[subset](x)
        graph = self.A[subset] + self.alpha * refinement  # (N, C', V, V)
        return values @ (graph.mT if self.transposed else graph)  # (N, C', T, V)


class ChannelGraphConv(nn.Module):
    """CTRGC: how joints differ in the mean of the clip (N, C', V, V), and the values to be summed (N, C', T, V)."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        few = stage.in_channels <= FEW_CHANNELS
        inner = FEW_INNER if few else stage.in_channels // REDUCTION
        self.conv1 = pointwise_conv(stage.in_channels, inner, bias=True)
        self.conv2 = pointwise_conv(stage.in_channels, inner, bias=True)
        self.conv3 = pointwise_conv(stage.in_channels, stage.channels, bias=True)
        self.conv4 = pointwise_conv(inner, stage.channels, bias=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean(2, keepdim=True)  # (N, C, 1, V); before the convolutions, with which it commutes
        first, second = self.conv1(mean).mT, self.conv2(mean)  # (N, r, V, 1), (N, r, 1, V)
        return self.conv4((first - second).tanh()), self.conv3(x)


class BranchedTemporal(Layer):
    """MSTCN: four branches of equal width, normalised, joined and activated: (N, C, T, V) -> (N, C, T/s, V)."""

    def __init__(self, channels: int, *, stride: int, activated: bool = True) -> None:
        super().__init__()
        self.stride, self.radius = stride, WINDOW // 2 * max(DILATIONS)
        if channels % BRANCHES:
            raise ValueError(f"{channels} channels do not divide into {BRANCHES} branches")
        width = channels // BRANCHES

        def entry() -> list[nn.Module]:
            return [pointwise_conv(channels, width, bias=True), nn.BatchNorm2d(width), nn.ReLU()]

        dilated = [TemporalUnit(width, width, window=WINDOW, stride=stride, dilation=each) for each in DILATIONS]
        maximum = nn.MaxPool2d(kernel_size=(3, 1), stride=(stride, 1), padding=(1, 0))
        self.branches = nn.ModuleList(nn.Sequential(*entry(), unit) for unit in dilated)
        self.branches.append(nn.Sequential(*entry(), maximum, nn.BatchNorm2d(width)))
        self.branches.append(
            nn.Sequential(pointwise_conv(channels, width, bias=True, stride=stride), nn.BatchNorm2d(width))
        )
        self.activation = nn.ReLU() if activated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(torch.cat([branch(x) for branch in self.branches], dim=1))


def initialise(module: nn.Module) -> None:
    """Draw the initial weights of one module, as AAGCN's."""
    initialise_agcn(module)
    if isinstance(module, ChannelGraphUnit):
        nn.init.constant_(module.bn.weight, SMALL)
