"""Several processes for one job, through torch's own launcher; nothing here imports torch before it is needed.

`torchrun --nproc-per-node=2 main.py ...` starts them, and `main.py -g 0 1 ...` does the same by itself.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
    from torch.distributed.launcher.api import LaunchConfig

BY_US = "GESTA_LAUNCHED"  # set where `start` below watches over the processes, and says what became of them
SAVING_S = "3600"  # how long processes may take to end after a signal: they finish an evaluation, and save
PARENT = os.getppid()  # of one of several processes: the launcher
HURRIED_S = 20  # torch gives the others 30 s to end after a failure, and kills those that do not


def is_by_torchrun() -> bool:
    """Tell whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_one_of_several() -> bool:
    """Tell whether torchrun started this process together with others."""
    return is_by_torchrun() and int(os.environ.get("WORLD_SIZE", "1")) > 1


def cores() -> int:
    """Return how many cores this process may use: of a cluster's machine, or in a container, not all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_of(devices: Sequence[str] | None) -> str | None:
    """Return which of the `devices` of -g this process uses; None: the one of its own number, if there are any."""
    if not devices:
        return None
    local, count = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if len(devices) != count and list(devices) != ["cpu"]:
        raise UserError(f"-g {' '.join(devices)}: torchrun has {count} processes on this machine; name {count} devices")
    return devices[local % len(devices)]


def start(count: int, command: Sequence[str]) -> tuple[int, str | None]:
    """Run `count` processes of a Python `command` on this machine; return the exit code of the first that fails.

    And a line to say, where a process was killed and could not say it itself. A signal to this process goes to all.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("torch.distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # each process says in a line what is wrong
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // count)))
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", SAVING_S)
    os.environ[BY_US] = "1"
    try:
        elastic_launch(_on_this_machine(count), sys.executable)(*command)
    except SignalException as stopped:  # the processes had it, too, and have said so
        return 128 + stopped.sigval, None
    except ChildFailedError as failed:
        return _outcome(failed.failures, count)
    return 0, None


def _on_this_machine(count: int) -> "LaunchConfig":
    """Return how torch's launcher starts `count` processes here, on a free port, and none again that fails."""
    from torch.distributed.launcher.api import LaunchConfig

    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )


def _outcome(failures: Mapping[int, "ProcessFailure"], count: int) -> tuple[int, str | None]:
    """Return an exit code, and a line to say unless a process has said it; the cause, not what followed from it."""
    soon = min(failure.timestamp for failure in failures.values()) + HURRIED_S
    words = [each.message.removeprefix(BY_US) for each in failures.values() if each.message.startswith(BY_US)]
    for rank, failure in failures.items():
        if failure.message.startswith(BY_US) or failure.exitcode == -signal.SIGTERM or failure.timestamp > soon:
            continue  # it lost the others, or torch ended it
        if failure.exitcode > 0:
            return failure.exitcode, None
        return 1, f"process {rank} of {count} was killed by {signal.Signals(-failure.exitcode).name}"
    return 1, words[0] if words else f"process {min(failures)} of {count} was killed by SIGTERM"


def leave_word(reason: str) -> int:
    """Leave it to `start` to say why this process lost the others: it knows whether one was killed. Return 1."""
    entry = {"message": BY_US + reason, "timestamp": int(time.time())}  # torch's form of an error
    Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(json.dumps(entry))
    return 1


def is_orphan() -> bool:
    """Tell whether the launcher is gone, and with it the store that it keeps."""
    return os.getppid() != PARENT


def end_with_launcher() -> None:
    """When the launcher is killed, get the signal that it cannot send any more: save, and end."""

    def watch() -> None:
        while not is_orphan():
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
