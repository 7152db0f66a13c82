"""Latency on a CPU: a clip alone, with a network that has been made ready once, and frames that come live.

From streams to logits; of an exported program, which makes the streams itself, from the stored clip. A turn is several
clips, one after another, as they come from a stream. With a turn of one, what is measured first is how the two sides
disturb each other: threads that still spin, caches that hold the other's data. docs/performance.md has both.
"""

import io
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from benchmarks import networks
from benchmarks.clips import ntu_like
from benchmarks.harness import ROUNDS, Contest, Limits, main
from benchmarks.reference.network import prepare_evaluation
from config import load
from dataset.layouts import load_layout
from dataset.splits import load_benchmark
from exporter.formats import save_onnx, trace
from exporter.graph import Deployed, longest_clip
from initializer.data import Data, make_pipeline
from model.compact import compact
from predictor.classifier import CheckpointClassifier
from predictor.live.session import serve
from predictor.live.settings import Settings
from utils.allocator import keep_memory
from utils.deployed import require_onnxruntime

CLIPS = 10  # of a turn
MANY = 15  # rounds: a turn takes a second, and more of them outlast what a neighbour on the machine does
THREADS = 2
FRAMES, RATE = 200, 30  # that come live, and how many a second
Scoring = Callable[[], Mapping[str, np.ndarray]]


def one_by_one(classify: Scoring) -> Scoring:
    """Return a turn of the scoring of one clip."""

    def turn() -> Mapping[str, np.ndarray]:
        return [classify() for _ in range(CLIPS)][-1]

    return turn


def prepare_reference(network: str) -> Scoring:
    """Return the originals' scoring of clips, one by one."""
    return one_by_one(prepare_evaluation(network, clips=1))


def prepare_ours(network: str) -> Scoring:
    """Return ours."""
    keep_memory()
    batch = networks.batch(network, clips=1)
    with torch.inference_mode():
        ready = compact(networks.build(network))

    @torch.inference_mode()
    def classify() -> dict[str, np.ndarray]:
        return {"logits": ready(batch).numpy()}

    return one_by_one(classify)


def prepare_onnx(network: str) -> Scoring:
    """Return the exported program's, run by onnxruntime."""
    config, layout = load(networks.EXPERIMENTS[network], ["test.clips=1"]), load_layout("ntu")
    data = Data(load_benchmark("ntu-xsub"), layout, torch.device("cpu"), {}, counts="", checksums={})
    pipeline = make_pipeline(config, data, trains=False, clips=1)
    program = Deployed(config, layout, pipeline, networks.build(network)).eval()
    clip = ntu_like(1, networks.SEED)[0][None]  # (1, M, T, V, C)
    frames = np.array([clip.shape[2]])
    example = torch.from_numpy(np.tile(clip, (3, 2, 1, 1, 1))), torch.from_numpy(frames.repeat(3))  # any N and M
    runtime = require_onnxruntime("this row")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = THREADS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program.onnx")
        save_onnx(trace(program, example, longest_clip(config.frames(trains=False)), config.input.persons), path)
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {"joints": clip, "frames": frames}
    return one_by_one(lambda: {"logits": session.run(["logits"], inputs)[0]})


def say_live(network: str) -> None:
    """Print how long a decision takes on frames of one person that come live: from line in to line out."""
    torch.set_num_threads(THREADS)
    config = load(networks.EXPERIMENTS[network], ["test.clips=1"])
    classes = [str(k) for k in range(networks.CLASSES)]
    classifier = CheckpointClassifier(config, networks.build(network), classes, torch.device("cpu"))
    reading, writing = os.pipe()
    threading.Thread(target=_send, args=(writing,), daemon=True).start()
    with os.fdopen(reading, "rb") as source:
        print(f"live, {network}, {RATE} frames a second:", end=" ")
        serve(classifier, Settings(), source, io.BytesIO(), print)


def _send(pipe: int) -> None:
    """Write a person's frames as they are made, one behind the other."""
    person, start = ntu_like(1, networks.SEED)[0][0], time.monotonic()  # (T, V, C)
    with os.fdopen(pipe, "wb", buffering=0) as sink:
        for n in range(FRAMES):
            joints = person[n % len(person)].tolist()
            sink.write(json.dumps({"t": n / RATE, "persons": [{"id": 0, "joints": joints}]}).encode() + b"\n")
            time.sleep(max(0.0, start + n / RATE - time.monotonic()))


def contest(network: str, project: str, by: str, limits: Limits, rounds: int = ROUNDS) -> Contest:
    """Return the contest of a network against the originals' way of scoring."""
    return Contest(
        stage=f"latency of a clip, {network}{by}",
        reference="benchmarks.latency:prepare_reference",
        project=f"benchmarks.latency:{project}",
        work=CLIPS,
        unit="clips/s",
        arguments={"network": network},
        threads=THREADS,
        rounds=rounds,
        limits=limits,
    )


NETWORKS = ("B0", "ST-GCN++")
CONTESTS = [
    *(contest(network, "prepare_ours", "", Limits(3, 5, allowed=1e-4), MANY) for network in NETWORKS),
    *(contest(network, "prepare_onnx", ", onnxruntime", Limits()) for network in NETWORKS),
]

if __name__ == "__main__":
    keep_memory()
    code = main("latency", CONTESTS)
    for network in NETWORKS:
        say_live(network)
    sys.exit(code)
