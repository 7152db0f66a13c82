"""Several processes for one job, through torch's own launcher; nothing here imports torch before it is needed.

`torchrun --nproc-per-node=2 main.py ...` starts them, and `main.py -g 0 1 ...` does the same by itself.
"""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from functools import partial

from utils.errors import UserError

BY_US = "GESTA_LAUNCHED"  # set where `start` below watches over the processes, and says what became of them


def is_one_of_several() -> bool:
    """Tell whether torchrun started this process together with others."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def with_others(action: Callable[[], int]) -> Callable[[], int]:
    """Return `action`, done together with the other processes of the job where there are some."""
    if not is_one_of_several():
        return action
    from utils import distributed

    return partial(distributed.run_as_rank, action)


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
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("torch.distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # each process says in a line what is wrong
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    os.environ[BY_US] = "1"
    options = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(options, sys.executable)(*command)
    except SignalException as stopped:  # the processes had it, too, and have said so
        return 128 + stopped.sigval, None
    except ChildFailedError as failed:
        rank, failure = failed.get_first_failure()
        if failure.exitcode > 0:
            return failure.exitcode, None
        return 1, f"process {rank} of {count} was killed by {signal.Signals(-failure.exitcode).name}"
    return 0, None
