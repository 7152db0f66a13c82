"""A stream is answered: decisions, errors that are never fatal, and what is counted."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.clips import vary
from predictor.live import Settings, serve
from tests.predictor.live.fake import NAMES, Fake, answers, crowd, frame, stream, tiny_layout
from utils.errors import UserError
from utils.interrupt import StopRequest


def test_a_decision_says_who_when_what_and_how_sure():
    found, statistics = answers(stream(9, {3: 1}), smoothing=0)
    score = round(np.exp(4) / (np.exp(4) + 2), 6)
    expected = {"id": 3, "class": 1, "name": "squat", "score": score, "decision": "squat"}
    assert found == [
        {"t": 3 / 30, **expected, "changed": True, "frames": 4},
        {"t": 7 / 30, **expected, "changed": False, "frames": 8},
        {"t": 8 / 30, **expected, "changed": False, "frames": 8},  # at the end
    ]
    assert (statistics.frames, statistics.decisions, statistics.errors) == (9, 3, 0)
    assert len(statistics.latencies) == 2  # the last one answers no line
    assert "from line in to line out: p50" in str(statistics)


def test_everybody_has_decisions_of_their_own():
    found, _ = answers(stream(8, {3: 1, 5: 2, 0: 0}))
    assert [(each["id"], each["decision"]) for each in found] == [(3, "squat"), (5, "jump"), (0, "wave")] * 2


def test_unsure_is_undecided():
    found, _ = answers(stream(8, {3: 1}), threshold=0.99)
    assert [(each["name"], each["decision"], each["changed"]) for each in found] == [("squat", None, False)] * 2


def test_a_change_is_smoothed():
    found, _ = answers([*stream(4, {1: 1}), *stream(12, {1: 2}, start=4)], smoothing=0.6)
    assert [(each["name"], each["decision"], each["changed"]) for each in found] == [
        ("squat", "squat", True),
        ("squat", "squat", False),
        ("jump", "jump", True),
        ("jump", "jump", False),
    ]


def test_a_clip_that_streams_is_decided_on_as_a_whole_at_its_end():
    fake = Fake()
    found, _ = answers(stream(7, {1: 1}), fake, window=20, hop=20)
    assert [each["frames"] for each in found] == [7]
    assert fake.clips[0].shape == (2, 7, 25, 3)  # NTU's clips have two persons; the other one is empty
    assert not fake.clips[0][1].any()


def test_at_the_end_no_more_are_asked_about_at_once_than_a_frame_may_hold(tmp_path):
    """A sender of new ids without end leaves a window full of persons behind."""
    asked = []

    class Counting(Fake):
        def logits(self, clips):
            asked.append(len(clips))
            return super().logits(clips)

    fake = Counting(layout=tiny_layout(tmp_path), keeps=False)
    lines = [frame(0, dict.fromkeys(range(4 * n, 4 * n + 4), 1), joints=2) for n in range(20)]
    found, _ = answers(lines, fake, window=20, hop=100, max_persons=4)
    assert sorted(each["id"] for each in found) == list(range(80))
    assert asked == [1, *[4] * 20]


BAD = [
    b"hello\n",
    b"\x00\xff\xfe\n",
    b'{"t": NaN}\n',
    frame(0, {1: 1}, joints=24),
    frame(0, {-1: 1}),
    b"[" * 9999 + b"\n",
]


def test_wrong_lines_are_reported_with_their_number_and_change_nothing():
    good = stream(8, {1: 1})
    mixed = [line for pair in zip(good, [*BAD, b"\n", b" " * 70_000 + b"\n"]) for line in pair]
    found, statistics = answers(mixed, max_line=60_000)
    errors = [each for each in found if "error" in each]
    assert [each["line"] for each in errors] == [2, 4, 6, 8, 10, 12, 16]
    assert errors[3]["error"] == "id 1: joints must be a list of 25, found 24"
    assert "longer than 60000 bytes" in errors[6]["error"]
    assert [each for each in found if "error" not in each] == answers(good)[0]
    assert (statistics.frames, statistics.errors) == (8, 7)


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_half_a_line_at_the_end_is_an_error(cut):
    found, statistics = answers([*stream(4, {1: 1}), frame(1, {1: 1})[:-cut]])
    assert (statistics.frames, statistics.errors) == ((5, 0) if cut == 1 else (4, 1))  # only the newline is missing
    assert ("error" in found[1]) == (cut > 1)


@given(st.lists(st.binary(max_size=30) | st.sampled_from(stream(6, {1: 1, 2: 2})), max_size=20))
@settings(deadline=None, max_examples=25)
def test_nothing_that_is_sent_ends_a_session(lines):
    _, statistics = answers([line.replace(b"\n", b"") + b"\n" for line in lines])
    assert statistics.frames + statistics.errors == sum(bool(line.strip()) for line in lines)


def test_time_jumps_are_noticed_once():
    lines = [*stream(4, {1: 1}), *stream(4, {1: 1}, start=400), *stream(4, {1: 1}, start=10)]
    found, statistics = answers(lines)
    assert [each["line"] for each in found if "notice" in each] == [5, 9]
    assert [each["frames"] for each in found if "id" in each] == [4, 4, 4]
    assert (statistics.jumps, statistics.errors) == (2, 0)


def test_a_window_that_no_class_can_be_told_of_is_an_error():
    class Broken(Fake):
        def logits(self, clips):
            return np.full((len(clips), 3), np.nan, np.float32)

    found, statistics = answers(stream(4, {6: 1}), Broken())
    assert found == [{"error": "the network's output is not finite", "t": 0.1, "id": 6}]
    assert (statistics.decisions, statistics.errors) == (0, 1)


def test_a_window_that_a_variant_makes_nothing_of_is_an_error(monkeypatch):
    def vary_some(variant, joints, facts):
        if joints[0, -1, 0, 0] == 2:
            raise UserError("nothing to turn")
        return vary(variant, joints, facts)

    monkeypatch.setattr("predictor.live.session.vary", vary_some)
    found, statistics = answers(stream(4, {6: 2, 7: 1}))
    assert found[0] == {"error": "nothing to turn", "t": 0.1, "id": 6}
    assert (found[1]["id"], statistics.errors) == (7, 1)


def test_a_layout_that_the_variant_cannot_do_with_is_refused_before_any_frame(tmp_path):
    fake = Fake(layout=tiny_layout(tmp_path), overrides=("data.variant=transformed",))
    with pytest.raises(UserError, match="has no spine"):
        serve(fake, Settings(), io.BytesIO(), io.BytesIO(), print)


@pytest.mark.parametrize("number", ["0001", "2002", "3001", "3021"])  # the kinds of variants
@given(st.lists(st.lists(st.sampled_from([0, 1e-8, 2e-8, 1, -1, 3, 1e9, -1e9]), min_size=3, max_size=3), max_size=6))
@settings(deadline=None, max_examples=25)
def test_no_window_is_too_odd_for_a_variant(number, places):
    fake = Fake(number=number, layout="coco-17" if number == "3021" else "ntu")
    persons = [{"id": 0, "joints": (places + [None] * 25)[: fake.layout.num_joints]}]
    line = json.dumps({"t": 0, "persons": persons}).encode() + b"\n"
    other = frame(0, {1: 1}, joints=fake.layout.num_joints)
    _, statistics = answers([line, other, line, line], fake, together=True)
    assert (statistics.frames, statistics.errors) == (4, 0)


def test_a_window_that_does_not_fit_is_refused_at_once():
    with pytest.raises(UserError, match="--window 65"):
        serve(Fake(), Settings(window=65), io.BytesIO(), io.BytesIO(), print)


def test_the_pictures_size_is_what_the_variant_scales_by():
    fake = Fake(number="3005", layout="coco-17")
    line = json.dumps({"t": 0, "persons": [{"id": 0, "joints": [[50, 20, 0.5]] * 17}]}).encode()
    _, statistics = answers([line], fake, frame_size=(80, 400))
    assert statistics.errors == 0
    assert fake.clips[0][0, 0, 0] == pytest.approx([50 / 200 - 1, 20 / 40 - 1, 0.5])


# --- slow, fast, silent, gone


class Pipe:
    """A session at the other end of two pipes."""

    def __init__(self, fake, **told):
        (there, sender), (reader, back) = os.pipe(), os.pipe()
        self.stop, self.found = StopRequest(), []
        self.sender, self.reader = os.fdopen(sender, "wb", buffering=0), os.fdopen(reader, "rb", buffering=0)
        self.files = [os.fdopen(there, "rb"), os.fdopen(back, "wb")]
        settings = Settings(**{"window": 8, "hop": 4, "max_rate": 1e6, **told})
        work = lambda: self.found.append(serve(fake, settings, *self.files, lambda said: None, stop=self.stop))  # noqa: E731
        self.session = threading.Thread(target=work)
        self.session.start()

    def send(self, *lines):
        text = b"".join(lines)
        while text:
            text = text[self.sender.write(text) :]

    def end(self, seconds=10):
        """Wait for the session's end; return its statistics."""
        self.session.join(seconds)
        assert not self.session.is_alive()
        return self.found[0]

    def close(self):
        self.sender.close()  # so that the thread that reads goes on
        self.stop.number = signal.SIGINT
        self.session.join(10)
        for each in (self.reader, *self.files):
            each.close()


@pytest.fixture
def pipe():
    made = []

    def begin(fake=None, **told):
        made.append(Pipe(fake or Fake(), **told))
        return made[-1]

    yield begin
    for each in made:
        each.close()


def test_where_classification_is_slow_the_oldest_are_dropped_and_decisions_are_current(pipe, tmp_path):
    slow = pipe(Fake(delay=0.05, layout=tiny_layout(tmp_path), keeps=False), queue=8)
    begin = time.monotonic()
    for number in range(400):
        slow.send(frame(number / 400, {1: 1}, joints=2))
        time.sleep(0.0025)
    slow.sender.close()
    statistics, took = slow.end(), time.monotonic() - begin
    found = [json.loads(line) for line in slow.reader.read(1 << 20).splitlines()]
    assert statistics.dropped > 50
    assert statistics.frames + statistics.dropped == 400
    assert statistics.errors == 0
    assert found[-1]["t"] == 399 / 400
    assert 5 < statistics.decisions < took / 0.05 + 1


def test_while_more_than_a_hop_of_frames_wait_so_do_decisions(tmp_path):
    slow, sink = Fake(delay=0.03, layout=tiny_layout(tmp_path)), io.BytesIO()
    told = Settings(window=8, hop=4, max_rate=1e6, queue=64)
    statistics = serve(slow, told, io.BytesIO(b"".join(stream(60, {1: 1}, joints=2))), sink, lambda said: None)
    assert (statistics.frames, statistics.dropped) == (60, 0)
    assert statistics.decisions < 8  # of 15, were every one made
    assert json.loads(sink.getvalue().splitlines()[-1])["t"] == 59 / 30


def test_a_file_is_read_as_fast_as_it_can_be_classified(tmp_path):
    path, sink = tmp_path / "frames.jsonl", io.BytesIO()
    path.write_bytes(b"".join(stream(60, {1: 1}, joints=2)))
    with path.open("rb") as source:
        slow = Fake(delay=0.005, layout=tiny_layout(tmp_path))
        statistics = serve(slow, Settings(window=8, hop=4, queue=2, max_rate=1), source, sink, lambda said: None)
    assert (statistics.frames, statistics.decisions) == (60, 15)
    assert (statistics.dropped, statistics.limited) == (0, 0)


def test_what_comes_too_fast_is_dropped(pipe):
    fast = pipe(max_rate=30.0, queue=1000)
    fast.send(*stream(200, {1: 1}))
    fast.sender.close()
    statistics = fast.end()
    assert statistics.frames + statistics.limited == 200
    assert 30 <= statistics.frames < 120


def test_nobody_who_reads_does_not_stop_the_session(pipe):
    deaf = pipe(queue=4000)
    for _ in range(60):  # more answers than a pipe and the queue behind it hold
        deaf.send(b"nonsense\n" * 100)
        time.sleep(0.005)
    deaf.sender.close()
    statistics = deaf.end()
    assert statistics.unread > 0
    assert statistics.errors + statistics.dropped == 6000


def test_a_reader_who_leaves_ends_the_session(pipe):
    left = pipe()
    left.send(*stream(4, {1: 1}))
    assert json.loads(left.reader.read(1 << 16))["id"] == 1
    left.reader.close()
    left.send(*stream(4, {1: 1}, start=4))
    left.send(*stream(4, {1: 1}, start=8))
    assert left.end().frames >= 8  # and nothing was raised


def test_a_stop_ends_a_session_that_waits_for_frames(pipe):
    silent = pipe()
    silent.send(*stream(4, {1: 1}))
    assert silent.reader.read(1 << 16)
    silent.stop.number = signal.SIGINT
    assert silent.end(3).frames == 4


SCRIPT = """
import sys
from predictor.live import Settings, serve
from tests.predictor.live.fake import Fake
from utils.interrupt import StopRequest
log = lambda said: print(said, file=sys.stderr)
serve(Fake(), Settings(window=8, hop=4), sys.stdin.buffer, sys.stdout.buffer, log, stop=StopRequest().listen())
print("ended", file=sys.stderr)
"""


def test_ctrl_c_ends_the_process_and_says_what_was_counted():
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdin.write(b"".join(stream(4, {1: 1})))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["decision"] in NAMES
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0  # though standard input is still open
        counted, ended = process.stderr.read().decode().splitlines()
    assert counted.startswith("frames 4, decisions 1, dropped 0,")
    assert ended == "ended"


# --- minutes of frames


class Minutes:
    """Frames that are made while they are read: who is there changes, ids are new, or used again."""

    def __init__(self, frames, look):
        self.frames, self.look, self.number = frames, look, 0

    def read(self, _size):
        self.look(self.number)
        first, self.number = self.number, min(self.number + 100, self.frames)
        return b"".join(frame(n / 30, crowd(n), joints=2) for n in range(first, self.number))


def test_minutes_of_frames_take_no_more_memory_than_seconds(tmp_path):
    """An hour of them passes the windows in test_windows.py; this is about what is around these."""
    peaks = []

    def look(number):
        if number and not number % 2000:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()

    class Nobody(io.RawIOBase):
        def write(self, text):
            return len(text)

    fake, told = Fake(layout=tiny_layout(tmp_path), keeps=False), Settings(window=30, hop=10, forget=1.0, lossless=True)
    tracemalloc.start()
    try:
        statistics = serve(fake, told, Minutes(8000, look), Nobody(), lambda said: None)
    finally:
        tracemalloc.stop()
    assert (statistics.frames, statistics.errors) == (8000, 0)
    assert statistics.decisions > 1600
    assert max(peaks[1:]) < peaks[0] + 40 * 1600 + 50_000, peaks  # bytes; the latencies are remembered
