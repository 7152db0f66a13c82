"""Which files for papers there are, and what they are called."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from utils.files import write_atomic
from visualizer.figures.calibration import calibration
from visualizer.figures.classes import classes
from visualizer.figures.confusion import confusion
from visualizer.figures.curves import curves
from visualizer.figures.importance import importance
from visualizer.figures.wrong import WrongClip, wrong
from visualizer.findings import Findings
from visualizer.paper.calibration import draw as draw_calibration
from visualizer.paper.canvas import save, style
from visualizer.paper.classes import draw as draw_classes
from visualizer.paper.confusion import draw as draw_confusion
from visualizer.paper.curves import draw as draw_curves
from visualizer.paper.importance import draw as draw_importance
from visualizer.paper.importance import draw_class
from visualizer.paper.skeleton import draw as draw_skeleton
from visualizer.paper.skeleton import scene, write_gif

LONGEST = 80  # characters of a name in a file's name


def write_all(
    findings: Findings, folder: Path, clips: Sequence[int], frames: Sequence[int], class_: int | None
) -> list[Path]:
    """Write what there is to draw; arguments as of `visualizer.paper.write`."""
    with style():
        return [
            *_figures(findings, folder),
            *_importance(findings, folder, class_),
            *_skeletons(findings, folder, clips, frames, class_),
        ]


def _figures(findings: Findings, folder: Path) -> Iterator[Path]:
    if findings.labelled.any():
        yield from save(draw_confusion(confusion(findings)), folder / "confusion.png", folder / "confusion.pdf")
        yield from save(draw_classes(classes(findings)), folder / "per_class.png")
        yield from save(draw_calibration(calibration(findings)), folder / "calibration.png")
        yield _table(folder / "wrong.csv", wrong(findings), findings.classes)
    found = curves(findings)
    if found.curves:
        yield from save(draw_curves(found), folder / "curves.png")


def _importance(findings: Findings, folder: Path, class_: int | None) -> Iterator[Path]:
    found = importance(findings)
    if found.clips.any():
        yield from save(draw_importance(found), folder / "importance.png")
        if class_ is not None:
            path = folder / f"importance_{plain(findings.classes[class_], class_ + 1)}.png"
            yield from save(draw_class(found, findings.layout, class_), path)


def _skeletons(
    findings: Findings, folder: Path, clips: Sequence[int], frames: Sequence[int], class_: int | None
) -> Iterator[Path]:
    shown = {clip.index: clip for clip in findings.shown}
    for index in clips:
        found = scene(findings, shown[index], class_)
        path = folder / f"skeleton_{plain(str(findings.names[index]), index)}.png"
        yield from save(draw_skeleton(found, frames), path)
        yield write_gif(found, path.with_suffix(".gif"))


def plain(name: str, number: int) -> str:
    """Return a name as a part of a file's name on any system; one that has to be changed is told by its number."""
    kept = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._-")[:LONGEST]
    return kept if kept == name else f"{number}_{kept}"


def _table(path: Path, rows: Sequence[WrongClip], names: Sequence[str]) -> Path:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["index", "name", "true", "predicted", "true_probability", "predicted_probability"])
    for row in rows:
        shares = (f"{share:.6g}" for share in (row.true_probability, row.predicted_probability))
        table.writerow([row.index, row.name, names[row.true], names[row.predicted], *shares])
    write_atomic(path, lambda file: file.write(text.getvalue().encode()))
    return path
