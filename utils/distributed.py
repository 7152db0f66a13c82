"""The processes of one job, a device each, as torchrun starts them; usually there is one, and it needs none of this.

A rank is such a process, counted from 0 over all machines. Rank 0 alone writes files and log. What a rank tells the
others goes through the CPU (gloo); gradients go from device to device (nccl, on GPUs).
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from utils import checkpoint
from utils.errors import UserError
from utils.interrupt import StopRequest

Share = slice | Tensor  # places within a batch
WHOLE = slice(None)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those of its job."""

    rank: int = 0
    size: int = 1
    local: int = 0  # among those of this machine
    local_size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    # --- who computes what

    def places(self, batch_size: int, pieces: int = 1) -> Share:
        """Return the places of this rank's clips in a training batch of all ranks; so many of each of its `pieces`.

        Raises `UserError` if the ranks do not divide the batch.
        """
        if self.size == 1:
            return WHOLE
        if batch_size % (self.size * pieces):
            counts = [str(count) for count in range(1, batch_size + 1) if batch_size % (count * pieces) == 0]
            parts = f" in {pieces} pieces (train.accumulate)" if pieces > 1 else ""
            raise UserError(
                f"train.batch_size: {self.size} processes cannot share {batch_size} clips{parts} equally; "
                f"take {', '.join(counts) or 'one process'}"
            )
        return torch.arange(batch_size).view(pieces, self.size, -1)[:, self.rank].flatten()

    def deal(self, batches: Sequence[Item]) -> Iterator[Item]:
        """Yield this rank's batches of an evaluation, in turns, as many as every rank's.

        Where the last turn has too few, the last batch is computed by several; `in_order` takes it once.
        """
        for start in range(0, len(batches), self.size):
            yield batches[min(start + self.rank, len(batches) - 1)]

    def spread(self, model: nn.Module) -> nn.Module:
        """Return `model` such that a backward pass averages its gradients over the ranks."""
        if self.size == 1:
            return model
        device = next(model.parameters()).device
        network = DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)
        network.broadcast_buffers = False  # not at every step: `equalise` does so before they are looked at
        return network

    # --- what they tell each other

    def total(self, figures: Tensor) -> Tensor:
        """Return the sum of `figures` over the ranks, on the CPU."""
        figures = figures.cpu()
        if self.size > 1:
            distributed.all_reduce(figures)
        return figures

    def highest(self, *numbers: int) -> list[int]:
        """Return the highest of each of `numbers` over the ranks."""
        if self.size == 1:
            return list(numbers)
        found = torch.tensor(numbers)
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return found.tolist()

    def rows(self, table: Tensor) -> Tensor:
        """Return the rows (n, k) of all ranks' tables, rank by rank, on the CPU; n may differ."""
        table = table.cpu()
        if self.size == 1:
            return table
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        distributed.all_gather(counts, torch.tensor([len(table)]))
        most = int(torch.cat(counts).amax())
        padded = table.new_zeros(most, *table.shape[1:])
        padded[: len(table)] = table
        every = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(every, padded)
        return torch.cat([each[: int(count)] for each, count in zip(every, counts, strict=True)])

    def in_order(self, index: Tensor, *columns: Tensor) -> list[Tensor]:
        """Return `columns` (n, ...) of all ranks as (N, ...), by their clips' `index` (n,), which covers 0 to N - 1."""
        if self.size == 1:
            return list(columns)
        flat = [each.double().cpu().reshape(len(index), -1) for each in (index, *columns)]  # float64 holds all exactly
        every = self.rows(torch.cat(flat, dim=1))
        found = every.new_full((int(every[:, 0].amax()) + 1, every.shape[1]), float("nan"))  # a gap shows
        found[every[:, 0].long()] = every
        parts = found.split([each.shape[1] for each in flat], dim=1)[1:]
        return [part.reshape(-1, *own.shape[1:]).to(own) for part, own in zip(parts, columns, strict=True)]

    def from_first(self, make: Callable[[], str]) -> str:
        """Return what `make` returns on rank 0, which alone calls it."""
        text = make().encode() if self.first else b""
        if self.size == 1:
            return text.decode()
        content = torch.zeros(self.highest(len(text))[0], dtype=torch.uint8)
        if self.first:
            content[:] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        distributed.broadcast(content, 0)
        return bytes(content.tolist()).decode()

    def refuse_unequal(self, text: str, message: str) -> None:
        """Raise a `UserError` with `message` if `text` is not the same on all ranks."""
        digest = hashlib.sha256(text.encode()).digest()
        every = self.rows(torch.tensor([list(digest)]))
        if (every != every[0]).any():
            raise UserError(message)

    @torch.no_grad()
    def equalise(self, model: nn.Module) -> None:
        """Give every rank the weights and buffers of rank 0, such as the running statistics of local BatchNorms."""
        if self.size == 1:
            return
        state = list(model.state_dict().values())
        for dtype in sorted({each.dtype for each in state}, key=str):
            alike = [each for each in state if each.dtype == dtype]
            flat = torch.cat([each.flatten() for each in alike])
            distributed.broadcast(flat, 0)
            for each, value in zip(alike, flat.split([each.numel() for each in alike]), strict=True):
                each.copy_(value.view_as(each))

    # --- what dropout draws from: on each rank something else

    def seed_dropout(self, seed: int, step: int = 0) -> None:
        """Seed torch's generators of this rank; at the start of a run rank 0 goes on as a single process would."""
        if step or not self.first:
            mixed = np.random.SeedSequence([seed, step, self.rank]).generate_state(1)  # torch's on a CPU has 32 bits
            torch.manual_seed(int(mixed[0]))

    def random_states(self, device: torch.device) -> dict[str, Any]:
        """Return for a checkpoint the states of the generators: `random` of rank 0, `random_others` of the others."""
        own = checkpoint.random_state(device)
        if self.size == 1:
            return {"random": own}
        parts = [own["cpu"]] + ([] if own["cuda"] is None else [own["cuda"]])
        every = self.rows(torch.cat(parts)[None])
        cut = [(row[: len(own["cpu"])].clone(), row[len(own["cpu"]) :].clone()) for row in every]
        states = [{"cpu": cpu, "cuda": cuda if len(cuda) else None} for cpu, cuda in cut]
        return {"random": states[0], "random_others": states[1:]}

    def restore_random_states(self, content: dict[str, Any], device: torch.device) -> bool:
        """Set this rank's generators as a checkpoint has them; False if they go on otherwise than they would have.

        So they do where the run was on another kind of device, or, from the second rank on, on other ranks.
        """
        states = [content["random"], *content.get("random_others", [])]
        known = self.size == len(states) or self.first
        if known and checkpoint.restore_random_state(states[self.rank], device):
            return self.size == len(states)
        self.seed_dropout(content["config"]["train"]["seed"], content["progress"]["step"])
        return False


ALONE = Ranks()


def ranks() -> Ranks:
    """Return the place of this process, once it has joined the others; else that of the only one."""
    if not distributed.is_initialized():
        return ALONE
    local = (int(os.environ[name]) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    return Ranks(distributed.get_rank(), distributed.get_world_size(), *local)


class AgreedStop(StopRequest):
    """A signal to any rank stops all of them, at the same step."""

    def __init__(self, ranks: Ranks, every: int) -> None:
        """Let `ranks` agree at each `every`-th call of `due`, which all of them call equally often."""
        super().__init__()
        self.ranks, self.every = ranks, every
        self._noted, self._calls = 0, 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        agreed = self.number
        super()._note(number, frame)
        self._noted, self.number = number, agreed  # nothing is agreed until all know it

    def due(self, *, late: bool = False) -> bool:
        self._calls += 1
        if self._calls % self.every:
            return False
        number, is_late = self.ranks.highest(self._noted, int(late))
        self.number = number or None
        return bool(number or is_late)


def pieces_of(network: nn.Module, pieces: Iterable[Item]) -> Iterator[Item]:
    """Yield the pieces of a batch; gradients of all but the last stay on their rank until then."""
    *first, last = pieces
    alone: Callable[[], AbstractContextManager[None]] = getattr(network, "no_sync", nullcontext)
    with alone():
        yield from first
    yield last
