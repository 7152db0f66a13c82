"""The index of a part: where its clips lie and what is known of them, as columns; made for 260 000 clips.

N clips, M persons.
"""

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from dataset.store import COLUMN, MANIFEST, PART_FORMAT, SPLIT, VARIANT_FORMAT, VERSION, checksums
from utils.errors import UserError
from utils.files import sync_folder, write_array, write_atomic, write_json

TEXTS = 1 << 12  # written at a time


class Spans:
    """Where the clips of a variant lie, compactly: 80 bytes a clip of two persons."""

    def __init__(self) -> None:
        self._numbers = array("q")  # the spans of all persons of all clips, one after another
        self._persons, self._frames = array("q"), array("q")  # of each clip

    def add(self, spans: Sequence[Sequence[int]], start: int, frames: int) -> None:
        """Append a clip's spans (M, 4), whose rows begin at row `start`; M may differ from clip to clip."""
        for row, *rest in spans:
            self._numbers.extend((row + start, *rest))
        self._persons.append(len(spans))
        self._frames.append(frames)

    def write(self, folder: Path, options: dict[str, Any], names: str) -> None:
        """Write index and manifest beside complete coordinates; `names` (a checksum) ties the variant to its part."""
        persons = np.asarray(self._persons)
        present = np.arange(max(self._persons, default=0)) < persons[:, None]  # (N, M)
        table = np.zeros((*present.shape, 4), np.int64)
        table[present] = np.asarray(self._numbers).reshape(-1, 4)
        write_array(folder / "spans.npy", table)
        write_array(folder / "frames.npy", np.asarray(self._frames))
        files = checksums(folder, ["coordinates.npy", "spans.npy", "frames.npy"])
        manifest = {"format": VARIANT_FORMAT, "version": VERSION, "variant": folder.name, "options": options}
        write_json(folder / MANIFEST, {**manifest, "clips": len(table), "names": names, "files": files})
        sync_folder(folder)


class Index:
    """All clips of a journal as columns, about 400 bytes a clip."""

    def __init__(self, variants: Iterable[str], split_lists: Iterable[str]) -> None:
        self.names: list[str] = []
        self.labels, self.frames = array("q"), array("q")
        self.splits: dict[str, list[str]] = {name: [] for name in split_lists}
        self.columns: dict[str, list[Any]] = {}
        self.spans = {name: Spans() for name in variants}
        self.refused: list[dict[str, str]] = []

    def read(self, entries: Iterable[dict[str, Any]]) -> None:
        """Take all entries; raises `UserError` if names are not unique, or columns not the same for all clips."""
        for entry in entries:
            if entry["refused"]:
                self.refused.append({"source": entry["source"], "reason": entry["refused"]})
            for clip in entry["clips"]:
                self._add(clip)
        if len(set(self.names)) != len(self.names):
            twins = [name for name, times in Counter(self.names).items() if times > 1]
            raise UserError(f"clip names must be unique within a part; these are not: {', '.join(twins[:5])}")

    def _add(self, clip: dict[str, Any]) -> None:
        if self.names and clip["columns"].keys() != self.columns.keys():
            raise UserError(
                f"{clip['name']}: has the columns {', '.join(clip['columns'])}, but {self.names[0]} has "
                f"{', '.join(self.columns)}; the clips of one part must have the same"
            )
        self.names.append(clip["name"])
        self.labels.append(clip["label"])
        self.frames.append(clip["frames"])
        for key, stated in self.splits.items():
            stated.append(sys.intern(clip["splits"].get(key, "")))
        for key, value in clip["columns"].items():
            self.columns.setdefault(key, []).append(value)
        for name, place in clip["places"].items():
            self.spans[name].add(place["spans"], place["start"], place["frames"])

    def write(self, folder: Path, plan: dict[str, Any], variants: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """Write all columns, the variants' indices and, last, the manifest."""
        columns: dict[str, Sequence[Any]] = {
            "names.npy": self.names,
            "labels.npy": self.labels,
            "frames.npy": self.frames,
            **{COLUMN.format(key): values for key, values in self.columns.items()},
            **{SPLIT.format(key): stated for key, stated in self.splits.items()},
        }
        for name, values in columns.items():
            if isinstance(values, list) and all(isinstance(value, str) for value in values):
                _write_texts(folder / name, values)
            else:
                write_array(folder / name, np.asarray(values))
        files = checksums(folder, columns)
        for name, options in variants.items():
            self.spans[name].write(folder / name, options, files["names.npy"])
        manifest = {
            "format": PART_FORMAT, "version": VERSION, **plan, "clips": len(self.names),
            "columns": sorted(self.columns), "refused": self.refused, "files": files,
        }  # fmt: skip
        write_json(folder / MANIFEST, manifest)
        return manifest


def _write_texts(path: Path, texts: Sequence[str]) -> None:
    """Write texts (N,) as `np.save` would, but never all at once: in an array each is as wide as the longest."""
    dtype = np.dtype(f"<U{max(map(len, texts), default=0) or 1}")
    header = {"descr": dtype.str, "fortran_order": False, "shape": (len(texts),)}

    def write(file: IO[bytes]) -> None:
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(texts), TEXTS):
            file.write(np.array(texts[first : first + TEXTS], dtype).tobytes())

    write_atomic(path, write)
