"""What the command line says becomes a session."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

import config
from dataset.joint_maps import joint_map
from dataset.layouts import load_layout
from predictor.live import Settings, run, serve, settings_of
from predictor.program import ProgramClassifier
from tests.predictor.live.fake import Fake, frame, stream
from utils.errors import UserError
from utils.interrupt import StopRequest


def test_what_is_told_counts_and_the_rest_is_the_default():
    told = {"window": 9, "threshold": 0.0, "lossless": True}
    assert settings_of(told, None, Fake()) == Settings(window=9, threshold=0.0, lossless=True)
    assert settings_of({}, None, Fake()) == Settings()


def test_the_picture_is_told_as_width_and_height_and_held_as_height_and_width():
    assert settings_of({"frame_size": [640, 480]}, None, Fake()).frame_size == (480, 640)
    with pytest.raises(UserError, match=r"--frame_size \(0, 640\): height and width"):
        settings_of({"frame_size": [640, 0]}, None, Fake())


def test_a_programs_json_says_the_threshold_unless_it_is_told():
    thresholds = SimpleNamespace(decision=0.75)
    contract = SimpleNamespace(classes=("a", "b"), max_frames=64, thresholds=thresholds)
    classifier = ProgramClassifier(SimpleNamespace(contract=contract), config.load("0001"))
    assert settings_of({}, None, classifier).threshold == 0.75
    assert settings_of({"threshold": 0.1}, None, classifier).threshold == 0.1


def test_frames_of_another_layout_are_mapped_and_it_is_said_what_is_only_near(capsys):
    fake = Fake()
    settings = settings_of({"window": 4, "hop": 4}, "mediapipe-33", fake)
    mapped = joint_map(load_layout("mediapipe-33"), fake.layout)
    assert capsys.readouterr().err.splitlines() == mapped.describe() != []
    joints = np.random.default_rng(0).uniform(1, 2, (33, 3)).astype(np.float32)
    line = {"t": 0, "persons": [{"id": 1, "joints": joints.tolist()}]}
    sink = io.BytesIO()
    sent = io.BytesIO(json.dumps(line).encode() + b"\n" + frame(0, {1: 1}, joints=25))
    serve(fake, settings, sent, sink, lambda said: None)
    wrong, decision = map(json.loads, sink.getvalue().splitlines())
    assert wrong == {"error": "id 1: joints must be a list of 33, found 25", "line": 2}
    assert decision["id"] == 1
    np.testing.assert_array_equal(fake.clips[0][0, 0], mapped.apply(joints))


@pytest.fixture
def streams(monkeypatch):
    """Standard streams that are not the tests', and signals that stay as they are."""
    source, sink = io.BytesIO(b"".join(stream(4, {1: 1}))), io.BytesIO()
    ours = SimpleNamespace(
        stdin=SimpleNamespace(buffer=source), stdout=SimpleNamespace(buffer=sink), stderr=io.StringIO()
    )
    monkeypatch.setattr("predictor.live.command.sys", ours)
    monkeypatch.setattr(StopRequest, "listen", lambda self: self)
    return ours


def test_without_an_address_standard_input_is_answered_on_standard_output(streams):
    assert run(Fake(), Settings(window=8, hop=4), None) == 0
    assert json.loads(streams.stdout.buffer.getvalue())["decision"] == "squat"
    assert streams.stderr.getvalue().startswith("frames 4, decisions 1, ")


def test_where_no_line_is_a_frame_the_code_is_1_and_the_last_line_says_so(streams):
    streams.stdin.buffer = io.BytesIO(b"frame;joint;x\n1;2;3\n")
    assert run(Fake(), Settings(window=8, hop=4), None) == 1
    assert streams.stderr.getvalue().splitlines()[1:] == [
        "-i -: not one line was a frame; docs/live.md says what a frame is"
    ]
    streams.stdin.buffer = io.BytesIO()
    assert run(Fake(), Settings(window=8, hop=4), None) == 0


class Closing(io.BytesIO):
    """Takes no byte."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):  # noqa: ARG002
        raise self.error


def test_a_full_disk_is_an_error_and_who_reads_no_more_is_none(streams):
    streams.stdout.buffer = Closing(OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        run(Fake(), Settings(window=8, hop=4), None)
    assert streams.stderr.getvalue().startswith("frames 4, ")
    streams.stdin.buffer.seek(0)
    streams.stdout.buffer = Closing(BrokenPipeError(32, "Broken pipe"))
    assert run(Fake(), Settings(window=8, hop=4), None) == 0


def test_an_empty_address_is_none_and_not_standard_input(streams):
    with pytest.raises(UserError, match="expected HOST:PORT"):
        run(Fake(), Settings(), "")
    assert streams.stdout.buffer.getvalue() == b""
