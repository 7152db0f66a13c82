"""One folder per run, complete: configuration, environment, log, metrics, events, checkpoints, scores.

`<work_dir>/2001_EfficientGCN-B0_ntu-xsub/2026-11-20_14-03-22_s1/`, made exclusively; nothing is shared between runs.
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.files import disk_errors, lock, write_atomic, write_json

CONFIG = "config.yaml"
BEST, LAST, METRICS, SCORES, LOG = "best.pt", "last.pt", "metrics.jsonl", "scores.npz", "log.txt"
ENVIRONMENT, REPORT = "environment.json", "report.html"
LAST_SCORES = "scores_last.npz"  # of the last epoch; SCORES are the best one's
VALIDATION_SCORES = "scores_validation.npz"  # of held-out training clips: what weights of a fusion are fitted on
EVALUATION = "_eval"  # ends the name of a folder that holds an evaluation only


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: int | None = None  # a file descriptor

    @classmethod
    def create(cls, parent: Path, suffix: str) -> "RunFolder":
        """Make a new folder named by the time; `-2`, `-3`, ... where that name is taken."""
        stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        with disk_errors(parent, "free some space, or give another -w DIR"):
            parent.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, 1000):
                path = parent / f"{stamp}{suffix}{'' if attempt == 1 else f'-{attempt}'}"
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
                return cls(path)
        raise UserError(f"{parent}: a thousand runs within one second; give another -w DIR")

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.path / BEST

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.path / LAST

    @property
    def log(self) -> Path:
        """What was printed."""
        return self.path / LOG

    def hold(self) -> None:
        """Keep other processes from training into this folder; raises `UserError` if one already does."""
        handle = os.open(self.log, os.O_RDWR | os.O_CREAT)
        if not lock(handle):
            os.close(handle)
            raise UserError(f"{self.path}: this run is going on in another process; stop that one first")
        self._held = handle

    def release(self) -> None:
        """Let others go on with this run; so does the end of the process, whatever ends it."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def describe(self, config: str, environment: dict[str, Any]) -> None:
        """Write the resolved configuration and the environment of the run's start; a resumed run keeps them."""
        if (self.path / CONFIG).exists():
            return
        with disk_errors(self.path, "free some space"):
            write_atomic(self.path / CONFIG, lambda file: file.write(config.encode()))
            write_json(self.path / ENVIRONMENT, environment)

    def add_metrics(self, line: dict[str, Any]) -> None:
        """Append one line of figures; on return it is on the disk."""
        with disk_errors(self.path, "free some space and resume with -r"), self._metrics.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def cut_metrics(self, epoch: int) -> None:
        """Drop the lines behind `epoch`, and closing ones: what a resumed run does again."""
        kept = [line for line in self.metrics() if line["epoch"] <= epoch and "checkpoint" not in line]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        with disk_errors(self._metrics, "free some space and resume with -r"):
            write_atomic(self._metrics, lambda file: file.write(text.encode()))

    def metrics(self) -> list[dict[str, Any]]:
        """Return all whole lines."""
        if not self._metrics.exists():
            return []
        lines = self._metrics.read_bytes().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def save_scores(self, columns: Mapping[str, np.ndarray], confusion: np.ndarray, name: str = SCORES) -> Path:
        """Write `name`: names (N,), labels (N,), logits (N, K) whose softmax gives the probabilities.

        And the confusion matrix (K, K) that follows from them: row = true class, column = predicted class.
        """
        path = self.path / name
        with disk_errors(path, "free some space and resume with -r"):
            write_atomic(path, lambda file: np.savez(file, allow_pickle=False, confusion=confusion, **columns))
        return path

    @property
    def _metrics(self) -> Path:
        return self.path / METRICS


def runs(parent: Path) -> list[RunFolder]:
    """Return the training runs in `parent`, oldest first."""
    folders = sorted(path for path in parent.glob("*") if path.is_dir() and EVALUATION not in path.name)
    return [RunFolder(path) for path in folders]


def best_run(parent: Path, counts: Callable[[RunFolder], bool]) -> tuple[float, RunFolder] | None:
    """Return the best top-1 on eval among the runs in `parent` that count, and its run; of equal ones, the newest."""
    candidates = [run for run in runs(parent) if counts(run)]
    found = [(figures[0], index, run) for index, run in enumerate(candidates) if (figures := eval_figures(run))]
    return max(found)[::2] if found else None


def eval_figures(run: RunFolder) -> tuple[float, float] | None:
    """Return a run's top-1 on eval at its best and at its last epoch; None if it has not been evaluated there.

    Best is the highest on eval, or with validation subjects the epoch chosen on those.
    """
    lines = [line for line in run.metrics() if "eval" in line]
    figures = [line["eval"]["top1"] for line in lines]
    chosen = {line["checkpoint"]: line["eval"]["top1"] for line in lines if "checkpoint" in line}
    if not figures:
        return None
    return (chosen["best"], chosen["last"]) if {"best", "last"} <= chosen.keys() else (max(figures), figures[-1])
