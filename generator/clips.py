"""What becomes of one source: its recordings, in the variants that are asked for."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from dataset.layouts import Layout, load_layout
from dataset.packing import Packed, pack
from dataset.variants import VARIANTS, ClipFacts
from dataset.writer import ReadSource, StoredClip
from utils.recording import UNKNOWN, Reader, ReadError, Recording, Source

FACTS = ("height", "width", "persons")  # columns that variants may need


@cache
def _layout(name: str) -> Layout:
    return load_layout(name)


def read_source(reader: Reader, source: Source, variants: tuple[str, ...]) -> ReadSource:
    """Read one source; a `ReadError` becomes a refusal, so that the others go on."""
    try:
        clips = [stored(recording, variants, reader.variants, reader.layout) for recording in reader.read(source)]
    except ReadError as error:
        return ReadSource(source.name, refused=str(error))
    return ReadSource(source.name, clips)


def stored(recording: Recording, variants: tuple[str, ...], made: tuple[str, ...], layout: str) -> StoredClip:
    """Return a recording in `variants`, of which it is some already (`made`): as the store keeps it."""
    about = {
        "name": recording.name,
        "label": recording.label,
        "frames": recording.num_frames,
        "splits": dict(recording.splits),
        "columns": dict(recording.columns),
    }
    whole = (recording.num_frames,) * len(recording.joints)  # what is already padded may repeat with its length
    facts = facts_of(layout, recording.columns)
    packed = {
        name: pack(recording.joints, whole) if name in made else vary(name, recording.joints, facts)
        for name in variants
    }
    return StoredClip(about, packed)


def vary(variant: str, joints: np.ndarray, facts: ClipFacts) -> Packed:
    """Return the joints (M, T, V, C) of a clip in a variant, packed."""
    return pack(*VARIANTS[variant].apply(joints, facts))


def facts_of(layout: str, columns: Mapping[str, Any]) -> ClipFacts:
    """Return what variants may need to know of a clip with these columns."""
    height, width = (int(columns.get(key, UNKNOWN)) for key in ("height", "width"))
    size = (height, width) if height > 0 and width > 0 else None
    return ClipFacts(_layout(layout), size, columns.get("persons"))
