"""What a DeepLabCut file holds, before anything is known of its layout: .csv with 3 or 4 header rows, and .h5.

Letters: T frames. Source of the format: DeepLabCut 3.0 (docs/forms/deeplabcut.md).
"""

import codecs
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reader.deeplabcut.hdf import open_frame
from reader.own.files import AGAIN, parse_numbers
from utils.recording import ReadError

COORDS = ("x", "y", "likelihood")
UNIQUE = "single"  # the individual under which files keep points that belong to no animal, such as a maze's corners
LEVELS = {
    "bodyparts": ("scorer", "bodyparts", "coords"),
    "individuals": ("scorer", "individuals", "bodyparts", "coords"),
}
EMPTY = "no frames; analyse the video again, or remove the file"

Column = tuple[str, str, str]  # individual ("" in a file of one animal), body point, coordinate


@dataclass(frozen=True)
class Table:
    """A file's numbers.

    Attributes:
        columns: what the numbers of a frame are, by individual and body point in the file's order.
        values: (T, len(columns)) float64, pixels from the top left and likelihoods; NaN where there is none.
    """

    columns: tuple[Column, ...]
    values: np.ndarray

    @property
    def individuals(self) -> tuple[str, ...]:
        """The animals, in the file's order."""
        return tuple(name for name in dict.fromkeys(column[0] for column in self.columns) if name != UNIQUE)

    def points(self, individual: str) -> tuple[str, ...]:
        """Return the body points of an animal, in the file's order."""
        return tuple(dict.fromkeys(point for name, point, _ in self.columns if name == individual))


def open_table(path: Path, joints: Sequence[str]) -> Table:
    """Return what a file holds; raises `ReadError`. Nothing is unpickled but texts.

    `joints` are the body points of one animal, for an .h5 whose names cannot be read but that has as many points.
    """
    try:
        return SUFFIXES[path.suffix.lower()](path, joints)
    except OSError as error:
        raise ReadError(path, None, f"cannot be read ({error.strerror or error}); {AGAIN}") from error


def is_track(path: Path) -> bool:
    """Return whether a file is, by its suffix and its first word, a track; what is in it may still be damaged."""
    if path.suffix.lower() != ".csv":
        return path.suffix.lower() in SUFFIXES
    with path.open("rb") as file:
        return file.read(16).removeprefix(codecs.BOM_UTF8).startswith(LEVELS["bodyparts"][0].encode())


def _columns(path: Path, names: Sequence[tuple[str, ...]]) -> tuple[Column, ...]:
    """Return the columns without their scorer; refuses those that are no track's."""
    columns = tuple(("", *name[-2:]) if len(name) == 3 else (name[-3], name[-2], name[-1]) for name in names)
    coords = list(dict.fromkeys(coord for _, _, coord in columns))
    if "likelihood" not in coords:
        kind = "3-D points" if "z" in coords else "labels"
        reason = f"{kind}, of {', '.join(coords) or 'nothing'} without likelihood: a joint's score would be unknown"
        raise ReadError(path, None, f"{reason}; give the file of an analysed video, or remove this one")
    (name, point, coord), times = Counter(columns).most_common(1)[0]
    if times > 1:
        of = f" of {name}" if name else ""
        raise ReadError(path, None, f"{times} columns are the {coord} of {point}{of} (of several scorers?); keep one")
    return columns


# --- .csv


def _open_csv(path: Path, _joints: Sequence[str]) -> Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = _read_header(path, reader)
            columns = _columns(path, list(zip(*(cells[1:] for cells in header), strict=True)))
            width = len(header[0])
            rows = [np.array(parse_numbers(path, reader.line_num, cells, width)) for cells in reader if any(cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReadError(path, None, f"no text that can be read as .csv ({error}); {AGAIN} as UTF-8") from error
    if not rows:
        raise ReadError(path, None, EMPTY)
    values = np.stack(rows)
    refuse_gaps(path, values[:, 0], len(header))
    return Table(columns, values[:, 1:])


def _read_header(path: Path, reader: Iterator[list[str]]) -> list[list[str]]:
    """Return the 3 or 4 header rows, which begin with the names of the levels."""
    header = [[cell.strip() for cell in next(reader, [])] for _ in range(2)]
    if (header[0] or [""])[0] != "scorer":
        wanted = "a track begins with scorer, a table of windows has the columns file, from, to, label"
        raise ReadError(path, 1, f"no DeepLabCut track; {wanted}")
    levels = LEVELS.get((header[1] or [""])[0])
    if levels is None:
        found = (header[1] or ["nothing"])[0]
        raise ReadError(path, 2, f"begins with '{found}', not with bodyparts or individuals; {AGAIN}")
    header += [[cell.strip() for cell in next(reader, [])] for _ in levels[2:]]
    for line, (level, cells) in enumerate(zip(levels, header, strict=True), start=1):
        if cells[:1] != [level]:
            found = (cells or ["nothing"])[0]
            raise ReadError(path, line, f"begins with '{found}' where {level} belongs ({' / '.join(levels)}); {AGAIN}")
        if len(cells) != len(header[0]):
            raise ReadError(path, line, f"{len(cells)} cells, but the first line has {len(header[0])}; {AGAIN}")
    return header


def refuse_gaps(path: Path, frames: np.ndarray, header_rows: int | None) -> None:
    """Raise `ReadError` if frames are not numbered 0, 1, 2, ...: a window's from and to would be other frames."""
    wrong = np.flatnonzero(frames != np.arange(len(frames)))
    if len(wrong):
        first = int(wrong[0])
        reason = f"frame {frames[first]:g} where {first} should be; frames are numbered from 0 without gaps: {AGAIN}"
        raise ReadError(path, None if header_rows is None else header_rows + first + 1, reason)


# --- .h5


def _open_h5(path: Path, joints: Sequence[str]) -> Table:
    names, frames, values = open_frame(path)
    columns = _columns(path, _names_by_count(path, values.shape[1], joints) if names is None else names)
    if not len(values):
        raise ReadError(path, None, EMPTY)
    if frames is not None:
        refuse_gaps(path, frames, None)
    return Table(columns, values)


def _names_by_count(path: Path, count: int, joints: Sequence[str]) -> list[tuple[str, ...]]:
    if count != len(joints) * len(COORDS):
        reason = f"its names cannot be read, and {count} columns are not x, y, likelihood of {len(joints)} joints"
        raise ReadError(path, None, f"{reason}; give the .csv (DeepLabCut's save_as_csv)")
    return [("", joint, coord) for joint in joints for coord in COORDS]


SUFFIXES: dict[str, Callable[[Path, Sequence[str]], Table]] = {".csv": _open_csv, ".h5": _open_h5}
