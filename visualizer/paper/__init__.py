"""Files for papers, from the same data functions as the report: .png, .pdf, .gif and a table of wrong clips."""

from collections.abc import Sequence
from pathlib import Path

from utils.files import disk_errors
from visualizer.findings import Findings

__all__ = ["write"]


def write(
    findings: Findings, folder: Path, clips: Sequence[int], frames: Sequence[int], class_: int | None
) -> list[Path]:
    """Write the files into `folder`, over those of the same names; return their paths.

    What there is nothing to draw of has no file: curves of a bare checkpoint, figures without a clip whose class is
    known, importance without features per joint.

    Args:
        findings: of a run or a checkpoint.
        folder: is made if it is not there.
        clips: places of clips, among `findings.shown`, of which skeleton_<clip>.png and .gif are drawn.
        frames: of these clips, from 0 among those that the network saw; none: six of all.
        class_: whose activation they are coloured by, and whose joints are drawn on a body; None: each clip's true one.
    """
    from visualizer.paper.files import write_all  # matplotlib takes half a second to import

    with disk_errors(folder, "free some space and repeat"):
        folder.mkdir(parents=True, exist_ok=True)
        return write_all(findings, folder, clips, frames, class_)
