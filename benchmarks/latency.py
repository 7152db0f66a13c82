"""Latency on a CPU: one clip, from streams to logits, with a network that has been made ready once."""

import sys
from typing import Any

import numpy as np
import torch

from benchmarks import networks
from benchmarks.harness import Contest, main
from model.compact import compact
from utils.allocator import keep_memory


def prepare_ours(network: str, clips: int) -> Any:
    """Return the scoring of one clip."""
    keep_memory()
    batch = networks.batch(network, clips)
    with torch.inference_mode():
        ready = compact(networks.build(network))

    @torch.inference_mode()
    def classify() -> dict[str, np.ndarray]:
        return {"logits": ready(batch).numpy()}

    return classify


CONTESTS = [
    Contest(
        stage=f"latency of a clip, {network}",
        reference="benchmarks.reference.network:prepare_evaluation",
        project="benchmarks.latency:prepare_ours",
        work=1,
        unit="clips/s",
        arguments={"network": network, "clips": 1},
        threads=2,
        rounds=15,
        allowed=1e-4,
        must=3,
        goal=5,
    )
    for network in ("B0", "ST-GCN++")
]

if __name__ == "__main__":
    sys.exit(main("latency", CONTESTS))
