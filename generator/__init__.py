"""From raw files to parts in the store: a reader over its sources in worker processes, in constant memory.

Resumable after a kill at any moment with the same bytes, and atomic: see `dataset/writer.py`. Several machines
share the work as shards: see `generator/shards.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from config import Config
from dataset.layouts import load_layout
from dataset.packing import unpack
from dataset.padded import export
from dataset.splits import Benchmark, benchmark_of
from dataset.store import MANIFEST, PART_FORMAT, Part, open_part, read_manifest, stored_variants
from dataset.variants import PADDED_FRAMES, VARIANTS
from dataset.writer import (
    SHARD_FORMAT,
    PartWriter,
    ReadSource,
    add_variant,
    differences,
    remove_part,
    remove_partial,
    reveal,
)
from generator.clips import FACTS, facts_of, vary
from generator.orders import Order, Request, Say, order_of, plan_of, reading_of, variants_of
from generator.pool import read_in_order
from generator.shards import (
    Shard,
    count_refused,
    joinable,
    read_shards,
    refuse_damaged,
    refuse_odd_shard,
    remove_shards,
    shard_manifests,
)
from utils.errors import UserError
from utils.files import disk_errors
from utils.recording import UNKNOWN

__all__ = ["Order", "PartWriter", "Request", "generate", "generate_experiment", "generate_shard", "order_of"]

SHOWN_REFUSALS = 20
TOLERATED_FILES, TOLERATED_SHARE = 10, 0.01  # refusals up to which -gd still exits with 0
Read = Callable[[int], Iterable[Iterable[ReadSource]]]  # what sources hold, but for so many of the first
ROOM = "nothing is lost: free some space and give the same command again"


def generate_experiment(config: Config, request: Request) -> bool:
    """Make all parts that an experiment reads; return whether few enough sources were refused."""
    data = config.data
    if data.form != "ntu" and (request.padded or request.from_padded):
        raise UserError(f"data.form {data.form}: older code has padded arrays of NTU's raw skeletons only (-c 2001)")
    orders = [order_of(config, part, request) for part in data.parts]
    if request.shard:
        for order in orders:
            generate_shard(order, request.shard)
        return True  # whether too many sources were refused shows when all shards are there
    manifests = [generate(order) for order in orders]
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


def generate(order: Order) -> dict[str, Any]:
    """Make the part, or what is lacking of it; return its manifest.

    Raises `UserError` if the store holds a part of this name made from other sources, or if the disk is full.
    """
    with disk_errors(order.request.store, ROOM):
        if order.request.merge:
            _join(order)
        else:
            _read(order)
        _add_missing_variant(order)
    manifest = read_manifest(order.path, PART_FORMAT)
    summarize(order.path, manifest, order.request.say)
    return manifest


def _read(order: Order) -> None:
    """Make the part of its raw files, if it is not there already."""
    scan = order.reader.scan(order.roots, order.part)
    plan, variants = plan_of(order, scan), variants_of(order)
    order.request.store.mkdir(parents=True, exist_ok=True)  # only now: a refused order leaves no empty folder
    if order.request.force:
        remove_partial(order.path)
    elif _is_there(order.path):
        _refuse_other_sources(order, plan)
        order.request.say(f"Part {order.path} is complete: nothing to read (--force makes it anew)")
        return

    def read(done: int) -> Iterator[list[ReadSource]]:
        todo = scan.sources[done:]
        scan.sources.clear()  # when all are read, the index needs the memory
        return read_in_order(order.reader, todo, tuple(variants), order.request.jobs)

    _make(order, plan, variants, read)


def _make(order: Order, plan: dict[str, Any], variants: dict[str, dict[str, Any]], read: Read) -> None:
    """Make the part of what `read` yields; one in its place goes only when this one is complete, and not empty."""
    with PartWriter(order.path, plan, variants) as writer:
        _fill(writer, read(writer.done), plan["sources"]["count"], order)
        refusals = writer.refusals() if writer.is_empty else []
        if not refusals:
            writer.finish()
    if refusals:
        remove_partial(order.path)
        for reason in refusals[:SHOWN_REFUSALS]:
            order.request.say(f"  refused: {reason}")
        kept = "; the part that is there stays" if order.path.exists() else ""
        raise UserError(f"{order.path}: all {len(refusals)} sources are refused, so there would be no clips{kept}")


def _is_there(path: Path, kind: str = PART_FORMAT) -> bool:
    """Tell whether a part (or shard) is there and complete; raises `UserError` if something else is in its place."""
    reveal(path, kind)
    if path.exists() and not (path / MANIFEST).exists():
        raise UserError(f"{path}: in the way, and not a complete part (no {MANIFEST}); --force replaces it")
    return path.exists()


def generate_shard(order: Order, shard: Shard) -> None:
    """Read one share of a part's sources, and keep it beside where the part will be; raises `UserError`."""
    request, path = order.request, shard.folder(order.path)
    with disk_errors(request.store, ROOM):
        scan = order.reader.scan(order.roots, order.part)
        plan, variants = plan_of(order, scan), variants_of(order)
        request.store.mkdir(parents=True, exist_ok=True)
        if request.force:
            remove_part(path)
        else:
            refuse_odd_shard(order.path, shard, plan, variants)
        share = shard.share(len(scan.sources))
        what = f"Shard {shard} of part {order.path}: {len(share)} of {len(scan.sources)} sources"
        if _is_there(path, SHARD_FORMAT):
            request.say(f"{what}; complete, nothing to read (--force makes it anew)")
            return
        with PartWriter(path, plan, variants) as writer:
            todo = scan.sources[share.start + writer.done : share.stop]
            _fill(writer, read_in_order(order.reader, todo, tuple(variants), request.jobs), len(share), order)
            writer.finish_shard(shard.number, shard.count)
    refused = count_refused(path)
    request.say(f"{what}, {refused} of them refused; when all {shard.count} shards are there, -gd --merge joins them")


def _join(order: Order) -> None:
    """Make the part of its shards, and delete them when it is complete."""
    path, say = order.path, order.request.say
    if not order.request.force and _is_there(path):  # a kill may have left shards that are no longer needed
        for manifest in shard_manifests(path).values():
            _refuse_other_sources(order, manifest["plan"])
        say(f"Part {path} is complete: nothing to join (--force joins its shards anew)")
    else:
        manifests = joinable(path)
        first, *_ = manifests.values()
        plan, variants = first["plan"], first["variants"]
        _refuse_other_reading(order, plan)
        refuse_damaged(path, manifests)
        if order.request.force:
            remove_partial(path)
        _make(order, plan, variants, lambda done: read_shards(path, manifests, done))
        say(f"Part {path}: joined from {len(manifests)} shards, which are deleted")
    remove_shards(path)


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


def _refuse_other_sources(order: Order, plan: dict[str, Any]) -> None:
    manifest = read_manifest(order.path, PART_FORMAT)
    odd = _differences(manifest, plan)
    if changed := _changed_settings(manifest, plan, odd):
        raise UserError(
            f"{order.path}: made with other settings: {changed}; --force replaces it, --store DIR keeps both"
        )
    if odd:
        held = f"{manifest['sources']['count']} sources of form {manifest['form']}"
        found = f"{plan['sources']['count']} sources of form {plan['form']}"
        raise UserError(
            f"{order.path}: made from {held}, but now there are {found}, of other names, sizes or order; "
            "--force replaces it, --store DIR keeps both"
        )


def _changed_settings(held: dict[str, Any], plan: dict[str, Any], odd: Sequence[str]) -> str:
    """Say which settings of `data` differ between a manifest and a plan."""
    pairs = {key: (held.get(key), plan[key]) for key in odd if key in ("form", "layout", "channels", "persons")}
    if "options" in odd:
        options = {key: (held["options"].get(key), value) for key, value in plan["options"].items()}
        pairs |= {key: (was, now) for key, (was, now) in options.items() if was != now}
    return ", ".join(f"data.{key} was {was}, is {now}" for key, (was, now) in pairs.items())


def _refuse_other_reading(order: Order, plan: dict[str, Any]) -> None:
    if odd := _differences(plan, {**plan, **reading_of(order.reader)}):
        raise UserError(
            f"{order.path}: its shards were made with other {', '.join(odd)} than this experiment has; "
            "give the -c and --set that made them"
        )


def _differences(held: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    if load_layout(held["layout"]).joints == load_layout(plan["layout"]).joints:
        plan = {**plan, "layout": held["layout"]}  # another convention of the same joints reads the same rows
    return differences(held, plan)


def _fill(writer: PartWriter, batches: Iterable[Iterable[ReadSource]], count: int, order: Order) -> None:
    """Write what is read of `count` sources, of which some may be done, and show how far it is."""
    if writer.done:
        order.request.say(f"Going on where an interrupted run stopped: {writer.done} of {count} sources are done")
    with tqdm(total=count, initial=writer.done, unit="file", disable=not order.request.progress) as bar:
        for batch in batches:
            before = writer.done
            writer.add(batch)
            bar.update(writer.done - before)


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
