"""The originals' way to a batch: a feeder that makes J, V and B of one clip at a time, in float64, joint by joint.

Source: facts on the feeder of Song et al. 2022 (EfficientGCN); its loader stacks float64 and the main process converts.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.clips import ntu_like, padded
from dataset.layouts import load_layout


class Feeder:
    """Clips from the padded array (N, 3, 300, 25, 2), one by one."""

    def __init__(self, data: np.ndarray, frames: int) -> None:
        layout = load_layout("ntu")
        self.data, self.frames, self.centre, self.parents = data, frames, layout.centre, layout.parents

    def __getitem__(self, n: int) -> np.ndarray:
        """Return the streams of a clip (3, 6, T, V, M) float64."""
        joints = np.array(self.data[n])[:, : self.frames]
        return np.stack([self.positions(joints), self.velocities(joints), self.bones(joints)])

    def positions(self, joints: np.ndarray) -> np.ndarray:
        """Return J: places, and places relative to the centre, joint by joint."""
        found = np.zeros((6, *joints.shape[1:]))
        found[:3] = joints
        for v in range(joints.shape[2]):
            found[3:, :, v] = joints[:, :, v] - joints[:, :, self.centre]
        return found

    def velocities(self, joints: np.ndarray) -> np.ndarray:
        """Return V: steps over one and over two frames, frame by frame."""
        found = np.zeros((6, *joints.shape[1:]))
        for t in range(joints.shape[1] - 2):
            found[:3, t] = joints[:, t + 1] - joints[:, t]
            found[3:, t] = joints[:, t + 2] - joints[:, t]
        return found

    def bones(self, joints: np.ndarray) -> np.ndarray:
        """Return B: bones, joint by joint, and their angles, axis by axis."""
        found = np.zeros((6, *joints.shape[1:]))
        for v, parent in enumerate(self.parents):
            found[:3, :, v] = joints[:, :, v] - joints[:, :, parent]
        length = np.zeros(joints.shape[1:])
        for axis in range(3):
            length += found[axis] ** 2
        length = np.sqrt(length) + 0.0001
        for axis in range(3):
            found[3 + axis] = np.arccos(found[axis] / length)
        return found


def collate(clips: Sequence[np.ndarray]) -> torch.Tensor:
    """Return a batch in float32, by way of float64."""
    return torch.stack([torch.as_tensor(clip) for clip in clips]).float()


def prepare(clips: int, batch_size: int, frames: int, *, looped: bool) -> Callable[[], dict[str, np.ndarray]]:
    """Return a pass over `clips` clips in batches; it returns the last one."""
    feeder = Feeder(padded(ntu_like(clips), looped=looped), frames)

    def load() -> dict[str, np.ndarray]:
        for start in range(0, clips, batch_size):
            batch = collate([feeder[n] for n in range(start, min(start + batch_size, clips))])
        return {"streams": batch.numpy()}

    return load
