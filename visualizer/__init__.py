"""After training: what a run or a checkpoint gets right and wrong, as one report and as files for papers."""

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import initializer
import processor
from config import Config
from dataset.loader import Loader
from initializer.machine import Machine
from utils.errors import UserError
from utils.files import refuse_folder
from utils.interrupt import ended_by_signals
from utils.run_folder import REPORT, RunFolder
from visualizer.findings import Findings
from visualizer.gather import gather_findings, read_scores_of, worst_and_best
from visualizer.request import Request, find_class, find_clip, refuse_frames
from visualizer.subject import find_run, open_split, open_subject, seen

__all__ = ["Request", "visualize"]

FIGURES = "figures"


def visualize(config: Config, machine: Machine, weights: Path | None, run: str | None, request: Request) -> list[Path]:
    """Write the files for papers and report.html into a run folder; return their paths, the report last.

    Nothing is asked, no window opens. A run is read as it was scored; a checkpoint (`weights`, of any known form) is
    evaluated first, into a folder of its own.

    Args:
        config: the experiment; a run's own configuration holds.
        machine: where the data and the runs are.
        weights: a checkpoint; None: a run is looked at.
        run: its folder's path or name; None: the newest of the experiment that has a best.pt.
        request: what becomes a picture.

    Raises:
        UserError: with one line for anything that is missing, damaged or unknown.
        Interrupted: by a signal; nothing is half-written.
    """
    folder = _evaluate(config, machine, weights, request) if weights else find_run(config, machine, run)
    with ended_by_signals():  # nothing that is drawn is ever half-written
        return _draw(folder, machine, request)


def _draw(folder: RunFolder, machine: Machine, request: Request) -> list[Path]:
    """Write what there is to look at of a scored folder, and say it."""
    refuse_folder("-v", folder.path / FIGURES)
    subject = open_subject(machine, folder)
    say = request.say or print  # no logger: it would go on where standard output takes no more
    say(f"Looking at {folder.path} ({subject.weights}, {subject.split}) ...")
    if not subject.has_maps:
        say(f"{subject.config.model.title} has no features per joint: no activation is shown")
    class_, most_wrong = find_class(request.class_, subject.classes), worst_and_best(*read_scores_of(subject))[:1]
    clips = _clips(subject.loader, request, most_wrong)
    findings = gather_findings(subject, machine, clips=clips, class_=class_, words=request.words())
    paths = _write(findings, folder, clips, request, class_)
    for path in paths[:-1]:
        say(f"Saved: {path}")
    say(f"Report: {paths[-1]}")
    return paths


def _evaluate(config: Config, machine: Machine, weights: Path, request: Request) -> RunFolder:
    """Score a checkpoint on eval, in a new folder."""
    _refuse_unknown(config, machine, weights, request)
    run = initializer.prepare_evaluation(config, machine, weights)
    processor.run_evaluation(run)
    if threading.current_thread() is threading.main_thread():  # it noted Ctrl-C, which ends what comes now
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run.folder


def _refuse_unknown(config: Config, machine: Machine, weights: Path, request: Request) -> None:
    """Raise `UserError` for a class, clip or frame that is not there: before hours of work, and before its folder."""
    if request.frames and not request.clips:
        raise UserError("-vf: which clip is the most wrong, the evaluation tells first; name the clips, too: -vs CLIP")
    if request.words():
        data, loader = open_split(config, machine, "eval", weights)
        find_class(request.class_, data.benchmark.classes)
        _clips(loader, request, ())


def _clips(loader: Loader, request: Request, others: Sequence[int]) -> list[int]:
    """Return the places of the clips that become pictures, once each: those asked for, else `others`."""
    names = loader.names.tolist()
    clips = list(dict.fromkeys(find_clip(each, names) for each in request.clips)) or list(others)
    for clip in clips if request.frames else ():
        _, frames = seen(loader, clip)
        refuse_frames(request.frames, names[clip], len(frames))
    return clips


def _write(findings: Findings, folder: RunFolder, clips: list[int], request: Request, class_: int | None) -> list[Path]:
    from visualizer import paper, report  # what draws takes seconds to import: a mistake is said before

    paths = paper.write(findings, folder.path / FIGURES, clips, request.frames, class_)
    report.write(findings, folder.path / REPORT)
    return [*paths, folder.path / REPORT]
