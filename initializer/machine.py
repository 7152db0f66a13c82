"""What belongs to one execution and not to the experiment: paths, device, how it is shown."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from utils.distributed import ALONE, Ranks
from utils.errors import UserError


@dataclass(frozen=True)
class Machine:
    """What belongs to this execution and not to the experiment."""

    store: Path
    work_dir: Path
    device: str | None = None  # "cpu", a CUDA index, or None: the first CUDA device (a rank: its own), else the CPU
    show_progress: bool = True
    deterministic: bool = False
    debug: bool = False
    compiles: bool = False
    plain: bool = False  # evaluate with the readable network instead of the fast one
    command: str = "python main.py -c NUMBER"  # how a command on the same experiment and store begins
    ranks: Ranks = ALONE
    is_restarted: bool = False  # by torchrun, after one of the job's processes failed


def pick_device(wanted: str | None, local_rank: int = 0) -> torch.device:
    """Return the device that -g names, else the CUDA device of this process on its machine, else the CPU."""
    if wanted is None:
        wanted = str(local_rank) if torch.cuda.is_available() else "cpu"
    if wanted == "cpu":
        return torch.device("cpu")
    if not (wanted.isascii() and wanted.isdigit()):
        raise UserError(f"-g {wanted}: expected cpu or the number of a CUDA device")
    if int(wanted) >= torch.cuda.device_count():
        raise UserError(f"-g {wanted}: {torch.cuda.device_count()} CUDA devices are visible, counted from 0; or -g cpu")
    return torch.device(f"cuda:{int(wanted)}")


def set_determinism(machine: Machine) -> None:
    """Make float32 mean float32, and with --deterministic the same bits on every run."""
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    if machine.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
