"""Recall of every class with its interval, and precision beside it; the best recall first."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from visualizer.figures.classes import ClassRow
from visualizer.paper.canvas import BLUE, FAINT, MUTED, ORANGE, panels, sheet, short, width_of

ROW = 0.19  # inches


def draw(rows: Sequence[ClassRow]) -> Figure:
    """Return a line per class; one without clips stays, with a dash."""
    ordered = sorted(rows, key=lambda row: (row.recall is None, -(row.recall or 0), row.number))
    columns = panels(len(rows))
    each = -(-len(rows) // columns)
    size = 8 if columns < 3 else 7
    names = width_of([short(row.name) for row in rows], size)
    figure = sheet(columns * (names + 3.2), each * ROW + 1.1)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for number, ax in enumerate(axes):
        _column(ax, ordered[number * each : (number + 1) * each], each, size)
    handles = [
        Line2D([], [], marker="o", color=BLUE, lw=1.6, ms=5, label="recall, with its 95% interval"),
        Line2D([], [], marker="D", color=ORANGE, mfc="none", lw=0, ms=4.5, label="precision"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return figure


def _column(ax: Any, rows: Sequence[ClassRow], each: int, size: float) -> None:
    ax.set(xlim=(-0.02, 1.02), ylim=(each - 0.4, -0.6))
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100%"], fontsize=size)
    ax.set_yticks(range(len(rows)), [short(row.name) for row in rows], fontsize=size)
    ax.tick_params(length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.hlines(range(len(rows)), 0, 1, color=FAINT, lw=0.5)
    ax.text(1.04, -1, "clips", va="center", fontsize=size, color=MUTED)
    for place, row in enumerate(rows):
        ax.text(1.04, place, f"{row.support}" if row.support else "-", va="center", fontsize=size, color=MUTED)
    places = range(len(rows))
    columns = [(row.precision, row.recall, row.low, row.high) for row in rows]
    precision, recall, low, high = np.array(columns, np.float64).T  # None becomes NaN, which is not drawn
    ax.plot(precision, places, marker="D", color=ORANGE, mfc="white", ms=4.5, lw=0, clip_on=False)
    ax.hlines(places, low, high, color=BLUE, lw=1.6, alpha=0.55, capstyle="round")
    ax.plot(recall, places, marker="o", color=BLUE, ms=5, mew=0, lw=0, clip_on=False)
