"""The language of choreography: poses, timed steps, scripts, and the joint-angle curves that they become.

A pose names only the angles that differ from standing upright with hanging arms; times are in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tools.skeletons.body import CHANNELS, Array

Pose = Mapping[str, float]
STANDING: Pose = {}


def pose(base: Pose = STANDING, **degrees: float) -> Pose:
    """Return `base` with some angles changed; `both_elbow=90` bends the left and the right one."""
    angles = dict(base)
    for name, value in degrees.items():
        kind = name.removeprefix("both_")
        angles |= {f"left_{kind}": value, f"right_{kind}": value} if kind != name else {name: value}
    assert angles.keys() <= set(CHANNELS), sorted(angles.keys() - set(CHANNELS))
    return angles


@dataclass(frozen=True)
class Step:
    """Reach `pose` in `seconds`."""

    pose: Pose
    seconds: float


@dataclass(frozen=True)
class Again:
    """Do `steps` between `least` and `most` times, as often as the performer likes."""

    steps: tuple[Step, ...]
    least: int
    most: int


@dataclass(frozen=True)
class Script:
    """What one person does: the pose at the start, then one step after the other."""

    steps: tuple[Step | Again, ...]
    start: Pose

    def backwards(self) -> "Script":
        """Return the same movement in reverse order of time; for scripts without `Again`."""
        steps = [step for step in self.steps if isinstance(step, Step)]
        assert len(steps) == len(self.steps), "a repetition cannot be turned round"
        before = [self.start, *(step.pose for step in steps[:-1])]
        turned = [replace(step, pose=earlier) for step, earlier in zip(steps, before, strict=True)]
        return script(*reversed(turned), start=steps[-1].pose)


def script(*steps: Step | Again, start: Pose = STANDING) -> Script:
    """Return the script of `steps`."""
    return Script(steps, start)


@dataclass(frozen=True)
class Keys:
    """Key poses in time: `times` (n,) seconds, ascending from 0, and `angles` (n, K) degrees."""

    times: Array
    angles: Array

    def at(self, times: Array) -> Array:
        """Return the angles (T, K) at `times` (T, K) seconds, one clock per channel.

        Between two keys the movement has minimum jerk (Flash and Hogan 1985), as human reaching has.
        Before the first and after the last key it stands still.
        """
        left = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 2)
        u = np.clip((times - self.times[left]) / np.diff(self.times)[left], 0.0, 1.0)
        ease = u**3 * (10 - 15 * u + 6 * u**2)
        channel = np.arange(times.shape[1])
        return self.angles[left, channel] * (1 - ease) + self.angles[left + 1, channel] * ease


def rehearse(script: Script, tempo: float, timing: np.random.Generator) -> Keys:
    """Return the key poses of one performance of `script`.

    Args:
        script: what to do.
        tempo: 1 is as written, 2 is twice as fast.
        timing: decides repetitions, the idle frames before and after, and how long each step really takes.
            Two persons with equal generators keep time with each other.
    """
    steps = [Step(script.start, timing.uniform(0.05, 0.45)), *_unroll(script, timing)]
    steps.append(Step(steps[-1].pose, timing.uniform(0.05, 0.45)))
    seconds = np.array([step.seconds for step in steps]) * timing.uniform(0.88, 1.14, len(steps)) / tempo
    angles = [_to_row(step.pose) for step in steps]
    return Keys(np.concatenate([[0.0], np.cumsum(seconds)]), np.array([angles[0], *angles]))


def _unroll(script: Script, timing: np.random.Generator) -> list[Step]:
    """Return the steps with every `Again` written out."""
    steps: list[Step] = []
    for part in script.steps:
        if isinstance(part, Again):
            steps.extend(part.steps * int(timing.integers(part.least, part.most + 1)))
        else:
            steps.append(part)
    return steps


def _to_row(pose: Pose) -> Array:
    return np.array([pose.get(channel, 0.0) for channel in CHANNELS])
