"""Clips for the page's player: few numbers, whole ones, as base64. M persons, T frames, V joints."""

import base64
from typing import Any

import numpy as np

from visualizer.findings import Findings, Shown
from visualizer.view import axes, present, scaled, turned

FRAMES = 120  # of a clip, at most; a longer one is thinned, and says so
ABSENT = -32768  # a joint that is not there
STEPS = 32767  # of a coordinate, either way from the clip's middle


def clips(findings: Findings) -> list[dict[str, Any]]:
    """Return what the player draws, in the order of `findings.shown`."""
    seen = axes(findings)
    return [_clip(findings, shown, seen) for shown in findings.shown]


def _true_probability(findings: Findings, index: int) -> float | None:
    """Return the probability of a clip's true class, where that is known."""
    label = int(findings.labels[index])
    return None if label < 0 else float(findings.probabilities[index, label])


def _clip(findings: Findings, shown: Shown, seen: np.ndarray) -> dict[str, Any]:
    step = -(-len(shown.frames) // FRAMES)
    joints = shown.joints[:, ::step]
    there = present(joints, findings)
    label, predicted = int(findings.labels[shown.index]), int(findings.predicted[shown.index])
    order = [k for k in dict.fromkeys((predicted, label, *shown.activation)) if k in shown.activation]
    maps = {k: np.where(there, shown.activation[k][:, ::step], 0) for k in order}
    return {
        "name": str(findings.names[shown.index]),
        "true": None if label < 0 else findings.classes[label],
        "predicted": findings.classes[predicted],
        "shares": [_true_probability(findings, shown.index), float(findings.probabilities[shown.index, predicted])],
        "frames": shown.frames[::step].tolist(),
        "step": step,
        "persons": np.flatnonzero(there.any(axis=(1, 2))).tolist(),
        **_quantise(turned(joints, seen), there),
        "views": _views(findings, maps, {"predicted": predicted, "true": label}),
    }


def _views(findings: Findings, maps: dict[int, np.ndarray], roles: dict[str, int]) -> list[dict[str, Any]]:
    """Return the activation of each class in 256 steps: 0 none or against the class, 255 the clip's highest of all."""
    if not maps:
        return []
    levels = np.round(255 * scaled(np.stack(list(maps.values())))).astype(np.uint8)
    return [
        {"class": findings.classes[k], "role": _role(k, roles), "levels": _base64(level)}
        for k, level in zip(maps, levels, strict=True)
    ]


def _role(k: int, roles: dict[str, int]) -> str:
    return " and ".join(name for name, each in roles.items() if each == k) or "asked for"


def _quantise(points: np.ndarray, there: np.ndarray) -> dict[str, Any]:
    """Return points (M, T, V, D) as int16, from the clip's middle; the axis that reaches farthest goes to 32767.

    `extent` (D,) is how far each axis reaches, 1 at most: what has to be in sight.
    """
    dims = points.shape[-1]
    seen = points[there] if there.any() else np.zeros((1, dims), np.float32)
    low, high = seen.min(axis=0), seen.max(axis=0)
    middle = (low + high) / 2
    radius = float(np.abs(seen - middle).max()) or 1.0
    whole = np.round((points - middle) * (STEPS / radius)).clip(-STEPS, STEPS).astype("<i2")
    whole[~there] = ABSENT
    return {
        "shape": list(points.shape),
        "extent": ((high - low) / (2 * radius)).round(4).tolist(),
        "points": _base64(whole),
    }


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
