"""The rows that a CUDA device adds to training and evaluation: whole steps, batches and figures included.

How near they come to what the device's memory allows is their note. Source of the amounts: our own count of what the
layers must read and write where each does so once; of the rates: 15 % of that limit in bfloat16.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks import networks
from benchmarks.clips import ntu_like, padded
from benchmarks.harness import Contest, Limits, Row
from benchmarks.loading import loader_of
from benchmarks.reference.loading import Feeder, collate
from benchmarks.reference.network import as_original, score_clips
from config import load
from dataset.loader import TrainLoader
from initializer.network import build_optimizer, build_recipe, compiled, evaluator
from loss import cross_entropy
from processor import train_step
from utils.batch import Batch
from utils.metrics import score
from utils.run import Learner

BATCH, CLIPS = 16, 640
NUMBERS = {"B0": (67e6, 126e6), "B2": (119e6, 224e6), "B4": (241e6, 453e6)}  # of a clip: forward, backward
RATES = {"B0": (1660, 4800), "B2": (940, 2700), "B4": (465, 1340)}  # clips/s that must be: training, evaluation
COPIED = 1 << 30  # bytes, to measure the bandwidth

Timed = Callable[[], dict[str, np.ndarray]]


@dataclass(frozen=True)
class GpuContest(Contest):
    """A contest on a GPU; its row says which part of the memory's bandwidth the project would need at least."""

    traffic: float = 0.0  # bytes that a unit of work must read and write

    def run(self) -> Row:
        """Let the two sides take turns, and measure the device."""
        row, limit = super().run(), bandwidth()
        used = row.project * self.traffic / limit
        return replace(row, note=f"{torch.cuda.get_device_name()}: {used:.0%} of {limit / 1e12:.2g} TB/s")


def bandwidth() -> float:
    """Return the bytes per second that the device reads and writes when it copies."""
    source = torch.empty(COPIED, dtype=torch.uint8, device="cuda")
    target, (start, end) = torch.empty_like(source), (torch.cuda.Event(enable_timing=True) for _ in range(2))
    target.copy_(source)
    start.record()
    for _ in range(10):
        target.copy_(source)
    end.record()
    torch.cuda.synchronize()
    return 2 * 10 * COPIED / (start.elapsed_time(end) / 1e3)


def trainings() -> list[Contest]:
    """Return the contests of training; none without a CUDA device."""
    return [_contest("training", each) for each in NUMBERS] if torch.cuda.is_available() else []


def evaluations() -> list[Contest]:
    """Return the contests of evaluation; none without a CUDA device."""
    return [_contest("evaluation", each) for each in NUMBERS] if torch.cuda.is_available() else []


def _contest(what: str, network: str) -> GpuContest:
    trains = what == "training"
    numbers = sum(NUMBERS[network]) if trains else NUMBERS[network][0]
    return GpuContest(
        stage=f"{what}, {network}, GPU",
        reference=f"benchmarks.gpu:prepare_{what}_as_original",
        project=f"benchmarks.gpu:prepare_{what}",
        work=CLIPS,
        unit="clips/s",
        arguments={"network": network},
        limits=Limits(rate=RATES[network][0 if trains else 1]),
        traffic=numbers * (2 if trains else 4),  # bfloat16, float32
    )


def prepare_training(network: str, clips: int = CLIPS, batch: int = BATCH, device: str = "cuda") -> Timed:
    """Return an epoch as `--precision bf16 --compile` trains it, on clips that lie on the device."""
    settings, where = ["train.precision=bfloat16", f"train.batch_size={batch}"], torch.device(device)
    config = load(networks.EXPERIMENTS[network], settings)
    model = networks.build(network).to(where).train()
    loader = loader_of(ntu_like(clips), config, where, "train")
    assert isinstance(loader, TrainLoader)
    learner = Learner(
        model=model,
        network=compiled(model) if where.type == "cuda" else model,
        train_loss=cross_entropy,
        recipe=build_recipe(config, len(loader)),
        optimizer=build_optimizer(config.train.optimizer, model),
    )

    def train() -> dict[str, np.ndarray]:
        losses = torch.cat([train_step(learner, batch)[0] for batch in loader])
        loader.start_epoch()
        return {"losses": losses.cpu().numpy()}  # waits for the device

    return train


def prepare_evaluation(network: str, clips: int = CLIPS, device: str = "cuda") -> Timed:
    """Return an evaluation in float32 of clips that lie on the device."""
    config, where = load(networks.EXPERIMENTS[network]), torch.device(device)
    model = networks.build(network).to(where).eval()
    loader, ready = loader_of(ntu_like(clips), config, where, "eval"), evaluator(where, plain=False)

    @torch.inference_mode()
    def evaluate() -> dict[str, np.ndarray]:
        scorer = ready(model)
        found = [(scorer(batch), batch.labels) for batch in loader]
        logits, labels = (torch.cat(column) for column in zip(*found, strict=True))
        score(logits, labels, cross_entropy(logits, labels))
        return {"logits": logits.cpu().numpy()}

    return evaluate


def prepare_training_as_original(network: str, clips: int = CLIPS, batch: int = BATCH, device: str = "cuda") -> Timed:
    """Return an epoch in float32, layer by layer, of batches that worker processes have made and the loop fetches."""
    model = as_original(networks.build(network)).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    batches = _host_batches(clips, batch)

    def train() -> dict[str, np.ndarray]:
        losses = []
        for batch in batches:
            optimizer.zero_grad()
            logits = model(batch.streams.to(device))
            labels = batch.labels.to(device)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            logits.max(1)[1].eq(labels).sum().item()
        return {"losses": np.array(losses)}

    return train


def prepare_evaluation_as_original(network: str, clips: int = CLIPS, device: str = "cuda") -> Timed:
    """Return an evaluation that counts clip by clip, of batches that worker processes have made."""
    model, batches = as_original(networks.build(network)).to(device).eval(), _host_batches(clips, BATCH)

    @torch.no_grad()
    def evaluate() -> dict[str, np.ndarray]:
        found = []
        for batch in batches:
            there = Batch(batch.streams.to(device), batch.labels.to(device), batch.index, batch.lengths)
            found.append(score_clips(model(there.streams), there).cpu())
        return {"logits": torch.cat(found).numpy()}

    return evaluate


def _host_batches(clips: int, batch: int) -> list[Batch]:
    """Return batches of `clips` clips in the host's memory, labelled as the project's are."""
    joints = ntu_like(clips)
    feeder, none = Feeder(padded(joints), load("2001").input.frames), torch.zeros(0)
    places = torch.arange(clips).split(batch)
    labels = torch.zeros(clips, dtype=torch.int64)
    return [Batch(collate([feeder[n] for n in at.tolist()]), labels[at], at, none) for at in places]
