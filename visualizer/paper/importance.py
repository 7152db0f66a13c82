"""Which joints speak for a class: all classes as a heat map, one class on a body."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dataset.layouts import Layout
from visualizer.figures.importance import Importance
from visualizer.figures.pose import pose
from visualizer.paper.body import draw_body
from visualizer.paper.canvas import ACTIVATION, INK, MUTED, colour_bar, panels, sheet, short, width_of

ROW = 0.16  # inches


def draw(found: Importance) -> Figure:
    """Return a row per class and a column per joint; a class without clips stays, as an empty row."""
    K, V = found.values.shape
    columns = panels(K)
    each = -(-K // columns)
    names, joints = [short(name) for name in found.classes], [name.replace("_", " ") for name in found.joints]
    size = 7.5
    figure = sheet(columns * (width_of(names, size) + V * ROW + 0.3) + 0.8, each * ROW + width_of(joints, size) + 0.8)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for number, ax in enumerate(axes):
        rows = slice(number * each, (number + 1) * each)
        image = _rows(ax, names[rows], found.values[rows], found.clips[rows] == 0, size)
        ax.set_ylim(each - 0.5, -0.5)
        ax.set_xticks(range(V), joints, rotation=90, fontsize=size)
    colour_bar(figure, axes, image, {0: "none", 1: "the class's\nhighest"})
    return figure


def _rows(ax: Any, names: list[str], values: np.ndarray, empty: np.ndarray, size: float) -> Any:
    """Draw the rows of some classes."""
    shown = np.ma.masked_where(np.broadcast_to(empty[:, None], values.shape), values)
    image = ax.imshow(shown, cmap=ACTIVATION, vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    ax.set_yticks(range(len(names)), names, fontsize=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for place in np.flatnonzero(empty):
        ax.text(0, place, "no clip", va="center", fontsize=size - 1, color=MUTED)
    return image


def draw_class(found: Importance, layout: Layout, number: int) -> Figure:
    """Return a standing body whose joints have the colours of their importance, and the joints in its order."""
    order = found.order[number]
    figure = sheet(7.6, max(3.6, 0.21 * len(order) + 0.9))
    ax, beside = figure.subplots(1, 2, width_ratios=(1, 1.15))
    values = found.values[number]
    draw_body(ax, layout, pose(layout), values if found.clips[number] else None)
    beside.barh(range(len(order)), values[order], color=ACTIVATION(values[order]), height=0.72)
    beside.set_yticks(range(len(order)), [found.joints[joint].replace("_", " ") for joint in order], fontsize=8)
    beside.set(xlim=(0, 1.02), ylim=(len(order) - 0.4, -0.6), xlabel="importance, the highest is 1")
    beside.tick_params(length=0)
    beside.spines[["left", "bottom"]].set_visible(False)
    beside.grid(axis="x")
    clips = f"over {found.clips[number]} clips" if found.clips[number] else "no clip of it"
    figure.suptitle(
        f"{short(found.classes[number], 60)}: its joints, {clips}", x=0.02, ha="left", fontsize=10, color=INK
    )
    return figure
