"""One interface for whatever classifies clips: a checkpoint, by the very code of evaluation, or an exported program.

Letters: N clips, M persons, T frames, V joints, C channels, K classes, R rows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from config import Config
from dataset.layouts import Layout, load_layout
from dataset.packing import Packed
from dataset.splits import benchmark_names, load_benchmark
from initializer.clips import bare_data, batches_of
from initializer.history import newest_best, refuse_missing
from initializer.machine import Machine, pick_device, set_determinism
from initializer.network import build_model, evaluator
from initializer.weights import import_weights, stated_classes
from predictor.experiment import stated_config
from predictor.program import open_program_classifier
from processor import over_test_clips
from utils.deployed import is_program
from utils.errors import UserError

CONTRACT = ".json"
MOST_THREADS = 1024  # with far more of them, torch ends the process


class Classifier(Protocol):
    """What scores stored clips: packed, after the variant of its experiment, in the joints of its layout.

    Attributes:
        config: the experiment.
        classes: (K,) names, in label order.
        layout: the skeleton of the clips.
        longest: the most frames that a clip may have; None: any number.
    """

    @property
    def config(self) -> Config: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def layout(self) -> Layout: ...
    @property
    def longest(self) -> int | None: ...
    def logits(self, clips: Sequence[Packed]) -> np.ndarray:
        """Return (N, K) float32, such that the softmax gives the probabilities; of at least one clip."""


class CheckpointClassifier:
    """A network with its weights, asked as evaluation asks it: the same batches, scorer and mean over test clips."""

    longest: int | None = None

    def __init__(
        self, config: Config, model: nn.Module, classes: Sequence[str], device: torch.device, *, plain: bool = False
    ) -> None:
        """Take a network of `config` with its weights; with `plain` it is evaluated as it is, and not the fast way."""
        self.config, self.classes, self.layout = config, tuple(classes), load_layout(config.data.layout)
        self._data = bare_data(self.layout, self.classes, device)
        self._scorer = evaluator(device, plain=plain)(model.to(device).eval())

    @torch.inference_mode()
    def logits(self, clips: Sequence[Packed]) -> np.ndarray:
        """Return (N, K) float32; see `Classifier`."""
        batches, average = batches_of(self.config, self._data, clips), self.config.test.average
        found = [over_test_clips(self._scorer(batch), len(batch), average) for batch in batches]
        return torch.cat(found).cpu().numpy()


def open_classifier(
    config: Config | None, weights: Path | None, machine: Machine, *, threads: int | None = None
) -> Classifier:
    """Return what classifies: a checkpoint of any form, or a program that `-ex` wrote, with its json beside it.

    Args:
        config: the experiment; None: as the checkpoint (of ours) or the program's json states it.
        weights: the file; None: the best checkpoint of the experiment's newest run.
        machine: device, and whether the network is evaluated plainly.
        threads: of the CPU; None: as torch or onnxruntime chooses.

    Raises:
        UserError: if the file is missing or does not fit, or where nothing says what the experiment or its classes are.
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UserError(f"--cpu_threads {threads}: give 1 to {MOST_THREADS}")
    if config is None and weights is None:
        raise UserError("-i: give what classifies: -pp CHECKPOINT, or -c NUMBER for the best of its newest run")
    if threads is not None:
        torch.set_num_threads(threads)
    weights = _found(config, weights, machine)
    if is_program(weights):
        return open_program_classifier(config, weights, machine, threads)
    return _open_checkpoint(config or stated_config(weights), weights, machine)


def _found(config: Config | None, weights: Path | None, machine: Machine) -> Path:
    """Return the file that classifies, which is there; one of `config` and `weights` is given."""
    if weights is None:
        assert config is not None
        return newest_best(config, machine)
    if weights.suffix == ".json":
        raise UserError(f"-pp {weights}: describes programs; give {weights.stem}.onnx or {weights.stem}.pt2 beside it")
    if config is not None:
        refuse_missing(weights, config, machine)
    elif not weights.is_file():
        what = "is a folder; give a checkpoint in it" if weights.is_dir() else "no such file"
        raise UserError(f"-pp {weights}: {what}")
    return weights


def _open_checkpoint(config: Config, weights: Path, machine: Machine) -> CheckpointClassifier:
    set_determinism(machine)
    classes = _classes(config, weights)
    model = build_model(config, len(classes))
    import_weights(model, weights, config, classes=classes)
    return CheckpointClassifier(config, model, classes, pick_device(machine.device), plain=machine.plain)


def _classes(config: Config, weights: Path) -> tuple[str, ...]:
    """Return the classes of the benchmark; data of one's own have none here, but their checkpoint has."""
    name = config.data.benchmark
    return load_benchmark(name).classes if name in benchmark_names() else stated_classes(weights)
