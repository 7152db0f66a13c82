"""Adjacency matrices of a layout, numpy only: (H, V, V) float64, one matrix per hop distance 0..H-1."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dataset.layouts import Layout

MAX_HOP = 10  # the originals follow edges this far and no farther


def link_matrix(layout: Layout) -> NDArray[np.bool_]:
    """Return the (V, V) symmetric matrix of self links and edges."""
    links = np.eye(layout.num_joints, dtype=bool)
    for first, second in layout.edges:
        links[first, second] = links[second, first] = True
    return links


def hop_distances(layout: Layout, max_hop: int = MAX_HOP) -> NDArray[np.float64]:
    """Return the (V, V) numbers of edges between joints, infinite beyond `max_hop`."""
    links = link_matrix(layout)
    reached = np.eye(layout.num_joints, dtype=bool)
    hops = np.where(reached, 0.0, np.inf)  # (V, V)
    for hop in range(1, max_hop + 1):
        reached = reached @ links
        hops[reached & np.isinf(hops)] = hop
    return hops


def hop_adjacency(layout: Layout) -> NDArray[np.float64]:
    """Return the adjacency by hop distance: entry [h, v, w] is not 0 where joints v and w are h edges apart.

    Column w is divided by the number of ALL joints within `MAX_HOP` of w, not by its number of neighbours
    at distance h: for most NTU joints that is 1/25 at every hop, for the finger tips 1/19. A defect of the
    original that its published weights depend on; because of it the matrices are not symmetric.

    Returns:
        (11, V, V) float64, hops 0 to 10; a network takes the first few.

    Source: EfficientGCN (Song et al. 2022), its code; compared with the original's arrays in the tests.
    """
    hops = hop_distances(layout)
    normalised = np.isfinite(hops) / np.isfinite(hops).sum(axis=0)  # (V, V)
    distances = np.arange(MAX_HOP + 1)[:, None, None]
    return np.where(hops == distances, normalised, 0.0)


GRAPH_MODES: dict[str, Callable[[Layout], NDArray[np.float64]]] = {"hop": hop_adjacency}
