"""The runs of an experiment that are already there."""

from pathlib import Path

from config import Config
from initializer.machine import Machine
from utils.checkpoint_import import read_own
from utils.errors import UserError
from utils.run_folder import LAST, RunFolder, runs


def run_parent(config: Config, machine: Machine) -> Path:
    """Return the folder of an experiment's runs; debug runs have their own."""
    return machine.work_dir / config.title.replace(config.number, _prefix(config, machine), 1)


def refuse_missing(weights: Path, config: Config, machine: Machine) -> None:
    """Raise `UserError` if there is no such file, naming the checkpoints of this experiment that there are."""
    if weights.is_file():
        return
    best = [str(run.best) for run in _runs_of(config, machine) if run.best.exists()]
    hint = f"this experiment's own: {', '.join(best[-3:])}" if best else "no run of this experiment has one, either"
    raise UserError(f"-pp {weights}: no such file; {hint}")


def newest_best(config: Config, machine: Machine) -> Path:
    """Return the best checkpoint of the newest run that has one."""
    for folder in reversed(_runs_of(config, machine)):
        if folder.best.exists():
            return folder.best
    where = f"{machine.work_dir}: no run of {config.number} has a best checkpoint yet"
    raise UserError(f"{where}; train with -c {config.number}, or give one with -pp FILE")


def unfinished(config: Config, machine: Machine, name: str | None) -> RunFolder:
    """Return the newest run that is not at its end, or the one called `name` (its folder's name or path)."""
    if name and (Path(name) / LAST).is_file():
        candidates = [RunFolder(Path(name))]
    else:
        candidates = [run for run in _runs_of(config, machine) if name in (None, run.path.name)]
    for folder in reversed(candidates):
        if folder.last.exists() and not read_own(folder.last)["progress"]["concluded"]:
            return folder
    what = f"run {name}" if name else "run"
    raise UserError(
        f"{machine.work_dir}: no unfinished {what} of {config.number} to resume; train anew with -c {config.number}"
    )


def _runs_of(config: Config, machine: Machine) -> list[RunFolder]:
    """Return the training runs of a number, oldest first, also those whose name `--set` changed."""
    parents = [path for path in machine.work_dir.glob(f"{_prefix(config, machine)}_*") if path.is_dir()]
    return sorted((run for parent in parents for run in runs(parent)), key=lambda run: run.path.name)


def _prefix(config: Config, machine: Machine) -> str:
    return f"debug_{config.number}" if machine.debug else config.number
