"""Checkpoints to export, and one small export that many tests look at."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

import config
import exporter
from dataset.layouts import load_layout
from initializer.machine import Machine
from initializer.network import build_model
from utils import checkpoint

SMALL = ("input.frames=12", "model.stem_channels=8", "model.blocks=[[16,2,1]]", "model.fusion_stage=0")
CLASSES = tuple(f"class {number}" for number in range(7))


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    """A machine without data."""
    folder = tmp_path_factory.mktemp("machine")
    return Machine(store=folder / "store", work_dir=folder / "work", device="cpu")


def untrained(experiment, count):
    """Return a network with random weights and statistics, whose logits are about 1 and differ from clip to clip."""
    torch.manual_seed(1)
    network = build_model(experiment, count)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    with torch.no_grad():
        for key, value in network.named_parameters():
            if key.startswith(network.head) and value.ndim > 1:
                nn.init.normal_(value, std=value[0].numel() ** -0.5)
    return network.eval()


@pytest.fixture(scope="session")
def save_untrained():
    """Saves a checkpoint of ours with such a network; returns it."""

    def save(path, experiment, classes=CLASSES):
        network = untrained(experiment, len(classes))
        about = {"config": json.loads(experiment.model_dump_json()), "classes": list(classes), "data": {}}
        layout = load_layout(experiment.data.layout).facts()
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, {"model": network.state_dict(), "progress": {"epoch": 1}, "layout": layout, **about})
        return path

    return save


@pytest.fixture(scope="session")
def small_experiment():
    return config.load("2001", SMALL)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, machine, save_untrained, small_experiment):
    """The folder of best.pt, a small EfficientGCN, with what -ex makes of it, and what was said meanwhile."""
    weights, said = save_untrained(tmp_path_factory.mktemp("exported") / "best.pt", small_experiment), []
    paths = exporter.export(small_experiment, machine, weights, exporter.Request(say=said.append))
    return weights.parent, paths, said


@pytest.fixture
def copied(tmp_path, exported):
    """A copy of that folder, to do harm to."""
    return Path(shutil.copytree(exported[0], tmp_path / "run"))
