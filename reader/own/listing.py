"""Which clips there are: a folder of classes, or a table of files; neither opens a clip.

A class is a folder's name, or a value of the column `label`.
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from reader.own.files import SUFFIXES
from utils.errors import UserError
from utils.recording import UNKNOWN, ReadError

Value = int | str
TABLES = (".csv", ".tsv")
COLUMN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
INTEGER = re.compile(r"-?\d{1,18}")
TAKEN = ("file", "label", "start", "end")  # columns that say where a clip is and what, not more of it
OURS = ("persons", "source")  # columns that the reader fills itself
FRAME_SIZE = ("height", "width")  # of the picture, in pixels, which a variant may need
FORMS = f"<class>/<clip>.{{{','.join(suffix[1:] for suffix in SUFFIXES)}}}"


@dataclass(frozen=True)
class Row:
    """One clip: a file, or the frames `start` to `end` (behind the last) of it."""

    name: str
    file: Path
    label: str
    start: int | None = None
    end: int | None = None
    columns: Mapping[str, Value] | None = None
    table: Path | None = None
    line: int | None = None


@dataclass
class Listing:
    """All clips, and what was left out with the reason."""

    rows: list[Row]
    skipped: dict[str, list[str]]

    def add(self, other: "Listing") -> None:
        """Take another listing's rows and omissions, too."""
        self.rows += other.rows
        for reason, names in other.skipped.items():
            self.skipped.setdefault(reason, []).extend(names)


def list_clips(roots: Sequence[Path], give: str = "--raw") -> Listing:
    """List the clips of `roots`: tables, folders that hold one, or folders of classes.

    `give` is how a user gives a root: messages that want another one end in `give PATH`.

    Raises `UserError` if there are none, two have one name, a class is empty, or a row of a table is not right.
    """
    listing = Listing([], {})
    for root in roots:
        try:
            table = root if root.is_file() else find_table(root, give)
            listing.add(_read_table(table) if table else _list_folder(root, give))
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be read ({error.strerror}); clips would be missing") from error
    if not listing.rows:
        places = ", ".join(map(str, roots))
        raise UserError(f"{places}: no clips; give a folder of {FORMS}, or a table with the columns file and label")
    _refuse_twins(listing.rows)
    columns = {tuple(row.columns or ()) for row in listing.rows}
    if len(columns) > 1:
        each = " and ".join(", ".join(names) or "none" for names in sorted(columns))
        raise UserError(f"the tables and folders given have different columns: {each}; clips of one part have the same")
    return listing


def order_classes(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the classes in the order of their labels: sorted by name, or as numbers where all are whole numbers."""
    names = set(labels)
    return tuple(sorted(names, key=int) if all(map(INTEGER.fullmatch, names)) else sorted(names))


def find_table(folder: Path, give: str) -> Path | None:
    """Return the table that lies in a folder, a .csv or .tsv with the columns file and label; None if there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such file or folder; give the table, or the folder of {FORMS} ({give})")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLES and path.is_file())
    tables = [path for path in files if {"file", "label"} <= set(_header(path))]
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables[:5]) + (", ..." if len(tables) > 5 else "")
        raise UserError(f"{folder}: holds {len(tables)} tables of clips ({names}); give one: {give} {tables[0]}")
    return tables[0] if tables else None


# --- a folder of classes


def _list_folder(root: Path, give: str) -> Listing:
    listing = Listing([], {})
    for entry in sorted(root.iterdir()):
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if entry.is_dir():
            listing.add(_list_class(entry, give))
        elif entry.name != "layout.yaml":
            listing.skipped.setdefault("not in the folder of a class", []).append(entry.name)
    return listing


def _list_class(folder: Path, give: str) -> Listing:
    """List one class; a folder without clips is refused, for it may be a level too much, or a class that is missing."""
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    clips = [entry for entry in entries if _is_clip(entry)]
    if not clips:
        inner = next((entry for entry in entries if entry.is_dir()), None)
        remedy = (
            f"it holds the folder {inner.name}: are the classes a level below? give that one: {give} {folder}"
            if inner
            else "its name would be a class: put its clips there, or remove the folder"
        )
        raise UserError(f"{folder}: no clips ({', '.join(SUFFIXES)}); {remedy}")
    others = [f"{folder.name}/{entry.name}" for entry in entries if not _is_clip(entry)]
    rows = [Row(f"{folder.name}_{clip.stem}", clip, folder.name) for clip in clips]
    return Listing(rows, {f"not one of {', '.join(SUFFIXES)}": others} if others else {})


def _is_clip(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


# --- a table


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file, delimiter=_delimiter(path)), [])]
    except (UnicodeDecodeError, csv.Error):
        return []


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _read_table(path: Path) -> Listing:
    """Read the clips of a table; empty lines are none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=_delimiter(path))
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: no table that can be read ({error}); save it as UTF-8 text, .csv or .tsv") from error
    header = lines[0][1] if lines else []
    _check_header(path, header)
    rows = []
    for line, cells in lines[1:]:
        if any(cells):
            rows.append(_Line(path, line, header, cells).row())
    return Listing(_typed(rows, [name for name in header if name not in TAKEN]), {})


def _check_header(path: Path, header: list[str]) -> None:
    lacking = [name for name in ("file", "label") if name not in header]
    if lacking:
        found = ", ".join(header) or "nothing"
        raise ReadError(path, 1, f"no column {lacking[0]}; the first line names the columns file, label, ...: {found}")
    for name, count in Counter(header).items():
        if count > 1:
            raise ReadError(path, 1, f"more than one column is called {name or 'nothing'}; name each once")
        if not COLUMN.fullmatch(name) or name in OURS:
            allowed = f"letters, digits and _.- are allowed, {' and '.join(OURS)} are not"
            raise ReadError(path, 1, f"column '{name}': rename it; {allowed}")


@dataclass(frozen=True)
class _Line:
    """One line of a table."""

    path: Path
    number: int
    header: list[str]
    cells: list[str]

    def row(self) -> Row:
        """Return the clip that the line describes."""
        if len(self.cells) != len(self.header):
            self.refuse(f"{len(self.cells)} cells, but there are {len(self.header)} columns")
        of = dict(zip(self.header, self.cells, strict=True))
        if not of["label"]:
            self.refuse("no label; give the class, or remove the line")
        file = self.path.parent / of["file"]
        if not of["file"] or not file.is_file():
            self.refuse(f"file '{of['file']}': no such file in {self.path.parent}; paths are relative to the table")
        if file.suffix.lower() not in SUFFIXES:
            self.refuse(f"file '{of['file']}': a clip is one of {', '.join(SUFFIXES)}")
        start, end = self.frame(of, "start"), self.frame(of, "end")
        if start is not None and end is not None and start >= end:
            self.refuse(f"start {start} is not before end {end}; end is the frame behind the last")
        name = re.sub(r"[\\/]+", "_", str(Path(of["file"]).with_suffix("")).lstrip("./"))
        if start is not None or end is not None:
            name += f"_{start or 0}-{'' if end is None else end}"
        columns = {key: value for key, value in of.items() if key not in TAKEN}
        return Row(name, file, of["label"], start, end, columns, self.path, self.number)

    def frame(self, of: Mapping[str, str], key: str) -> int | None:
        """Return a number of frames; None where the cell is empty or there is no such column."""
        text = of.get(key, "")
        if text and not text.isdecimal():
            self.refuse(f"{key} '{text}': must be a frame, a whole number from 0, or empty")
        return int(text) if text else None

    def refuse(self, reason: str) -> NoReturn:
        """Raise with the table's line."""
        raise ReadError(self.path, self.number, reason)


def _typed(rows: list[Row], columns: Sequence[str]) -> list[Row]:
    """Turn the columns whose values are whole numbers into numbers, an empty cell into `UNKNOWN`."""
    values = {name: [str((row.columns or {})[name]) for row in rows] for name in columns}
    typed: dict[str, list[Value]] = {
        name: [int(text) if text else UNKNOWN for text in texts] if _are_integers(texts) else list(texts)
        for name, texts in values.items()
    }
    for name in typed.keys() & set(FRAME_SIZE):
        for row, value in zip(rows, typed[name], strict=True):
            if isinstance(value, str):
                raise ReadError(
                    row.table or "", row.line, f"{name} is the frame's, in pixels: rename or mend the column"
                )
    return [Row(**{**vars(row), "columns": {name: typed[name][at] for name in columns}}) for at, row in enumerate(rows)]


def _are_integers(texts: Sequence[str]) -> bool:
    return any(texts) and all(INTEGER.fullmatch(text) for text in texts if text)


def _refuse_twins(rows: Sequence[Row]) -> None:
    """Raise `UserError` if two clips have one name: it is how scores find a clip again."""
    seen: dict[str, Row] = {}
    for row in rows:
        if row.name in seen:
            other = seen[row.name]
            place = f"{row.table}, line {row.line}" if row.table else f"{row.file}"
            first = f"line {other.line} of {other.table}" if other.table else f"{other.file}"
            raise UserError(f"{place}: a clip called {row.name} is also {first}; rename or remove one of the two")
        seen[row.name] = row
