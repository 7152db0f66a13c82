"""2s-AGCN (Shi et al. 2019) as BABEL trains it (38d8fa9): AAGCN's parent, with its own key names.

Unlike AAGCN it keeps the adjacency and learns summands of it, compares joints by softmax, and has no attention.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.aagcn import SMALL, AdaptiveGraphUnit, initialise
from model.recognizer import InputShape, Parts, Recognizer, make_data_bn
from model.stages import AgcnBlock, Stage, plan_stages
from model.temporal_units import TemporalUnit


class AGCN(Recognizer):
    """Ten blocks `l1` to `l10` of an adaptive graph layer and a temporal layer over 9 frames, a mean, one linear layer.

    Args:
        adjacency: (K, V, V) float32, fixed; it is not in the state dict, as in the original.
        parts: not used.
        num_streams: has to be 1; the two streams of the name are two networks.
        in_channels: C of the input.
        num_persons: M, on which data_bn depends ("MVC").
        num_classes: K.
        base_channels: of the first block; blocks 5 and 8 double them.
        drop_prob: dropout before the classifier.

    Raises:
        ValueError: if there is more than one stream.
    """

    head = "fc."

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
        drop_prob: float = 0.0,
    ) -> None:
        shape = InputShape(num_streams, in_channels, adjacency.shape[-1], num_persons)
        super().__init__(shape, data_bn="MVC", drop_prob=drop_prob)
        self.data_bn = make_data_bn("MVC", shape)
        plan = plan_stages(in_channels, base_channels)
        for stage in plan:
            temporal = TemporalUnit(stage.channels, stage.channels, stride=stage.stride)
            self.add_module(f"l{stage.number}", AgcnBlock(stage, SimilarityGraphUnit(stage, adjacency), temporal))
        self.fc = nn.Linear(plan[-1].channels, num_classes)
        self.apply(initialise)
        nn.init.normal_(self.fc.weight, std=(2 / num_classes) ** 0.5)

    @property
    def parts(self) -> Parts:
        """The modules of this network under the original's keys."""
        blocks = [module for module in self.children() if isinstance(module, AgcnBlock)]
        return Parts(self.data_bn, blocks, self.fc)


class SimilarityGraphUnit(AdaptiveGraphUnit):
    """The adjacency, plus learned summands, plus the softmax of the similarity over the joints that are summed."""

    A: Tensor  # (K, V, V)

    def __init__(self, stage: Stage, adjacency: Tensor) -> None:
        super().__init__(stage, len(adjacency))
        self.register_buffer("A", adjacency.clone(), persistent=False)
        self.PA = nn.Parameter(torch.full_like(adjacency, SMALL))

    def graph(self, subset: int, similarity: Tensor) -> Tensor:
        return self.A[subset] + self.PA[subset] + similarity.softmax(1)
