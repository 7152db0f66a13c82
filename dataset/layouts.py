"""Skeleton layouts: which joints there are and how they hang together, read from `layouts/*.yaml`."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from utils.errors import UserError

FOLDER = Path(__file__).with_suffix("")  # dataset/layouts
KEYS = ("joints", "extra_edges", "centre", "pairs", "parts", "spine", "shoulders")

Pair = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """One skeleton layout; joints are numbered from 0."""

    name: str
    joints: tuple[str, ...]  # (V,) joint names
    edges: tuple[Pair, ...]  # undirected, without self links: (joint, parent) by joint, then the extra edges
    parents: tuple[int, ...]  # (V,) the joint where each joint's bone starts; the root is its own parent
    centre: int  # the joint that positions are taken relative to
    pairs: tuple[Pair, ...]  # (left, right)
    parts: dict[str, tuple[int, ...]] | None  # body part -> joints, a partition of all joints
    spine: Pair | None  # lower and upper joint of the vertical axis
    shoulders: Pair | None  # (left, right)

    @property
    def num_joints(self) -> int:
        """V, the number of joints."""
        return len(self.joints)


def layout_names() -> tuple[str, ...]:
    """Return the names of all layouts, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_layout(name: str) -> Layout:
    """Read and check the layout `name`.

    Raises:
        UserError: if there is no such layout, or its file contradicts itself.
    """
    names = layout_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=2, cutoff=0.3) or names
        raise UserError(f"layout '{name}': no such layout; nearest are {', '.join(near)}")
    return read_layout(FOLDER / f"{name}.yaml")


def read_layout(path: Path) -> Layout:
    """Read and check one layout file; the layout is named after the file.

    Raises:
        UserError: naming the file, the key and what is allowed there.
    """
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return _build(path.stem, raw)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path.name}: {error}") from error


def _build(name: str, raw: dict[str, Any]) -> Layout:
    """Return the layout that the mapping `raw` describes."""
    _check_keys(raw)
    joints, parents = _read_joints(raw["joints"])
    size = len(joints)
    bones = tuple((joint, parent) for joint, parent in enumerate(parents) if joint != parent)
    return Layout(
        name=name,
        joints=joints,
        edges=bones + _read_pairs(raw["extra_edges"], "extra_edges", size),
        parents=parents,
        centre=_read_indexes([raw["centre"]], "centre", size)[0],
        pairs=_read_pairs(raw["pairs"], "pairs", size),
        parts=_read_parts(raw["parts"], size),
        spine=_read_pair(raw["spine"], "spine", size),
        shoulders=_read_pair(raw["shoulders"], "shoulders", size),
    )


def _check_keys(raw: object) -> None:
    """Require exactly the known keys."""
    if not isinstance(raw, dict):
        raise ValueError(f"must be a mapping with the keys {', '.join(KEYS)}")
    if wrong := sorted(map(str, raw.keys() ^ set(KEYS))):
        raise ValueError(f"unknown or missing keys {', '.join(wrong)}; the keys are {', '.join(KEYS)}")


def _read_joints(rows: dict[int, list[Any]]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return names and parents of the joints, one row per joint in order of number."""
    if list(rows) != list(range(len(rows))):
        raise ValueError("joints must be numbered 0, 1, 2 ... in order")
    names = tuple(str(name) for name, _ in rows.values())
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"joints: more than one is named {', '.join(twice)}")
    return names, _read_indexes([parent for _, parent in rows.values()], "joints", len(names))


def _read_parts(raw: dict[str, list[int]] | None, size: int) -> dict[str, tuple[int, ...]] | None:
    """Return the body parts; together they hold every joint once."""
    if raw is None:
        return None
    parts = {name: _read_indexes(joints, f"parts.{name}", size) for name, joints in raw.items()}
    if sorted(joint for part in parts.values() for joint in part) != list(range(size)):
        raise ValueError(f"parts must hold each of the joints 0 to {size - 1} exactly once")
    return parts


def _read_pairs(raw: Sequence[Sequence[int]], key: str, size: int) -> tuple[Pair, ...]:
    """Return a list of joint pairs."""
    return tuple(_read_two(pair, key, size) for pair in raw)


def _read_pair(raw: Sequence[int] | None, key: str, size: int) -> Pair | None:
    """Return an optional pair of joints."""
    return None if raw is None else _read_two(raw, key, size)


def _read_two(raw: Sequence[int], key: str, size: int) -> Pair:
    """Return two different joints."""
    first, second = _read_indexes(raw, key, size)
    if first == second:
        raise ValueError(f"{key}: joint {first} is paired with itself")
    return first, second


def _read_indexes(raw: Iterable[int], key: str, size: int) -> tuple[int, ...]:
    """Return joint numbers, all in range."""
    indexes = tuple(raw)
    for index in indexes:
        if type(index) is not int or not 0 <= index < size:
            raise ValueError(f"{key}: {index!r} is no joint; joints are 0 to {size - 1}")
    return indexes
