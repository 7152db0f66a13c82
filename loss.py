"""Losses: logits (N, K) and labels (N,) int64 -> one loss per clip (N,), so that means are exact."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy (N,) of the softmax of `logits` (N, K) with `labels` (N,), in nats.

    `smoothing` is the share of every label that is spread over all K classes.
    """
    return functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)


LOSSES: dict[str, Callable[..., Tensor]] = {"cross_entropy": cross_entropy}
