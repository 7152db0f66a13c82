"""The loops: train, evaluate, extract. They are handed a `Run` and build nothing.

What is around a loop stands beside it: `utils/run.py` what a run is made of, `utils/run_epoch.py` and
`utils/run_log.py` what it counts, shows and logs, `utils/run_state.py` what a checkpoint holds of it.

Letters: N clips, K classes, C channels; n clips of a batch, S test clips of each.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from utils import outputs
from utils.batch import Batch
from utils.errors import UserError
from utils.metrics import score
from utils.run import Evaluation, Learner, Network, Run, TrainingRun
from utils.run_epoch import begin_epoch
from utils.run_folder import LAST_SCORES, SCORES, VALIDATION_SCORES
from utils.run_log import log_best, log_best_and_last, log_scores, record_epoch, shown
from utils.run_state import save, take_weights


def train(run: TrainingRun) -> None:
    """Train to the last epoch, from wherever the run stands; evaluate and save on the way."""
    recipe, progress = run.recipe, run.progress
    run.log.info("Starting training ...")
    try:
        while progress.epoch < recipe.epochs:
            if not progress.trained:
                train_epoch(run)
                save(run)
            evaluation = _evaluate_epoch(run) if recipe.evaluates(progress.epoch + 1) else None
            record_epoch(run, evaluation.scores if evaluation else None)
            progress.finish_epoch()
            run.train_batches.start_epoch()
            save(run)
        _conclude(run)
        progress.concluded = True
        save(run)
    finally:
        run.close()


def train_epoch(run: TrainingRun) -> None:
    """Train on what is left of the current epoch."""
    run.model.train()
    with begin_epoch(run) as epoch:
        for batch in epoch:
            losses, right = train_step(run, batch)
            epoch.add(batch, losses, right)
            if epoch.pauses():
                save(run)
                run.stop.raise_if_requested()
    run.progress.trained = True


def train_step(learner: Learner, batch: Batch) -> tuple[Tensor, Tensor]:
    """Take one optimizer step; return per clip the loss (n,) and whether it was right (n,), on the device."""
    recipe, progress, optimizer = learner.recipe, learner.progress, learner.optimizer
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate(progress.step)
    optimizer.zero_grad(set_to_none=True)
    losses, right = [], []
    for piece in learner.pieces(batch):
        logits = learner.logits(piece)
        loss = learner.train_loss(logits, piece.labels)
        (loss.sum() / len(batch)).backward()
        losses.append(loss.detach())
        right.append(logits.detach().argmax(dim=1) == piece.labels)
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(learner.model.parameters(), recipe.clip_norm)
    optimizer.step()
    if learner.averaged:
        learner.averaged.update_parameters(learner.model)
    progress.step += 1
    return torch.cat(losses), torch.cat(right)


def _evaluate_epoch(run: TrainingRun) -> Evaluation:
    """Evaluate after an epoch; keep checkpoint and scores if it is the best so far."""
    number, last = run.progress.epoch + 1, run.recipe.epochs
    run.log.info(f"Evaluating for epoch {number}/{last} ...")
    evaluation = evaluate(run, run.chosen_on)
    if run.progress.judge(evaluation.scores.figures()):
        run.log.info(f"Saving model for epoch {number}/{last} ...")
        save(run, run.folder.best)
        evaluation.save(run.folder, VALIDATION_SCORES if run.chosen_on == "validation" else SCORES)
    if run.chosen_on == "eval" and number == last:
        evaluation.save(run.folder, LAST_SCORES)
    log_best(run)
    return evaluation


def _conclude(run: TrainingRun) -> None:
    """Say which epoch is the best and how it was chosen, and what best and last get by the test protocol."""
    run.log.info("Finish training!")
    log_best_and_last(run)
    if run.reported_on != run.chosen_on:
        _evaluate_best_and_last(run)


def _evaluate_best_and_last(run: TrainingRun) -> None:
    """Evaluate both on eval and keep their scores; the model keeps the last epoch's weights."""
    for name, path, scores in (("best", run.folder.best, SCORES), ("last", run.folder.last, LAST_SCORES)):
        run.log.info(f"Evaluating the {name} epoch on eval ...")
        take_weights(run, path)
        evaluation = evaluate(run, run.reported_on)
        figures = evaluation.scores.figures()
        run.folder.add_metrics({"epoch": run.progress.epoch, "checkpoint": name, "eval": figures})
        evaluation.save(run.folder, scores)


@torch.inference_mode()
def evaluate(run: Run, split: str) -> Evaluation:
    """Score every clip of `split` once, in order, and log the figures: of those that have a label."""
    batches, start = run.batches[split], time.monotonic()
    scorer, found = run.scorer(), []
    for batch in shown(run, batches):
        logits = over_test_clips(scorer(batch), len(batch), run.average)
        losses = run.loss(logits, batch.labels.clamp(min=0))  # without a label: a number that `score` leaves out
        found.append((batch.index, logits, batch.labels, losses))
    logits, labels, losses = run.gather(found)
    _refuse_not_finite(logits, batches.names)
    scores = score(logits, labels, losses)
    log_scores(run, scores, time.monotonic() - start)
    columns = {"names": batches.names, "labels": labels.cpu().numpy(), "logits": logits.cpu().numpy()}
    return Evaluation(scores, columns)


def over_test_clips(logits: Tensor, num_clips: int, average: str) -> Tensor:
    """Average the logits (n S, K) of S test clips of each clip: (n, K), such that the softmax gives the probabilities.

    Of probabilities as in PYSKL and mmaction2, or of scores (logits) as in PaddleVideo.
    """
    each = logits.unflatten(0, (num_clips, -1))  # (n, S, K)
    if each.shape[1] == 1 or average == "score":
        return each.mean(dim=1)
    return each.log_softmax(dim=2).logsumexp(dim=1) - math.log(each.shape[1])


def _refuse_not_finite(logits: Tensor, names: np.ndarray) -> None:
    bad = names[(~logits.isfinite().all(dim=1)).cpu().numpy()]
    if len(bad):
        clips = ", ".join(map(str, bad[:8]))
        raise UserError(f"{clips}: the network's output is not finite; the checkpoint or these clips are damaged")


@torch.inference_mode()
def extract(run: Run, split: str, maps_of: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return names, labels, logits (N, K), pooled features (N, C) and the classifier's weight (K, C) of a split.

    Streamed: full feature maps (n, C, T', V, M) are kept for the clips named in `maps_of` only, of their first test
    clip; features are averaged over test clips.
    """
    batches, network = run.batches[split], cast(Network, run.scored)
    unknown = sorted(set(maps_of) - set(batches.names.tolist()))
    if unknown:
        raise UserError(f"--clips {' '.join(unknown)}: not in the {split} split")
    scorer, rows = run.scorer(), []
    maps: dict[str, Tensor] = {}
    for batch in shown(run, batches):
        pooled = scorer.pool(batch)  # (n S, C)
        logits = over_test_clips(scorer.head(pooled), len(batch), run.average)
        features = pooled.unflatten(0, (len(batch), -1)).mean(dim=1)
        rows.append((batch.index, features.cpu(), logits.cpu(), batch.labels.cpu()))
        maps |= _maps(network, batch, batches.names[batch.index.numpy()].tolist(), maps_of)
    columns = (column.numpy() for column in run.gather(rows))
    found = dict(zip(("features", "logits", "labels"), columns, strict=True))
    found |= {"names": batches.names, "weight": network.classifier_weight.detach().cpu().numpy()}
    if maps_of:
        found["map_names"] = np.array(maps_of)
        found["maps"] = torch.stack([maps[name] for name in maps_of]).numpy()
    return found


def _maps(network: Network, batch: Batch, names: Sequence[str], wanted: Sequence[str]) -> dict[str, Tensor]:
    """Return the feature maps (C, T', V, M) of the clips of a batch that are wanted, by name."""
    first = batch.streams.unflatten(0, (len(batch), -1))[:, :1]  # of the test clips
    clips = zip(names, first, strict=True)
    return {name: network.forward_features(streams)[0].cpu() for name, streams in clips if name in wanted}


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
