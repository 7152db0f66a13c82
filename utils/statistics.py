"""How sure a figure is: intervals of accuracies, tests between two networks, calibration. N clips, K classes.

scipy.stats is imported where it is needed: it takes longer to load than a figure to draw.
"""

import numpy as np

BINS = 15  # of confidence, as in Guo et al. 2017
DRAWS, SEED = 10_000, 0  # of the bootstrap
SIGNIFICANT = 0.05  # p-values below it are set bold


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of the share `right / count`; (0, 1) of no clips at all.

    Source: Wilson 1927. It stays within 0..1 and is not empty at 0 % and 100 %, as the normal approximation is.
    """
    from scipy.stats import binomtest

    if count == 0:
        return 0.0, 1.0
    found = binomtest(int(right), int(count)).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def wilson_mean(right: np.ndarray, count: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of shares `right / count`, (K,) each, as of a mean class accuracy.

    Each share's distances to its Wilson limits are added as squares. Source: Zou & Donner 2008 (MOVER). One share
    alone has its Wilson interval. Classes are taken as they are: only their clips are a sample.
    """
    shares = right / count
    limits = np.array([wilson(*each) for each in zip(right, count, strict=True)])
    below, above = np.sqrt(((limits - shares[:, None]) ** 2).sum(axis=0)) / len(shares)
    mean = shares.mean()
    return max(0.0, float(mean - below)), min(1.0, float(mean + above))


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> float:
    """Return the exact two-sided p-value that two networks are equally often right on the same clips.

    Only clips that one of them gets right tell (McNemar 1947): of those, each has half under the null hypothesis.
    1 where there is no such clip.

    Args:
        first_right: (N,) bool, whether the first is right.
        second_right: (N,) bool, the second, over the same clips in the same order.
    """
    first, second = _paired(first_right, second_right)
    return equal_rates(int((first & ~second).sum()), int((second & ~first).sum()), len(first), len(second))


def bootstrap_difference(first_right: np.ndarray, second_right: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval of accuracy(second) - accuracy(first) over the same clips (N,).

    Clips are drawn with replacement, both networks' answers to one together (Efron & Tibshirani 1993). A draw's
    difference depends on how many of its clips only one network gets right, so these numbers are drawn, from the
    multinomial distribution that drawing clips has: 10 000 draws are a matter of milliseconds for any N.
    """
    first, second = _paired(first_right, second_right)
    share = np.array([(second & ~first).mean(), (first & ~second).mean()])
    kinds = np.random.default_rng(SEED).multinomial(len(first), [*share, max(0.0, 1 - share.sum())], size=DRAWS)
    low, high = np.quantile((kinds[:, 0] - kinds[:, 1]) / len(first), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def equal_rates(count: int, other: int, clips: int, other_clips: int) -> float:
    """Return the two-sided p-value that `count` of `clips` and `other` of `other_clips` are of one rate.

    Given the sum of both counts, the first is binomial with the share `clips / (clips + other_clips)`
    (Przyborowski & Wilenski 1940). 1 where nothing was counted.
    """
    from scipy.stats import binomtest

    if count + other == 0:
        return 1.0
    return float(binomtest(count, count + other, clips / (clips + other_clips)).pvalue)


def p_words(p: float) -> str:
    """Return a p-value as it is printed: `0.034`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Return per bin how many clips it holds (B,), and the sums of their confidence and of how many are right (2, B).

    Bins are equally wide, with their upper edge in them; 0 is in the first. Source: Guo et al. 2017.

    Args:
        confidence: (N,) probability of the predicted class, 0..1.
        right: (N,) bool, whether that class is the true one.
        bins: B.
    """
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    sums = [np.bincount(place, weights, minlength=bins) for weights in (confidence, right)]
    return np.bincount(place, minlength=bins), np.stack(sums)


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Return the expected calibration error (ECE): |accuracy - confidence| per bin, weighted by the bin's clips.

    Source: Naeini et al. 2015, Guo et al. 2017; arguments as of `reliability`. 0 of no clips.
    """
    _, (confident, correct) = reliability(confidence, right, bins)
    return float(abs(correct - confident).sum() / max(1, len(confidence)))


def _paired(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as (N,) bool; raise ValueError unless they are of the same clips, at least one."""
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"expected two vectors over the same clips, found {first.shape} and {second.shape}")
    return first.astype(bool), second.astype(bool)
