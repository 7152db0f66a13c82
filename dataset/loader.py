"""From parts to batches, gathered by index from a table of frames on the device; no worker processes.

Letters: N clips, S test clips of each, I streams, C channels, T frames, L of them that are seen, V joints, M persons.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Generator, Tensor

from dataset.ahead import Rest, one_ahead
from dataset.augment import Augmentation
from dataset.frame_table import FrameTable
from dataset.packing import COUNT, FIRST, LOOP, ROW
from dataset.sampling import Sampler
from dataset.store import Part
from dataset.streams import Ahead
from utils.batch import Batch
from utils.distributed import ALONE, WHOLE, Ranks, Share
from utils.errors import UserError

PersonPadding = Literal["zero", "loop"]


class Clips:
    """The clips of one split, across parts, in the store's order.

    Attributes:
        labels: (N,) int64.
        frames: (N,) int64, frames of every clip, on the CPU.
    """

    def __init__(
        self,
        table: FrameTable,
        parts: Sequence[Part],
        chosen: Sequence[np.ndarray],
        persons: int,
        padding: PersonPadding = "zero",
    ) -> None:
        """Take the clips `chosen` (indices per part), and of each the first `persons` persons; see `pad_persons`."""
        self.table = table
        self._picks = picks = list(zip(parts, chosen, strict=True))
        self.labels = torch.from_numpy(np.concatenate([part.labels[index] for part, index in picks])).to(table.device)
        spans = [
            pad_persons(part.spans[index], persons, padding) + np.array([start, 0, 0, 0])
            for (part, index), start in zip(picks, table.starts, strict=True)
        ]
        place = table.device if table.resident is not None else torch.device("cpu")  # where rows are looked up
        self._spans = torch.from_numpy(np.concatenate(spans)).to(place)  # (N, M, 4)
        self.frames = torch.from_numpy(np.concatenate([part.frames[index] for part, index in picks]))
        self._frames = self.frames.to(place)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def names(self) -> np.ndarray:
        """(N,) names, read when they are first asked for: scores need them, an epoch does not."""
        return np.concatenate([part.names[index] for part, index in self._picks])

    @property
    def num_persons(self) -> np.ndarray:
        """(N,) how many persons are ever there, also beyond those that are seen."""
        return np.concatenate([(part.spans[index][..., COUNT] > 0).sum(axis=1) for part, index in self._picks])

    def joints(self, index: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the frames `t` (N, L) of clips `index` (N,) as (N, C, L, V, M), and their lengths (N, M).

        A frame that the clip or the person does not have, such as -1, is zeros. In memory: (N, M, L, V, C), like rows.
        """
        place = self._spans.device
        index, t = index.to(place, non_blocking=True), t.to(place, non_blocking=True)[:, None]  # (N, 1, L)
        spans = self._spans[index]
        row, first, count, loop = (spans[..., column, None] for column in (ROW, FIRST, COUNT, LOOP))  # (N, M, 1)
        since = t - first  # (N, M, L)
        inside = (count > 0) & (since >= 0) & ((since < count) | (loop == 1))
        inside &= (t >= 0) & (t < self._frames[index][:, None, None])
        rows = torch.where(inside, row + since % count.clamp(min=1), 0)  # row 0 is zeros
        lengths = torch.where(inside, torch.arange(1, t.shape[-1] + 1, device=place), 0).amax(dim=-1)  # (N, M)
        return self.table.take(rows).permute(0, 4, 2, 3, 1), lengths


def pad_persons(spans: np.ndarray, persons: int, padding: PersonPadding) -> np.ndarray:
    """Return the spans (N, `persons`, 4) of clips whose sources hold (N, M, 4), M at least `persons`.

    An absent person is zeros; with "loop", in clips where only the first person ever is there, that person again.
    Variants act before it, augmentations and streams after it.

    Source: mmaction2 1.x, FormatGCNInput, which counts a source's slots, whether or not anybody ever is there. PYSKL's
    mode "loop" counts persons when they are padded already, and so is "zero".
    """
    padded = spans[:, :persons].copy()
    if padding == "loop":
        there = spans[..., COUNT] > 0  # (N, M)
        alone = there[:, 0] & ~there[:, 1:].any(axis=1)
        padded[alone] = spans[alone, :1]
    return padded


@dataclass(frozen=True)
class Order:
    """The order of an epoch: every clip `repeat` times, shuffled; or as many drawn by `weights`, with replacement."""

    count: int
    repeat: int = 1
    weights: Tensor | None = None  # (N,) float64

    def __len__(self) -> int:
        return self.count * self.repeat

    def draw(self, generator: Generator) -> Tensor:
        """Return places of clips (N * repeat,)."""
        if self.weights is not None:
            return torch.multinomial(self.weights, len(self), replacement=True, generator=generator)
        return torch.randperm(len(self), generator=generator) % self.count


def balanced_weights(labels: Tensor) -> Tensor:
    """Return (N,) float64 weights with which every class that is present is drawn equally often."""
    counts = torch.bincount(labels.cpu())
    return 1.0 / counts[labels.cpu()].double()


@dataclass(frozen=True)
class Pipeline:
    """What happens to clips on their way into a batch.

    Attributes:
        sampler: which frames are seen; L of them.
        streams: joints (N, C, L, V, M), and the clip's next frames if `looks_ahead` -> (N, I, C', L, V, M).
        looks_ahead: whether streams are differences between neighbouring frames of the whole clip.
        clips: S, test clips of each clip.
        augment: applied to the joints, in order; for training only.
        normalise: applied to the joints and to the next frames, after augmentation.
    """

    sampler: Sampler
    streams: Callable[[Tensor, Ahead | None], Tensor]
    looks_ahead: bool = False
    clips: int = 1
    augment: Sequence[Augmentation] = ()
    normalise: Callable[[Sequence[Tensor]], list[Tensor]] = list

    def run(
        self, clips: Clips, index: Tensor, t: Tensor, generator: Generator | None = None, share: Share = WHOLE
    ) -> Batch:
        """Return clips `index` (N,) at frames `t` (N, S, L) as a batch, augmented where a generator is given.

        Of them, only the `share` that this process computes; what is drawn is drawn for all.
        """
        count, index, t = len(index), index[share], t[share]
        each, t = index.repeat_interleave(t.shape[1]), t.flatten(0, 1)  # (NS,), (NS, L)
        now, lengths = clips.joints(each, t)
        later = _next_frames(t, clips.frames[each]) if self.looks_ahead else None
        halves = [now]
        if later is not None:
            following, reach = clips.joints(each, later)
            halves.append(following)
            lengths = torch.maximum(lengths, reach)  # a motion begins before who moves is there
        if generator is not None:
            halves = self._augmented(halves, generator, count, share)
        halves = self.normalise(halves)
        ahead = None if later is None else Ahead(halves[1], (later >= 0).to(now.device))
        labels = clips.labels[index.to(now.device, non_blocking=True)]
        return Batch(self.streams(halves[0], ahead), labels, index, lengths)

    def _augmented(self, halves: list[Tensor], generator: Generator, count: int, share: Share) -> list[Tensor]:
        """Augment frames and the frames behind them alike: a motion is a difference of the two."""
        halves = [joints.contiguous() for joints in halves]
        shape = torch.Size((count, *halves[0].shape[1:]))
        for augmentation in self.augment:
            drawn = augmentation.draw(shape, generator)[share].to(halves[0].device)
            halves = [augmentation.apply(joints, drawn) for joints in halves]
        return halves


def _next_frames(t: Tensor, frames: Tensor) -> Tensor:
    """Return the frame behind each of `t` (N, L) in clips of `frames` (N,) frames; -1 (zeros) where there is none."""
    return torch.where((t >= 0) & (t + 1 < frames[:, None]), t + 1, -1)


class Loader:
    """Batches of a split in its order, every clip once; of several processes, each has its own batches."""

    def __init__(self, clips: Clips, pipeline: Pipeline, batch_size: int, ranks: Ranks = ALONE) -> None:
        self.clips, self.pipeline, self.batch_size, self.ranks = clips, pipeline, batch_size, ranks

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-len(self.clips) // (self.batch_size * self.ranks.size))

    @property
    def names(self) -> np.ndarray:
        """(N,) names that `Batch.index` points to."""
        return self.clips.names

    def __iter__(self) -> Iterator[Batch]:
        return (batch for batch, _ in self._ahead(self._made()))

    def _made(self) -> Iterator[tuple[Batch, None]]:
        for index in self.ranks.deal(torch.arange(len(self.clips)).split(self.batch_size)):
            t = self.pipeline.sampler.test(self.clips.frames[index], self.pipeline.clips)
            yield self.pipeline.run(self.clips, index, t), None

    def _ahead(self, made: Iterator[tuple[Batch, Rest]]) -> Iterator[tuple[Batch, Rest]]:
        table = self.clips.table
        return one_ahead(made, table.device) if table.travels else made


class TrainLoader(Loader):
    """Batches of a split, shuffled and augmented; the last incomplete one is dropped.

    Of several processes, each has its `share` of every batch: in order and draws they are as one.
    `state` and `restore` leave an epoch and take it up again at any batch, with the same numbers.
    """

    def __init__(
        self, clips: Clips, pipeline: Pipeline, batch_size: int, seed: int, order: Order, *, share: Share = WHOLE
    ) -> None:
        super().__init__(clips, pipeline, batch_size)
        self.share = share
        if len(order) < batch_size:
            raise UserError(
                f"train.batch_size: {batch_size} clips a batch, but the train split has {len(order)}; "
                f"--set train.batch_size={max(1, len(order) // 2)}"
            )
        self.order = order
        self._order, self._augment = Generator().manual_seed(seed), Generator().manual_seed(seed + 1)
        self._begin(_Place(self._order.get_state(), self._augment.get_state()))

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.order) // self.batch_size

    def start_epoch(self) -> None:
        """Begin a new order."""
        self._begin(_Place(self._order.get_state(), self._place.augment))

    def _begin(self, place: "_Place") -> None:
        """Stand at `place`, in the epoch that is drawn from its order."""
        self._place = place
        self._order.set_state(place.order)
        self._clips_in_order = self.order.draw(self._order)

    def __iter__(self) -> Iterator[Batch]:
        """Yield what is left of the epoch."""
        for batch, place in self._ahead(self._rest(self._place)):
            self._place = place  # not before the batch is taken
            yield batch

    def _rest(self, place: "_Place") -> Iterator[tuple[Batch, "_Place"]]:
        """Make the batches from `place` on, each with the place behind it: some are made before they are taken."""
        self._augment.set_state(place.augment)
        for at in range(place.at, len(self)):
            index = self._clips_in_order[at * self.batch_size :][: self.batch_size]
            t = self.pipeline.sampler.draw(self.clips.frames[index], self._augment)
            batch = self.pipeline.run(self.clips, index, t, self._augment, self.share)
            yield batch, _Place(place.order, self._augment.get_state(), at + 1)

    def state(self) -> dict[str, Any]:
        """Return where the epoch stands: tensors and plain numbers."""
        return asdict(self._place)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._begin(_Place(state["order"], state["augment"], int(state["at"])))


@dataclass(frozen=True)
class _Place:
    """Where an epoch stands: states of the generators of its order (at its start) and of augmentations (now)."""

    order: Tensor
    augment: Tensor
    at: int = 0  # batches that were taken
