"""EfficientGCN (Song et al. 2022): streams (N, I, C, T, V, M) -> logits (N, K), with the published key names.

N clips, I input streams, C channels, T frames, V joints, M persons, K classes, H hops.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.attention import ATTENTIONS, Attention, AttentionLayer, AttentionOptions
from model.graph_conv import SpatialGraphConv, SpatialGraphLayer
from model.initial import spread_out, zero
from model.layers import ACTIVATIONS, Reach, reach
from model.recompute import recomputing
from model.temporal import TEMPORAL_LAYERS, TemporalConv, TemporalLayer, TemporalOptions


class Block(NamedTuple):
    """A graph layer to `channels`, `depth` temporal layers, the first with `stride`, and attention."""

    channels: int
    stride: int
    depth: int


class EfficientGCN(nn.Module):
    """A branch per input stream, a main stream on their concatenated channels, a mean, one linear layer.

    Every person is a row of its own until the mean over frames, joints and persons. An absent person (all
    zeros) counts in that mean, as in the original.

    Args:
        adjacency: (H, V, V) float32, one normalised matrix per hop distance, `kernel[1] + 1` or more.
        parts: joints of every body part, or None where the layout has none; attention "pa" needs them.
        num_streams: I.
        in_channels: C of the input.
        num_persons: M; nothing here depends on it.
        num_classes: K.
        size: "B0", "B2", "B4" ...; the digits are the exponent x of `scale`. (The original reads the last
            character alone, so that its B10 is a B0.)
        stem_channels: channels after the stem, never scaled.
        blocks: (channels, stride, depth) of every block, before scaling; a block that scales to depth 0
            loses its stride, as in the original.
        fusion_stage: number of blocks in each branch; the others form the main stream.
        activation: a key of `ACTIVATIONS`.
        attention: a key of `ATTENTIONS`.
        layer: a key of `TEMPORAL_LAYERS`; the stem's temporal layer is always Basic.
        drop_prob: dropout before the classifier.
        kernel: (frames, hop distance) that a temporal and a graph convolution reach over.
        scale: (width, depth) factors, to the power x of `size`.
        expand_ratio: of Sep layers; 0 leaves out the expansion.
        reduct_ratio: of Bottleneck and SG layers, and of attentions stja and pa.
        bias: of the convolutions.
        learn_edges: give the adjacency learned factors.
        residual: add residuals in the graph and temporal layers.

    Raises:
        ValueError: if a part of this cannot be built, saying which.
    """

    persons_independent = True  # until the mean over persons
    head = "classifier."  # keys of what depends on the number of classes
    recomputes = True  # where memory is dear: in training on a CPU

    def __init__(  # noqa: PLR0913 - one argument per key of the config
        self,
        *,
        adjacency: Tensor,
        parts: Sequence[Sequence[int]] | None,
        num_streams: int,
        in_channels: int,
        num_persons: int = 0,  # noqa: ARG002 - given to every network
        num_classes: int,
        size: str,
        stem_channels: int,
        blocks: Sequence[tuple[int, int, float]],
        fusion_stage: int,
        activation: str,
        attention: str,
        layer: str,
        drop_prob: float,
        kernel: tuple[int, int],
        scale: tuple[float, float],
        expand_ratio: int,
        reduct_ratio: int,
        bias: bool,
        learn_edges: bool,
        residual: bool,
    ) -> None:
        super().__init__()
        _check_kernel(kernel, adjacency)
        self.num_streams, self.in_channels, self.num_joints = num_streams, in_channels, adjacency.shape[-1]
        layers = _Layers(
            adjacency[: kernel[1] + 1],
            learn_edges,
            TEMPORAL_LAYERS[layer],
            TemporalOptions(kernel[0], ACTIVATIONS[activation], expand_ratio, reduct_ratio, bias, residual),
            ATTENTIONS[attention],
            AttentionOptions(self.num_joints, parts, reduct_ratio, bias),
        )
        scaled = scale_blocks(blocks, size, scale)
        branch, main = scaled[:fusion_stage], scaled[fusion_stage:]
        fused = num_streams * _width(branch, stem_channels)
        self.input_branches = nn.ModuleList(
            layers.branch(in_channels, stem_channels, branch) for _ in range(num_streams)
        )
        self.main_stream = nn.Sequential(layers.blocks(fused, main))
        self.classifier = Classifier(_width(main, fused), num_classes, drop_prob)
        self.apply(initialise)

    @property
    def temporal_radius(self) -> int:
        """Input frames to either side that a frame of the features sees, means over all frames aside."""
        return self._reach().radius

    @property
    def temporal_stride(self) -> int:
        """Input frames from one frame of the features to the next."""
        return self._reach().stride

    @property
    def classifier_weight(self) -> Tensor:
        """The (K, C) weight of the classifier."""
        return self.classifier.fc.weight.flatten(1)

    def forward(self, streams: Tensor) -> Tensor:
        """Return the logits (N, K) of `streams` (N, I, C, T, V, M); ValueError where I, C or V is another."""
        return self.forward_head(self.forward_features(streams))

    def forward_features(self, streams: Tensor) -> Tensor:
        """Return the features (N, C', T/4, V, M) of `streams` (N, I, C, T, V, M)."""
        self._check(streams)
        num_clips, num_persons = streams.shape[0], streams.shape[-1]
        rows = streams.permute(1, 0, 5, 2, 3, 4).flatten(1, 2)  # (I, NM, C, T, V), row n * M + m
        with recomputing(enabled=self.recomputes and self.training and streams.device.type == "cpu"):
            branches = [branch(x) for branch, x in zip(self.input_branches, rows, strict=True)]
            x = self.main_stream(torch.cat(branches, dim=1))  # (NM, C', T/4, V)
        return x.unflatten(0, (num_clips, num_persons)).permute(0, 2, 3, 4, 1)

    def forward_head(self, features: Tensor) -> Tensor:
        """Return the logits (N, K) of `features` (N, C', T/4, V, M)."""
        return self.classifier(features)

    def pool(self, features: Tensor) -> Tensor:
        """Return the mean (N, C') of `features` (N, C', T/4, V, M) over frames, joints and persons."""
        return self.classifier.gap(features).flatten(1)

    def _reach(self) -> Reach:
        return reach([*self.input_branches[0].children(), *self.main_stream])

    def _check(self, streams: Tensor) -> None:
        """Require as many streams, channels and joints as the network was built for."""
        expected = (self.num_streams, self.in_channels, self.num_joints)
        if streams.ndim != 6 or (streams.shape[1], streams.shape[2], streams.shape[4]) != expected:
            wanted = "(N, {}, {}, T, {}, M)".format(*expected)
            raise ValueError(f"EfficientGCN was built for streams {wanted}, got {tuple(streams.shape)}")


class Classifier(nn.Module):
    """Mean over frames, joints and persons, dropout, one linear layer: (N, C, T, V, M) -> (N, K)."""

    def __init__(self, channels: int, num_classes: int, drop_prob: float) -> None:
        super().__init__()
        self.gap = nn.AdaptiveAvgPool3d(1)
        self.dropout = nn.Dropout(drop_prob)
        self.fc = nn.Conv3d(channels, num_classes, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        return self.fc(self.dropout(self.gap(features))).flatten(1)


@dataclass(frozen=True)
class _Layers:
    """Makes the named layers of one network, in the order in which data passes them."""

    adjacency: Tensor
    learn_edges: bool
    temporal: type[TemporalLayer]
    temporal_options: TemporalOptions
    attention: type[Attention] | None
    attention_options: AttentionOptions

    def branch(self, in_channels: int, stem_channels: int, blocks: Sequence[Block]) -> nn.Sequential:
        """Return an input branch: a stem and `blocks`."""
        stem = OrderedDict(
            init_bn=nn.BatchNorm2d(in_channels),
            stem_scn=self._graph(in_channels, stem_channels),
            stem_tcn=TemporalConv(stem_channels, 1, self.temporal_options),
        )
        return nn.Sequential(stem | self.blocks(stem_channels, blocks))

    def blocks(self, in_channels: int, blocks: Sequence[Block]) -> OrderedDict[str, nn.Module]:
        """Return the layers of `blocks`; their numbers start at 0 in every branch and in the main stream."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (channels, stride, depth) in enumerate(blocks):
            layers[f"block-{number}_scn"] = self._graph(in_channels, channels)
            for j in range(depth):
                layers[f"block-{number}_tcn-{j}"] = self.temporal(
                    channels, stride if j == 0 else 1, self.temporal_options
                )
            if self.attention is not None:
                layers[f"block-{number}_att"] = self._attention(self.attention, channels)
            in_channels = channels
        return layers

    def _graph(self, in_channels: int, channels: int) -> SpatialGraphLayer:
        options = self.temporal_options
        conv = SpatialGraphConv(in_channels, channels, self.adjacency, learn_edges=self.learn_edges, bias=options.bias)
        return SpatialGraphLayer(conv, options.activation(), residual=options.residual)

    def _attention(self, attention: type[Attention], channels: int) -> AttentionLayer:
        weights = attention(channels, self.attention_options)
        return AttentionLayer(channels, weights, self.temporal_options.activation())


def _check_kernel(kernel: tuple[int, int], adjacency: Tensor) -> None:
    window, max_hop = kernel
    if window % 2 == 0:
        raise ValueError(f"a kernel over an even number of frames keeps no centre, got {window}")
    if len(adjacency) <= max_hop:
        raise ValueError(f"the kernel reaches {max_hop} hops, the adjacency {len(adjacency) - 1}")


def _width(blocks: Sequence[Block], in_channels: int) -> int:
    """Return the channels behind `blocks`, which may be none."""
    return blocks[-1].channels if blocks else in_channels


def scale_blocks(blocks: Sequence[tuple[int, int, float]], size: str, scale: tuple[float, float]) -> list[Block]:
    """Return `blocks` (channels, stride, depth) scaled to `size`: widths in steps of 16, depths rounded.

    Halves round to the even number, as Python does: a depth of 0.5 is 0 at B0.
    """
    match = re.fullmatch(r"B(\d+)", size)
    if match is None:
        raise ValueError(f"size must be B and a number, such as B0, B2 or B4, got '{size}'")
    exponent = int(match[1])
    width, depth_factor = scale[0] ** exponent, scale[1] ** exponent
    return [
        Block(max(16 * round(channels * width / 16), 16), stride, round(depth * depth_factor))
        for channels, stride, depth in blocks
    ]


def initialise(module: nn.Module) -> None:
    """Draw the initial weights of one module; normalisations and edge factors start at 1 by themselves."""
    spread_out(module)  # the fan counts all output channels, of depthwise convolutions too
    if isinstance(module, nn.Conv3d):
        nn.init.normal_(module.weight, std=0.001)
        zero(module.bias)
