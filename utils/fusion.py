"""Fusing what several networks say of the same clips: joined by name, probabilities weighted and summed.

N clips, K classes. Sums are of probabilities, as PYSKL and mmaction2 1.x fuse; the CTR-GCN line sums raw outputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import UserError
from utils.recording import UNKNOWN

ONE_BENCHMARK = "take what was evaluated on the same clips of one benchmark"
SEARCH_SHARES = 12  # the weights tried are the ways to deal so many shares: holds 1:1, 1:1:1 and 2:2:1:1


@dataclass(frozen=True)
class ClipScores:
    """What one network says of a set of clips; refuses clips that stand in it twice, and labels beyond its classes.

    Attributes:
        source: what to call it in messages: a file, a run.
        names: (N,) text, unique.
        labels: (N,) int, 0..K-1, or `UNKNOWN`.
        probabilities: (N, K) float64.
    """

    source: str
    names: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    def __post_init__(self) -> None:
        found, counts = np.unique(self.names, return_counts=True)
        if (counts > 1).any():
            raise UserError(f"{self.source}: clip {found[counts.argmax()]} stands in it {counts.max()} times")
        beyond = (self.labels < UNKNOWN) | (self.labels >= self.num_classes)
        if beyond.any():
            name, label = self.names[beyond][0], self.labels[beyond][0]
            raise UserError(f"{self.source}: the label of {name} is {label}, with {self.num_classes} classes")

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.probabilities.shape[1])

    def select(self, names: Sequence[str]) -> "ClipScores":
        """Return the same for `names` only, in that order."""
        row = {name: index for index, name in enumerate(self.names.tolist())}
        rows = np.array([row[name] for name in names])
        return ClipScores(self.source, self.names[rows], self.labels[rows], self.probabilities[rows])


def join(operands: Sequence[ClipScores], *, intersect: bool = False) -> list[ClipScores]:
    """Return the operands with the same clips in the same order, the first one's; rows are matched by clip name.

    Raises:
        UserError: if classes or labels differ; if clips differ and not `intersect`; if none is in all.
    """
    first = operands[0]
    sets = [set(each.names.tolist()) for each in operands]
    common = set.intersection(*sets)
    for each, names in zip(operands, sets, strict=True):
        if each.num_classes != first.num_classes:
            counts = f"{first.source} has {first.num_classes} classes, {each.source} {each.num_classes}"
            raise UserError(f"{counts}; {ONE_BENCHMARK}")
        if not intersect and names != sets[0]:
            raise UserError(_difference(first.source, each.source, sets[0], names))
    if not common:
        raise UserError(f"no clip is in all of them; {ONE_BENCHMARK}")
    joined = [each.select([name for name in first.names.tolist() if name in common]) for each in operands]
    for each in joined:
        differing = joined[0].labels != each.labels
        if differing.any():
            name, one, other = (column[differing][0] for column in (each.names, joined[0].labels, each.labels))
            raise UserError(f"{name}: label {one} in {first.source}, {other} in {each.source}")
    return joined


def _difference(one: str, other: str, first: set[str], second: set[str]) -> str:
    name, both = min(first ^ second), len(first & second)
    remedy = "--intersect fuses those" if both else ONE_BENCHMARK
    counts = f"{one} has {len(first)}, {other} {len(second)}, and {both} are in both"
    return f"different clips: {counts} ({name} is not); {remedy}"


def fuse(joined: Sequence[ClipScores], weights: Sequence[float]) -> ClipScores:
    """Return the weighted mean of probabilities of operands that `join` has joined.

    The mean and the usual weighted sum have the same order of classes; a mean is again probabilities.

    Raises:
        UserError: unless there is a weight per operand, none is negative and one is above 0.
    """
    factors = np.array(weights, np.float64)
    if len(factors) != len(joined):
        example = " ".join(["1"] * len(joined))
        raise UserError(f"--weights: {len(factors)} weights for {len(joined)} operands; give one for each: {example}")
    if not np.isfinite(factors).all() or (factors < 0).any() or not factors.any():
        raise UserError(f"--weights {' '.join(map(str, weights))}: give numbers of 0 or more, not all 0")
    total = sum(factor * each.probabilities for factor, each in zip(factors, joined, strict=True))
    return ClipScores("fusion", joined[0].names, joined[0].labels, np.asarray(total / factors.sum()))


def search_weights(held_out: Sequence[ClipScores]) -> tuple[int, ...]:
    """Return the weights with the highest top-1 on joined clips that were held out of training.

    All ways to deal `SEARCH_SHARES` shares are tried; among equals, the higher mean log-probability of the truth wins.
    Raises `UserError` if the label of any is unknown.
    """
    unknown = held_out[0].names[held_out[0].labels == UNKNOWN]
    if len(unknown):
        raise UserError(f"--search: {len(unknown)} clips, such as {unknown[0]}, have no label; give labelled ones")
    stack = np.stack([each.probabilities for each in held_out])
    labels = held_out[0].labels

    def quality(weights: tuple[int, ...]) -> tuple[int, float]:
        mean = np.tensordot(np.array(weights) / SEARCH_SHARES, stack, axes=1)
        truth = mean[np.arange(len(labels)), labels]
        likelihood = float(np.log(np.maximum(truth, np.finfo(np.float32).tiny)).mean())
        return int((mean.argmax(axis=1) == labels).sum()), round(likelihood, 9)  # rounded: whatever the clips' order

    best = max(_deals(SEARCH_SHARES, len(held_out)), key=quality)
    return tuple(int(weight) for weight in np.array(best) // np.gcd.reduce(best))


def _deals(shares: int, among: int) -> Iterator[tuple[int, ...]]:
    if among == 1:
        yield (shares,)
        return
    for own in range(shares, -1, -1):
        for rest in _deals(shares - own, among - 1):
            yield (own, *rest)
