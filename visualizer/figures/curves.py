"""Loss, accuracy and learning rate over the epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visualizer.findings import Findings

QUANTITIES = ("loss", "top1", "lr")  # keys of metrics.jsonl, one panel each


@dataclass(frozen=True)
class Curve:
    """One figure of one split ("train", "eval", ...) after epochs, from 1; `values` are as metrics.jsonl has them."""

    quantity: str
    split: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Curves:
    """Curves in the order of QUANTITIES, those that have points; epochs that are marked, where they are known.

    Attributes:
        best, last: epochs of the strictly highest and of the last evaluation in training.
        chosen_on: the split by which the best was chosen, "eval" or "validation"; empty: none was evaluated.
    """

    curves: tuple[Curve, ...]
    best: int | None
    last: int | None
    chosen_on: str


def curves(findings: Findings) -> Curves:
    """Return what training wrote of its epochs; nothing for a bare checkpoint."""
    lines = [line for line in findings.metrics if "train" in line]  # lines of checkpoints are no epochs
    splits = list(dict.fromkeys(key for line in lines for key, value in line.items() if isinstance(value, Mapping)))
    every = [_curve(lines, quantity, split) for quantity in QUANTITIES for split in splits]
    found = tuple(curve for curve in every if curve.epochs)
    accuracy = next((curve for curve in found if curve.quantity == "top1" and curve.split != "train"), None)
    if accuracy is None:
        return Curves(found, None, None, "")
    best = accuracy.epochs[accuracy.values.index(max(accuracy.values))]  # the first of equals, as training keeps it
    return Curves(found, best, accuracy.epochs[-1], accuracy.split)


def _curve(lines: Sequence[Mapping[str, Any]], quantity: str, split: str) -> Curve:
    points = [(line["epoch"], line[split][quantity]) for line in lines if quantity in line.get(split, {})]
    return Curve(quantity, split, tuple(epoch for epoch, _ in points), tuple(value for _, value in points))
