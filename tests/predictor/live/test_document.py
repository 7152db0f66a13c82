"""docs/live.md: its example runs, and what it shows is what there is."""

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from predictor.live import Settings
from tests.predictor.live.fake import Fake, answers, frame, stream

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs/live.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_example_streams_a_stored_clip(tmp_path, write_raw, generate):
    code = next(block for block in blocks("python") if "open_part" in block)
    assert len(code.splitlines()) == 10
    script = tmp_path / "stream.py"
    script.write_text(code)
    generate("2001", tmp_path / "store", write_raw(tmp_path / "raw", 3, frames=6))
    shown = subprocess.run(
        [sys.executable, script, tmp_path / "store" / "ntu60", "1"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    found, statistics = answers([shown], fake := Fake(), window=20, hop=20)
    assert (statistics.frames, statistics.errors) == (7, 0)
    assert {each["id"] for each in found} == {0, 1}  # the second of them has two persons
    spans = np.load(tmp_path / "store/ntu60/original/spans.npy")
    rows = np.load(tmp_path / "store/ntu60/original/coordinates.npy")
    for clip, (row, _, count, _) in zip(fake.clips, spans[1], strict=True):
        np.testing.assert_array_equal(clip[0][clip[0].any(axis=(1, 2))], rows[row : row + count])


def test_the_webcam_example_is_ten_lines_of_python():
    (code,) = (block for block in blocks("python") if "mediapipe" in block)
    compile(code, "pose.py", "exec")
    assert len(code.split("\n")) <= 12


def test_the_lines_are_as_shown():
    incoming, outgoing = (block.splitlines() for block in blocks("json"))
    shown = json.loads(incoming[0])
    assert shown.keys() == json.loads(frame(0, {1: 1})).keys()
    assert shown["persons"][0].keys() == {"id", "joints"}
    lines = [*stream(4, {1: 1}), frame(1, {1: 1}, joints=17), frame(0, {1: 1})]
    assert [json.loads(line).keys() for line in outgoing] == [each.keys() for each in answers(lines)[0][:3]]
    keys = set(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", TEXT, re.MULTILINE))
    named = {name for cell in keys for name in re.findall(r"\w+", cell)}
    assert named == {"t", "persons", "id", "joints"} | {key for line in outgoing for key in json.loads(line)} - {"line"}


def test_every_setting_is_described_with_its_default():
    ours = {each.name for each in fields(Settings)} - {"source_joints", "map_joints"}  # of --from-layout
    flags = set(re.findall(r"--([a-z][\w-]+)", TEXT)) - {"listen", "from-layout", "set"}
    assert flags == ours
    for name, default in re.findall(r"`--(\w+)` \(?([\d.]+)", TEXT):
        assert float(default) == getattr(Settings(), name), name
    assert "`--forget` seconds (2)" in TEXT
