"""What a program is tried on: clips of the part, or generated ones of the layout.

Letters: N clips, M persons, T frames, V joints, C channels, R rows.
"""

from dataclasses import dataclass

import numpy as np

from config import Config
from dataset.layouts import Layout
from dataset.packing import Packed, pack, unpack
from dataset.splits import benchmark_of, select
from dataset.store import MANIFEST, Part, open_part
from initializer.machine import Machine
from utils.errors import UserError

STORED, GENERATED = 24, 16  # clips for the gate
MADE = "generated clips"


@dataclass(frozen=True)
class Trial:
    """Clips with their names, and where they are from, in words."""

    source: str
    names: list[str]
    clips: list[Packed]

    @property
    def is_generated(self) -> bool:
        """Whether nobody recorded the clips: a trained network decides many of them by a hair."""
        return self.source == MADE

    def with_persons(self) -> "Trial":
        """Return the clips that somebody is in; what a network says of the others is one decision, however many."""
        kept = [place for place, clip in enumerate(self.clips) if len(clip.rows)]
        return Trial(self.source, [self.names[place] for place in kept], [self.clips[place] for place in kept])


def trial_of(config: Config, machine: Machine, layout: Layout, longest: int, count: int | None = None) -> Trial:
    """Return evaluation clips of the experiment's parts, or generated ones where the store lacks a part.

    Of the store, those of up to `longest` frames, from all over the split: one class or subject comes after another.
    There are at most `count` of them; None: as many as a gate needs.
    """
    found = _evaluation_clips(config, machine, layout, longest) if holds_parts(config, machine) else []
    if not found:
        return generate(config, layout, longest, count or GENERATED)
    spread = np.linspace(0, len(found) - 1, min(count or STORED, len(found))).astype(int)
    picked = [found[place] for place in spread.tolist()]
    names, clips = [str(part.names[clip]) for part, clip in picked], [_packed(part, clip) for part, clip in picked]
    return Trial(f"evaluation clips of {', '.join(config.data.parts)}", names, clips)


def _evaluation_clips(config: Config, machine: Machine, layout: Layout, longest: int) -> list[tuple[Part, int]]:
    """Return the evaluation clips of up to `longest` frames, each as its part and its number there."""
    parts, found = open_parts(config, machine), list[tuple[Part, int]]()
    benchmark = benchmark_of(config.data.benchmark, parts)
    for part in parts:
        if part.coordinates.shape[1:] != (layout.num_joints, len(config.data.channel_names)):
            raise UserError(f"{part.path}: its joints are not those of {config.number}; give another --store DIR")
        chosen = select(part, benchmark, "eval")
        found += [(part, clip) for clip in chosen[part.frames[chosen] <= longest].tolist()]
    return found


def holds_parts(config: Config, machine: Machine) -> bool:
    """Tell whether the store holds all parts of an experiment, in its variant."""
    return all((machine.store / part / config.data.variant / MANIFEST).exists() for part in config.data.parts)


def open_parts(config: Config, machine: Machine) -> list[Part]:
    """Open the parts of an experiment."""
    remedy = f"{machine.command} -gd"
    return [open_part(machine.store / part, config.data.variant, remedy) for part in config.data.parts]


def _packed(part: Part, clip: int) -> Packed:
    """Return one clip of a part, its rows counted from its own first."""
    return pack(unpack(part.coordinates, part.spans[clip], int(part.frames[clip])))


def generate(config: Config, layout: Layout, longest: int, count: int) -> Trial:
    """Return clips like recorded ones: of 1 frame to beyond what the network takes, of two persons, one and none."""
    rng, taken = np.random.default_rng(0), config.frames(trains=False)
    lengths = [1, 2, taken // 3, taken - 1, taken, taken + 1, 2 * taken + 5]
    lengths += rng.integers(2, 2 * taken, max(count - len(lengths), 0)).tolist()
    slots, names, clips = max(config.input.persons, 2), list[str](), list[Packed]()
    for number, frames in enumerate(min(max(length, 1), longest) for length in lengths[:count]):
        persons = (1, 2, slots, 0)[number % 4]
        clips.append(pack(_drifting(rng, config, layout, (persons, slots, frames))))
        names.append(f"generated clip {number} ({frames} frames, {persons} persons)")
    return Trial(MADE, names, clips)


def _drifting(rng: np.random.Generator, config: Config, layout: Layout, sizes: tuple[int, int, int]) -> np.ndarray:
    """Return a clip (M, T, V, C) float32 of so many persons, of slots and frames: bodies whose joints drift."""
    persons, slots, frames = sizes
    channels = config.data.channel_names
    body = rng.normal(0, 0.4, (slots, 1, layout.num_joints, len(channels)))
    joints = body + rng.normal(0, 0.01, (slots, frames, *body.shape[2:])).cumsum(axis=1)
    if channels[-1] == "score":
        joints[..., -1] = rng.uniform(0, 1, joints.shape[:-1])
    joints[persons:] = 0
    return joints.astype(np.float32)
