"""Our own checkpoints: tensors and plain containers only, loaded with `weights_only=True`, written atomically.

Keys: `format`, `version`, `model`, `optimizer`, `progress`, `random`, `loader`, `config`, `classes`.
These and everybody else's are read by `utils/checkpoint_import.py`.
"""

from pathlib import Path
from typing import Any

import torch

from utils.files import disk_errors, write_atomic

FORMAT, VERSION = "gesta-checkpoint", 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; a crash leaves the old file. Raises `UserError` if the disk is full."""
    whole = {"format": FORMAT, "version": VERSION, **content}
    with disk_errors(path, "the last complete checkpoint is intact; free some space and resume with -r"):
        write_atomic(path, lambda file: torch.save(whole, file))


def random_state() -> dict[str, Any]:
    """Return the state of torch's global generators, which dropout draws from."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def restore_random_state(state: dict[str, Any]) -> None:
    """Set torch's global generators."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"] and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
