"""Measures the project against a reference, side by side: two processes that take turns, on one machine, in one run.

A side is a function `module:name` that prepares (imports, data, weights: not timed) and returns what is timed, a
callable without arguments; what that returns, arrays by name, is compared between the sides. Each side has a process of
its own, because allocators, caches and thread pools belong to a process: the reference gets none of the project's.

A ratio is the median over the rounds of (reference's time / project's time) of neighbouring runs.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from utils.launch import cores
from utils.tables import table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results"
ROUNDS = 5
LONG = 5.0  # seconds of a round, against which what is done once is nothing
COLUMNS = (
    "stage",
    "reference",
    "project",
    "unit",
    "ratio",
    "must",
    "goal",
    "difference",
    "peak MB: reference",
    "project",
)

Arrays = Mapping[str, np.ndarray]
Timed = Callable[[], Arrays | None]


@dataclass(frozen=True)
class Limits:
    """What a row must reach.

    Attributes:
        must: ratio.
        goal: ratio that we are out for.
        allowed: the largest difference of the results; 0: to the bit; None: results are not compared.
        memory: the part of the reference's peak that the project's may have.
        rate: work per second that the project must reach, whatever the reference does.
    """

    must: float | None = None
    goal: float | None = None
    allowed: float | None = None
    memory: float | None = None
    rate: float | None = None

    def words(self, unit: str) -> tuple[str, str]:
        """Return what must be and what is the goal, for a table."""
        musts = {"{:g}x": self.must, "{:g} " + unit: self.rate, "{:g}x memory": self.memory}
        must = ", ".join(words.format(limit) for words, limit in musts.items() if limit)
        return must, f"{self.goal:g}x" if self.goal else ""


@dataclass(frozen=True)
class Row:
    """One comparison. `reference` and `project` are work per second, peaks are MB above the imports."""

    stage: str
    unit: str
    reference: float
    project: float
    ratio: float
    limits: Limits
    difference: float | None = None  # largest, absolute; 0: equal to the bit
    peaks: tuple[float, float] | None = None  # reference, project
    spread: tuple[float, float] = (0.0, 0.0)  # smallest and largest ratio of a round
    note: str = ""

    @property
    def good(self) -> bool:
        """Whether the row meets what it must."""
        limits = self.limits
        fast = self.ratio >= (limits.must or 0) and self.project >= (limits.rate or 0)
        small = limits.memory is None or (self.peaks is not None and self.peaks[1] <= limits.memory * self.peaks[0])
        equal = limits.allowed is None or (self.difference is not None and self.difference <= limits.allowed)
        return fast and small and equal

    def cells(self) -> tuple[str, ...]:
        """Return the row of a table."""
        peaks = ("", "") if self.peaks is None else tuple(f"{peak:.0f}" for peak in self.peaks)
        difference = "" if self.difference is None else "0" if self.difference == 0 else f"{self.difference:.1e}"
        mark = "" if self.good else " (missed)"
        figures = (f"{self.reference:.3g}", f"{self.project:.3g}", self.unit, f"{self.ratio:.1f}x{mark}")
        return (self.stage, *figures, *self.limits.words(self.unit), difference, *peaks)


@dataclass(frozen=True)
class Contest:
    """What two sides are to do.

    Attributes:
        stage: what is measured, in words.
        reference: `module:function` of the originals' way.
        project: ours.
        work: units of work in one run.
        unit: what the work is counted in, such as "clips/s".
        arguments: of both functions; JSON-ready.
        threads: of each side.
        rounds: runs of each side.
        limits: what the row must reach.
        note: of what the row says nothing else of.
    """

    stage: str
    reference: str
    project: str
    work: float
    unit: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    rounds: int = ROUNDS
    limits: Limits = Limits()
    note: str = ""

    def run(self) -> Row:
        """Let the two sides take turns; the first turn of each is not counted, unless it is long."""
        with ExitStack() as stack:
            sides = [stack.enter_context(_Side(name, self)) for name in (self.reference, self.project)]
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            compared = self.limits.allowed is not None
            paths = [folder / f"{side.name.partition(':')[0]}.npz" if compared else None for side in sides]
            first = [side.take_turn(path) for side, path in zip(sides, paths, strict=True)]
            times = [first] if sum(first) >= LONG else []
            times += [[side.take_turn() for side in sides] for _ in range(self.rounds - len(times))]
            peaks = (sides[0].peak, sides[1].peak)
            difference = largest_difference(*(side.result for side in sides)) if compared else None
        ratios = [theirs / ours for theirs, ours in times]
        reference, project = (self.work / statistics.median(column) for column in zip(*times, strict=True))
        return Row(
            self.stage, self.unit, reference, project, statistics.median(ratios), self.limits, difference, peaks,
            (min(ratios), max(ratios)), self.note,
        )  # fmt: skip


def largest_difference(reference: Arrays, project: Arrays) -> float:
    """Return the largest absolute difference of two sets of arrays; raises `ValueError` if names or shapes differ."""
    shapes = [{name: array.shape for name, array in side.items()} for side in (reference, project)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"results are not of one kind: {shapes[0]} and {shapes[1]}")
    pairs = [(reference[name], project[name]) for name in reference]
    unequal = [(theirs, ours) for theirs, ours in pairs if not np.array_equal(theirs, ours, equal_nan=True)]
    return max((float(np.abs(theirs - ours.astype(np.float64)).max()) for theirs, ours in unequal), default=0.0)


class _Side:
    """One side's process."""

    def __init__(self, name: str, contest: Contest) -> None:
        self.name, self.result, self.peak = name, dict[str, np.ndarray](), 0.0
        threads = {"OMP_NUM_THREADS": str(contest.threads), "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-m", "benchmarks.harness", name, json.dumps(dict(contest.arguments))]
        self._process = subprocess.Popen(
            words, cwd=ROOT, env={**os.environ, **threads}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> "_Side":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes its input, so that it ends

    def take_turn(self, save: Path | None = None) -> float:
        """Run once; return the seconds. `save` is where the result goes on its way here."""
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError):  # of a process that has ended, which the next lines say
            self._process.stdin.write(f"{save or ''}\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: its process ended; what it said is above")
        found = json.loads(line)
        self.peak = found["peak_mb"]
        if save:
            with np.load(save) as arrays:
                self.result = dict(arrays)
        return float(found["seconds"])


def _serve(name: str, arguments: Mapping[str, Any]) -> None:
    """Be a side: prepare, then run once for every line of the standard input."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a side prints is not for the one that reads its figures
    module, function = name.split(":")
    timed: Timed = getattr(importlib.import_module(module), function)(**arguments)
    before, peak, has_saved = _peak_mb(), 0.0, False
    for line in sys.stdin:
        start = time.perf_counter()
        result = timed()
        seconds = time.perf_counter() - start
        peak = peak if has_saved else _peak_mb() - before  # what a comparison takes is not the side's
        if line.strip():
            np.savez(line.strip(), allow_pickle=False, **(result or {}))
            has_saved = True
        print(json.dumps({"seconds": seconds, "peak_mb": peak}), file=out, flush=True)


def _peak_mb() -> float:
    """Return the most memory that this process ever had, in MB: of a GPU that it uses, else on Linux; else 0."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        return float(torch.cuda.max_memory_allocated() / 1e6)
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM")), 0.0)


# --- results


def machine() -> str:
    """Return what this machine is called in file names: its processor and how many cores this process may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2] for line in lines if line.startswith("model name")), "cpu")
    return "-".join(
        "".join(letter if letter.isalnum() else " " for letter in f"{model} {cores()} cores").lower().split()
    )


def main(script: str, contests: Sequence[Contest]) -> int:
    """Run contests (or those whose stage holds a given word), print and keep their rows; 1 if one misses its must."""
    parser = argparse.ArgumentParser(f"python -m benchmarks.{script}")
    parser.add_argument("words", nargs="*", help="only stages that hold one of these words")
    parser.add_argument("--rounds", type=int, help=f"runs of each side ({ROUNDS}; more where they are short)")
    options = parser.parse_args()
    chosen = [each for each in contests if not options.words or any(word in each.stage for word in options.words)]
    if not chosen:
        parser.error(f"no stage holds {' or '.join(options.words)}; there are: {'; '.join(c.stage for c in contests)}")
    rows = []
    for contest in chosen:
        rows.append(replace(contest, rounds=options.rounds or contest.rounds).run())
        print(table([COLUMNS, rows[-1].cells()]), flush=True)
    keep(script, rows)
    return 0 if all(row.good for row in rows) else 1


def keep(script: str, rows: Sequence[Row]) -> Path:
    """Put rows into this machine's results, in the place of older ones of the same stage; return the file."""
    path = RESULTS / f"{machine()}.json"
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    held.setdefault(script, {}).update({row.stage: asdict(row) for row in rows})
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    _serve(sys.argv[1], json.loads(sys.argv[2]))
