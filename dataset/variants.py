"""Variants: pure functions of one clip whose results are stored.

Letters: M persons, T frames, V joints; coordinates in metres, or pixels.
All of them act before person padding, but `scale_padding_too`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from dataset.layouts import Layout, require
from dataset.normalise import (
    RIGHT,
    UP,
    FrameSize,
    Pair,
    Version,
    pose_normalize,
    prenormalize_2d,
    prenormalize_3d,
    turn_onto,
)
from utils.sums import add_coordinates

PADDED_FRAMES = 300  # the length of the originals' arrays

Varied = tuple[np.ndarray, tuple[int, ...]]  # the new clip (M, T, V, C), and per person the period it may repeat with


@dataclass(frozen=True)
class ClipFacts:
    """What a variant may need to know of a clip beside its joints."""

    layout: Layout
    frame_size: FrameSize | None = None  # height and width in pixels; None: the source states none
    persons: int | None = None  # that the source has; the others are padding


@dataclass(frozen=True)
class Variant:
    """A named per-clip function; it raises `UserError` for a layout that lacks what it needs."""

    name: str
    apply: Callable[[np.ndarray, ClipFacts], Varied]
    options: Mapping[str, int | str] = field(default_factory=dict)  # what a manifest remembers of it


def keep(joints: np.ndarray, about: ClipFacts) -> Varied:  # noqa: ARG001 - all variants share a signature
    """Leave the clip as it was read."""
    return joints, ()


def transform(joints: np.ndarray, about: ClipFacts) -> Varied:
    """Loop, centre and turn a clip as 2s-AGCN's `pre_normalization` does: (M, T, V, 3) -> (M, 300, V, 3) float32.

    Acts before person padding: who is absent stays zero. The origin is the upper joint of the spine (in NTU joint 1),
    frame by frame. Only the first 300 frames are used.
    The quirks are kept, because published weights depend on them: "zero" means that a sum is zero; a person who
    appears late is moved to frame 0 and loses its gaps; padding repeats the motion; the second turn is a full
    rotation, so that it undoes some of the first.

    Source: Shi et al. 2019 (2s-AGCN), as used by EfficientGCN for X-view; the float64 arithmetic follows it in order,
    so that results are equal to the bit.
    """
    spine, shoulders = _axes(about.layout, "transformed")
    clip = np.zeros((len(joints), PADDED_FRAMES, *joints.shape[2:]), np.float32)
    clip[:, : joints.shape[1]] = joints[:, :PADDED_FRAMES]
    alive = [m for m, person in enumerate(clip) if person.sum() != 0]
    periods = {m: _loop(clip[m]) for m in alive}
    whole = math.lcm(*periods.values())  # the centre is person 0's, so the others repeat with both
    once = min(whole, PADDED_FRAMES)  # frames; all behind them repeat these, so that they need not be computed
    _centre(clip, once, alive, spine[1])
    _turn(clip, once, alive, spine, UP)
    _turn(clip, once, alive, shoulders, RIGHT)
    return clip, tuple(periods.get(m, 0) if m == 0 else whole for m in range(len(clip)))


def _repeat(person: np.ndarray, period: int) -> None:
    """Fill the frames of (T, V, C) behind the first `period` with these, again and again, in place."""
    for at in range(period, len(person), period):
        person[at : at + period] = person[: min(period, len(person) - at)]


def _loop(person: np.ndarray) -> int:
    """Fill the frames behind the last live one by repeating the live ones, in place; return their number."""
    if person[0].sum() == 0:
        packed = person[_live(person)]
        person[:] = 0
        person[: len(packed)] = packed
    empty = np.flatnonzero(person.reshape(len(person), -1).sum(axis=1) == 0)
    period = next((int(t) for t in empty if t > 0 and person[t:].sum() == 0), len(person))
    _repeat(person, period)
    return period


def _live(person: np.ndarray) -> np.ndarray:
    """Return which frames (T,) of (T, V, C) the original takes for live: those whose sum is not zero."""
    return add_coordinates(person).sum(axis=-1) != 0


def _centre(clip: np.ndarray, once: int, alive: list[int], joint: int) -> None:
    """Move `joint` of person 0 to the origin, frame by frame; joints that were zero stay zero."""
    centre = clip[0, :once, joint].copy()  # (T, 3)
    for m in alive:
        person = clip[m, :once]
        present = add_coordinates(person) != 0  # (T, V)
        for axis in range(centre.shape[-1]):  # numpy is slow where the last axis is short
            person[..., axis] = (person[..., axis] - centre[:, axis, None]) * present
        _repeat(clip[m], once)


def _turn(clip: np.ndarray, once: int, alive: list[int], bone: Pair, target: np.ndarray) -> None:
    """Rotate all live frames such that `bone` of person 0 in frame 0 points along `target`."""
    matrix = np.ascontiguousarray(turn_onto(clip[0, 0, bone[1]] - clip[0, 0, bone[0]], target).T)
    for m in alive:
        if clip[m].sum() != 0:  # a lone joint may have been centred away
            person = clip[m, :once]
            live = _live(person)
            places = person[live]
            person[live] = (places.reshape(-1, 3).astype(np.float64) @ matrix).reshape(places.shape)
            _repeat(clip[m], once)


def prenormalize(joints: np.ndarray, about: ClipFacts) -> Varied:
    """Apply `prenormalize_3d`, with the upper joint of the spine as origin: in NTU joint 1, as upstream.

    Acts before person padding. Upstream takes the last joint of any skeleton that has not 25 joints, which is a foot,
    or a hand, as it happens.
    """
    spine, shoulders = _axes(about.layout, "prenormalized")
    return prenormalize_3d(joints, centre=spine[1], spine=spine, shoulders=shoulders), ()


def scale_to_frame(version: Version) -> Callable[[np.ndarray, ClipFacts], Varied]:
    """Return `prenormalize_2d` of a version as a variant's function."""
    return partial(_scale_to_frame, version=version)


def _scale_to_frame(joints: np.ndarray, about: ClipFacts, version: Version) -> Varied:
    clip = joints.copy()  # persons that the source does not have stay zero: upstream pads afterwards
    clip = clip if version == "pyskl-0.1" else clip.astype(np.float32)
    clip[: about.persons] = prenormalize_2d(joints[: about.persons], about.frame_size, version=version)
    return clip, ()


def scale_padding_too(joints: np.ndarray, about: ClipFacts) -> Varied:  # noqa: ARG001 - as `keep`
    """Apply `pose_normalize` after person padding: who is absent is one row of -0.5, which repeats.

    Zeros behind a clip's end are added later and stay; mmaction2 0.x has none, as it repeats clips (sampling loop).
    """
    return pose_normalize(joints), tuple(int(not person.any()) for person in joints)


def _axes(layout: Layout, variant: str) -> tuple[Pair, Pair]:
    """Return spine and shoulders, or raise `UserError` naming the one that the layout lacks."""
    what = f"the variant {variant}"
    return require(layout, "spine", what), require(layout, "shoulders", what)


VARIANTS: dict[str, Variant] = {
    each.name: each
    for each in (
        Variant("original", keep),
        Variant("transformed", transform, {"frames": PADDED_FRAMES, "source": "2s-AGCN"}),
        Variant("prenormalized", prenormalize, {"source": "PYSKL PreNormalize3D"}),
        Variant("prenormalized-2d", scale_to_frame("pyskl-0.1"), {"source": "PYSKL 0.1 PreNormalize2D"}),
        Variant("prenormalized-2d-0.3", scale_to_frame("pyskl-0.3"), {"source": "PYSKL 0.3 PreNormalize2D"}),
        Variant("prenormalized-2d-auto", scale_to_frame("auto"), {"source": "PYSKL 0.3 PreNormalize2D, auto"}),
        Variant("pose-normalized", scale_padding_too, {"source": "mmaction2 0.x PoseNormalize"}),
    )
}
