"""MB-ST-GCN (ByeByeChen/multi-branch-st-gcn, 7fb95c0): ST-GCN with branches in time and a noisy graph.

Letters: N clips and persons, C channels, T frames, V joints, K subsets of the adjacency (K, V, V).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.initial import draw_initial
from model.recognizer import InputShape, PysklRecognizer
from model.stages import Block, Stage, plan_stages
from model.stgcn import GraphUnit, gather
from model.temporal_units import MultiScaleTemporal

CHANNEL_REDUCTION = 16  # of the layer that weighs channels


class MBSTGCN(PysklRecognizer):
    """Ten blocks of a graph layer on a noisy adjacency and a multi-scale temporal layer, a mean, one linear layer.

    The adjacency of every block is (A + noise * scale) * factors, where the noise is drawn once, `scale` is one learned
    number, and the factors are learned block by block, as ST-GCN's.

    Three defects of the fork are not repeated. A counter that its whole process shares says which of the layers for 64,
    128 and 256 channels weighs and normalises; the others stay parameters that nothing trains, which distributed
    training refuses. Here a block has its own and no more. The noise overwrites the adjacency, and no seed decides it.
    Here it lies beside the adjacency in the state dict, and `noise_seed` decides it.

    Nobody published weights. The keys are PYSKL's where it has such a layer.

    Args:
        adjacency: (K, V, V) float32; every block has a copy of its own, and learns factors for it.
        parts: not used.
        num_streams: has to be 1.
        in_channels: C of the input.
        num_persons: M; nothing depends on it.
        num_classes: K.
        base_channels: of the first block; blocks 5 and 8 double them.
        initial: how weights are drawn, see `draw_initial`.
        noise_mean: of the noise that is added to the adjacency.
        noise_std: its standard deviation.
        noise_seed: decides the noise, and nothing else.
        drop_prob: dropout before the classifier.

    Raises:
        ValueError: if there is more than one stream, or no such initial weights.
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
        initial: str = "stgcn",
        noise_mean: float = 0.05,
        noise_std: float = 0.2,
        noise_seed: int = 0,
        drop_prob: float = 0.0,
    ) -> None:
        generator = torch.Generator().manual_seed(noise_seed)
        noise = torch.normal(noise_mean, noise_std, adjacency.shape, generator=generator, device="cpu")
        scale = nn.Parameter(torch.ones(1))  # one for all blocks

        def block(stage: Stage) -> Block:
            temporal = MultiScaleTemporal(stage.channels, stage.channels, stride=stage.stride)
            return Block(stage, NoisyGraphUnit(stage, adjacency, noise, scale), temporal)

        plan = plan_stages(in_channels, base_channels)
        super().__init__(
            InputShape(num_streams, in_channels, adjacency.shape[-1], num_persons),
            blocks=map(block, plan),
            channels=plan[-1].channels,
            num_classes=num_classes,
            data_bn="VC",
            drop_prob=drop_prob,
        )
        draw_initial(self, initial)


class NoisyGraphUnit(GraphUnit):
    """ST-GCN's graph layer on a noisy graph, with its channels weighted; no activation: (N, C, T, V) -> (N, C', T, V).

    Args:
        stage: the block.
        adjacency: (K, V, V).
        noise: (K, V, V), fixed.
        scale: (1,), learned: how much of the noise is added.
    """

    noise: Tensor

    def __init__(self, stage: Stage, adjacency: Tensor, noise: Tensor, scale: nn.Parameter) -> None:
        super().__init__(stage, adjacency, adaptive="importance", conv_pos="pre", residual=False)
        self.register_buffer("noise", noise.clone())
        self.scale = scale
        self.se = ChannelWeights(stage.channels)

    @property
    def adjacency(self) -> Tensor:
        """The (K, V, V) that weights the joints, as learned so far."""
        return (self.A + self.noise * self.scale) * self.PA

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.se(gather(self.conv(x), self.adjacency)))


class ChannelWeights(nn.Module):
    """One weight per channel, from the mean of all frames and joints (Hu et al. 2018): (N, C, T, V) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // CHANNEL_REDUCTION, 1)
        self.fc1 = nn.Linear(channels, inner, bias=False)
        self.fc2 = nn.Linear(inner, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.fc2(self.fc1(x.mean((2, 3))).relu()).sigmoid()  # (N, C)
        return x * weight[..., None, None]
