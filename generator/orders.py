"""What is to be generated: the parts that an experiment reads, with which reader, from where, in which variants."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from config import Config, raw_folders
from dataset.layouts import load_layout
from dataset.variants import VARIANTS
from dataset.writer import source_digest
from generator.places import default_raw
from generator.shards import Shard
from reader import READERS
from reader.padded import PaddedReader
from utils.errors import UserError
from utils.recording import Reader, Scan

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
    shard: Shard | None = None  # make this share of the parts only
    merge: bool = False  # make the parts of their shards, and read no raw file
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


def order_of(config: Config, part: str, request: Request) -> Order:
    """Return what to generate of a part: with which reader, and from which folders."""
    data, reader = config.data, reader_of(config)
    if request.from_padded:
        reader, roots = PaddedReader(data.benchmark, data.variant), [request.from_padded]
    else:
        roots = [] if request.merge else raw_folders(part, request.raw) or [default_raw(part)]
    return Order(part, reader, roots, data.variant, request)


def reader_of(config: Config) -> Reader:
    """Return the reader of an experiment's raw form, with its options."""
    layout, options = load_layout(config.data.layout), config.data.reader_options()
    known = {"joints": layout.joints, "num_joints": layout.num_joints}  # what the layout knows and the data leave open
    told = {key: known[key] if value is None and key in known else value for key, value in options.items()}
    return READERS[config.data.form](**told)


def plan_of(order: Order, scan: Scan) -> dict[str, Any]:
    """Return what a part is made of; JSON-ready, as its manifest holds it."""
    return {
        "part": order.part,
        **reading_of(order.reader),
        "split_lists": list(scan.split_lists),
        "classes": list(scan.classes),
        "sources": {"count": len(scan.sources), "sha256": source_digest(scan)},
        "skipped": scan.skipped,
    }


def reading_of(reader: Reader) -> dict[str, Any]:
    """Return what of a plan is known without its sources."""
    return {
        "form": reader.form,
        "layout": reader.layout,
        "channels": list(reader.channels),
        "persons": reader.persons,
        "options": _options(reader),
    }


def _options(reader: Reader) -> dict[str, Any]:
    """Return what else a reader was told; JSON-ready, as a manifest holds it."""
    assert is_dataclass(reader) and not isinstance(reader, type)
    stated_elsewhere = ("form", "layout", "channels", "persons", "parallel", "variant", "variants")
    options = {key: value for key, value in asdict(reader).items() if key not in stated_elsewhere}
    return dict(json.loads(json.dumps(options)))


def variants_of(order: Order) -> dict[str, dict[str, Any]]:
    """Return the variants to make while reading: what the source is, and what is asked for."""
    names = dict.fromkeys([*order.reader.variants, order.variant])
    if "original" not in order.reader.variants and order.variant not in order.reader.variants:
        raise UserError(f"{order.roots[0]}: holds the variant {order.reader.variants[0]}, not {order.variant}")
    return {name: dict(VARIANTS[name].options) for name in names}
