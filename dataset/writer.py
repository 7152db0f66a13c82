"""Writing parts: append-only, resumable after a kill at any moment, visible only when complete.

A part grows in `<part>.partial`: the variants' coordinates, and `journal.jsonl`, one line per source. Coordinates are
written before the lines that speak of them; whoever goes on cuts both back to the last source that is whole in both.
`finish` turns the journal into columns, writes the manifest last and renames the folder.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from dataset.index import Index, Spans
from dataset.packing import Packed
from dataset.store import MANIFEST, PART_FORMAT, VERSION, checksums, read_manifest
from utils.errors import UserError
from utils.files import lock, sync_folder, write_json
from utils.recording import Scan

JOURNAL, PLAN, LOCK = "journal.jsonl", "plan.json", "lock"
SHARD_FORMAT = "gesta-shard"
SPENT = {PART_FORMAT: (JOURNAL, PLAN, LOCK), SHARD_FORMAT: (PLAN, LOCK)}  # of no use in what is complete
HEADER_BYTES = 128  # of a .npy: numpy pads the header so that any number of rows fits in

Position = dict[str, Any]  # where a coordinates file stands: {"count": rows, "dtype": "<f4", "shape": [V, C]}
EMPTY: Position = {"count": 0, "dtype": "<f4", "shape": []}


@dataclass(frozen=True)
class StoredClip:
    """A recording on its way to the store: what is known of it, JSON-ready, and its packed joints per variant."""

    about: dict[str, Any]  # name, label, frames, splits, columns
    packed: Mapping[str, Packed]


@dataclass(frozen=True)
class ReadSource:
    """What became of one source: its clips, or why it was refused."""

    name: str
    clips: Sequence[StoredClip] = ()
    refused: str | None = None


class Rows:
    """A growing `coordinates.npy`; the header is written when it is complete.

    Opening leaves what is there as it is: `restore` says where to go on.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "coordinates.npy"
        self.path.touch()
        self.position: Position = EMPTY
        self._file: IO[bytes] = self.path.open("r+b")

    def append(self, rows: np.ndarray) -> None:
        """Append (R, V, C); the first call fixes V, C and the dtype."""
        form = {"dtype": np.lib.format.dtype_to_descr(rows.dtype), "shape": list(rows.shape[1:])}
        if self.position["count"] and self.position != self.position | form:
            raise UserError(
                f"{self.path}: a clip of {form['dtype']} {form['shape']} among {self.position['dtype']} "
                f"{self.position['shape']}; the sources of one part must have the same joints and channels"
            )
        self._file.write(np.ascontiguousarray(rows).data)
        self.position = {"count": self.position["count"] + len(rows), **form}

    def restore(self, position: Position) -> None:
        """Cut the file back to `position` and go on there; it must be at least that long."""
        end = end_of(position)
        self._file.truncate(max(end, HEADER_BYTES))
        self._file.seek(end)
        self.position = dict(position)

    def sync(self) -> None:
        """Hand all rows to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def complete(self) -> None:
        """Write the header and close."""
        self._file.flush()
        self._file.seek(0)
        shape = (self.position["count"], *self.position["shape"])
        header = {"descr": self.position["dtype"], "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        assert self._file.tell() == HEADER_BYTES
        self.sync()
        self._file.close()

    def close(self) -> None:
        """Close as it is."""
        self._file.close()


def end_of(position: Position) -> int:
    """Return the length in bytes of a coordinates file at `position`."""
    row = int(np.prod(position["shape"])) * np.dtype(position["dtype"]).itemsize
    return HEADER_BYTES + int(position["count"]) * row


class PartWriter:
    """Writes one part, going on where an interrupted writer with the same plan stopped.

    Use as a context manager; `done` sources need not be read again. Raises `UserError` if another process is at it, or
    if the interrupted work was of another plan.
    """

    def __init__(self, path: Path, plan: dict[str, Any], variants: Mapping[str, dict[str, Any]]) -> None:
        self.path, self.plan, self.variants = path, plan, variants
        self.folder = partial_of(path)
        self.done = 0

    def __enter__(self) -> "PartWriter":
        with ExitStack() as files:
            files.enter_context(hold(self.folder))
            self._settle_plan()
            self._rows = {name: Rows(self.folder / name) for name in self.variants}
            for rows in self._rows.values():
                files.callback(rows.close)
            self._journal = files.enter_context((self.folder / JOURNAL).open("a+b"))
            self._go_on()
            self._files = files.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def _settle_plan(self) -> None:
        wanted = {**self.plan, "variants": json.loads(json.dumps(dict(self.variants)))}
        path = self.folder / PLAN
        if not path.exists():
            write_json(path, wanted)
            return
        begun = json.loads(path.read_text(encoding="utf-8"))
        if differences(begun, wanted) or begun["variants"] != wanted["variants"]:
            raise UserError(
                f"{self.folder}: an interrupted generation of other sources or options; "
                "give those again to go on, or --force to start anew"
            )

    def _go_on(self) -> None:
        """Cut journal and coordinates back to the last source that is whole in both."""
        sizes = {name: rows.path.stat().st_size for name, rows in self._rows.items()}
        keep, positions = 0, dict.fromkeys(self._rows, EMPTY)
        for end, entry in journal_entries(self.folder / JOURNAL):
            if any(end_of(entry["at"][name]) > sizes[name] for name in sizes):
                break
            keep, positions = end, entry["at"]
            self.done += 1
        self._journal.truncate(keep)
        self._journal.seek(keep)
        for name, rows in self._rows.items():
            rows.restore(positions[name])

    def add(self, sources: Iterable[ReadSource]) -> None:
        """Append what became of the next sources; on return they are on the disk."""
        lines = [self._append(source) for source in sources]
        for rows in self._rows.values():
            rows.sync()
        self._journal.write(b"".join(lines))
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self.done += len(lines)

    def _append(self, source: ReadSource) -> bytes:
        clips = []
        for clip in source.clips:
            places = {}
            for name, rows in self._rows.items():
                packed, start = clip.packed[name], rows.position["count"]
                rows.append(packed.rows)
                places[name] = {"start": start, "spans": packed.spans.tolist(), "frames": packed.frames}
            clips.append({**clip.about, "places": places})
        at = {name: rows.position for name, rows in self._rows.items()}
        entry = {"source": source.name, "refused": source.refused, "clips": clips, "at": at}
        return json.dumps(entry).encode() + b"\n"

    @property
    def is_empty(self) -> bool:
        """Whether there is no clip so far."""
        return not any(rows.position["count"] for rows in self._rows.values())

    def refusals(self) -> list[str]:
        """Return why sources were refused so far."""
        return [entry["refused"] for _, entry in journal_entries(self.folder / JOURNAL) if entry["refused"]]

    def finish(self) -> dict[str, Any]:
        """Make the part visible, in the place of an older one; return its manifest."""
        self._complete_rows()
        index = Index(self.variants, self.plan["split_lists"])
        index.read(entry for _, entry in journal_entries(self.folder / JOURNAL))
        manifest = index.write(self.folder, self.plan, self.variants)
        _reveal(self.path)
        return manifest

    def finish_shard(self, number: int, count: int) -> None:
        """Make what is written visible as it is, journal and all: the `number`-th shard of `count` of the plan."""
        self._complete_rows()
        files = checksums(self.folder, [JOURNAL, *(f"{name}/{rows.path.name}" for name, rows in self._rows.items())])
        manifest = {"format": SHARD_FORMAT, "version": VERSION, "shard": [number, count], "sources": self.done}
        write_json(self.folder / MANIFEST, {**manifest, "plan": self.plan, "variants": self.variants, "files": files})
        _reveal(self.path, SHARD_FORMAT)

    def _complete_rows(self) -> None:
        for rows in self._rows.values():
            rows.complete()


def add_variant(path: Path, name: str, clips: Iterable[Packed], options: dict[str, Any]) -> None:
    """Store another variant of a complete part, clip by clip in the part's order; visible only when complete.

    It is derived from stored rows in minutes, so an interrupted one starts anew. Raises `UserError` if another process
    is at it.
    """
    folder = path / f"{name}.partial" / name
    with hold(folder.parent):
        rows, spans = Rows(folder), Spans()
        try:
            rows.restore(EMPTY)
            for clip in clips:
                spans.add(clip.spans.tolist(), rows.position["count"], clip.frames)
                rows.append(clip.rows)
            rows.complete()
        finally:
            rows.close()
        spans.write(folder, options, read_manifest(path, PART_FORMAT)["files"]["names.npy"])
        (folder.parent / LOCK).unlink()  # now, so that a kill between these lines leaves no file
        folder.rename(path / name)
        folder.parent.rmdir()
        sync_folder(path)


def partial_of(path: Path) -> Path:
    """Return the folder in which a part grows."""
    return path.with_name(path.name + ".partial")


def reveal(path: Path, kind: str = PART_FORMAT) -> None:
    """Give a part (or shard) that lies complete in its partial folder its name; nothing if there is none."""
    if (partial_of(path) / MANIFEST).exists():
        with hold(partial_of(path)):
            _reveal(path, kind)


def _reveal(path: Path, kind: str = PART_FORMAT) -> None:
    folder = partial_of(path)
    for name in SPENT[kind]:
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)
    if path.exists():  # what --force replaces, not a moment earlier
        _remove(path)
    folder.rename(path)
    sync_folder(path.parent)


def remove_part(path: Path) -> None:
    """Delete a part and what an interrupted generation left of it; raises `UserError` while another is at it."""
    remove_partial(path)
    if path.exists():
        _remove(path)


def remove_partial(path: Path) -> None:
    """Delete what an interrupted generation left of a part; raises `UserError` while another is at it."""
    if partial_of(path).exists():
        with hold(partial_of(path)):
            _remove(partial_of(path))


def _remove(folder: Path) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)  # first: a half-deleted part is no part
    shutil.rmtree(folder)


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return in what two plans, or a manifest and a plan, are of other sources, or of the same read in another way."""
    keys = ("form", "layout", "channels", "persons", "options", "split_lists", "classes", "sources")
    return [key for key in keys if first.get(key) != second.get(key)]


def source_digest(scan: Scan) -> str:
    """Return one number for a list of sources: two scans share it if all names and sizes are the same."""
    digest = hashlib.sha256(b"[")
    for n, source in enumerate(scan.sources):  # one JSON list of all keys, but never as a whole
        digest.update((", " * (n > 0) + json.dumps(source.key())).encode())
    digest.update(b"]")
    return digest.hexdigest()


def journal_entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (offset behind the line, entry) for every whole line, up to one torn by a kill or a power failure."""
    end = 0
    with path.open("rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                return
            if not line.endswith(b"\n"):
                return
            end += len(line)
            yield end, entry


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Make `folder` and keep it for this process; raises `UserError` while another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        if not lock(file):
            raise UserError(f"{folder}: another process is generating this part; wait for it")
        yield
