"""From raw files to parts in the store: a reader over its sources in worker processes, in constant memory.

Resumable after a kill at any moment with the same bytes, and atomic: see `dataset/writer.py`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from config import Config, raw_folders
from dataset.layouts import load_layout
from dataset.packing import unpack
from dataset.padded import export
from dataset.splits import Benchmark, benchmark_of
from dataset.store import MANIFEST, PART_FORMAT, Part, open_part, read_manifest, stored_variants
from dataset.variants import PADDED_FRAMES, VARIANTS
from dataset.writer import (
    PartWriter,
    add_variant,
    remove_part,
    reveal,
    same_sources,
    source_digest,
)
from generator.clips import FACTS, facts_of, vary
from generator.places import default_raw
from generator.pool import read_in_order
from reader import READERS
from reader.padded import PaddedReader
from utils.errors import UserError
from utils.files import disk_errors
from utils.recording import UNKNOWN, Reader, Scan

SHOWN_REFUSALS = 20
TOLERATED_FILES, TOLERATED_SHARE = 10, 0.01  # refusals up to which -gd still exits with 0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What `-gd` was asked for, beside the experiment."""

    store: Path
    raw: Sequence[Path] = ()
    from_padded: Path | None = None
    padded: bool = False
    jobs: int = 1
    force: bool = False
    strict: bool = False
    progress: bool = True
    say: Say = print


@dataclass(frozen=True)
class Order:
    """One part of a request: what to read, and in which variant to keep it."""

    part: str
    reader: Reader
    roots: Sequence[Path]
    variant: str
    request: Request

    @property
    def path(self) -> Path:
        """The part's folder."""
        return self.request.store / self.part


def generate_experiment(config: Config, request: Request) -> bool:
    """Make all parts that an experiment reads; return whether few enough sources were refused."""
    data = config.data
    if data.form != "ntu" and (request.padded or request.from_padded):
        raise UserError(f"data.form {data.form}: older code has padded arrays of NTU's raw skeletons only (-c 2001)")
    manifests = [generate(order_of(config, part, request)) for part in data.parts]
    if request.from_padded or request.padded:
        parts = [open_part(request.store / part, data.variant) for part in data.parts]
        benchmark = benchmark_of(data.benchmark, parts)
        for part in parts if request.from_padded else ():
            _say_other_splits(part, benchmark, request.say)
        for path in export(parts, benchmark, request.store) if request.padded else ():
            request.say(f"Padded arrays: {path}")
    bad = [manifest for manifest in manifests if too_many_refused(manifest, strict=request.strict)]
    for manifest in bad:
        refused, count = len(manifest["refused"]), manifest["sources"]["count"]
        limit = "none with --strict" if request.strict else f"{TOLERATED_FILES} or {TOLERATED_SHARE:.0%}"
        request.say(f"Part {manifest['part']}: {refused} of {count} sources refused, tolerated {limit}: exit code 1")
    return not bad


def order_of(config: Config, part: str, request: Request) -> Order:
    """Return what to generate of a part: with which reader, and from which folders."""
    data = config.data
    reader: Reader = READERS[data.form](**_reader_options(config))
    if request.from_padded:
        reader, roots = PaddedReader(data.benchmark, data.variant), [request.from_padded]
    else:
        roots = raw_folders(part, request.raw) or [default_raw(part)]
    return Order(part, reader, roots, data.variant, request)


def _reader_options(config: Config) -> dict[str, Any]:
    layout, options = load_layout(config.data.layout), config.data.reader_options()
    known = {"joints": layout.joints, "num_joints": layout.num_joints}  # what the layout knows and the data leave open
    return {key: known[key] if value is None and key in known else value for key, value in options.items()}


def generate(order: Order) -> dict[str, Any]:
    """Make the part, or what is lacking of it; return its manifest.

    Raises `UserError` if the store holds a part of this name made from other sources, or if the disk is full.
    """
    request, say = order.request, order.request.say
    with disk_errors(request.store, "nothing is lost: free some space and give the same command again"):
        scan = order.reader.scan(order.roots, order.part)
        plan, variants = _plan(order, scan), _variants_to_read(order)
        request.store.mkdir(parents=True, exist_ok=True)  # only now: a refused order leaves no empty folder
        if request.force:  # only now: a wrong --raw must not cost a part
            remove_part(order.path)
        reveal(order.path)
        if (order.path / MANIFEST).exists():
            _refuse_other_sources(order, plan)
            say(f"Part {order.path} is complete: nothing to read (--force makes it anew)")
        elif order.path.exists():
            raise UserError(f"{order.path}: in the way, and not a complete part (no {MANIFEST}); --force replaces it")
        else:
            _read_all(order, scan, plan, variants)
        _add_missing_variant(order)
    manifest = read_manifest(order.path, PART_FORMAT)
    summarize(order.path, manifest, say)
    return manifest


def _say_other_splits(part: Part, benchmark: Benchmark, say: Say) -> None:
    """Say how many clips of a part are stated to be in another split than the benchmark's own rule has them in."""
    assert benchmark.column is not None  # of NTU's benchmarks, whose arrays these are
    column = part.column(benchmark.column)
    rule = np.where(np.isin(column, list(benchmark.train)), "train", "eval")
    other = int(((column != UNKNOWN) & (rule != part.stated_split(benchmark.name))).sum())
    if other:
        say(f"Part {part.path.name}: {other} of {len(part)} clips are in another split than in {benchmark.name};")
        say("  the arrays' own split is kept, but are they of this benchmark?")


def too_many_refused(manifest: dict[str, Any], *, strict: bool) -> bool:
    """Tell whether so many sources were refused that the part is not what its name promises."""
    refused = len(manifest["refused"])
    if not manifest["clips"]:
        return True
    if strict:
        return refused > 0
    return refused > TOLERATED_FILES and refused > TOLERATED_SHARE * manifest["sources"]["count"]


def _plan(order: Order, scan: Scan) -> dict[str, Any]:
    reader = order.reader
    return {
        "part": order.part,
        "form": reader.form,
        "layout": reader.layout,
        "channels": list(reader.channels),
        "persons": reader.persons,
        "options": _options(reader),
        "split_lists": list(scan.split_lists),
        "classes": list(scan.classes),
        "sources": {"count": len(scan.sources), "sha256": source_digest(scan)},
        "skipped": scan.skipped,
    }


def _options(reader: Reader) -> dict[str, Any]:
    """Return what else a reader was told; JSON-ready, as a manifest holds it."""
    assert is_dataclass(reader) and not isinstance(reader, type)
    stated_elsewhere = ("form", "layout", "channels", "persons", "parallel", "variant", "variants")
    options = {key: value for key, value in asdict(reader).items() if key not in stated_elsewhere}
    return dict(json.loads(json.dumps(options)))


def _refuse_other_sources(order: Order, plan: dict[str, Any]) -> None:
    manifest = read_manifest(order.path, PART_FORMAT)
    if load_layout(manifest["layout"]).joints == load_layout(plan["layout"]).joints:
        plan = {**plan, "layout": manifest["layout"]}  # another convention of the same joints reads the same rows
    if not same_sources(manifest, plan):
        held = f"{manifest['sources']['count']} sources of form {manifest['form']}"
        found = f"{plan['sources']['count']} sources of form {plan['form']}"
        raise UserError(
            f"{order.path}: made from {held}, but now there are {found}, of other names, sizes or order; "
            "--force replaces it, --store DIR keeps both"
        )


def _variants_to_read(order: Order) -> dict[str, dict[str, Any]]:
    """Return the variants to make while reading: what the source is, and what is asked for."""
    names = dict.fromkeys([*order.reader.variants, order.variant])
    if "original" not in order.reader.variants and order.variant not in order.reader.variants:
        raise UserError(f"{order.roots[0]}: holds the variant {order.reader.variants[0]}, not {order.variant}")
    return {name: dict(VARIANTS[name].options) for name in names}


def _read_all(order: Order, scan: Scan, plan: dict[str, Any], variants: dict[str, dict[str, Any]]) -> None:
    with PartWriter(order.path, plan, variants) as writer:
        if writer.done:
            order.request.say(
                f"Going on where an interrupted run stopped: {writer.done} of {len(scan.sources)} sources are done"
            )
        with tqdm(total=len(scan.sources), initial=writer.done, unit="file", disable=not order.request.progress) as bar:
            todo = scan.sources[writer.done :]
            for results in read_in_order(order.reader, todo, tuple(variants), order.request.jobs):
                writer.add(results)
                bar.update(len(results))
        scan.sources.clear()  # all are read; what follows needs the memory for the index
        writer.finish()


def _add_missing_variant(order: Order) -> None:
    """Derive the wanted variant from stored rows, if the part lacks it."""
    held = stored_variants(order.path)
    if order.variant in held:
        return
    if "original" not in held:
        raise UserError(
            f"{order.path}: imported as {', '.join(held)}, from which {order.variant} cannot be made; "
            f"import arrays of that variant into another --store DIR"
        )
    part = open_part(order.path, "original")
    order.request.say(f"Adding variant {order.variant} to {order.path}, from its stored rows")
    bar = tqdm(
        zip(part.spans, part.frames.tolist(), strict=True),
        total=len(part),
        unit="clip",
        disable=not order.request.progress,
    )
    columns = {key: part.column(key).tolist() for key in FACTS if key in part.manifest["columns"]}
    clips = (
        vary(order.variant, unpack(part.coordinates, spans, frames), facts_of(order.reader.layout, about))
        for n, (spans, frames) in enumerate(bar)
        for about in [{key: values[n] for key, values in columns.items()}]
    )
    add_variant(order.path, order.variant, clips, dict(VARIANTS[order.variant].options))


def summarize(path: Path, manifest: dict[str, Any], say: Say) -> None:
    """Say what was kept, what was left out and why."""
    count = manifest["sources"]["count"]
    say(f"Part {manifest['part']}: {manifest['clips']} clips kept of {count} sources read")
    for reason, names in manifest["skipped"].items():
        say(f"  left out: {len(names)} {reason} ({_some(names)})")
    for refusal in manifest["refused"][:SHOWN_REFUSALS]:
        say(f"  refused: {refusal['reason']}")
    if len(manifest["refused"]) > SHOWN_REFUSALS:
        say(f"  refused: {len(manifest['refused']) - SHOWN_REFUSALS} more, listed in the part's {MANIFEST}")
    longer = int((np.load(path / "frames.npy") > PADDED_FRAMES).sum())
    if longer:
        kept = f"`original` keeps all frames, `transformed` and the padded arrays the first {PADDED_FRAMES}"
        say(f"  longer than {PADDED_FRAMES} frames: {longer} ({kept})")


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
