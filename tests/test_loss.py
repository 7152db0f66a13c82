import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from loss import LOSSES, cb_focal, class_balanced_weights, inverse_weights, make_loss, weighted_cross_entropy


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


# --- class-balanced focal loss


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "goldens/stgcn/cb_focal_loss.npz") as file:
        return {key: file[key] for key in file.files}


def exact(logits, labels, weights, gamma):
    """Return the losses (N,) term by term in float64, from probabilities of answers that are never rounded to 0."""
    found = []
    for row, label in zip(np.asarray(logits, np.float64), labels, strict=True):
        z = np.where(np.arange(len(row)) == label, row, -row)
        found.append(weights[label] * ((1 / (1 + np.exp(z))) ** gamma * np.logaddexp(0, -z)).sum())
    return np.array(found)


# `focal` of BABEL and CBFocalLoss of mmaction2 are one function. BABEL's `sigmoid` is gamma 0, whatever gamma it is told,
# and a mean over classes, too. BABEL's `softmax` is no choice here: it takes the probabilities of a softmax for K answers
# that do not depend on each other, and no published recipe uses it.
REACHABLE = [
    *((f"babel_focal_gamma{gamma}", 0.9999, gamma) for gamma in (0, 1, 2)),
    *((f"mma0x_cbfocal_beta{beta}_gamma{gamma}", beta, gamma) for beta in (0.99, 0.9999) for gamma in (0, 1, 2)),
    *((f"babel_sigmoid_gamma{gamma}", 0.9999, 0) for gamma in (0, 1, 2)),
]


def test_every_golden_loss_is_reached_or_named_as_another(golden):
    cases = {key for key in golden if golden[key].ndim == 0 and not key.startswith("extreme")}
    assert cases == {key for key, _, _ in REACHABLE} | {f"babel_softmax_gamma{gamma}" for gamma in (0, 1, 2)}


@pytest.mark.parametrize(("key", "beta", "gamma"), REACHABLE)
def test_values_and_gradients_are_babels_and_mmactions(golden, key, beta, gamma):
    logits = torch.from_numpy(golden["logits"]).requires_grad_()
    loss = make_loss("cb_focal", {"beta": beta, "gamma": gamma}, torch.from_numpy(golden["samples_per_cls"]))
    mean = loss(logits, torch.from_numpy(golden["labels"])).mean() / (logits.shape[1] if "sigmoid" in key else 1)
    mean.backward()
    assert mean.item() == pytest.approx(golden[key].item(), rel=1e-6)
    expected = golden[f"{key}_grad"]
    np.testing.assert_allclose(logits.grad, expected, rtol=0, atol=1e-6 * abs(expected).max())


@pytest.mark.parametrize("classes", [60, 120])
def test_weights_of_babels_classes_are_the_originals(golden, classes):
    counts = torch.from_numpy(golden[f"samples_per_cls_{classes}"])
    np.testing.assert_allclose(
        class_balanced_weights(counts, 0.9999), golden[f"class_weights_beta0.9999_{classes}"], rtol=1e-9
    )


def test_a_very_wrong_answer_costs_what_it_should_where_the_originals_overflow_to_nothing(golden):
    logits, labels = torch.from_numpy(golden["extreme_logits"]), torch.from_numpy(golden["extreme_labels"])
    weights = class_balanced_weights(torch.from_numpy(golden["extreme_samples_per_cls"]), 0.9999)
    expected = exact(logits, labels, weights.numpy(), 2)
    found = cb_focal(logits, labels, weights, 2.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    right = logits.gather(1, labels[:, None])[:, 0]  # -120 and -90: what the originals count as 0
    lost = (weights[labels] * -right).mean()
    assert (found.double().mean() - lost).item() == pytest.approx(golden["extreme_mma0x_cbfocal"].item(), rel=1e-5)


@given(
    st.lists(st.lists(st.floats(-700, 700), min_size=4, max_size=4), min_size=1, max_size=5),
    st.floats(0, 5),
    st.integers(0, 3),
)
def test_focal_losses_are_finite_and_exact_for_all_logits(rows, gamma, label):
    logits = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
    labels, weights = torch.full((len(rows),), label), torch.tensor([0.5, 1.0, 2.0, 0.25], dtype=torch.float64)
    found = cb_focal(logits, labels, weights, gamma)
    np.testing.assert_allclose(found.detach(), exact(rows, labels, weights, gamma), rtol=1e-7, atol=1e-12)
    found.sum().backward()
    assert logits.grad.isfinite().all()


# --- weights of classes


def test_weighted_cross_entropy_weighs_each_clip_and_its_mean_is_over_clips():
    logits, labels, weights = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 2, 0]), torch.tensor([0.2, 1.0, 3.0])
    found = weighted_cross_entropy(logits, labels, weights)
    torch.testing.assert_close(found, functional.cross_entropy(logits, labels, weights, reduction="none"))
    theirs = functional.cross_entropy(logits, labels, weights)  # divided by the weights in the batch, not by clips
    torch.testing.assert_close(found.sum() / weights[labels].sum(), theirs)
    assert not torch.isclose(found.mean(), theirs)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=400).filter(any), st.sampled_from([0.0, 0.9, 0.9999]))
def test_weights_have_mean_one_over_the_classes_that_have_clips(counts, beta):
    counts = torch.tensor(counts)
    for weights in (inverse_weights(counts), class_balanced_weights(counts, beta)):
        assert torch.equal(weights > 0, counts > 0)
        assert weights[counts > 0].mean().item() == pytest.approx(1)
        assert (weights[counts.argsort()][(counts == 0).sum() :].diff() <= 1e-12).all()  # the more clips, the less
    inverse = inverse_weights(counts)
    torch.testing.assert_close(inverse * counts, torch.where(counts > 0, (inverse * counts).max(), 0.0))


def test_a_class_without_clips_has_no_weight_and_does_not_take_the_others():
    weights = class_balanced_weights(torch.tensor([10, 0, 10]), 0.99)
    assert weights.tolist() == [1, 0, 1]
    logits = torch.zeros(1, 3, requires_grad=True)
    cb_focal(logits, torch.tensor([0]), weights).sum().backward()
    assert logits.grad[0, 1] > 0  # it is still learnt that this clip is none of its own


def test_stated_weights_are_taken_as_they_are_and_have_to_be_as_many_as_classes():
    logits, labels, counts = torch.zeros(2, 2), torch.tensor([0, 1]), torch.tensor([5, 1])
    stated = make_loss("weighted_cross_entropy", {"weights": (3.0, 0.0)}, counts)(logits, labels)
    assert stated.tolist() == pytest.approx([3 * math.log(2), 0])
    counted = make_loss("weighted_cross_entropy", {"weights": None}, counts)(logits, labels)
    assert (counted / math.log(2)).tolist() == pytest.approx([1 / 3, 5 / 3])
    with pytest.raises(ValueError, match=r"train\.loss\.weights: 3 weights, but 2 classes"):
        make_loss("weighted_cross_entropy", {"weights": (1.0, 1.0, 1.0)}, counts)


def test_cross_entropy_asks_for_no_counts():
    loss = make_loss("cross_entropy", {"smoothing": 0.1}, torch.zeros(4))
    logits, labels = torch.randn(3, 4), torch.tensor([0, 3, 1])
    assert torch.equal(loss(logits, labels), LOSSES["cross_entropy"](logits, labels, smoothing=0.1))
