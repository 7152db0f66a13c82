"""The stage: who performs (size, style, handedness), and one performance of an action in the room.

Room axes: y up from the floor, z away from the middle camera (C002), x as that camera's x; metres.
Everything random comes from the numbers that name it, never from the order of calls.
"""

from dataclasses import dataclass, replace

import numpy as np

from tools.skeletons.actions import ACTIONS, Action
from tools.skeletons.body import CHANNELS, HANDS, Array, Motion, pose_body
from tools.skeletons.moves import Keys, rehearse

FRAMES_PER_SECOND = 30
SHORTEST, LONGEST = 32, 64  # frames
PARTNERS = 1000  # the partner of subject n is the person n + PARTNERS, who acts in no clip of their own
CHEST_DEPTH_M = 0.10
ROOM_RADIUS_M = 0.9

# Mean and spread, in degrees, of the posture that a person falls into; other angles have none.
_HABITS = {"bend": (3, 3), "nod": (4, 5), "spread": (8, 3), "elbow": (14, 6), "hip": (3, 1), "knee": (6, 2)}


@dataclass(frozen=True)
class Subject:
    """A person: how large, how quick, how expansive, and which hand they use."""

    lengths: dict[str, float]  # factor per proportion on the bones of the 1.70 m adult
    tempo: float  # 1 is as choreographed, 1.3 is quick
    amplitude: float  # factor on every angle of the choreography
    posture: Array  # (K,) degrees added to every pose
    left_handed: bool


def cast(seed: int, number: int) -> Subject:
    """Return person `number`; every third is left-handed, so that any split of a few has both."""
    rng = np.random.default_rng([seed, 1, number])
    height = np.clip(rng.normal(1.70, 0.11), 1.48, 1.96) / 1.70
    lengths = {part: float(height * rng.uniform(0.94, 1.06)) for part in ("trunk", "width", "arm", "leg")}
    mean, spread = np.array([_HABITS.get(channel.split("_")[-1], (0, 0)) for channel in CHANNELS]).T
    return Subject(
        lengths=lengths,
        tempo=rng.uniform(0.95, 1.35),
        amplitude=rng.uniform(0.9, 1.08),
        posture=mean + spread * rng.uniform(-1, 1, len(CHANNELS)),
        left_handed=number % 3 == 0,
    )


def perform(seed: int, number: int, action: int, repeat: int) -> list[Motion]:
    """Return one take: what happens in the room when subject `number` does `ACTIONS[action - 1]`.

    Returns:
        One or two persons, the actor first, with the same number of frames, in room axes.
    """
    rng = np.random.default_rng([seed, 2, number, action, repeat])
    choreography = ACTIONS[action - 1]
    actor, partner = cast(seed, number), cast(seed, number + PARTNERS)
    persons = [actor] if choreography.partner is None else [actor, partner]
    motions = _move(persons, choreography, rng)
    if actor.left_handed:
        motions = [motion.mirrored() for motion in motions]
    if choreography.partner is None:
        return [motions[0].moved(rng.uniform(-75, 75), _spot(rng))]
    return _face_each_other(*motions, partner_reaches=choreography.partner_reaches, rng=rng)


def _move(persons: list[Subject], action: Action, rng: np.random.Generator) -> list[Motion]:
    """Return what the persons do, each in their own body axes; both keep the actor's time."""
    timing_seed = int(rng.integers(2**32))
    tempo = persons[0].tempo * rng.uniform(0.92, 1.08)
    scripts = [script for script in (action.script, action.partner) if script is not None]
    keys = [rehearse(script, tempo, np.random.default_rng(timing_seed)) for script in scripts]
    seconds = max(key.times[-1] for key in keys)
    num_frames = int(np.clip(round(seconds * FRAMES_PER_SECOND), SHORTEST, LONGEST))
    times = np.linspace(0.0, seconds, num_frames)  # a take that would be too long is done a little faster
    return [
        pose_body(person.lengths, _style(person, key, times, rng)) for person, key in zip(persons, keys, strict=True)
    ]


def _style(person: Subject, keys: Keys, times: Array, rng: np.random.Generator) -> Array:
    """Return the angles (T, K) at `times` (T,) seconds, as this person does them this time."""
    amplitude = person.amplitude * rng.normal(1.0, 0.05, keys.angles.shape)
    lag = rng.uniform(-0.03, 0.03, len(CHANNELS))  # seconds: no two joints start together
    angles = replace(keys, angles=keys.angles * amplitude).at(times[:, None] - lag)
    return angles + person.posture + _sway(times, rng)


def _sway(times: Array, rng: np.random.Generator) -> Array:
    """Return the slow unrest (T, K) of a living body, degrees; `lift` has none."""
    size, hertz, phase = rng.uniform((0.5, 0.3, 0.0), (2.0, 1.0, 2 * np.pi), (len(CHANNELS), 3)).T
    size[CHANNELS.index("lift")] = 0.0
    return size * np.sin(2 * np.pi * hertz * times[:, None] + phase)


def _spot(rng: np.random.Generator) -> Array:
    """Return a random place (3,) on the floor, metres, around the middle of the room."""
    angle, radius = rng.uniform(0, 2 * np.pi), ROOM_RADIUS_M * np.sqrt(rng.uniform())
    return radius * np.array([np.cos(angle), 0.0, np.sin(angle)])


def _face_each_other(
    actor: Motion, partner: Motion, *, partner_reaches: bool, rng: np.random.Generator
) -> list[Motion]:
    """Place two persons so far apart that the actor's hands just reach the partner's hands or chest."""
    gap = _reach(actor) + (_reach(partner) if partner_reaches else CHEST_DEPTH_M)
    heading = rng.choice((-90, 90)) + rng.uniform(-40, 40)  # seen from the side by the middle camera
    to_left = np.radians(heading)
    forward = np.array([-np.sin(to_left), 0.0, -np.cos(to_left)])
    middle = _spot(rng)
    return [
        actor.moved(heading, middle - forward * gap / 2),
        partner.moved(heading + 180, middle + forward * gap / 2),
    ]


def _reach(motion: Motion) -> float:
    """Return how far the hands come, metres in front of where the person stood."""
    return float(-motion.joints[:, HANDS, 2].min())
