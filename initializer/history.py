"""The runs of an experiment that are already there."""

from pathlib import Path

from config import Config
from initializer.machine import Machine
from utils.checkpoint_import import read_own
from utils.errors import UserError
from utils.job import noted_run
from utils.run_folder import BEST, LAST, RunFolder, runs


def run_parent(config: Config, machine: Machine) -> Path:
    """Return the folder of an experiment's runs; debug runs have their own."""
    return machine.work_dir / config.title.replace(config.number, _prefix(config, machine), 1)


def refuse_missing(weights: Path, config: Config, machine: Machine) -> None:
    """Raise `UserError` if there is no such file, naming the checkpoints of this experiment that there are."""
    if weights.is_file():
        return
    if weights.is_dir():
        inside = [path for name in (BEST, LAST) if (path := weights / name).is_file()]
        raise UserError(f"-pp {weights}: is a folder; give a checkpoint{f', such as {inside[0]}' if inside else ''}")
    best = [str(run.best) for run in _runs_of(config, machine) if run.best.exists()]
    near = sorted(str(path) for path in weights.parent.glob(f"{weights.name}*")) if weights.parent.is_dir() else []
    if near:
        raise UserError(f"-pp {weights}: no such file; did you mean {near[0]}?")
    hint = f"this experiment's own: {', '.join(best[-3:])}" if best else "no run of this experiment has one, either"
    raise UserError(f"-pp {weights}: no such file; {hint}")


def newest_best(config: Config, machine: Machine) -> Path:
    """Return the best checkpoint of the newest run that has one."""
    for folder in reversed(_runs_of(config, machine)):
        if folder.best.exists():
            return folder.best
    where = f"{machine.work_dir}: no run of {config.number} has a best checkpoint yet"
    raise UserError(f"{where}; train one with: {machine.command}; or give one with -pp FILE")


def unfinished(config: Config, machine: Machine, name: str | None) -> RunFolder:
    """Return the newest run that is not at its end, or the one called `name` (its folder's name or path)."""
    if name and (Path(name) / LAST).is_file():
        candidates = [RunFolder(Path(name))]
    else:
        candidates = [run for run in _runs_of(config, machine) if name in (None, run.path.name)]
    left = [run for run in candidates if run.last.exists() and not _is_concluded(run)]
    if left:
        return left[-1]
    again = f"train anew with: {machine.command}"
    if name:
        state = "is finished" if candidates else "does not exist"
        raise UserError(f"{machine.work_dir}: run {name} of {config.number} {state}; {again}")
    raise UserError(f"{machine.work_dir}: no unfinished run of {config.number} to resume; {again}")


def begun() -> str:
    """Return the path of the run that this very job began, if it is saved and not at its end; else an empty text."""
    path = noted_run()
    run = RunFolder(path) if path else None
    return str(path) if run and run.last.exists() and not _is_concluded(run) else ""


def _is_concluded(run: RunFolder) -> bool:
    return bool(read_own(run.last)["progress"].get("concluded"))


def _runs_of(config: Config, machine: Machine) -> list[RunFolder]:
    """Return the training runs of a number, oldest first, also those whose name `--set` changed."""
    parents = [path for path in machine.work_dir.glob(f"{_prefix(config, machine)}_*") if path.is_dir()]
    return sorted((run for parent in parents for run in runs(parent)), key=lambda run: run.path.name)


def _prefix(config: Config, machine: Machine) -> str:
    return f"debug_{config.number}" if machine.debug else config.number
