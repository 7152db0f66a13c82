"""Learning-rate schedules: pure functions from the iteration to a factor of the base rate."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

EVALUATION_INTERVAL = 5  # epochs, until the last stretch
LAST_STRETCH = 10  # epochs at the end of a cosine schedule that are all evaluated
STEP_DECAY = 0.1


@dataclass(frozen=True)
class Plan:
    """How long a training lasts; epochs are counted from 0 here."""

    epochs: int
    steps_per_epoch: int  # iterations
    warmup_epochs: int = 0
    milestones: tuple[int, ...] = ()  # epochs after which the step schedule decays, ascending

    @property
    def steps(self) -> int:
        """Iterations in all."""
        return self.epochs * self.steps_per_epoch

    @property
    def warmup_steps(self) -> int:
        """Iterations of the linear warm-up."""
        return self.warmup_epochs * self.steps_per_epoch


def cosine(iteration: int, plan: Plan) -> float:
    """Return the factor at `iteration` (from 0): linear from 0 to 1, then half a cosine down to 0.

    The first iteration of a warm-up has factor 0. Past the end the last value holds, which is 0, or the factor
    reached where the plan is shorter than its warm-up; the original's cosine rises again there.
    """
    iteration = min(iteration, plan.steps)
    if iteration <= plan.warmup_steps and plan.warmup_steps > 0:
        return iteration / plan.warmup_steps
    progress = (iteration - plan.warmup_steps) / (plan.steps - plan.warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def step(iteration: int, plan: Plan) -> float:
    """Return the factor at `iteration` (from 0): linear from 0 to 1, then a tenth of it after every milestone.

    Past the end the last value holds.
    """
    if iteration < plan.warmup_steps:
        return min(iteration, plan.steps) / plan.warmup_steps
    epoch = min(iteration, plan.steps) // plan.steps_per_epoch
    return STEP_DECAY ** bisect_right(plan.milestones, epoch)


def constant(iteration: int, plan: Plan) -> float:
    """Return the factor at `iteration` (from 0): linear from 0 to 1 in the warm-up, then 1; past the end the last."""
    return min(1.0, min(iteration, plan.steps) / plan.warmup_steps) if plan.warmup_steps else 1.0


SCHEDULES: dict[str, Callable[[int, Plan], float]] = {"cosine": cosine, "step": step, "constant": constant}


def is_evaluation_epoch(epoch: int, schedule: str, plan: Plan) -> bool:
    """Return whether the original evaluates after `epoch` (from 1): each fifth, and all of the last stretch.

    That is the last ten epochs, or with the step schedule what follows its last milestone.
    """
    start = plan.milestones[-1] if schedule == "step" and plan.milestones else plan.epochs - LAST_STRETCH
    return epoch > start or epoch % EVALUATION_INTERVAL == 0
