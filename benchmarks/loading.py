"""Batches with J, V and B on a CPU, from clips in memory: the original's feeder against experiment 2001's loader."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.clips import LONGEST, ntu_like
from benchmarks.harness import Contest, Limits, main
from config import Config, load
from dataset.layouts import load_layout
from dataset.loader import Clips, FrameTable, Loader
from dataset.packing import COUNT, LOOP, ROW, pack
from dataset.splits import load_benchmark
from dataset.store import Part
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
    part = part_of(clips, looped=looped)
    held = {split: Clips(FrameTable([part], device), [part], [np.arange(len(clips))], persons=2)}
    data = Data(load_benchmark("ntu-xsub"), load_layout("ntu"), device, held, counts="", checksums={})
    return make_loader(config, data, split, trains=split == "train")


def part_of(clips: list[np.ndarray], *, looped: bool) -> Part:
    """Return clips (M, T, V, C) as a part that is in memory; with `looped` all repeat to the longest one's end."""
    packed = [pack(joints) for joints in clips]
    spans, rows = np.stack([each.spans for each in packed]), np.concatenate([each.rows for each in packed])
    spans[..., ROW] += np.cumsum([0, *(len(each.rows) for each in packed[:-1])])[:, None]
    spans[..., LOOP] = looped & (spans[..., COUNT] > 0)
    frames = np.array([LONGEST if looped else each.frames for each in packed])
    return Part(Path("memory"), {}, "original", rows, spans, frames, np.zeros(len(clips), np.int64), checksum="")


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
