"""What the split consists of, and what did not get into it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from visualizer.findings import Findings

BARS = 40  # of lengths, at most


@dataclass(frozen=True)
class Summary:
    """Counts of clips, and of what was refused.

    Attributes:
        length_edges: (B + 1,) frames, whole numbers; a bar is from its lower edge to below the upper one.
        length_counts: (B,) clips per bar.
        persons: number of persons -> clips, ascending.
        class_counts: (K,) clips of the split per class.
        unlabelled: clips whose class is not known.
        refused: (source, why); left_out: (reason, sources), the most first.
    """

    length_edges: np.ndarray
    length_counts: np.ndarray
    persons: Mapping[int, int]
    class_counts: np.ndarray
    unlabelled: int
    refused: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, int], ...]


def summary(findings: Findings) -> Summary:
    """Return the split's lengths, persons and classes, and which files are not in it."""
    edges, counts = length_bars(findings.num_frames)
    persons, clips = np.unique(findings.num_persons, return_counts=True)
    known = findings.labels[findings.labelled]
    return Summary(
        edges,
        counts,
        dict(zip(persons.tolist(), clips.tolist(), strict=True)),
        np.bincount(known, minlength=len(findings.classes)),
        len(findings.labels) - len(known),
        tuple(sorted(findings.refused.items())),
        tuple(sorted(findings.left_out.items(), key=lambda row: (-row[1], row[0]))),
    )


def length_bars(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return edges and counts of bars that are equally many whole frames wide."""
    if not len(frames):
        return np.array([0, 1]), np.array([0])
    low, high = int(frames.min()), int(frames.max())
    width = -(-(high - low + 1) // BARS)  # rounded up
    edges = np.arange(low, high + width + 1, width)
    return edges, np.histogram(frames, edges)[0]
