"""ST-GCN (Yan et al. 2018) and ST-GCN++ (Duan et al. 2022): one network with options, in PYSKL's form (3f6795f).

PYSKL's, mmaction2's and the original's ST-GCN are the same function; the original has other key names.
Letters: N clips, C channels, T frames, V joints, M persons. An adjacency (K, V, V) has K subsets, else K is classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.initial import draw_initial
from model.layers import Zero, pointwise_conv, reach
from model.recognizer import InputShape, PysklRecognizer
from model.stages import Block, Stage, graph_residual, plan_stages
from model.temporal_units import TEMPORAL_UNITS

ADAPTIVE = ("init", "importance", "offset", "none")
OFFSET = 1e-6  # initial offsets lie between minus and plus this


class STGCN(PysklRecognizer):
    """Ten blocks of a graph and a temporal layer, a mean, one linear layer.

    ST-GCN++ is adaptive "init" with `gcn_residual` and temporal "multiscale" (the defaults); ST-GCN is adaptive
    "importance" without, and temporal "unit".

    Args:
        adjacency: (K, V, V) float32; every block starts from a copy of its own.
        parts: not used.
        num_streams: has to be 1.
        in_channels: C of the input.
        num_persons: M; only data_bn "MVC" depends on it.
        num_classes: K.
        base_channels: of the first block.
        ratio: of the channels after and before a block that inflates.
        stages: number of blocks.
        inflate: blocks that inflate, numbered from 1.
        down: blocks of stride 2, numbered from 1.
        adaptive: what is learned of the adjacency: "init" itself, "importance" factors, "offset" summands, "none".
        conv_pos: "pre" mixes the channels before the graph product, "post" after it.
        gcn_residual: add the input of a graph layer before its activation.
        temporal: "unit" looks over 9 frames, "multiscale" has six branches.
        temporal_dropout: after every temporal layer but the first block's, as upstream.
        data_bn: "VC", "MVC" or "none", see `Recognizer`.
        initial: how weights are drawn, see `draw_initial`.
        drop_prob: dropout before the classifier.

    Raises:
        ValueError: if a part of this cannot be built, saying which.
    """

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
        ratio: float = 2.0,
        stages: int = 10,
        inflate: Sequence[int] = (5, 8),
        down: Sequence[int] = (5, 8),
        adaptive: str = "init",
        conv_pos: str = "pre",
        gcn_residual: bool = True,
        temporal: str = "multiscale",
        temporal_dropout: float = 0.0,
        data_bn: str = "VC",
        initial: str = "torch",
        drop_prob: float = 0.0,
    ) -> None:
        if temporal not in TEMPORAL_UNITS:
            raise ValueError(f"temporal is one of {', '.join(TEMPORAL_UNITS)}, got '{temporal}'")

        def block(stage: Stage) -> Block:
            graph = GraphUnit(stage, adjacency, adaptive=adaptive, conv_pos=conv_pos, residual=gcn_residual)
            drop = temporal_dropout if stage.number > 1 else 0.0
            unit = TEMPORAL_UNITS[temporal](stage.channels, stage.channels, stride=stage.stride, drop_prob=drop)
            return Block(stage, graph, unit)

        plan = plan_stages(in_channels, base_channels, ratio, stages, inflate, down)
        super().__init__(
            InputShape(num_streams, in_channels, adjacency.shape[-1], num_persons),
            blocks=map(block, plan),
            channels=plan[-1].channels,
            num_classes=num_classes,
            data_bn=data_bn,
            drop_prob=drop_prob,
        )
        draw_initial(self, initial)

    @property
    def temporal_radius(self) -> int:
        """Input frames to either side that a frame of the features sees."""
        return reach(self.parts.blocks).radius

    @property
    def temporal_stride(self) -> int:
        """Input frames from one frame of the features to the next."""
        return reach(self.parts.blocks).stride


class GraphUnit(nn.Module):
    """unit_gcn: a weight matrix per subset, summed over subsets and joints: (N, C, T, V) -> (N, C', T, V)."""

    A: Tensor  # (K, V, V), a parameter or a buffer

    def __init__(self, stage: Stage, adjacency: Tensor, *, adaptive: str, conv_pos: str, residual: bool) -> None:
        super().__init__()
        if adaptive not in ADAPTIVE or conv_pos not in ("pre", "post"):
            raise ValueError(
                f"adaptive is one of {', '.join(ADAPTIVE)}, conv_pos pre or post; got {adaptive}, {conv_pos}"
            )
        self.adaptive, self.conv_pos, num_subsets = adaptive, conv_pos, len(adjacency)
        if adaptive == "init":
            self.A = nn.Parameter(adjacency.clone())
        else:
            self.register_buffer("A", adjacency.clone())
        if adaptive == "importance":
            self.PA = nn.Parameter(torch.ones_like(adjacency))
        elif adaptive == "offset":
            self.PA = nn.Parameter(torch.empty_like(adjacency).uniform_(-OFFSET, OFFSET))
        before, after = (1, num_subsets) if conv_pos == "pre" else (num_subsets, 1)
        self.conv = pointwise_conv(stage.in_channels * before, stage.channels * after, bias=True)
        self.bn = nn.BatchNorm2d(stage.channels)
        self.down = graph_residual(stage) if residual else Zero()
        self.activation = nn.ReLU()

    @property
    def adjacency(self) -> Tensor:
        """The (K, V, V) that weights the joints, as learned so far."""
        if self.adaptive == "importance":
            return self.A * self.PA
        return self.A + self.PA if self.adaptive == "offset" else self.A

    def forward(self, x: Tensor) -> Tensor:
        y = gather(self.conv(x), self.adjacency) if self.conv_pos == "pre" else self.conv(spread(x, self.adjacency))
        return self.activation(self.bn(y) + self.down(x))


def gather(x: Tensor, adjacency: Tensor) -> Tensor:
    """Return the sum over subsets k and joints v of x (N, KC, T, V), k slowest, times adjacency[k, v, w].

    One product (V, VK) @ (VK, C) a frame, on channels-last memory as it lies: the broadcast `@` would copy it.
    """
    num_clips, _, num_frames, _ = x.shape
    weight = adjacency.permute(2, 1, 0).flatten(1)  # (V, VK)
    x = x.permute(0, 2, 3, 1).unflatten(3, (len(adjacency), -1)).flatten(0, 1).flatten(1, 2)  # (NT, VK, C)
    x = torch.bmm(weight.expand(x.shape[0], -1, -1), x)  # (NT, V, C)
    return x.unflatten(0, (num_clips, num_frames)).permute(0, 3, 1, 2)  # (N, C, T, V)


def spread(x: Tensor, adjacency: Tensor) -> Tensor:
    """Return x (N, C, T, V) times adjacency[k, v, w], for every subset: (N, KC, T, V), k slowest."""
    products = x.flatten(1, 2).unsqueeze(1) @ adjacency  # (N, K, CT, V)
    return products.unflatten(2, (-1, x.shape[2])).flatten(1, 2)
