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
    _centre(clip, alive, spine[1])
    _turn(clip, alive, spine, UP)
    _turn(clip, alive, shoulders, RIGHT)
    whole = math.lcm(*periods.values())  # the centre is person 0's, so the others repeat with both
    return clip, tuple(periods.get(m, 0) if m == 0 else whole for m in range(len(clip)))


def _loop(person: np.ndarray) -> int:
    """Fill the frames behind the last live one by repeating the live ones, in place; return their number."""
    live = person.sum(axis=-1).sum(axis=-1) != 0
    if person[0].sum() == 0:
        packed = person[live]
        person[:] = 0
        person[: len(packed)] = packed
    period = next((t for t in range(1, len(person)) if person[t].sum() == 0 and person[t:].sum() == 0), len(person))
    person[period:] = person[np.arange(len(person) - period) % period]
    return period


def _centre(clip: np.ndarray, alive: list[int], joint: int) -> None:
    """Move `joint` of person 0 to the origin, frame by frame; joints that were zero stay zero."""
    centre = clip[0, :, joint, None].copy()  # (T, 1, 3)
    for m in alive:
        present = clip[m].sum(axis=-1, keepdims=True) != 0  # (T, V, 1)
        clip[m] = (clip[m] - centre) * present


def _turn(clip: np.ndarray, alive: list[int], bone: Pair, target: np.ndarray) -> None:
    """Rotate all live frames such that `bone` of person 0 in frame 0 points along `target`."""
    matrix = turn_onto(clip[0, 0, bone[1]] - clip[0, 0, bone[0]], target)
    for m in alive:
        if clip[m].sum() != 0:  # a lone joint may have been centred away
            live = clip[m].sum(axis=-1).sum(axis=-1) != 0
            clip[m, live] = clip[m, live] @ matrix.T


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
