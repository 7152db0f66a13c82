"""2s-AGCN's `pre_normalization` of a clip as it reads: frame by frame, on all 300 frames, with numpy's own functions."""

import math

import numpy as np

FRAMES = 300


def transform(joints, spine, shoulders):
    """Return what `dataset.variants.transform` returns."""
    clip = np.zeros((len(joints), FRAMES, *joints.shape[2:]), np.float32)
    clip[:, : joints.shape[1]] = joints[:, :FRAMES]
    alive = [m for m, person in enumerate(clip) if person.sum() != 0]
    periods = {m: loop(clip[m]) for m in alive}
    centre(clip, alive, spine[1])
    turn(clip, alive, spine, np.array([0, 0, 1]))
    turn(clip, alive, shoulders, np.array([1, 0, 0]))
    whole = math.lcm(*periods.values())
    return clip, tuple(periods.get(m, 0) if m == 0 else whole for m in range(len(clip)))


def loop(person):
    live = person.sum(axis=-1).sum(axis=-1) != 0
    if person[0].sum() == 0:
        packed = person[live]
        person[:] = 0
        person[: len(packed)] = packed
    period = next((t for t in range(1, FRAMES) if person[t].sum() == 0 and person[t:].sum() == 0), FRAMES)
    person[period:] = person[np.arange(FRAMES - period) % period]
    return period


def centre(clip, alive, joint):
    origin = clip[0, :, joint, None].copy()
    for m in alive:
        clip[m] = (clip[m] - origin) * (clip[m].sum(axis=-1, keepdims=True) != 0)


def turn(clip, alive, bone, target):
    direction = clip[0, 0, bone[1]] - clip[0, 0, bone[0]]
    matrix = rotation(np.cross(direction, target), angle(direction, target))
    for m in alive:
        if clip[m].sum() == 0:
            continue
        for t in range(FRAMES):
            if clip[m, t].sum(axis=-1).sum() != 0:
                clip[m, t] = clip[m, t] @ matrix.T


def angle(first, second):
    if min(np.abs(first).sum(), np.abs(second).sum()) < 1e-6:
        return 0.0
    cosine = np.dot(first / np.linalg.norm(first), second / np.linalg.norm(second))
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))


def rotation(axis, turned):
    if np.abs(axis).sum() < 1e-6 or abs(turned) < 1e-6:
        return np.eye(3)
    axis = axis / math.sqrt(np.dot(axis, axis))
    a = math.cos(turned / 2.0)
    b, c, d = -axis * math.sin(turned / 2.0)
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)],
            [2 * (b * c - a * d), a * a + c * c - b * b - d * d, 2 * (c * d + a * b)],
            [2 * (b * d + a * c), 2 * (c * d - a * b), a * a + d * d - b * b - c * c],
        ]
    )
