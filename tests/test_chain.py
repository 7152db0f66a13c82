"""The whole chain, each command in a process of its own: raw files, training, evaluation, export, prediction, live."""

import json
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import main
from dataset.packing import unpack
from dataset.splits import load_benchmark
from dataset.store import open_part
from utils.outputs import softmax

ROOT = Path(main.__file__).parent
CLIPS = 12  # of the part that are predicted


@pytest.fixture
def words(tmp_path, small):
    """What belongs to every command: the places, and a small network."""
    settings = [word for setting in small if "test" not in setting for word in ("--set", setting)]
    return ["-c", "0001", "--store", tmp_path / "store", *settings]


def answers(done):
    """Return JSON lines by name."""
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_from_raw_files_to_decisions_over_a_socket(command, run_tool, words, tmp_path):
    raw, runs = tmp_path / "raw", ["-w", tmp_path / "work", "-g", "cpu"]
    assert run_tool("tools.make_skeletons", raw).returncode == 0
    for action in (
        ["-gd", "--raw", raw],
        [*runs],
        [*runs, "-e", "--out", tmp_path / "scores.json"],
        [*runs[:2], "-ex"],
    ):
        done = command(*words, *action, timeout=300)
        assert done.returncode == 0, done.stderr
    (best,) = (tmp_path / "work").glob("*/*/best.pt")
    scored = {each["name"]: each for each in json.loads((tmp_path / "scores.json").read_text())}

    names = sorted(scored)[:CLIPS]
    files = [raw / f"{name}.skeleton" for name in names]
    for weights in (best, best.with_suffix(".onnx"), best.with_suffix(".pt2")):
        done = command("-i", *files, "-pp", weights, "--topk", 12, timeout=100)
        assert done.returncode == 0, done.stderr
        found = answers(done)
        assert list(found) == names
        for name in names:
            ranked = {each["class"]: each["score"] for each in found[name]["topk"]}
            (expected,) = softmax(np.array([scored[name]["logits"]]))
            assert np.allclose([ranked[k] for k in range(12)], expected, atol=1e-5 if weights == best else 1e-4)

    part = open_part(tmp_path / "store/demo", "original")
    clip = part.names.tolist().index(names[0])
    decisions = stream(best, unpack(part.coordinates, part.spans[clip], part.frames[clip]))
    assert decisions[-1]["frames"] == 16  # what the network sees of a clip is what a window holds
    assert {each["name"] for each in decisions} <= set(load_benchmark("demo-xsub").classes)


def stream(weights, joints):
    """Send the frames of a clip (M, T, V, C) to a server; return what it answers."""
    line = [sys.executable, "main.py", "-i", "--listen", "127.0.0.1:0", "-pp", str(weights), "--lossless"]
    server = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        port = int(server.stderr.readline().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            for t, persons in enumerate(joints.swapaxes(0, 1)):
                seen = [{"id": m, "joints": person.tolist()} for m, person in enumerate(persons) if person.any()]
                client.sendall(json.dumps({"t": t / 30, "persons": seen}).encode() + b"\n")
            client.shutdown(socket.SHUT_WR)
            return [json.loads(line) for line in client.makefile()]
    finally:
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)
        assert server.returncode == 0, shlex.join(line) + said
