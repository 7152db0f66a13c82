"""Benchmarks as data (`benchmarks.yaml`): which clips train and which evaluate, what the classes are."""

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


@dataclass(frozen=True)
class Benchmark:
    """A rule over columns.

    Attributes:
        column: the column that decides.
        train: its values that train; all others evaluate.
        classes: names, in label order.
        expected: clips per split in the complete data set, where that is known.
        source: where the rule is from.
    """

    name: str
    column: str
    train: frozenset[int]
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
    lines = (FOLDER / "classes" / rule["classes"]["file"]).read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line and not line.startswith("#")][: rule["classes"]["first"]]
    return Benchmark(
        name, rule["column"], frozenset(rule["train"]), tuple(names), rule.get("expected", {}), rule["source"]
    )


def benchmark_names() -> list[str]:
    """Return the names of all benchmarks."""
    return list(yaml.safe_load((FOLDER / "benchmarks.yaml").read_text(encoding="utf-8")))


def select(part: Part, benchmark: Benchmark, split: str) -> np.ndarray:
    """Return the indices of a part's clips that belong to `split`; a split list stored with the part wins."""
    if part.manifest["split_of"] == benchmark.name:
        assert part.splits is not None
        return np.flatnonzero(part.splits == split)
    values = part.column(benchmark.column)
    unknown = part.names[values == UNKNOWN]
    if len(unknown):
        raise UserError(
            f"{part.path}: the {benchmark.column} of {len(unknown)} clips, such as {unknown[0]}, is not known; "
            f"{benchmark.name} splits by it"
        )
    trains = np.isin(values, list(benchmark.train))
    return np.flatnonzero(trains if split == "train" else ~trains)
