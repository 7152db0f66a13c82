"""`python -m tools.summarize 0001`: the runs of experiments as a table, and what to type next."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import config
from utils.command_line import Parser, guarded
from utils.run_folder import eval_figures, runs
from utils.tables import table

HEADER = ("number", "top-1 best", "top-1 last", "run folder")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.summarize", __doc__)
    parser.add_argument("numbers", nargs="+", metavar="NUMBER")
    parser.add_argument("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    return guarded(lambda: _summarize(parser.parse_args(arguments)), config.ConfigError)


def _summarize(options: argparse.Namespace) -> int:
    rows = [HEADER]
    for experiment in map(config.load, options.numbers):
        parent = config.work_folder(options.work_dir) / experiment.title
        found = [(run, figures) for run in runs(parent) if (figures := eval_figures(run))]
        rows += [(experiment.number, f"{best:.2%}", f"{last:.2%}", str(run.path)) for run, (best, last) in found]
    print(table(rows))
    for number in options.numbers:
        print(f"\nEvaluate again: python main.py -c {number} -e    another seed: python main.py -c {number} -s 2")
    return 0


if __name__ == "__main__":
    sys.exit(main())
