"""Which joints speak for a class."""

from dataclasses import dataclass

import numpy as np

from visualizer.findings import Findings
from visualizer.view import scaled


@dataclass(frozen=True)
class Importance:
    """Joints of every class.

    Attributes:
        classes: (K,) names; joints: (V,) names.
        clips: (K,) int64, over how many clips of a class; 0: no clip, and its row of `values` is 0.
        values: (K, V) mean activation, scaled per class: 1 is its most important joint, 0 none or against the class.
        order: (K, V) joints in descending order of the activation as it was.
    """

    classes: tuple[str, ...]
    joints: tuple[str, ...]
    clips: np.ndarray
    values: np.ndarray
    order: np.ndarray


def importance(findings: Findings) -> Importance:
    """Return the joints' importance per class; NaN, where a class has no clip, becomes 0 clips."""
    told = np.isfinite(findings.importance).all(axis=1)
    plain = np.where(told[:, None], findings.importance, 0.0)
    return Importance(
        findings.classes,
        findings.layout.joints,
        np.where(told, findings.importance_clips, 0),
        np.stack([scaled(row) for row in plain]) if len(plain) else plain,
        np.argsort(-plain, axis=1, kind="stable"),
    )
