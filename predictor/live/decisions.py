"""From the probabilities of one window after the other to decisions that do not flicker."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Decision:
    """What is thought of a person.

    Attributes:
        best: the class that is most probable, after smoothing.
        score: its probability.
        decided: the class that is decided on; None: none is probable enough.
        changed: whether `decided` is another one than before.
    """

    best: int
    score: float
    decided: int | None
    changed: bool


class Votes:
    """The decisions on one person.

    Probabilities are smoothed exponentially, from the first ones on: s = a s + (1 - a) p. A class is decided on if it
    is the most probable one and reaches `threshold`. It stays until it falls below that, or another one is more
    probable by more than `margin`.
    """

    def __init__(self, threshold: float, margin: float, smoothing: float) -> None:
        self._threshold, self._margin, self._smoothing = threshold, margin, smoothing
        self._smoothed: np.ndarray | None = None  # (K,)
        self._decided: int | None = None

    def add(self, probabilities: np.ndarray) -> Decision:
        """Take the probabilities (K,) of the newest window into account."""
        before, a = self._smoothed, self._smoothing
        now = probabilities if before is None else a * before + (1 - a) * probabilities
        best, decided = int(now.argmax()), self._decided
        holds = decided is not None and now[decided] >= max(self._threshold, now[best] - self._margin)
        if not holds:
            decided = best if now[best] >= self._threshold else None
        changed = decided != self._decided
        self._smoothed, self._decided = now, decided
        return Decision(best, float(now[best]), decided, changed)
