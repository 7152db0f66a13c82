"""The networks and batches of the benches on evaluation, training and latency; both sides make the same."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from benchmarks.clips import ntu_like
from config import load
from dataset.layouts import load_layout
from dataset.streams import build_streams
from initializer.network import build_model
from utils.batch import Batch

CLASSES = 60
SEED = 3  # its first 16 clips have 88 frames and 1.25 persons on average; NTU RGB+D has 87 and 1.27
EXPERIMENTS = {"B0": "2001", "B2": "2005", "B4": "2009", "EpSep-B0": "2013", "ST-GCN++": "3001"}
FACTORS = ("edge", "PA", "running_mean", "running_var")
LOGITS, GRADIENTS = 1e-5, 1e-4  # what may differ in training: absolute, and relative to the largest gradient
CLASSIFIERS = ("classifier.fc.weight", "cls_head.fc_cls.weight")


def build(network: str) -> nn.Module:
    """Return a network, its weights and statistics away from their first values as after some training."""
    torch.manual_seed(0)
    built = build_model(load(EXPERIMENTS[network]), CLASSES)
    with torch.no_grad():
        for key, tensor in built.state_dict().items():
            if key.endswith(FACTORS):
                tensor.add_(torch.rand_like(tensor), alpha=0.1)
            elif key in CLASSIFIERS:
                tensor.mul_(100)
    return built


def batch(network: str, clips: int, *, looped: bool = False) -> Batch:
    """Return clips like NTU's as a network sees them: all frames and zeros, or a sample of them.

    With `looped` a person repeats to the last frame, as in the original's X-view data.
    """
    config, layout = load(EXPERIMENTS[network]), load_layout("ntu")
    frames, samples = config.frames(trains=False), config.input.sampling.name != "first"
    clip_joints = [torch.from_numpy(joints) for joints in ntu_like(clips, SEED)]  # (M, T, V, C)
    dense = torch.zeros(clips, 2, frames, 25, 3)
    lengths = torch.zeros(clips, 2, dtype=torch.int64)
    for n, joints in enumerate(clip_joints):
        count = joints.shape[1]
        if samples:
            chosen = torch.arange(frames) * count // frames
        else:
            chosen = torch.arange(frames if looped else min(frames, count)) % count
        dense[n, :, : len(chosen)] = joints[:, chosen]
        lengths[n] = joints.flatten(1).any(dim=1) * len(chosen)
    dense, parents = dense.permute(0, 4, 2, 3, 1).contiguous(), torch.tensor(layout.parents)
    streams = build_streams(dense, config.input.stream_names, layout.centre, parents)
    return Batch(streams.contiguous(), torch.arange(clips) % CLASSES, torch.arange(clips), lengths)


def training_step(network: nn.Module, clips: Batch) -> Callable[[], dict[str, np.ndarray]]:
    """Return a step as config 2001 takes it, which returns logits and gradients in units of what they may differ by."""
    trained = [parameter for parameter in network.train().parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)

    def step() -> dict[str, np.ndarray]:
        optimizer.zero_grad(set_to_none=True)
        logits = network(clips.streams)
        nn.functional.cross_entropy(logits, clips.labels).backward()
        gradients = torch.cat([p.grad.flatten() for p in trained if p.grad is not None])
        found = {"logits": logits.detach() / LOGITS, "gradients": gradients / gradients.abs().max() / GRADIENTS}
        optimizer.step()
        return {name: tensor.numpy() for name, tensor in found.items()}

    return step
