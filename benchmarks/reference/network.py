"""The originals' way through a network: the joints summed by einsum on channels-first rows, x * sigmoid(x), whole
padded batches, and an evaluation that counts clip by clip.

Source: facts on Song et al. 2022 (EfficientGCN) and PYSKL (ST-GCN++); the layers between are the same in the house.
"""

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import networks
from model.efficientgcn import EfficientGCN
from model.graph_conv import SpatialGraphConv
from model.recognizer import Recognizer
from model.stgcn import GraphUnit
from utils.batch import Batch


class Swish(nn.Module):
    """x * sigmoid(x), with sigmoid(x) kept for the gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.sigmoid()


class EinsumConv(nn.Module):
    """The graph convolution of EfficientGCN."""

    def __init__(self, conv: SpatialGraphConv) -> None:
        super().__init__()
        self.A, self.edge, self.gcn = conv.A, conv.edge, conv.gcn

    def forward(self, x: Tensor) -> Tensor:
        x = self.gcn(x)
        x = x.view(len(x), len(self.A), -1, *x.shape[2:])
        assert self.edge is not None
        return torch.einsum("nkctv,kvw->nctw", x, self.A * self.edge).contiguous()


class EinsumUnit(nn.Module):
    """The graph layer of PYSKL."""

    def __init__(self, unit: GraphUnit) -> None:
        super().__init__()
        self.unit = unit

    def forward(self, x: Tensor) -> Tensor:
        unit = self.unit
        y = unit.conv(x)
        y = y.view(len(y), len(unit.A), -1, *y.shape[2:])
        y = torch.einsum("nkctv,kvw->nctw", y, unit.adjacency).contiguous()
        return unit.activation(unit.bn(y) + unit.down(x))


class ChannelsFirst(nn.Module):
    """The first block, on rows that lie channel by channel; so do then all others'."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x.contiguous())


def as_original(network: nn.Module) -> nn.Module:
    """Put the originals' layers into a network of the house."""
    _replace(network)
    if isinstance(network, EfficientGCN):
        network.recomputes = False
    if isinstance(network, Recognizer):
        blocks = cast(nn.ModuleList, network.get_submodule("backbone.gcn"))
        blocks[0] = ChannelsFirst(blocks[0])
    return network


def _replace(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.SiLU):
            module.add_module(name, Swish())
        elif isinstance(child, SpatialGraphConv):
            module.add_module(name, EinsumConv(child))
        elif isinstance(child, GraphUnit):
            module.add_module(name, EinsumUnit(child))
        else:
            _replace(child)


def prepare_evaluation(network: str, clips: int, *, looped: bool = False) -> Any:
    """Return an evaluation of one batch."""
    model, batch = as_original(networks.build(network)).eval(), networks.batch(network, clips, looped=looped)

    @torch.no_grad()
    def evaluate() -> dict[str, np.ndarray]:
        return {"logits": score_clips(model(batch.streams), batch).numpy()}

    return evaluate


def score_clips(logits: Tensor, batch: Batch) -> Tensor:
    """Count what was right, clip by clip; return the logits."""
    loss = nn.functional.cross_entropy(logits, batch.labels).item()
    first, five = logits.max(1)[1], logits.topk(5)[1]
    top1 = first.eq(batch.labels).sum().item()
    top5 = sum(batch.labels[n] in five[n] for n in range(len(logits)))
    confusion = np.zeros((networks.CLASSES, networks.CLASSES))
    for n in range(len(logits)):
        confusion[batch.labels[n], first[n]] += 1
    assert loss > 0 and confusion.trace() == top1 <= top5
    return logits


def prepare_training(network: str, clips: int) -> Any:
    """Return one step of training."""
    return networks.training_step(as_original(networks.build(network)), networks.batch(network, clips))
