"""Where the time of a run goes, without waiting for a device; and how exactly a GPU multiplies meanwhile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Shares:
    """What time was spent on, by kind, since the first mark."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(("data", "compute", "evaluation"), 0.0)
        self._since: float | None = None

    def mark(self, kind: str) -> None:
        """Count the time since the last mark as spent on `kind`."""
        now = time.monotonic()
        self.seconds[kind] += now - (now if self._since is None else self._since)
        self._since = now

    def take(self) -> str:
        """Return the shares, `data 3%, compute 90%, evaluation 7%`, and count anew from here."""
        total = sum(self.seconds.values()) or 1.0
        words = ", ".join(f"{kind} {seconds / total:.0%}" for kind, seconds in self.seconds.items())
        self.seconds = dict.fromkeys(self.seconds, 0.0)
        return words


@contextmanager
def allow_tf32(allowed: bool) -> Iterator[None]:
    """Let a GPU round the factors of float32 products to 10 bits, forward and backward; without effect on a CPU."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
