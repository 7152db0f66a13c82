"""What the one-stream networks share: data_bn, one row per person, a mean, one linear layer.

Letters: N clips, C channels, T frames, V joints, M persons, K classes. Source: PYSKL 3f6795f, whose key names these are
(and mmaction2's and PaddleVideo's); 2s-AGCN has the same parts under other names.
"""

from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from model.layers import Layer

HEAD_STD = 0.01  # of the initial classifier


class InputShape(NamedTuple):
    """What a network reads."""

    num_streams: int  # I
    in_channels: int  # C
    num_joints: int  # V
    num_persons: int  # M; only data_bn "MVC" depends on it


class Parts(NamedTuple):
    """What the input of a network passes, in order."""

    data_bn: nn.Module
    blocks: Iterable[Layer]
    classifier: nn.Linear


class Recognizer(nn.Module):
    """Streams (N, 1, C, T, V, M) -> logits (N, K), through blocks that see every person as a row of its own.

    An absent person (all zeros) counts in the mean, as upstream. The rows are kept in channels-last memory: the joints
    and channels of a frame lie together, so that the graph product is one matrix product a frame. On one CPU core a
    training step of ST-GCN++ is 1.3 times as fast as with channels first, in bfloat16 1.4 times; in exchange torch's
    normalisation then sums with relative errors of 1e-6 instead of 1e-7.

    Args:
        shape: of the input; it has to be one stream.
        data_bn: "VC" scales every coordinate of every joint, "MVC" those of every person on their own, "none" nothing.
        drop_prob: dropout before the classifier.
    """

    head: str  # prefix of the keys of what depends on the number of classes

    def __init__(self, shape: InputShape, *, data_bn: str, drop_prob: float) -> None:
        super().__init__()
        if shape.num_streams != 1:
            raise ValueError(f"{type(self).__name__} reads one input stream, got {shape.num_streams}")
        self.shape = shape
        self.persons_independent = data_bn != "MVC"
        self.dropout = nn.Dropout(drop_prob)

    @property
    def parts(self) -> Parts:
        """The modules of this network, wherever they lie among its keys."""
        raise NotImplementedError

    @property
    def temporal_radius(self) -> int | None:
        """Input frames to either side that a frame of the features sees; None: a layer looks at all frames."""
        return None

    @property
    def classifier_weight(self) -> Tensor:
        """The (K, C') weight of the classifier."""
        return self.parts.classifier.weight

    def forward(self, streams: Tensor) -> Tensor:
        """Return the logits (N, K) of `streams` (N, 1, C, T, V, M); ValueError where the shape does not fit."""
        return self.forward_head(self.forward_features(streams))

    def forward_features(self, streams: Tensor) -> Tensor:
        """Return the features (N, C', T', V, M) of `streams` (N, 1, C, T, V, M)."""
        self._check(streams)
        x = self._rows(streams)
        for block in self.parts.blocks:
            x = block(x)
        return x.unflatten(0, (streams.shape[0], -1)).permute(0, 2, 3, 4, 1)

    def pool(self, features: Tensor) -> Tensor:
        """Return the mean (N, C') of `features` (N, C', T', V, M) over frames, joints and persons."""
        return features.mean((2, 3, 4))

    def forward_head(self, features: Tensor) -> Tensor:
        """Return the logits (N, K) of `features` (N, C', T', V, M)."""
        return self.parts.classifier(self.dropout(self.pool(features)))

    def _rows(self, streams: Tensor) -> Tensor:
        """Return the normalised input as rows (NM, C, T, V), row n * M + m."""
        x = streams.squeeze(1).permute(0, 4, 3, 1, 2)  # (N, M, V, C, T)
        coordinates = x.flatten(0, 1).flatten(1, 2) if self.persons_independent else x.flatten(1, 3)
        x = self.parts.data_bn(coordinates).view(x.shape).flatten(0, 1)  # (NM, V, C, T)
        return x.permute(0, 2, 3, 1).contiguous(memory_format=torch.channels_last)

    def _check(self, streams: Tensor) -> None:
        """Require the streams, channels and joints the network was built for, and for "MVC" the persons, too."""
        *expected, persons = self.shape
        found = [streams.shape[axis] for axis in (1, 2, 4)] if streams.ndim == 6 else None
        if found != expected or not (self.persons_independent or streams.shape[5] == persons):
            wanted = "(N, {}, {}, T, {}, {})".format(*expected, "M" if self.persons_independent else persons)
            raise ValueError(f"{type(self).__name__} was built for streams {wanted}, got {tuple(streams.shape)}")


class PysklRecognizer(Recognizer):
    """A recogniser with PYSKL's keys: `backbone.data_bn`, `backbone.gcn.{i}` (or `.net.{i}`), `cls_head.fc_cls`.

    Args:
        shape: of the input.
        blocks: that the rows pass, the last to `channels`.
        channels: C'.
        num_classes: K.
        data_bn: as for `Recognizer`.
        drop_prob: dropout before the classifier.
    """

    head = "cls_head."
    blocks_key = "gcn"

    def __init__(
        self,
        shape: InputShape,
        *,
        blocks: Iterable[nn.Module],
        channels: int,
        num_classes: int,
        data_bn: str,
        drop_prob: float,
    ) -> None:
        super().__init__(shape, data_bn=data_bn, drop_prob=drop_prob)
        modules = {"data_bn": make_data_bn(data_bn, shape), self.blocks_key: nn.ModuleList(blocks)}
        self.backbone = nn.ModuleDict(modules)
        self.cls_head = nn.ModuleDict({"fc_cls": nn.Linear(channels, num_classes)})
        nn.init.normal_(self.parts.classifier.weight, std=HEAD_STD)
        nn.init.zeros_(self.parts.classifier.bias)

    @property
    def parts(self) -> Parts:
        """The modules of this network under PYSKL's keys."""
        blocks = cast(Iterable[Layer], self.backbone[self.blocks_key])
        return Parts(self.backbone["data_bn"], blocks, cast(nn.Linear, self.cls_head["fc_cls"]))


def make_data_bn(data_bn: str, shape: InputShape) -> nn.Module:
    """Return the normalisation of the coordinates, which are numbered (m * V + v) * C + c; ValueError if unknown."""
    persons = {"VC": 1, "MVC": shape.num_persons, "none": 0}.get(data_bn)
    if persons is None:
        raise ValueError(f"data_bn is VC, MVC or none, got '{data_bn}'")
    return nn.BatchNorm1d(persons * shape.num_joints * shape.in_channels) if persons else nn.Identity()
