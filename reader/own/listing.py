"""Which clips there are: a folder of classes, or a table of files; neither opens a clip.

A class is a folder's name, or a value of the column `label`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from reader.own.files import SUFFIXES
from reader.own.table import INTEGER, TABLES, Row, is_table, read_table, refuse_broken, typed
from utils.errors import UserError
from utils.recording import UNKNOWN

FRAME_SIZE = ("height", "width")  # of the picture, in pixels, which a variant may need
FORMS = f"<class>/<clip>.{{{','.join(suffix[1:] for suffix in SUFFIXES)}}}"


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

    def list_root(root: Path) -> Listing:
        table = root if root.is_file() else find_table(root, give)
        return _list_table(table) if table else _list_folder(root, give)

    listing = gather(roots, list_root)
    if not listing.rows:
        places = ", ".join(map(str, roots))
        raise UserError(f"{places}: no clips; give a folder of {FORMS}, or a table with the columns file and label")
    columns = {tuple(row.columns or ()) for row in listing.rows}
    if len(columns) > 1:
        each = " and ".join(", ".join(names) or "none" for names in sorted(columns))
        raise UserError(f"the tables and folders given have different columns: {each}; clips of one part have the same")
    return listing


def gather(roots: Sequence[Path], list_root: Callable[[Path], Listing]) -> Listing:
    """Return what `list_root` lists in all `roots`; raises `UserError` if one cannot be read, or two have one name."""
    listing = Listing([], {})
    for root in roots:
        try:
            listing.add(list_root(root))
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be read ({error.strerror}); clips would be missing") from error
    _refuse_twins(listing.rows)
    return listing


def list_file(path: Path) -> Listing:
    """List the clips of a table, or a file as a clip of the class that its folder is called after."""
    if path.suffix.lower() in TABLES and is_table(path):
        return _list_table(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: neither a table of clips (file,label) nor one of {', '.join(SUFFIXES)}")
    return Listing([Row(path.stem, path, path.absolute().parent.name)], {})


def order_classes(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the classes in the order of their labels: sorted by name, or as numbers where all are whole numbers."""
    names = set(labels)
    return tuple(sorted(names, key=int) if all(map(INTEGER.fullmatch, names)) else sorted(names))


def labels_of(rows: Sequence[Row], classes: Sequence[str]) -> list[int]:
    """Return each clip's place in `classes`; `UNKNOWN` where there are no classes."""
    label_of = {name: label for label, name in enumerate(classes)}
    return [label_of[row.label] if classes else UNKNOWN for row in rows]


def find_table(folder: Path, give: str) -> Path | None:
    """Return the table that lies in a folder, a .csv or .tsv with the columns file and label; None if there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such file or folder; give the table, or the folder of {FORMS} ({give})")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLES and path.is_file())
    tables = [path for path in files if is_table(path)]
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
            if entry.suffix.lower() in TABLES:
                refuse_broken(entry)
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


def _list_table(path: Path) -> Listing:
    rows = typed([_named(row) for row in read_table(path).rows("clip", SUFFIXES)])
    _refuse_sizes(rows)
    return Listing(rows, {})


def _named(row: Row) -> Row:
    """Return the clip with its frames in its name: a file may have several."""
    start, end = row.start, row.end
    if start is not None and end is not None and start >= end:
        raise row.fault(f"start {start} is not before end {end}; end is the frame behind the last")
    if start is None and end is None:
        return row
    return replace(row, name=f"{row.name}_{start or 0}-{'' if end is None else end}")


def _refuse_sizes(rows: Sequence[Row]) -> None:
    for name, row in product(FRAME_SIZE, rows):
        if isinstance((row.columns or {}).get(name), str):
            raise row.fault(f"{name} is the frame's, in pixels: rename or mend the column")


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
