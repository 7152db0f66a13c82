"""A line of JSON becomes a frame of persons, or one sentence that says what is wrong with it."""

import json
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

LARGEST = 1e9  # of a coordinate, in whatever unit: its square still is a float32
LATEST = 1e15  # seconds
LAST_ID = 2**63 - 1
ZERO = 1e-8  # up to this a coordinate counts as zero, as in `prenormalized`


class LineError(ValueError):
    """What is wrong with a line, in one sentence."""


@dataclass(frozen=True)
class Frame:
    """Who is where at one time: `t` in seconds, and joints (V, C) float32 by person."""

    t: float
    persons: dict[int, np.ndarray]


@dataclass(frozen=True)
class FrameForm:
    """What a line has to hold: so many joints a person, each with these channels."""

    joints: int
    channels: tuple[str, ...]
    max_persons: int
    map_joints: Callable[[np.ndarray], np.ndarray] | None = None

    def parse(self, text: bytes) -> Frame:
        """Return the frame of one line `{"t": seconds, "persons": [{"id": 3, "joints": [[x, y, z], ...]}]}`.

        A joint that is null is zeros; a person without any joint is not there. Other keys are ignored.

        Raises:
            LineError: where it is anything else.
        """
        raw = _load(text)
        if not isinstance(raw, dict) or not _is_number(raw.get("t"), LATEST):
            raise LineError('expected {"t": seconds, "persons": [...]}' + _found(raw, "t"))
        persons = raw.get("persons")
        if not isinstance(persons, list):
            raise LineError("persons must be a list" + _found(raw, "persons"))
        if len(persons) > self.max_persons:
            raise LineError(f"{len(persons)} persons; at most {self.max_persons} are allowed (--max_persons)")
        frame = Frame(float(raw["t"]), {})
        for number, person in enumerate(persons):
            who = self._id(person, number)
            if who in frame.persons:
                raise LineError(f"id {who} is given twice")
            frame.persons[who] = self._joints(person.get("joints"), who)
        return Frame(frame.t, {who: joints for who, joints in frame.persons.items() if (abs(joints) > ZERO).any()})

    def _id(self, person: Any, number: int) -> int:
        who = person.get("id") if isinstance(person, dict) else None
        if type(who) is not int or not 0 <= who <= LAST_ID:  # True is no number
            raise LineError(f"persons[{number}]: id must be a whole number from 0 to 2^63 - 1" + _found(person, "id"))
        return who

    def _joints(self, raw: Any, who: int) -> np.ndarray:
        """Return (V, C) float32."""
        if not isinstance(raw, list) or len(raw) != self.joints:
            found = f"{len(raw)}" if isinstance(raw, list) else _short(raw)
            raise LineError(f"id {who}: joints must be a list of {self.joints}, found {found}")
        missing = [0.0] * len(self.channels)
        joints = np.array([missing if joint is None else self._joint(joint, who) for joint in raw], np.float32)
        return joints if self.map_joints is None else self.map_joints(joints)

    def _joint(self, raw: Any, who: int) -> list[float]:
        if isinstance(raw, list) and len(raw) == len(self.channels) and all(_is_number(each, LARGEST) for each in raw):
            return raw
        names = ", ".join(self.channels)
        wanted = f"[{names}] in finite numbers, up to {LARGEST:g}, or null"
        raise LineError(f"id {who}: a joint must be {wanted}; found {_short(raw)}")


def _load(text: bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise LineError("nested too deeply") from None
    except ValueError as error:  # UnicodeDecodeError and a number of too many digits, too
        raise LineError(f"not JSON: {error}") from error


def _is_number(value: Any, limit: float) -> bool:
    """Tell whether this is a number within +-limit; NaN is not, nor is a truth value."""
    return type(value) in (int, float) and -limit <= value <= limit


class _Json(reprlib.Repr):
    """Shows a value shortly, however large it is, with the constants as JSON spells them."""

    def repr_NoneType(self, value: None, level: int) -> str:  # noqa: ARG002 - as reprlib asks for them
        return "null"

    def repr_bool(self, value: bool, level: int) -> str:  # noqa: ARG002
        return json.dumps(value)

    def repr_float(self, value: float, level: int) -> str:  # noqa: ARG002
        return json.dumps(value)


_short = _Json().repr


def _found(raw: Any, key: str) -> str:
    """Say what is there instead, shortly."""
    if not isinstance(raw, dict):
        return f", found {_short(raw)}"
    return f", found {key} {_short(raw[key])}" if key in raw else f"; {key} is missing"
