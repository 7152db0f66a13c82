"""`python -m tools.padded export OUT --benchmark ntu-xsub`: write a store as the padded arrays of older code."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import config
from dataset.padded import export
from dataset.splits import benchmark_names, load_benchmark
from dataset.store import open_part
from dataset.variants import PADDED_FRAMES
from utils.command_line import Parser, guarded
from utils.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.padded", __doc__)
    parser.add_argument("action", choices=["export"])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write the tree into")
    parser.add_argument("--benchmark", required=True, choices=benchmark_names())
    parser.add_argument("--transformed", action="store_true", help="the view-normalised variant")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the parts (or GESTA_STORE; data/npy_dataset)")
    return guarded(lambda: _export(parser.parse_args(arguments)), config.ConfigError)


def _export(options: argparse.Namespace) -> int:
    variant = "transformed" if options.transformed else "original"
    store = config.store_folder(options.store)
    parts = [open_part(store / name, variant) for name in _parts_of(options.benchmark)]
    for path in export(parts, load_benchmark(options.benchmark), options.out):
        print(path)
    cut = sum(int((part.recorded_frames > PADDED_FRAMES).sum()) for part in parts)
    if cut:
        print(f"cut to their first {PADDED_FRAMES} frames: {cut}")
    return 0


def _parts_of(benchmark: str) -> tuple[str, ...]:
    """Return the parts of raw skeletons that the experiments on a benchmark read."""
    experiments = map(config.load, config.numbers())
    found = [each.data.parts for each in experiments if (each.data.form, each.data.benchmark) == ("ntu", benchmark)]
    if not found:
        raise UserError(f"--benchmark {benchmark}: older code has padded arrays of NTU's raw skeletons only")
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
