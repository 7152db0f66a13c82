"""What belongs to one execution and not to the experiment: paths, device, how it is shown."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from utils.errors import UserError


@dataclass(frozen=True)
class Machine:
    """What belongs to this execution and not to the experiment."""

    store: Path
    work_dir: Path
    device: str | None = None  # "cpu", a CUDA index, or None: the first CUDA device, else the CPU
    show_progress: bool = True
    deterministic: bool = False
    debug: bool = False
    command: str = "python main.py -c NUMBER"  # how a command on the same experiment and store begins


def pick_device(wanted: str | None) -> torch.device:
    """Return the device that -g names, else the first CUDA device that is visible, else the CPU."""
    if wanted is None:
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if wanted == "cpu":
        return torch.device("cpu")
    if not (wanted.isascii() and wanted.isdigit()):
        raise UserError(f"-g {wanted}: expected cpu or the number of a CUDA device")
    if int(wanted) >= torch.cuda.device_count():
        raise UserError(f"-g {wanted}: {torch.cuda.device_count()} CUDA devices are visible, counted from 0; or -g cpu")
    return torch.device(f"cuda:{wanted}")


def set_determinism(machine: Machine) -> None:
    """Make float32 mean float32, and with --deterministic the same bits on every run."""
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    if machine.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
