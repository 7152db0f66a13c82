"""What a run is made of: progress, and what a training step needs."""

import torch
from torch import nn

from processor import train_step
from utils.batch import Batch
from utils.run import Learner, Progress, Recipe


def recipe(**options):
    return Recipe(
        epochs=1, batch_size=6, base_lr=0.5, schedule=lambda step: 0.1 * (step + 1), evaluates=lambda _: True, **options
    )


def test_a_new_best_has_to_be_strictly_better_and_epochs_count_from_one():
    progress = Progress()
    assert [progress.judge({"top1": 0.5}), progress.epoch] == [True, 0]
    progress.finish_epoch()
    assert not progress.judge({"top1": 0.5})
    assert (progress.best["epoch"], progress.latest["epoch"]) == (1, 2)
    progress.finish_epoch()
    assert progress.judge({"top1": 0.6})
    assert progress.best == progress.latest == {"top1": 0.6, "epoch": 3}


def test_a_learner_is_all_that_a_training_step_needs():
    """Three steps in two pieces each are those of plain gradient descent on the mean loss of the whole batch."""
    torch.manual_seed(0)
    model, by_hand = (nn.Sequential(nn.Flatten(), nn.Linear(8, 3)).double() for _ in range(2))
    by_hand.load_state_dict(model.state_dict())
    learner = Learner(
        model=model,
        network=model,
        train_loss=lambda logits, labels: nn.functional.cross_entropy(logits, labels, reduction="none"),
        recipe=recipe(accumulate=2),
        optimizer=torch.optim.SGD(model.parameters(), lr=7.0),
    )
    for rate in (0.05, 0.1, 0.15):
        streams, labels = torch.randn(6, 1, 2, 2, 2, 1, dtype=torch.float64), torch.randint(3, (6,))
        losses, right = train_step(learner, Batch(streams, labels, torch.arange(6), torch.ones(6, 1)))
        logits = by_hand(streams)
        expected = nn.functional.cross_entropy(logits, labels, reduction="none")
        torch.testing.assert_close(losses, expected.float())  # the loss is taken in float32
        assert torch.equal(right, logits.argmax(dim=1) == labels)
        gradients = torch.autograd.grad(expected.mean(), list(by_hand.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(by_hand.parameters(), gradients, strict=True):
                parameter -= rate * gradient
        torch.testing.assert_close(model.state_dict(), by_hand.state_dict(), rtol=1e-6, atol=1e-7)
    assert learner.progress.step == 3
    assert learner.scored is model
