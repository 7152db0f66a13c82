"""What run folders say of their runs, also damaged and half-written ones: for the tables over many runs.

No checkpoint is opened and torch is not imported: a work directory of hundreds of runs is read in a second or two.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import config
from config import Config
from utils.files import lock
from utils.logs import total_seconds
from utils.run_folder import CONFIG, ENVIRONMENT, EVALUATION, LOG, METRICS, REPORT

TRAINING, EVALUATED, DEBUG = "training", "evaluation", "debug"
FINISHED, RUNNING, INTERRUPTED, UNKNOWN = "finished", "running", "interrupted", "unknown"
EXTRACTED = b"Features: "  # the log's last words of an extraction
STAMP = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")  # begins a run folder's name
PROFILE = re.compile(rb"Model profile: .*?; ([\d.]+)G multiply-adds .*?; ([\d,]+) trainable parameters")
NEWLINE = b"\n"
LARGEST = 1e18  # no figure of a run is larger; nor is one NaN

Figures = Mapping[str, float]  # top1, top5, mean_class, ... of one evaluation


@dataclass(frozen=True)
class Record:
    """What one run folder says; None, or an empty text, where it does not.

    Attributes:
        folder: of the run.
        kind: training, evaluation or debug.
        number: of the experiment; network and data by their names in tables.
        config: the resolved configuration, where this version can read it.
        state: finished, running, interrupted; unknown where `damage` says why.
        epoch: the last one that is trained and logged.
        best: figures on eval of the best epoch, or of an evaluation; top1 is always among them.
        last: the same of the last evaluated epoch.
        multiply_adds: of one test clip, streams and persons counted in.
        seconds: of training, with its evaluations.
        parts: checksums of the data, as JSON.
        damage: what is wrong with the folder, in words.
    """

    folder: Path
    kind: str
    number: str
    network: str
    data: str
    config: Config | None
    state: str
    epoch: int
    best: Figures | None
    last: Figures | None
    parameters: int | None
    multiply_adds: float | None
    seconds: int | None
    device: str
    parts: str
    damage: tuple[str, ...]

    @property
    def name(self) -> str:
        """The folder below the work directory, with forward slashes."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def started(self) -> str:
        """When the run began, such as `2026-11-20 14:03`, by the folder's name."""
        found = STAMP.match(self.folder.name)
        day, time = found[0].split("_") if found else ("", "")
        return f"{day} {time[:5].replace('-', ':')}".strip()


def read_records(work_dir: Path) -> tuple[list[Record], list[Path]]:
    """Return all runs below a work directory, and the folders where a run would be that hold none, oldest first."""
    folders = sorted(path for path in work_dir.glob("*/*") if path.is_dir())
    found = {path: _is_run(path) for path in folders}
    return [read_record(path) for path, run in found.items() if run], [path for path, run in found.items() if not run]


def _is_run(folder: Path) -> bool:
    return bool(STAMP.match(folder.name)) or any((folder / name).is_file() for name in (CONFIG, METRICS, LOG))


def read_record(folder: Path) -> Record:
    """Return what a run folder says; whatever is wrong with it is said in `damage`."""
    damage: list[str] = []
    experiment, log = _config(folder, damage), _read(folder / LOG, damage)
    kind = EVALUATED if EVALUATION in folder.name else DEBUG if folder.parent.name.startswith("debug_") else TRAINING
    if kind == EVALUATED:
        lines = list(_metrics(folder / METRICS, damage)) if (folder / METRICS).exists() else []
        best, last, state = _evaluated(lines), None, _state_of_evaluation(folder, lines, log, damage)
    else:
        lines = list(_metrics(folder / METRICS, damage))
        (best, last), state = _best_and_last(lines), _state(folder, experiment, lines, damage)
    named = folder.parent.name.removeprefix("debug_").split("_", 2)
    number, network, data = named if len(named) == 3 else (folder.parent.name, "", "")
    profile, environment = PROFILE.search(log), _environment(folder / ENVIRONMENT, damage)
    return Record(
        folder,
        kind,
        experiment.number if experiment else number,
        experiment.model.label if experiment else network,
        experiment.data.label if experiment else data,
        experiment,
        state,
        max((line["epoch"] for line in lines), default=0),
        best,
        last,
        int(profile[2].replace(b",", b"")) if profile else None,
        float(profile[1]) * 1e9 if profile else None,
        total_seconds(log),
        str(environment.get("device") or ""),
        json.dumps(environment.get("parts"), sort_keys=True),
        tuple(damage),
    )


def spent(seconds: float) -> str:
    """Return a time with two or three digits that count: `42 s`, `31 min`, `1.8 h`."""
    unit, name = next((each for each in ((3600, "h"), (60, "min")) if seconds >= 1.5 * each[0]), (1, "s"))
    return f"{seconds / unit:.{int(name == 'h')}f} {name}"


# --- files


def _read(path: Path, damage: list[str]) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        damage.append(f"no {path.name}")
    except OSError as error:
        damage.append(f"{path.name} cannot be read ({error.strerror})")
    return b""


def _config(folder: Path, damage: list[str]) -> Config | None:
    if not (folder / CONFIG).exists():
        damage.append(f"no {CONFIG}")
        return None
    try:
        return config.load(str(folder / CONFIG))
    except config.ConfigError as error:
        damage.append(str(error).replace(str(folder / CONFIG), CONFIG))
        return None


def _environment(path: Path, damage: list[str]) -> dict[str, Any]:
    content = _read(path, damage)
    try:
        found = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    damage.append(f"{path.name} is damaged")
    return {}


def _metrics(path: Path, damage: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the whole lines; a run that was killed and never resumed may end in half a one."""
    for number, text in enumerate(_read(path, damage).splitlines(keepends=True), start=1):
        line = _line(text)
        if line is None:
            damage.append(f"{path.name}, line {number}, is {'no figures' if text.endswith(NEWLINE) else 'cut off'}")
        else:
            yield line


def _line(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = text.endswith(NEWLINE) and isinstance(line, dict) and isinstance(line.get("epoch"), int)
    return line if whole else None


# --- figures


def _figures(line: Mapping[str, Any], split: str = "eval") -> Figures | None:
    """Return a line's finite numbers of a split; None where there is no top-1, as where no clip has a label."""
    found = line.get(split)
    if not isinstance(found, dict):
        return None
    numbers = {key: value for key, value in found.items() if isinstance(value, int | float) and abs(value) < LARGEST}
    return numbers if "top1" in numbers else None


def _best_and_last(lines: Sequence[Mapping[str, Any]]) -> tuple[Figures | None, Figures | None]:
    """Return the figures on eval that `utils.run_folder.eval_figures` gives the top-1 of."""
    found = [(line.get("checkpoint"), figures) for line in lines if (figures := _figures(line))]
    closing = {name: figures for name, figures in found if isinstance(name, str)}
    if {"best", "last"} <= closing.keys():
        return closing["best"], closing["last"]
    if not found:
        return None, None
    return max((figures for _, figures in found), key=lambda figures: figures["top1"]), found[-1][1]


def _evaluated(lines: Sequence[Mapping[str, Any]]) -> Figures | None:
    """Return the figures of an evaluation, whatever split it was of."""
    return next((figures for line in lines for split in line if (figures := _figures(line, split))), None)


# --- states


def _state_of_evaluation(folder: Path, lines: Sequence[Mapping[str, Any]], log: bytes, damage: list[str]) -> str:
    """Return finished, or unknown: an evaluation holds no lock that would tell whether it goes on."""
    if lines or EXTRACTED in log or (folder / REPORT).exists():
        return FINISHED
    damage.append("neither figures nor features came of it")
    return UNKNOWN


def _state(folder: Path, experiment: Config | None, lines: Sequence[Mapping[str, Any]], damage: list[str]) -> str:
    """Return the state of a training run: finished when its last epoch, and closing lines where due, are there."""
    if experiment:
        closing = {line["checkpoint"] for line in lines if isinstance(line.get("checkpoint"), str)}
        due = {"best", "last"} if experiment.test.clips > 1 or experiment.data.validation else set()
        if any(line["epoch"] >= experiment.train.epochs for line in lines) and due <= closing:
            return FINISHED
    if _is_held(folder / LOG, damage):
        return RUNNING
    return INTERRUPTED if experiment else UNKNOWN


def _is_held(log: Path, damage: list[str]) -> bool:
    """Tell whether a process trains into the folder: it holds the lock of its log (`RunFolder.hold`)."""
    if not log.exists():
        return False
    try:
        handle = os.open(log, os.O_RDWR)
        try:
            return not lock(handle)
        finally:
            os.close(handle)
    except OSError as error:
        damage.append(f"whether it is running cannot be told ({error.strerror})")
        return False
