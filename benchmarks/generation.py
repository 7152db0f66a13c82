"""Generation: `-gd` against the originals' preparation, on files like NTU RGB+D's.

python -m benchmarks.generation [WORD ...]
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, KeysView, Mapping
from pathlib import Path

import numpy as np

import config
from benchmarks.harness import COLUMNS, Contest, Limits, Row, keep, main
from benchmarks.raw_files import digests, file_digests, write_raw
from benchmarks.reference import generation as reference
from dataset.padded import export
from dataset.splits import load_benchmark
from dataset.store import open_part
from generator import Request, generate_experiment
from reader.ntu import compiled
from utils.tables import table

FILES = 400
RAW = {"raw": 1, "more": 2, "many": 80}  # folders, and how many names each file has


class Checksums(Mapping[str, np.ndarray]):
    """Checksums by name that `make` returns; made when they are asked for, so that it is not timed."""

    def __init__(self, make: Callable[[], Mapping[str, np.ndarray]]) -> None:
        self._make = make

    def keys(self) -> KeysView[str]:
        """Return their names."""
        self._found = self._make()
        return self._found.keys()

    def __getitem__(self, name: str) -> np.ndarray:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())


def prepare_reference(folder: str, number: int, raw: str) -> Callable[[], Checksums]:
    """Return the originals' generation of an experiment's arrays."""
    data = config.load(str(number)).data
    out = Path(folder, "reference", data.variant)

    def run() -> Checksums:
        reference.generate(Path(folder, raw), out, data.benchmark, transformed=data.variant == "transformed")
        return Checksums(lambda: digests(out))

    return run


def prepare_ours(folder: str, number: int, raw: str) -> Callable[[], Checksums]:
    """Return `-gd` of an experiment into an empty store, compared by the originals' arrays."""
    generate, store = _generation(folder, number, raw, jobs=1)

    def run() -> Checksums:
        generate()
        return Checksums(lambda: digests(padded(store, number)))

    return run


def prepare_processes(folder: str, number: int, raw: str, jobs: int) -> Callable[[], Checksums]:
    """Return `-gd` in several processes, compared by the files of the store."""
    generate, store = _generation(folder, number, raw, jobs)

    def run() -> Checksums:
        generate()
        return Checksums(lambda: file_digests(store))

    return run


def prepare_one(folder: str, number: int, raw: str) -> Callable[[], Checksums]:
    """Return `-gd` in one process."""
    return prepare_processes(folder, number, raw, jobs=1)


def prepare_two(folder: str, number: int, raw: str) -> Callable[[], Checksums]:
    """Return `-gd` in two processes."""
    return prepare_processes(folder, number, raw, jobs=2)


def _generation(folder: str, number: int, raw: str, jobs: int) -> tuple[Callable[[], None], Path]:
    """Return what generates, and the store it does so into."""
    experiment, store = config.load(str(number)), Path(folder, f"store-{number}-{raw}-{jobs}")
    compiled()  # imports numba, which compiles on a new machine

    def generate() -> None:
        shutil.rmtree(store, ignore_errors=True)
        request = Request(store, raw=[Path(folder, raw)], jobs=jobs, progress=False, say=lambda _: None)
        assert generate_experiment(experiment, request)

    return generate, store


def padded(store: Path, number: int) -> Path:
    """Write the originals' arrays from a store; return their folder."""
    data = config.load(str(number)).data
    parts = [open_part(store / part, data.variant) for part in data.parts]
    return export(parts, load_benchmark(data.benchmark), store)[0].parent


def contests(folder: str) -> list[Contest]:
    """Return what is measured on the files in `folder`."""
    here = "benchmarks.generation:prepare_"

    def contest(stage: str, sides: tuple[str, str], number: int, raw: str, must: float, goal: float) -> Contest:
        arguments, (theirs, ours) = {"folder": folder, "number": number, "raw": raw}, (here + side for side in sides)
        work, limits = FILES * RAW[raw], Limits(must, goal, allowed=0.0)
        return Contest(stage, theirs, ours, work, "files/s", arguments, limits=limits)

    return [
        contest("generate original, 1 process", ("reference", "ours"), 2001, "more", 10, 15),
        contest("generate transformed, 1 process", ("reference", "ours"), 2002, "raw", 25, 40),
        contest("generate, 2 processes over 1", ("one", "two"), 2001, "many", 1.4, 1.6),
    ]


def size_row(folder: Path) -> Row:
    """Compare what a part takes on the disk, with all its files, with padded arrays."""
    prepare_ours(str(folder), 2001, "raw")()
    store = folder / "store-2001-raw-1"
    part = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    arrays = sum(path.stat().st_size for path in padded(store, 2001).iterdir())
    return Row("part on disk", "clips/MB", FILES / arrays * 1e6, FILES / part * 1e6, arrays / part, Limits(5, 10))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for name, names in RAW.items():
            write_raw(Path(place, name), FILES, names)
        code = main("generation", contests(place))
        row = size_row(Path(place))
        print(table([COLUMNS, row.cells()]))
        keep("generation", [row])
    sys.exit(code)
