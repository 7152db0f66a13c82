"""What the file of a clip holds, or a folder of OpenPose's frames: every person of every frame, and nothing changed.

Letters: P persons of all frames together, V joints.
"""

import codecs
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from reader.kinetics.labels import AGAIN, Label
from utils.recording import UNKNOWN, ReadError

loads: Callable[[bytes], Any] = json.loads
try:
    import orjson
except ImportError:
    pass
else:
    loads = orjson.loads  # a clip is read in half the time

FRAME = re.compile(r"(?:.*_)?(?P<frame>\d+)_keypoints\.json")
FRAMES = "<video>_<frame>_keypoints.json"
NO_JSON = ("NaN", "Infinity")  # what Python writes for numbers that JSON does not know
MISSING = "a joint that was not found is 0 0 with score 0"
LARGEST = 1e9  # of a coordinate or score; beyond is damage
HIGHEST = 1.5  # of a score: OpenPose's are 0 to 1, those of heatmaps may be a little above
OUTSIDE = 0.5  # of the frame: so far from it only few joints are ...
MOST_OUTSIDE = 0.1  # ... of those that were found: no estimator sees them there
BOOLEANS = (b"true", b"false")


@dataclass(frozen=True)
class Poses:
    """The persons of a clip.

    Attributes:
        frame: (P,) the frame that each is in.
        person: (P,) the place in the list of that frame.
        joints: (P, V, 3) float64 x, y, score; x and y in parts of the frame, from its top left corner.
        label: class index that the file states, or UNKNOWN.
    """

    frame: np.ndarray
    person: np.ndarray
    joints: np.ndarray
    label: int = UNKNOWN


def read_clip(path: Path, num_joints: int, frames: int, label: Label | None) -> Poses:
    """Return the persons in a clip's file; raises `ReadError`, also where the file states another label.

    Without a `label` to compare with, the one that the file states is taken.
    """
    content = _load(path)
    records = content.get("data") if isinstance(content, dict) else None
    if not isinstance(records, list):
        raise ReadError(path, None, f"no list of frames under the key 'data'; {AGAIN}")
    for key, expected in (("label_index", label.class_index), ("label", label.class_name)) if label else ():
        if content.get(key, expected) != expected:
            raise ReadError(path, None, f"{key} is {content[key]!r:.60}, but {expected!r} in the label file; mend one")
    persons = _Persons(path, frames, {"pose": 2 * num_joints, "score": num_joints})
    for at, record in enumerate(records):
        frame, people = (record.get(key) if isinstance(record, dict) else None for key in ("frame_index", "skeleton"))
        if type(frame) is not int or frame < 0:
            reason = f"frame_index must be a frame, a whole number from 0, not {frame!r:.40}"
            raise ReadError(path, None, f"record {at} of 'data': {reason}")
        persons.add(frame, people, f"frame_index {frame}")
    xy, score = np.split(persons.numbers(), [2 * num_joints], axis=1)
    joints = np.concatenate([xy.reshape(*score.shape, 2), score[..., None]], axis=-1)
    poses = persons.poses(joints, "pixels? divide by the frame's width and height")
    stated = content.get("label_index")
    return replace(poses, label=stated) if type(stated) is int and stated >= 0 else poses


def read_frames(folder: Path, num_joints: int, frames: int, size: tuple[int, int]) -> Poses:
    """Return the persons in a folder of OpenPose's frames, whose `size` is (width, height) in pixels."""
    names: dict[int, str] = {}
    for name in sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")):
        match = FRAME.fullmatch(name)
        if match is None:
            raise ReadError(folder, None, f"holds {name}; the folder of a clip holds its frames only: {FRAMES}")
        if (other := names.setdefault(int(match["frame"]), name)) != name:
            raise ReadError(folder, None, f"holds one frame twice: {other} and {name}; remove one")
    persons = _Persons(folder, frames, {"pose_keypoints_2d": 3 * num_joints})
    for frame, name in names.items():
        content = _load(folder / name)
        persons.add(frame, content.get("people") if isinstance(content, dict) else None, name)
    joints = persons.numbers().reshape(-1, num_joints, 3) / (*size, 1)
    return persons.poses(joints, f"is data.frame_size, {size[0]}x{size[1]}, that of the video?")


def _load(path: Path) -> Any:
    """Return what a file of JSON holds."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReadError(path, None, f"cannot be read ({error.strerror}); {AGAIN}") from error
    try:
        loaded = loads(content.removeprefix(codecs.BOM_UTF8))  # orjson takes none
    except json.JSONDecodeError as error:  # orjson's is one, too
        if found := next((word for word in NO_JSON if word.encode() in content), None):
            raise ReadError(path, error.lineno, f"holds {found}, which is no JSON; {MISSING}") from error
        raise ReadError(path, error.lineno, f"no JSON from here on (truncated?): {error.msg}; {AGAIN}") from error
    except (ValueError, RecursionError) as error:  # bytes that are no text; nested without end
        raise ReadError(path, None, f"no JSON; {AGAIN}") from error
    if any(word in content for word in BOOLEANS):
        _refuse_booleans(path, loaded)
    return loaded


def _refuse_booleans(path: Path, value: Any) -> None:
    """Raise `ReadError` for a list that holds `true` or `false`, which numpy takes for 1 and 0."""
    waiting = [value]  # no recursion: a file may be nested as deep as the parser goes
    while waiting:
        each = waiting.pop()
        if isinstance(each, list) and bool in map(type, each):
            raise ReadError(path, None, f"true or false stands among numbers; {MISSING}")
        if isinstance(each, list | dict):
            waiting += each.values() if isinstance(each, dict) else each


@dataclass(frozen=True)
class _Persons:
    """Collects the persons of a clip, of whom each is a row of numbers: one array at the end is faster than many."""

    path: Path
    frames: int
    widths: Mapping[str, int]  # of a person: key -> how many numbers
    rows: dict[tuple[int, int], list[float]] = field(default_factory=dict)  # (frame, place in its list) -> numbers

    def add(self, frame: int, people: Any, place: str) -> None:
        """Add a frame's list; a place that is stated again counts anew. `place` is the frame in the file's words."""
        if not isinstance(people, list):
            raise ReadError(self.path, None, f"{place}: no list of persons; {AGAIN}")
        if people and frame >= self.frames:  # the original takes an empty list there, too
            beyond = f"beyond the clip's {self.frames} frames (0 to {self.frames - 1})"
            raise ReadError(self.path, None, f"{place} is {beyond}; set data.frames, or cut the clip")
        for m, person in enumerate(people):
            row: list[float] = []
            for key, width in self.widths.items():
                numbers = person.get(key) if isinstance(person, dict) else None
                if not isinstance(numbers, list) or len(numbers) != width:
                    self._refuse(f"{place}, person {m}", key, numbers)
                row += numbers
            self.rows[frame, m] = row

    def _refuse(self, place: str, key: str, numbers: Any) -> NoReturn:
        found = len(numbers) if isinstance(numbers, list) else "no"
        expected = f"the layout's joints take {self.widths[key]}; set data.layout to that of the files"
        raise ReadError(self.path, None, f"{place}: {found} numbers in '{key}', but {expected}")

    def numbers(self) -> np.ndarray:
        """Return (P, all widths together) float64; raises `ReadError` for what is no number, or damage."""
        rows = list(self.rows.values())
        try:
            array = np.array(rows) if rows else np.zeros((0, sum(self.widths.values())))
        except ValueError:  # a list among numbers
            array = np.zeros(())
        if array.ndim != 2 or array.dtype.kind not in "fiu" or not (abs(array) < LARGEST).all():  # false for nan, too
            (frame, m), bad = next((at, one) for at, row in self.rows.items() for one in row if not _is_number(one))
            reason = f"frame {frame}, person {m}: {bad!r:.40} is no coordinate or score; {MISSING}"
            raise ReadError(self.path, None, reason)
        return array.astype(np.float64)

    def poses(self, joints: np.ndarray, remedy: str) -> Poses:
        """Return the persons with their joints (P, V, 3); raises `ReadError` where these are none of a frame.

        `remedy` is what to do, or to ask, where many lie far outside of it.
        """
        score = joints[..., 2]
        if (wrong := np.argwhere((score < 0) | (score > HIGHEST))).size:
            at, v = wrong[0]
            place = "frame {}, person {}".format(*list(self.rows)[at])
            raise ReadError(self.path, None, f"{place}: a score of {score[at, v]:g}; scores are 0 to 1")
        places = joints[score > 0][:, :2]  # (joints, 2)
        share = (abs(places - 0.5) > 0.5 + OUTSIDE).any(axis=1).mean() if len(places) else 0.0
        if share > MOST_OUTSIDE:
            x, y = abs(places).max(axis=0)
            found = f"{share:.0%} of its joints lie far outside the frame (x up to {x:g}, y up to {y:g})"
            raise ReadError(self.path, None, f"{found}; {remedy}")
        frame, person = np.array(list(self.rows), np.intp).reshape(-1, 2).T
        return Poses(frame, person, joints)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST  # type: ignore[arg-type]
