import math

import torch

from loss import LOSSES


def test_cross_entropy_is_one_number_per_clip():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    losses = LOSSES["cross_entropy"](logits, torch.tensor([0, 1]))
    torch.testing.assert_close(losses, torch.tensor([math.log(2.0), math.log(4.0)]))


def test_smoothing_spreads_a_share_of_each_label_over_all_classes():
    logits, labels = torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 1])
    wanted = 0.8 * torch.eye(4, dtype=torch.float64)[labels] + 0.2 / 4
    losses = LOSSES["cross_entropy"](logits, labels, smoothing=0.2)
    torch.testing.assert_close(losses, -(wanted * logits.log_softmax(dim=1)).sum(dim=1))
    assert torch.equal(LOSSES["cross_entropy"](logits, labels, smoothing=0.0), LOSSES["cross_entropy"](logits, labels))
