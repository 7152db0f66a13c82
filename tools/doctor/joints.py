"""One look at all rows of a part, in pieces, and a closer one at a few frames of every clip.

R rows, N clips, S sampled frames, V joints, C channels (D of them coordinates), P left-right pairs.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from dataset.layouts import Layout
from dataset.packing import COUNT, ROW
from dataset.store import Part

ROWS = 1 << 14  # rows looked at together: 5 MB of NTU skeletons
CLIPS = 1 << 12  # clips looked at together
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)  # where in a clip its frames are sampled


@dataclass(frozen=True)
class RowFacts:
    """What all rows together say.

    Attributes:
        live: rows that are not all zeros.
        zeros: (V,) live rows in which a joint is at the origin: missing, or the centre of centred data.
        bad: rows with a number that is not finite.
        low: (C,) smallest number of each channel; high: the largest.
    """

    live: int
    zeros: np.ndarray
    bad: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class ClipFacts:
    """What the sampled frames of each clip's first person say; clips of nobody are left out.

    Attributes:
        index: (n,) the clips.
        extent: (n,) the person's size: largest extent along an axis, median over frames; nan where never seen.
        still: (n,) whether nothing moves.
        swapped: (n, P) whether a pair lies left to right against all other pairs.
        chirality: (n,) from -1 to 1: whether the left side is to the left, seen from the pelvis to the toes; nan if
            the layout has no spine or no toes, or there are no three axes.
    """

    index: np.ndarray
    extent: np.ndarray
    still: np.ndarray
    swapped: np.ndarray
    chirality: np.ndarray


def num_axes(part: Part) -> int:
    """Return D, how many channels are coordinates: a score is none."""
    return sum(channel in ("x", "y", "z") for channel in part.manifest["channels"])


def look_at_rows(part: Part) -> RowFacts:
    """Return what all rows say; memory does not grow with R."""
    rows, axes = part.coordinates, num_axes(part)
    live, zeros, bad = 0, np.zeros(rows.shape[1], np.int64), []
    low, high = np.full(rows.shape[2], np.inf), np.full(rows.shape[2], -np.inf)
    for first in range(0, len(rows), ROWS):
        piece = np.asarray(rows[first : first + ROWS])
        absent = (piece[..., :axes] == 0).all(axis=2)  # (r, V)
        seen = ~absent.all(axis=1)
        live += int(seen.sum())
        zeros += absent[seen].sum(axis=0)
        low, high = np.minimum(low, piece.min(axis=(0, 1))), np.maximum(high, piece.max(axis=(0, 1)))
        if not np.isfinite(piece).all():
            bad.append(first + np.flatnonzero(~np.isfinite(piece).all(axis=(1, 2))))
    return RowFacts(live, zeros, np.concatenate([*bad, np.zeros(0, np.int64)]), low, high)


def clip_rows(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row (N,) and the number of rows (N,) of every clip, whose persons follow one another."""
    return part.spans[..., ROW].min(axis=1), part.spans[..., COUNT].sum(axis=1)


def digests(part: Part) -> list[bytes]:
    """Return a digest of every clip's rows, the same for the same numbers; empty for a clip without rows."""
    starts, counts = (each.tolist() for each in clip_rows(part))
    rows = part.coordinates
    return [
        hashlib.blake2b(np.ascontiguousarray(rows[start : start + count]).data, digest_size=16).digest()
        if count
        else b""
        for start, count in zip(starts, counts, strict=True)
    ]


def look_at_clips(part: Part, layout: Layout) -> ClipFacts:
    """Return what the sampled frames of every clip say."""
    counts = part.spans[..., COUNT]
    index = np.flatnonzero(counts.any(axis=1))
    spans = part.spans[index, np.argmax(counts[index] > 0, axis=1)]
    pieces = [_look(part, layout, spans[first : first + CLIPS]) for first in range(0, len(spans), CLIPS)]
    return ClipFacts(index, *(np.concatenate(each) for each in zip(*pieces, strict=True)))


def _look(part: Part, layout: Layout, spans: np.ndarray) -> tuple[np.ndarray, ...]:
    at = spans[:, ROW, None] + (spans[:, COUNT, None] * np.array(SHARES)).astype(np.int64)  # (n, S)
    joints = part.coordinates[at][..., : num_axes(part)].astype(np.float64)  # (n, S, V, D)
    seen = joints.any(axis=3)  # (n, S, V)
    sides = _sides(joints, seen, layout)
    return _extent(joints, seen), _still(joints), _swapped(sides), _chirality(joints, seen, sides, layout)


def _extent(joints: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return (n,) the median over frames; the lower one of two."""
    high = np.where(seen[..., None], joints, -np.inf).max(axis=2)  # (n, S, D)
    low = np.where(seen[..., None], joints, np.inf).min(axis=2)
    anybody = seen.any(axis=2)  # (n, S)
    sizes = np.sort(np.where(anybody, (high - low).max(axis=2), np.nan), axis=1)  # nan last
    middle = np.maximum(anybody.sum(axis=1) - 1, 0) // 2
    return np.take_along_axis(sizes, middle[:, None], axis=1)[:, 0]


def _still(joints: np.ndarray) -> np.ndarray:
    return (joints == joints[:, :1]).all(axis=(1, 2, 3))


def _sides(joints: np.ndarray, seen: np.ndarray, layout: Layout) -> np.ndarray:
    """Return (n, S, P, D) from right to left in every pair; zero where one of the two is missing."""
    left, right = np.array(layout.pairs, np.int64).reshape(-1, 2).T
    both = seen[:, :, left] & seen[:, :, right]
    return np.where(both[..., None], joints[:, :, left] - joints[:, :, right], 0)


def _swapped(sides: np.ndarray) -> np.ndarray:
    others = sides.sum(axis=2, keepdims=True) - sides
    return (sides * others).sum(axis=(1, 3)) < 0


def _chirality(joints: np.ndarray, seen: np.ndarray, sides: np.ndarray, layout: Layout) -> np.ndarray:
    """Return (n,) how much left is to the left of (pelvis to chest) x (ankle to toes), -1 to 1."""
    toes = toe_pairs(layout)
    if joints.shape[3] != 3 or layout.spine is None or not toes or not layout.pairs:
        return np.full(len(joints), np.nan)
    ankle, toe = np.array(toes).T
    forward = np.where((seen[:, :, ankle] & seen[:, :, toe])[..., None], joints[:, :, toe] - joints[:, :, ankle], 0)
    top = list(layout.shoulders or layout.spine[1:])  # a lower spine is short: its direction is mostly noise
    up = joints[:, :, top].mean(axis=2) - joints[:, :, layout.spine[0]]
    axes = [_unit(sides.sum(axis=2)), _unit(np.cross(_unit(up), _unit(forward.sum(axis=2))))]
    return (axes[0] * axes[1]).sum(axis=2).mean(axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def toe_pairs(layout: Layout) -> list[tuple[int, int]]:
    """Return (ankle, its toe or foot), by the joints' names: the only joints that tell front from back in most."""
    toes = [v for v, name in enumerate(layout.joints) if "toe" in name or name.endswith("_foot")]
    return [(layout.parents[v], v) for v in toes if "ankle" in layout.joints[layout.parents[v]]]
