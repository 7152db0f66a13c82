"""Which windows of which tracks there are: a table of them, folders of classes, or bare tracks.

A window is the frames `from` to `to` (behind the last) of one recording, from 0.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from reader.deeplabcut.tables import SUFFIXES, is_track
from reader.own.listing import Listing, find_table, gather
from reader.own.table import TABLES, Row, is_table, read_table, refuse_broken, typed
from utils.errors import UserError
from utils.recording import ReadError

ALIASES = {"from": "start", "to": "end"}  # columns of a table, and what `form: own` calls them
FILLED = ("rate", "height", "width", "block")  # columns that the reader fills itself
FORMS = f"{{{','.join(suffix[1:] for suffix in SUFFIXES)}}}"
GIVE = f"give a table of windows (file,from,to,label), a folder of <class>/<recording>.{FORMS}, or of recordings"
FILTERED = "_filtered"  # what DeepLabCut adds to the name of a filtered track
ONE_OF_TWO = "keep one of the two, for it is one recording"

Tracks = Callable[[Path], np.ndarray]  # opens a file: (M, T, V, 3)


@dataclass(frozen=True)
class Cutting:
    """How a recording without a table is cut: windows of so many frames, one every `hop`."""

    window: int
    hop: int

    def windows(self, frames: int) -> list[tuple[int, int]]:
        """Return the first frame of each window and the one behind its last; a short recording is one window."""
        if frames <= self.window:
            return [(0, frames)]
        return [(start, start + self.window) for start in range(0, frames - self.window + 1, self.hop)]

    def left_out(self, frames: int) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the first frame and the one behind the last of all that is in no window, with the reason."""
        for (_, end), (start, _) in pairwise([*self.windows(frames), (frames, frames)]):
            if start == frames and 0 < frames - end < self.window:
                yield f"behind the last whole window of {self.window} frames", (end, frames)
            elif end < start:
                yield f"between windows, for data.hop is {self.hop}", (end, start)


def list_windows(roots: Sequence[Path], cutting: Cutting, open_track: Tracks) -> Listing:
    """List all windows of `roots`, those of a file behind one another; every row has `start`, `end` and `recording`.

    A window without a class has an empty label; then all have.

    Raises:
        UserError: if there are none, two have one name, only some have a class, or two files are of one recording.
        ReadError: for a row of a table that is not right, and for a track that `open_track` refuses: without it, its
            windows are not known.
    """

    def list_root(root: Path) -> Listing:
        table = _table_at(root)
        return _list_table(table, open_track) if table else _cut(list_recordings(root), cutting, open_track)

    listing = gather(roots, list_root)
    _refuse_copies(listing.rows)
    if len({bool(row.label) for row in listing.rows}) > 1:
        bare = next(row for row in listing.rows if not row.label)
        raise UserError(f"{bare.file}: has no class, but others have; put it into the folder of one, or give it alone")
    order = {file: place for place, file in enumerate(dict.fromkeys(row.file for row in listing.rows))}
    listing.rows.sort(key=lambda row: order[row.file])  # so that each file is opened once
    return listing


def _table_at(root: Path) -> Path | None:
    if root.is_dir():
        return find_table(root, "--raw")
    return root if root.is_file() and is_table(root) else None


# --- recordings, whole


def list_recordings(root: Path) -> Listing:
    """List the recordings of a folder of classes, of a folder of recordings (with an empty label), or `root` itself."""
    if not root.exists():
        raise UserError(f"{root}: no such file or folder; {GIVE}: --raw PATH")
    if root.is_file() and root.suffix.lower() in SUFFIXES:
        return Listing([_recording(root, "")], {})
    entries = [entry for entry in sorted(root.iterdir()) if entry.is_dir()] if root.is_dir() else []
    classes = [entry for entry in entries if _tracks(entry)]
    listing = Listing([], {})
    for folder in classes or ([root] if root.is_dir() else []):
        tracks = _tracks(folder)
        listing.rows += [_recording(path, folder.name if classes else "") for path in tracks]
        _note_others(root, folder, tracks, listing)
    if not listing.rows:
        raise UserError(f"{root}: no tracks ({', '.join(SUFFIXES)}); {GIVE}: --raw PATH")
    _refuse_filtered({(root, row.file.stem): row.file for row in listing.rows})  # a class is no other place
    if classes:
        _account_for_others(root, classes, listing)
    return listing


def _note_others(root: Path, folder: Path, tracks: Sequence[Path], listing: Listing) -> None:
    """Note the files in a folder of tracks that are none, or of a recording that is there already."""
    taken = {path.stem for path in tracks}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and path not in tracks):
        if folder == root and path.suffix.lower() in TABLES:
            refuse_broken(path)
        same = path.suffix.lower() in SUFFIXES and path.stem in taken
        why = "of a recording whose .csv was taken" if same else f"not one of {', '.join(SUFFIXES)}"
        if not path.name.startswith("."):
            listing.skipped.setdefault(why, []).append(str(path.relative_to(root)))


def _tracks(folder: Path) -> list[Path]:
    """Return the tracks in a folder, one file of a recording that is there as .csv and as .h5."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return list({path.stem: path for path in reversed(files) if not path.name.startswith(".")}.values())[::-1]


def _refuse_copies(rows: Sequence[Row]) -> None:
    """Raise `UserError` where two files in one folder are of one recording, which might train and evaluate."""
    files: dict[tuple[Hashable, str], Path] = {}
    for path in dict.fromkeys(row.file for row in rows):
        if (other := files.setdefault((path.parent.resolve(), path.stem), path)) != path:
            raise UserError(f"{path}: is there as {other}, too; {ONE_OF_TWO}")
    _refuse_filtered(files)


def _refuse_filtered(files: Mapping[tuple[Hashable, str], Path]) -> None:
    """Raise `UserError` where a recording is there filtered and not; `files` are by place and stem."""
    for (place, stem), path in files.items():
        if filtered := files.get((place, stem + FILTERED)):
            raise UserError(f"{path}: is there filtered, too ({filtered}); {ONE_OF_TWO}")


def _account_for_others(root: Path, classes: list[Path], listing: Listing) -> None:
    """Note what lies beside the classes; a folder without tracks is refused, for it may be a class that is missing."""
    for entry in sorted(root.iterdir()):
        if entry in classes or entry.name.startswith("."):
            continue
        if entry.is_dir():
            raise UserError(f"{entry}: no tracks; its name would be a class: put its tracks there, or remove it")
        if is_track(entry):
            raise UserError(f"{entry}: a track beside the folders of classes; put it into the folder of its class")
        if entry.suffix.lower() in TABLES:
            refuse_broken(entry)
        listing.skipped.setdefault("not in the folder of a class", []).append(entry.name)


def _recording(path: Path, label: str) -> Row:
    name = f"{label}_{path.stem}" if label else path.stem
    return Row(name, path, label, columns={"recording": name})


def _cut(whole: Listing, cutting: Cutting, open_track: Tracks) -> Listing:
    """Return the windows of whole recordings, without those in which nobody is seen."""
    listing = Listing([], whole.skipped)
    for recording in whole.rows:
        track = open_track(recording.file)
        for start, end in cutting.windows(track.shape[1]):
            window = _window(recording, start, end)
            if track[:, start:end].any():
                listing.rows.append(window)
            else:
                listing.skipped.setdefault("nobody is seen in", []).append(window.name)
        for why, span in cutting.left_out(track.shape[1]):
            listing.skipped.setdefault(why, []).append(_window(recording, *span).name)
    if not listing.rows:
        raise UserError(f"{whole.rows[0].file}: nobody is seen in any window; lower data.likelihood, or track it again")
    return listing


def _window(recording: Row, start: int, end: int) -> Row:
    columns = {**(recording.columns or {}), "from": start, "to": end}
    return replace(recording, name=f"{recording.name}_{start}-{end}", start=start, end=end, columns=columns)


# --- a table


def _list_table(path: Path, open_track: Tracks) -> Listing:
    table = read_table(path, ALIASES)
    if taken := next((name for name in FILLED if name in table.header), None):
        raise ReadError(path, 1, f"column '{taken}': is filled from data.rate and data.frame_size; remove it")
    rows = typed(list(table.rows("track", SUFFIXES)))
    if not rows:
        raise UserError(f"{path}: no windows, only a header; python -m tools.dlc --table drafts a table")
    frames = {file: open_track(file).shape[1] for file in dict.fromkeys(row.file for row in rows)}
    return Listing([_within(row, frames[row.file]) for row in rows], {})


def _within(row: Row, frames: int) -> Row:
    """Return the window with all its columns; raises `ReadError` where its recording of so many frames lacks some."""
    start, end = row.start or 0, frames if row.end is None else row.end
    if not start < end <= frames:
        reason = f"frames {start} to {end} are not in {row.file.name}, which has 0 to {frames}; to is behind the last"
        raise row.fault(reason)
    return _window(replace(row, columns={"recording": row.name, **(row.columns or {})}), start, end)
