"""Batches made ahead of time, for a data set that does not fit on the GPU: rows travel while the device works."""

from collections.abc import Iterator
from typing import TypeVar

import torch

from utils.batch import Batch

Rest = TypeVar("Rest")  # what comes with a batch


def one_ahead(made: Iterator[tuple[Batch, Rest]], device: torch.device) -> Iterator[tuple[Batch, Rest]]:
    """Yield what `made` yields, the next one made already: it travels to the device while that works on this one.

    Copies have a CUDA stream of their own. Whoever takes a batch waits for that batch only, on the device, and keeps
    its memory from being used again too early. Not measured on a GPU yet.
    """
    copies = torch.cuda.Stream(device) if device.type == "cuda" else None

    def make() -> tuple[tuple[Batch, Rest] | None, torch.cuda.Event | None]:
        with torch.cuda.stream(copies):  # None: as if this were not here
            found = next(made, None)
            return found, copies.record_event() if copies else None

    coming, arrives = make()
    while coming is not None:
        (batch, rest), arrived = coming, arrives
        coming, arrives = make()
        if arrived:
            work = torch.cuda.current_stream(device)
            work.wait_event(arrived)
            for each in (batch.streams, batch.labels, batch.lengths):
                each.record_stream(work)
        yield batch, rest
