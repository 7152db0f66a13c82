"""What differs between two networks that saw the same clips, and how sure that is. N clips, K classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import UserError
from utils.fusion import ClipScores, join
from utils.recording import UNKNOWN
from utils.statistics import bootstrap_difference, mcnemar

SAME = "compare what was evaluated on the same clips of one benchmark"


@dataclass(frozen=True)
class Flip:
    """A clip that one of the two gets right and the other does not: what either says of it, and how surely (0..1)."""

    name: str
    label: int
    first: int
    second: int
    first_confidence: float
    second_confidence: float


@dataclass(frozen=True)
class ClassDelta:
    """A class that has clips: how many, how many of them both, either or none of the two get right.

    Attributes:
        label: of the class, from 0.
        p: McNemar's, over the class's clips.
        q: the same, adjusted for testing all classes (Benjamini & Hochberg 1995): among the classes with q below 0.05,
            a twentieth is expected to be chance.
    """

    label: int
    clips: int
    both: int
    lost: int
    gained: int
    p: float
    q: float

    @property
    def first(self) -> float:
        """Recall of the first, 0..1."""
        return (self.both + self.lost) / self.clips

    @property
    def second(self) -> float:
        """Recall of the second."""
        return (self.both + self.gained) / self.clips

    @property
    def delta(self) -> float:
        """Recall of the second less that of the first."""
        return (self.gained - self.lost) / self.clips


@dataclass(frozen=True)
class Comparison:
    """A second network beside a first one, over the clips whose class is known.

    Attributes:
        clips: how many.
        both: clips that both get right; neither: that both get wrong.
        interval: 95 % of the difference in top-1, second less first, by the paired bootstrap over clips.
        p: that both are equally often right (McNemar, exact).
        classes: those that have clips, in label order.
        gained: clips that only the second gets right, the surest first.
        lost: clips that only the first gets right.
    """

    clips: int
    both: int
    neither: int
    interval: tuple[float, float]
    p: float
    classes: tuple[ClassDelta, ...]
    gained: tuple[Flip, ...]
    lost: tuple[Flip, ...]

    @property
    def first(self) -> float:
        """Top-1 of the first, 0..1."""
        return (self.both + len(self.lost)) / self.clips

    @property
    def second(self) -> float:
        """Top-1 of the second."""
        return (self.both + len(self.gained)) / self.clips

    @property
    def delta(self) -> float:
        """Top-1 of the second less that of the first."""
        return (len(self.gained) - len(self.lost)) / self.clips

    @property
    def most_changed(self) -> list[ClassDelta]:
        """The classes, the largest difference first, whichever way; of equals, in label order."""
        return sorted(self.classes, key=lambda each: (-abs(each.delta), each.label))


def joined(read: Sequence[ClipScores]) -> list[ClipScores]:
    """Return the labelled clips of all, in the first one's order.

    Raises:
        UserError: if clips, classes or labels differ, saying how many clips do; if no clip has a label.
    """
    first = read[0]
    for other in read[1:]:
        _refuse_other_clips(first, other)
    together = join(read)
    known = together[0].names[together[0].labels != UNKNOWN].tolist()
    if not known:
        raise UserError(f"{first.source}: no clip has a label, so that neither is right or wrong")
    return [each.select(known) for each in together]


def _refuse_other_clips(first: ClipScores, other: ClipScores) -> None:
    names, others = set(first.names.tolist()), set(other.names.tolist())
    if names == others:
        return
    only = [
        f"{len(some)} only in {source} (such as {min(some)})"
        for some, source in ((names - others, first.source), (others - names, other.source))
        if some
    ]
    raise UserError(f"different clips: {len(names ^ others)} differ: {', '.join(only)}; {SAME}")


def compare(first: ClipScores, second: ClipScores) -> Comparison:
    """Compare two networks' scores of the same labelled clips, as `joined` returns them."""
    labels, one, two = first.labels, right(first), right(second)

    def flips(chosen: np.ndarray, knows: ClipScores) -> tuple[Flip, ...]:
        """Return the chosen clips, first those that the one who knows them is surest of."""
        rows = np.flatnonzero(chosen)
        order = np.argsort(-knows.probabilities[rows, labels[rows]], kind="stable")
        return tuple(_flip(first, second, int(row)) for row in rows[order])

    return Comparison(
        len(labels),
        int((one & two).sum()),
        int((~one & ~two).sum()),
        bootstrap_difference(one, two),
        mcnemar(one, two),
        _classes(labels, one, two),
        flips(two & ~one, second),
        flips(one & ~two, first),
    )


def _flip(first: ClipScores, second: ClipScores, row: int) -> Flip:
    said = [(int(each.probabilities[row].argmax()), float(each.probabilities[row].max())) for each in (first, second)]
    (one, sure), (two, surer) = said
    return Flip(str(first.names[row]), int(first.labels[row]), one, two, sure, surer)


def _classes(labels: np.ndarray, one: np.ndarray, two: np.ndarray) -> tuple[ClassDelta, ...]:
    from scipy.stats import false_discovery_control  # as slow to import as the statistics

    rows = [(label, labels == label) for label in np.unique(labels).tolist()]
    p = [mcnemar(one[own], two[own]) for _, own in rows]
    return tuple(
        ClassDelta(
            label,
            int(own.sum()),
            int((one & two)[own].sum()),
            int((one & ~two)[own].sum()),
            int((two & ~one)[own].sum()),
            *figures,
        )
        for (label, own), figures in zip(rows, zip(p, false_discovery_control(p).tolist(), strict=True), strict=True)
    )


def right(scores: ClipScores) -> np.ndarray:
    """Return whether the most probable class of each clip is its own, (N,) bool."""
    return np.asarray(scores.probabilities.argmax(axis=1) == scores.labels)


def mean_class(scores: ClipScores) -> float:
    """Return the recall averaged over the classes that have clips."""
    found = right(scores)
    return float(np.mean([found[scores.labels == label].mean() for label in np.unique(scores.labels)]))
