"""Environment and disk: what every run on this machine depends on."""

import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from config import ROOT
from initializer import Machine
from initializer.machine import pick_device
from tools.doctor.findings import Finding, gigabytes
from utils import launch
from utils.environment import device_name

INSTALL = "pip install -r requirements.txt"
LOW_DISK = 2e9  # bytes: a run folder holds two checkpoints and its scores
HOLDS = {">=": lambda a, b: a >= b, "<": lambda a, b: a < b, "==": lambda a, b: a == b}


def check_environment(machine: Machine) -> Iterator[Finding]:
    """Look at Python, the packages of requirements.txt, the device and the threads.

    Raises `UserError` if there is no such device.
    """
    python = sys.version.split()[0]
    yield from _check_packages((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines(), python)
    device = pick_device(machine.device)
    threads, cores = torch.get_num_threads(), launch.cores()
    yield Finding(
        level="ok" if device.type == "cuda" else "note",
        check="device",
        what=f"{device_name(device)}, {threads} threads of {cores} cores",
        remedy="" if device.type == "cuda" else "fine for small data; large sets take a CUDA device: -g 0",
        figures={"device": str(device), "threads": threads, "cores": cores},
    )


def _check_packages(lines: list[str], python: str) -> Iterator[Finding]:
    wanted = dict(re.findall(r"^([\w-]+)(\S*)", "\n".join(line for line in lines if not line.startswith("#")), re.M))
    found = {name: _version(name) for name in wanted}
    missing = [name for name, held in found.items() if held is None]
    wrong = [
        f"{name} {held}, wanted {wanted[name]}" for name, held in found.items() if held and not fits(held, wanted[name])
    ]
    if missing:
        yield Finding("error", "packages", f"not installed: {', '.join(missing)}", INSTALL)
    if wrong:
        yield Finding("warning", "packages", f"other versions than requirements.txt names: {'; '.join(wrong)}", INSTALL)
    shown = ", ".join(f"{name} {held}" for name, held in {"python": python, **found}.items() if held)
    yield Finding("ok", "packages", shown, figures={"python": python, **found})


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def fits(held: str, wanted: str) -> bool:
    """Tell whether a version such as 2.13.0+cpu is within `wanted`, such as >=2.11,<3."""
    limits = re.findall(r"(>=|<|==)([\d.]+)", wanted)
    return all(HOLDS[sign](_numbers(held), _numbers(limit)) for sign, limit in limits)


def _numbers(text: str) -> list[int]:
    """Return 2.13.0+cpu as [2, 13]: zeros at the end say nothing."""
    match = re.match(r"[\d.]*\d", text)
    numbers = [int(number) for number in (match.group() if match else "0").split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def check_disk(store: Path) -> Finding:
    """Look at the room that is left beside the store."""
    free = shutil.disk_usage(store).free
    low = free < LOW_DISK
    return Finding(
        level="warning" if low else "ok",
        check="disk",
        what=f"{gigabytes(free)} free at {store}",
        remedy="a run keeps two checkpoints; free some space, or write runs elsewhere: -w DIR" if low else "",
        figures={"free_bytes": free},
    )
