"""What every process but the first of a job has in place of run folder, log and events: they write nothing."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from utils.run_folder import SCORES, RunFolder


class ReadOnlyFolder(RunFolder):
    """The first process's run folder, which it alone writes."""

    def hold(self) -> None:
        """Leave holding it to the first process."""

    def describe(self, config: str, environment: dict[str, Any]) -> None:
        """Leave it to the first process."""

    def add_metrics(self, line: dict[str, Any]) -> None:
        """Leave it to the first process."""

    def cut_metrics(self, epoch: int) -> None:
        """Leave it to the first process."""

    def save_scores(self, columns: Mapping[str, np.ndarray], confusion: np.ndarray, name: str = SCORES) -> Path:  # noqa: ARG002
        """Return where the first process writes them."""
        return self.path / name


class NoEvents:
    """A TensorBoard writer that writes nothing."""

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Drop it."""

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def no_log() -> logging.Logger:
    """Return a logger that says nothing."""
    log = logging.Logger("gesta, a follower")  # not of logging's tree: nothing is passed on
    log.addHandler(logging.NullHandler())
    return log


def write_nothing(path: Path, content: dict[str, Any]) -> None:
    """Leave a checkpoint to the first process."""
