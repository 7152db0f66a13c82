"""The order in which an experiment, or a part of the store, is looked at."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import config as configs
from config import Config
from dataset.layouts import load_layout
from dataset.splits import benchmark_of
from dataset.store import stored_variants
from initializer import Machine
from tools.doctor.effort import check_network, check_time
from tools.doctor.findings import Finding
from tools.doctor.parts import check_part, open_checked
from tools.doctor.splits import check_experiment, check_stated
from tools.doctor.surroundings import check_disk, check_environment
from utils.errors import UserError


@dataclass(frozen=True)
class Request:
    """What is to be looked at: an experiment's number or yaml, or a part's name or path."""

    what: str
    overrides: Sequence[str] = ()  # KEY=VALUE
    store: Path | None = None
    device: str | None = None
    timing: bool = True


def examine(request: Request) -> Iterator[Finding]:
    """Yield what is found, as it is found; training steps are timed where there was no error.

    Raises `UserError` if there is no such experiment, part or device.
    """
    store = configs.store_folder(request.store)
    words = ["python", "main.py", "-c", request.what, *(["--store", str(request.store)] if request.store else [])]
    machine = Machine(store, configs.work_folder(), request.device, command=shlex.join(words))
    is_number = request.what.endswith((".yaml", ".yml")) or request.what in configs.numbers()
    part = None if is_number else _find_part(request, store)
    yield from check_environment(machine)
    if store.is_dir():
        yield check_disk(store)
    yield from _examine_part(part) if part else _examine_experiment(request, machine)


def _find_part(request: Request, store: Path) -> Path:
    """Return the folder of the part that is meant."""
    folders = [store / request.what, Path(request.what)]
    path = next((folder for folder in folders if folder.is_dir()), None)
    if path is None:
        held = ", ".join(sorted(folder.name for folder in store.glob("*") if folder.is_dir())) or "no part"
        raise UserError(
            f"{request.what}: neither an experiment (`python main.py -l` lists them) nor a part; {store} has {held}"
        )
    if request.overrides:
        raise UserError(f"--set has no effect on a part ({request.what}); it goes with an experiment's number")
    return path


def _examine_part(path: Path) -> Iterator[Finding]:
    """Look at a part in all its variants."""
    for variant in stored_variants(path) or ["original"]:
        part, finding = open_checked(path, variant)
        yield finding
        if part:
            yield from check_part(part)
            yield from check_stated(part)


def _examine_experiment(request: Request, machine: Machine) -> Iterator[Finding]:
    try:
        config = configs.load(request.what, request.overrides)
        load_layout(config.data.layout)
    except (configs.ConfigError, UserError) as error:
        yield Finding("error", "config", str(error), "the message names the file and the key")
        return
    yield Finding("ok", "config", config.title, figures={"number": config.number})
    sound = True
    for finding in _examine_data(config, machine):
        sound &= finding.level != "error"
        yield finding
    if sound and request.timing:
        yield check_time(config, machine)


def _examine_data(config: Config, machine: Machine) -> Iterator[Finding]:
    parts = []
    for name in config.data.parts:
        part, finding = open_checked(machine.store / name, config.data.variant, f"{machine.command} -gd")
        yield finding
        if part:
            parts.append(part)
            yield from check_part(part, feeds=True)
    if len(parts) == len(config.data.parts):
        benchmark = benchmark_of(config.data.benchmark, parts)
        yield from check_experiment(config, parts, benchmark)
        yield from check_network(config, machine, parts, benchmark)
