"""Skeletons of one layout as another: joints by their names, by what lies near, or not at all.

Letters: V joints, C channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dataset.layouts import Layout
from utils.errors import UserError

FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class JointMap:
    """How the joints of one layout become those of another.

    Attributes:
        source: what is given.
        target: what is wanted.
        origins: for every joint of the target the joints of the source whose mean it is; none: it is zeros.
        near: the joints of the target that are only near, with what stands for them.
    """

    source: Layout
    target: Layout
    origins: tuple[tuple[int, ...], ...]
    near: Mapping[str, tuple[str, ...]]

    @property
    def missing(self) -> tuple[str, ...]:
        """The joints of the target that nothing stands for."""
        return tuple(name for name, found in zip(self.target.joints, self.origins, strict=True) if not found)

    def apply(self, joints: np.ndarray) -> np.ndarray:
        """Return (..., V, C) as (..., V', C): a joint of the same meaning is copied, to the bit.

        A mean of which a joint is zeros, which means not found, is zeros. Units and axes stay what they are.
        """
        mapped = np.zeros((*joints.shape[:-2], self.target.num_joints, joints.shape[-1]), joints.dtype)
        for v, origin in enumerate(self.origins):
            if len(origin) == 1:
                mapped[..., v, :] = joints[..., origin[0], :]
            elif origin:
                found = joints[..., list(origin), :]
                mapped[..., v, :] = found.mean(axis=-2) * np.all(found.any(axis=-1, keepdims=True), axis=-2)
        return mapped

    def describe(self) -> list[str]:
        """Say what is only near, what is missing, and whether the units are others; nothing of what fits."""
        lines = []
        if self.near:
            words = (f"{name} ({' + '.join(stand_ins)})" for name, stand_ins in self.near.items())
            lines.append(f"{self.source.name} has only something near, or in the middle, for {', '.join(words)}")
        if self.missing:
            lines.append(f"{self.source.name} has nothing for {', '.join(self.missing)}: zeros, as if never found")
        if self.source.units != self.target.units:
            units = f"{self.source.units or 'units that nobody states'}, not {self.target.units or 'stated ones'}"
            lines.append(f"{self.source.name} is in {units}; coordinates are not converted")
        return lines


def joint_map(source: Layout, target: Layout) -> JointMap:
    """Return how skeletons of `source` become skeletons of `target`; raises `UserError` if they have nothing common."""
    places = {_meaning(source, name): v for v, name in enumerate(source.joints)}
    origins, near = list[tuple[int, ...]](), dict[str, tuple[str, ...]]()
    for name in target.joints:
        found = _origin(_meaning(target, name), places)
        origins.append(tuple(places[each] for each in found))
        if found and found != (_meaning(target, name),):
            near[name] = tuple(source.joints[places[each]] for each in found)
    if len(near) == sum(map(bool, origins)):
        raise UserError(f"layout {source.name} has no joint of {target.name}: nothing can stand for its skeleton")
    return JointMap(source, target, tuple(origins), near)


def _origin(meaning: str, places: Mapping[str, int]) -> tuple[str, ...]:
    """Return the meanings in the source that stand for one of the target."""
    rows: Sequence[Sequence[str]] = [[meaning], *_rules()["stand_ins"].get(meaning, ())]
    return next((tuple(row) for row in rows if all(each in places for each in row)), ())


def _meaning(layout: Layout, joint: str) -> str:
    rules = _rules()
    name = rules["meanings"].get(layout.name, {}).get(joint, joint)
    return next((names[0] for names in rules["synonyms"] if name in names), name)


@cache
def _rules() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8")))
