"""Clips for the benches, in lengths and persons like NTU RGB+D's: from a seed, so that both sides have the same."""

import numpy as np

LONGEST = 300
MEAN_FRAMES, SHAPE = 87, 5  # of a gamma distribution, whose median is 81; real clips: mean 87, median 79
WITH_TWO = 0.28  # the share of clips with a second person


def ntu_like(count: int, seed: int = 0) -> list[np.ndarray]:
    """Return `count` clips (2, T, 25, 3) float32, metres; joints drift, the second body may be zeros."""
    rng = np.random.default_rng(seed)
    lengths = rng.gamma(SHAPE, MEAN_FRAMES / SHAPE, count).astype(int).clip(20, LONGEST)
    clips = []
    for frames in lengths.tolist():
        body = rng.normal(0, 0.4, (2, 1, 25, 3)) + np.array([0, 0, 3])
        joints = (body + rng.normal(0, 0.01, (2, frames, 25, 3)).cumsum(axis=1)).astype(np.float32)
        joints[1] *= rng.random() < WITH_TWO
        clips.append(joints)
    return clips


def padded(clips: list[np.ndarray], *, looped: bool = False) -> np.ndarray:
    """Return the originals' array (N, 3, 300, 25, 2): behind a clip's end zeros or, as for X-view, the clip again."""
    array = np.zeros((len(clips), 3, LONGEST, 25, 2), np.float32)
    for dense, joints in zip(array, clips, strict=True):
        t = np.arange(LONGEST if looped else joints.shape[1])
        dense[:, : len(t)] = joints[:, t % joints.shape[1]].transpose(3, 1, 2, 0)
    return array
