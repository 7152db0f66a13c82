"""Skeleton layouts: which joints there are and how they hang together, read from `layouts/*.yaml` or a user's own file.

A file names its joints and their parents; everything else is optional. Joints are meant by name or by number, from 0:

    joints: [hip, chest, head, left_hand, right_hand]  # or, number by number, {0: [hip, hip], 1: [chest, hip], ...}
    edges: [[chest, hip], [head, chest], [left_hand, chest], [right_hand, chest]]  # [joint, parent]
    pairs: [[left_hand, right_hand]]
    units: metres
"""

import difflib
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from utils.errors import UserError

FOLDER = Path(__file__).with_suffix("")  # dataset/layouts
KEYS = ("joints", "edges", "extra_edges", "centre", "pairs", "parts", "spine", "shoulders", "units")
UNITS = ("metres", "centimetres", "millimetres", "pixels", "normalised")
EXAMPLES = {  # what to write where a field is absent
    "pairs": "[[left, right], ...]",
    "parts": "{left_arm: [joint, ...], ...}",
    "spine": "[lower, upper]",
    "shoulders": "[left, right]",
    "units": "metres",
}

Pair = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """One skeleton layout; joints are numbered from 0."""

    name: str
    joints: tuple[str, ...]  # (V,) joint names
    edges: tuple[Pair, ...]  # undirected, without self links: `inward`, then the extra edges
    inward: tuple[Pair, ...]  # (joint, its neighbour towards the root) by joint; extra edges have no such direction
    parents: tuple[int, ...]  # (V,) the joint where each joint's bone starts; a root is its own parent
    centre: int  # the joint that positions are taken relative to, and that graph partitions measure from
    pairs: tuple[Pair, ...]  # (left, right)
    parts: dict[str, tuple[int, ...]] | None  # body part -> joints, a partition of all joints
    spine: Pair | None  # lower and upper joint of the vertical axis
    shoulders: Pair | None  # (left, right)
    units: str | None  # one of UNITS; None: not stated
    file: Path = field(compare=False)

    @property
    def num_joints(self) -> int:
        """V, the number of joints."""
        return len(self.joints)

    def facts(self) -> dict[str, Any]:
        """Return what networks and streams depend on, as JSON has it: a file of the same name may change."""
        names = ("joints", "edges", "inward", "parents", "centre", "parts")
        return {name: json.loads(json.dumps(getattr(self, name))) for name in names}


def require(layout: Layout, name: str, what: str) -> Any:
    """Return the optional field `name` of a layout, for `what` (a transform, a network) that cannot do without.

    Raises:
        UserError: where the layout has none, with the line to add and the file to add it to.
    """
    value = getattr(layout, name)
    if value is None or value == ():
        raise UserError(
            f"layout {layout.name} has no {name}, which {what} needs; add `{name}: {EXAMPLES[name]}` to {layout.file}"
        )
    return value


def layout_names() -> tuple[str, ...]:
    """Return the names of all layouts, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_layout(name: str) -> Layout:
    """Read and check the layout `name`, or the file `name` if that ends in .yaml.

    Raises:
        UserError: if there is no such layout, or its file contradicts itself.
    """
    if name.endswith(".yaml"):
        return read_layout(Path(name))
    names = layout_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=2, cutoff=0.3) or names
        raise UserError(
            f"layout '{name}': no such layout; nearest are {', '.join(near)}; a file of yours ends in .yaml"
        )
    return read_layout(FOLDER / f"{name}.yaml")


def read_layout(path: Path) -> Layout:
    """Read and check one layout file; the layout is named after the file.

    Raises:
        UserError: naming the file, the key (or the line) and what is allowed there.
    """
    try:
        return _build(path, yaml.load(path.read_bytes(), _Loader))  # _Loader is a SafeLoader
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); a layout is a yaml file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}" if mark else f"{path}"
        raise UserError(f"{place}: {getattr(error, 'problem', None) or 'no text that yaml can read'}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: {error}") from error


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, where yaml would keep the last."""


def _unique_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise yaml.constructor.ConstructorError(None, None, f"key '{twice[0]}' is given twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def _build(path: Path, raw: object) -> Layout:
    """Return the layout that the contents `raw` of a file describe."""
    raw = _check_keys(raw)
    names, bones = _read_joints(raw["joints"])
    find = _Joints(names)
    edges = _read_parents(find, raw["edges"]) if "edges" in raw else None
    parents = find.all(bones, "joints") if bones is not None else edges
    if parents is None:
        raise ValueError("a list of joints needs `edges: [[joint, parent], ...]`, one for each joint but the root")
    _refuse_loop(names, parents, "joints")
    graph = parents if edges is None else edges
    _refuse_loop(names, graph, "edges")
    inward = tuple((joint, parent) for joint, parent in enumerate(graph) if joint != parent)
    return Layout(
        name=path.stem,
        joints=names,
        edges=inward + _read_extra(find, raw.get("extra_edges"), inward),
        inward=inward,
        parents=parents,
        centre=_read_centre(find, raw.get("centre"), graph),
        pairs=_read_pairs(find, raw.get("pairs")),
        parts=_read_parts(find, raw.get("parts")),
        spine=None if raw.get("spine") is None else find.two(raw["spine"], "spine"),
        shoulders=None if raw.get("shoulders") is None else find.two(raw["shoulders"], "shoulders"),
        units=_read_units(raw.get("units")),
        file=path,
    )


class _Joints:
    """Finds joints by name or by number."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.size = len(names)

    def one(self, value: object, key: str) -> int:
        """Return the number of a joint."""
        if type(value) is int and 0 <= value < self.size:  # True is no joint
            return value
        if isinstance(value, str) and value in self.names:
            return self.names.index(value)
        near = difflib.get_close_matches(str(value), self.names, n=1)
        allowed = f"did you mean '{near[0]}'?" if near else f"joints are 0 to {self.size - 1}, or their names"
        raise ValueError(f"{key}: {value!r} is no joint; {allowed}")

    def all(self, values: Iterable[object], key: str) -> tuple[int, ...]:
        """Return the numbers of several joints."""
        if isinstance(values, str):
            raise ValueError(f"{key}: must be a list of joints, found '{values}'")
        return tuple(self.one(value, key) for value in values)

    def two(self, values: Sequence[object], key: str, alone: bool = False) -> Pair:
        """Return two joints, different ones unless `alone` is allowed."""
        found = self.all(values, key)
        if len(found) != 2:
            raise ValueError(f"{key}: {values} must be two joints")
        if found[0] == found[1] and not alone:
            raise ValueError(f"{key}: joint {found[0]} is paired with itself")
        return found[0], found[1]


def _check_keys(raw: object) -> dict[str, Any]:
    """Require a mapping with known keys and with joints."""
    if not isinstance(raw, dict):
        raise ValueError(f"must be a mapping with the keys {', '.join(KEYS)}")
    for key in raw.keys() - set(KEYS):
        near = difflib.get_close_matches(str(key), KEYS, n=1)
        raise ValueError(
            f"unknown key '{key}'; " + (f"did you mean '{near[0]}'?" if near else f"keys: {', '.join(KEYS)}")
        )
    if "joints" not in raw:
        raise ValueError("missing key 'joints'; give {number: [name, parent], ...}, or a list of names and `edges`")
    return raw


def _read_joints(raw: object) -> tuple[tuple[str, ...], list[Any] | None]:
    """Return the joints' names, and their parents where `raw` is {number: [name, parent]} and not a list of names."""
    if not raw or not isinstance(raw, list | dict):
        raise ValueError("joints must be {number: [name, parent], ...}, or a list of names")
    parents: list[Any] | None = None
    names: list[Any] = raw if isinstance(raw, list) else []
    if isinstance(raw, dict):
        rows = _read_rows(raw)
        names, parents = [row[0] for row in rows], [row[1] for row in rows]
    for name in names:
        if not isinstance(name, str):
            raise ValueError(
                f"joints: {name!r} is no name; names are texts, in quotes where they look like anything else"
            )
        if names.count(name) > 1:
            raise ValueError(f"joints: more than one is named {name}")
    return tuple(names), parents


def _read_rows(raw: Mapping[Any, Any]) -> list[list[Any]]:
    """Return [name, parent] of every joint."""
    if list(raw) != list(range(len(raw))):
        raise ValueError("joints must be numbered 0, 1, 2 ... in order")
    for number, row in raw.items():
        if not isinstance(row, list) or len(row) != 2:
            raise ValueError(f"joints: {number} must be [name, parent], found {row}")
    return list(raw.values())


def _read_parents(find: _Joints, raw: Sequence[Sequence[object]]) -> tuple[int, ...]:
    """Return the parent of every joint from edges [joint, parent]; the one joint without an edge is the root."""
    parents: dict[int, int] = {}
    for joint, parent in (find.two(edge, "edges", alone=True) for edge in raw):
        if parents.setdefault(joint, parent) != parent:
            first, second = find.names[parents[joint]], find.names[parent]
            raise ValueError(
                f"edges: {find.names[joint]} has two parents, {first} and {second}; an edge is [joint, parent towards "
                "the centre], and an edge that closes a ring belongs in extra_edges"
            )
    roots = [joint for joint in range(find.size) if joint not in parents]
    if len(roots) > 1:
        raise ValueError(
            f"edges: {', '.join(find.names[joint] for joint in roots)} have no parent, but only the root has none; add "
            "[joint, parent], or [joint, joint] for one that stands alone"
        )
    return tuple(parents.get(joint, joint) for joint in range(find.size))


def _refuse_loop(names: tuple[str, ...], parents: tuple[int, ...], key: str) -> None:
    """Raise if following parents from any joint leads back to it, other than at a root, which is its own parent."""
    for start in range(len(names)):
        path = [start]
        while parents[path[-1]] not in path:
            path.append(parents[path[-1]])
        back = parents[path[-1]]
        if back != path[-1]:
            loop = " -> ".join(names[joint] for joint in [*path[path.index(back) :], back])
            raise ValueError(
                f"{key}: the parents go round in a loop, {loop}; make one of these the root (its own parent), or give "
                "one a parent nearer to the centre and move the edge that closes the ring to extra_edges"
            )


def _read_centre(find: _Joints, raw: object, graph: tuple[int, ...]) -> int:
    """Return the centre: the root, where it is not given."""
    if raw is not None:
        return find.one(raw, "centre")
    roots = [joint for joint, parent in enumerate(graph) if joint == parent]
    if len(roots) > 1:
        raise ValueError(
            f"missing key 'centre': there are {len(roots)} roots, such as {find.names[roots[0]]}; name one joint"
        )
    return roots[0]


def _read_extra(find: _Joints, raw: Sequence[Sequence[object]] | None, inward: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """Return the extra edges; one that is an edge already is refused, in either direction."""
    extra = _read_pairs(find, raw, "extra_edges")
    known = {frozenset(edge) for edge in inward}
    for first, second in extra:
        if frozenset((first, second)) in known:
            raise ValueError(f"extra_edges: {find.names[first]} and {find.names[second]} have an edge already")
        known.add(frozenset((first, second)))
    return extra


def _read_pairs(find: _Joints, raw: Sequence[Sequence[object]] | None, key: str = "pairs") -> tuple[Pair, ...]:
    return tuple(find.two(pair, key) for pair in raw or ())


def _read_parts(find: _Joints, raw: Mapping[str, Sequence[object]] | None) -> dict[str, tuple[int, ...]] | None:
    """Return the body parts; together they hold every joint once."""
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise ValueError("parts must be {name: [joints], ...}")
    parts = {name: find.all(joints, f"parts.{name}") for name, joints in raw.items()}
    if sorted(joint for part in parts.values() for joint in part) != list(range(find.size)):
        raise ValueError(f"parts must hold each of the joints 0 to {find.size - 1} exactly once")
    return parts


def _read_units(raw: object) -> str | None:
    if raw is not None and raw not in UNITS:
        raise ValueError(f"units: '{raw}' is not one of {', '.join(UNITS)}")
    return None if raw is None else str(raw)
