"""Bytes as they come in become lines with a number and the time when they were complete."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

CHUNK = 1 << 16  # bytes read at once


@dataclass(frozen=True)
class Line:
    """A line: counted from 1; `text` is None where it was too long; `arrived` in seconds of `time.monotonic`."""

    number: int
    text: bytes | None
    arrived: float


def unbuffered(stream: Any) -> Any:
    """Return what is below a buffered stream.

    Its `read` returns what is there, and holds no lock meanwhile: Python cannot end while a thread waits in that.
    """
    return stream.raw if isinstance(stream, io.BufferedReader | io.BufferedWriter) else stream


def read_lines(source: Any, longest: int) -> Iterator[Line]:
    """Yield the lines of an unbuffered stream, the last one even without a newline; blank ones only count.

    Memory is bounded by `longest` bytes, whatever is sent.
    """
    number, held, overlong = 1, b"", False
    while chunk := source.read(CHUNK):
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield from _line(number, held + piece, longest, overlong)
            number, held, overlong = number + 1, b"", False
        held += rest
        if len(held) > longest:
            held, overlong = b"", True
    yield from _line(number, held, longest, overlong)


def _line(number: int, text: bytes, longest: int, overlong: bool) -> Iterator[Line]:
    if overlong or len(text) > longest:
        yield Line(number, None, time.monotonic())
    elif text.strip():
        yield Line(number, text, time.monotonic())


class RateLimit:
    """Allows so many a second, and as many at once after a pause (a token bucket)."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._left, self._since = rate, clock()

    def allows(self) -> bool:
        """Count one more; tell whether it is within the limit."""
        now = self._clock()
        self._left = min(self._rate, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
