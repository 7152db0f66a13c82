"""What loaders hand to the loops."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Clips on the device.

    Attributes:
        streams: (N S, I, C, T, V, M) float32; S test clips of each clip, one after the other (to train: one).
        labels: (N,) int64.
        index: (N,) int64 on the CPU, places in the split's list of names.
        lengths: (N S, M) int64, frames behind which a person is padding; 0 if it is absent.
    """

    streams: Tensor
    labels: Tensor
    index: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def pieces(self, count: int) -> list["Batch"]:
        """Cut into at most `count` batches of nearly equal size, in order."""
        parts = (each.chunk(count) for each in (self.streams, self.labels, self.index, self.lengths))
        return [Batch(streams, labels, index, lengths) for streams, labels, index, lengths in zip(*parts, strict=True)]
