"""Batches with J, V and B on a CPU, from clips in memory: the original's feeder against experiment 2001's loader."""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from benchmarks.clips import LONGEST, ntu_like
from benchmarks.harness import Contest, Limits, main
from config import Config, load
from dataset.frame_table import FrameTable
from dataset.layouts import load_layout
from dataset.loader import Clips, Loader
from dataset.memory import part_of
from dataset.packing import COUNT, LOOP, Packed, pack
from dataset.splits import load_benchmark
from initializer.data import Data, make_loader
from utils.allocator import keep_memory

CLIPS, BATCH, FRAMES = 64, 16, 288


def prepare_ours(clips: int, batch_size: int, frames: int, *, looped: bool) -> Callable[[], dict[str, np.ndarray]]:
    """Return a pass over `clips` clips in batches; it returns the last one."""
    keep_memory()
    config = load("2001", [f"input.frames={frames}", f"test.batch_size={batch_size}"])
    loader = loader_of(ntu_like(clips), config, torch.device("cpu"), "eval", looped=looped)

    def load_all() -> dict[str, np.ndarray]:
        for batch in loader:
            streams = batch.streams
        return {"streams": streams.numpy()}

    return load_all


def loader_of(
    clips: list[np.ndarray], config: Config, device: torch.device, split: str, *, looped: bool = False
) -> Loader:
    """Return the batches that an experiment makes of clips (M, T, V, C), to train on if they are its `train`."""
    part = part_of([packed(joints, looped=looped) for joints in clips])
    part = replace(part, labels=np.zeros(len(clips), np.int64))
    held = {split: Clips(FrameTable([part], device), [part], [np.arange(len(clips))], persons=2)}
    data = Data(load_benchmark("ntu-xsub"), load_layout("ntu"), device, held, counts="", checksums={})
    return make_loader(config, data, split, trains=split == "train")


def packed(joints: np.ndarray, *, looped: bool) -> Packed:
    """Return a clip (M, T, V, C) as it is stored; with `looped` its persons repeat to the longest clip's end."""
    clip = pack(joints)
    if not looped:
        return clip
    spans = clip.spans.copy()
    spans[:, LOOP] = spans[:, COUNT] > 0
    return replace(clip, spans=spans, frames=LONGEST)


def contest(data: str, must: float | None = None, goal: float | None = None, *, looped: bool = False) -> Contest:
    """Return the contest over clips of one kind."""
    return Contest(
        stage=f"batch with J, V, B, {data}",
        reference="benchmarks.reference.loading:prepare",
        project="benchmarks.loading:prepare_ours",
        work=CLIPS,
        unit="clips/s",
        arguments={"clips": CLIPS, "batch_size": BATCH, "frames": FRAMES, "looped": looped},
        limits=Limits(must, goal, allowed=0),
    )


CONTESTS = [contest("X-sub", 5, 12), contest("X-view, looped: all frames live", looped=True)]

if __name__ == "__main__":
    sys.exit(main("loading", CONTESTS))
