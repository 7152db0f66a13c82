"""Benchmarks as data (`benchmarks.yaml`): which clips train and which evaluate, what the classes are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from dataset.store import Part
from utils.errors import UserError
from utils.recording import UNKNOWN

FOLDER = Path(__file__).parent
SPLITS = ("train", "eval")
OWN = "own"  # the benchmark of anybody's own data, and the list that its reader states


@dataclass(frozen=True)
class Benchmark:
    """A rule over columns, a list that the source states, or both: a stated list wins.

    Attributes:
        column: the column that decides; None where only a list does.
        train: its values that train; all others evaluate.
        stated: the name that annotation files have for this benchmark's list.
        classes: names, in label order.
        expected: clips per split in the complete data set, where that is known.
        source: where the rule is from.
    """

    name: str
    column: str | None
    train: frozenset[int | str]
    stated: str | None
    classes: tuple[str, ...]
    expected: dict[str, int]
    source: str


@cache
def load_benchmark(name: str) -> Benchmark:
    """Return the benchmark called `name`; raises `UserError` if there is none."""
    table = yaml.safe_load((FOLDER / "benchmarks.yaml").read_text(encoding="utf-8"))
    if name not in table:
        raise UserError(f"data.benchmark: '{name}' is not one of {', '.join(table)}")
    rule = table[name]
    return Benchmark(
        name=name,
        column=rule.get("column"),
        train=frozenset(rule.get("train", ())),
        stated=rule.get("list"),
        classes=_read_classes(**rule["classes"]),
        expected=rule.get("expected", {}),
        source=rule["source"],
    )


def _read_classes(file: str, first: int | None = None) -> tuple[str, ...]:
    """Return the `first` (else all) names in a file of classes."""
    lines = (FOLDER / "classes" / file).read_text(encoding="utf-8").splitlines()
    return tuple([line for line in lines if line and not line.startswith("#")][:first])


def benchmark_of(name: str, parts: Sequence[Part]) -> Benchmark:
    """Return the benchmark `name`; "own" is the parts' own: the split and the classes that they state.

    Raises `UserError` if the parts' own classes differ: one number would stand for two of them.
    """
    if name != OWN:
        return load_benchmark(name)
    classes = tuple(parts[0].manifest["classes"])
    for part in parts:
        if other := set(part.manifest["classes"]) ^ set(classes):
            raise UserError(
                f"{part.path}: other classes than {parts[0].path} has, such as {min(other)}; parts of one experiment "
                "have the same: make one part of all clips (several --raw)"
            )
    return Benchmark(OWN, None, frozenset(), OWN, classes, {}, "the data's own split and classes")


def benchmark_names() -> list[str]:
    """Return the names of all benchmarks."""
    return list(yaml.safe_load((FOLDER / "benchmarks.yaml").read_text(encoding="utf-8")))


def select(part: Part, benchmark: Benchmark, split: str) -> np.ndarray:
    """Return the indices of a part's clips that belong to `split`; a split list stored with the part wins.

    Raises `UserError` where neither a list nor a column says where a clip belongs.
    """
    stated = part.stated_split(benchmark.name, benchmark.stated)
    if stated is not None:
        return np.flatnonzero(stated == split)
    if split not in SPLITS:  # such as `test`: a rule knows two
        return np.empty(0, np.int64)
    if benchmark.column is None:
        held = ", ".join(part.manifest["split_lists"]) or "none"
        raise UserError(f"{part.path}: {benchmark.name} needs the list '{benchmark.stated}'; the part has: {held}")
    values = part.column(benchmark.column)
    unknown = np.flatnonzero((values == UNKNOWN) | (values == ""))
    if len(unknown):
        raise UserError(
            f"{part.path}: the {benchmark.column} of {len(unknown)} clips, such as {part.names[unknown[0]]}, is not "
            f"known; {benchmark.name} splits by it"
        )
    trains = np.isin(values, list(benchmark.train))
    return np.flatnonzero(trains if split == "train" else ~trains)
