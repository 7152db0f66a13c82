import pytest
import torch

from utils.metrics import rank_of_truth, score

LOGITS = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [5.0, 4.0, 1.0], [0.0, 0.0, 1.0]])
LABELS = torch.tensor([0, 2, 1, 2])


def test_confusion_counts_true_classes_in_rows():
    scores = score(LOGITS, LABELS, torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert scores.confusion.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    assert (scores.top1, scores.count, scores.accuracy) == (2, 4, 0.5)
    assert scores.mean_loss == 3.0


def test_mean_class_averages_over_the_classes_that_are_present():
    scores = score(LOGITS[:2], LABELS[:2], torch.zeros(2))
    assert scores.mean_class == pytest.approx((1.0 + 0.0) / 2)  # class 1 has no clips
    assert scores.present == 2


def test_clips_without_a_label_are_counted_apart_and_change_no_figure():
    labels = torch.cat((LABELS, torch.tensor([-1, -1])))
    logits = torch.cat((LOGITS, torch.full((2, 3), 9.0)))
    found = score(logits, labels, torch.tensor([1.0, 2.0, 3.0, 6.0, 100.0, 100.0]))
    alone = score(LOGITS, LABELS, torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert torch.equal(found.confusion, alone.confusion)
    assert found.figures() == alone.figures() | {"unlabelled": 2}


def test_without_any_label_there_are_no_fractions():
    found = score(LOGITS, torch.full((4,), -1), torch.ones(4))
    assert found.figures() == {"clips": 0, "unlabelled": 4}
    assert found.confusion.tolist() == [[0] * 3] * 3


def test_of_equal_logits_the_lower_class_comes_first():
    logits, labels = torch.zeros(7, 7), torch.arange(7)
    assert rank_of_truth(logits, labels).tolist() == [0, 1, 2, 3, 4, 5, 6]
    scores = score(logits, labels, torch.zeros(7))
    assert scores.top5 == 5
    assert scores.confusion[:, 0].tolist() == [1] * 7


def test_top5_counts_the_true_class_anywhere_among_five():
    logits = torch.arange(10.0).repeat(3, 1)
    assert score(logits, torch.tensor([5, 4, 9]), torch.zeros(3)).top5 == 2


def test_figures_of_a_log_line_derive_from_the_counts():
    figures = score(LOGITS, LABELS, torch.ones(4)).figures()
    assert figures["top1"] == figures["top1_clips"] / figures["clips"] == 0.5
