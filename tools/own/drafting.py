"""A layout for joints that nobody has described: bones are what keeps its length.

Letters: T frames, V joints.
"""

import json
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dataset.layouts import Layout, layout_names, load_layout

FRAMES = 500  # of a person, or up to twice as many, spread over the clip: enough to see what keeps its length
NEARNESS = 0.1  # weight of a distance beside its changes: among joints that do not move, the nearer ones are bones
UNKNOWN_COST = 1e3  # of two joints that are never seen together
ALIKE = 1.5  # times the cost of the best tree, up to which a known layout is taken to be the data's
SIDES = {"left": "right", "l": "r"}


def bone_costs(people: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float64], int]:
    """Return how little like a bone two joints are, (V, V), and the joint that is nearest to all others.

    The cost of a pair is the deviation of its distance over a clip's frames, and a tenth of the distance itself; in
    units of the skeleton's mean distance, averaged over clips; missing joints (zeros) are left out.
    """
    num_joints = people[0].shape[1]
    cost, length, seen = (np.zeros((num_joints, num_joints)) for _ in range(3))
    for person in (person[:: max(1, len(person) // FRAMES)] for person in people):
        present = person.any(axis=-1)
        both = np.einsum("tv,tw->tvw", present, present).astype(np.float64)  # (T, V, V)
        apart = np.linalg.norm(person[:, :, None].astype(float) - person[:, None, :], axis=-1) * both
        count = both.sum(axis=0)
        mean = apart.sum(axis=0) / np.maximum(count, 1)
        spread = np.sqrt((((apart - mean) ** 2) * both).sum(axis=0) / np.maximum(count, 1))
        size = mean.mean() or 1.0
        known = count > 0
        cost += known * (spread + NEARNESS * mean) / size
        length += known * mean / size
        seen += known
    far = np.where(seen > 0, length / np.maximum(seen, 1), UNKNOWN_COST)
    return np.where(seen > 0, cost / np.maximum(seen, 1), UNKNOWN_COST), int(far.sum(axis=0).argmin())


def cheapest_tree(cost: NDArray[np.float64], root: int) -> list[tuple[int, int]]:
    """Return the edges [joint, parent] of the minimum spanning tree, away from `root` (Prim 1957)."""
    parent = np.full(len(cost), root)
    best = cost[root].copy()
    todo = set(range(len(cost))) - {root}
    edges = []
    while todo:
        joint = min(todo, key=lambda v: best[v])
        todo.remove(joint)
        edges.append((joint, int(parent[joint])))
        nearer = cost[joint] < best
        best[nearer], parent[nearer] = cost[joint][nearer], joint
    return sorted(edges)


def known_layout(names: Sequence[str], cost: NDArray[np.float64], tree: Sequence[tuple[int, int]]) -> Layout | None:
    """Return the known layout of these joints: the one of the same names, else the best whose bones keep their length.

    Its bones may cost `ALIKE` times what the cheapest tree costs; layouts of one skeleton differ in conventions, and
    the first by cost and name is returned.
    """
    layouts = [layout for layout in map(load_layout, layout_names()) if layout.num_joints == len(cost)]
    if names:
        return next((layout for layout in layouts if set(layout.joints) == set(names)), None)
    least = _price(cost, tree)
    prices = {layout.name: _price(cost, layout.inward) for layout in layouts if len(layout.inward) == len(tree)}
    fitting = [layout for layout in layouts if prices.get(layout.name, np.inf) <= ALIKE * least]
    return min(fitting, key=lambda layout: (round(prices[layout.name], 6), layout.name), default=None)


def _price(cost: NDArray[np.float64], edges: Sequence[tuple[int, int]]) -> float:
    return float(sum(cost[edge] for edge in edges))


def find_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (left, right) joints by their names: left_hand and right_hand, LeftHand, hand_l, l-hand."""
    words = {tuple(_words(name)): name for name in names}
    pairs = []
    for mine, name in words.items():
        other = words.get(tuple(SIDES.get(word, word) for word in mine))
        if other and other != name:
            pairs.append((name, other))
    return pairs


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)]


def layout_text(names: Sequence[str], edges: Sequence[tuple[int, int]], centre: int, units: str) -> str:
    """Return a layout's yaml."""
    named = [[names[joint], names[parent]] for joint, parent in edges]
    pairs = find_pairs(names)
    lines = [
        "# A draft by tools.new_experiment: edges are where distances keep their length. CHECK every line by hand.",
        f"joints: {_flow(names)}  # in the order of the files",
        f"edges: {_flow(named)}  # [joint, parent towards the centre]",
        f"centre: {_flow(names[centre])}  # the joint nearest to all others",
        f"pairs: {_flow(pairs)}  # [left, right]" + ("" if pairs else ": none by the joints' names; flips need them"),
        f"units: {units}",
    ]
    return "\n".join(lines) + "\n"


def _flow(value: object) -> str:
    """Return a value as one line of yaml: JSON is yaml, and quotes every name."""
    return json.dumps(value, ensure_ascii=False)
