"""Clips that the network gets wrong."""

from dataclasses import dataclass

import numpy as np

from visualizer.findings import Findings


@dataclass(frozen=True)
class WrongClip:
    """A clip whose predicted class is not its true one; probabilities 0..1 of both."""

    index: int
    name: str
    true: int
    predicted: int
    true_probability: float
    predicted_probability: float


def wrong(findings: Findings) -> tuple[WrongClip, ...]:
    """Return the wrong clips, the surest mistake first: the least probability of the true class."""
    indices = np.flatnonzero(findings.labelled & (findings.predicted != findings.labels))
    truth = findings.probabilities[indices, findings.labels[indices]]
    return tuple(_clip(findings, int(n)) for n in indices[np.argsort(truth, kind="stable")])


def _clip(findings: Findings, n: int) -> WrongClip:
    true, predicted = int(findings.labels[n]), int(findings.predicted[n])
    shares = findings.probabilities[n]
    return WrongClip(n, str(findings.names[n]), true, predicted, float(shares[true]), float(shares[predicted]))
