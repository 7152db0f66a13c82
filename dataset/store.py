"""The store: immutable parts on disk, opened by mmap and refused where they are not what their manifest says.

    <store>/ntu60/manifest.json          what the part holds, what was refused, checksums
                  names.npy labels.npy frames.npy [split_<list>.npy] column_<name>.npy     one entry per clip
                  original/manifest.json
                           coordinates.npy (R, V, C)   real frames of real persons
                           spans.npy (N, M, 4)         where they belong (dataset/packing.py)
                           frames.npy (N,)             frames of each clip in this variant
                  transformed/ ...

N clips, M persons, R rows, V joints, C channels. Little-endian; nothing is ever pickled.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.files import checksum

PART_FORMAT, VARIANT_FORMAT, VERSION = "gesta-part", "gesta-variant", 2
MANIFEST = "manifest.json"
COLUMN, SPLIT = "column_{}.npy", "split_{}.npy"
GENERATE = "python main.py -c NUMBER -gd"


@dataclass(frozen=True)
class Part:
    """An open part in one variant.

    Attributes:
        path: the part's folder.
        manifest: what it says of itself.
        variant: name of the variant.
        coordinates: (R, V, C), memory-mapped.
        spans: (N, M, 4) int64, see `dataset/packing.py`.
        frames: (N,) int64, frames of every clip in this variant.
        labels: (N,) int64, class index from 0, -1 unknown.
        checksum: of all that is read of it: two parts with the same one hold the same clips, labels and splits.
    """

    path: Path
    manifest: dict[str, Any]
    variant: str
    coordinates: np.ndarray
    spans: np.ndarray
    frames: np.ndarray
    labels: np.ndarray
    checksum: str

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def names(self) -> np.ndarray:
        """(N,) names of the clips."""
        return _load(self.path / "names.npy")

    @cached_property
    def recorded_frames(self) -> np.ndarray:
        """(N,) frames that the raw files hold, before any variant."""
        return _load(self.path / "frames.npy")

    def stated_split(self, *lists: str | None) -> np.ndarray | None:
        """Return (N,) the splits that the source states in the first of `lists` that it has; None if it has none."""
        held = next((name for name in lists if name in self.manifest["split_lists"]), None)
        return None if held is None else _load(self.path / SPLIT.format(held))

    def column(self, name: str) -> np.ndarray:
        """Return a column (N,); raises `UserError` if the part lacks it."""
        if name not in self.manifest["columns"]:
            known = ", ".join(self.manifest["columns"])
            raise UserError(f"{self.path}: no column '{name}'; its clips have {known}")
        return _load(self.path / COLUMN.format(name))


def open_part(path: Path, variant: str, remedy: str = GENERATE) -> Part:
    """Open a part, checking format, sizes and checksums of all that is read.

    Raises `UserError` if it does not exist, lacks the variant, was made by another version or was altered; `remedy` is
    the command that makes it.
    """
    manifest = read_manifest(path, PART_FORMAT, remedy)
    folder = path / variant
    if not (folder / MANIFEST).exists():
        known = ", ".join(stored_variants(path))
        raise UserError(f"{folder}: not generated yet (the part has {known}); run: {remedy}")
    described = read_manifest(folder, VARIANT_FORMAT)
    if described["names"] != manifest["files"]["names.npy"]:
        raise UserError(f"{folder}: made from another part than {path}; run -gd --force")
    _verify(path, manifest["files"])
    _verify(folder, described["files"])
    coordinates = np.load(folder / "coordinates.npy", mmap_mode="r")
    spans, frames = _load(folder / "spans.npy"), _load(folder / "frames.npy")
    labels, digest = _load(path / "labels.npy"), _digest(manifest["files"], described["files"])
    return Part(path, manifest, variant, coordinates, spans, frames, labels, digest)


def _digest(*files: dict[str, str]) -> str:
    """Return one checksum for those of files; where the raw files lay is not part of the data."""
    read = [{name: digest for name, digest in each.items() if name != COLUMN.format("source")} for each in files]
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def stored_variants(path: Path) -> list[str]:
    """Return the names of the variants that a part holds."""
    return sorted(folder.parent.name for folder in path.glob(f"*/{MANIFEST}"))


def read_manifest(path: Path, expected: str, remedy: str = GENERATE) -> dict[str, Any]:
    """Read the manifest in `path`; raises `UserError` if there is none, or of another format or version."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        found = (manifest.get("format"), manifest.get("version"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: not generated yet; run: {remedy}") from None
    except (ValueError, AttributeError) as error:  # not text, not JSON, not a mapping
        raise UserError(f"{path / MANIFEST}: not a manifest ({error}); run -gd --force") from error
    if found != (expected, VERSION):
        raise UserError(
            f"{path / MANIFEST}: format {found}, but this Gesta reads ({expected!r}, {VERSION}); run -gd --force"
        )
    return manifest


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the checksum of each named file of a folder, as a manifest holds it."""
    return {name: checksum(folder / name) for name in sorted(names)}


def _verify(folder: Path, expected: dict[str, str]) -> None:
    for name, digest in expected.items():
        path = folder / name
        if not path.exists():
            raise UserError(f"{path}: missing, though {MANIFEST} lists it; run -gd --force")
        if checksum(path) != digest:
            raise UserError(f"{path}: not what {MANIFEST} says (altered or damaged); run -gd --force")


def _load(path: Path) -> np.ndarray:
    return np.load(path, allow_pickle=False)
