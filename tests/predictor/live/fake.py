"""A classifier that is told what to think, and lines as a pose estimator sends them."""

import io
import json
import time

import numpy as np

import config
from dataset.layouts import load_layout, read_layout
from dataset.packing import unpack
from predictor.live import Settings, serve

NAMES = ("wave", "squat", "jump")


class Fake:
    """Thinks `class x of the first joint` of a window's last frame; keeps the clips that it was asked about."""

    def __init__(self, *, layout="ntu", number="0001", overrides=(), delay=0.0, keeps=True):
        self.config, self.classes, self.longest = config.load(number, overrides), NAMES, None
        self.layout = load_layout(layout) if isinstance(layout, str) else layout
        self.delay, self.keeps, self.clips, self.is_warm = delay, keeps, [], False

    def logits(self, clips):
        if not self.is_warm:  # what `prepare` asks
            self.is_warm = True
            return np.zeros((1, len(NAMES)), np.float32)
        time.sleep(self.delay)
        dense = [unpack(clip.rows, clip.spans, clip.frames) for clip in clips]  # (M, T, V, C)
        if self.keeps:
            self.clips += dense
        wanted = [round(float(clip[0, -1, 0, 0])) % len(NAMES) for clip in dense]
        return (4 * np.eye(len(NAMES))[wanted]).astype(np.float32)


def tiny_layout(folder):
    """Return a skeleton of two joints, which is quick to read."""
    path = folder / "tiny.yaml"
    path.write_text("joints: [hip, head]\nedges: [[head, hip]]\n")
    return read_layout(path)


def frame(t, people, joints=25):
    """Return the line of a frame; `people` says of each id which class `Fake` shall think."""
    persons = [{"id": who, "joints": [[thought, 2, 3]] * joints} for who, thought in people.items()]
    return json.dumps({"t": t, "persons": persons}).encode() + b"\n"


def stream(count, people, joints=25, rate=30, start=0):
    """Return the lines of `count` frames of the same people."""
    return [frame((start + n) / rate, people, joints) for n in range(count)]


def answers(lines, fake=None, **settings):
    """Return what is answered to lines, and the statistics; nothing is dropped."""
    sink, said = io.BytesIO(), []
    settings = Settings(**{"window": 8, "hop": 4, "lossless": True, **settings})
    statistics = serve(fake or Fake(), settings, io.BytesIO(b"".join(lines)), sink, said.append)
    assert said == [str(statistics)]
    return [json.loads(line) for line in sink.getvalue().splitlines()], statistics


def crowd(number):
    """Return who is in a frame: one who stays, one of ten who take turns, one who comes for a second and never again."""
    return {0: 1, 1 + number // 50 % 10: 2, 1000 + number // 30: 1}
