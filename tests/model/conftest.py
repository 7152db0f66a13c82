"""How the tests of the networks build one: the options of config 2001 unless said otherwise."""

import pytest
import torch

from dataset.graphs import hop_adjacency
from dataset.layouts import load_layout
from model import EfficientGCN


@pytest.fixture(scope="session")
def ntu():
    return load_layout("ntu")


@pytest.fixture(scope="session")
def build(ntu):
    """Build an EfficientGCN in evaluation mode; keywords replace the options of config 2001."""
    options = {
        "adjacency": torch.from_numpy(hop_adjacency(ntu)).float(),
        "parts": list(ntu.parts.values()),
        "num_streams": 3,
        "in_channels": 6,
        "num_classes": 60,
        "size": "B0",
        "stem_channels": 64,
        "blocks": [(48, 1, 0.5), (24, 1, 0.5), (64, 2, 1), (128, 2, 1)],
        "fusion_stage": 2,
        "activation": "swish",
        "attention": "stja",
        "layer": "SG",
        "drop_prob": 0.0,
        "kernel": (5, 2),
        "scale": (1.2, 1.35),
        "expand_ratio": 0,
        "reduct_ratio": 2,
        "bias": True,
        "learn_edges": True,
        "residual": True,
    }

    def make(**changes):
        assert changes.keys() <= options.keys()
        return EfficientGCN(**options | changes).eval()

    return make
