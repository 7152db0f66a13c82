"""The confusion matrix: with the classes' names up to 120 of them, beyond with the most confused pairs beside it."""

from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from utils.statistics import p_words
from visualizer.figures.confusion import PAIRS, Confusion, Pair
from visualizer.paper.canvas import FAINT, INK, MUTED, SHARES, colour_bar, sheet, short, width_of

NAMED, COUNTED = 120, 30  # classes at most for names at the axes, for counts in the cells
ROOT = PowerNorm(0.5, vmin=0, vmax=1)  # of shares: a few clips can be seen, too


def draw(found: Confusion) -> Figure:
    """Return the matrix of shares of each true class's clips."""
    return _named(found) if len(found.classes) <= NAMED else _ordered(found)


def _named(found: Confusion) -> Figure:
    K = len(found.classes)
    cell = min(0.55, max(0.12, 9.6 / K))  # inches
    size = min(9.0, cell * 72 * 0.62)
    names = [short(name) for name in found.classes]
    side = max(1.8, K * cell)
    figure = sheet(side + width_of(names, size) + 1.3, side + width_of(names, size) + 0.8)
    ax = figure.subplots()
    image = _matrix(ax, found.shares)
    ax.set_xticks(range(K), names, rotation=90 if K > 6 else 45, ha="center" if K > 6 else "right", fontsize=size)
    ax.set_yticks(range(K), names, fontsize=size)
    ax.tick_params(length=0)
    if K <= COUNTED:
        _count(ax, found, cell)
    else:
        _guide(ax, K)
    _legend(figure, ax, image, side)
    return figure


def _ordered(found: Confusion) -> Figure:
    """Classes that are taken for each other are neighbours here, so that groups of them show as blocks."""
    figure = sheet(15.5, 9.2)
    ax, beside = figure.subplots(1, 2, width_ratios=(8.4, 6.4))
    ax.set_anchor("N")
    order = found.order
    image = _matrix(ax, found.shares[np.ix_(order, order)])
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{len(order)} classes, those that are taken for each other side by side")
    _legend(figure, ax, image, 8.4)
    _table(beside, found)
    return figure


def _matrix(ax: Any, shares: np.ndarray) -> Any:
    image = ax.imshow(shares, cmap=SHARES, norm=ROOT, interpolation="nearest", aspect="equal")
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.spines[["top", "right"]].set_visible(True)
    return image


def _legend(figure: Figure, ax: Any, image: Any, side: float) -> None:
    words = {0: "0", 0.01: "1%", 0.1: "10%", 0.25: "25%", 0.5: "50%", 1: "100%"}
    bar = colour_bar(figure, ax, image, words, min(1.0, 3.2 / side))
    bar.set_label("share of the true class's clips", color=MUTED, fontsize=8)


def _guide(ax: Any, K: int) -> None:
    """Lead the eye with a thin line every five classes."""
    for place in np.arange(5, K, 5) - 0.5:
        ax.axhline(place, color=FAINT, lw=0.3)
        ax.axvline(place, color=FAINT, lw=0.3)


def _count(ax: Any, found: Confusion, cell: float) -> None:
    """Write the clips into the cells."""
    for true, predicted in zip(*found.counts.nonzero(), strict=True):
        count = found.counts[true, predicted]
        size = min(9.0, cell * 72 * 0.9 / max(2, len(str(count))))
        colour = "white" if found.shares[true, predicted] > 0.3 else INK
        ax.text(predicted, true, str(count), ha="center", va="center", fontsize=size, color=colour)


# --- the pairs

COLUMNS = (("true class", 0.0, "left"), ("predicted as", 0.40, "left"), ("clips", 0.86, "right"), ("p", 1.0, "right"))


def _table(ax: Any, found: Confusion) -> None:
    """Write the most confused pairs, their clips out of the true class's, and whether one direction is likelier."""
    ax.set(xlim=(0, 1), ylim=(PAIRS + 1.5, -1.5))
    ax.axis("off")
    ax.set_title(f"The {len(found.pairs)} most confused pairs")
    for title, x, align in COLUMNS:
        ax.text(x, -0.6, title, ha=align, va="center", color=MUTED, fontsize=8.5)
    ax.axhline(-0.1, color=MUTED, lw=0.6)
    for row, pair in enumerate(found.pairs):
        for (_, x, align), text in zip(COLUMNS, _cells(found, pair), strict=True):
            ax.text(x, row + 0.5, text, ha=align, va="center", fontsize=8.5)
    note = "p: that the other direction is as likely (binomial, two-sided; not corrected for several pairs)"
    ax.text(0, PAIRS + 1, note, color=MUTED, fontsize=7.5, va="center")


def _cells(found: Confusion, pair: Pair) -> tuple[str, str, str, str]:
    names = short(found.classes[pair.true], 26), short(found.classes[pair.predicted], 26)
    return *names, f"{pair.count} of {pair.clips}", p_words(pair.p_value)
