"""Where time goes, and how exactly a GPU multiplies."""

import pytest
import torch

from utils import timing
from utils.timing import Shares, allow_tf32


def test_shares_are_of_the_time_between_marks_and_count_anew(monkeypatch):
    now = iter((10.0, 11.0, 14.0, 20.0, 21.0, 24.0))
    monkeypatch.setattr(timing.time, "monotonic", lambda: next(now))
    shares = Shares()
    shares.mark("evaluation")  # what was before it is none
    for kind in ("data", "compute", "evaluation"):
        shares.mark(kind)
    assert shares.take() == "data 10%, compute 30%, evaluation 60%"
    shares.mark("compute")
    shares.mark("data")
    assert shares.take() == "data 75%, compute 25%, evaluation 0%"
    assert shares.take() == "data 0%, compute 0%, evaluation 0%"


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_allowed_for_a_while_even_if_it_ends_badly(allowed):
    def flags():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    before = flags()
    with pytest.raises(KeyError), allow_tf32(allowed):
        assert flags() == (allowed, allowed)
        raise KeyError
    assert flags() == before
