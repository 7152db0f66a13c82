"""UTD-MHAD as `.mat` files: one clip each, one person, 20 Kinect v1 joints in an order of its own, metres.

Form: aA_sS_tT_skeleton.mat (action, subject, trial), MATLAB v5, variable `d_skel` (20, 3, T).
Source: Chen, Jafari and Kehtarnavaz, ICIP 2015.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reader.files import by_name, list_clips, one_clip
from reader.matlab import read_array
from utils.recording import UNKNOWN, Bare, ReadError, Recording, Scan, Source

NUM_JOINTS = 20
NUM_ACTIONS = 27
KEY = "d_skel"
NAME = re.compile(r"a(?P<action>[1-9]\d?)_s(?P<subject>\d+)_t(?P<replication>\d+)_skeleton\.mat")
FORM = "aA_sS_tT_skeleton.mat"
AGAIN = "unpack the file again from UTD-MHAD's Skeleton.zip"
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class UtdReader:
    """Reads UTD-MHAD's skeletons; a trial is the column `replication`."""

    form: str = "utd"
    layout: str = "utd-20"
    channels: tuple[str, ...] = ("x", "y", "z")
    persons: int = 1
    variants: tuple[str, ...] = ("original",)
    parallel: bool = True

    def scan(self, roots: Sequence[Path], part: str) -> Scan:
        """List the clips below `roots`; other files, and actions that the data set does not have, are left out."""
        return list_clips(roots, part, FORM, by_name(FORM, NAME, lambda action: int(action) <= NUM_ACTIONS))

    def list_file(self, path: Path) -> Scan:
        """List the one clip of a file."""
        return one_clip(path)

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield the one clip of a file, joints (1, T, 20, 3) float64, MATLAB's own; raises `ReadError`."""
        match = NAME.fullmatch(source.path.name)
        if match is None and not isinstance(source, Bare):
            raise ReadError(source.path, None, f"not named {FORM}")
        columns = {key: int(value) for key, value in match.groupdict().items()} if match else {}
        joints = _joints(source.path, _load(source.path))[None]
        yield Recording(
            source.name, joints, columns.get("action", UNKNOWN + 1) - 1, {**columns, "source": str(source.path)}
        )


def _load(path: Path) -> np.ndarray:
    """Return the variable `d_skel` of a file, float64."""
    try:
        return read_array(path.read_bytes(), KEY)
    except OSError as error:
        raise ReadError(path, None, f"cannot be read ({error.strerror})") from error
    except KeyError as error:
        raise ReadError(path, None, f"no variable '{KEY}' (there are: {error.args[0]}); {AGAIN}") from error
    except ValueError as error:
        raise ReadError(path, None, f"cannot be read as '{KEY}': {error}; {AGAIN}") from error


def _joints(path: Path, value: np.ndarray) -> np.ndarray:
    """Return (20, 3, T), or (20, 3) for one frame, as (T, 20, 3)."""
    if value.ndim not in (2, 3) or value.shape[:2] != (NUM_JOINTS, 3) or not value.size:
        raise ReadError(path, None, f"'{KEY}' is {value.shape}, but a skeleton is ({NUM_JOINTS}, 3, frames); {AGAIN}")
    joints = value.reshape(NUM_JOINTS, 3, -1).transpose(2, 0, 1)
    if not (abs(joints) <= LARGEST).all():  # false for nan, too
        t, v, _ = np.argwhere(~(abs(joints) <= LARGEST))[0]
        raise ReadError(path, None, f"frame {t}, joint {v}: coordinates are not finite: {joints[t, v]}; {AGAIN}")
    if not joints.any():
        raise ReadError(path, None, "all coordinates are 0, so there is nothing to learn from")
    return np.ascontiguousarray(joints)
