"""Whether the network's probabilities are what they say."""

from dataclasses import dataclass

import numpy as np

from utils.statistics import BINS, calibration_error, reliability, wilson
from visualizer.findings import Findings

DEFINITION = (
    f"{BINS} equally wide bins of the predicted class's probability. ECE: the mean of |accuracy - confidence| over the "
    "bins, weighted by their clips; MCE: the largest (Guo et al. 2017)."
)


@dataclass(frozen=True)
class Bin:
    """Clips whose confidence is above `low` and at most `high` (0 is in the first).

    Attributes:
        confidence: their mean; accuracy: the share that is right, with its 95 % Wilson interval at_least..at_most.
        count: of clips.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    at_least: float
    at_most: float
    count: int


@dataclass(frozen=True)
class Calibration:
    """Bins that hold clips, in ascending order, and the errors; 0 where there is no bin."""

    bins: tuple[Bin, ...]
    ece: float
    mce: float


def calibration(findings: Findings) -> Calibration:
    """Return confidence against accuracy, over clips whose class is known."""
    known = findings.labelled
    confidence = findings.probabilities[known].max(axis=1)
    right = findings.predicted[known] == findings.labels[known]
    counts, (confident, correct) = reliability(confidence, right)
    bins = tuple(_bin(b, *each) for b, each in enumerate(zip(counts, confident, correct, strict=True)) if each[0])
    worst = max((abs(each.accuracy - each.confidence) for each in bins), default=0.0)
    return Calibration(bins, calibration_error(confidence, right), worst)


def _bin(place: int, count: np.int64, confident: float, correct: float) -> Bin:
    interval = wilson(int(correct), int(count))
    means = float(confident / count), float(correct / count)
    return Bin(place / BINS, (place + 1) / BINS, *means, *interval, int(count))
