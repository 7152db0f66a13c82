"""A clip's skeletons, with joints in the colours of a class's activation: frames side by side, or moving.

M persons, T frames, V joints. In 3-D one looks from the front: near bones are darker.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dataset.layouts import Layout
from utils.files import write_atomic
from visualizer.findings import Findings, Shown
from visualizer.paper.body import Body, frame
from visualizer.paper.canvas import ACTIVATION, FAINT, MUTED, colour_bar, sheet, short
from visualizer.view import axes, present, scaled, turned

SIDE_BY_SIDE = 6  # frames, where none are asked for
MOVING = 100  # frames of a .gif at most: of longer clips each second one, each third ...
STEP_MS = 50  # from one frame to the next
GIF_DPI = 130


@dataclass(frozen=True)
class Scene:
    """A clip as it is drawn.

    Attributes:
        layout: of the bones.
        points: (M, T, V, 2) right and up, NaN where a joint is not there; persons that never are, are left out.
        near: (M, T, V) 0 far to 1 near; None in 2-D.
        values: (M, T, V) activation in 0..1; None where there is no map.
        frames: (T,) of the stored clip.
        title, told: two lines above it.
    """

    layout: Layout
    points: np.ndarray
    near: np.ndarray | None
    values: np.ndarray | None
    frames: np.ndarray
    title: str
    told: str


def scene(findings: Findings, shown: Shown, class_: int | None) -> Scene:
    """Return what is to be drawn of a clip, in the activation of `class_`; None: of its true class."""
    there = present(shown.joints, findings)
    persons = np.asarray(there.any(axis=(1, 2)))
    persons = persons if persons.any() else np.arange(len(there)) == 0
    points = np.where(there[..., None], turned(shown.joints, axes(findings)), np.nan)[persons]
    label, predicted = int(findings.labels[shown.index]), int(findings.predicted[shown.index])
    wanted = class_ if class_ is not None else label if label >= 0 else predicted
    activation = shown.activation[wanted] if shown.activation else None  # no maps, or that of each class in question
    values = None if activation is None else scaled(np.where(there, activation, 0))[persons]
    return Scene(
        findings.layout,
        points[..., :2],
        _nearness(points[..., 2]) if points.shape[-1] > 2 else None,
        values,
        shown.frames,
        short(str(findings.names[shown.index]), 60),
        _told(findings, shown.index, None if values is None else wanted),
    )


def draw(found: Scene, frames: Sequence[int]) -> Figure:
    """Return the frames, from 0 among those that the network saw, side by side; without any, some of all the clip."""
    chosen = list(frames) or _some(found)
    rows = -(-len(chosen) // SIDE_BY_SIDE)
    columns = -(-len(chosen) // rows)
    width, height = _size(found.points[:, chosen], 2.3)
    figure = sheet(max(columns * width + 0.9, 4.8), rows * (height + 0.25) + 0.75)
    panels = figure.subplots(rows, columns, squeeze=False)
    for ax in panels.flat[len(chosen) :]:
        ax.axis("off")
    for ax, t in zip(panels.flat, chosen, strict=False):
        frame(ax, found.points[:, chosen])
        _pose(_bodies(ax, found), found, t)
        told: dict[str, Any] = {"transform": ax.transAxes, "ha": "center", "va": "top", "fontsize": 8, "color": MUTED}
        ax.text(0.5, -0.02, f"frame {found.frames[t]}", **told)
    _head(figure, found)
    if found.values is not None:
        colour_bar(figure, panels, ScalarMappable(cmap=ACTIVATION), {0: "0", 1: "highest"})
    return figure


def _some(found: Scene) -> list[int]:
    """Return frames evenly spread over those in which somebody is."""
    seen = np.flatnonzero(np.isfinite(found.points).any(axis=(0, 2, 3)))
    seen = seen if len(seen) else np.arange(len(found.frames))
    return np.unique(seen[np.linspace(0, len(seen) - 1, SIDE_BY_SIDE).round().astype(int)]).tolist()


def write_gif(found: Scene, path: Path) -> Path:
    """Write the clip as a moving picture that begins again at its end; atomically."""
    step = -(-len(found.frames) // MOVING)
    pictures = list(_film(found, range(0, len(found.frames), step)))
    write_atomic(path, lambda file: _save(file, pictures, STEP_MS * step))
    return path


def _film(found: Scene, frames: range) -> Iterator[Any]:
    """Yield a picture of each frame, with a line below that grows."""
    width, height = _size(found.points, 4.2)
    figure = Figure(figsize=(max(width, 3.4), height + 0.75), dpi=GIF_DPI)
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_axes((0.02, 0.06, 0.96, 0.94 - 0.62 / (height + 0.75)))
    frame(ax, found.points)
    _head(figure, found)
    bodies = _bodies(ax, found, scale=1.2)
    line = [Rectangle((0, 0), 1, 0.012, transform=figure.transFigure, color=colour, lw=0) for colour in (FAINT, MUTED)]
    for each in line:
        figure.add_artist(each)
    for t in frames:
        _pose(bodies, found, t)
        line[1].set_width((t + 1) / len(found.frames))
        canvas.draw()
        yield _picture(canvas)


def _save(file: IO[bytes], pictures: list[Any], duration: int) -> None:
    first, *rest = pictures
    first.save(file, format="GIF", save_all=True, append_images=rest, duration=duration, loop=0, disposal=1)


def _picture(canvas: FigureCanvasAgg) -> Any:
    """Return what is drawn, in 128 colours and without dots between them: flat areas stay flat, files small."""
    from PIL import Image

    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return Image.fromarray(pixels).quantize(128, dither=Image.Dither.NONE)


def _bodies(ax: Any, found: Scene, scale: float = 0.85) -> list[Body]:
    return [Body(ax, found.layout, scale) for _ in found.points]


def _pose(bodies: list[Body], found: Scene, t: int) -> None:
    for m, body in enumerate(bodies):
        near, values = (None if each is None else each[m, t] for each in (found.near, found.values))
        body.show(found.points[m, t], values, near)


def _head(figure: Figure, found: Scene) -> None:
    """Write the two lines above; by hand, since a title would be as wide as the axes."""
    height = figure.get_size_inches()[1]
    figure.text(0.02, 1 - 0.08 / height, found.title, va="top", fontsize=10)
    figure.text(0.02, 1 - 0.29 / height, found.told, va="top", fontsize=8, color=MUTED)


def _told(findings: Findings, index: int, coloured: int | None) -> str:
    """Say what the clip is, what it was taken for, and whose activation is seen."""
    label, predicted = int(findings.labels[index]), int(findings.predicted[index])
    share = f"{findings.probabilities[index, predicted]:.0%}"
    name = {k: short(findings.classes[k], 26) for k in (label, predicted, coloured) if k is not None and k >= 0}
    if label < 0:
        said = f"predicted {name[predicted]} ({share})"
    elif label == predicted:
        said = f"{name[label]}, predicted so ({share})"
    else:
        said = f"{name[label]}, predicted {name[predicted]} ({share})"
    return said if coloured is None else f"{said}\ncolour: activation of {name[coloured]}"


def _nearness(depth: np.ndarray) -> np.ndarray:
    """Return depth, larger is nearer, as 0..1 over the clip; 0.5 where all are equally near."""
    known = depth[np.isfinite(depth)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
    return np.asarray((depth - low) / (high - low) if high > low else np.full_like(depth, 0.5))


def _size(points: np.ndarray, most: float) -> tuple[float, float]:
    """Return inches, at most `most`, in the proportions of what is seen of `points` (..., 2)."""
    found = points[np.isfinite(points).all(axis=-1)]
    extent = np.ptp(found, axis=0) if len(found) else np.ones(2)
    extent = np.maximum(extent / max(float(extent.max()), 1e-6), 0.35)
    return float(most * extent[0]), float(most * extent[1])
