"""AAGCN (Shi et al. 2019/2020), in PYSKL's form (3f6795f): the graph of a clip from its own joints, and attention.

Without attention it is what mmaction2 1.x publishes as 2s-AGCN. Letters: N clips and persons, C channels, T frames,
V joints, K subsets of the adjacency (K, V, V).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.initial import spread_out, zero
from model.layers import pointwise_conv, reduced
from model.recognizer import InputShape, PysklRecognizer
from model.stages import Block, Stage, graph_residual, plan_stages
from model.temporal_units import TemporalUnit

FRAME_WINDOW = 9  # frames that the frame attention looks at
EMBEDDING_REDUCTION = 4  # of the channels in which joints are compared
CHANNEL_REDUCTION = 2  # of the channel attention
SMALL = 1e-6  # initial scale of the graph layers: blocks begin close to their residuals


class AAGCN(PysklRecognizer):
    """Ten blocks of an adaptive graph layer and a temporal layer over 9 frames, a mean, one linear layer.

    Args:
        adjacency: (K, V, V) float32; every block learns a copy of its own.
        parts: not used.
        num_streams: has to be 1.
        in_channels: C of the input.
        num_persons: M, on which data_bn depends ("MVC").
        num_classes: K.
        base_channels: of the first block; blocks 5 and 8 double them.
        attention: weigh joints, frames and channels after every graph layer.
        drop_prob: dropout before the classifier.

    Raises:
        ValueError: if there is more than one stream.
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
        attention: bool = True,
        drop_prob: float = 0.0,
    ) -> None:
        def block(stage: Stage) -> Block:
            graph = AttentiveGraphUnit(stage, adjacency, attention=attention)
            return Block(stage, graph, TemporalUnit(stage.channels, stage.channels, stride=stage.stride))

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


class AdaptiveGraphUnit(nn.Module):
    """A graph layer that compares the joints of each clip, over all frames: (N, C, T, V) -> (N, C', T, V)."""

    def __init__(self, stage: Stage, num_subsets: int) -> None:
        super().__init__()
        inner = reduced(stage.channels, EMBEDDING_REDUCTION)

        def convs(channels: int) -> nn.ModuleList:
            return nn.ModuleList(pointwise_conv(stage.in_channels, channels, bias=True) for _ in range(num_subsets))

        self.conv_a, self.conv_b, self.conv_d = convs(inner), convs(inner), convs(stage.channels)
        self.bn = nn.BatchNorm2d(stage.channels)
        self.down = graph_residual(stage)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        frames = x.permute(0, 2, 3, 1)  # (N, T, V, C), as the memory lies
        y = 0
        for k, (conv_a, conv_b, conv_d) in enumerate(zip(self.conv_a, self.conv_b, self.conv_d, strict=True)):
            first, second = conv_a(x).flatten(1, 2), conv_b(x).flatten(1, 2)  # (N, C'T / 4, V)
            graph = self.graph(k, first.mT @ second / first.shape[1])  # (N, V, V)
            y = y + conv_d((graph.mT.unsqueeze(1) @ frames).permute(0, 3, 1, 2))
        return self.activation(self.bn(y) + self.down(x))

    def initialise(self) -> None:
        """Draw the initial weights that differ from those of other convolutions."""
        for conv in self.conv_d:
            assert isinstance(conv, nn.Conv2d)
            nn.init.normal_(conv.weight, std=(2 / (conv.weight.numel() * len(self.conv_d))) ** 0.5)
        nn.init.constant_(self.bn.weight, SMALL)

    def graph(self, subset: int, similarity: Tensor) -> Tensor:
        """Return the graph (N, V, V) of a subset, from how similar the joints (N, V, V) of each clip are."""
        raise NotImplementedError


class AttentiveGraphUnit(AdaptiveGraphUnit):
    """The learned adjacency plus tanh of the similarity, times one learned number; then attention, if wanted."""

    def __init__(self, stage: Stage, adjacency: Tensor, *, attention: bool) -> None:
        super().__init__(stage, len(adjacency))
        self.A = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self.attention = attention
        if attention:
            channels, num_joints = stage.channels, adjacency.shape[-1]
            window = num_joints - 1 + num_joints % 2  # odd, so that it has a centre
            self.conv_sa = nn.Conv1d(channels, 1, window, padding=window // 2)
            self.conv_ta = nn.Conv1d(channels, 1, FRAME_WINDOW, padding=FRAME_WINDOW // 2)
            self.fc1c = nn.Linear(channels, channels // CHANNEL_REDUCTION)
            self.fc2c = nn.Linear(channels // CHANNEL_REDUCTION, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        return self.attend(x) if self.attention else x

    def graph(self, subset: int, similarity: Tensor) -> Tensor:
        return self.A[subset] + self.alpha * similarity.tanh()

    def initialise(self) -> None:
        super().initialise()
        if self.attention:
            nn.init.xavier_normal_(self.conv_sa.weight)
            nn.init.kaiming_normal_(self.fc1c.weight)
            zero(self.conv_sa.bias, self.conv_ta.weight, self.conv_ta.bias)
            zero(self.fc1c.bias, self.fc2c.weight, self.fc2c.bias)

    def attend(self, x: Tensor) -> Tensor:
        """Return x (N, C, T, V) with joints, then frames, then channels weighted, and added to itself each time."""
        x = x + x * self.conv_sa(x.mean(2)).sigmoid().unsqueeze(2)  # (N, 1, 1, V)
        x = x + x * self.conv_ta(x.mean(3)).sigmoid().unsqueeze(3)  # (N, 1, T, 1)
        weight = self.fc2c(self.fc1c(x.mean((2, 3))).relu()).sigmoid()  # (N, C)
        return x + x * weight[..., None, None]


def initialise(module: nn.Module) -> None:
    """Draw the initial weights of one module, after those in it, as 2s-AGCN and its successors do."""
    spread_out(module)
    if isinstance(module, AdaptiveGraphUnit):
        module.initialise()
