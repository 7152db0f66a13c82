"""What a network costs: parameters and operations of one forward pass, each with its definition."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
AVERAGE_POOLS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


@dataclass(frozen=True)
class Cost:
    """The cost of one network; the published FLOPs and parameters are those of thop 0.0.31."""

    flops_thop: int  # operations as thop 0.0.31 counts them
    macs: int  # multiply-accumulates of all convolutions and matrix products
    leaf_parameters: int  # parameters of modules without children: no adjacency, no edge factors
    trainable_parameters: int  # all that an optimizer changes

    def describe(self) -> str:
        """Return one line with every figure and its definition."""
        return (
            f"Model profile: {self.flops_thop / 1e9:.2f}G FLOPs"
            f" and {self.leaf_parameters / 1e6:.2f}M Parameters"
            " (as thop 0.0.31 counts: one multiply-add is one FLOP, graph products and adjacency left out);"
            f" {self.macs / 1e9:.2f}G multiply-adds with the graph products;"
            f" {self.trainable_parameters:,} trainable parameters"
        )


def measure(model: nn.Module, input_shape: Sequence[int]) -> Cost:
    """Return the cost of one evaluation pass on an input of `input_shape`, without computing it.

    The pass runs on a copy on the meta device: `model` stays as it is, on whatever device it is.

    Args:
        model: takes one float32 tensor.
        input_shape: of that tensor; for the published figures one clip, (1, 3, 6, 288, 25, 2).

    Source: EfficientGCN's README and its "Model profile" line, which are thop 0.0.31's; thop 0.1.1 differs.
    """
    twin = copy.deepcopy(model).to("meta").eval()
    leaves = [module for module in twin.modules() if not any(module.children())]
    counts: list[int] = []
    for module in leaves:
        module.register_forward_hook(partial(_count, counts))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        twin(torch.empty(tuple(input_shape), device="meta"))
    return Cost(
        flops_thop=sum(counts),
        macs=counter.get_total_flops() // 2,
        leaf_parameters=sum(p.numel() for module in leaves for p in module.parameters()),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )


def _count(counts: list[int], module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
    """Append the operations of one call of a leaf module, by thop 0.0.31's rules."""
    if isinstance(module, CONVOLUTIONS):
        inner = module.in_channels // module.groups * math.prod(module.kernel_size)
        counts.append(output.numel() * (inner + (module.bias is not None)))
    elif isinstance(module, NORMALISATIONS):
        counts.append(2 * inputs[0].numel())
    elif isinstance(module, AVERAGE_POOLS):
        area = math.prod(inputs[0].shape[2:]) // math.prod(output.shape[2:])
        counts.append(output.numel() * (area + 1))  # activations, softmax, products of tensors: 0
