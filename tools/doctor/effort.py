"""What a run would take: memory of the clips and of a training step, time of an epoch, measured on real steps."""

import math
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from config import Config
from dataset.frame_table import fits, free_bytes
from dataset.layouts import load_layout
from dataset.loader import TrainLoader
from dataset.splits import SPLITS, Benchmark
from dataset.store import Part
from dataset.streams import stream_channels
from initializer import Machine
from initializer.data import build_loss, make_loader, open_data
from initializer.machine import pick_device
from initializer.network import build_model, build_optimizer, build_recipe
from processor import train_step
from tools.doctor.findings import Finding, gigabytes
from utils.errors import UserError
from utils.logs import duration
from utils.run import Learner

STATES = {"SGD": 1, "Adam": 2, "AdamW": 2}  # numbers that the optimizer keeps of each parameter
CLIPS = 2  # of the batch that is measured to know the memory of any batch
STEPS = 3  # the first warms up
ENOUGH_S = 60.0  # of timing, where a step is slow
LONG_S = 7 * 86400.0


def check_network(config: Config, machine: Machine, parts: Sequence[Part], benchmark: Benchmark) -> Iterator[Finding]:
    """Build the network and estimate the memory of a training step."""
    device = pick_device(machine.device)
    try:
        model = build_model(config, len(benchmark.classes))
        kept = activation_bytes(model, (CLIPS, *clip_shape(config, load_layout(config.data.layout).num_joints))) / CLIPS
    except (ValueError, RuntimeError) as error:  # UserError is a ValueError
        what = f"the network cannot be built or run ({str(error).splitlines()[0]})"
        yield Finding("error", "network", what, "the message names the key of model or input to change")
        return
    parameters = sum(each.numel() for each in model.parameters())
    yield Finding(
        "ok", "network", f"{config.model.title}, {parameters:,} parameters", figures={"parameters": parameters}
    )
    yield _memory(config, device, parts, kept, parameters)


def clip_shape(config: Config, num_joints: int) -> tuple[int, ...]:
    """Return the shape of one clip's streams: I, C, T, V, M."""
    seen = config.input
    channels = stream_channels(seen.stream_names, len(config.data.channel_names))
    return len(seen.stream_names), channels, seen.frames, num_joints, seen.persons


def activation_bytes(model: nn.Module, shape: Sequence[int]) -> int:
    """Return the bytes that one forward pass keeps for its backward pass, weights left out."""
    kept = {each.untyped_storage().data_ptr() for each in model.parameters()}
    sizes: dict[int, tuple[int, Tensor]] = {}  # the tensor is held: a freed address would be counted once for two

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in kept:
            sizes[storage.data_ptr()] = (storage.nbytes(), tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.train()(torch.rand(tuple(shape)))
    return sum(size for size, _ in sizes.values())


def _memory(config: Config, device: torch.device, parts: Sequence[Part], kept: float, parameters: int) -> Finding:
    batch = math.ceil(config.train.batch_size / config.train.accumulate)
    table = sum(part.coordinates.nbytes for part in parts)
    half = 0.5 if config.train.precision != "float32" else 1.0
    step = kept * batch * half + 4 * parameters * (2 + STATES[config.train.optimizer.name])
    free = free_bytes(device)
    figures = {"frames_bytes": table, "step_bytes": int(step), "free_bytes": free, "device": str(device)}
    resident = fits(table, free)
    what = (
        f"about {gigabytes(step)} for a step of {batch} clips, {gigabytes(table)} of frames "
        f"{'on the device' if resident else 'read from the disk'}, {gigabytes(free)} free on {device}"
    )
    if free and step + table * resident > free:
        pieces = config.train.accumulate * math.ceil(step / max(free - table * resident, free / 4))
        return Finding("warning", "memory", what, f"probably too much: --set train.accumulate={pieces}", figures)
    return Finding("ok", "memory", what, "", figures)


def check_time(config: Config, machine: Machine) -> Finding:
    """Take a few real training steps, from the store to the optimizer, and say how long an epoch lasts."""
    try:
        data = open_data(config, machine, SPLITS)
        batches = make_loader(config, data, "train", trains=True)
        loss = build_loss(config, data)
    except UserError as error:
        return Finding("error", "time", str(error), "the message says what to change; a run would stop here, too")
    assert isinstance(batches, TrainLoader)
    torch.manual_seed(config.train.seed)
    model = build_model(config, len(data.benchmark.classes)).to(data.device)
    optimizer, recipe = build_optimizer(config.train.optimizer, model), build_recipe(config, len(batches))
    learner = Learner(model=model, network=model.train(), train_loss=loss, recipe=recipe, optimizer=optimizer)
    try:
        seconds, finite = _time_steps(learner, batches)
    except torch.OutOfMemoryError:
        remedy = f"--set train.accumulate={2 * config.train.accumulate}"
        return Finding("error", "time", "a training step does not fit into the device's memory", remedy)
    if not finite:
        return Finding("error", "time", "the loss of the first steps is not finite", "lower train.optimizer.lr")
    epoch = seconds * len(batches)
    what = (
        f"{seconds:.3g} s a step, {len(batches)} steps an epoch: about {duration(epoch)} an epoch, "
        f"{duration(epoch * config.train.epochs)} in all {config.train.epochs}, evaluation not counted"
    )
    figures = {"step_s": seconds, "steps": len(batches), "epoch_s": epoch, "epochs": config.train.epochs}
    long = epoch * config.train.epochs > LONG_S
    remedy = "more than a week: a faster device (-g), or first a part of it: -db" if long else ""
    return Finding("warning" if long else "ok", "time", what, remedy, figures)


def _time_steps(learner: Learner, batches: TrainLoader) -> tuple[float, bool]:
    """Return the seconds of the fastest step, and whether all losses are finite."""
    times: list[float] = []
    finite, steps = True, iter(batches)
    while len(times) < min(STEPS, len(batches)) and sum(times) < ENOUGH_S:
        start = time.perf_counter()
        losses, _ = train_step(learner, next(steps))
        finite &= bool(losses.isfinite().all())  # waits for the device
        times.append(time.perf_counter() - start)
    return min(times), finite
