"""Our own checkpoints: tensors and plain containers only, loaded with `weights_only=True`, written atomically.

Keys: `format`, `version`, `model`, `trained` (with a moving average), `optimizer`, `progress`, `random`, `loader`,
`config`, `classes`, `data`.
These and everybody else's are read by `utils/checkpoint_import.py`.
"""

import io
from pathlib import Path
from typing import Any

import torch

from utils.files import disk_errors, write_atomic

FORMAT, VERSION = "gesta-checkpoint", 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; a crash leaves the old file. Raises `UserError` if the disk is full."""
    whole = {"format": FORMAT, "version": VERSION, **content}
    buffer = io.BytesIO()
    torch.save(whole, buffer)  # in memory first: on a full disk torch itself fails with an error of its own
    with disk_errors(path, "free some space; -r goes on from the last complete checkpoint, if there is one"):
        write_atomic(path, lambda file: file.write(buffer.getbuffer()))


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the states of the generators that dropout on `device` draws from."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def restore_random_state(state: dict[str, Any], device: torch.device) -> bool:
    """Set the generators of `device`; False if the state is of another kind of device."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
    return (device.type == "cuda") == (state["cuda"] is not None)
