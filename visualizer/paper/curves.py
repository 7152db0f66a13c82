"""Loss, accuracy and learning rate over the epochs, side by side."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from visualizer.figures.curves import QUANTITIES, Curve, Curves
from visualizer.paper.canvas import BLUE, INK, VERMILLION, sheet

TITLES = {"loss": "loss", "top1": "top-1 accuracy", "lr": "learning rate"}
COLOURS = {"train": "#8d97a5", "eval": BLUE, "validation": VERMILLION}


def draw(found: Curves) -> Figure:
    """Return a panel for each quantity that there is; the best epoch is marked where it was chosen."""
    quantities = [each for each in QUANTITIES if any(curve.quantity == each for curve in found.curves)]
    figure = sheet(3.6 * len(quantities), 2.9)
    for ax, quantity in zip(figure.subplots(1, len(quantities), squeeze=False)[0], quantities, strict=True):
        curves = [curve for curve in found.curves if curve.quantity == quantity]
        _panel(ax, quantity, curves)
        if quantity == "top1" and found.best is not None:
            _mark(ax, next(curve for curve in curves if curve.split == found.chosen_on), found.best)
    return figure


def _panel(ax: Any, quantity: str, curves: list[Curve]) -> None:
    for curve in curves:
        look = {"color": COLOURS.get(curve.split, INK), "lw": 1.6, "label": curve.split, "clip_on": False}
        dots = {"marker": "o", "ms": 3} if len(curve.epochs) <= 30 else {}
        ax.plot(curve.epochs, curve.values, **look, **dots)  # not cut in half at 0 and at 100 %
    ax.set(title=TITLES[quantity], xlabel="epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylim(bottom=0)
    if quantity == "top1":
        ax.set_ylim(0, 1.0)
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(axis="y")
    if len(curves) > 1:
        ax.legend(loc="best", fontsize=8)


def _mark(ax: Any, curve: Curve, best: int) -> None:
    value = curve.values[curve.epochs.index(best)]
    ax.plot(best, value, marker="o", ms=9, mfc="none", mec=VERMILLION, mew=1.4, lw=0, clip_on=False)
    ax.set_title(f"best {value:.2%}, epoch {best}", loc="right", fontsize=8, color=VERMILLION)
