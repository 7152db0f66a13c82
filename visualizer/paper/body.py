"""One person on paper: bones as lines, joints as dots in the colours of their activation. V joints, D axes: 2 or 3."""

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap

from dataset.layouts import Layout
from visualizer.paper.canvas import ACTIVATION, BLUE
from visualizer.view import bones

DEPTH = LinearSegmentedColormap.from_list("depth", ["#d4d9e0", "#7d8796"])  # of bones: far, near
SMALL, LARGE = 12.0, 46.0  # points squared, of a joint that does not matter, and of the one that matters most


class Body:
    """Somebody on `ax` who can be shown in one pose after another; drawn at `scale` of the usual size."""

    def __init__(self, ax: Any, layout: Layout, scale: float = 1.0) -> None:
        self._pairs = np.array(bones(layout), int).reshape(-1, 2)
        self._scale = scale
        self._bones = LineCollection([], linewidths=2.2 * scale, capstyle="round", zorder=2)
        self._joints = ax.scatter([], [], edgecolors="white", linewidths=0.6 * scale, zorder=3)
        ax.add_collection(self._bones, autolim=False)

    def show(self, points: np.ndarray, values: np.ndarray | None, near: np.ndarray | None = None) -> None:
        """Draw the joints at `points` (V, 2); one that is not there is NaN.

        Args:
            points: right, up.
            values: (V,) activation in 0..1; None: no map, all joints alike.
            near: (V,) 0 far to 1 near, of clips with depth.
        """
        depth = np.full(len(points), 0.6) if near is None else near
        first = np.argsort(depth, kind="stable")  # the farthest is drawn first
        self._bones.set_segments(points[self._pairs])
        self._bones.set_color(DEPTH(np.nan_to_num(depth[self._pairs].mean(axis=1))))
        shown = np.full(len(points), 0.25) if values is None else values
        self._joints.set_offsets(points[first])
        self._joints.set_sizes((SMALL + (LARGE - SMALL) * shown[first]) * self._scale**2)
        self._joints.set_facecolor(BLUE if values is None else ACTIVATION(shown[first]))


def draw_body(ax: Any, layout: Layout, points: np.ndarray, values: np.ndarray | None) -> None:
    """Draw one body at `points` (V, 2) on axes of its own."""
    frame(ax, points)
    Body(ax, layout, scale=1.5).show(points, values)


def frame(ax: Any, points: np.ndarray) -> None:
    """Let `ax` show all of `points` (..., 2), NaN apart, in their proportions and without axes."""
    found = points.reshape(-1, 2)
    found = found[np.isfinite(found).all(axis=1)]
    low, high = (found.min(axis=0), found.max(axis=0)) if len(found) else (np.zeros(2), np.ones(2))
    margin = 0.08 * max(float((high - low).max()), 1e-6)
    ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin), aspect="equal")
    ax.axis("off")
