"""Charts of the report, as plotly's plain JSON: a title would be said twice, so the page says it.

Colours are names of the page's own, `var(--...)`: the page puts in what they are in light and in dark. Numbers come
from `visualizer/figures` alone. K classes.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from visualizer.figures.calibration import Calibration
from visualizer.figures.confusion import Confusion
from visualizer.figures.curves import Curve, Curves
from visualizer.figures.summary import Summary
from visualizer.report.markup import label

Chart = dict[str, Any]

TICKS = 120  # classes that a heat map has room to name
FEW = 10  # whole numbers that have a tick each
NAME = 26  # characters of a class's name on an axis
TITLES = {"loss": "loss", "top1": "top-1", "lr": "learning rate"}
COLOURS = {"train": "var(--soft)"}  # of a split; the others are what one looks for
SHARES = (0.1, 0.25, 0.5, 1.0)  # at the colour bar


def curve_charts(curves: Curves) -> dict[str, Chart]:
    """Return a chart per quantity: loss, accuracy, learning rate over epochs."""
    found = {quantity: [each for each in curves.curves if each.quantity == quantity] for quantity in TITLES}
    return {quantity: _curves(quantity, each, curves) for quantity, each in found.items() if each}


def _curves(quantity: str, found: list[Curve], curves: Curves) -> Chart:
    share = quantity == "top1"
    axis: Chart = {"title": {"text": TITLES[quantity]}, "rangemode": "tozero"}
    axis |= {"tickformat": ".0%", "range": [0, 1.02]} if share else {}
    traces = [_line(curve, share) for curve in found]
    words = {curves.last: "last"}
    words[curves.best] = "best, last" if curves.best == curves.last else "best"
    marks = [_mark(epoch, word) for epoch, word in words.items() if epoch is not None]
    layout = _layout(260, xaxis={"title": {"text": "epoch"}}, yaxis=axis, showlegend=len(found) > 1)
    return {"data": traces, "layout": layout | {"shapes": marks if share else []}}


def _line(curve: Curve, share: bool) -> Chart:
    value = "%{y:.2%}" if share else "%{y:.4g}"
    return {
        "type": "scatter", "mode": "lines+markers", "name": label(curve.split), "x": curve.epochs,
        "y": [value if math.isfinite(value) else None for value in curve.values],
        "line": {"color": COLOURS.get(curve.split, "var(--accent)"), "width": 2}, "marker": {"size": 5},
        "hovertemplate": f"epoch %{{x}}: {value}<extra>{label(curve.split)}</extra>",
    }  # fmt: skip


def _mark(epoch: int, word: str) -> Chart:
    """Return a dotted line at an epoch, with its name beside it."""
    told = {"text": word, "textposition": "start", "textangle": 0, "xanchor": "right", "font": {"size": 11}}
    line = {"color": "var(--muted)", "width": 1, "dash": "dot"}
    return {"type": "line", "x0": epoch, "x1": epoch, "yref": "paper", "y0": 0, "y1": 1, "line": line, "label": told}


def confusion_chart(confusion: Confusion) -> Chart:
    """Return the heat map, classes in their order; the colour is the root of the share, so that mistakes are seen."""
    K = len(confusion.classes)
    support = confusion.counts.sum(axis=1, keepdims=True)
    hover = np.stack(np.broadcast_arrays(confusion.counts, support), axis=-1)
    trace = {
        "type": "heatmap", "z": np.sqrt(confusion.shares).round(3).tolist(), "zmin": 0, "zmax": 1,
        "customdata": hover.tolist(), "xgap": int(K <= 40), "ygap": int(K <= 40),
        "hovertemplate": "true %{y}<br>predicted %{x}<br>%{customdata[0]} of %{customdata[1]} clips<extra></extra>",
        "colorscale": [[0, "var(--heat-0)"], [0.5, "var(--heat-1)"], [1, "var(--heat-2)"]],
        "colorbar": {
            "tickvals": [0, *np.sqrt(SHARES).tolist()], "ticktext": ["0", *(f"{share:.0%}" for share in SHARES)],
            "thickness": 10, "outlinewidth": 0, "len": 240, "lenmode": "pixels", "y": 1, "yanchor": "top",
        },
    }  # fmt: skip
    axis = _class_axis(confusion.classes, K <= TICKS)
    layout = _layout(
        int(np.clip(11 * K, 400, 960)) + 130 if K <= TICKS else 800,
        xaxis=axis | {"title": {"text": "predicted"}, "tickangle": -60},
        yaxis=axis | {"title": {"text": "true"}, "autorange": "reversed"},
    )
    return {"data": [trace], "layout": layout}


def _class_axis(names: Sequence[str], named: bool) -> Chart:
    """Return an axis of classes by number, as two may have one name."""
    size = 11 if len(names) <= 30 else 9 if len(names) <= 80 else 7
    return {
        "tickvals": list(range(len(names))), "ticktext": [label(name, NAME if named else None) for name in names],
        "showticklabels": named, "tickfont": {"size": size}, "showgrid": False, "zeroline": False, "ticks": "",
    }  # fmt: skip


def calibration_chart(calibration: Calibration) -> Chart:
    """Return accuracy over confidence with intervals, and below how many clips each bin has."""
    bins = calibration.bins
    middle = [(each.low + each.high) / 2 for each in bins]
    error = {
        "type": "data", "symmetric": False, "color": "var(--ink)", "thickness": 1, "width": 3,
        "array": [each.at_most - each.accuracy for each in bins],
        "arrayminus": [each.accuracy - each.at_least for each in bins],
    }  # fmt: skip
    width = [0.94 * (each.high - each.low) for each in bins]
    bars = {
        "type": "bar", "x": middle, "width": width, "y": [each.accuracy for each in bins], "error_y": error,
        "marker": {"color": "var(--accent)"}, "customdata": [[each.confidence, each.count] for each in bins],
        "hovertemplate": "confidence %{customdata[0]:.1%}, accuracy %{y:.1%}, %{customdata[1]} clips<extra></extra>",
    }  # fmt: skip
    counts = {
        "type": "bar", "x": middle, "width": width, "y": [each.count for each in bins], "yaxis": "y2",
        "marker": {"color": "var(--soft)"}, "hovertemplate": "%{y} clips<extra></extra>",
    }  # fmt: skip
    ideal = {
        "type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "hoverinfo": "skip",
        "line": {"color": "var(--muted)", "width": 1, "dash": "dot"},
    }  # fmt: skip
    layout = _layout(
        430,
        xaxis={"title": {"text": "confidence"}, "range": [0, 1], "dtick": 0.2, "tickformat": ".0%", "anchor": "y2"},
        yaxis={"title": {"text": "accuracy"}, "range": [0, 1.02], "tickformat": ".0%", "domain": [0.32, 1]},
        yaxis2={"title": {"text": "clips"}, "domain": [0, 0.22]},
    )
    return {"data": [bars, counts, ideal], "layout": layout}


def summary_charts(summary: Summary, classes: tuple[str, ...]) -> dict[str, Chart]:
    """Return how many frames and persons the clips have, and how many clips the classes."""
    edges, names = summary.length_edges, [label(name) for name in classes]
    lengths = _bars((edges[:-1] + edges[1:] - 1) / 2, summary.length_counts, "%{customdata} frames: %{y} clips")
    lengths |= {
        "width": np.diff(edges).tolist(),
        "customdata": [_span(low, high - 1) for low, high in itertools.pairwise(edges)],
    }
    persons = _bars([str(number) for number in summary.persons], list(summary.persons.values()), "%{x}: %{y} clips")
    persons |= {"width": 0.5}
    counts = _bars(np.arange(len(classes)), summary.class_counts, "%{customdata}: %{y} clips") | {"customdata": names}
    clips = {"title": {"text": "clips"}, "rangemode": "tozero"}
    frames = {"title": {"text": "frames"}, "dtick": 1 if edges[-1] - edges[0] <= FEW else None}
    axis = _class_axis(classes, len(classes) <= TICKS // 2)
    return {
        "lengths": {"data": [lengths], "layout": _layout(260, xaxis=frames, yaxis=clips)},
        "persons": {
            "data": [persons],
            "layout": _layout(260, xaxis={"title": {"text": "persons"}, "type": "category"}, yaxis=clips),
        },
        "supports": {"data": [counts], "layout": _layout(320, xaxis=axis | {"tickangle": -60}, yaxis=clips)},
    }


def _bars(x: Any, y: Any, hover: str) -> Chart:
    x, y = np.asarray(x).tolist(), np.asarray(y).tolist()
    hover += "<extra></extra>"
    return {"type": "bar", "x": x, "y": y, "hovertemplate": hover, "marker": {"color": "var(--accent)"}}


def _layout(height: int, **axes: Any) -> Chart:
    """Return what all charts have in common; the page adds colours and fonts."""
    for name in (name for name in axes if "axis" in name):
        axes[name] = {"automargin": True, **axes[name], "title": {"standoff": 12, **axes[name].get("title", {})}}
    return {"height": height, "margin": {"l": 50, "r": 10, "t": 10, "b": 40}, "showlegend": False, **axes}


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
