"""A bounded queue between two threads that drops the oldest where it is full, so that what is taken is current."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
POLL = 0.2  # seconds between two looks at whether to stop


class Mailbox(Generic[T]):
    """Holds at most `capacity` items; `gives_up` given, who puts waits for room until it says True."""

    def __init__(self, capacity: int, gives_up: Callable[[], bool] | None = None) -> None:
        self.capacity, self._gives_up = capacity, gives_up
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: T) -> int:
        """Add an item; return how many were dropped for it (0 or 1), itself included where nobody will take it."""
        with self._changed:
            while self._gives_up and len(self._items) >= self.capacity and not self._closed and not self._gives_up():
                self._changed.wait(POLL)
            if self._closed:
                return 1
            dropped = len(self._items) >= self.capacity
            if dropped:
                self._items.popleft()
            self._items.append(item)
            self._changed.notify_all()
            return int(dropped)

    def take(self) -> T | None:
        """Return the oldest item; None if none comes for a moment, or ever."""
        with self._changed:
            if not self._items and not self._closed:
                self._changed.wait(POLL)
            if not self._items:
                return None
            self._changed.notify_all()
            return self._items.popleft()

    def close(self, *, discard: bool = False) -> int:
        """Say that nothing more will be put, or with `discard` that nothing more will be taken; return what is lost."""
        with self._changed:
            self._closed, lost = True, len(self._items) if discard else 0
            if discard:
                self._items.clear()
            self._changed.notify_all()
            return lost

    @property
    def is_finished(self) -> bool:
        """Whether nothing is in it and nothing will be."""
        with self._changed:
            return self._closed and not self._items

    def __len__(self) -> int:
        """Items that wait to be taken."""
        return len(self._items)
