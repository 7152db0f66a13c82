"""Which classes are taken for which others."""

from dataclasses import dataclass

import numpy as np

from utils.statistics import equal_rates
from visualizer.findings import Findings

PAIRS = 30  # at most


@dataclass(frozen=True)
class Pair:
    """Two classes of which one is taken for the other.

    Attributes:
        true, predicted: the classes.
        count: clips of `true` that are predicted as `predicted`.
        clips: of `true`, right or wrong.
        back: clips of `predicted` that are predicted as `true`.
        p_value: of the hypothesis that both directions are equally likely for a clip (binomial test, two-sided). It is
            not corrected for there being several pairs.
    """

    true: int
    predicted: int
    count: int
    clips: int
    back: int
    p_value: float


@dataclass(frozen=True)
class Confusion:
    """Counts of clips by true and predicted class.

    Attributes:
        classes: (K,) names.
        counts: (K, K) int64, row = true class, column = predicted class.
        order: (K,) the classes such that those taken for each other are neighbours.
        pairs: the most confused ones, the most clips first; of equals, the larger share of its class.
    """

    classes: tuple[str, ...]
    counts: np.ndarray
    order: np.ndarray
    pairs: tuple[Pair, ...]

    @property
    def shares(self) -> np.ndarray:
        """(K, K) counts over the clips of the true class, rows of classes without clips 0."""
        return _shares(self.counts)


def confusion(findings: Findings) -> Confusion:
    """Return the confusion matrix over clips whose class is known, and what stands out in it."""
    counts = count_clips(findings)
    return Confusion(findings.classes, counts, _neighbours(counts), _pairs(counts))


def count_clips(findings: Findings) -> np.ndarray:
    """Return how many clips of each true class (row) are predicted as each class (column), (K, K) int64."""
    K, known = len(findings.classes), findings.labelled
    cells = np.bincount(findings.labels[known] * K + findings.predicted[known], minlength=K * K)
    return cells.reshape(K, K)


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)))


def _pairs(counts: np.ndarray) -> tuple[Pair, ...]:
    wrong = counts - np.diag(counts.diagonal())
    clips = counts.sum(axis=1)
    true, predicted = wrong.nonzero()
    order = np.lexsort((clips[true], -wrong[true, predicted]))[:PAIRS]  # the last key is the first to decide
    return tuple(_pair(wrong, clips, int(true[n]), int(predicted[n])) for n in order)


def _pair(wrong: np.ndarray, clips: np.ndarray, true: int, predicted: int) -> Pair:
    count, back = int(wrong[true, predicted]), int(wrong[predicted, true])
    p_value = equal_rates(count, back, int(clips[true]), int(clips[predicted]))
    return Pair(true, predicted, count, int(clips[true]), back, p_value)


def _neighbours(counts: np.ndarray) -> np.ndarray:
    """Return the leaves of an average-linkage tree (K,), by the shares of clips that two classes exchange."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(counts) < 3:
        return np.arange(len(counts))
    shares = _shares(counts)
    apart = 1 - (shares + shares.T) / 2
    np.fill_diagonal(apart, 0)
    return np.asarray(leaves_list(linkage(squareform(apart, checks=False), "average")), np.int64)
