"""What the GPU's rows do, done on a CPU; that they do it there is not tested: no GPU was at hand."""

import numpy as np
import pytest

from benchmarks import gpu


def test_both_ways_of_evaluation_give_the_same_logits():
    theirs, ours = (
        prepare("B0", clips=3, device="cpu")()["logits"]
        for prepare in (gpu.prepare_evaluation_as_original, gpu.prepare_evaluation)
    )
    assert ours.shape == (3, 60) and np.abs(theirs - ours).max() < 1e-4


@pytest.mark.parametrize("prepare", [gpu.prepare_training, gpu.prepare_training_as_original])
def test_an_epoch_learns(prepare):
    epoch = prepare("B0", clips=2, batch=2, device="cpu")
    first, second = (epoch()["losses"].mean() for _ in range(2))
    assert second != first and np.isfinite([first, second]).all()


def test_the_limits_are_the_issues():
    found = {each.stage: each for each in map(gpu._contest, ["training", "evaluation"], ["B0", "B4"])}
    assert found["training, B0, GPU"].limits.rate == 1660 and found["evaluation, B4, GPU"].limits.rate == 1340
    assert found["training, B0, GPU"].traffic == 2 * 193e6  # bytes a clip: at 4.3 TB/s, 11 100 clips/s


def test_no_row_without_a_gpu():
    assert bool(gpu.trainings()) == gpu.torch.cuda.is_available()
