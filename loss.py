"""Losses: logits (N, K) and labels (N,) int64 -> one loss per clip (N,), so that means are exact."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy (N,) of the softmax of `logits` (N, K) with `labels` (N,), in nats.

    `smoothing` is the share of every label that is spread over all K classes.
    """
    return functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the cross-entropy (N,) times the weight of each clip's class, `weights` (K,).

    Its mean is over clips. torch's weighted mean is divided by the weights of the batch, so that there a clip counts
    more or less by what else is in its batch, and a piece of a batch (`train.accumulate`) more or less than another.
    """
    return cross_entropy(logits, labels) * weights.to(logits)[labels]


def cb_focal(logits: Tensor, labels: Tensor, weights: Tensor, gamma: float = 2.0) -> Tensor:
    """Return the focal loss (N,) of K yes-or-no questions a clip, times the weight of its class, `weights` (K,).

    Each class asks by the sigmoid of its own logit, not by the softmax. With p the probability of the right answer, it
    adds (1 - p)^gamma * -log p; the sum is over all K classes, and all of a clip's have the weight of its label.

    Sources: Lin et al. 2017 (focal loss); Cui et al. 2019, with BABEL's and mmaction2's weights, see
    `class_balanced_weights`. Both compute the factor by exp(-gamma * z) in float32, which overflows where a right
    answer has z below -88, and count such an answer, the most wrong of all, as 0; log-sigmoids never overflow.
    """
    right = labels[:, None] == torch.arange(logits.shape[1], device=labels.device)  # (N, K)
    toward = torch.where(right, logits, -logits)  # how strongly each answer is the right one
    factor = (gamma * functional.logsigmoid(-toward)).exp()
    return (factor * -functional.logsigmoid(toward)).sum(dim=1) * weights.to(logits)[labels]


LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "weighted_cross_entropy": weighted_cross_entropy,
    "cb_focal": cb_focal,
}


def make_loss(name: str, options: Mapping[str, Any], counts: Tensor) -> Loss:
    """Return the loss `name` with its `options` of the configuration, on the device of `counts`.

    `counts` (K,) are the training clips of each class, in the order of the classes. Raises `ValueError` if weights are
    stated for another number of classes.
    """
    given = dict(options)
    if name == "cb_focal":
        given["weights"] = class_balanced_weights(counts, given.pop("beta"))
    if name == "weighted_cross_entropy":
        given["weights"] = _stated_weights(given["weights"], counts)
    return partial(LOSSES[name], **given)


# --- weights of classes. A class without training clips has weight 0: no clip ever asks for it.


def class_balanced_weights(counts: Tensor, beta: float) -> Tensor:
    """Return weights (K,) float64 by the effective number of clips, (1 - beta) / (1 - beta^n), of `counts` (K,) n.

    Scaled to mean 1 over the classes that have training clips. The original's sum K is the same where all have some;
    where one has none, its weight is infinite there, and all others are 0.

    Source: Cui et al. 2019. The lists of counts that mmaction2 published for BABEL are in the order in which classes
    first appear in the training file, not in the order of the classes: there, most classes get another one's weight.
    """
    return _mean_one((1 - beta) / (1 - torch.pow(beta, counts.double())), counts)


def inverse_weights(counts: Tensor) -> Tensor:
    """Return weights (K,) float64 inversely proportional to `counts` (K,), of mean 1 over classes that have clips."""
    return _mean_one(1 / counts.double(), counts)


def _mean_one(weights: Tensor, counts: Tensor) -> Tensor:
    weights = torch.where(counts > 0, weights, 0.0)
    return weights * (counts > 0).sum() / weights.sum()


def _stated_weights(stated: tuple[float, ...] | None, counts: Tensor) -> Tensor:
    if stated is None:
        return inverse_weights(counts)
    if len(stated) != len(counts):
        raise ValueError(f"train.loss.weights: {len(stated)} weights, but {len(counts)} classes")
    return torch.tensor(stated, dtype=torch.float64, device=counts.device)
