"""`python -m tools.summarize 0001`: the runs of experiments as a table, and what to type next."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import config
from utils.command_line import Parser, guarded
from utils.run_folder import RunFolder, eval_figures, runs
from utils.tables import table

HEADER = ("number", "top-1 best", "mean class", "top-1 last", "run folder")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.summarize", __doc__)
    parser.add_argument("numbers", nargs="+", metavar="NUMBER")
    parser.add_argument("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    return guarded(lambda: _summarize(parser.parse_args(arguments)), config.ConfigError)


def _summarize(options: argparse.Namespace) -> int:
    rows: list[tuple[str, ...]] = [HEADER]
    for experiment in map(config.load, options.numbers):
        rows += _published(experiment)
        parent = config.work_folder(options.work_dir) / experiment.title
        found = [(run, figures) for run in runs(parent) if (figures := eval_figures(run))]
        rows += [
            (experiment.number, f"{best:.2%}", _mean_class(run, best), f"{last:.2%}", str(run.path))
            for run, (best, last) in found
        ]
    print(table(rows))
    for number in options.numbers:
        print(f"\nEvaluate again: python main.py -c {number} -e    another seed: python main.py -c {number} -s 2")
    return 0


def _published(experiment: config.Config) -> list[tuple[str, ...]]:
    """Return a row for each source of published figures of this very experiment, not of a fusion."""
    found = {(each.source, each.metric): f"{each.value:g}%" for each in experiment.published}
    rows = {source: [found.get((source, metric), "-") for metric in ("top1", "mean_class")] for source, _ in found}
    return [(experiment.number, *row, "-", f"published: {source}") for source, row in rows.items() if set(row) != {"-"}]


def _mean_class(run: RunFolder, best: float) -> str:
    """Return the mean class accuracy of the evaluation that has the run's `best` top-1."""
    found = [line for line in run.metrics() if line.get("eval", {}).get("top1") == best]
    line = next((line for line in found if line.get("checkpoint") == "best"), found[0])
    return f"{line['eval']['mean_class']:.2%}" if "mean_class" in line["eval"] else "-"


if __name__ == "__main__":
    sys.exit(main())
