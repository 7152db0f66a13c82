"""Which joints speak for a class: the mean of its activation map over clips of that class.

Letters: N clips, K classes, V joints.
"""

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from visualizer.activation import joint_means
from visualizer.subject import Subject

CLIPS_PER_CLASS, CLIPS_IN_ALL = 20, 1200  # at most: the whole of a large split would take a CPU an hour


def important_joints(subject: Subject, labels: np.ndarray, *, shows: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean activation (K, V) float64 of each class's own map on its joints, and over how many clips (K,).

    Every clip counts alike, however long it is. NaN and 0 where a class has no clip, and for a network that has no map
    per joint. Maps are made batch by batch: memory does not grow with the split.

    Args:
        subject: what is looked at.
        labels: (N,), -1 where unknown: such clips are of no class.
        shows: a progress bar.
    """
    num_classes = len(subject.classes)
    total, count = np.zeros((num_classes, subject.data.layout.num_joints)), np.zeros(num_classes, np.int64)
    places, size = spread(labels, num_classes), subject.config.test.batch_size
    starts = range(0, len(places) if subject.has_maps else 0, size)
    for index in (places[start : start + size] for start in tqdm(starts, disable=not shows, leave=False)):
        batch, classes = subject.batch(index), labels[index.numpy()]
        means = joint_means(subject.maps(batch.streams, torch.from_numpy(classes)), batch.lengths).cpu().numpy()
        seen = np.isfinite(means).all(axis=1)  # somebody is there
        np.add.at(total, classes[seen], means[seen])
        np.add.at(count, classes[seen], 1)
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan), count


def spread(labels: np.ndarray, num_classes: int) -> Tensor:
    """Return places of at most 20 clips of each class, evenly spread over the split: its neighbours are alike.

    Fewer where 1200 in all would not do: 3 of each of 400 classes.
    """
    most = max(1, min(CLIPS_PER_CLASS, CLIPS_IN_ALL // num_classes))
    places = [np.flatnonzero(labels == label) for label in range(num_classes)]
    picked = [each[np.linspace(0, len(each) - 1, min(most, len(each))).astype(int)] for each in places]
    return torch.from_numpy(np.sort(np.concatenate(picked)))
