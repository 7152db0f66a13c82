"""What is said of a clip: the lines of PaddleVideo's predictor on a terminal, a JSON object a line in a pipe.

The first two lines of a class, `\ttop-1 class: 0` and `\ttop-1 score: 0.9153057932853699`, are theirs to the letter, so
that what parses them goes on working; its name is a line of its own behind them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.sources import Clip
from utils.outputs import softmax


@dataclass(frozen=True)
class Answer:
    """The classes of a clip that are most likely: (index, name, probability), the best first."""

    clip: Clip
    top: tuple[tuple[int, str, float], ...]

    @property
    def is_right(self) -> bool:
        """Whether the first class is the clip's label."""
        return self.clip.label == self.top[0][0]

    def lines(self) -> str:
        """Return what a terminal shows; a name cannot pass for lines of its own, nor be what no terminal can show."""
        lines = [f"Current video file: {_printable(str(self.clip))}"]
        for rank, (index, name, score) in enumerate(self.top, start=1):
            about = {"class": index, "score": score, "name": name}
            lines += [f"\ttop-{rank} {key}: {value}" for key, value in about.items()]
        return "\n".join(lines) + "\n"

    def json_line(self) -> str:
        """Return {"file", "name", "topk": [{"class", "name", "score"}], "label"?} and the line's end."""
        keys = ("class", "name", "score")
        content: dict[str, Any] = {"file": str(self.clip.file), "name": self.clip.name}
        content["topk"] = [dict(zip(keys, each, strict=True)) for each in self.top]
        if self.clip.label is not None:
            content["label"] = self.clip.label
        return json.dumps(content) + "\n"  # in ASCII: a file's name may be bytes that no encoding has a text for


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]


def answer(clip: Clip, logits: np.ndarray, classes: Sequence[str], topk: int) -> Answer:
    """Return the `topk` best classes, at most all, of a clip with logits (K,); of equal ones the first."""
    scores = softmax(logits[None])[0]
    best = np.argsort(-scores, kind="stable")[:topk].tolist()
    return Answer(clip, tuple((index, classes[index], float(scores[index])) for index in best))
