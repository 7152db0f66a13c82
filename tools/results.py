"""What runs come to: those that differ in nothing but their seed in one row, for people and for machines."""

import csv
import html
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import config
from benchmarks.readme import markdown
from config import Config
from tools.records import FINISHED, LARGEST, TRAINING, Figures, Record, spent
from utils.errors import UserError

FIGURES = ("top1_best", "top1_last", "mean_class_best", "mean_class_last")
COST = ("parameters", "multiply_adds", "test_clips", "seconds")
SPREADS = [name for figure in FIGURES for name in (figure, f"{figure}_std")]
COLUMNS = ("number", "network", "data", "changed", "runs", *SPREADS, "published", *COST, "device", "run_folders")
HEADER = (
    "number", "network", "data", "top-1 best", "top-1 last", "mean class best", "mean class last", "published",
    "parameters", "multiply-adds", "training", "runs",
)  # fmt: skip
LEFT = 3  # columns of words in front
SHOWN = 3  # changed keys
SAME_RECIPE = ("train.seed", "test.batch_size")


@dataclass(frozen=True)
class Spread:
    """Mean of a share (0..1) over runs, and the standard deviation of a sample; None of a single run."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Result:
    """Runs on the same data that differ in nothing but their seed; None where nothing is known.

    Attributes:
        number: of the experiment; network and data by their names in tables, data with the streams.
        changed: keys whose values are not those of the numbered configuration, with the runs' values.
        runs: how many count: finished ones, of each seed the newest.
        figures: of `FIGURES`.
        published: top-1, or `top-1 / mean class`, in percent, with the source.
        parameters: trainable ones.
        multiply_adds: of one test clip, streams and persons counted in.
        test_clips: test clips of a clip.
        seconds: mean of training with its evaluations.
        device: that the seconds are of.
        folders: of the runs that count, below the work directory.
    """

    number: str
    network: str
    data: str
    changed: str
    runs: int
    figures: Mapping[str, Spread | None]
    published: str
    parameters: int | None
    multiply_adds: float | None
    test_clips: int | None
    seconds: float | None
    device: str
    folders: tuple[str, ...]


# --- from runs


def summarize(records: Iterable[Record]) -> list[Result]:
    """Return a result for every group of training runs, oldest first, that differ in nothing but their seed."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.kind == TRAINING:
            groups.setdefault(_recipe(record), []).append(record)
    return sorted((_result(group) for group in groups.values()), key=lambda each: (each.number, each.changed))


def without_runs(experiment: Config) -> Result:
    """Return what is known of an experiment that has no runs: the published figures."""
    figures = dict.fromkeys(FIGURES)
    known = (_published(experiment), None, None, experiment.test.clips, None, "", ())
    return Result(experiment.number, experiment.model.label, _data(experiment), "", 0, figures, *known)


def _recipe(record: Record) -> str:
    """Return all that a run's result depends on but the seed; its folder where that is not known."""
    if record.config is None:
        return str(record.folder)
    return json.dumps([_settings(record.config), record.parts])


def _settings(experiment: Config) -> dict[str, Any]:
    """Return dotted keys and values of a configuration, without those that change no result, and without the seed."""
    keys = dict(_flat(json.loads(experiment.model_dump_json(exclude={"published"}))))
    return {key: value for key, value in keys.items() if key not in SAME_RECIPE}


def _result(group: Sequence[Record]) -> Result:
    newest = {record.config.train.seed: record for record in group if record.config and record.state == FINISHED}
    counted, first = list(newest.values()), group[0]
    changed = _changed(first.config) if first.config else "configuration unknown"
    seconds = [record.seconds for record in counted if record.seconds is not None]
    return Result(
        first.number,
        first.network,
        _data(first.config) if first.config else first.data,
        changed,
        len(counted),
        {name: _spread([_figure(record, name) for record in counted]) for name in FIGURES},
        _published(first.config) if first.config and not changed else "",
        next((record.parameters for record in group if record.parameters), None),
        next((record.multiply_adds for record in group if record.multiply_adds is not None), None),
        first.config.test.clips if first.config else None,
        fmean(seconds) if seconds else None,
        ", ".join(sorted({record.device for record in counted if record.device})),
        tuple(record.name for record in counted),
    )


def _figure(record: Record, name: str) -> float | None:
    metric, _, which = name.rpartition("_")
    figures: Figures | None = record.best if which == "best" else record.last
    return figures.get(metric) if figures else None


def _spread(values: Sequence[float | None]) -> Spread | None:
    """Return the spread of a figure; None unless all runs have it."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return Spread(fmean(known), stdev(known) if len(known) > 1 else None)


def _data(experiment: Config) -> str:
    return f"{experiment.data.label} {experiment.input.streams}"


def _published(experiment: Config) -> str:
    """Return the published figures of this very experiment, not of a fusion, each with its source."""
    found = {(each.source, each.metric): f"{each.value:g}" for each in experiment.published}
    said = []
    for source in dict.fromkeys(source for source, _ in found):
        top1, mean = found.get((source, "top1")), found.get((source, "mean_class"))
        if top1 or mean:
            said.append(f"{top1 or '-'}{f' / {mean}' if mean else ''} ({source})")
    return "; ".join(said)


def _changed(experiment: Config) -> str:
    """Return in which keys a run is not what its number says today; empty where there is no such number."""
    usual = _numbered(experiment.number)
    if usual is None:
        return ""
    own, theirs = _settings(experiment), _settings(usual)
    keys = [key for key in {**own, **theirs} if own.get(key) != theirs.get(key)]
    return " ".join(f"{key}={json.dumps(own.get(key), separators=(',', ':'))}" for key in keys)


@cache
def _numbered(number: str) -> Config | None:
    try:
        return config.load(number)
    except config.ConfigError:  # of somebody else's numbers, or no longer there
        return None


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values; a list is a value."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


# --- for people


def row(result: Result) -> tuple[str, ...]:
    """Return the cells under `HEADER`."""
    figures = (_percent(result.figures[name], result.runs) for name in FIGURES)
    parameters = "-" if result.parameters is None else f"{result.parameters / 1e6:.2f} M"
    folders = ", ".join(result.folders) or "none finished"
    named = (result.number, result.network, " ".join(filter(None, (result.data, _shortened(result.changed)))))
    return (*named, *figures, result.published or "-", parameters, _multiply_adds(result), _training(result), folders)


def to_markdown(results: Iterable[Result]) -> str:
    """Return a table for a document."""
    escaped = [[html.escape(cell, quote=False).replace("|", "\\|") for cell in row(each)] for each in results]
    return markdown(HEADER, escaped, LEFT)


def _percent(spread: Spread | None, count: int) -> str:
    if spread is None:
        return "-"
    return f"{spread.mean:.2%}{'' if spread.std is None else f' ± {100 * spread.std:.2f}'} ({count})"


def _multiply_adds(result: Result) -> str:
    if result.multiply_adds is None:
        return "-"
    clips = result.test_clips or 1
    return f"{result.multiply_adds / 1e9:.2f} G{f' x {clips} clips' if clips > 1 else ''}"


def _training(result: Result) -> str:
    if result.seconds is None:
        return "-"
    return f"{spent(result.seconds)}, {result.device}" if result.device else spent(result.seconds)


def _shortened(changed: str) -> str:
    keys = changed.split(" ")
    return changed if len(keys) <= SHOWN else f"{' '.join(keys[:SHOWN])} and {len(keys) - SHOWN} more"


# --- for machines


def to_csv(results: Iterable[Result]) -> str:
    """Return lines of `COLUMNS`; shares are 0..1, several run folders are joined by `; `."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for each in results:
        spreads = (each.figures[name] for name in FIGURES)
        figures = [cell for spread in spreads for cell in ((spread.mean, spread.std) if spread else (None, None))]
        named = (each.number, each.network, each.data, each.changed, each.runs)
        cost = (each.parameters, each.multiply_adds, each.test_clips, each.seconds)
        lines.writerow((*named, *figures, each.published, *cost, each.device, "; ".join(each.folders)))
    return text.getvalue()


def read_csv(path: Path) -> list[Result]:
    """Return the results that `to_csv` wrote.

    Raises:
        UserError: naming the file, the line and what is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from error
    lines = csv.DictReader(io.StringIO(text), restkey="more", restval="")
    if tuple(lines.fieldnames or ()) != COLUMNS:
        raise UserError(f"{path}: expected the columns {', '.join(COLUMNS)}; tools.summarize --format csv writes them")
    found = []
    for line in lines:
        try:
            found.append(_from_cells(line))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}, line {lines.line_num}: {error}") from error
    return found


def _from_cells(cells: Mapping[str, str]) -> Result:
    def number(name: str) -> float | None:
        value = float(cells[name]) if cells[name] else None
        if value is not None and not 0 <= value < LARGEST:
            raise ValueError(f"{name}: {cells[name]} is no figure")
        return value

    figures = {
        name: Spread(mean, number(f"{name}_std")) if (mean := number(name)) is not None else None for name in FIGURES
    }
    return Result(
        cells["number"],
        cells["network"],
        cells["data"],
        cells["changed"],
        int(cells["runs"]),
        figures,
        cells["published"],
        int(cells["parameters"]) if cells["parameters"] else None,
        number("multiply_adds"),
        int(cells["test_clips"]) if cells["test_clips"] else None,
        number("seconds"),
        cells["device"],
        tuple(cells["run_folders"].split("; ")) if cells["run_folders"] else (),
    )
