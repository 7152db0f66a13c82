"""Precision, recall and F1 of every class."""

from dataclasses import dataclass

from utils.statistics import wilson
from visualizer.figures.confusion import count_clips
from visualizer.findings import Findings


@dataclass(frozen=True)
class ClassRow:
    """One class; None where a figure has no clips to stand on.

    Attributes:
        number: of the class, from 0.
        support: clips of the class; without any there is neither recall nor F1.
        predicted: clips that are predicted as it; without any there is no precision.
        right: clips of the class that are predicted as it.
        precision, recall, f1: 0..1.
        low, high: 95 % Wilson interval of the recall.
    """

    number: int
    name: str
    support: int
    predicted: int
    right: int
    precision: float | None
    recall: float | None
    f1: float | None
    low: float | None
    high: float | None


def classes(findings: Findings) -> tuple[ClassRow, ...]:
    """Return a row for every class, in their order."""
    counts = count_clips(findings)
    columns = (counts.sum(axis=1).tolist(), counts.sum(axis=0).tolist(), counts.diagonal().tolist())
    rows = zip(findings.classes, *columns, strict=True)
    return tuple(_row(number, *row) for number, row in enumerate(rows))


def _row(number: int, name: str, support: int, predicted: int, right: int) -> ClassRow:
    low, high = wilson(right, support) if support else (None, None)
    precision = right / predicted if predicted else None
    recall, f1 = (right / support, 2 * right / (support + predicted)) if support else (None, None)
    return ClassRow(number, name, support, predicted, right, precision, recall, f1, low, high)
