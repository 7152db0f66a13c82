"""A live session as the command line asks for it."""

import sys
from collections.abc import Mapping
from typing import Any

from dataset.joint_maps import joint_map
from dataset.layouts import load_layout
from predictor.classifier import Classifier
from predictor.live.server import listen
from predictor.live.session import serve
from predictor.live.settings import Settings
from predictor.program import ProgramClassifier
from utils.interrupt import StopRequest


def settings_of(told: Mapping[str, Any], from_layout: str | None, classifier: Classifier) -> Settings:
    """Return the settings that flags say by their names; what they leave open the program's json says, or a default.

    `frame_size` comes as width and height, as everywhere on the command line. Raises `UserError` for wrong values.
    """
    known = dict(told)
    if isinstance(classifier, ProgramClassifier):
        known.setdefault("threshold", classifier.program.contract.thresholds.decision)
    if "frame_size" in known:
        width, height = known["frame_size"]
        known["frame_size"] = (height, width)
    if from_layout:
        mapped = joint_map(load_layout(from_layout), classifier.layout)
        for line in mapped.describe():
            _log(line)
        known |= {"source_joints": mapped.source.num_joints, "map_joints": mapped.apply}
    return Settings(**known)


def run(classifier: Classifier, settings: Settings, address: str | None) -> int:
    """Answer standard input on standard output, or whoever connects to `address`, until it ends or a signal comes.

    Return 1 if lines came and not one of them was a frame, else 0.
    """
    stop = StopRequest().listen()
    if address is not None:
        listen(classifier, settings, address, _log, stop=stop)
        return 0
    counted = serve(classifier, settings, sys.stdin.buffer, sys.stdout.buffer, _log, stop=stop)
    if counted.frames or not counted.errors:
        return 0
    _log("-i -: not one line was a frame; docs/live.md says what a frame is")
    return 1


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
