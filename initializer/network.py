"""From a configuration to network, optimizer and recipe."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from config import Adam, Config, Sgd, Train
from dataset.graphs import GRAPH_MODES
from dataset.layouts import load_layout, require
from dataset.streams import stream_channels
from model import MODELS
from model.compact import Plain, compact
from scheduler import SCHEDULES, Plan, is_evaluation_epoch
from utils.errors import UserError
from utils.run import Recipe, Scorer

FRAMES_AT_ONCE = {"cpu": 192, "cuda": 4096}  # see `compact`; with few a GPU is idle


def build_model(config: Config, num_classes: int) -> nn.Module:
    """Return the network of an experiment, freshly initialised."""
    layout = load_layout(config.data.layout)
    if getattr(config.model, "attention", None) == "pa":
        require(layout, "parts", "attention pa")
    adjacency = torch.from_numpy(GRAPH_MODES[config.model.graph](layout)).float()
    return MODELS[config.model.name](
        adjacency=adjacency,
        parts=None if layout.parts is None else list(layout.parts.values()),
        num_streams=len(config.input.stream_names),
        in_channels=stream_channels(config.input.stream_names, len(config.data.channel_names)),
        num_persons=config.input.persons,
        num_classes=num_classes,
        **config.model.arguments(),
    )


def compiled(model: nn.Module, accumulate: int = 1) -> nn.Module:
    """Return `model` as torch.compile makes it, for batches of one shape; on a GPU as a CUDA graph, too.

    Not as a graph for batches in pieces: gradients that stay from one piece to the next would be in memory that the
    graph writes again.
    """
    as_graph = next(model.parameters()).is_cuda and accumulate == 1
    return cast(nn.Module, torch.compile(model, dynamic=False, mode="reduce-overhead" if as_graph else None))


def refuse_no_compiler(device: torch.device) -> None:
    """Raise `UserError` if torch.compile does not work on `device`; what tells is to try."""
    from torch._dynamo.exc import BackendCompilerFailed  # takes a second

    try:
        torch.compile(torch.square, dynamic=False)(torch.zeros(2, device=device))
    except BackendCompilerFailed as error:
        why = str(error.inner_exception).partition("\n")[0]
        raise UserError(f"--compile: no C++ compiler that works here ({why}); leave it out") from error


def build_optimizer(section: Sgd | Adam, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer over all trainable parameters (BatchNorm and edges decay too, as in the original)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    options = {key: value for key, value in section if key != "name"}
    if parameters[0].is_cuda:
        options["fused"] = True  # one kernel for all parameters
    kinds: dict[str, Any] = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}
    return kinds[section.name](parameters, **options)


def build_recipe(config: Config, steps_per_epoch: int) -> Recipe:
    """Return how a run trains."""
    section, train = config.train.schedule, config.train
    milestones = getattr(section, "milestones", ())
    plan = Plan(train.epochs, steps_per_epoch, section.warmup_epochs, milestones)
    return Recipe(
        epochs=train.epochs,
        batch_size=train.batch_size,
        base_lr=base_lr(train),
        schedule=lambda step: SCHEDULES[section.name](step, plan),
        evaluates=lambda epoch: epoch == train.epochs or is_evaluation_epoch(epoch, section.name, plan),
        accumulate=train.accumulate,
        clip_norm=train.clip_norm,
        average=train.average,
        precision=torch.bfloat16 if train.precision == "bfloat16" else torch.float32,
        tf32=train.precision == "tf32",
    )


def base_lr(train: Train) -> float:
    """Return the rate that the schedule scales: linear in the batch where the recipe names the one it was made for."""
    return train.optimizer.lr * (train.batch_size / (train.reference_batch or train.batch_size))  # times 1 is exact


def evaluator(device: torch.device, *, plain: bool) -> Callable[[nn.Module], Scorer]:
    """Return what makes a network ready to evaluate on a device: `compact`, or with `plain` the network as it is."""
    return Plain if plain else partial(compact, frames_at_once=FRAMES_AT_ONCE[device.type])
