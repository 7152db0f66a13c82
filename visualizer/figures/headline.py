"""The figures at the top: how often the network is right, and how sure that is."""

from dataclasses import dataclass

import numpy as np
from torch import from_numpy

from utils.metrics import TOP, rank_of_truth
from utils.statistics import wilson, wilson_mean
from visualizer.findings import Findings


@dataclass(frozen=True)
class Figure:
    """A share of clips, 0..1, with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Headline:
    """Figures of the best epoch and, where a run kept it, of the last; both empty where no clip's class is known."""

    best: tuple[Figure, ...]
    last: tuple[Figure, ...]
    chosen: str  # how the best was chosen
    clips: int  # whose class is known
    unlabelled: int


def headline(findings: Findings) -> Headline:
    """Return top-1, top-5 and mean class accuracy; intervals by Wilson, of the mean class by Zou & Donner."""
    known = int(findings.labelled.sum())
    last = () if findings.last is None else _figures(findings, findings.last)
    return Headline(_figures(findings, findings.logits), last, findings.chosen, known, len(findings.labels) - known)


def _figures(findings: Findings, logits: np.ndarray) -> tuple[Figure, ...]:
    labels = findings.labels[findings.labelled]
    if not len(labels):
        return ()
    rank = rank_of_truth(from_numpy(logits[findings.labelled]), from_numpy(labels)).numpy()
    support, right = np.bincount(labels), np.bincount(labels[rank == 0], minlength=labels.max() + 1)
    present = support > 0
    mean = float((right[present] / support[present]).mean())
    return (
        _share("top-1", rank == 0),
        _share(f"top-{TOP}", rank < TOP),
        Figure("mean class", mean, *wilson_mean(right[present], support[present])),
    )


def _share(name: str, right: np.ndarray) -> Figure:
    return Figure(name, float(right.mean()), *wilson(int(right.sum()), len(right)))
