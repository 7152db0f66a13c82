"""What a clip's file holds, before anything is known of its skeleton: .npy, .npz, .csv, .json.

Letters: M persons, T frames, V joints, C numbers of a joint.
"""

import csv
import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError  # of numpy, which parses an array's header
from typing import Any

import numpy as np

from utils.recording import ReadError

JOINTS = ("keypoint", "keypoints", "joints", "skeletons")  # keys of joints in .npz and .json
SCORE = ("score", "keypoint_score")  # of a score for each joint
AXES = ("x", "y", "z", "score")  # endings of the columns of a .csv
NO_JOINT = ("frame", "time", "timestamp")  # columns of a .csv that are allowed, and not read
PICKLE = b"\x80"  # how pickles begin; numpy takes all that it does not know for one
AGAIN = "export it again"
DAMAGED = (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, TokenError, NotImplementedError, MemoryError)


@dataclass(frozen=True)
class Held:
    """A file's numbers.

    Attributes:
        values: (T, V * C), (T, V, C) or (M, T, V, C), as numbers of any type; NaN where there is none.
        columns: (V * C,) `<joint>_<axis>` for the numbers of a frame, where the file states them.
        scored: whether a score for each joint was put behind its coordinates.
    """

    values: np.ndarray
    columns: tuple[str, ...] = ()
    scored: bool = False


def open_clip(path: Path) -> Held:
    """Return what a file holds; raises `ReadError`. Nothing is ever unpickled."""
    try:
        return SUFFIXES[path.suffix.lower()](path)
    except OSError as error:
        raise ReadError(path, None, f"cannot be read ({error.strerror or error}); {AGAIN}") from error


# --- .npy and .npz


def _open_arrays(path: Path) -> Held:
    try:
        with path.open("rb") as file:  # numpy would leave a damaged archive open
            content = np.load(file, allow_pickle=False)
            archive = isinstance(content, np.lib.npyio.NpzFile)
            arrays = {key: content[key] for key in content.files} if archive else {"": content}
    except DAMAGED as error:
        raise _damaged(path, error) from error
    return _of_keys(path, arrays)


def _damaged(path: Path, error: Exception) -> ReadError:
    if str(error).startswith("Object arrays") or path.read_bytes()[:1] == PICKLE:
        return ReadError(path, None, "holds pickled objects, which are not opened; save one array of numbers instead")
    return ReadError(path, None, f"no array that numpy can read, or a damaged file; {AGAIN}")


def _numeric(path: Path, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        found = getattr(value, "dtype", type(value).__name__)
        raise ReadError(path, None, f"holds {found}, no array of numbers; save float32 joints (T, V, C)")
    return value


def _of_keys(path: Path, arrays: dict[str, Any]) -> Held:
    """Return the joints among named arrays, with their score behind them where there is one."""
    key = next(iter(arrays)) if len(arrays) == 1 else next((key for key in JOINTS if key in arrays), None)
    if key is None:
        raise ReadError(path, None, f"holds {', '.join(arrays) or 'nothing'}; call the joints {' or '.join(JOINTS)}")
    joints = _numeric(path, arrays[key])
    score = next((_numeric(path, arrays[key]) for key in SCORE if key in arrays), None)
    if score is None:
        return Held(joints)
    score = score[..., None] if score.ndim == joints.ndim - 1 else score
    if score.shape != (*joints.shape[:-1], 1):
        raise ReadError(path, None, f"a score {score.shape} beside joints {joints.shape}; give one for each joint")
    return Held(np.concatenate([joints, score], axis=-1), scored=True)


# --- .csv


def _open_csv(path: Path) -> Held:
    """Read a line of numbers for each frame, below a header `<joint>_x, <joint>_y, ...` or without one."""
    lines = _csv_lines(path)
    first = lines[0][1]
    columns = () if _are_numbers(first) else tuple(cell.strip() for cell in first)
    rows = lines[1:] if columns else lines
    if not rows:
        raise ReadError(path, None, "no frames: a line of numbers for each")
    values = np.array([parse_numbers(path, line, cells, len(first)) for line, cells in rows])
    keep = [at for at, name in enumerate(columns) if name.lower() not in NO_JOINT]
    return Held(values[:, keep], tuple(columns[at] for at in keep)) if columns else Held(values)


def _csv_lines(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        head = text.partition("\n")[0]
        reader = csv.reader(text.splitlines(), delimiter=max(",;\t", key=head.count))
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReadError(path, None, f"no text that can be read as .csv ({error}); {AGAIN} as UTF-8") from error
    if not lines:
        raise ReadError(path, None, "is empty; remove it, or export it again")
    return lines


def _are_numbers(cells: Sequence[str]) -> bool:
    try:
        return bool([float(cell) for cell in cells if cell.strip()])
    except ValueError:
        return False


def parse_numbers(path: Path, line: int, cells: Sequence[str], expected: int) -> list[float]:
    """Return a line's numbers, NaN for an empty cell; raises `ReadError` unless there are as many as `expected`."""
    if len(cells) != expected:
        raise ReadError(path, line, f"{len(cells)} cells, but the first line has {expected}; {AGAIN}")
    try:
        return [float(cell) if cell.strip() else np.nan for cell in cells]
    except ValueError as error:
        raise ReadError(path, line, f"not a number ({error}); leave the cell of a missing joint empty") from error


# --- .json


def _open_json(path: Path) -> Held:
    """Read a list of frames, or {"joints": frames}: a frame is a list of joints, or of persons (lists of joints)."""
    try:
        content = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise ReadError(path, error.lineno, f"no JSON from here on (truncated?): {error.msg}; {AGAIN}") from error
    except (ValueError, RecursionError) as error:
        raise ReadError(path, None, f"no JSON; {AGAIN}") from error
    if isinstance(content, list):
        return Held(_frames(path, content))
    if not isinstance(content, dict):
        raise ReadError(path, None, "neither a list of frames nor a mapping with the key joints")
    held = {key: _frames(path, content[key]) for key in (*JOINTS, *SCORE) if key in content}
    if not any(key in held for key in JOINTS):
        found = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise ReadError(path, None, f"no frames under {', '.join(JOINTS)}; its keys are {found}")
    return _of_keys(path, held)


def _frames(path: Path, frames: Any) -> np.ndarray:
    """Return nested lists [T][V][C], or [T][persons of the frame][V][C] as (M, T, V, C); null is NaN."""
    if not isinstance(frames, list) or not frames:
        raise ReadError(path, None, "no list of frames; give [[[x, y, z], ...joints], ...frames]")
    try:
        clip = np.array(frames, np.float64) if max(map(_depth, frames)) < 3 else _persons(frames)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ReadError(path, None, f"not the same numbers for each joint of each frame ({error}); {AGAIN}") from error
    if not clip.size:
        raise ReadError(path, None, f"nobody is in any of its {len(frames)} frames; remove it, or export it again")
    return clip


def _persons(frames: list[Any]) -> np.ndarray:
    """Return (M, T, V, C), zeros where a frame has fewer persons; all have the shape of the first that there is."""
    shape = np.array(next(person for frame in frames for person in frame), np.float64).shape
    clip = np.zeros((max(map(len, frames)), len(frames), *shape))
    for t, frame in enumerate(frames):
        for m, person in enumerate(frame):
            joints = np.array(person, np.float64)
            if joints.shape != shape:  # (C, V) has as many numbers as (V, C)
                raise ValueError(f"person {m} of frame {t} is {joints.shape}, the first one {shape}")
            clip[m, t] = joints
    return clip


def _depth(value: Any) -> int:
    """Return how deep lists are nested, along the first that is not empty."""
    depth = 0
    while isinstance(value, list):
        depth, value = depth + 1, next((each for each in value if each != []), None)
    return depth


SUFFIXES: dict[str, Callable[[Path], Held]] = {
    ".npy": _open_arrays,
    ".npz": _open_arrays,
    ".csv": _open_csv,
    ".json": _open_json,
}
