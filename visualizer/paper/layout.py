"""A skeleton layout: its joints with numbers and names, what hangs from what, its parts. V joints."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dataset.layouts import Layout
from visualizer.figures.pose import pose
from visualizer.paper.body import frame
from visualizer.paper.canvas import BLUE, FAINT, INK, MUTED, ORANGE, SKY, VERMILLION, sheet, short

PARTS = (BLUE, VERMILLION, SKY, ORANGE, "#009E73", "#CC79A7", "#F0E442", INK)  # Okabe & Ito; again from the first
LINE = 0.24  # inches between names


def draw(layout: Layout) -> Figure:
    """Return a standing body, or the layout's tree, with every joint's number and name beside it."""
    places = pose(layout)
    sides = _sides(places)
    figure = sheet(8.2, max(4.4, LINE * max(map(len, sides)) + 1.1))
    ax = figure.subplots()
    frame(ax, places)
    _edges(ax, layout, places)
    colours = _colours(layout)
    for joint, place in enumerate(places):
        ax.plot(*place, marker="o", ms=8, color=colours[joint], mec="white", mew=0.9, zorder=3)
    ax.plot(*places[layout.centre], marker="o", ms=14, mfc="none", mec=INK, mew=1.2, zorder=2)
    for side, joints in zip((-1, 1), sides, strict=True):
        _names(ax, layout, places, joints, side)
    _legend(figure, layout)
    return figure


def _edges(ax: Any, layout: Layout, places: np.ndarray) -> None:
    towards = set(layout.inward)
    for edge in layout.edges:
        style = {"color": "#9aa3af", "lw": 2.4} if edge in towards else {"color": MUTED, "lw": 1.2, "ls": (0, (3, 2))}
        ax.plot(*places[list(edge)].T, solid_capstyle="round", zorder=1, **style)


def _sides(places: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the joints that are named on the left and on the right, from the top: half of those in the middle each."""
    order = np.lexsort((places[:, 0], -places[:, 1])).tolist()
    found: tuple[list[int], list[int]] = ([], [])
    for joint in order:
        x = places[joint, 0]
        shorter = int(len(found[1]) < len(found[0]))
        found[shorter if abs(x) < 1e-9 else int(x > 0)].append(joint)
    return found


def _names(ax: Any, layout: Layout, places: np.ndarray, joints: list[int], side: int) -> None:
    """Write names in a column beside the body, each with a thin line to its joint."""
    low, high = places.min(axis=0), places.max(axis=0)
    size = float((high - low).max())
    x = (high[0] if side > 0 else low[0]) + side * 0.22 * size
    heights = np.linspace(high[1], low[1], len(joints)) if len(joints) > 1 else places[joints, 1]
    for joint, y in zip(joints, heights, strict=True):
        ax.plot([places[joint, 0], x - side * 0.01 * size], [places[joint, 1], y], color=FAINT, lw=0.9, zorder=0)
        text = f"{joint}  {short(layout.joints[joint])}" if side > 0 else f"{short(layout.joints[joint])}  {joint}"
        ax.text(x, y, text, ha="left" if side > 0 else "right", va="center", fontsize=8.5)
    ax.set_xlim(*np.add(ax.get_xlim(), (-0.24 * size, 0) if side < 0 else (0, 0.24 * size)))


def _colours(layout: Layout) -> list[str]:
    found = [BLUE] * layout.num_joints
    for number, joints in enumerate((layout.parts or {}).values()):
        for joint in joints:
            found[joint] = PARTS[number % len(PARTS)]
    return found


def _legend(figure: Figure, layout: Layout) -> None:
    dots: dict[str, Any] = {"marker": "o", "lw": 0}
    handles = [
        Line2D([], [], color=PARTS[number % len(PARTS)], ms=7, label=name.replace("_", " "), **dots)
        for number, name in enumerate(layout.parts or {})
    ]
    handles.append(Line2D([], [], mfc="none", mec=INK, ms=11, label="centre", **dots))
    if len(layout.edges) > len(layout.inward):
        handles.append(Line2D([], [], color=MUTED, lw=1.2, ls=(0, (3, 2)), label="extra edge"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), fontsize=8.5)
    unit = layout.units or "unit not stated"
    figure.suptitle(f"{layout.name}: {layout.num_joints} joints, {unit}", x=0.02, ha="left", fontsize=11)
