"""The runs of an experiment that are already there."""

from pathlib import Path

from config import Config
from initializer.machine import Machine
from utils.checkpoint_import import read_own
from utils.errors import UserError
from utils.run_folder import RunFolder, runs


def run_parent(config: Config, machine: Machine) -> Path:
    """Return the folder of an experiment's runs; debug runs have their own."""
    return machine.work_dir / (f"debug_{config.title}" if machine.debug else config.title)


def refuse_missing(weights: Path, config: Config, machine: Machine) -> None:
    """Raise `UserError` if there is no such file, naming the checkpoints of this experiment that there are."""
    if weights.is_file():
        return
    best = [str(run.best) for run in runs(run_parent(config, machine)) if run.best.exists()]
    hint = f"this experiment's own: {', '.join(best[-3:])}" if best else "no run of this experiment has one, either"
    raise UserError(f"-pp {weights}: no such file; {hint}")


def newest_best(config: Config, machine: Machine) -> Path:
    """Return the best checkpoint of the newest run that has one."""
    parent = run_parent(config, machine)
    for folder in reversed(runs(parent)):
        if folder.best.exists():
            return folder.best
    raise UserError(
        f"{parent}: no run with a best checkpoint yet; train with -c {config.number}, or give one with -pp FILE"
    )


def unfinished(config: Config, machine: Machine, name: str | None) -> RunFolder:
    """Return the newest run with epochs left to train, or the one called `name` (its folder's name or path)."""
    parent = run_parent(config, machine)
    candidates = [folder for folder in runs(parent) if name in (None, folder.path.name, str(folder.path))]
    for folder in reversed(candidates):
        if folder.last.exists() and _epochs_left(folder):
            return folder
    what = f"run {name}" if name else "run"
    raise UserError(f"{parent}: no unfinished {what} to resume; train anew with -c {config.number}")


def _epochs_left(folder: RunFolder) -> int:
    content = read_own(folder.last)
    return content["config"]["train"]["epochs"] - content["progress"]["epoch"]
