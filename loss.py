"""Losses: logits (N, K) and labels (N,) int64 -> one loss per clip (N,), so that means are exact."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy (N,) of the softmax of `logits` (N, K) with `labels` (N,), in nats."""
    return functional.cross_entropy(logits, labels, reduction="none")


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross_entropy": cross_entropy}
