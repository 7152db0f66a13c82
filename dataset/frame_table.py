"""All frames of all clips in one table, whose rows a batch is gathered from: on the device, or on the disk.

Letters: T frames, V joints, C channels, R rows of a table, L rows that are asked for; row 0 is all zeros.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dataset.store import Part
from utils import distributed

MEMINFO = Path("/proc/meminfo")
PIECE = 1 << 16  # rows that are loaded at once: no second copy of the whole on the host
NEAR = 64  # rows: what lies nearer together is read from the disk at once


class FrameTable:
    """All rows of all parts under one numbering, resident on the device where they fit, else read from the disk."""

    def __init__(self, parts: Sequence[Part], device: torch.device) -> None:
        self.device = device
        self._maps = [part.coordinates for part in parts]
        counts = [len(rows) for rows in self._maps]
        self.starts = np.cumsum([1, *counts[:-1]])  # first row of each part
        self.row_shape = self._maps[0].shape[1:]  # (V, C)
        self._dtype = np.result_type(*self._maps)  # float16 stays so: a table half as large
        size = (1 + sum(counts)) * int(np.prod(self.row_shape)) * self._dtype.itemsize
        self.resident = self._load(1 + sum(counts)) if fits(size, free_bytes(device)) else None
        self.travels = self.resident is None and device.type == "cuda"  # rows go from the host to the device

    def _load(self, count: int) -> Tensor:
        dtype = torch.from_numpy(np.empty(0, self._dtype)).dtype
        table = torch.empty(count, *self.row_shape, dtype=dtype, device=self.device)
        table[0] = 0
        for start, rows in zip(self.starts.tolist(), self._maps, strict=True):
            for first in range(0, len(rows), PIECE):
                piece = torch.from_numpy(np.array(rows[first : first + PIECE], self._dtype))
                table[start + first : start + first + len(piece)] = piece.to(self.device)
        return table

    def take(self, rows: Tensor) -> Tensor:
        """Return the rows (...,) as (..., V, C) float32 on the device; row 0 is zeros."""
        if self.resident is not None:
            taken = self.resident.flatten(1).index_select(0, rows.to(self.device).flatten())
            return taken.view(*rows.shape, *self.row_shape).float()
        found = torch.zeros(*rows.shape, *self.row_shape, pin_memory=self.device.type == "cuda")
        self._read(rows.numpy().ravel(), found.numpy().reshape(-1, *self.row_shape))
        return found.to(self.device, non_blocking=True)

    def _read(self, rows: np.ndarray, into: np.ndarray) -> None:
        """Read `rows` (L,) from the disk `into` zeros (L, V, C)."""
        owner = np.searchsorted(self.starts, rows, side="right") - 1  # -1: row 0
        for part, (start, table) in enumerate(zip(self.starts, self._maps, strict=True)):
            mine = np.flatnonzero(owner == part)
            _announce(table, rows[mine] - start)
            into[mine] = table[rows[mine] - start]


def _announce(table: np.ndarray, rows: np.ndarray) -> None:
    """Have the system read all `rows` of a mapped table from the disk, at once and nothing else, if it can do that.

    By itself it waits until a row is touched, and then reads up to megabytes around it.
    """
    if not (isinstance(table.base, mmap.mmap) and hasattr(mmap, "MADV_WILLNEED")):
        return
    table.base.madvise(mmap.MADV_RANDOM)
    offset, size = table.offset % mmap.ALLOCATIONGRANULARITY, table.strides[0]
    for first, last in stretches(rows):
        begin = (offset + first * size) // mmap.PAGESIZE * mmap.PAGESIZE
        table.base.madvise(mmap.MADV_WILLNEED, begin, offset + (last + 1) * size - begin)


def stretches(rows: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last of each stretch of rows (L,) that lie one behind another, at most `NEAR` apart."""
    if not len(rows):
        return []
    step = np.diff(rows)
    cut = np.flatnonzero((step < 0) | (step > NEAR))
    return list(zip(rows[[0, *(cut + 1)]].tolist(), rows[[*cut, -1]].tolist(), strict=True))


def fits(size: int, free: int) -> bool:
    """Tell whether a table of `size` bytes is kept on a device that has `free`: half is left for the batches."""
    return size < free // 2


def free_bytes(device: torch.device) -> int:
    """Return how much memory the device has left for this process, in bytes; 0 where that is not known.

    The processes of a job have a GPU each, and share the memory of their machine.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if not MEMINFO.exists():
        return 0
    fields = dict(line.split(":") for line in MEMINFO.read_text().splitlines())
    available = int(fields["MemAvailable"].removesuffix("kB")) * 1024  # what the page cache would give back, included
    return available // distributed.ranks().local_size
