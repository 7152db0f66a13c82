"""What goes on around the steps of an epoch: figures, progress bar, log lines, time, and when to save."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from tqdm import tqdm

from utils.batch import Batch
from utils.errors import UserError
from utils.run import TrainingRun
from utils.run_log import log_epoch
from utils.timing import allow_tf32

SAVE_EVERY_S = 600.0  # a kill costs at most this much work, however long an epoch is
LOOK_EVERY = {"cpu": 1, "cuda": 20}  # steps between two looks at the losses: on a GPU each waits for the device


@contextmanager
def begin_epoch(run: TrainingRun) -> Iterator["Epoch"]:
    """Lead through what is left of the current epoch, in the recipe's precision; log it when it is trained."""
    run.spent.mark("evaluation")  # and saving: all since the last epoch
    start, first = time.monotonic(), run.progress.step
    epoch = Epoch(run)
    with allow_tf32(run.recipe.tf32), epoch.bar:
        yield epoch
        epoch.look()
    run.spent.mark("compute")
    log_epoch(run, time.monotonic() - start, clips=(run.progress.step - first) * run.recipe.batch_size)


class Epoch:
    """The batches that are left of an epoch, and the steps since the last look; on the device until then."""

    def __init__(self, run: TrainingRun) -> None:
        self.run, batches = run, run.train_batches
        total, done = len(batches), run.progress.step % len(batches)
        self.bar = tqdm(batches, total=total, initial=done, disable=not run.show_progress, leave=False)
        self._steps: list[tuple[Tensor, Tensor, Tensor]] = []  # of each: which clips, their losses, which were right
        self._look_every = LOOK_EVERY[run.device.type]
        self._saved = time.monotonic()

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.bar:
            self.run.spent.mark("data")
            yield batch

    def add(self, batch: Batch, losses: Tensor, right: Tensor) -> None:
        """Take in a step: per clip the loss (N,) and whether it was right (N,), on the device."""
        self._steps.append((batch.index, losses, right))
        if len(self._steps) == self._look_every:
            self.look()
        self.run.spent.mark("compute")

    def pauses(self) -> bool:
        """Tell whether to save now, with all figures counted: a signal came, or the latest checkpoint is old."""
        if not self.run.stop.due(late=time.monotonic() - self._saved > SAVE_EVERY_S):
            return False
        self.look()
        self._saved = time.monotonic()
        return True

    def look(self) -> None:
        """Fetch the figures (a device sync), stop on a loss that is not finite, count and show."""
        if not self._steps:
            return
        sums = [torch.stack((losses.double().sum(), right.sum())) for _, losses, right in self._steps]
        figures, first = self.run.ranks.total(torch.stack(sums)), self.run.progress.step - len(self._steps)
        for step, (loss, correct) in enumerate(figures.tolist(), start=first):
            if not math.isfinite(loss):
                index, losses, _ = self._steps[step - first]
                raise self._not_finite(index[~losses.isfinite().cpu()])
            self._count(step, loss, int(correct))
        self._steps.clear()

    def _not_finite(self, index: Tensor) -> UserError:
        run = self.run
        names = run.train_batches.names[run.ranks.rows(index).numpy()]
        return UserError(
            f"epoch {run.progress.epoch + 1}: the loss of {', '.join(map(str, names[:8]))} is not finite; lower "
            "train.optimizer.lr or set train.clip_norm, and start anew"
        )

    def _count(self, step: int, loss: float, correct: int) -> None:
        run, recipe, total = self.run, self.run.recipe, len(self.run.train_batches)
        run.progress.count(loss, correct, recipe.batch_size)
        mean, rate = loss / recipe.batch_size, recipe.rate(step + 1)  # the next step's, as the original prints
        figures = f"Loss: {mean:.4f}, LR: {rate:.4f}"
        if run.show_progress:
            self.bar.set_postfix_str(figures, refresh=False)
        else:
            epoch = f"Epoch: {run.progress.epoch + 1}/{recipe.epochs}"
            run.log.info(f"{epoch}, Batch: {step % total + 1}/{total}, {figures}")
        run.events.add_scalar("train_loss", mean, step)
        run.events.add_scalar("learning_rate", rate, step)
