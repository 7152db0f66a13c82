"""A split of clips at random that keeps groups whole and gives every class the same share: numpy only.

Letters: N clips, G groups, K classes.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PASSES = 20  # over all groups; a handful are enough, and each one betters the split


def split_groups(labels: Sequence[int], groups: Sequence[int | str], share: float, seed: int) -> NDArray[np.bool_]:
    """Return (N,) which clips evaluate: about `share` of every class, and of a group all clips or none.

    Greedy: in an order drawn by `seed`, a group changes sides where that betters the split, until none does. Better is
    first of all that classes of several groups are on both sides and the others in training; then that the shares of
    the classes are nearer to `share` (sum of squares). A group's place in the order depends on its name and the seed
    alone, so the result is the same everywhere, and other data move few groups.

    This is the aim of scikit-learn's StratifiedGroupKFold by other means: that one deals k equal folds, and may leave
    a class out of one.
    """
    names, group_of = np.unique(np.array([str(group) for group in groups]), return_inverse=True)
    counts = np.zeros((len(names), max(labels) + 1), np.int64)  # (G, K)
    np.add.at(counts, (group_of, np.asarray(labels)), 1)
    balance = _Balance(counts[:, counts.any(axis=0)], share)
    order = sorted(range(len(names)), key=lambda g: hashlib.sha256(f"{seed} {names[g]}".encode()).digest())
    for _ in range(PASSES):
        if not sum([balance.flip_if_better(group) for group in order]):
            break
    return balance.evaluates[group_of]


class _Balance:
    """Which groups evaluate, and how good that is."""

    def __init__(self, counts: NDArray[np.int64], share: float) -> None:
        self.counts, self.share = counts, share  # (G, K) clips
        self.evaluates = np.zeros(len(counts), bool)
        self._total = counts.sum(axis=0)  # (K,)
        self._groups = (counts > 0).sum(axis=0)  # (K,) groups that have the class
        self._eval, self._eval_groups = np.zeros_like(self._total), np.zeros_like(self._groups)
        self._cost = self._cost_of(self._eval, self._eval_groups)

    def _cost_of(self, clips: NDArray[np.int64], groups: NDArray[np.int64]) -> tuple[int, float]:
        """Return classes on a wrong side or on one only, and how far the shares are off."""
        untrained = groups == self._groups
        unseen = (groups == 0) & (self._groups > 1)
        return int((untrained | unseen).sum()), float(((clips / self._total - self.share) ** 2).sum())

    def flip_if_better(self, group: int) -> bool:
        """Move a group to the other side if that betters the split; return whether."""
        sign = -1 if self.evaluates[group] else 1
        clips = self._eval + sign * self.counts[group]
        groups = self._eval_groups + sign * (self.counts[group] > 0)
        cost = self._cost_of(clips, groups)
        if cost >= self._cost:
            return False
        self.evaluates[group] = not self.evaluates[group]
        self._eval, self._eval_groups, self._cost = clips, groups, cost
        return True
