"""Counts and figures of an evaluation. N clips, K classes."""

from dataclasses import dataclass

import torch
from torch import Tensor

TOP = 5


@dataclass(frozen=True)
class Scores:
    """What one evaluation found; figures are derived from the counts.

    Attributes:
        confusion: (K, K) int64 clips, row = true class, column = predicted class.
        top5: clips whose true class is among the five highest logits.
        mean_loss: over clips with a label, as all figures.
        unlabelled: clips whose label is not known.
    """

    confusion: Tensor
    top5: int
    mean_loss: float
    unlabelled: int = 0

    @property
    def count(self) -> int:
        """Clips with a label; without any there are no fractions."""
        return int(self.confusion.sum())

    @property
    def present(self) -> int:
        """Classes that have clips."""
        return int((self.confusion.sum(dim=1) > 0).sum())

    @property
    def top1(self) -> int:
        """Clips whose true class has the highest logit."""
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        """Top-1, a fraction."""
        return self.top1 / self.count

    @property
    def mean_class(self) -> float:
        """Top-1 averaged over the classes that are present."""
        present = self.confusion.sum(dim=1)
        recall = self.confusion.diagonal()[present > 0].double() / present[present > 0]
        return float(recall.mean())

    @property
    def mean_class_of_pyskl(self) -> float:
        """The same as PYSKL and mmaction2 print it: a class that is predicted but never present counts as 0."""
        seen = int(((self.confusion.sum(dim=1) > 0) | (self.confusion.sum(dim=0) > 0)).sum())
        return self.mean_class * self.present / seen

    def figures(self) -> dict[str, float]:
        """Return everything a log line holds, for machines; no fractions where no clip has a label."""
        unlabelled = {"unlabelled": self.unlabelled} if self.unlabelled else {}
        if not self.count:
            return {"clips": 0, **unlabelled}
        return {
            "top1": self.accuracy,
            "top5": self.top5 / self.count,
            "mean_class": self.mean_class,
            "loss": self.mean_loss,
            "top1_clips": self.top1,
            "top5_clips": self.top5,
            "clips": self.count,
            **unlabelled,
        }


def rank_of_truth(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many classes stand before the true one: (N, K), (N,) -> (N,) int64; of equals, the lower class."""
    truth = logits.gather(1, labels[:, None])
    earlier = torch.arange(logits.shape[1], device=logits.device) < labels[:, None]
    return ((logits > truth) | ((logits == truth) & earlier)).sum(dim=1)


def score(logits: Tensor, labels: Tensor, losses: Tensor) -> Scores:
    """Score logits (N, K) against labels (N,), with the loss of every clip (N,); label -1 is not known."""
    total, num_classes = logits.shape
    known = labels >= 0
    logits, labels, losses = logits[known], labels[known], losses[known]
    classes = torch.arange(num_classes, device=logits.device)
    highest = logits == logits.amax(dim=1, keepdim=True)
    predicted = torch.where(highest, classes, num_classes).amin(dim=1)  # of equals, the lower class
    cells = torch.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    confusion = cells.view(num_classes, num_classes)
    top5 = int((rank_of_truth(logits, labels) < TOP).sum())
    return Scores(confusion.cpu(), top5, float(losses.double().mean()), total - len(labels))
