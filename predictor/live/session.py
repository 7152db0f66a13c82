"""One stream of frames and its decisions: a thread reads, a thread writes, and between them the caller's classifies."""

import io
import json
import os
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np

from dataset.packing import Packed
from dataset.variants import ClipFacts
from generator.clips import vary
from predictor.classifier import Classifier
from predictor.live.frames import FrameForm, LineError
from predictor.live.lines import Line, RateLimit, read_lines, unbuffered
from predictor.live.mailbox import Mailbox
from predictor.live.settings import Settings
from predictor.live.statistics import Statistics
from predictor.live.windows import Windows
from utils.errors import UserError
from utils.interrupt import StopRequest
from utils.outputs import softmax

Say = Callable[[str], object]
Stream = IO[bytes] | io.RawIOBase
ANSWERS = 1024  # lines that wait to be read
PATIENCE = 2.0  # seconds for the last of them to be read


@dataclass(frozen=True)
class Answer:
    """A line to write, and when the line that it decides on came in."""

    text: bytes
    arrived: float | None = None


def serve(
    classifier: Classifier,
    settings: Settings,
    source: Stream,
    sink: Stream,
    log: Say,
    *,
    stop: StopRequest | None = None,
) -> Statistics:
    """Answer the frames of `source` (a JSON line each) on `sink`, until it ends, nobody reads, or `stop` is requested.

    Args:
        classifier: what classifies windows.
        settings: see there; where `source` is a file, nothing is dropped.
        source: binary; of a buffered stream, such as sys.stdin.buffer, what is below it is read.
        sink: binary, likewise.
        log: is told the statistics at the end.
        stop: looked at a few times a second.

    Raises:
        UserError: as `prepare`.
        OSError: of `sink`, where it takes no more, such as a full disk; nobody who reads is no error.
    """
    settings = replace(settings, lossless=settings.lossless or _is_file(source))
    session = _Session(classifier, prepare(classifier, settings), stop or StopRequest())
    session.run(unbuffered(source), unbuffered(sink))
    log(str(session.statistics))
    if session.failure and not isinstance(session.failure, ConnectionError):
        raise session.failure
    return session.statistics


def prepare(classifier: Classifier, settings: Settings) -> Settings:
    """Return settings that are fitted, after a first window: of nobody, so that all that is slow at first is over.

    Raises:
        UserError: if window and network do not fit, or the layout lacks what the variant needs.
    """
    settings = settings.fitted(classifier)
    assert settings.window is not None
    shape = settings.window, classifier.layout.num_joints, len(classifier.config.data.channel_names)
    joints = np.zeros((classifier.config.input.persons, *shape), np.float32)
    joints[0] = 1
    classifier.logits([_stored(classifier, settings, joints, 1)])
    return settings


def answer(classifier: Classifier, settings: Settings, source: Stream, sink: Stream, stop: StopRequest) -> Statistics:
    """Do what `serve` does, with settings from `prepare`."""
    session = _Session(classifier, settings, stop)
    session.run(unbuffered(source), unbuffered(sink))
    return session.statistics


def _stored(classifier: Classifier, settings: Settings, joints: np.ndarray, persons: int) -> Packed:
    """Return a window (M, T, V, C) of so many persons as a part would store it."""
    facts = ClipFacts(classifier.layout, settings.frame_size, persons)
    return vary(classifier.config.data.variant, joints, facts)


def _is_file(source: Stream) -> bool:
    try:
        return stat.S_ISREG(os.fstat(source.fileno()).st_mode)
    except (AttributeError, OSError):  # no file of the system, such as io.BytesIO
        return False


class _Session:
    def __init__(self, classifier: Classifier, settings: Settings, stop: StopRequest) -> None:
        data, layout = classifier.config.data, classifier.layout
        joints = settings.source_joints or layout.num_joints
        self.statistics = Statistics()
        self.failure: OSError | None = None  # of the sink
        self._classifier, self._settings, self._stop = classifier, settings, stop
        self._form = FrameForm(joints, data.channel_names, settings.max_persons, settings.map_joints)
        self._windows = Windows(settings)
        waits = stop.due if settings.lossless else None
        self._inbox: Mailbox[Line] = Mailbox(settings.queue, waits)
        self._outbox: Mailbox[Answer] = Mailbox(ANSWERS, waits)

    def run(self, source: Any, sink: Any) -> None:
        """Answer all lines; neither a source that is silent nor a sink that nobody reads holds up the end."""
        writer = threading.Thread(target=self._write, args=(sink,), daemon=True)
        threading.Thread(target=self._read, args=(source,), daemon=True).start()
        writer.start()
        try:
            while not self._inbox.is_finished and not self._stop.due():
                line = self._inbox.take()
                if line is not None:
                    self._answer(line)
            rest, most = self._windows.take_rest(), self._settings.max_persons
            for at in range(0, len(rest), most):  # far more than a frame may hold, if ids change all the time
                if not self._stop.due() and writer.is_alive():
                    self._decide(rest[at : at + most])
        finally:
            self._inbox.close(discard=True)
            self._outbox.close()
            writer.join(PATIENCE)
            self.statistics.unread += self._outbox.close(discard=True)

    def _read(self, source: Any) -> None:
        rate = RateLimit(self._settings.max_rate)
        try:
            for line in read_lines(source, self._settings.max_line):
                if self._settings.lossless or rate.allows():
                    self.statistics.dropped += self._inbox.put(line)
                else:
                    self.statistics.limited += 1
        except (OSError, ValueError):  # who sends has vanished, or the stream was closed
            pass
        finally:
            self._inbox.close()

    def _write(self, sink: Any) -> None:
        try:
            while not self._outbox.is_finished:
                answer = self._outbox.take()
                if answer is not None:
                    _write_all(sink, answer.text)
                    if answer.arrived is not None:
                        self.statistics.latencies.append(time.monotonic() - answer.arrived)
        except (OSError, ValueError) as error:  # nobody is there to read, it is full, or the stream was closed
            self.failure = error if isinstance(error, OSError) else None
            self._outbox.close(discard=True)
            self._inbox.close(discard=True)

    def _answer(self, line: Line) -> None:
        try:
            if line.text is None:
                raise LineError(f"longer than {self._settings.max_line} bytes (--max_line)")
            frame = self._form.parse(line.text)
        except LineError as error:
            self._complain({"error": str(error), "line": line.number})
            return
        self.statistics.frames += 1
        jump = self._windows.add(frame)
        if jump is not None:
            self.statistics.jumps += 1
            self._say({"notice": jump, "line": line.number})
        self._decide(self._windows.take_due(self._delay()), line.arrived)

    def _delay(self) -> int:
        """Return by how many frames decisions may be put off: where many wait, the newest are to be decided on."""
        told = self._settings
        assert told.hop is not None
        return told.queue if not told.lossless and len(self._inbox) > min(told.hop, told.queue // 2) else 0

    def _decide(self, chosen: list[int], arrived: float | None = None) -> None:
        clips: dict[int, Packed] = {}
        for who in chosen:
            try:
                clips[who] = self._clip(who)
            except UserError as error:  # a variant that makes nothing of this window
                self._complain({"error": str(error), "t": self._windows[who].t, "id": who})
        if not clips:
            return
        for who, logits in zip(clips, self._classifier.logits(list(clips.values())), strict=True):
            if np.isfinite(logits).all():
                self._say(self._decision(who, softmax(logits[None])[0]), arrived)
            else:
                about = {"t": self._windows[who].t, "id": who}
                self._complain({"error": "the network's output is not finite", **about})

    def _clip(self, who: int) -> Packed:
        joints, persons = self._windows.clip(who, self._classifier.config.input.persons)
        return _stored(self._classifier, self._settings, joints, persons)

    def _decision(self, who: int, probabilities: np.ndarray) -> dict[str, object]:
        person, names = self._windows[who], self._classifier.classes
        found = person.votes.add(probabilities)
        self.statistics.decisions += 1
        return {
            "t": person.t,
            "id": who,
            "class": found.best,
            "name": names[found.best],
            "score": round(found.score, 6),
            "decision": None if found.decided is None else names[found.decided],
            "changed": found.changed,
            "frames": person.last - person.first + 1,
        }

    def _complain(self, what: dict[str, object]) -> None:
        self.statistics.errors += 1
        self._say(what)

    def _say(self, what: dict[str, object], arrived: float | None = None) -> None:
        text = json.dumps(what).encode() + b"\n"
        self.statistics.unread += self._outbox.put(Answer(text, arrived))


def _write_all(sink: Any, text: bytes) -> None:
    """Write all of `text`; an unbuffered stream may take a part of it at a time."""
    view = memoryview(text)
    while view:
        view = view[sink.write(view) :]
