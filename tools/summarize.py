"""`python -m tools.summarize 0001`: the runs of experiments as a table, and what to type next."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import config
from utils.run_folder import RunFolder, on_eval, runs
from utils.tables import table

HEADER = ("number", "top-1 best", "top-1 last", "epochs", "run folder")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.summarize", description=__doc__, allow_abbrev=False)
    parser.add_argument("numbers", nargs="+", metavar="NUMBER")
    parser.add_argument("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    options = parser.parse_args(arguments)
    try:
        experiments = [config.load(number) for number in options.numbers]
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    parents = {each.number: config.work_folder(options.work_dir) / each.title for each in experiments}
    found = [(number, run) for number, parent in parents.items() for run in runs(parent) if on_eval(run)]
    print(table([HEADER, *(_row(number, run) for number, run in found)]))
    for number in parents:
        print(f"\nEvaluate again: python main.py -c {number} -e    another seed: python main.py -c {number} -s 2")
    return 0


def _row(number: str, run: RunFolder) -> tuple[str, ...]:
    figures = on_eval(run)
    return number, f"{max(figures):.2%}", f"{figures[-1]:.2%}", str(run.metrics()[-1]["epoch"]), str(run.path)


if __name__ == "__main__":
    sys.exit(main())
