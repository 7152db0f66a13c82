"""Which persons of a Kinetics-skeleton clip are kept, and in which place: the rules of ST-GCN's generator.

Clips are (3, T, V, M) float64 in the original's order of axes, for sums that are equal to the bit.
"""

import numpy as np

from reader.kinetics.files import Poses

PERSONS_IN = 5  # of a frame, in the order of the file; others are not read. As in the original


def lay_out(poses: Poses, frames: int) -> np.ndarray:
    """Return (3, T, V, `PERSONS_IN`): persons in the file's order, the frame's middle at 0.

    Joints whose score is 0, and places without a person, are zero. Of two records of one frame, the later one's
    persons replace the former one's, as in the original.
    """
    clip = np.zeros((3, frames, poses.joints.shape[1], PERSONS_IN))
    read = poses.person < PERSONS_IN
    joints = poses.joints[read]
    joints[..., :2] -= 0.5
    joints[joints[..., 2] == 0, :2] = 0
    clip[:, poses.frame[read], :, poses.person[read]] = joints.transpose(0, 2, 1)  # (P, 3, V)
    return clip


def pick_best(clip: np.ndarray, persons: int) -> np.ndarray:
    """Return (3, T, V, `persons`): of each frame those with the highest sum of scores, highest first.

    Equal sums keep the file's order, as with the original's numpy (today's default sort does not everywhere).
    A person may change place from frame to frame: see `follow`.
    """
    best = (-clip[2].sum(axis=1)).argsort(axis=1, kind="stable")[:, :persons]  # (T, persons)
    return np.take_along_axis(clip, best[None, :, None], axis=3)


def follow(clip: np.ndarray) -> np.ndarray:
    """Return (3, T, V, M) with persons in the place where they began, those with the highest scores first.

    From one frame to the next, each person in turn (the best first) goes on as the nearest that is still free, by the
    sum of squared distances of the joints. Who is absent counts as a person whose joints are all 0, as in the original.
    """
    frames, persons = clip.shape[1], clip.shape[3]
    steps = clip[:2, 1:, :, None, :] - clip[:2, :-1, :, :, None]
    distances = (steps**2).sum(axis=2).sum(axis=0)  # (T - 1, M from, M to)
    places = np.tile(np.arange(persons), (frames, 1))  # (T, M) where each who was there in frame 0 is now
    for t, distance in enumerate(distances):
        following = np.empty(persons, np.intp)
        for m in range(persons):
            following[m] = distance[m].argmin()
            distance[:, following[m]] = np.inf
        places[t + 1] = following[places[t]]
    tracks = np.take_along_axis(clip, places[None, :, None], axis=3)
    return tracks[..., (-tracks[2].sum(axis=1).sum(axis=0)).argsort(kind="stable")]
