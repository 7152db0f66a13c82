"""Run folders, made up: what the tools over many runs read."""

import json

import numpy as np
import pytest

import config
from utils.outputs import score_writer
from utils.run_folder import LAST_SCORES, SCORES

LOG = (
    "[ 2026-11-20 14:03:22,801 ] Model profile: 0.20G FLOPs and 0.28M Parameters (as thop 0.0.31 counts: ...);"
    " 0.23G multiply-adds with the graph products; 292,326 trainable parameters\n"
    "[ 2026-11-20 14:04:22,801 ] Best top-1 accuracy: 50.00%, Total time: 00d-00h-00m-30s\n"
    "[ 2026-11-20 14:05:22,801 ] Best top-1 accuracy: 50.00%, Total time: 00d-01h-01m-01s\n"
)


def epochs(*top1):
    """Return lines of figures, one for each epoch."""
    return [
        {"epoch": n, "train": {"loss": 1.0, "top1": 0.5}, "eval": {"top1": each, "mean_class": each / 2}}
        for n, each in enumerate(top1, start=1)
    ]


@pytest.fixture
def work_dir(tmp_path):
    return tmp_path / "work"


@pytest.fixture
def on_runs(said, work_dir):
    """Makes of a tool's `main` what runs it on `work_dir` and returns what it said."""

    def of(main):
        return lambda *arguments, code=0: said(main, *arguments, "-w", work_dir, code=code)

    return of


@pytest.fixture
def add_run(work_dir):
    """Adds a training run that has these lines of figures; returns its folder."""

    def add(lines, number="2001", seed=1, stamp="01", overrides=("train.epochs=3",), name=""):
        experiment = config.load(number, [f"train.seed={seed}", *overrides])
        folder = work_dir / experiment.title / (name or f"2026-11-20_14-03-{stamp}_s{seed}")
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(experiment.to_yaml())
        (folder / "environment.json").write_text(json.dumps({"device": "CPU (x86_64)"}))
        (folder / "log.txt").write_text(LOG)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    return add


def columns(seed, clips=60, classes=6, prefix="eval", right=2.0):
    """Return random scores of clips that are right about two times of three, in an order of their own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(clips) % classes
    logits = rng.normal(size=(clips, classes)) + right * np.eye(classes)[labels]
    names = np.array([f"{prefix}{i:03d}" for i in range(clips)])
    rows = rng.permutation(clips)
    return {"names": names[rows], "labels": labels[rows], "logits": logits[rows].astype(np.float32)}


@pytest.fixture
def add_scores():
    """Writes random scores into a run folder, of the best and of the last epoch; returns the folder."""

    def add(folder, seed, **how):
        for file, each in ((SCORES, seed), (LAST_SCORES, seed + 100)):
            score_writer(folder / file)(columns(each, **how))
        return folder

    return add


@pytest.fixture
def said(capsys):
    """Returns what a tool prints; of one that fails, its one line on stderr."""

    def run(main, *arguments, code=0):
        found = main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert found == code, err
        assert not code or len(err.splitlines()) == 1
        return err.strip() if code else out

    return run
