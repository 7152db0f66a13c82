"""What the doctor says: findings with a level, what was found, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEVELS = ("ok", "note", "warning", "error")  # error: a run would not start, or its figures would mean nothing
BAR = 40  # characters of the longest bar
BINS = 10  # of a histogram with many values
SHOWN = 3  # clips that are named


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: one of LEVELS.
        check: what was looked at.
        what: what was found.
        remedy: what to do, empty where there is nothing to do.
        figures: the same for machines, JSON-ready.
        lines: a histogram or a list for people.
    """

    level: str
    check: str
    what: str
    remedy: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the finding as lines for a terminal."""
        head = f"{self.level:8}{self.check:12}{self.what}"
        return "\n".join([head, *(f"{'':20}{line}" for line in self.below())])

    def below(self) -> list[str]:
        """Return what stands below the first line."""
        return [*self.lines, *([f"-> {self.remedy}"] if self.remedy else [])]

    def row(self) -> dict[str, Any]:
        """Return the finding for `--json`."""
        return {key: getattr(self, key) for key in ("level", "check", "what", "remedy", "figures")}


def bars(names: Sequence[str], counts: Sequence[int]) -> tuple[str, ...]:
    """Return a line per count: name, bar, count."""
    pad, most = max(map(len, names)), max(*counts, 1)
    lengths = [-(-count * BAR // most) for count in counts]
    return tuple(f"{name:>{pad}}  {'#' * n} {count}" for name, n, count in zip(names, lengths, counts, strict=True))


def histogram(values: np.ndarray) -> tuple[dict[str, int], tuple[str, ...]]:
    """Count whole numbers (N,) by value, or in BINS equal ranges where there are more; return counts and text bars."""
    low, high = int(values.min()), int(values.max())
    width = -(-(high - low + 1) // BINS)
    counts = np.bincount((values - low) // width).tolist()
    firsts = [low + width * n for n in range(len(counts))]
    names = [str(first) if width == 1 else f"{first}-{first + width - 1}" for first in firsts]
    return dict(zip(names, counts, strict=True)), bars(names, counts)


def some(names: Sequence[Any] | np.ndarray) -> str:
    """Return how many there are and the first few: `5 (a, b, c, ...)`."""
    more = ", ..." if len(names) > SHOWN else ""
    return f"{len(names)} ({', '.join(map(str, names[:SHOWN]))}{more})"


def gigabytes(size: float) -> str:
    """Return bytes in words."""
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
