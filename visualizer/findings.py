"""What there is to look at of a run or a checkpoint: plain data, of which every figure and page is made.

Letters: N clips, K classes, M persons, T frames, V joints, C channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from config import Config
from dataset.layouts import Layout
from utils.outputs import softmax


@dataclass(frozen=True)
class Shown:
    """A clip to be drawn.

    Attributes:
        index: of the clip in the findings.
        joints: (M, T, V, C) float32, the frames that the network saw, as they are stored; an absent person or frame is
            zeros. T ends with the last frame in which somebody is there.
        frames: (T,) int64, which of the stored clip's frames they are.
        activation: of the predicted and of the true class -> (M, T, V) float32: the class's activation map, as large
            as the network's time steps make it (not scaled, may be negative).
    """

    index: int
    joints: np.ndarray
    frames: np.ndarray
    activation: Mapping[int, np.ndarray]


@dataclass(frozen=True)
class Findings:
    """A scored split, what is known of it, and where it comes from.

    Attributes:
        config: the experiment.
        layout: of the skeletons.
        classes: (K,) names.
        split: "eval", ...
        weights: the checkpoint, as it was named.
        names: (N,) of the clips.
        labels: (N,) int64, -1 where unknown.
        logits: (N, K) float32, such that softmax gives the probabilities.
        num_frames: (N,) int64, frames of each stored clip.
        num_persons: (N,) int64, persons that are ever there.
        importance: (K, V) float64, mean activation of a class's own map on its joints, over its clips; NaN where the
            class has no clip.
        importance_clips: (K,) int64, over how many clips of each class.
        shown: clips to be drawn: the worst first, then the best.
        last: (N, K) logits of the last epoch in the same order of clips, where a run kept them.
        chosen: how the best epoch was chosen, in words; empty for a bare checkpoint.
        metrics: lines of the run's metrics.jsonl, oldest first.
        cost: rows for the header: what, how much ("parameters", "0.32 M"), with clips and streams counted in.
        environment: of the run's start: python, torch, device, commit, ...
        commands: the exact commands that trained and evaluated, and that made this.
        refused: source -> why it was refused, over all parts.
        left_out: reason -> how many sources were left out, over all parts.
    """

    config: Config
    layout: Layout
    classes: tuple[str, ...]
    split: str
    weights: str
    names: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    num_frames: np.ndarray
    num_persons: np.ndarray
    importance: np.ndarray
    importance_clips: np.ndarray
    shown: Sequence[Shown] = ()
    last: np.ndarray | None = None
    chosen: str = ""
    metrics: Sequence[Mapping[str, Any]] = ()
    cost: Sequence[tuple[str, str]] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    commands: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def predicted(self) -> np.ndarray:
        """(N,) the most probable class of each clip."""
        return self.logits.argmax(axis=1)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(N, K) float64."""
        return softmax(self.logits)

    @cached_property
    def labelled(self) -> np.ndarray:
        """(N,) whether a clip's class is known: figures are over these alone."""
        return self.labels >= 0
