"""What a run says of its epochs and evaluations: in its log, in `metrics.jsonl`, to TensorBoard.

The log's words are the original's where it has them: parsers know them.
"""

from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from utils.batch import Batch
from utils.logs import duration, share
from utils.metrics import Scores
from utils.run import Batches, Run, TrainingRun

# how the best was
CHOSEN = {"validation": "chosen on held-out training clips", "eval": "chosen on eval, as the field does"}


def shown(run: Run, batches: Batches) -> Iterator[Batch]:
    """Yield batches behind a progress bar, or with a log line each; a signal ends it."""
    for number, batch in enumerate(tqdm(batches, disable=not run.show_progress, leave=False), start=1):
        if run.stop.due():
            run.stop.raise_if_requested()
        if not run.show_progress:
            run.log.info(f"Batch: {number}/{len(batches)}")
        yield batch


def log_scores(run: Run, scores: Scores, seconds: float) -> None:
    """Say what an evaluation found, and how long it took."""
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


def log_epoch(run: TrainingRun, seconds: float, clips: int) -> None:
    """Say how an epoch was trained, and what the time since the last such line went into."""
    progress = run.progress
    run.log.info(
        f"Epoch: {progress.epoch + 1}/{run.recipe.epochs}, Training accuracy: "
        f"{share(progress.correct, progress.clips)}, Training time: {seconds:.2f}s, "
        f"Speed: {clips / seconds:.1f} clips/s ({run.spent.take()})"
    )
    run.log.info("")


def log_best(run: TrainingRun) -> None:
    """Say which top-1 is the highest so far."""
    assert run.progress.best is not None
    run.log.info(f"Best top-1 accuracy: {run.progress.best['top1']:.2%}, Total time: {duration(run.seconds)}")
    run.log.info("")


def log_best_and_last(run: TrainingRun) -> None:
    """Say which epoch is the best and how it was chosen, and what the last one gets."""
    best, latest = run.progress.best, run.progress.latest
    assert best is not None and latest is not None
    run.log.info(f"Best epoch: {best['epoch']} with {best['top1']:.2%}, {CHOSEN[run.chosen_on]}")
    run.log.info(f"Last epoch: {latest['epoch']} with {latest['top1']:.2%}")


def record_epoch(run: TrainingRun, scores: Scores | None) -> None:
    """Hand the figures of an epoch, and of its evaluation if it had one, to TensorBoard and `metrics.jsonl`."""
    progress = run.progress
    train = {"loss": progress.loss / progress.clips, "top1": progress.correct / progress.clips}
    line: dict[str, Any] = {"epoch": progress.epoch + 1, "step": progress.step, "train": train}
    points = {"train_acc": train["top1"]}
    if scores is not None:
        line[run.chosen_on] = scores.figures()
        points |= {f"{run.chosen_on}_acc": scores.accuracy, f"{run.chosen_on}_loss": scores.mean_loss}
    for name, value in points.items():
        run.events.add_scalar(name, value, progress.step - 1)  # a resumed run drops the events of later steps
    run.events.flush()
    run.folder.add_metrics(line)
