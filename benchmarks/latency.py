"""Latency on a CPU: a clip alone, from streams to logits, with a network that has been made ready once.

A turn is several clips, one after another, as they come from a stream. With a turn of one, what is measured first is
how the two sides disturb each other: threads that still spin, caches that hold the other's data.
docs/performance.md has both.
"""

import sys
from collections.abc import Callable, Mapping

import numpy as np
import torch

from benchmarks import networks
from benchmarks.harness import Contest, Limits, main
from benchmarks.reference.network import prepare_evaluation
from model.compact import compact
from utils.allocator import keep_memory

CLIPS = 10  # of a turn
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


CONTESTS = [
    Contest(
        stage=f"latency of a clip, {network}",
        reference="benchmarks.latency:prepare_reference",
        project="benchmarks.latency:prepare_ours",
        work=CLIPS,
        unit="clips/s",
        arguments={"network": network},
        threads=2,
        limits=Limits(3, 5, allowed=1e-4),
    )
    for network in ("B0", "ST-GCN++")
]

if __name__ == "__main__":
    sys.exit(main("latency", CONTESTS))
