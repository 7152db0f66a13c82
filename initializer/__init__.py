"""From a configuration to a `Run`: device, seed, data, network, optimizer, schedule, weights, run folder."""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

import config as configs
from config import Config
from dataset.loader import TrainLoader
from dataset.splits import SPLITS
from initializer.data import Data, build_loss, count_classes, data_shape, make_loader, open_data
from initializer.followers import NoEvents, ReadOnlyFolder, no_log, write_nothing
from initializer.history import begun, newest_best, refuse_missing, run_parent, unfinished
from initializer.machine import Machine, set_determinism
from initializer.network import build_model, build_optimizer, build_recipe, compiled, evaluator, refuse_no_compiler
from initializer.weights import import_weights, log_import, refuse_other_layout, stated_classes
from loss import Loss, cross_entropy
from model.sync_batchnorm import synchronise
from utils import checkpoint, environment, logs
from utils.checkpoint_import import read_own
from utils.cost import Cost, measure
from utils.distributed import AgreedStop, Ranks
from utils.errors import UserError
from utils.interrupt import StopRequest
from utils.job import note_run
from utils.run import FINAL, Batches, Run, TrainingRun
from utils.run_epoch import LOOK_EVERY
from utils.run_folder import EVALUATION, RunFolder
from utils.run_state import restore

__all__ = ["Machine", "prepare_evaluation", "prepare_resume", "prepare_training"]

DEBUG_EPOCHS = 2  # with -db


def prepare_training(
    config: Config, machine: Machine, weights: Path | None = None, *, init_head: bool = False
) -> TrainingRun:
    """Return a run that trains `config` from the start, in a new folder, with initial `weights` if given.

    If torchrun started the job anew after a failure, the run goes on from where it was saved.
    """
    interrupted = machine.ranks.from_first(begun) if machine.is_restarted else ""
    if interrupted:
        return prepare_resume(config, machine, interrupted)
    if weights:
        refuse_missing(weights, config, machine)
    if machine.debug:
        config = config.model_copy(update={"train": config.train.model_copy(update={"epochs": DEBUG_EPOCHS})})
    stage = _Stage.set_up(config, machine, SPLITS)
    loaded = import_weights(stage.model, weights, config, trains=True, init_head=init_head) if weights else None
    optimizer = build_optimizer(config.train.optimizer, stage.model)
    folder = _create_folder(config, machine, f"_s{config.train.seed}")
    folder.hold()
    note_run(folder.path)
    run = stage.open_training(folder, optimizer)
    if weights and loaded:
        log_import(run.log, weights, loaded)
    run.log.info("Successful!")
    return run


def prepare_resume(config: Config, machine: Machine, name: str | None = None) -> TrainingRun:
    """Return the newest unfinished run of this experiment (or the one called `name`), as it was when last saved.

    The run's own configuration holds. Raises `UserError` if there is nothing to resume, if it is still going on, or if
    its data are not there any more.
    """
    folder = _folder(machine, machine.ranks.from_first(lambda: str(unfinished(config, machine, name).path)))
    folder.hold()
    stage = _Stage.set_up(configs.load(str(folder.path / "config.yaml")), machine, SPLITS)
    content = read_own(folder.last)
    other = "this process reads another checkpoint than the first one; all machines need the same folder -w DIR"
    machine.ranks.refuse_unequal(str(content["progress"]), f"{folder.last}: {other}")
    if content["data"] != stage.data.checksums:
        raise UserError(f"{folder.path}: trained on other data than {machine.store} holds; give its own --store DIR")
    refuse_other_layout(folder.last, content, stage.data.layout)
    optimizer = build_optimizer(stage.config.train.optimizer, stage.model)
    run = stage.open_training(folder, optimizer, from_step=content["progress"]["step"])
    run.log.info(f"Loading checkpoint {folder.last} ...")
    restore(run, content)
    run.log.info("Successful!")
    run.log.info(f"Start epoch: {run.progress.epoch + 1}")
    if run.progress.best:
        run.log.info(f"Best accuracy: {run.progress.best['top1']:.2%}")
    return run


def prepare_evaluation(config: Config, machine: Machine, weights: Path | None, split: str = "eval") -> Run:
    """Return a run that can evaluate or extract `split` with `weights`, else with the newest run's best."""
    if weights:
        refuse_missing(weights, config, machine)
    weights = weights or Path(machine.ranks.from_first(lambda: str(newest_best(config, machine))))
    stage = _Stage.set_up(config, machine, (split,), weights)
    loaded = import_weights(stage.model, weights, config, classes=stage.data.benchmark.classes)
    run = stage.open(_create_folder(config, machine, EVALUATION))
    run.about["weights"] = str(weights)
    run.log.info("Loading evaluating model ...")
    log_import(run.log, weights, loaded)
    run.log.info("Successful!")
    return run


def _create_folder(config: Config, machine: Machine, suffix: str) -> RunFolder:
    """Make a run folder, once for all processes."""
    path = machine.ranks.from_first(lambda: str(RunFolder.create(run_parent(config, machine), suffix).path))
    return _folder(machine, path)


def _folder(machine: Machine, path: str) -> RunFolder:
    return (RunFolder if machine.ranks.first else ReadOnlyFolder)(Path(path))


@dataclass(frozen=True)
class _Stage:
    """All that can fail is built before the run folder is made: a run that cannot start leaves nothing."""

    config: Config
    machine: Machine
    data: Data
    batches: dict[str, Batches]
    model: nn.Module
    cost: Cost
    train_loss: Loss | None  # None: nothing is trained

    @classmethod
    def set_up(cls, config: Config, machine: Machine, splits: Sequence[str], weights: Path | None = None) -> "_Stage":
        set_determinism(machine)
        _refuse_unequal_starts(config, machine.ranks)
        data = open_data(config, machine, splits)
        if weights and not data.benchmark.classes:  # clips without labels, to be scored
            data = replace(data, benchmark=replace(data.benchmark, classes=stated_classes(weights)))
        trains = set(splits) == set(SPLITS)
        if data.device.type == "cuda":
            torch.cuda.set_device(data.device)  # where nccl, and whatever names no device, works
        machine.ranks.refuse_unequal(str(data.checksums), f"{machine.store}: the processes have different data there")
        if trains and machine.compiles:
            refuse_no_compiler(data.device)
        batches = _make_batches(config, data, machine, trains=trains)
        torch.manual_seed(config.train.seed)
        try:
            model = build_model(config, len(data.benchmark.classes))
            cost = measure(model, (1, *data_shape(config, data, trains=False)))
        except (ValueError, RuntimeError) as error:  # a choice of sizes that no network has
            raise UserError(f"model: these values do not fit together ({str(error).splitlines()[0]})") from error
        loss = build_loss(config, data) if trains else None
        if trains and config.train.sync_batchnorm and machine.ranks.size > 1:
            model = synchronise(model)
        return cls(config, machine, data, batches, model.to(data.device), cost, loss)

    def open(self, folder: RunFolder) -> Run:
        """Return a run that can evaluate; its folder is complete, and its log begun, from here on."""
        return Run(batches=self.batches, **self._surroundings(folder))

    def open_training(
        self, folder: RunFolder, optimizer: torch.optim.Optimizer, from_step: int | None = None
    ) -> TrainingRun:
        """Return a run that can train; its events behind `from_step` are dropped."""
        train = self.batches["train"]
        assert isinstance(train, TrainLoader)
        assert self.train_loss is not None
        section, recipe = self.config.train, build_recipe(self.config, len(train))
        surroundings, ranks = self._surroundings(folder), self.machine.ranks
        ranks.seed_dropout(section.seed)
        run = TrainingRun(
            batches={split: batches for split, batches in self.batches.items() if split != "train"},
            train_batches=train,
            train_loss=self.train_loss,
            recipe=recipe,
            optimizer=optimizer,
            events=_open_events(folder, from_step) if ranks.first else NoEvents(),
            network=ranks.spread(compiled(self.model, section.accumulate) if self.machine.compiles else self.model),
            write=checkpoint.save if ranks.first else write_nothing,
            **surroundings,
        )
        run.log.info(f"Optimizer: {section.optimizer.name} {section.optimizer.model_dump(exclude={'name'})}")
        run.log.info(f"LR_Scheduler: {section.schedule.name} {section.schedule.model_dump(exclude={'name'})}")
        run.log.info(f"Loss function: {section.loss.name} {section.loss.model_dump(exclude={'name'})}")
        if section.loss.name != "cross_entropy":
            run.log.info(_describe_classes(self.data))
        if section.reference_batch:
            made_for = f"{section.optimizer.lr} for {section.reference_batch} clips a batch"
            run.log.info(f"Base learning rate: {recipe.base_lr:g} ({made_for})")
        if self.machine.compiles and self.data.device.type == "cpu":
            run.log.info("--compile: on a CPU training is slower with it")
        if ranks.size > 1:
            run.log.info(_describe_sharing(self.config, ranks.size))
        return run

    def _surroundings(self, folder: RunFolder) -> dict[str, Any]:
        """Return what every kind of run has; describe the run in its folder, and introduce it in its log."""
        config, data = self.config, self.data
        found = environment.describe(data.device, sys.argv)
        ranks = self.machine.ranks
        found["processes"] = ranks.size
        folder.describe(config.to_yaml(), {**found, "parts": data.checksums, "layout": data.layout.facts()})
        log = logs.start(folder.log) if ranks.first else no_log()
        self._introduce(log, folder, found)
        stop = AgreedStop(ranks, LOOK_EVERY[data.device.type]) if ranks.size > 1 else StopRequest()
        return {
            "model": self.model,
            "loss": cross_entropy,  # plain, whatever is trained with: evaluations compare
            "folder": folder,
            "log": log,
            "about": {
                "config": json.loads(config.model_dump_json()),
                "classes": list(data.benchmark.classes),
                "data": data.checksums,
                "layout": data.layout.facts(),
            },
            "stop": stop.listen(),
            "show_progress": self.machine.show_progress and ranks.first,
            "ready": evaluator(data.device, plain=self.machine.plain),
            "average": config.test.average,
            "ranks": ranks,
        }

    def _introduce(self, log: logging.Logger, folder: RunFolder, found: dict[str, Any]) -> None:
        config, data, say = self.config, self.data, log.info
        say(f"Saving folder path: {folder.path}")
        say("Starting preparing ...")
        say(f"Saving model name: {config.title}")
        say(f"Using {found['device']}" if data.device.type == "cuda" else "Using CPU!")
        say(", ".join(f"{key} {found[key]}" for key in ("python", "torch", "numpy", "threads", "commit")))
        say(f"Dataset: {data.benchmark.name} ({data.counts})")
        say(f"Batch size: train-{config.train.batch_size}, eval-{config.test.batch_size}")
        say(f"Data shape (branch, channel, frame, joint, person): {data_shape(config, data, trains=True)}")
        say(f"Number of action classes: {len(data.benchmark.classes)}")
        say(f"Model: {config.model.title} {config.model.arguments()}")
        say(self.cost.describe())


def _refuse_unequal_starts(config: Config, ranks: Ranks) -> None:
    if ranks.size == 1:
        return
    settings = "the processes were started with different settings; give the same -c, -s and --set on all machines"
    ranks.refuse_unequal(config.to_yaml(), settings)
    code = "the processes are of different code; all machines need the same commit, unchanged, and the same torch"
    ranks.refuse_unequal(f"{environment.commit()} {torch.__version__}", code)


def _describe_classes(data: Data) -> str:
    """Say how many training clips the classes have, and which have none."""
    counts = count_classes(data).tolist()
    present = [count for count in counts if count]
    absent = [name for name, count in zip(data.benchmark.classes, counts, strict=True) if not count]
    some = ", ".join([*absent[:3], *(["..."] if len(absent) > 3 else [])])
    without = f"; {len(absent)} of {len(counts)} classes have none ({some})" if absent else ""
    return f"Training clips of a class: {min(present)} to {max(present)}{without}"


def _describe_sharing(config: Config, count: int) -> str:
    """Say how processes share a batch, and what that means for the rate and for BatchNorm."""
    train = config.train
    each = train.batch_size // count
    norm = f"each process normalises its own {each // train.accumulate} (train.sync_batchnorm=true: all together)"
    if train.sync_batchnorm:
        norm = "over the clips of all processes"
    return (
        f"Processes: {count}, {each} of the {train.batch_size} clips of a batch each; the learning rate is that of the "
        f"whole batch, whatever their number; BatchNorm: {norm}"
    )


def _open_events(folder: RunFolder, from_step: int | None) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # slow to import, and only training needs it

    return SummaryWriter(str(folder.path), purge_step=from_step)


def _make_batches(config: Config, data: Data, machine: Machine, *, trains: bool) -> dict[str, Batches]:
    """Return the batches of every split; training looks at single test clips until its end."""
    clips, ranks = config.test.clips, machine.ranks
    batches: dict[str, Batches] = {
        split: make_loader(
            config, data, split, trains=trains and split == "train", clips=1 if trains else clips, ranks=ranks
        )
        for split in data.splits
    }
    if trains and clips > 1:
        batches[FINAL] = make_loader(config, data, "eval", trains=False, clips=clips, ranks=ranks)
    return batches
