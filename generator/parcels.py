"""What a worker read, on its way to the main process: its arrays lie in shared memory, not in a pipe.

A pipe is emptied by a thread of the main process, 64 KiB at a time, which takes the interpreter from the main thread
for every piece: that reads files, too, and would be a third slower at it.
"""

import mmap
import os
import pickle
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any
from uuid import uuid4

SHARED = Path("/dev/shm")  # a folder in memory, on Linux


@dataclass(frozen=True)
class Parcel:
    """A pickled value, without its arrays' bytes: so many of each lie one behind the other in a file."""

    pickled: bytes
    sizes: Sequence[int]
    path: Path


@contextmanager
def shelf() -> Iterator[Path | None]:
    """Name a folder in shared memory, which workers make; None where a system has no such place."""
    if not os.access(SHARED, os.W_OK):
        yield None
        return
    folder = SHARED / f"gesta-{uuid4().hex}"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wrap(value: Any, folder: Path | None) -> Any:
    """Return a parcel, its arrays in `folder`; the value itself if that has no room, or if there are no arrays."""
    buffers = list[pickle.PickleBuffer]()
    pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    if folder is None or not buffers:
        return value
    arrays = [buffer.raw() for buffer in buffers]
    path = folder / uuid4().hex
    try:
        with path.open("wb") as file:
            file.writelines(arrays)
    except OSError:  # full, as a container's shared memory soon is; a pipe takes all, in its time
        path.unlink(missing_ok=True)
        return value
    return Parcel(pickled, [array.nbytes for array in arrays], path)


def unwrap(value: Any) -> Any:
    """Return what was wrapped; its arrays are read-only, and the memory is free again when the last of them goes."""
    if not isinstance(value, Parcel):
        return value
    with value.path.open("rb") as file:
        memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    value.path.unlink()
    arrays = (memory[end - size : end] for size, end in zip(value.sizes, accumulate(value.sizes), strict=True))
    return pickle.loads(value.pickled, buffers=arrays)
