"""Clips that the tests of augmentations share."""

import numpy as np
import torch
from torch import Generator


def joints(count=4):
    """Return random clips (N, 3, 5, 25, 2)."""
    return torch.randn(count, 3, 5, 25, 2, generator=Generator().manual_seed(0))


def golden(shared, key):
    """Return the raw joints and the augmented ones, (1, C, T, V, M) float64."""
    both = np.load(shared / "goldens/stgcn/pipelines_pyskl.npz")
    raw, expected = (
        torch.from_numpy(both[f"aug/{each}"]).double().permute(3, 1, 2, 0)[None] for each in ("raw3d", key)
    )
    return raw, expected


def seeded():
    """Return the generator that PYSKL drew from."""
    return np.random.RandomState(0)
