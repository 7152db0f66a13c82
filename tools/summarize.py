"""`python -m tools.summarize [NUMBER...]`: what experiments get, over their seeds, beside what was published.

python -m tools.summarize                     all experiments that have runs
python -m tools.summarize 0001                one of them, its runs, and what to type next
python -m tools.summarize 2001 --format csv --out results.csv    for machines; such a file is read like a number, too
python -m tools.summarize results.csv --format md --out README.md    between two marks, if the page is there

A row is of runs on the same data that differ in nothing but their seed: mean ± standard deviation (of a sample), and
how many they are. Of runs with one seed, the newest counts. Runs that are not finished do not count; they are listed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import config
from benchmarks.readme import END, renewed
from tools.records import FINISHED, TRAINING, Record, read_records
from tools.results import HEADER, Result, read_csv, row, summarize, to_csv, to_markdown, without_runs
from utils.command_line import Parser, guarded
from utils.errors import UserError
from utils.files import disk_errors, write_atomic
from utils.tables import table

BEGIN = "<!-- written by tools.summarize -->\n"
RUNS = ("number", "top-1 best", "mean class", "top-1 last", "seed", "state", "run folder")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.summarize", __doc__)
    add = parser.add_argument
    add("numbers", nargs="*", metavar="NUMBER|CSV", help="experiments (all that have runs), or files of --format csv")
    add("--format", choices=["text", "md", "csv"], default="text", help="(text)")
    add("--out", type=Path, metavar="FILE", help="write there; of a page (md), between its marks")
    add("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    return guarded(lambda: _summarize(parser.parse_args(arguments)), config.ConfigError)


def _summarize(options: argparse.Namespace) -> int:
    files = [Path(each) for each in options.numbers if each.endswith(".csv")]
    numbers = list(dict.fromkeys(each for each in options.numbers if not each.endswith(".csv")))
    records = _runs(config.work_folder(options.work_dir), numbers) if numbers or not files else []
    results = [result for file in files for result in read_csv(file)] + summarize(records)
    results += [
        without_runs(config.load(each)) for each in numbers if each not in {record.number for record in records}
    ]
    if not results:
        raise UserError(f"{config.work_folder(options.work_dir)}: no runs; `python main.py -c 0001` trains the demo")
    text = {"text": _text, "md": to_markdown, "csv": to_csv}[options.format](results)
    if options.out:
        write = _write_page if options.format == "md" else _write
        write(options.out, text)
        print(f"{len(results)} rows: {options.out}")
    else:
        print(text, end="")
    _say_runs(records, results, all_of_them=options.format == "text" and bool(numbers))
    if options.format == "text":
        _say_more(numbers)
    return 0


def _runs(work_dir: Path, numbers: Sequence[str]) -> list[Record]:
    """Return the training runs of these experiments, else of all."""
    found = [record for record in read_records(work_dir)[0] if record.kind == TRAINING]
    return [record for record in found if not numbers or record.number in numbers]


def _text(results: Sequence[Result]) -> str:
    return table([HEADER[:-1], *(row(result)[:-1] for result in results)]) + "\n"


def _write_page(out: Path, text: str) -> None:
    """Write a table between marks; of a page that is there, all else stays."""
    empty = f"{BEGIN}{END}"
    with disk_errors(out, "free some space and repeat"):
        page = out.read_bytes().decode(errors="surrogateescape") if out.is_file() else empty
    if END not in page.partition(BEGIN)[2]:
        lines = empty.replace("\n", " and ")
        raise UserError(f"{out}: lacks the marks that a table is written between; add two lines to it: {lines}")
    _write(out, renewed(page, text, BEGIN))


def _write(out: Path, text: str) -> None:
    with disk_errors(out, "free some space and repeat"):
        write_atomic(out, lambda file: file.write(text.encode(errors="surrogateescape")))


# --- what is said beside it


def _say_runs(records: Sequence[Record], results: Sequence[Result], *, all_of_them: bool) -> None:
    """Print runs, else those that do not count or are damaged; to stderr, so that a table may go to another program."""
    counted = {name for result in results for name in result.folders}
    shown = [each for each in records if all_of_them or each.damage or each.name not in counted]
    to = sys.stdout if all_of_them else sys.stderr
    if shown:
        print(f"\n{table([RUNS, *(_run(each, each.name in counted) for each in shown)])}", file=to)
    for record in shown:
        for damage in record.damage:
            print(f"{record.name}: {damage}", file=to)


def _run(record: Record, counts: bool) -> tuple[str, ...]:
    figures = [(record.best, "top1"), (record.best, "mean_class"), (record.last, "top1")]
    said = (f"{found[name]:.2%}" if found and name in found else "-" for found, name in figures)
    seed = str(record.config.train.seed) if record.config else "-"
    why = "a newer one has its seed" if record.state == FINISHED else f"after epoch {record.epoch}"
    state = record.state if counts else f"{record.state}, {why}: does not count"
    return (record.number, *said, seed, state, str(record.folder))


def _say_more(numbers: Sequence[str]) -> None:
    """Print what to type next."""
    print()
    for number in numbers:
        print(f"Evaluate again: python main.py -c {number} -e    another seed: python main.py -c {number} -s 2")
    print("Two runs on the same clips: python -m tools.compare RUN RUN    all runs on a page: python -m tools.index")


if __name__ == "__main__":
    sys.exit(main())
