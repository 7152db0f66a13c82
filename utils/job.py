"""The job that torchrun starts as several processes, as a whole: joining it, its last word, its restarts."""

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from utils import launch
from utils.distributed import ranks

LOST = ("onnection closed", "onnection reset", "roken pipe", "onnection refused", "ocket closed")  # words of gloo

_job: dict[str, Any] = {}


def run_as_rank(action: Callable[[], int], say: Callable[[str, int], int]) -> int:
    """Join the other processes of this job, and return the exit code of `action`; 1 if one of them is lost.

    `say` tells people why, and returns the exit code that it is given.
    """
    launch.end_with_launcher()
    try:
        _join()
        code = action()
        distributed.destroy_process_group()
    except RuntimeError as error:
        reason = _why_lost(error)
        if reason is None:
            raise
        if launch.BY_US in os.environ:
            return launch.leave_word(reason)
        return say(f"{reason}; -r goes on from the last checkpoint, if there is one yet", 1)
    return code


def speaks() -> bool:
    """Tell whether this process is the first of its job with a last word: it says it, and the others are silent."""
    if "store" not in _job:
        return True
    if launch.is_orphan():
        return ranks().first
    try:
        return bool(_job["store"].add("last word", 1) == 1)
    except RuntimeError:  # whoever kept the store has gone
        return ranks().first


def note_run(path: Path) -> None:
    """Let a restart of this job know which run it has begun."""
    if launch.is_by_torchrun() and ranks().first:
        _kept().set(_run_key(), str(path))


def noted_run() -> Path | None:
    """Return the run that this job had begun before torchrun started it anew, if it did.

    It does so after a failure (`--max-restarts`), or with other machines.
    """
    if not launch.is_by_torchrun() or not _kept().check([_run_key()]):
        return None
    return Path(_kept().get(_run_key()).decode())


def is_restarted() -> bool:
    """Tell whether torchrun started this job anew after it had begun a run."""
    return bool(ranks().highest(int(noted_run() is not None))[0])


def _kept() -> distributed.Store:
    """Return torchrun's own store, which all processes of a job share, and which outlives its restarts."""
    if "kept" not in _job:
        _job["kept"] = next(distributed.rendezvous("env://"))[0]
    kept: distributed.Store = _job["kept"]
    return kept


def _run_key() -> str:
    return f"run of {os.environ['TORCHELASTIC_RUN_ID']}"  # several jobs may share a store


def _join() -> None:
    kept, (rank, size) = _kept(), (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE"))
    store = _job["store"] = distributed.PrefixStore(_word_of_this_start(kept, rank, size), kept)
    gpus = torch.cuda.is_available() and distributed.is_nccl_available()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", store=store, rank=rank, world_size=size)


def _word_of_this_start(store: distributed.Store, rank: int, size: int) -> str:
    """Return a word that the processes of this start share, and none of an earlier one.

    torchrun's store outlives a restart (torch 2.13), and what is left in it makes the next start fail; the machines do
    not count restarts alike, either.
    """
    own = uuid.uuid4().hex
    if rank > 0:
        store.set(f"asks {rank}", own)
        word = str(store.get(f"answer to {own}").decode())
        store.set(f"{word} reached {rank}", "")
        return word
    for other in range(1, size):
        while not store.check([f"{own} reached {other}"]):  # what it asked may be of an earlier start: look again
            if store.check([f"asks {other}"]):
                store.set(f"answer to {store.get(f'asks {other}').decode()}", own)
            time.sleep(0.01)
    return own


def _why_lost(error: RuntimeError) -> str | None:
    """Say why this process lost the others, if an error means that."""
    of_nccl = isinstance(error, distributed.DistBackendError)  # whatever is wrong, not only that a process has gone
    if any(words in str(error) for words in LOST) and not of_nccl:
        return "another process of this job has ended"
    if not (of_nccl or isinstance(error, (distributed.DistNetworkError, distributed.DistStoreError))):
        return None
    lines = str(error).strip().splitlines()
    return f"the processes lost each other ({' ... '.join(dict.fromkeys([*lines[:1], *lines[-1:]]))})"
