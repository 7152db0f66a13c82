"""From a scored run to `Findings`: scores joined with the clips by name, activations, clips to be drawn.

Letters: N clips, K classes, T frames, V joints, C channels, M persons.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from initializer.machine import Machine
from utils.errors import UserError
from utils.outputs import read_scores, softmax
from utils.run_folder import LAST_SCORES, SCORES
from visualizer.findings import Findings, Shown
from visualizer.importance import important_joints
from visualizer.provenance import provenance
from visualizer.subject import Subject, seen

ENDS = 12  # clips that are shown as the worst, and as the best


def gather_findings(
    subject: Subject,
    machine: Machine,
    *,
    clips: Sequence[int] = (),
    class_: int | None = None,
    words: Sequence[str] = (),
) -> Findings:
    """Return what there is to look at of a scored run.

    Args:
        subject: from `open_subject`.
        machine: the store, and whether progress is shown.
        clips: places of clips to be drawn beside the worst and the best.
        class_: whose activation the drawn clips get, beside that of the predicted and the true class.
        words: of the command line that made this, behind the run.

    Raises:
        UserError: where scores are missing or damaged, or of other clips than the store holds.
    """
    loader = subject.loader
    labels, logits = read_scores_of(subject)
    last = subject.folder.path / LAST_SCORES
    importance, counts = important_joints(subject, labels, shows=machine.show_progress)
    drawn = list(dict.fromkeys([*worst_and_best(labels, logits), *clips]))
    return Findings(
        config=subject.config,
        layout=subject.data.layout,
        classes=subject.classes,
        split=subject.split,
        weights=str(subject.weights),
        names=loader.names,
        labels=labels,
        logits=logits,
        num_frames=loader.clips.frames.numpy(),
        num_persons=loader.clips.num_persons,
        importance=importance,
        importance_clips=counts,
        shown=[show(subject, place, _classes(labels, logits, place, class_)) for place in drawn],
        last=read_joined(subject, last)[1] if last.is_file() else None,
        **provenance(subject, machine, words),
    )


def read_scores_of(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (N,) int64 and logits (N, K) float32 of the split, in its order."""
    return read_joined(subject, subject.folder.path / SCORES)


def read_joined(subject: Subject, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (N,) int64 and logits (N, K) float32 of a file of scores, in the split's order: joined by name."""
    found, names = read_scores(path), subject.loader.names.tolist()
    rows = {name: row for row, name in enumerate(found["names"].tolist())}
    if rows.keys() != set(names) or len(found["names"]) != len(names):
        other = min(rows.keys() ^ set(names), default="one twice")
        have = f"{len(found['names'])} clips, the {subject.split} split in the store {len(names)}"
        raise UserError(f"{path}: scores of other clips than the store holds: {have} ({other}); give its --store DIR")
    order = [rows[name] for name in names]
    labels, logits = found["labels"][order].astype(np.int64), found["logits"][order].astype(np.float32)
    if logits.shape[1] != len(subject.classes):
        raise UserError(f"{path}: scores of {logits.shape[1]} classes, but {len(subject.classes)} are there")
    for wrong, what in (
        (labels != subject.loader.clips.labels.cpu().numpy(), "another label than in the store"),
        (~np.isfinite(logits).all(axis=1), "a score that is not finite"),
    ):
        if wrong.any():
            raise UserError(f"{path}: clip {names[int(wrong.argmax())]} has {what}; evaluate anew: -v -pp FILE")
    return labels, logits


def worst_and_best(labels: np.ndarray, logits: np.ndarray, count: int = ENDS) -> list[int]:
    """Return the places of the wrong clips whose true class is the least probable, then of the right and surest ones.

    Where no label (N,) is known, of the clips whose highest class is the least, and the most probable.
    """
    predicted, known = logits.argmax(axis=1), labels >= 0
    if not known.any():
        labels = predicted
    order = np.argsort(softmax(logits)[np.arange(len(labels)), labels], kind="stable")
    wrong, right = (order[mask[order]] for mask in (known & (predicted != labels), known & (predicted == labels)))
    if not known.any():
        wrong, right = order[: len(order) // 2], order[len(order) // 2 :]
    return [*wrong[:count].tolist(), *right[::-1][:count].tolist()]


def show(subject: Subject, place: int, classes: Sequence[int]) -> Shown:
    """Return a clip as the network saw it, with the activation maps of some classes."""
    joints, frames = seen(subject.loader, place)
    if not subject.has_maps:
        return Shown(place, joints, frames, activation={})
    streams = subject.batch(torch.tensor([place])).streams
    maps = subject.maps(streams, torch.tensor(classes))[:, : len(frames)].permute(0, 3, 1, 2)
    return Shown(place, joints, frames, dict(zip(classes, maps.cpu().numpy(), strict=True)))


def _classes(labels: np.ndarray, logits: np.ndarray, place: int, class_: int | None) -> list[int]:
    """Return the classes whose maps are of interest in a clip: predicted, true and asked for."""
    wanted = (int(logits[place].argmax()), int(labels[place]), -1 if class_ is None else class_)
    return [each for each in dict.fromkeys(wanted) if each >= 0]
