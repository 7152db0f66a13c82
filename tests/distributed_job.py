"""What `tests/test_distributed.py` runs once in its own process and once on two, and compares.

python -m torch.distributed.run --nproc-per-node=2 -m tests.distributed_job STORE FOLDER
"""

import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

import config
import initializer
import processor
from initializer.network import compiled
from model.sync_batchnorm import synchronise
from utils import distributed, environment, job
from utils.command_line import say
from utils.errors import UserError
from utils.interrupt import Interrupted

SMALL = (
    "input.frames=16",
    "model.stem_channels=8",
    "model.blocks=[[16,1,0.5],[16,2,1]]",
    "model.fusion_stage=1",
    "model.drop_prob=0",
    "train.batch_size=6",
    "train.epochs=4",
    "train.schedule.warmup_epochs=0",
    "test.batch_size=4",
)
AUGMENTED = "input.augment=[{name: rotate, degrees: 30}, {name: noise, sigma: 0.1}, {name: scale, share: 0.2}]"
MIXED = ("train.accumulate=3", "train.clip_norm=1.0", "train.average=0.9")
SYNCHRONISED = ("train.sync_batchnorm=true", "train.balanced=true")
RECIPES = {  # overrides, and whether BatchNorm is frozen
    "plain": ((), True),
    "augmented": ((AUGMENTED, "input.sampling={name: window}"), True),
    "bfloat16": (("train.precision=bfloat16",), True),
    "mixed": (MIXED, True),
    "synchronised": (SYNCHRONISED, False),
}
STEPS = 20
STOPS_AFTER = 7  # steps


def machine(store, folder):
    """Return this process's machine: alone, or one of the job's."""
    return initializer.Machine(store, folder, device="cpu", show_progress=False, ranks=distributed.ranks())


def steps(run, frozen):
    """Take 20 steps; return the loss of each batch of all processes (20,)."""
    run.network.train(not frozen)
    losses = []
    while len(losses) < STEPS:
        for batch in run.train_batches:
            loss, _ = processor.train_step(run, batch)
            losses.append(run.ranks.total(loss.double().sum()) / run.recipe.batch_size)
        run.train_batches.start_epoch()
    return torch.stack(losses)


def train_all(here):
    """Return of every recipe the losses, the trained weights and the logits of `eval`."""
    found = {}
    for name, (overrides, frozen) in RECIPES.items():
        run = initializer.prepare_training(config.load("2001", [*SMALL, *overrides]), here)
        found[name] = {"losses": steps(run, frozen), "weights": flat(run.scored.state_dict())}
    return found


def flat(state):
    return torch.cat([value.double().flatten() for value in state.values()])


def evaluate(here):
    """Return the columns and figures of an evaluation of an untrained network."""
    run = initializer.prepare_training(config.load("2001", SMALL), here)
    if not run.ranks.first:
        with torch.no_grad():  # what only rank 0 has, all score with
            run.model.classifier.fc.bias.add_(1)
            next(each for each in run.model.modules() if isinstance(each, nn.BatchNorm2d)).running_mean.add_(1)
    found = processor.evaluate(run, "eval")
    columns = {key: found.columns[key].tolist() for key in ("names", "labels", "logits")}
    return {**columns, "figures": found.scores.figures()}


def normalise(here, x, dy):
    """Return output, gradients and running statistics of a normalisation over all processes' share of `x` (8, C, L)."""
    torch.manual_seed(3)
    norm = nn.Sequential(nn.BatchNorm1d(x.shape[1]))
    nn.init.normal_(norm[0].weight)
    norm = synchronise(norm) if here.ranks.size > 1 else norm
    own = here.ranks.places(len(x))
    part = x[own].clone().requires_grad_()
    y = norm(part)
    y.backward(dy[own])
    found = [norm[0].running_mean, norm[0].running_var, here.ranks.total(norm[0].weight.grad)]
    found += [here.ranks.total(norm[0].bias.grad), *(here.ranks.rows(each.detach()) for each in (y, part.grad))]
    return [each.clone() for each in found]


def inputs():
    """Return clips whose mean is far from zero, and a gradient."""
    generator = torch.Generator().manual_seed(4)
    return torch.randn(8, 5, 30, generator=generator) + 1000, torch.randn(8, 5, 30, generator=generator)


def learn(here, make):
    """Return the gradients (n,) of a network that `make` makes ready, for a batch in two pieces."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv1d(5, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(112, 1))
    x, own = inputs()[1], here.ranks.places(8, 2)
    network = here.ranks.spread(make(model))
    for piece in distributed.pieces_of(network, x[own].chunk(2)):
        (network(piece).square().sum() / len(x[own])).backward()
    return torch.cat([each.grad.flatten() for each in model.parameters()])


def compiled_in_python(model):
    """Return the network as --compile does, but captured and differentiated only."""
    with patch.object(torch, "compile", partial(torch.compile, backend="aot_eager")):
        return compiled(model, 2)


def refuse(here):
    """Return what is said where the processes' settings differ, and where their code does."""
    said, rank = [], here.ranks.rank
    for overrides, commit in (([f"train.seed={rank + 1}"], "same"), ([], f"of {rank}")):
        with patch.object(environment, "commit", lambda commit=commit: commit):
            try:
                initializer.prepare_training(config.load("2001", [*SMALL, *overrides]), here)
            except UserError as error:
                said.append(str(error))
    return said


def stop(here):
    """Train until the last process has got a signal; return after how many steps all stopped."""
    run = initializer.prepare_training(config.load("2001", [*SMALL, *SYNCHRONISED]), here)
    step = processor.train_step

    def then_signal(run, batch):
        found = step(run, batch)
        if run.progress.step == STOPS_AFTER and run.ranks.rank == run.ranks.size - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return found

    processor.train_step = then_signal
    try:
        processor.train(run)
    except Interrupted as stopped:
        return [run.progress.step, stopped.number]
    finally:
        processor.train_step = step
    return None


def resume(here):
    """Go on with the newest run to its end; return its metrics."""
    run = initializer.prepare_resume(config.load("2001", SMALL), here)
    processor.train(run)
    return run.folder.metrics() if run.ranks.first else []


def fail(here):
    """Return what is said of a loss that is not finite, on every process."""
    run = initializer.prepare_training(config.load("2001", SMALL), here)
    bias = run.model.classifier.fc.bias
    with torch.no_grad():
        bias.fill_(float("nan") if run.ranks.rank == run.ranks.size - 1 else 0.0)
    try:
        processor.train(run)
    except UserError as error:
        return str(error)
    return None


def draws(here):
    """Return what dropout draws from here on, and after a checkpoint is restored."""
    run = initializer.prepare_training(config.load("2001", SMALL), here)
    states, first = run.ranks.random_states(run.device), torch.rand(3)
    whole = run.ranks.restore_random_states(states, run.device)
    alone = {key: value for key, value in states.items() if key != "random_others"}
    about = {"config": {"train": {"seed": 1}}, "progress": {"step": 7}}
    return {"first": first, "again": torch.rand(3), "whole": whole,
            "part": run.ranks.restore_random_states({**alone, **about}, run.device), "then": torch.rand(3)}  # fmt: skip


def main():
    """Do everything, and leave what each process found."""
    store, folder = map(Path, sys.argv[1:])
    here = machine(store, folder / "work")
    found = {"trained": train_all(here), "evaluated": evaluate(here), "normalised": normalise(here, *inputs())}
    found |= {"said": fail(here), "draws": draws(here), "refused": refuse(here)}
    found["learned"] = learn(here, compiled_in_python)
    found["resumed"] = resume(replace(here, work_dir=folder / "begun-by-one"))
    found["stopped"] = stop(replace(here, work_dir=folder / "begun-by-two"))
    assert say("a mistake", 2) == 2
    torch.save(found, folder / f"{here.ranks.rank}.pt")
    return 0


if __name__ == "__main__":
    sys.exit(job.run_as_rank(main, say))
