"""Stopping in an orderly way: SIGTERM and Ctrl-C are noted, and acted on between two steps; or they end all at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Interrupted(Exception):
    """Raised after a signal, where all is saved, or nothing needs to be."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)

    @property
    def exit_code(self) -> int:
        """The shell's convention: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number


class StopRequest:
    """Notes the first signal; a second Ctrl-C stops at once, as usual."""

    def __init__(self) -> None:
        self.number: int | None = None

    def listen(self) -> "StopRequest":
        """Take over SIGTERM and SIGINT (in the main thread, where Python allows it)."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal's signature
        self.number = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def due(self, *, late: bool = False) -> bool:
        """Tell, between two steps, whether it is time to pause: a signal came, or it is `late`."""
        return late or self.number is not None

    def raise_if_requested(self) -> None:
        """Raise `Interrupted` if a signal came."""
        if self.number is not None:
            raise Interrupted(self.number)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End what is done within at the first Ctrl-C or SIGTERM, wherever it is, and raise `Interrupted`.

    SIGTERM becomes a `KeyboardInterrupt` on its way: no `except Exception` holds that up, and every `finally` sees it.
    """
    allowed = threading.current_thread() is threading.main_thread()  # by Python
    before = signal.signal(signal.SIGTERM, _end) if allowed else None
    try:
        yield
    except KeyboardInterrupt as stopped:
        raise Interrupted(*(stopped.args or (signal.SIGINT,))) from None
    finally:
        if allowed:
            signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signal's signature
    raise KeyboardInterrupt(number)
