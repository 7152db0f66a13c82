"""Which joints matter for a class, on a body: what the page's script draws. K classes, V joints."""

from typing import Any

import numpy as np

from visualizer.figures.importance import Importance
from visualizer.figures.pose import pose
from visualizer.findings import Findings
from visualizer.view import bones


def body_map(findings: Findings, importance: Importance) -> dict[str, Any]:
    """Return names, bones, joints' places (V, 2), at most 100 apart, right and down, and values per class.

    Values (K, V) are whole percent of the class's most important joint; `order` (K, V) has the highest first.
    """
    places = pose(findings.layout) * [1, -1]
    size = max(float(np.ptp(places, axis=0).max()), 1e-9)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    return {
        "classes": list(importance.classes),
        "clips": importance.clips.tolist(),
        "joints": list(importance.joints),
        "bones": bones(findings.layout),
        "values": np.round(100 * importance.values).astype(int).tolist(),
        "order": importance.order.tolist(),
        "places": (100 * (places - middle) / size).round(1).tolist(),
    }
