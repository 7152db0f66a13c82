import math

import torch

from loss import LOSSES


def test_cross_entropy_is_one_number_per_clip():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    losses = LOSSES["cross_entropy"](logits, torch.tensor([0, 1]))
    torch.testing.assert_close(losses, torch.tensor([math.log(2.0), math.log(4.0)]))
