"""What is exported: a network with its weights, and all that describes it."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from config import Config
from dataset.layouts import load_layout
from dataset.memory import dense
from dataset.splits import benchmark_names, benchmark_of, load_benchmark
from dataset.variants import VARIANTS
from exporter.clips import Trial, generate, holds_parts, open_parts
from exporter.formats import versions
from exporter.gate import evaluate
from exporter.graph import Deployed, longest_clip
from initializer.clips import bare_data
from initializer.data import Data, data_shape, make_pipeline
from initializer.machine import Machine
from initializer.network import build_model
from initializer.weights import Loaded, import_weights
from utils.checkpoint_import import read_checkpoint
from utils.contract import Checkpoint, Contract, Parity, Port, Quantized, Skeleton, StoredVariant, Thresholds
from utils.errors import UserError
from utils.files import checksum

INPUTS = (
    Port(name="joints", dtype="float32", shape=("N", "M", "T", "V", "C")),
    Port(name="frames", dtype="int64", shape=("N",)),
)
OUTPUTS = (Port(name="logits", dtype="float32", shape=("N", "K")),)


@dataclass(frozen=True)
class Subject:
    """What is exported, with all that describes it."""

    config: Config
    weights: Path
    network: nn.Module
    loaded: Loaded
    data: Data  # without clips
    say: Callable[[str], object]

    @classmethod
    def load(cls, config: Config, machine: Machine, weights: Path, say: Callable[[str], object]) -> "Subject":
        classes = _classes(config, machine, weights)
        network = build_model(config, len(classes))
        loaded = import_weights(network, weights, config, classes=classes)
        data = bare_data(load_layout(config.data.layout), classes, torch.device("cpu"))
        return cls(config, weights, network.eval(), loaded, data, say)

    @property
    def longest(self) -> int:
        """The most frames of a clip."""
        return longest_clip(self.config.frames(trains=False))

    def introduce(self, out: Path, name: str) -> None:
        """Say what is exported, in the lines of an evaluation's log."""
        self.say(f"Saving folder path: {out}")
        self.say("Starting preparing ...")
        self.say(f"Saving model name: {name}")
        self.say(f"Dataset: {self.config.data.label}")
        shape = data_shape(self.config, self.data, trains=False)
        self.say(f"Data shape (branch, channel, frame, joint, person): {shape}")
        self.say(f"Number of action classes: {len(self.data.benchmark.classes)}")
        self.say(f"Model: {self.config.model.title} {self.config.model.arguments()}")
        self.say(f"Pretrained model: {self.weights} (form {self.loaded.imported.form})")
        self.say(f"  loaded: {self.loaded.count} tensors")
        self.say("Successful!")

    def program(self) -> Deployed:
        """Return the program in torch."""
        pipeline = make_pipeline(self.config, self.data, trains=False, clips=self.config.test.clips)
        return Deployed(self.config, self.data.layout, pipeline, self.network).eval()

    def example(self) -> tuple[Tensor, Tensor]:
        """Return joints and frames to trace with: of more clips than one, and more persons than are seen."""
        joints, frames = dense(generate(self.config, self.data.layout, self.longest, count=3).clips)
        joints = np.pad(joints, ((0, 0), (0, 1), (0, 0), (0, 0), (0, 0)))
        return torch.from_numpy(joints), torch.from_numpy(frames)

    def evaluate(self, trial: Trial) -> np.ndarray:
        """Return the logits (N, K) that evaluation gives; raises `UserError` where they are not finite."""
        logits = evaluate(self.config, self.data, self.network, trial.clips)
        bad = [name for name, row in zip(trial.names, logits, strict=True) if not np.isfinite(row).all()]
        if bad:
            raise UserError(f"{self.weights}: the network's output is not finite for {bad[0]}; the file is damaged")
        return logits

    def _trained(self) -> Config:
        """Return the experiment with what a checkpoint of ours states of its own training, such as `train.epochs`.

        All else is as it is exported: what a program holds is the same in both, or the weights would be refused. Where
        this version does not know what another one's checkpoint states, nothing is taken: no -i would open the program.
        """
        if self.loaded.imported.form != "gesta":
            return self.config
        stated, own = self.loaded.imported.raw["config"], json.loads(self.config.model_dump_json())
        own["train"], own["input"]["augment"] = stated.get("train"), stated["input"].get("augment")
        with suppress(ValidationError):
            return Config.model_validate_json(json.dumps(own))
        return self.config

    def contract(self, name: str, files: Sequence[Path], parity: Parity, quantized: Quantized = "none") -> Contract:
        """Return what the json beside `files` says."""
        config, layout, variant = self.config, self.data.layout, self.config.data.variant
        facts = {key: value for key, value in asdict(layout).items() if key != "file"}
        return Contract(
            name=name,
            title=config.title,
            config=json.loads(self._trained().model_dump_json()),
            classes=self.data.benchmark.classes,
            layout=Skeleton(**facts),
            channels=config.data.channel_names,
            persons=config.input.persons,
            variant=StoredVariant(name=variant, options=dict(VARIANTS[variant].options)),
            max_frames=self.longest,
            test_clips=config.test.clips,
            average=config.test.average,
            inputs=INPUTS,
            outputs=OUTPUTS,
            before=_before(config),
            checkpoint=Checkpoint(file=self.weights.name, sha256=checksum(self.weights)),
            files={file.name: checksum(file) for file in files},
            thresholds=Thresholds(),
            parity=parity,
            versions=versions(),
            quantized=quantized,
        )


def _classes(config: Config, machine: Machine, weights: Path) -> tuple[str, ...]:
    """Return the classes: of a checkpoint of ours, else of the benchmark, else of the parts in the store."""
    imported = read_checkpoint(weights)
    if imported.form == "gesta":
        return tuple(imported.raw["classes"])
    if config.data.benchmark in benchmark_names():
        return load_benchmark(config.data.benchmark).classes
    if holds_parts(config, machine):
        return benchmark_of(config.data.benchmark, open_parts(config, machine)).classes
    raise UserError(
        f"{weights}: names no classes, and {machine.store} does not hold the data; give --store DIR, or make the "
        f"part: {machine.command} -gd"
    )


def _before(config: Config) -> tuple[str, ...]:
    """Return what happens to a clip before it goes in, in words."""
    channels, variant = ", ".join(config.data.channel_names), config.data.variant
    options = {key: value for key, value in config.data.reader_options().items() if value is not None}
    read = f"read as form {config.data.form} of Gesta" + (f", with {json.dumps(options)}" if options else "")
    change = "coordinates as read" if variant == "original" else f"then dataset/variants.py's {variant}, clip by clip"
    return (
        f"{read}: persons in the reader's order, joints in the order of layout.joints, each {channels}",
        change,
        "zeros behind a clip's end, and for a person who is absent",
        "nothing else: frames are picked, coordinates normalised, streams made and test clips averaged inside",
    )
