"""NW-UCLA as `.json` files: one clip each, one person, 20 Kinect v1 joints, metres.

Form: aXX_sXX_eXX_vXX.json (action, subject, episode, view), {"file_name", "skeletons": [T][20][3], "label": 1 to 10}.
Source: Wang et al. 2014 (the data set); the files are those of CTR-GCN and its descendants.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reader.files import NO_ACTION, by_name, list_clips, one_clip
from utils.recording import UNKNOWN, Bare, ReadError, Recording, Scan, Source

NUM_JOINTS = 20
ACTIONS = ("01", "02", "03", "04", "05", "06", "08", "09", "11", "12")  # in the order of their labels
NAME = re.compile(r"a(?P<action>\d{2})_s(?P<subject>\d{2})_e(?P<episode>\d{2})_v(?P<view>\d{2})\.json")
FORM = "aXX_sXX_eXX_vXX.json"
AGAIN = "unpack the file again from the archive that it came in"
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class UclaReader:
    """Reads NW-UCLA's JSON files; the view is the column `camera`."""

    form: str = "ucla"
    layout: str = "ucla-20"
    channels: tuple[str, ...] = ("x", "y", "z")
    persons: int = 1
    variants: tuple[str, ...] = ("original",)
    parallel: bool = True

    def scan(self, roots: Sequence[Path], part: str) -> Scan:
        """List the clips below `roots`; other files, and actions that the data set does not have, are left out."""
        return list_clips(roots, part, FORM, by_name(FORM, NAME, ACTIONS.__contains__))

    def list_file(self, path: Path) -> Scan:
        """List the one clip of a file."""
        return one_clip(path)

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield the one clip of a file, joints (1, T, 20, 3) float32; T may be 1.

        The label is the rank of the name's action; raises `ReadError` where the file states another label or name.
        A JSON number is a text and has no dtype: float32 gives back all six digits that these files state.
        """
        match = NAME.fullmatch(source.path.name)
        if match is None and not isinstance(source, Bare):
            raise ReadError(source.path, None, f"not named {FORM}")
        content = _load(source.path)
        label, columns = _named(source, match, content) if match else (_stated(content), dict[str, int]())
        yield Recording(
            source.name, _joints(source.path, content)[None], label, {**columns, "source": str(source.path)}
        )


def _named(source: Source, match: re.Match[str], content: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """Return the label and the columns that a file's name states; raises `ReadError` where the content differs."""
    if match["action"] not in ACTIONS:
        raise ReadError(source.path, None, NO_ACTION)
    label = ACTIONS.index(match["action"])
    for key, expected in (("label", label + 1), ("file_name", source.name)):
        if content.get(key, expected) != expected:
            reason = f"{key} is {content[key]!r:.40}, but by the file's name it is {expected!r}"
            raise ReadError(source.path, None, f"{reason}; was it renamed? {AGAIN}")
    columns = {key: int(match[key]) for key in ("subject", "episode", "action")}
    return label, columns | {"camera": int(match["view"])}


def _stated(content: dict[str, Any]) -> int:
    """Return the label that a file states itself, `UNKNOWN` if it is none."""
    label = content.get("label")
    return label - 1 if type(label) is int and 1 <= label <= len(ACTIONS) else UNKNOWN


def _load(path: Path) -> dict[str, Any]:
    """Return the mapping that a file holds."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ReadError(path, None, f"cannot be read ({error.strerror})") from error
    except json.JSONDecodeError as error:
        raise ReadError(path, error.lineno, f"no JSON from here on (truncated?): {error.msg}; {AGAIN}") from error
    except (ValueError, RecursionError) as error:  # bytes that are no text; nested without end
        raise ReadError(path, None, f"no JSON; {AGAIN}") from error
    if not isinstance(content, dict) or not isinstance(content.get("skeletons"), list):
        raise ReadError(path, None, f"no list of joints under the key 'skeletons'; {AGAIN}")
    return content


def _joints(path: Path, content: dict[str, Any]) -> np.ndarray:
    """Return the joints (T, V, 3) float32 of a file's content."""
    frames = content["skeletons"]
    if not frames:
        raise ReadError(path, None, "'skeletons' has no frames, so there is nothing to learn from")
    for t, frame in enumerate(frames):
        found = len(frame) if isinstance(frame, list) else "no"
        if found != NUM_JOINTS:
            raise ReadError(path, None, f"frame {t}: {found} joints, but an NW-UCLA skeleton has {NUM_JOINTS}; {AGAIN}")
    try:
        joints = np.array(frames)
    except ValueError:  # rows of different lengths
        joints = np.zeros(())
    if joints.shape[1:] != (NUM_JOINTS, 3) or joints.dtype.kind not in "fi":
        raise ReadError(path, None, f"a joint is not the three numbers x y z; {AGAIN}")
    if not (abs(joints) <= LARGEST).all():  # false for nan, too
        t, v, _ = np.argwhere(~(abs(joints) <= LARGEST))[0]
        raise ReadError(path, None, f"frame {t}, joint {v}: coordinates are not finite: {joints[t, v]}; {AGAIN}")
    if not joints.any():
        raise ReadError(path, None, "all coordinates are 0, so there is nothing to learn from")
    return joints.astype(np.float32)
