"""The reliability diagram: accuracy over confidence, and how many clips are how sure."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from visualizer.figures.calibration import Calibration
from visualizer.paper.canvas import BLUE, MUTED, SKY, sheet


def draw(found: Calibration) -> Figure:
    """Return bars that stand on the diagonal where the network is as often right as it is sure."""
    figure = sheet(4.4, 5.2)
    ax, below = figure.subplots(2, 1, height_ratios=(3.4, 1), sharex=True)
    _diagram(ax, found)
    lows, widths = [each.low for each in found.bins], [each.high - each.low for each in found.bins]
    below.bar(lows, [each.count for each in found.bins], widths, align="edge", color=SKY, edgecolor="white", lw=0.8)
    below.set(xlabel="confidence: probability of the predicted class", ylabel="clips")
    below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    below.grid(axis="y")
    return figure


def _diagram(ax: Any, found: Calibration) -> None:
    ax.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (4, 3)))
    for each in found.bins:
        ax.bar(each.low, each.accuracy, each.high - each.low, align="edge", color=BLUE, alpha=0.25, lw=0)
        ax.plot([each.confidence] * 2, [each.at_least, each.at_most], color=BLUE, lw=1.2, alpha=0.7)
        ax.plot(each.confidence, each.accuracy, marker="o", color=BLUE, ms=5, mew=0, clip_on=False)
    ax.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy, with its 95% interval")
    ax.set_title(f"ECE {found.ece:.1%}    MCE {found.mce:.1%}")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid()
