"""NTU RGB+D `.skeleton` text files: 25 Kinect v2 joints, any number of bodies a frame, metres in camera axes.

Form: a line with the number of frames; per frame a line with the number of bodies; per body a line of 10 fields (ID and
tracking state, not used), a line with the number of joints, and one line per joint whose first three numbers are x y z.
Source: Shahroudy et al. 2016 (NTU RGB+D), Liu et al. 2019 (120); reading and selection as in EfficientGCN's reader.
"""

import gc
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from reader.files import NO_ACTION, list_clips, one_clip
from reader.ntu_form import NUM_JOINTS, PADDING, SLOTS
from utils.recording import UNKNOWN, Bare, ReadError, Recording, Scan, Source
from utils.sums import add_coordinates

PERSONS = 2
LARGEST = float(np.finfo(np.float32).max)
MOST_DIGITS = 9  # of a count: more is no count
SMALL = 1 << 15  # bytes: of such files, a thousand are read line by line while numba is imported
APART = 1e-6  # metres: its square is far from being rounded to 0
NAME = re.compile(r"S(?P<setup>\d{3})C(?P<camera>\d{3})P(?P<subject>\d{3})R(?P<replication>\d{3})A(?P<action>\d{3})")
MISSING_LIST = Path(__file__).with_name("ntu_missing.txt")
MISSING = "on the list of clips with missing skeletons"
FORM = "SsssCcccPpppRrrrAaaa.skeleton"
STRAY = f"not named {FORM}"
OTHER_PART = "of another part (by setup number)"

# What belongs to a part: setup and action numbers; None: any setup.
PARTS: dict[str, tuple[range | None, range]] = {
    "ntu60": (range(1, 18), range(1, 61)),
    "ntu120": (range(18, 33), range(1, 121)),
    "demo": (None, range(1, 121)),
}


@dataclass(frozen=True)
class NtuReader:
    """Reads NTU RGB+D skeletons; the two bodies that move most are a clip's persons."""

    form: str = "ntu"
    layout: str = "ntu"
    channels: tuple[str, ...] = ("x", "y", "z")
    persons: int = PERSONS
    variants: tuple[str, ...] = ("original",)
    parallel: bool = True

    def scan(self, roots: Sequence[Path], part: str) -> Scan:
        """List the clips of `part` in `roots`, files or folders with all below, in order of root, folder and name.

        Left out, with the reason: clips on the list of missing skeletons, files that are not named like a clip, and
        clips of another part. Raises `UserError` if nothing is left, or if two files have one name.
        """
        missing = missing_names()
        return list_clips(roots, part, FORM, lambda path: _reason_to_skip(path, part, missing))

    def list_file(self, path: Path) -> Scan:
        """List the one clip of a file."""
        return one_clip(path)

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield the one clip of a file, joints (2, T, 25, 3) float32; T may be any number of frames."""
        joints = main_persons(parse(source.path))
        if not joints.any():
            raise ReadError(source.path, None, "no body in any frame, so there is nothing to learn from")
        yield Recording(source.name, joints, *label_and_columns(source))


def label_and_columns(source: Source) -> tuple[int, dict[str, int | str]]:
    """Return the class index and the columns that a clip's name states."""
    match = NAME.fullmatch(source.name)
    if match is None and isinstance(source, Bare):
        return UNKNOWN, {"source": str(source.path)}
    if match is None:
        raise ReadError(source.path, None, f"'{source.name}' is not a name of the form SsssCcccPpppRrrrAaaa")
    numbers = {key: int(value) for key, value in match.groupdict().items()}
    return numbers.pop("action") - 1, {**numbers, "source": str(source.path)}


def missing_names() -> frozenset[str]:
    """Return the names of clips whose skeletons are known to be missing or broken (535, 302 of them NTU-60)."""
    lines = MISSING_LIST.read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def part_of(name: re.Match[str], part: str) -> bool:
    """Tell whether the clip of a name (as `NAME` matches it) belongs to `part`, by its setup number."""
    setups = PARTS[part][0]
    return setups is None or int(name["setup"]) in setups


def main_persons(bodies: np.ndarray) -> np.ndarray:
    """Return the two that move most of bodies (M, T, V, 3), in order of energy: (2, T, V, 3); who is lacking is zero.

    Of equal ones the later is first. At least four compete, as in the original, of whom the last may be empty.
    """
    persons = np.zeros((PERSONS, *bodies.shape[1:]), bodies.dtype)
    for person, m in zip(persons, _by_energy(bodies), strict=False):
        if m < len(bodies):
            person[:] = bodies[m]
    return persons


def _by_energy(bodies: np.ndarray) -> list[int]:
    if len(bodies) == 1 and _surely_moves(bodies[0]):
        return [0]  # most clips are of one person, whose energy need not be known
    energies = [energy(body) for body in bodies] + [0.0] * (SLOTS - len(bodies))
    order: list[int] = np.argsort(energies, kind="stable")[::-1].tolist()
    return order


def _surely_moves(body: np.ndarray) -> bool:
    """Tell whether `energy` cannot be 0: in the first frame, which is not empty, two joints are apart in x."""
    frame = body[0]
    return bool(abs(frame[0, 0] - frame[1, 0]) > APART and add_coordinates(frame).sum() != 0)


def energy(body: np.ndarray) -> float:
    """Return how much a body (T, V, 3) moves and extends: the summed standard deviations of x, y and z.

    Over the frames whose sum is not zero (the original's test for an empty frame); 0 if there are none.
    """
    is_live = add_coordinates(body).sum(axis=-1) != 0
    live = body if is_live.all() else body[is_live]
    axes = np.ascontiguousarray(live.reshape(-1, 3).T)  # (3, T * V): what lies side by side is summed fast
    return sum(axes.std(axis=1)) if len(live) else 0.0


def parse(path: Path) -> np.ndarray:
    """Read one file: (M, T, 25, 3) float32, M the most bodies in a frame, a body's place being its order there.

    Bodies are told apart by order, not by ID, as in the original: where the order changes, tracks mix.
    A body that is absent in a frame is zero there. Raises `ReadError` with line and reason.
    """
    text = _padded(path)
    size = len(text) - len(PADDING)
    read_bodies = compiled() if size > SMALL else None
    bodies = read_bodies(text) if read_bodies else None
    return parse_lines(path, bytes(text[:size])) if bodies is None else bodies


def _padded(path: Path) -> bytearray:
    """Return what a file holds, and `PADDING`, for which a copy is not made."""
    try:
        with path.open("rb") as file:
            text = bytearray(os.fstat(file.fileno()).st_size + len(PADDING))
            text[file.readinto(text) :] = PADDING
    except OSError as error:
        raise ReadError(path, None, f"cannot be read ({error.strerror})") from error
    return text


@cache
def compiled() -> Callable[[bytes | bytearray], np.ndarray | None] | None:
    """Return the compiled way to read a file's text, imported at first need; None where numba does not work."""
    try:
        from numba.core.errors import NumbaError
    except (ImportError, OSError):  # absent, for another numpy, or without its libraries
        return None
    try:
        from reader.ntu_compiled import read_bodies
    except (ImportError, NumbaError, OSError, RuntimeError):  # the last: nowhere to keep what is compiled
        return None
    gc.freeze()  # numba's many objects stay, so that the collector need not go through them again and again
    return read_bodies


def parse_lines(path: Path, content: bytes) -> np.ndarray:
    """Do what `parse` does, line by line: slower, and able to say what is wrong."""
    lines = _Lines(path, content)
    num_frames = lines.count("the number of frames")
    if num_frames == 0:
        raise ReadError(path, 1, "the number of frames is 0")
    frames = [_frame(lines) for _ in range(num_frames)]  # per frame: bodies of 25 triples
    joints = np.zeros((max(map(len, frames)), num_frames, NUM_JOINTS, 3), np.float32)
    for t, bodies in enumerate(frames):
        if bodies:
            joints[: len(bodies), t] = bodies
    return joints


class _Lines:
    """The lines of a file, read on one at a time; knows where it is."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.number, self._lines = path, 0, content.splitlines()

    def next(self, what: str) -> bytes:
        """Return the next line; refuse if the file ends before it."""
        if self.number >= len(self._lines):
            state = "the file is empty" if not self._lines else "the file ends here (truncated?)"
            raise ReadError(self.path, self.number + 1, f"{state}; expected {what}")
        self.number += 1
        return self._lines[self.number - 1]

    def count(self, what: str) -> int:
        """Return the next line as a number >= 0."""
        text = self.next(what).strip()
        if not text.isdigit() or len(text) > MOST_DIGITS:
            raise self.error(f"expected {what}, found '{text[:40].decode(errors='replace')}'")
        return int(text)

    def error(self, reason: str) -> ReadError:
        """Return an error that points at the line just read."""
        return ReadError(self.path, self.number, reason)


def _frame(lines: _Lines) -> list[list[tuple[float, float, float]]]:
    return [_body(lines) for _ in range(lines.count("the number of bodies"))]


def _body(lines: _Lines) -> list[tuple[float, float, float]]:
    lines.next("a body's line")
    num_joints = lines.count("the number of joints")
    if num_joints != NUM_JOINTS:
        raise lines.error(f"{num_joints} joints, but an NTU skeleton has {NUM_JOINTS}")
    return [_joint(lines) for _ in range(NUM_JOINTS)]


def _joint(lines: _Lines) -> tuple[float, float, float]:
    fields = lines.next("a joint's line").split(None, 3)
    try:
        x, y, z = map(float, fields[:3])
    except ValueError:
        found = b" ".join(fields[:3]).decode(errors="replace")
        raise lines.error(f"expected a joint's x y z, found '{found[:40]}'") from None
    if not (abs(x) <= LARGEST and abs(y) <= LARGEST and abs(z) <= LARGEST):  # false for nan, too
        raise lines.error(f"a joint's coordinates are not finite: {x} {y} {z}")
    return x, y, z


def _reason_to_skip(path: Path, part: str, missing: frozenset[str]) -> str | None:
    name = NAME.fullmatch(path.stem)
    if path.suffix != ".skeleton" or name is None:
        return STRAY
    if not part_of(name, part):
        return OTHER_PART
    setups, actions = PARTS[part]
    if int(name["action"]) not in actions:
        return NO_ACTION
    return MISSING if setups and name[0] in missing else None  # other data sets may use the same names
