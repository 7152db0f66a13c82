"""What a run is made of: network, data, recipe, progress, folder and log. `initializer/` fills it in.

Letters: N clips, K classes, C channels.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import swa_utils

from utils import checkpoint
from utils.batch import Batch
from utils.distributed import ALONE, Ranks, pieces_of
from utils.interrupt import StopRequest
from utils.metrics import Scores
from utils.run_folder import SCORES, RunFolder
from utils.timing import Shares

FINAL = "final"  # what best and last are scored on: `eval` with all test clips of a clip, where there are several


class Batches(Protocol):
    """A split as batches, every clip once and in order."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...
    @property
    def names(self) -> np.ndarray: ...


class TrainBatches(Batches, Protocol):
    """A split in shuffled batches, whose place in an epoch can be saved."""

    def start_epoch(self) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


class Network(Protocol):
    """What extraction asks of a network beyond its logits."""

    @property
    def classifier_weight(self) -> Tensor: ...
    def forward_features(self, streams: Tensor) -> Tensor: ...


class Scorer(Protocol):
    """A network made ready to evaluate."""

    def __call__(self, clips: Batch) -> Tensor: ...
    def pool(self, clips: Batch) -> Tensor: ...
    def head(self, pooled: Tensor) -> Tensor: ...


@dataclass
class Progress:
    """How far training is; plain numbers, saved in every checkpoint."""

    epoch: int = 0  # finished
    step: int = 0  # optimizer steps done
    correct: int = 0  # of this epoch, as are the next two
    clips: int = 0
    loss: float = 0.0  # summed over clips
    seconds: float = 0.0  # spent before the latest start
    best: dict[str, float] | None = None  # figures of the best epoch so far
    latest: dict[str, float] | None = None  # figures of the latest evaluation
    trained: bool = False  # the current epoch is trained and logged; its evaluation is to come
    concluded: bool = False  # nothing is left to do

    def count(self, loss: float, correct: int, clips: int) -> None:
        """Add a step to the epoch's figures."""
        self.loss += loss
        self.correct += correct
        self.clips += clips

    def judge(self, figures: dict[str, float]) -> bool:
        """Note what the current epoch's evaluation found; tell whether it is the best epoch so far."""
        self.latest = {**figures, "epoch": self.epoch + 1}
        is_best = self.best is None or figures["top1"] > self.best["top1"]
        if is_best:
            self.best = self.latest
        return is_best

    def finish_epoch(self) -> None:
        """Start the next epoch's figures."""
        self.epoch += 1
        self.correct, self.clips, self.loss, self.trained = 0, 0, 0.0, False


@dataclass
class Recipe:
    """How a run trains."""

    epochs: int
    batch_size: int
    base_lr: float
    schedule: Callable[[int], float]  # step -> factor of the base rate
    evaluates: Callable[[int], bool]  # epoch, from 1
    accumulate: int = 1
    clip_norm: float | None = None
    average: float | None = None  # decay of the moving average of the weights that is evaluated
    precision: torch.dtype = torch.float32  # of matrix products in training
    tf32: bool = False  # a GPU may round their factors to TensorFloat-32

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, from 0."""
        return self.base_lr * self.schedule(step)


@dataclass(kw_only=True)
class Run:
    """One execution, ready to score clips."""

    model: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]  # logits (N, K), labels (N,) -> (N,)
    batches: dict[str, Batches]  # by split
    folder: RunFolder
    log: logging.Logger
    about: dict[str, Any]  # what a checkpoint remembers of it
    stop: StopRequest
    show_progress: bool
    ready: Callable[[nn.Module], Scorer]  # makes a network ready to evaluate, with the weights it has then
    average: str = "probability"  # over the test clips of a clip: of probabilities, or of scores
    ranks: Ranks = ALONE  # the processes that share the work

    @property
    def scored(self) -> nn.Module:
        """The network that is evaluated."""
        return self.model

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def scorer(self) -> Scorer:
        """Return the network that is evaluated, made ready for it; with the same weights in all processes."""
        self.ranks.equalise(self.scored.eval())
        return self.ready(self.scored)

    def gather(self, batches: Iterable[Sequence[Tensor]]) -> list[Tensor]:
        """Return columns (N, ...) of a split, in its order, from those (n, ...) of batches: first the clips' index."""
        return self.ranks.in_order(*(torch.cat(column) for column in zip(*batches, strict=True)))


@dataclass(kw_only=True)
class Learner:
    """A network and how it learns: all that a training step needs."""

    model: nn.Module
    network: nn.Module  # `model` as it is called in training: compiled, spread over devices, or just itself
    train_loss: Callable[[Tensor, Tensor], Tensor]  # logits (N, K), labels (N,) -> (N,)
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        """Start the moving average of the weights, where the recipe has one."""
        decay = self.recipe.average
        rule = swa_utils.get_ema_multi_avg_fn(decay) if decay else None
        self.averaged = swa_utils.AveragedModel(self.model, multi_avg_fn=rule, use_buffers=True) if rule else None

    @property
    def scored(self) -> nn.Module:
        """The network that is evaluated: the average, where there is one."""
        return self.averaged.module if self.averaged else self.model

    def pieces(self, batch: Batch) -> Iterator[Batch]:
        """Yield the pieces that a batch is computed in."""
        return pieces_of(self.network, batch.pieces(self.recipe.accumulate))

    def logits(self, batch: Batch) -> Tensor:
        """Return logits (N, K) float32 to learn from, computed in the recipe's precision."""
        precision = self.recipe.precision
        with torch.autocast(batch.streams.device.type, precision, enabled=precision != torch.float32):
            logits: Tensor = self.network(batch.streams)
        return logits.float()


@dataclass(kw_only=True)
class TrainingRun(Learner, Run):
    """An execution that trains; `batches` holds what it is evaluated on."""

    train_batches: TrainBatches
    events: Any  # a TensorBoard writer
    write: Callable[[Path, dict[str, Any]], None] = checkpoint.save
    started: float = field(default_factory=time.monotonic)
    spent: Shares = field(default_factory=Shares)

    @property
    def chosen_on(self) -> str:
        """The split on which the best epoch is chosen."""
        return "validation" if "validation" in self.batches else "eval"

    @property
    def reported_on(self) -> str:
        """The split on which best and last epoch are scored in the end."""
        return FINAL if FINAL in self.batches else "eval"

    @property
    def seconds(self) -> float:
        """Time spent on this run so far, resumptions included."""
        return self.progress.seconds + time.monotonic() - self.started

    def close(self) -> None:
        """Close the events, and let another process go on with this run."""
        self.events.close()
        self.folder.release()


@dataclass(frozen=True)
class Evaluation:
    """Scores, and what they come from in the split's order: names (N,), labels (N,), logits (N, K)."""

    scores: Scores
    columns: dict[str, np.ndarray]

    def save(self, folder: RunFolder, name: str = SCORES) -> Path:
        """Write the scores into a run folder; return their path."""
        return folder.save_scores(self.columns, self.scores.confusion.numpy(), name)
