"""The loops: train, evaluate, extract. They are handed a `Run` and build nothing.

Letters: N clips, K classes, C channels.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import swa_utils
from tqdm import tqdm

from utils import checkpoint, outputs
from utils.batch import Batch
from utils.checkpoint_import import read_own
from utils.distributed import ALONE, Ranks, pieces_of
from utils.errors import UserError
from utils.interrupt import StopRequest
from utils.logs import duration, share
from utils.metrics import Scores, score
from utils.run_folder import LAST_SCORES, SCORES, VALIDATION_SCORES, RunFolder
from utils.timing import Shares, allow_tf32

LOOK_EVERY = 20  # steps between two looks at the losses on a GPU, where each look waits for the device
TEST = "test"  # `eval` with all test clips of each clip, where there are several
SAVE_EVERY_S = 600.0  # a kill costs at most this much work, however long an epoch is


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


@dataclass(kw_only=True)
class Run:
    """One execution, ready to score clips; made by `initializer/`."""

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


@dataclass(kw_only=True)
class TrainingRun(Run):
    """An execution that trains; `batches` holds what it is evaluated on."""

    train_batches: TrainBatches
    train_loss: Callable[[Tensor, Tensor], Tensor]  # logits (N, K), labels (N,) -> (N,)
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    events: Any  # a TensorBoard writer
    network: nn.Module  # `model` as it is called in training: compiled, spread over devices, or just itself
    write: Callable[[Path, dict[str, Any]], None] = checkpoint.save
    progress: Progress = field(default_factory=Progress)
    started: float = field(default_factory=time.monotonic)
    spent: Shares = field(default_factory=Shares)

    def __post_init__(self) -> None:
        """Start the moving average of the weights, where the recipe has one."""
        decay = self.recipe.average
        rule = swa_utils.get_ema_multi_avg_fn(decay) if decay else None
        self.averaged = swa_utils.AveragedModel(self.model, multi_avg_fn=rule, use_buffers=True) if rule else None

    @property
    def scored(self) -> nn.Module:
        """The network that is evaluated: the average, where there is one."""
        return self.averaged.module if self.averaged else self.model

    @property
    def chosen_on(self) -> str:
        """The split on which the best epoch is chosen."""
        return "validation" if "validation" in self.batches else "eval"

    @property
    def seconds(self) -> float:
        """Time spent on this run so far, resumptions included."""
        return self.progress.seconds + time.monotonic() - self.started

    def pieces(self, batch: Batch) -> Iterator[Batch]:
        """Yield the pieces that a batch is computed in."""
        return pieces_of(self.network, batch.pieces(self.recipe.accumulate))

    def take_weights(self, path: Path) -> None:
        """Put a checkpoint's weights into the network that is scored."""
        if self.ranks.first:  # an evaluation hands them to all
            self.scored.load_state_dict(read_own(path)["model"], strict=True)

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


def train(run: TrainingRun) -> None:
    """Train to the last epoch, from wherever the run stands; evaluate and save on the way."""
    recipe, progress, batches = run.recipe, run.progress, run.train_batches
    run.log.info("Starting training ...")
    try:
        while progress.epoch < recipe.epochs:
            if not progress.trained:
                train_epoch(run)
                save(run)
            evaluation = _evaluate_epoch(run) if recipe.evaluates(progress.epoch + 1) else None
            run.folder.add_metrics(_epoch_line(run, evaluation))
            progress.finish_epoch()
            batches.start_epoch()
            save(run)
        _conclude(run)
        progress.concluded = True
        save(run)
    finally:
        run.close()


def train_epoch(run: TrainingRun) -> None:
    """Train on what is left of the current epoch."""
    recipe, progress, batches = run.recipe, run.progress, run.train_batches
    run.model.train()
    run.spent.mark("evaluation")  # and saving: all since the last epoch
    start, window = time.monotonic(), _Window(run)
    saved, look_every = start, 1 if run.device.type == "cpu" else LOOK_EVERY
    first, done = progress.step, progress.step % len(batches)
    bar = tqdm(batches, total=len(batches), initial=done, disable=not run.show_progress, leave=False)
    with allow_tf32(recipe.tf32), bar:
        for batch in bar:
            run.spent.mark("data")
            window.add(batch.index, *train_step(run, batch))
            if len(window) == look_every:
                window.look(bar)
            run.spent.mark("compute")
            if run.stop.due(late=time.monotonic() - saved > SAVE_EVERY_S):
                window.look(bar)
                save(run)
                saved = time.monotonic()
                run.stop.raise_if_requested()
        window.look(bar)
    run.spent.mark("compute")
    progress.trained = True
    _log_epoch(run, time.monotonic() - start, clips=(progress.step - first) * recipe.batch_size)


def train_step(run: TrainingRun, batch: Batch) -> tuple[Tensor, Tensor]:
    """Take one optimizer step; return per clip the loss (N,) and whether it was right (N,), on the device."""
    recipe, progress, optimizer = run.recipe, run.progress, run.optimizer
    for group in optimizer.param_groups:
        group["lr"] = recipe.base_lr * recipe.schedule(progress.step)
    optimizer.zero_grad(set_to_none=True)
    losses, right = [], []
    for piece in run.pieces(batch):
        with torch.autocast(run.device.type, recipe.precision, enabled=recipe.precision != torch.float32):
            logits = run.network(piece.streams)
        loss = run.train_loss(logits.float(), piece.labels)
        (loss.sum() / len(batch)).backward()
        losses.append(loss.detach())
        right.append(logits.detach().argmax(dim=1) == piece.labels)
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(run.model.parameters(), recipe.clip_norm)
    optimizer.step()
    if run.averaged:
        run.averaged.update_parameters(run.model)
    progress.step += 1
    return torch.cat(losses), torch.cat(right)


class _Window:
    """The steps since the last look: which clips, their losses, which were right; on the device until then."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self._steps: list[tuple[Tensor, Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, index: Tensor, losses: Tensor, right: Tensor) -> None:
        self._steps.append((index, losses, right))

    def look(self, bar: "tqdm[Batch]") -> None:
        """Fetch the figures (a device sync), stop on a loss that is not finite, count and show."""
        if not self._steps:
            return
        sums = [torch.stack((losses.double().sum(), right.sum())) for _, losses, right in self._steps]
        figures, first = self.run.ranks.total(torch.stack(sums)), self.run.progress.step - len(self._steps)
        for step, (loss, correct) in enumerate(figures.tolist(), start=first):
            if not math.isfinite(loss):
                index, losses, _ = self._steps[step - first]
                raise _not_finite(self.run, self.run.ranks.rows(index[~losses.isfinite().cpu()]))
            self._count(step, loss, int(correct), self.run.recipe.batch_size, bar)
        self._steps.clear()

    def _count(self, step: int, loss: float, correct: int, clips: int, bar: "tqdm[Batch]") -> None:
        run, recipe, progress, batches = self.run, self.run.recipe, self.run.progress, self.run.train_batches
        progress.count(loss, correct, clips)
        rate = recipe.base_lr * recipe.schedule(step + 1)  # the next step's, as the original prints
        figures = f"Loss: {loss / clips:.4f}, LR: {rate:.4f}"
        if run.show_progress:
            bar.set_postfix_str(figures, refresh=False)
        else:
            done, total = step % len(batches) + 1, len(batches)
            run.log.info(f"Epoch: {progress.epoch + 1}/{recipe.epochs}, Batch: {done}/{total}, {figures}")
        run.events.add_scalar("train_loss", loss / clips, step)
        run.events.add_scalar("learning_rate", rate, step)


def _not_finite(run: TrainingRun, index: Tensor) -> UserError:
    names = run.train_batches.names[index.numpy()]
    return UserError(
        f"epoch {run.progress.epoch + 1}: the loss of {', '.join(map(str, names[:8]))} is not finite; lower "
        "train.optimizer.lr or set train.clip_norm, and start anew"
    )


@torch.inference_mode()
def evaluate(run: Run, split: str) -> Evaluation:
    """Score every clip of `split` once, in order, and log the figures: of those that have a label."""
    batches, start = run.batches[split], time.monotonic()
    run.ranks.equalise(run.scored.eval())
    network = run.ready(run.scored)
    found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for batch in _shown(run, batches):
        logits = over_test_clips(network(batch), len(batch), run.average)
        losses = run.loss(logits, batch.labels.clamp(min=0))  # without a label: a number that `score` leaves out
        found.append((batch.index, logits, batch.labels, losses))
    logits, labels, losses = run.ranks.in_order(*(torch.cat(column) for column in zip(*found, strict=True)))
    _refuse_not_finite(logits, batches.names)
    scores = score(logits, labels, losses)
    _log_scores(run, scores, time.monotonic() - start)
    columns = {"names": batches.names, "labels": labels.cpu().numpy(), "logits": logits.cpu().numpy()}
    return Evaluation(scores, columns)


def over_test_clips(logits: Tensor, num_clips: int, average: str) -> Tensor:
    """Average the logits (N S, K) of S test clips of each clip: (N, K), such that the softmax gives the probabilities.

    Of probabilities as in PYSKL and mmaction2, or of scores (logits) as in PaddleVideo.
    """
    each = logits.unflatten(0, (num_clips, -1))  # (N, S, K)
    if each.shape[1] == 1 or average == "score":
        return each.mean(dim=1)
    return each.log_softmax(dim=2).logsumexp(dim=1) - math.log(each.shape[1])


@torch.inference_mode()
def extract(run: Run, split: str, maps_of: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return names, labels, logits (N, K), pooled features (N, C) and the classifier's weight (K, C) of a split.

    Streamed: full feature maps (n, C, T', V, M) are kept for the clips named in `maps_of` only, of their first test
    clip; features are averaged over test clips.
    """
    batches, network = run.batches[split], cast(Network, run.model)
    unknown = sorted(set(maps_of) - set(batches.names.tolist()))
    if unknown:
        raise UserError(f"--clips {' '.join(unknown)}: not in the {split} split")
    ready = run.ready(run.model.eval())
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    maps: dict[str, Tensor] = {}
    for batch in _shown(run, batches):
        pooled = ready.pool(batch)  # (N S, C)
        logits = over_test_clips(ready.head(pooled), len(batch), run.average)
        rows.append((pooled.unflatten(0, (len(batch), -1)).mean(dim=1).cpu(), logits.cpu(), batch.labels.cpu()))
        names, first = batches.names[batch.index.numpy()].tolist(), batch.streams.unflatten(0, (len(batch), -1))[:, :1]
        wanted = [(name, streams) for name, streams in zip(names, first, strict=True) if name in maps_of]
        maps |= {name: network.forward_features(streams)[0].cpu() for name, streams in wanted}
    columns = (torch.cat(column).numpy() for column in zip(*rows, strict=True))
    found = dict(zip(("features", "logits", "labels"), columns, strict=True))
    found |= {"names": batches.names, "weight": network.classifier_weight.detach().cpu().numpy()}
    if maps_of:
        found["map_names"] = np.array(maps_of)
        found["maps"] = torch.stack([maps[name] for name in maps_of]).numpy()
    return found


def run_evaluation(run: Run, out: Path | None = None, split: str = "eval") -> Evaluation:
    """Evaluate a split; scores go to the run folder and, where given, to `out` (.npz, .json or .pkl)."""
    write = outputs.score_writer(out) if out else None  # a wrong suffix is known before hours of work
    run.log.info("Starting evaluating ...")
    evaluation = evaluate(run, split)
    run.folder.add_metrics({"epoch": 0, "checkpoint": run.about["weights"], split: evaluation.scores.figures()})
    run.log.info(f"Scores: {evaluation.save(run.folder)}")
    if write:
        write(evaluation.columns)
        run.log.info(f"Scores: {out}")
    run.log.info("Finish evaluating!")
    return evaluation


def run_extraction(run: Run, split: str, maps_of: Sequence[str] = (), out: Path | None = None) -> Path:
    """Extract a split into `out` (.npz: everything; .pkl: name -> vector), else into the run folder."""
    out = out or run.folder.path / "features.npz"
    if maps_of and out.suffix == ".pkl":
        raise UserError(f"--out {out}: a .pkl holds vectors only; feature maps (--clips) need .npz")
    write = outputs.feature_writer(out)
    run.log.info("Starting extracting ...")
    write(extract(run, split, maps_of))
    run.log.info(f"Features: {out}")
    return out


def save(run: TrainingRun) -> None:
    """Write `last.pt`: everything needed to go on as if nothing had happened."""
    run.write(run.folder.last, _content(run))


def restore(run: TrainingRun, content: dict[str, Any]) -> None:
    """Put a run back to where `content` was saved."""
    run.scored.load_state_dict(content["model"], strict=True)
    run.optimizer.load_state_dict(content["optimizer"])
    run.progress = Progress(**content["progress"])
    if run.averaged:
        run.model.load_state_dict(content["trained"], strict=True)
        run.averaged.n_averaged.fill_(run.progress.step)
    run.train_batches.restore(content["loader"])
    if not run.ranks.restore_random_states(content, run.device):
        run.log.info("The run began on other devices: what follows is not the same to the bit")
    run.folder.cut_metrics(run.progress.epoch)


def _content(run: TrainingRun) -> dict[str, Any]:
    return {
        "model": run.scored.state_dict(),
        **({"trained": run.model.state_dict()} if run.averaged else {}),
        "optimizer": run.optimizer.state_dict(),
        "progress": {**asdict(run.progress), "seconds": run.seconds},
        "loader": run.train_batches.state(),
        **run.ranks.random_states(run.device),
        **run.about,
    }


def _evaluate_epoch(run: TrainingRun) -> Evaluation:
    """Evaluate after an epoch; keep checkpoint and scores if it is the best so far."""
    recipe, progress = run.recipe, run.progress
    run.log.info(f"Evaluating for epoch {progress.epoch + 1}/{recipe.epochs} ...")
    evaluation = evaluate(run, run.chosen_on)
    progress.latest = {**evaluation.scores.figures(), "epoch": progress.epoch + 1}
    if progress.best is None or progress.latest["top1"] > progress.best["top1"]:
        progress.best = progress.latest
        run.log.info(f"Saving model for epoch {progress.epoch + 1}/{recipe.epochs} ...")
        run.write(run.folder.best, _content(run))
        evaluation.save(run.folder, VALIDATION_SCORES if run.chosen_on == "validation" else SCORES)
    if run.chosen_on == "eval" and progress.epoch + 1 == recipe.epochs:
        evaluation.save(run.folder, LAST_SCORES)
    _log_best(run)
    return evaluation


def _conclude(run: TrainingRun) -> None:
    """Say which epoch is the best and how it was chosen, and what best and last get by the test protocol."""
    run.log.info("Finish training!")
    best, latest = run.progress.best, run.progress.latest
    assert best is not None and latest is not None
    how = "held-out training clips" if run.chosen_on == "validation" else "eval, as the field does"
    run.log.info(f"Best epoch: {best['epoch']} with {best['top1']:.2%}, chosen on {how}")
    run.log.info(f"Last epoch: {latest['epoch']} with {latest['top1']:.2%}")
    if run.chosen_on == "validation" or TEST in run.batches:
        _evaluate_best_and_last(run)


def _evaluate_best_and_last(run: TrainingRun) -> None:
    """Evaluate both on eval and keep their scores; the model keeps the last epoch's weights."""
    for name, path, scores in (("best", run.folder.best, SCORES), ("last", run.folder.last, LAST_SCORES)):
        run.log.info(f"Evaluating the {name} epoch on eval ...")
        run.take_weights(path)
        evaluation = evaluate(run, TEST if TEST in run.batches else "eval")
        figures = evaluation.scores.figures()
        run.folder.add_metrics({"epoch": run.progress.epoch, "checkpoint": name, "eval": figures})
        evaluation.save(run.folder, scores)


def _epoch_line(run: TrainingRun, evaluation: Evaluation | None) -> dict[str, Any]:
    """Return an epoch's figures for `metrics.jsonl`, and hand them to TensorBoard."""
    progress = run.progress
    line: dict[str, Any] = {
        "epoch": progress.epoch + 1,
        "step": progress.step,
        "train": {"loss": progress.loss / progress.clips, "top1": progress.correct / progress.clips},
    }
    if evaluation is not None:
        line[run.chosen_on] = evaluation.scores.figures()
    last = progress.step - 1  # a resumed run drops the events of later steps
    run.events.add_scalar("train_acc", line["train"]["top1"], last)
    if evaluation is not None:
        run.events.add_scalar(f"{run.chosen_on}_acc", evaluation.scores.accuracy, last)
        run.events.add_scalar(f"{run.chosen_on}_loss", evaluation.scores.mean_loss, last)
    run.events.flush()
    return line


def _shown(run: Run, batches: Batches) -> Iterator[Batch]:
    """Yield batches behind a progress bar, or with a log line each; a signal ends it."""
    for number, batch in enumerate(tqdm(batches, disable=not run.show_progress, leave=False), start=1):
        if run.stop.due():
            run.stop.raise_if_requested()
        if not run.show_progress:
            run.log.info(f"Batch: {number}/{len(batches)}")
        yield batch


def _log_epoch(run: TrainingRun, seconds: float, clips: int) -> None:
    """Say how an epoch was trained, and what the time since the last such line went into."""
    progress = run.progress
    run.log.info(
        f"Epoch: {progress.epoch + 1}/{run.recipe.epochs}, Training accuracy: "
        f"{share(progress.correct, progress.clips)}, Training time: {seconds:.2f}s, "
        f"Speed: {clips / seconds:.1f} clips/s ({run.spent.take()})"
    )
    run.log.info("")


def _refuse_not_finite(logits: Tensor, names: np.ndarray) -> None:
    bad = names[(~logits.isfinite().all(dim=1)).cpu().numpy()]
    if len(bad):
        clips = ", ".join(map(str, bad[:8]))
        raise UserError(f"{clips}: the network's output is not finite; the checkpoint or these clips are damaged")


def _log_scores(run: Run, scores: Scores, seconds: float) -> None:
    total = scores.count + scores.unlabelled
    if scores.unlabelled:
        some = f"{scores.unlabelled} of them without a label: not counted"
        run.log.info(f"{total} clips scored, {some if scores.count else 'none labelled: no accuracy'}")
    if scores.count:
        _log_accuracy(run, scores)
    speed = total / seconds / run.ranks.size
    run.log.info(f"Evaluating time: {seconds:.2f}s, Speed: {speed:.2f} sequnces/(second*GPU)")  # sic: parsers know it
    run.log.info("")


def _log_accuracy(run: Run, scores: Scores) -> None:
    run.log.info(
        f"Top-1 accuracy: {share(scores.top1, scores.count)}, Top-5 accuracy: {share(scores.top5, scores.count)}, "
        f"Mean loss:{scores.mean_loss:.4f}"
    )
    num_classes = len(scores.confusion)
    absent = "" if scores.present == num_classes else f" that are present of {num_classes}"
    run.log.info(f"Mean-class accuracy: {scores.mean_class:.2%} over the {scores.present} classes{absent}")


def _log_best(run: TrainingRun) -> None:
    assert run.progress.best is not None
    run.log.info(f"Best top-1 accuracy: {run.progress.best['top1']:.2%}, Total time: {duration(run.seconds)}")
    run.log.info("")
