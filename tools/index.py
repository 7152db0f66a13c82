"""`python -m tools.index`: a page of all runs in the work directory, to be sorted and filtered: workdir/index.html.

A run has a link to its report where it has one: `python main.py -c N -v RUN` writes it.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import config
from tools.pages import plain, share, write_page
from tools.records import EVALUATED, TRAINING, Figures, Record, read_records, spent
from utils.command_line import Parser, guarded
from utils.errors import UserError
from utils.run_folder import REPORT
from visualizer.report.markup import Html, join, tag
from visualizer.report.sections import note
from visualizer.report.tables import Cell, filtered, table

PAGE, TITLE = "index.html", "Runs · Gesta"
HEADS = ("started", "run", "state", "epoch", "seed", "top-1", "last epoch", "mean class", "training")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.index", __doc__)
    parser.add_argument("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    return guarded(lambda: _main(parser.parse_args(arguments)), config.ConfigError)


def _main(options: argparse.Namespace) -> int:
    work_dir = config.work_folder(options.work_dir)
    if not work_dir.is_dir():
        raise UserError(f"-w {work_dir}: no such folder; `python main.py -c N` trains and makes it")
    _refuse_foreign(work_dir / PAGE)
    found, others = read_records(work_dir)
    write(work_dir / PAGE, found, others)
    print(f"{_counted(found)}; page: {work_dir / PAGE}")
    damaged = sum(bool(record.damage) for record in found)
    if damaged:
        print(f"{damaged} of them are damaged or not whole: the page says in what")
    return 0


def _refuse_foreign(path: Path) -> None:
    """Refuse to replace a page that we did not write: somebody's site may be where the work directory was to be."""
    if path.is_file() and TITLE.encode() not in path.read_bytes():
        raise UserError(f"{path}: is there, and not of tools.index; move it away, or give the work directory: -w DIR")


def write(path: Path, records: Sequence[Record], others: Sequence[Path]) -> None:
    """Write the page of `records`, newest first; `others` are folders beside them that hold no run."""
    newest = sorted(records, key=lambda record: (record.folder.name, record.name), reverse=True)
    content = [_runs(newest) if newest else note("There is no run yet: python main.py -c 0001 trains the demo.")]
    if others:
        rows = [plain(f"{folder.parent.name}/{folder.name}") for folder in others]
        said = f"Folders beside them that hold no run: {len(others)}"
        content.append(tag("details", tag("summary", said), table("others", ("folder",), rows)))
    lead = tag("p", _counted(records), class_="lead")
    header = tag("header", tag("p", "Work directory", class_="over"), tag("h1", "Runs"), lead, id="result")
    write_page(path, "Runs", {"result": "Runs"}, header, *content)


def _counted(records: Sequence[Record]) -> str:
    """Return how many there are of each kind and state."""
    trained = [record for record in records if record.kind != EVALUATED]
    states = Counter(record.state for record in trained)
    said = ", ".join(f"{count} {state}" for state, count in states.items())
    evaluations = len(records) - len(trained)
    return f"{len(trained)} training runs{f' ({said})' if said else ''}, {evaluations} evaluations"


def _runs(records: Sequence[Record]) -> Html:
    said = note(
        "Top-1 and mean class are of the best epoch, chosen as the run's log says, or of the checkpoint that was "
        "evaluated; beside them is the top-1 of the last epoch. Training is its time, with the evaluations."
    )
    listed = filtered("runs", "a run's name", HEADS, [_row(record) for record in records])
    return join(tag("div", listed, class_="runs whole"), said)


def _row(record: Record) -> tuple[Cell, ...]:
    known = record.config
    return (
        Cell(tag("span", record.started, class_="state"), record.folder.name),
        Cell(_run(record), record.name),
        Cell(_state(record), record.state),
        _epoch(record),
        plain(known.train.seed)[0] if known else Cell("-", None),
        _figure(record.best, "top1"),
        _figure(record.last, "top1"),
        _figure(record.best, "mean_class"),
        Cell("-" if record.seconds is None else spent(record.seconds), record.seconds),
    )


def _figure(figures: Figures | None, name: str) -> Cell:
    return share(figures.get(name) if figures else None)


def _run(record: Record) -> Html:
    """Return the experiment, the run, the way to its report where there is one, and what is wrong with its folder."""
    where = quote(f"{record.name}/{REPORT}", errors="surrogateescape")  # the bytes of a name that is no UTF-8
    report = join(" · ", tag("a", "report", href=where)) if (record.folder / REPORT).is_file() else None
    damage = tag("div", "; ".join(record.damage), class_="damage") if record.damage else None
    return join(record.folder.parent.name, tag("div", record.folder.name, report, class_="muted"), damage)


def _state(record: Record) -> Html:
    kind = None if record.kind == TRAINING else tag("div", record.kind, class_="muted")
    return join(tag("span", record.state, class_=f"state {record.state}"), kind)


def _epoch(record: Record) -> Cell:
    if record.kind == EVALUATED:
        return Cell("-", None)
    return Cell(f"{record.epoch}{f' of {record.config.train.epochs}' if record.config else ''}", record.epoch)


if __name__ == "__main__":
    sys.exit(main())
