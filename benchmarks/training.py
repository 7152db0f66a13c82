"""Training on a CPU: one optimizer step on a batch of clips like NTU's."""

import sys
from typing import Any

from benchmarks import gpu, networks
from benchmarks.harness import Contest, Limits, main
from utils.allocator import keep_memory

CLIPS = 16


def prepare_ours(network: str, clips: int) -> Any:
    """Return one step."""
    keep_memory()
    return networks.training_step(networks.build(network), networks.batch(network, clips))


CONTESTS = [
    Contest(
        stage="training, B0, batch 16",
        reference="benchmarks.reference.network:prepare_training",
        project="benchmarks.training:prepare_ours",
        work=CLIPS,
        unit="clips/s",
        arguments={"network": "B0", "clips": CLIPS},
        threads=2,
        limits=Limits(2.2, 4, allowed=1.0, memory=0.7),
        note="differences in units of 1e-5 (logits) and 1e-4 of the largest (gradients)",
    )
]

if __name__ == "__main__":
    sys.exit(main("training", [*CONTESTS, *gpu.trainings()]))
