"""A table of clips, `file,label[,start,end,...]`, a line for each; no clip is opened.

Whose files it lists is told by their suffixes, and by what messages call one: a clip, a track.
"""

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from utils.errors import UserError
from utils.recording import UNKNOWN, ReadError

Value = int | str
TABLES = (".csv", ".tsv")
COLUMN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
INTEGER = re.compile(r"-?\d{1,18}")
NEEDED = ("file", "label")  # columns without which it is no table of clips
TAKEN = (*NEEDED, "start", "end")  # columns that say where a clip is and what, not more of it
OURS = ("persons", "source")  # columns that readers fill themselves
SHOWN = 8  # columns, in a message


@dataclass(frozen=True)
class Row:
    """One clip: a file, or the frames `start` to `end` (behind the last) of it; and where a table says so."""

    name: str
    file: Path
    label: str
    start: int | None = None
    end: int | None = None
    columns: Mapping[str, Value] | None = None
    table: Path | None = None
    line: int | None = None

    def fault(self, reason: str) -> ReadError:
        """Return the error that names the table's line, or the file where there is no table."""
        return ReadError(self.table or self.file, self.line, reason)


@dataclass(frozen=True)
class Table:
    """A table's texts.

    Attributes:
        path: its file; paths in it are relative to that.
        header: the columns' names, `NEEDED` among them.
        lines: number and cells of each line below the header; empty lines are none.
        spelt: how the table itself calls columns that are known by another name.
    """

    path: Path
    header: Sequence[str]
    lines: Sequence[tuple[int, Sequence[str]]]
    spelt: Mapping[str, str] = field(default_factory=dict)

    def rows(self, kind: str, suffixes: Collection[str]) -> Iterator[Row]:
        """Yield the clip of each line, named after its file, columns as texts; raises `ReadError` at the first fault.

        `kind` is what messages call a file that has one of `suffixes`.
        """
        for number, cells in self.lines:
            if len(cells) != len(self.header):
                raise ReadError(self.path, number, f"{len(cells)} cells, but there are {len(self.header)} columns")
            yield _Line(self.path, number, dict(zip(self.header, cells, strict=True)), self.spelt).row(kind, suffixes)


def is_table(path: Path) -> bool:
    """Return whether a file's first line names the columns `NEEDED`; that of a file which is no text does not."""
    try:
        return set(NEEDED) <= set(next(_lines(path), (1, []))[1])
    except (UnicodeDecodeError, csv.Error):
        return False


def read_table(path: Path, aliases: Mapping[str, str] | None = None) -> Table:
    """Return a table whose header is right; `aliases` are other names of columns, and those that they stand for.

    Raises:
        UserError: for a file that is no text.
        ReadError: for a column that is lacking, is there twice, or may not be called so.
    """
    try:
        lines = list(_lines(path))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: no table that can be read ({error}); save it as UTF-8 text, .csv or .tsv") from error
    names = lines[0][1] if lines else []
    header = [(aliases or {}).get(name, name) for name in names]
    spelt = dict(zip(header, names, strict=True))
    _check_header(path, header)
    return Table(path, header, [(number, cells) for number, cells in lines[1:] if any(cells)], spelt)


def refuse_broken(path: Path) -> None:
    """Raise `UserError` if a .csv or .tsv that lies where a table may is none: what it says would be passed over."""
    try:
        read_table(path)
    except UserError as error:
        away = "move it away, a clip into the folder of its class"
        raise UserError(f"{error}; if it is no table of clips, {away}") from error


def typed(rows: Sequence[Row]) -> list[Row]:
    """Turn the columns whose values are whole numbers into numbers, an empty cell of them into `UNKNOWN`."""
    names = list(rows[0].columns or ()) if rows else []
    values = {name: _numbered([str((row.columns or {})[name]) for row in rows]) for name in names}
    return [replace(row, columns={name: values[name][at] for name in names}) for at, row in enumerate(rows)]


def _numbered(texts: Sequence[str]) -> Sequence[Value]:
    if any(texts) and all(INTEGER.fullmatch(text) for text in texts if text):
        return [int(text) if text else UNKNOWN for text in texts]
    return texts


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each line's number and its cells without blanks around them."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        for cells in reader:
            if any("\0" in cell for cell in cells):  # UTF-16 without a mark
                raise csv.Error("it holds NUL")
            yield reader.line_num, [cell.strip() for cell in cells]


def _check_header(path: Path, header: Sequence[str]) -> None:
    lacking = [name for name in NEEDED if name not in header]
    if lacking:
        found = ", ".join(f"'{name}'" for name in header[:SHOWN]) or "nothing"
        more = ", ..." if len(header) > SHOWN else ""
        comma = "tabs" if path.suffix.lower() == ".tsv" else "commas"
        wanted = f"the first line names the columns file, label, ..., so spelt, with {comma} between"
        raise ReadError(path, 1, f"no column {lacking[0]}; {wanted}; it names {found}{more}")
    for name, count in Counter(header).items():
        if count > 1:
            raise ReadError(path, 1, f"more than one column is called {name or 'nothing'}; name each once")
        if not COLUMN.fullmatch(name) or name in OURS:
            allowed = f"letters, digits and _.- are allowed, {' and '.join(OURS)} are not"
            raise ReadError(path, 1, f"column '{name}': rename it; {allowed}")


@dataclass(frozen=True)
class _Line:
    """One line of a table: its cells by column."""

    path: Path
    number: int
    cells: Mapping[str, str]
    spelt: Mapping[str, str]

    def row(self, kind: str, suffixes: Collection[str]) -> Row:
        """Return the clip that the line describes."""
        label, stated = self.cells["label"], self.cells["file"]
        if not label:
            self.refuse("no label; give the class, or remove the line")
        file = self.path.parent / stated
        if not stated or not file.is_file():
            self.refuse(f"file '{stated}': no such file in {self.path.parent}; paths are relative to the table")
        if file.suffix.lower() not in suffixes:
            self.refuse(f"file '{stated}': a {kind} is one of {', '.join(suffixes)}")
        name = re.sub(r"[\\/]+", "_", str(Path(stated).with_suffix("")).lstrip("./"))
        columns = {key: value for key, value in self.cells.items() if key not in TAKEN}
        return Row(name, file, label, self.frame("start"), self.frame("end"), columns, self.path, self.number)

    def frame(self, key: str) -> int | None:
        """Return a number of frames; None where the cell is empty or there is no such column."""
        text = self.cells.get(key, "")
        if text and not text.isdecimal():
            self.refuse(f"{self.spelt[key]} '{text}': must be a frame, a whole number from 0, or empty")
        return int(text) if text else None

    def refuse(self, reason: str) -> NoReturn:
        """Raise with the table's line."""
        raise ReadError(self.path, self.number, reason)
