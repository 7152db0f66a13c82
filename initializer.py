"""From a configuration to a `Run`: device, seed, data, network, optimizer, schedule, weights, run folder."""

import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import config as configs
from config import Adam, Config, Sgd
from dataset import augment
from dataset.graphs import GRAPH_MODES
from dataset.layouts import Layout, load_layout
from dataset.loader import Clips, FrameTable, Loader, Pipeline, TrainLoader
from dataset.splits import SPLITS, Benchmark, load_benchmark, select
from dataset.store import Part, open_part
from dataset.streams import CHANNELS, build_streams
from loss import LOSSES
from model import MODELS
from processor import Batches, Recipe, Run, restore
from scheduler import SCHEDULES, Plan, is_evaluation_epoch
from utils import checkpoint, cost, environment, logs
from utils.checkpoint_import import ImportedCheckpoint, describe_mismatch, read_checkpoint, temporal_layer_of
from utils.errors import UserError
from utils.interrupt import StopRequest
from utils.run_folder import EVALUATION, RunFolder, runs

DEBUG_CLIPS, DEBUG_EPOCHS = 300, 2
HEAD = "classifier."  # keys of the layers that depend on the number of classes


@dataclass(frozen=True)
class Machine:
    """What belongs to this execution and not to the experiment."""

    store: Path
    work_dir: Path
    device: str | None = None  # "cpu", a CUDA index, or None: the first CUDA device, else the CPU
    show_progress: bool = True
    deterministic: bool = False
    debug: bool = False


# --- what main.py asks for ------------------------------------------------------------------------------------


def prepare_training(
    config: Config, machine: Machine, weights: Path | None = None, *, init_head: bool = False
) -> Run:
    """Return a run that trains `config` from the start, in a new folder, with initial `weights` if given."""
    if machine.debug:
        config = config.model_copy(update={"train": config.train.model_copy(update={"epochs": DEBUG_EPOCHS})})
    data = open_data(config, machine)  # before the folder is made: a run that cannot start leaves nothing
    model = _new_model(config, machine, data)
    imported = _import_weights(model, weights, config, init_head=init_head) if weights else None
    folder = RunFolder.create(run_parent(config, machine), f"_s{config.train.seed}")
    run = _training_run(config, machine, data, model, folder)
    if imported:
        _log_import(run.log, weights, imported)
    return run


def prepare_resume(config: Config, machine: Machine, name: str | None = None) -> Run:
    """Return the newest unfinished run of this experiment (or the one called `name`), as it was when last saved.

    The run's own configuration holds; raises `UserError` if there is nothing to resume.
    """
    folder = _unfinished(config, machine, name)
    config = configs.load(str(folder.path / "config.yaml"))
    data = open_data(config, machine)
    model = _new_model(config, machine, data)
    content = checkpoint.load(folder.last)
    run = _training_run(
        config, machine, data, model, folder, describe=False, purge_step=content["progress"]["step"]
    )
    restore(run, content)
    run.log.info(f"Loading checkpoint {folder.last}")
    run.log.info(f"Start epoch: {run.progress.epoch + 1}, step: {run.progress.step}")
    return run


def prepare_evaluation(config: Config, machine: Machine, weights: Path | None, split: str = "eval") -> Run:
    """Return a run that can evaluate or extract `split` with the given weights, else with the newest run's best."""
    weights = weights or _newest_best(config, machine)
    data = open_data(config, machine, splits=(split,))
    model = _new_model(config, machine, data)
    imported = _import_weights(model, weights, config)
    folder = RunFolder.create(run_parent(config, machine), EVALUATION)
    run = _bare_run(config, machine, data, model, folder)
    _log_import(run.log, weights, imported)
    return run


def run_parent(config: Config, machine: Machine) -> Path:
    """Return the folder of an experiment's runs; debug runs have their own."""
    return machine.work_dir / (f"debug_{config.title}" if machine.debug else config.title)


# --- device ---------------------------------------------------------------------------------------------------


def pick_device(wanted: str | None) -> torch.device:
    """Return the device that -g names, else the first CUDA device that is visible, else the CPU."""
    if wanted is None:
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if wanted == "cpu":
        return torch.device("cpu")
    if not wanted.isdigit():
        raise UserError(f"-g {wanted}: expected cpu or the number of a CUDA device")
    if int(wanted) >= torch.cuda.device_count():
        raise UserError(
            f"-g {wanted}: {torch.cuda.device_count()} CUDA devices are visible, counted from 0; or -g cpu"
        )
    return torch.device(f"cuda:{wanted}")


def _set_determinism(machine: Machine) -> None:
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    if machine.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


# --- data -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """The splits of a data set, on the device."""

    benchmark: Benchmark
    layout: Layout
    device: torch.device
    splits: dict[str, Clips]
    counts: str  # in words


def open_data(config: Config, machine: Machine, splits: Sequence[str] = SPLITS) -> Data:
    """Open an experiment's parts and put the clips of `splits` on the device; `validation` is cut from `train`.

    Raises `UserError` if a part is missing or damaged, a split is empty, or a label is not a class.
    """
    device = pick_device(machine.device)
    benchmark, layout = load_benchmark(config.data.benchmark), load_layout(config.data.layout)
    parts = [open_part(machine.store / part, config.data.variant) for part in config.data.parts]
    for part in parts:
        _refuse_unfit(part, config, benchmark)
    table = FrameTable(parts, device)
    chosen = {split: [select(part, benchmark, split) for part in parts] for split in splits}
    counts = _count(benchmark, chosen)
    chosen |= _hold_out(config, parts, chosen.get("train"))
    if machine.debug:
        chosen = {split: _first(picks, DEBUG_CLIPS) for split, picks in chosen.items()}
    for split, picks in chosen.items():
        if not sum(map(len, picks)):
            raise UserError(
                f"{machine.store}: {benchmark.name} has no clips to {split} with; see the part's manifest.json"
            )
    clips = {split: Clips(table, parts, picks, config.input.persons) for split, picks in chosen.items()}
    return Data(benchmark, layout, device, clips, counts)


def _refuse_unfit(part: Part, config: Config, benchmark: Benchmark) -> None:
    manifest = part.manifest
    if manifest["layout"] != config.data.layout:
        raise UserError(
            f"{part.path}: layout {manifest['layout']}, but the experiment needs {config.data.layout}"
        )
    if part.spans.shape[1] < config.input.persons:
        raise UserError(
            f"{part.path}: {part.spans.shape[1]} persons a clip, but input.persons is {config.input.persons}"
        )
    wrong = np.flatnonzero((part.labels < 0) | (part.labels >= len(benchmark.classes)))
    if len(wrong):
        raise UserError(
            f"{part.path}: clip {part.names[wrong[0]]} has label {part.labels[wrong[0]]}, but {benchmark.name} has the "
            f"classes 0 to {len(benchmark.classes) - 1}"
        )


def _hold_out(
    config: Config, parts: Sequence[Part], train: list[np.ndarray] | None
) -> dict[str, list[np.ndarray]]:
    """Return train without, and validation with, the clips of `data.validation` subjects."""
    if train is None or not config.data.validation:
        return {}
    held = [
        np.isin(part.column("subject")[index], config.data.validation)
        for part, index in zip(parts, train, strict=True)
    ]
    return {
        "train": [index[~out] for index, out in zip(train, held, strict=True)],
        "validation": [index[out] for index, out in zip(train, held, strict=True)],
    }


def _first(picks: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Keep the first `count` clips over all parts."""
    kept = []
    for index in picks:
        kept.append(index[:count])
        count -= len(kept[-1])
    return kept


def _count(benchmark: Benchmark, chosen: dict[str, list[np.ndarray]]) -> str:
    """Say how many clips there are, and of how many."""
    words = []
    for split, picks in chosen.items():
        count, expected = sum(map(len, picks)), benchmark.expected.get(split)
        words.append(f"{split} {count}" + (f" of {expected} expected" if expected else ""))
    return ", ".join(words)


# --- network and optimizer ------------------------------------------------------------------------------------


def build_model(config: Config, num_classes: int) -> nn.Module:
    """Return the network of an experiment, freshly initialised."""
    layout = load_layout(config.data.layout)
    adjacency = torch.from_numpy(GRAPH_MODES[config.model.graph](layout)).float()
    return MODELS[config.model.name](
        adjacency=adjacency,
        parts=None if layout.parts is None else list(layout.parts.values()),
        num_streams=len(config.input.streams),
        in_channels=CHANNELS,
        num_classes=num_classes,
        **config.model.arguments(),
    )


def build_optimizer(section: Sgd | Adam, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer over all trainable parameters (BatchNorm and edges decay too, as in the original)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    options = {key: value for key, value in section if key != "name"}
    kinds: dict[str, Any] = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}
    return kinds[section.name](parameters, **options)


def build_recipe(config: Config, steps_per_epoch: int) -> Recipe:
    """Return how a run trains."""
    section, train = config.train.schedule, config.train
    milestones = getattr(section, "milestones", ())
    plan = Plan(train.epochs, steps_per_epoch, section.warmup_epochs, milestones)
    return Recipe(
        epochs=train.epochs,
        base_lr=train.optimizer.lr,
        schedule=partial(SCHEDULES[section.name], plan=plan),
        evaluates=lambda epoch: epoch == train.epochs or is_evaluation_epoch(epoch, section.name, plan),
        accumulate=train.accumulate,
        clip_norm=train.clip_norm,
    )


def _new_model(config: Config, machine: Machine, data: Data) -> nn.Module:
    _set_determinism(machine)
    torch.manual_seed(config.train.seed)
    return build_model(config, len(data.benchmark.classes)).to(data.device)


# --- runs -----------------------------------------------------------------------------------------------------


def _training_run(  # noqa: PLR0913
    config: Config,
    machine: Machine,
    data: Data,
    model: nn.Module,
    folder: RunFolder,
    *,
    describe: bool = True,
    purge_step: int | None = None,
) -> Run:
    run = _bare_run(config, machine, data, model, folder, describe=describe)
    train = run.batches["train"]
    run.optimizer = build_optimizer(config.train.optimizer, model)
    run.recipe = build_recipe(config, len(train))
    run.events = _events(folder, purge_step)
    run.log.info(f"Optimizer: {config.train.optimizer!r}")
    run.log.info(f"LR_Scheduler: {config.train.schedule!r}")
    run.log.info(f"Loss function: {config.train.loss}")
    return run


def _bare_run(
    config: Config,
    machine: Machine,
    data: Data,
    model: nn.Module,
    folder: RunFolder,
    *,
    describe: bool = True,
) -> Run:
    """Return a run that can evaluate; its folder and log exist from here on."""
    log = logs.start(folder.log)
    if describe:
        folder.describe(config.to_yaml(), environment.describe(data.device, sys.argv))
    _log_start(log, config, data, model, folder)
    about = {"config": json.loads(config.model_dump_json()), "classes": list(data.benchmark.classes)}
    return Run(
        model=model,
        loss=LOSSES[config.train.loss],
        batches={split: _loader(config, data, split) for split in data.splits},
        folder=folder,
        log=log,
        about=about,
        stop=StopRequest().listen(),
        show_progress=machine.show_progress,
    )


def _loader(config: Config, data: Data, split: str) -> Batches:
    parents = torch.tensor(data.layout.parents, device=data.device)
    streams = partial(build_streams, letters=config.input.streams, centre=data.layout.centre, parents=parents)
    if split == "train" and len(data.splits) > 1:
        augmentations = [augment.Rotate(each.degrees) for each in config.input.augment]
        pipeline = Pipeline(config.input.frames, streams, augmentations)
        return TrainLoader(data.splits[split], pipeline, config.train.batch_size, config.train.seed)
    return Loader(data.splits[split], Pipeline(config.input.frames, streams), config.test.batch_size)


def _events(folder: RunFolder, purge_step: int | None) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # slow to import, and only training needs it

    return SummaryWriter(str(folder.path), purge_step=purge_step)


def _log_start(log: logging.Logger, config: Config, data: Data, model: nn.Module, folder: RunFolder) -> None:
    shape = [
        len(config.input.streams),
        CHANNELS,
        config.input.frames,
        data.layout.num_joints,
        config.input.persons,
    ]
    log.info(f"Saving folder path: {folder.path}")
    log.info(f"Using {environment.device_name(data.device)}" if data.device.type == "cuda" else "Using CPU!")
    log.info(f"Dataset: {data.benchmark.name} ({data.counts})")
    log.info(f"Batch size: train-{config.train.batch_size}, eval-{config.test.batch_size}")
    log.info(f"Data shape (branch, channel, frame, joint, person): {shape}")
    log.info(f"Number of action classes: {len(data.benchmark.classes)}")
    log.info(f"Model: {config.model.title} {config.model.arguments()}")
    log.info(cost.measure(model, (1, *shape)).describe())


# --- checkpoints ----------------------------------------------------------------------------------------------


def _import_weights(model: nn.Module, path: Path, config: Config, *, init_head: bool = False) -> "Loaded":
    """Load a checkpoint of any known form into `model`, strictly; `init_head` leaves a head of other classes as it is."""
    if not path.exists():
        raise UserError(f"-pp {path}: no such file")
    imported = read_checkpoint(path)
    if imported.form == "gesta":
        _refuse_other_input(path, imported.raw["config"], config)
    state, expected = dict(imported.state), model.state_dict()
    head = [
        key
        for key in expected
        if key.startswith(HEAD) and key in state and state[key].shape != expected[key].shape
    ]
    if head and init_head:
        state |= {key: expected[key] for key in head}
    mismatch = describe_mismatch(expected, state)
    if mismatch:
        raise UserError(f"{path}: {_why_unfit(imported, config, expected, bool(head))} ({mismatch})")
    model.load_state_dict(state, strict=True)
    return Loaded(imported, len(state) - len(head), tuple(head))


@dataclass(frozen=True)
class Loaded:
    """What came of loading a checkpoint."""

    imported: ImportedCheckpoint
    count: int
    reinitialised: tuple[str, ...]


def _log_import(log: logging.Logger, path: Path | None, loaded: Loaded) -> None:
    log.info(f"Pretrained model: {path} (form {loaded.imported.form})")
    log.info(f"  {loaded.count} tensors loaded, re-initialised: {', '.join(loaded.reinitialised) or 'none'}")
    if loaded.imported.recorded:
        log.info(f"  accuracy recorded in the file: {loaded.imported.recorded}")


def _refuse_other_input(path: Path, theirs: dict[str, Any], config: Config) -> None:
    """Refuse weights that were trained on another input than this experiment's: they would load and be wrong."""
    ours = json.loads(config.model_dump_json())
    for section, key in (
        ("input", "streams"),
        ("input", "frames"),
        ("input", "persons"),
        ("data", "variant"),
    ):
        if theirs[section][key] != ours[section][key]:
            raise UserError(
                f"{path}: trained with {section}.{key}={theirs[section][key]}, but {config.number} has "
                f"{ours[section][key]}; --set {section}.{key}={theirs[section][key]}, or name its experiment with -c"
            )


def _why_unfit(imported: ImportedCheckpoint, config: Config, expected: dict[str, Tensor], head: bool) -> str:
    found = temporal_layer_of(imported.state)
    wanted = temporal_layer_of(expected)
    what = (
        f"has {found} layers, but {config.number} has {wanted}"
        if found != wanted
        else f"does not fit {config.number}"
    )
    fitting = _numbers_that_fit(imported.state, config.data.benchmark)
    if fitting:
        return f"{what}; it fits {', '.join(fitting)}"
    return f"{what}; --init-head trains a new head for other classes" if head else what


def _numbers_that_fit(state: dict[str, Tensor], benchmark: str) -> list[str]:
    """Return the experiments on `benchmark` (if none: on any) whose network has the tensors of `state`."""
    shapes = {key: value.shape for key, value in state.items()}
    fitting = []
    for number in configs.numbers():
        config = configs.load(number)
        with torch.device("meta"):
            model = build_model(config, len(load_benchmark(config.data.benchmark).classes))
        if {key: value.shape for key, value in model.state_dict().items()} == shapes:
            fitting.append((config.data.benchmark, number))
    same = [number for name, number in fitting if name == benchmark]
    return same or [number for _, number in fitting]


def _newest_best(config: Config, machine: Machine) -> Path:
    parent = run_parent(config, machine)
    for folder in reversed(runs(parent)):
        if folder.best.exists():
            return folder.best
    raise UserError(
        f"{parent}: no run with a best checkpoint yet; train with -c {config.number}, or give one with -pp FILE"
    )


def _unfinished(config: Config, machine: Machine, name: str | None) -> RunFolder:
    parent = run_parent(config, machine)
    candidates = [folder for folder in runs(parent) if name in (None, folder.path.name, str(folder.path))]
    for folder in reversed(candidates):
        if folder.last.exists() and _epochs_left(folder):
            return folder
    what = f"run {name}" if name else "run"
    raise UserError(f"{parent}: no unfinished {what} to resume; train anew with -c {config.number}")


def _epochs_left(folder: RunFolder) -> int:
    content = checkpoint.load(folder.last)
    return content["config"]["train"]["epochs"] - content["progress"]["epoch"]
