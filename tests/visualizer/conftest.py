"""Findings to look at, made up: skeletons that move, classes that are mistaken for each other."""

from functools import cache

import numpy as np
import pytest

import config
from dataset.layouts import load_layout
from tools.skeletons.actions import ACTIONS
from tools.skeletons.sensor import look
from tools.skeletons.stage import perform
from tools.skeletons.writer import project
from visualizer.findings import Findings, Shown

NUMBERS = {3: "2001", 2: "1107"}  # an experiment on layout ntu, and one on coco-17
COCO_OF_NTU = (3, 3, 3, 3, 3, 4, 8, 5, 9, 6, 10, 12, 16, 13, 17, 14, 18)
FACE = np.array([[0, -2], [6, -9], [-6, -9], [12, -4], [-12, -4]])  # pixels from the head: nose, eyes, ears
CAMERA = (1000.0, 960.0, 540.0)
EPOCHS = 12


@pytest.fixture(scope="session")
def make_findings():
    """Returns `make(classes=5, clips=40, persons=2, dims=3, seed=0, **changes) -> Findings`; changes: its fields."""
    return make


def make(classes=5, clips=40, persons=2, dims=3, seed=0, shown=12, **changes):
    """Every class has clips if there are enough of them; `shown`: clips, or how many of the worst and of the best."""
    rng = np.random.default_rng(seed)
    found, layout = config.load(NUMBERS[dims]), load_layout({3: "ntu", 2: "coco-17"}[dims])
    labels = np.arange(clips) % classes
    logits = score(rng, labels, classes)
    names = np.array([f"S001C{i % 3 + 1:03d}P{i % 40 + 1:03d}R{i // 40:03d}A{k + 1:03d}" for i, k in enumerate(labels)])
    num_persons = 1 + (labels % 4 == 3) * (persons > 1)
    counts = np.bincount(labels, minlength=classes)
    importance = rng.gamma(1.5, 1.0, (classes, layout.num_joints)) * np.where(counts > 0, 1.0, np.nan)[:, None]
    if isinstance(shown, int):
        shown = [show(i, labels, logits, persons, dims, rng) for i in ends(logits, labels, shown)]
    usual = {
        "config": found,
        "layout": layout,
        "classes": tuple(f"{ACTIONS[k % 12].name} {k // 12 or ''}".strip() for k in range(classes)),
        "split": "eval",
        "weights": "workdir/run/best.pt",
        "names": names,
        "labels": labels,
        "logits": logits,
        "num_frames": rng.integers(30, 180, clips),
        "num_persons": num_persons,
        "importance": importance,
        "importance_clips": counts,
        "shown": shown,
        "last": logits + rng.normal(0, 0.3, logits.shape).astype(np.float32),
        "chosen": "highest top-1 on eval, as the field does",
        "metrics": [line(epoch, clips) for epoch in range(1, EPOCHS + 1)],
        "cost": [("parameters", "0.32 M"), ("MACs", "2.73 G x 1 clip x 3 streams"), ("seconds", "41")],
        "environment": {
            "python": "3.11.9",
            "torch": "2.13.0",
            "device": "CPU (x86_64)",
            "commit": "6e95216" + "0" * 33,
        },
        "commands": ["python main.py -c 2001", "python main.py -c 2001 -e", "python main.py -c 2001 -v"],
        "refused": {"S001C002P003R001A004.skeleton": "line 7: 24 joints, expected 25"},
        "left_out": {"no person in any frame": 3},
    }
    return Findings(**(usual | changes))


def score(rng, labels, classes):
    """(N, K) logits that are right in most clips; the others take a class for its neighbour."""
    logits = rng.normal(0, 1, (len(labels), classes))
    taken = np.where(rng.random(len(labels)) < 0.8, labels, (labels + 1 + labels % 2) % classes)
    logits[np.arange(len(labels)), taken] += rng.gamma(3, 1.5, len(labels)) + 1
    return logits.astype(np.float32)


def ends(logits, labels, count):
    """The wrong clips whose true class is the least probable, then the right ones where it is the most."""
    order = np.argsort(logits[np.arange(len(labels)), labels] - np.logaddexp.reduce(logits, axis=1), kind="stable")
    right = (logits.argmax(axis=1) == labels)[order]
    return [int(i) for i in (*order[~right][:count], *order[right][::-1][:count])]


def show(i, labels, logits, persons, dims, rng):
    """A clip that is drawn: somebody who does what the class is called, seen by a camera; absent persons are zeros."""
    joints = perform_seen(i % 4, int(labels[i]) % len(ACTIONS) + 1, i % 3 + 1)[:persons]
    if dims == 2:
        joints = in_pixels(joints)
    absent = np.zeros((persons - len(joints), *joints.shape[1:]))
    joints = np.concatenate([joints, absent]).astype(np.float32)
    activation = {int(k): activate(joints, rng) for k in {int(labels[i]), int(logits[i].argmax())}}
    return Shown(i, joints, np.arange(joints.shape[1]), activation)


@cache
def perform_seen(subject, action, camera):
    return look(perform(0, subject + 1, action, 1), camera).joints


def in_pixels(joints):
    """(M, T, 25, 3) metres -> (M, T, 17, 3): pixels and a score."""
    pixels = project(joints, CAMERA)[:, :, COCO_OF_NTU]
    pixels[:, :, :5] += FACE
    return np.concatenate([pixels, np.full((*pixels.shape[:3], 1), 0.9)], axis=-1)


def activate(joints, rng):
    """(M, T, V): a joint that moves counts."""
    speed = np.abs(np.gradient(joints[..., :2], axis=1)).sum(axis=-1) if joints.shape[1] > 1 else joints[..., 0]
    return (speed / (speed.max() or 1) + rng.normal(0, 0.1, speed.shape) - 0.05).astype(np.float32)


def line(epoch, clips):
    """A line of metrics.jsonl; only some epochs were evaluated."""
    rise = 1 - np.exp(-epoch / 4)
    found = {
        "epoch": epoch,
        "step": 20 * epoch,
        "train": {"loss": 2.5 - 2.1 * rise, "top1": 0.95 * rise, "lr": 0.1 * (1 - epoch / 20)},
    }
    right = round(clips * 0.85 * rise)
    figures = {"top1": right / clips, "top5": 1.0, "mean_class": right / clips, "loss": 2.6 - 1.9 * rise}
    counts = {"top1_clips": right, "top5_clips": clips, "clips": clips}
    return found | ({"eval": figures | counts} if epoch % 5 == 0 or epoch > EPOCHS - 4 else {})
