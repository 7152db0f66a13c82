"""What a checkpoint holds of a run: everything needed to go on as if nothing had happened."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from utils.checkpoint_import import read_own
from utils.run import Progress, TrainingRun


def save(run: TrainingRun, path: Path | None = None) -> None:
    """Write the run's state to `path`, else to `last.pt`."""
    run.write(path or run.folder.last, state_of(run))


def state_of(run: TrainingRun) -> dict[str, Any]:
    """Return what a checkpoint holds; see `utils/checkpoint.py` for its keys."""
    return {
        "model": run.scored.state_dict(),
        **({"trained": run.model.state_dict()} if run.averaged else {}),
        "optimizer": run.optimizer.state_dict(),
        "progress": {**asdict(run.progress), "seconds": run.seconds},
        "loader": run.train_batches.state(),
        **run.ranks.random_states(run.device),
        **run.about,
    }


def restore(run: TrainingRun, content: dict[str, Any]) -> None:
    """Put a run back to where `content` was saved."""
    run.scored.load_state_dict(content["model"], strict=True)
    saved, fused = content["optimizer"], run.optimizer.defaults.get("fused")  # as this device has it
    groups = [{**group, "fused": fused} for group in saved["param_groups"]]
    run.optimizer.load_state_dict({**saved, "param_groups": groups})
    run.progress = Progress(**content["progress"])
    if run.averaged:
        run.model.load_state_dict(content["trained"], strict=True)
        run.averaged.n_averaged.fill_(run.progress.step)
    run.train_batches.restore(content["loader"])
    if not run.ranks.restore_random_states(content, run.device):
        run.log.info("The run began on other devices: what follows is not the same to the bit")
    run.folder.cut_metrics(run.progress.epoch)


def take_weights(run: TrainingRun, path: Path) -> None:
    """Put a checkpoint's weights into the network that is scored."""
    if run.ranks.first:  # an evaluation hands them to all
        run.scored.load_state_dict(read_own(path)["model"], strict=True)
