"""Evaluation on a CPU: one batch of clips like NTU's, from streams to counts."""

import sys
from typing import Any

import numpy as np
import torch

from benchmarks import gpu, networks
from benchmarks.harness import Contest, Limits, main
from loss import cross_entropy
from model.compact import compact
from utils.allocator import keep_memory
from utils.metrics import score

CLIPS = 16  # of a batch


def prepare_ours(network: str, clips: int, *, looped: bool = False) -> Any:
    """Return an evaluation of one batch; what compaction prepares is part of it, as it is of every evaluation."""
    keep_memory()
    built, batch = networks.build(network).eval(), networks.batch(network, clips, looped=looped)

    @torch.inference_mode()
    def evaluate() -> dict[str, np.ndarray]:
        logits = compact(built)(batch)
        score(logits, batch.labels, cross_entropy(logits, batch.labels))
        return {"logits": logits.numpy()}

    return evaluate


def contest(network: str, must: float, goal: float, *, looped: bool = False) -> Contest:
    """Return the contest of one network."""
    return Contest(
        stage=f"evaluation, {network}, {'X-view' if looped else 'X-sub'}",
        reference="benchmarks.reference.network:prepare_evaluation",
        project="benchmarks.evaluation:prepare_ours",
        work=CLIPS,
        unit="clips/s",
        arguments={"network": network, "clips": CLIPS, "looped": looped},
        threads=2,
        limits=Limits(must, goal, allowed=1e-4),
    )


CONTESTS = [
    contest("B0", 6, 10),
    contest("B2", 5, 10),
    contest("B4", 5, 10),
    contest("EpSep-B0", 6, 10),
    contest("B0", 4, 5, looped=True),
]

if __name__ == "__main__":
    sys.exit(main("evaluation", [*CONTESTS, *gpu.evaluations()]))
