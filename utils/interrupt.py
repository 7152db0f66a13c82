"""Stopping in an orderly way: SIGTERM and Ctrl-C are noted, and acted on between two steps."""

import signal
import threading
from types import FrameType


class Interrupted(Exception):
    """Raised between two steps after a signal; all is saved."""

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
