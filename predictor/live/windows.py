"""The last frames of everybody who is there, in memory that a sender cannot make grow.

Letters: M persons, T frames, V joints, C channels.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

import numpy as np

from predictor.live.decisions import Votes
from predictor.live.frames import Frame
from predictor.live.settings import Settings


@dataclass
class Person:
    """Somebody who is followed."""

    votes: Votes
    due: int  # number of the frame from which on the next decision is due
    t: float = 0.0  # seconds, when last seen
    is_news: bool = False  # seen since the last decision
    seen: deque[tuple[int, np.ndarray]] = field(default_factory=deque)  # frame number, joints (V, C); of a window

    @property
    def first(self) -> int:
        """Number of the window's first frame: the first of the last `window` ones in which the person is there."""
        return self.seen[0][0]

    @property
    def last(self) -> int:
        """Number of the last frame in which the person is there."""
        return self.seen[-1][0]


class Windows:
    """Everybody's window.

    Who was not seen for `forget` seconds or for a whole window is forgotten, so that no more frames of persons are
    held than fit into one window, whatever ids are sent. An id that comes back later is somebody new.
    """

    def __init__(self, settings: Settings) -> None:
        """Take settings that are `fitted`."""
        assert settings.window is not None
        assert settings.hop is not None
        self._settings, self._window, self._hop = settings, settings.window, settings.hop
        self._persons: OrderedDict[int, Person] = OrderedDict()  # the longest unseen first
        self._newest: list[int] = []  # who is in the newest frame
        self._number, self._t = -1, -np.inf

    def __len__(self) -> int:
        """Persons who are followed."""
        return len(self._persons)

    def __getitem__(self, who: int) -> Person:
        return self._persons[who]

    def add(self, frame: Frame) -> str | None:
        """Add the next frame; return what to say where time jumps, so that all windows start anew."""
        jump = self._jump(frame.t)
        self._number, self._t = self._number + 1, frame.t
        self._forget()
        for who, joints in frame.persons.items():
            person = self._persons.pop(who, None) or self._welcome()
            person.seen.append((self._number, joints))
            while self._number - person.first >= self._window:
                person.seen.popleft()
            person.t, person.is_news = frame.t, True
            self._persons[who] = person
        self._newest = list(frame.persons)
        return jump

    def _jump(self, t: float) -> str | None:
        limit = self._settings.forget
        if not np.isfinite(self._t) or self._t <= t <= self._t + limit:
            return None
        self._persons.clear()
        before, now = f"{self._t:.13g}", f"{t:.13g}"  # milliseconds, of seconds since 1970
        if t < self._t:
            return f"time went back from {before} to {now} s: all windows start anew"
        return f"no frame from {before} to {now} s (--forget {limit:g}): all windows start anew"

    def _forget(self) -> None:
        while self._persons:
            who, person = next(iter(self._persons.items()))
            if self._t - person.t <= self._settings.forget and self._number - person.last < self._window:
                return
            del self._persons[who]

    def _welcome(self) -> Person:
        rule = self._settings
        return Person(Votes(rule.threshold, rule.margin, rule.smoothing), due=self._number + self._hop - 1)

    def take_due(self, delay: int = 0) -> list[int]:
        """Return who is in the newest frame and was due for a decision `delay` frames ago, and count it as made."""
        return self._taken([who for who in self._newest if self._persons[who].due + delay <= self._number])

    def take_rest(self) -> list[int]:
        """Return who was seen since the last decision, at the end of all."""
        return self._taken([who for who, person in self._persons.items() if person.is_news])

    def _taken(self, chosen: list[int]) -> list[int]:
        for who in chosen:
            person = self._persons[who]
            person.due, person.is_news = self._number + self._hop, False
        return chosen

    def clip(self, who: int, slots: int) -> tuple[np.ndarray, int]:
        """Return a person's window as a clip (M, T, V, C) of `slots` M, and how many persons are in it.

        It runs from the person's first frame to the last one; T is at most the window, and where nobody is there,
        there are zeros. With `together` the others follow in it, who is there the most first.
        """
        person = self._persons[who]
        first, length = person.first, person.last - person.first + 1
        cast = [person, *self._others(who)][:slots] if self._settings.together else [person]
        joints = np.zeros((slots, length, *person.seen[0][1].shape), np.float32)
        for slot, each in zip(joints, cast, strict=False):
            for number, places in each.seen:
                if 0 <= number - first < length:
                    slot[number - first] = places
        return joints, len(cast)

    def _others(self, who: int) -> list[Person]:
        first, last = self[who].first, self[who].last
        shares = {
            other: sum(first <= number <= last for number, _ in person.seen)
            for other, person in self._persons.items()
            if other != who
        }
        return [self[other] for other in sorted(shares, key=lambda each: (-shares[each], each)) if shares[other]]
