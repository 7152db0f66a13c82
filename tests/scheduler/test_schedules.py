import json

import pytest

from scheduler import SCHEDULES, Plan, constant, cosine, is_evaluation_epoch, step

CASES = {"cosine": "cosine", "step": "step", "cosine_nowarm": "cosine", "cosine_short": "cosine"}


@pytest.fixture(scope="module")
def schedules(goldens):
    return json.loads((goldens / "lr_schedulers.json").read_text())


def plan_of(case):
    options = case["kw"]
    milestones = tuple(options.get("step_lr", ()))
    return Plan(options["max_epoch"], case["num_iter_per_epoch"], options["warm_up"], milestones)


@pytest.mark.parametrize("name", CASES)
def test_factors_are_the_originals_up_to_the_end(schedules, name):
    case = schedules[name]
    plan = plan_of(case)
    pairs = [(n, factor) for n, factor in zip(case["iters"], case["factor"]) if n <= plan.steps]
    assert len(pairs) >= 4
    for iteration, factor in pairs:
        assert SCHEDULES[CASES[name]](iteration, plan) == pytest.approx(factor, abs=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_evaluated_epochs_are_the_originals(schedules, name):
    plan = plan_of(schedules[name])
    epochs = [e for e in range(1, plan.epochs + 1) if is_evaluation_epoch(e, CASES[name], plan)]
    assert epochs == schedules[name]["eval_epochs"]


def test_cosine_stays_at_zero_past_the_end():
    plan = Plan(epochs=4, steps_per_epoch=3, warmup_epochs=1)
    assert [cosine(n, plan) for n in (12, 13, 1000)] == [0.0, 0.0, 0.0]


def test_step_holds_past_the_end():
    plan = Plan(epochs=4, steps_per_epoch=3, milestones=(2, 4))
    assert [step(n, plan) for n in (0, 5, 6, 11)] == [1.0, 1.0, 0.1, 0.1]
    assert step(1000, plan) == step(12, plan)


@pytest.mark.parametrize("schedule", SCHEDULES.values())
@pytest.mark.parametrize("warmup_epochs", [2, 10])
def test_a_plan_that_is_all_warm_up_ends_where_it_stopped(schedule, warmup_epochs):
    plan = Plan(epochs=2, steps_per_epoch=5, warmup_epochs=warmup_epochs)
    factors = [schedule(n, plan) for n in range(20)]
    assert factors[:11] == [n / (5 * warmup_epochs) for n in range(11)]
    assert set(factors[10:]) == {2 / warmup_epochs}


def test_without_milestones_the_step_schedule_evaluates_as_cosine_does():
    plan = Plan(epochs=20, steps_per_epoch=1)
    epochs = [e for e in range(1, 21) if is_evaluation_epoch(e, "step", plan)]
    assert epochs == [5, *range(10, 21)]


def test_constant_stays_behind_its_warm_up():
    assert {constant(n, Plan(epochs=4, steps_per_epoch=3)) for n in (0, 1, 11, 12, 1000)} == {1.0}
    warm = Plan(epochs=4, steps_per_epoch=3, warmup_epochs=2)
    assert [constant(n, warm) for n in (0, 3, 6, 7, 1000)] == [0.0, 0.5, 1.0, 1.0, 1.0]
