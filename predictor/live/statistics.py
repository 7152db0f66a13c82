"""What a live session has counted, in constant memory."""

from collections import deque
from dataclasses import dataclass, field, fields

import numpy as np

REMEMBERED = 10_000  # latencies, the newest ones


@dataclass
class Statistics:
    """Counts of one session, or of several. Every field is counted by one thread only.

    Attributes:
        frames: lines that were frames and were looked at.
        decisions: made.
        dropped: lines, the oldest, because classification was slower than they came.
        limited: lines that came faster than the limit.
        errors: lines that were no frames, and windows that could not be classified.
        jumps: of time.
        unread: answers, the oldest, because they were not read as fast as they were made.
        latencies: seconds from a line's end coming in to its decision being written; the newest ones.
    """

    frames: int = 0
    decisions: int = 0
    dropped: int = 0
    limited: int = 0
    errors: int = 0
    jumps: int = 0
    unread: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def add(self, other: "Statistics") -> None:
        """Count another session's, too."""
        for each in fields(self):
            if each.name != "latencies":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        self.latencies.extend(other.latencies)

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds that a `share` in percent of the decisions did not exceed; NaN of none."""
        return float(np.percentile(list(self.latencies), share)) * 1000 if self.latencies else float("nan")

    def __str__(self) -> str:
        """Return one line for people."""
        counts = ", ".join(f"{each.name} {getattr(self, each.name)}" for each in fields(self)[:-1])
        if not self.latencies:
            return counts
        p50, p95 = self.percentile(50), self.percentile(95)
        return f"{counts}; from line in to line out: p50 {p50:.1f} ms, p95 {p95:.1f} ms"
