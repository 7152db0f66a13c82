"""After training: raw files and live frames in, labels out, by the same code as evaluation."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TextIO

import numpy as np

from predictor.answers import Answer, answer
from predictor.classifier import CheckpointClassifier, Classifier, open_classifier
from predictor.forms import Wanted
from predictor.sources import Clip, Sources
from utils.errors import UserError
from utils.files import disk_errors, refuse_place, write_atomic
from utils.logs import share

__all__ = ["CheckpointClassifier", "Classifier", "Request", "open_classifier", "predict", "refuse_closed"]


@dataclass(frozen=True)
class Request:
    """What `-i` was asked for, beside the classifier and the paths.

    Attributes:
        topk: classes that are shown of a clip.
        json: gets the JSON lines, too, when all is done; what is there is replaced.
        batch: clips that are read and classified together; changes no result.
        from_layout: the layout of the files, where it is not the experiment's.
        out, err: where answers go, and what else there is to say; None: standard output and error.
        is_terminal: whether `out` is read by people; None: as it says itself.

    Raises:
        UserError: for less than one class or clip.
    """

    topk: int = 5
    json: Path | None = None
    batch: int = 16
    from_layout: str | None = None
    out: TextIO | None = None
    err: TextIO | None = None
    is_terminal: bool | None = None

    def __post_init__(self) -> None:
        for flag, number in (("--topk", self.topk), ("--batch", self.batch)):
            if number < 1:
                raise UserError(f"{flag} {number}: give 1 or more")


def refuse_closed(*, live: bool, answers: bool) -> None:
    """Refuse to begin where a standard stream was closed from the start (`>&-`): input if `live`, output if `answers`.

    Raises `UserError`.
    """
    for name, stream, is_needed in (("input", sys.stdin, live), ("output", sys.stdout, answers)):
        if is_needed and stream is None:
            raise UserError(f"-i: standard {name} is closed; leave it open, or name a file for it")


def predict(classifier: Classifier, paths: Sequence[Path], request: Request) -> int:
    """Classify the clips of raw files and folders; return the exit code: 1 if something could not be read, else 0.

    Raises `UserError` if there was nothing to classify, or if `request.json` or `request.from_layout` cannot be.
    """
    prediction = _Prediction(classifier, request)
    try:
        _run(prediction, paths, request.json)
    except _OutputError as failed:
        raise failed.error from None
    return 1 if prediction.faults else 0


def _run(prediction: "_Prediction", paths: Sequence[Path], place: Path | None) -> None:
    if place is None:
        prediction.run(paths)
        return
    _refuse_place(place, paths)
    with disk_errors(place, "free some space and give the command again"):
        write_atomic(place, lambda file: prediction.run(paths, file))


def _refuse_place(place: Path, paths: Sequence[Path]) -> None:
    """Refuse, before hours of work, a file that cannot become the answers', or should not."""
    refuse_place("--json", place)
    if os.path.realpath(place) in map(os.path.realpath, paths):
        raise UserError(f"--json {place}: is to be classified, and would be replaced; name another file")


class _OutputError(Exception):
    """Standard output takes no more: told apart from the file of answers, which is not at fault."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        super().__init__(str(error))


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _OutputError(error) from error


class _Prediction:
    """Classifies clips, says what they are, and counts; a batch of clips is all that it holds."""

    def __init__(self, classifier: Classifier, request: Request) -> None:
        self.classifier, self.request = classifier, request
        self.out, self.err = request.out or sys.stdout, request.err or sys.stderr
        self.for_people = self.out.isatty() if request.is_terminal is None else request.is_terminal
        self.faults = self.clips = self.labelled = self.right = 0
        self._first_fault = ""  # said when there is something else to say: alone, it is the error itself
        wanted = Wanted(classifier.config, request.from_layout)
        self.sources = Sources(wanted, classifier.classes, self.refuse, self.note)

    def run(self, paths: Iterable[Path], file: IO[bytes] | None = None) -> None:
        """Classify all, and write the answers, as JSON into `file`, too; raises `UserError` if there is nothing."""
        clips = (clip for clip in self.sources.clips(paths) if not self._is_too_long(clip))
        while self._run_batch(clips, file):
            with _writing():
                self.out.flush()
        if not self.clips:
            many = f"{self.faults} faults, and no clip to classify; see above"
            raise UserError((many if self.faults > 1 else self._first_fault) or "nothing to classify")
        self._flush_fault()
        self._conclude()

    def _run_batch(self, clips: Iterator[Clip], file: IO[bytes] | None) -> bool:
        """Classify the next clips; return whether there were any."""
        batch = list(islice(clips, self.request.batch))
        for found in self._answers(batch) if batch else ():
            self._count(found)
            with _writing():
                self.out.write(found.lines() if self.for_people else found.json_line())
            if file is not None:
                file.write(found.json_line().encode())
        return bool(batch)

    def refuse(self, line: str) -> None:
        """Report what cannot be classified."""
        self.faults += 1
        if self.faults == 1:
            self._first_fault = line
            return
        self.note(line)

    def note(self, line: str) -> None:
        """Say something beside the answers."""
        self._flush_fault()
        print(line, file=self.err, flush=True)

    def _flush_fault(self) -> None:
        if self._first_fault:
            print(self._first_fault, file=self.err, flush=True)
            self._first_fault = ""

    def _is_too_long(self, clip: Clip) -> bool:
        longest, frames = self.classifier.longest, clip.packed.frames
        if longest is None or frames <= longest:
            return False
        self.refuse(f"{clip}: {frames} frames, and the program takes {longest}; classify it with -pp CHECKPOINT")
        return True

    def _answers(self, batch: Sequence[Clip]) -> Iterator[Answer]:
        logits = self.classifier.logits([clip.packed for clip in batch])
        for clip, each in zip(batch, logits, strict=True):
            if np.isfinite(each).all():
                yield answer(clip, each, self.classifier.classes, self.request.topk)
            else:
                self.refuse(f"{clip}: the network's output is not finite; the checkpoint or this clip is damaged")

    def _count(self, found: Answer) -> None:
        self._flush_fault()
        self.clips += 1
        self.labelled += found.clip.label is not None
        self.right += found.is_right

    def _conclude(self) -> None:
        """Say how many of the clips that have a label were right, in the words of an evaluation's log."""
        if not self.labelled:
            return
        out = self.out if self.for_people else self.err  # a pipe is JSON to its end
        if bare := self.clips - self.labelled:
            print(f"{self.clips} clips scored, {bare} of them without a label: not counted", file=out)
        print(f"Top-1 accuracy: {share(self.right, self.labelled)}", file=out, flush=True)
