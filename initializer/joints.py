"""Weights from another skeleton: what depends on joints is matched by their names.

Letters: V joints, C channels, M persons.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dataset.layouts import Layout

DATA_BN = "data_bn"  # in the keys of what normalises the input, joint by joint


@dataclass(frozen=True)
class Matched:
    """Weights fitted to another layout.

    Attributes:
        state: every tensor of the file, fitted where it depends on joints.
        joints: names of the joints that both layouts have.
        missing: names of the joints that the file's layout lacks: they keep the network's own initial values.
    """

    state: dict[str, Tensor]
    joints: tuple[str, ...]
    missing: tuple[str, ...]


def match_joints(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], theirs: Layout, ours: Layout, channels: int
) -> Matched:
    """Fit tensors that hold values per joint (M V C,) with `channels` C, or per pair of joints (..., V, V).

    Of persons, the first ones are matched that both networks have.
    """
    shared = tuple(name for name in ours.joints if name in theirs.joints)
    source = torch.tensor([theirs.joints.index(name) for name in shared], dtype=torch.int64)
    target = torch.tensor([ours.joints.index(name) for name in shared], dtype=torch.int64)
    fitted = dict(state)
    for key in [key for key in state if key in expected]:
        value, own = state[key], expected[key].clone()
        if value.shape == (*own.shape[:-2], theirs.num_joints, theirs.num_joints):  # even where V is the same
            own[..., target[:, None], target] = value[..., source[:, None], source]
            fitted[key] = own
        elif DATA_BN in key and value.ndim == 1 and not len(value) % (theirs.num_joints * channels):
            there = value.view(-1, theirs.num_joints, channels)
            here = own.view(-1, ours.num_joints, channels)
            persons = min(len(here), len(there))
            here[:persons, target] = there[:persons, source]
            fitted[key] = own
    return Matched(fitted, shared, tuple(name for name in ours.joints if name not in shared))
