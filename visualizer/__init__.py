"""After training: what a run or a checkpoint gets right and wrong, as one report and as files for papers."""

import signal
import threading
from pathlib import Path

import initializer
import processor
from config import Config
from initializer.machine import Machine
from utils import logs
from utils.run_folder import RunFolder
from visualizer.findings import Findings
from visualizer.gather import gather_findings, read_scores_of, worst_and_best
from visualizer.request import Request, find_class, find_clip, refuse_frames
from visualizer.subject import Subject, find_run, open_subject

__all__ = ["Request", "visualize"]

REPORT, FIGURES = "report.html", "figures"


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
        Interrupted: by a signal while a checkpoint is evaluated.
    """
    folder = _evaluate(config, machine, weights, request) if weights else find_run(config, machine, run)
    subject = open_subject(machine, folder)
    say = request.say or logs.start().info
    say(f"Looking at {folder.path} ({subject.weights}, {subject.split}) ...")
    if not subject.has_maps:
        say(f"{subject.config.model.title} has no features per joint: no activation is shown")
    class_, clips = find_class(request.class_, subject.classes), _clips(subject, request)
    findings = gather_findings(subject, machine, clips=clips, class_=class_, words=request.words())
    paths = _write(findings, folder, clips, request, class_)
    for path in paths[:-1]:
        say(f"Saved: {path}")
    say(f"Report: {paths[-1]}")
    return paths


def _evaluate(config: Config, machine: Machine, weights: Path, request: Request) -> RunFolder:
    """Score a checkpoint on eval, in a new folder."""
    run = initializer.prepare_evaluation(config, machine, weights)
    find_class(request.class_, run.about["classes"])  # a wrong name is known before hours of work
    names = run.batches["eval"].names.tolist()
    for each in request.clips:
        find_clip(each, names)
    processor.run_evaluation(run)
    if threading.current_thread() is threading.main_thread():  # evaluation is over: a signal ends what comes at once
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return run.folder


def _clips(subject: Subject, request: Request) -> list[int]:
    """Return the places of the clips that become pictures: those asked for, else the one most wrong."""
    names = subject.loader.names.tolist()
    clips = [find_clip(each, names) for each in request.clips] or worst_and_best(*read_scores_of(subject))[:1]
    for clip in clips:
        _, frames = subject.seen(clip)
        refuse_frames(request.frames, names[clip], len(frames))
    return clips


def _write(findings: Findings, folder: RunFolder, clips: list[int], request: Request, class_: int | None) -> list[Path]:
    from visualizer import paper, report  # what draws takes seconds to import: a mistake is said before

    paths = paper.write(findings, folder.path / FIGURES, clips, request.frames, class_)
    report.write(findings, folder.path / REPORT)
    return [*paths, folder.path / REPORT]
