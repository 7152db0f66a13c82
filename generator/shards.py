"""A part made in shards, by as many machines as there are: each reads its share of the sources, one joins them.

A shard lies beside where the part will be, as `<part>.shard-2-of-4`: journal and coordinates as `dataset/writer.py`
writes them, and a manifest with their checksums and the plan of the whole part. So joining needs no raw file: the
shards are read in their order as if they were the sources, and what writes them makes the same bytes of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from dataset.packing import COUNT, Packed
from dataset.store import MANIFEST, read_manifest
from dataset.writer import (
    JOURNAL,
    SHARD_FORMAT,
    Position,
    ReadSource,
    StoredClip,
    differences,
    end_of,
    journal_entries,
    partial_of,
    remove_part,
)
from utils.errors import UserError
from utils.files import checksum

BATCH = 256  # sources between two waits for the disk


@dataclass(frozen=True, order=True)
class Shard:
    """The `number`-th of `count` shards of a part, counted from 1."""

    count: int
    number: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def folder(self, part: Path) -> Path:
        """Return where it lies, beside the folder of its part."""
        return part.with_name(f"{part.name}.shard-{self.number}-of-{self.count}")

    def share(self, sources: int) -> range:
        """Return which of so many sources it reads: one after another, as many as every other shard, or one more."""
        return range(sources * (self.number - 1) // self.count, sources * self.number // self.count)


def parse_shard(text: str) -> Shard:
    """Return the shard that "2/4" means; raises `UserError` if it means none."""
    form = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    number, count = map(int, form.groups()) if form else (0, 0)
    if not 1 <= number <= count:
        raise UserError(f"--shard {text}: give number/count, such as 2/4: the second of four, counted from 1")
    return Shard(count, number)


def shards_of(part: Path) -> list[Shard]:
    """Return the shards of a part that lie beside it, in order, begun ones too."""
    names = [path.name for path in part.parent.iterdir()] if part.parent.is_dir() else []
    forms = [re.fullmatch(rf"{re.escape(part.name)}\.shard-(\d+)-of-(\d+)(\.partial)?", name) for name in names]
    return sorted({Shard(int(form[2]), int(form[1])) for form in forms if form})


def shard_manifests(part: Path) -> dict[Shard, dict[str, Any]]:
    """Return what the complete shards of a part say of themselves."""
    folders = {shard: shard.folder(part) for shard in shards_of(part)}
    return {
        shard: read_manifest(folder, SHARD_FORMAT) for shard, folder in folders.items() if (folder / MANIFEST).exists()
    }


def refuse_odd_shard(part: Path, shard: Shard, plan: dict[str, Any], variants: Mapping[str, dict[str, Any]]) -> None:
    """Raise `UserError` if a shard could not be joined with those that are there: known before hours of work."""
    if part.exists():
        raise UserError(f"{part}: is there already, and needs no shards; --force makes this one nevertheless")
    _refuse_other_counts([*shards_of(part), shard], part)
    for other, manifest in shard_manifests(part).items():
        if odd := _oddities(manifest, other, plan, variants):
            raise UserError(
                f"{other.folder(part)}: made from other {', '.join(odd)} than there are now; "
                "--force makes a shard anew, --store DIR keeps both"
            )


def joinable(part: Path) -> dict[Shard, dict[str, Any]]:
    """Return the manifests of all shards of a part, in order.

    Raises `UserError` if some are missing, or not of one plan.
    """
    found = shards_of(part)
    if not found:
        raise UserError(f"{part}: no shard of it is there; make all, the first of four with: -gd --shard 1/4")
    _refuse_other_counts(found, part)
    count, manifests = found[0].count, shard_manifests(part)
    missing = [str(shard) for shard in (Shard(count, n + 1) for n in range(count)) if shard not in manifests]
    if missing:
        raise UserError(
            f"{part}: lacks {len(missing)} of {count} shards, or they are not complete: {', '.join(missing)}; "
            f"make them, with: -gd --shard {missing[0]}"
        )
    _refuse_strangers(part, manifests)
    return manifests


def _refuse_other_counts(shards: Iterable[Shard], part: Path) -> None:
    counts = sorted({shard.count for shard in shards})
    if len(counts) > 1:
        shard_folders = " or ".join(f"{part.name}.shard-*-of-{count}" for count in counts)
        raise UserError(
            f"{part}: its shards must be of one count, but are of {' and of '.join(map(str, counts))}; "
            f"delete those that are not wanted: {shard_folders}"
        )


def _refuse_strangers(part: Path, manifests: dict[Shard, dict[str, Any]]) -> None:
    first, *_ = manifests.values()
    odd = {shard: _oddities(manifest, shard, first["plan"], first["variants"]) for shard, manifest in manifests.items()}
    told = [f"{shard} ({', '.join(what)})" for shard, what in odd.items() if what]
    if told:
        raise UserError(
            f"{part}: shards that do not belong to shard {next(iter(manifests))}: {'; '.join(told)}; "
            "make those, or that one, anew: --shard with --force"
        )


def _oddities(
    manifest: dict[str, Any], shard: Shard, plan: dict[str, Any], variants: Mapping[str, dict[str, Any]]
) -> list[str]:
    """Return in what a shard's manifest is not of this plan."""
    odd = differences(manifest["plan"], plan)
    odd += ["variants"] if manifest["variants"] != variants else []
    is_named_so = manifest["shard"] == [shard.number, shard.count]
    is_whole = manifest["sources"] == len(shard.share(manifest["plan"]["sources"]["count"]))
    return odd if is_named_so and is_whole else [*odd, "number"]


def refuse_damaged(part: Path, manifests: Mapping[Shard, dict[str, Any]]) -> None:
    """Read all shards once; raises `UserError` if a file is not what its shard's manifest says."""
    files = [(shard, *entry) for shard, manifest in manifests.items() for entry in manifest["files"].items()]
    for shard, name, digest in files:
        path = shard.folder(part) / name
        if not path.exists() or checksum(path) != digest:
            raise UserError(
                f"{path}: not what its {MANIFEST} says (damaged, or not copied whole); "
                f"copy it again, or make it anew: -gd --shard {shard} --force"
            )


def read_shards(part: Path, manifests: dict[Shard, dict[str, Any]], done: int) -> Iterator[Iterable[ReadSource]]:
    """Yield what became of all sources of a part but the first `done`, some at a time, each as it is asked for."""
    sources = chain.from_iterable(
        _read_shard(shard.folder(part), manifest["variants"]) for shard, manifest in manifests.items()
    )
    rest = islice(sources, done, None)
    for first in rest:
        yield chain([first], islice(rest, BATCH - 1))


def _read_shard(folder: Path, variants: Iterable[str]) -> Iterator[ReadSource]:
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / name / "coordinates.npy").open("rb")) for name in variants}
        for _, entry in journal_entries(folder / JOURNAL):
            clips = [_read_clip(clip, entry["at"], files) for clip in entry["clips"]]
            yield ReadSource(entry["source"], clips, entry["refused"])


def _read_clip(clip: dict[str, Any], at: dict[str, Position], files: Mapping[str, IO[bytes]]) -> StoredClip:
    about = {key: value for key, value in clip.items() if key != "places"}
    packed = {name: _read_packed(place, at[name], files[name]) for name, place in clip["places"].items()}
    return StoredClip(about, packed)


def _read_packed(place: dict[str, Any], form: Position, file: IO[bytes]) -> Packed:
    spans = np.array(place["spans"], np.int64).reshape(-1, 4)
    start = place["start"]
    first, last = (end_of({**form, "count": count}) for count in (start, start + spans[:, COUNT].sum()))
    file.seek(first)
    rows = np.frombuffer(file.read(last - first), form["dtype"])
    return Packed(rows.reshape(-1, *form["shape"]), spans, place["frames"])


def count_refused(folder: Path) -> int:
    """Return how many sources of a complete shard could not be read."""
    return sum(entry["refused"] is not None for _, entry in journal_entries(folder / JOURNAL))


def remove_shards(part: Path) -> None:
    """Delete the complete shards of a part, and what a kill left of one that was being deleted."""
    for shard in shards_of(part):
        if not partial_of(shard.folder(part)).exists():  # begun anew: somebody wants it
            remove_part(shard.folder(part))
