"""Input streams: what a network sees of the joints. Pure, batched, on the device of its input.

Letters: N clips, I streams, C channels, T frames, V joints, M persons; coordinates in metres, or 2D with a score last.
All streams act after person padding: an absent person is zeros, a repeated one is as good as any.

Two families: J, V, B (EfficientGCN) look at the sampled frames; j, b, jm, bm (PYSKL) at the clip at its full rate, so
that a motion is the step to the clip's next frame, sampled or not.

There are two ways to the same bits. `plain_streams` is the readable one, and the one on a GPU. On a CPU, J, V and B
are made of live frames only: most of a batch is padding, where they are constants, and arccos is dear.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from utils.errors import UserError

CHANNELS = 6  # of J, V and B
EPSILON = 1e-4  # metres, added to a bone's length

Score = Literal["none", "mean", "mean-of-bones"]


class Ahead(NamedTuple):
    """The clip's next frame behind each of those that are seen."""

    joints: Tensor  # (N, C, T, V, M), anything where there is none
    exists: Tensor  # (N, T) bool


@dataclass(frozen=True)
class Seen:
    """What streams are made of.

    Attributes:
        joints: (N, C, T, V, M).
        centre: the joint that J is relative to.
        parents: (V,) int64, the joint that each bone starts from; the root is its own parent.
        ahead: one frame later; for motions.
        score: how the last channel is treated; see `score_rule`.
    """

    joints: Tensor
    centre: int
    parents: Tensor
    ahead: Ahead | None = None
    score: Score = "none"


def score_rule(channels: Sequence[str], layout: str) -> Score:
    """Return how upstream treats channel `score`: the mean of a bone's two ends, and of a motion's two frames.

    Motions of hands are differences in all channels, as in PYSKL, which leaves hands out of its list there.
    """
    if channels[-1] != "score":
        return "none"
    return "mean-of-bones" if layout.startswith("hand") else "mean"


# --- EfficientGCN


def joint(seen: Seen) -> Tensor:
    """Return positions, and positions relative to the centre: (N, 3, T, V, M) -> (N, 6, T, V, M)."""
    joints = seen.joints
    return torch.cat((joints, joints - joints[:, :, :, seen.centre, None]), dim=1)


def velocity(seen: Seen) -> Tensor:
    """Return the steps to the next frame and the one after it: (N, 3, T, V, M) -> (N, 6, T, V, M).

    Both are 0 in the last two frames. Behind a clip's end there is one jump to the zeros of the padding.
    """
    joints = seen.joints
    steps = joints.new_zeros(joints.shape[0], 6, *joints.shape[2:])
    steps[:, :3, :-2] = joints[:, :, 1:-1] - joints[:, :, :-2]
    steps[:, 3:, :-2] = joints[:, :, 2:] - joints[:, :, :-2]
    return steps


def bone(seen: Seen) -> Tensor:
    """Return vectors from the parents, and their angles to the axes: (N, 3, T, V, M) -> (N, 6, T, V, M).

    Angles are computed in float64, in radians. A bone of length 0 (the root's; padding; an absent person) has angles
    pi/2, as in the original, whose weights expect it.
    """
    bones = seen.joints - seen.joints[:, :, :, seen.parents]
    wide = bones.double()
    length = (wide[:, 0] ** 2 + wide[:, 1] ** 2 + wide[:, 2] ** 2).sqrt() + EPSILON  # (N, T, V, M)
    return torch.cat((bones, torch.arccos(wide / length[:, None]).to(bones.dtype)), dim=1)


# --- PYSKL


def positions(seen: Seen) -> Tensor:
    """Return the joints as they are: j."""
    return seen.joints


def bones(seen: Seen) -> Tensor:
    """Return vectors from the parents, and the mean of the two scores: b; (N, C, T, V, M), the root's vector is 0."""
    return _bones(seen.joints, seen)


def joint_motion(seen: Seen) -> Tensor:
    """Return the steps of the joints to the clip's next frame: jm; all channels are 0 in the clip's last frame."""
    assert seen.ahead is not None
    return _motion(seen.joints, seen.ahead.joints, seen)


def bone_motion(seen: Seen) -> Tensor:
    """Return the steps of the bones, scores included, to the clip's next frame: bm; 0 in the clip's last frame."""
    assert seen.ahead is not None
    return _motion(_bones(seen.joints, seen), _bones(seen.ahead.joints, seen), seen)


def _bones(joints: Tensor, seen: Seen) -> Tensor:
    starts = joints[:, :, :, seen.parents]
    vectors = joints - starts
    if seen.score != "none":
        vectors[:, -1] = (joints[:, -1] + starts[:, -1]) / 2
    return vectors


def _motion(now: Tensor, ahead: Tensor, seen: Seen) -> Tensor:
    assert seen.ahead is not None
    steps = ahead - now
    if seen.score == "mean":
        steps[:, -1] = (now[:, -1] + ahead[:, -1]) / 2
    return torch.where(seen.ahead.exists[:, None, :, None, None], steps, 0)


# --- all of them


@dataclass(frozen=True)
class Stream:
    """One stream: what makes it, and what it needs and gives."""

    make: Callable[[Seen], Tensor]
    channels: int | None = None  # None: as many as the joints have; otherwise these need x, y, z
    looks_ahead: bool = False  # whether it needs `Seen.ahead`


STREAMS: dict[str, Stream] = {
    "J": Stream(joint, channels=CHANNELS),
    "V": Stream(velocity, channels=CHANNELS),
    "B": Stream(bone, channels=CHANNELS),
    "j": Stream(positions),
    "b": Stream(bones),
    "jm": Stream(joint_motion, looks_ahead=True),
    "bm": Stream(bone_motion, looks_ahead=True),
}


def build_streams(
    joints: Tensor,
    letters: Sequence[str],
    centre: int,
    parents: Tensor,
    ahead: Ahead | None = None,
    score: Score = "none",
) -> Tensor:
    """Stack streams in the order of `letters`: (N, C, T, V, M) -> (N, I, C', T, V, M) float32.

    Args:
        joints: for V at least 3 frames.
        letters: keys of `STREAMS`, or several joined by +, such as "j+b+jm": one stream with the channels of all.
        centre: see `Seen`; so are the others.
        parents: bones may differ from the graph's edges, as they do in PYSKL.
        ahead: only if `look_ahead(letters)`.
        score: only for j, b, jm and bm; J, V and B treat all channels alike, as the original does with 2D joints.

    Sources: Song et al. 2022 (EfficientGCN), input branches, equal to the original's feeder to the bit;
    Duan et al. 2022 (PYSKL), GenSkeFeat, in float32 throughout, where the original keeps some of it in float64.
    """
    seen = Seen(joints, centre, parents, ahead, score)
    sparse = joints.device.type == "cpu" and joints.dtype == torch.float32 and set(letters) <= WINDOWS.keys()
    return live_streams(seen, letters) if sparse else plain_streams(seen, letters)


def plain_streams(seen: Seen, letters: Sequence[str]) -> Tensor:
    """Return what `build_streams` does, on any device, computed for every frame."""
    return torch.stack([torch.cat([each.make(seen) for each in _streams(name)], dim=1) for name in letters], dim=1)


WINDOWS = {"J": 1, "V": 3, "B": 1}  # frames that a frame of a stream is made of: itself and those behind it
BEHIND = max(WINDOWS.values()) - 1


def live_streams(seen: Seen, letters: Sequence[str]) -> Tensor:
    """Return what `plain_streams` does of J, V and B, to the bit, computed up to each person's last live frame.

    What is returned lies in memory as (I, N, M, C', T, V), which is how EfficientGCN takes it.
    """
    num_clips, _, num_frames, num_joints, num_persons = seen.joints.shape
    clip, places = _pack(seen.joints.permute(0, 4, 2, 3, 1).flatten(0, 1))
    packed = replace(seen, joints=clip[None, ..., None])
    rows = (torch.arange(CHANNELS)[:, None] * clip.shape[1] + places[:, None]).flatten()  # (P C' T,)
    streams = clip.new_empty(len(letters), len(places), CHANNELS, num_frames, num_joints)
    for stream, name in zip(streams, letters, strict=True):
        made = STREAMS[name].make(packed).view(-1, num_joints)  # (C' R, V)
        torch.index_select(made, 0, rows, out=stream.view(-1, num_joints))
        if WINDOWS[name] > 1:
            stream[:, :, 1 - WINDOWS[name] :] = 0  # as if what is behind were not known
    return streams.unflatten(1, (num_clips, num_persons)).permute(1, 0, 3, 4, 5, 2)


def _pack(persons: Tensor) -> tuple[Tensor, Tensor]:
    """Return the live frames of `persons` (P, T, V, C) as one clip (C, R, V), and each frame's place in it (P, T).

    Each person's are followed by the next two, which V looks at. Last come three of zeros, the first of which stands
    for all frames that are not live.
    """
    num_frames, num_joints, channels = persons.shape[1:]
    t, ends = torch.arange(num_frames), _live_ends(persons)[:, None]
    taken = t < ends + BEHIND  # (P, T)
    live = persons[taken]
    clip = live.new_zeros(channels, len(live) + 1 + BEHIND, num_joints)
    clip[:, : len(live)] = live.permute(2, 0, 1)
    return clip, torch.where(t < ends, taken.flatten().cumsum(0).view(taken.shape) - 1, len(live))


def _live_ends(persons: Tensor) -> Tensor:
    """Return how many frames (P, T, V, C) there are of each person up to the last that is not all zeros: (P,)."""
    bits = persons.flatten(2).view(torch.int32)  # a negative zero is not padding
    live = (bits.amax(dim=2) != 0) | (bits.amin(dim=2) != 0)
    return torch.where(live, torch.arange(1, persons.shape[1] + 1), 0).amax(dim=1)


def look_ahead(letters: Sequence[str]) -> bool:
    """Return whether one of the streams needs the clip's next frames."""
    return any(each.looks_ahead for name in letters for each in _streams(name))


def stream_channels(letters: Sequence[str], channels: int) -> int:
    """Return C', the channels of every stream made of joints with `channels`.

    Raises:
        UserError: if the streams differ in it, or need three channels.
    """
    counts = {name: sum(each.channels or channels for each in _streams(name)) for name in letters}
    if channels != 3 and any(each.channels for name in letters for each in _streams(name)):
        raise UserError(f"input.streams: J, V and B are made of 3 channels, but the joints have {channels}")
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise UserError(f"input.streams: all must have as many channels, but {found}")
    return next(iter(counts.values()))


def _streams(name: str) -> list[Stream]:
    return [STREAMS[each] for each in name.split("+")]
