"""Adjacency matrices of a layout, numpy only: (K, V, V) float64, one matrix per subset of neighbours.

Entry [k, v, w] is what joint w takes from joint v, so a network sums over the FIRST joint axis (x A, not A x), and
"divided by the column" means by the number of joints that w takes from.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dataset.layouts import Layout

MAX_HOP = 10  # EfficientGCN follows edges this far and no farther

Matrix = NDArray[np.float64]


def link_matrix(layout: Layout) -> NDArray[np.bool_]:
    """Return the (V, V) symmetric matrix of self links and edges."""
    links = np.eye(layout.num_joints, dtype=bool)
    for first, second in layout.edges:
        links[first, second] = links[second, first] = True
    return links


def hop_distances(layout: Layout, max_hop: int = MAX_HOP) -> Matrix:
    """Return the (V, V) numbers of edges between joints, infinite beyond `max_hop`."""
    links = link_matrix(layout)
    reached = np.eye(layout.num_joints, dtype=bool)
    hops = np.where(reached, 0.0, np.inf)  # (V, V)
    for hop in range(1, max_hop + 1):
        reached = reached @ links
        hops[reached & np.isinf(hops)] = hop
    return hops


def hop_adjacency(layout: Layout) -> Matrix:
    """Return the adjacency by hop distance: entry [h, v, w] is not 0 where joints v and w are h edges apart.

    Column w is divided by the number of ALL joints within `MAX_HOP` of w, not by its number of neighbours
    at distance h: for most NTU joints that is 1/25 at every hop, for the finger tips 1/19. A defect of the
    original that its published weights depend on; because of it the matrices are not symmetric.

    Returns:
        (11, V, V) float64, hops 0 to 10; a network takes the first few.

    Source: EfficientGCN (Song et al. 2022), its code; compared with the original's arrays in the tests.
    """
    hops = hop_distances(layout)
    return _by_distance(hops, normalise(np.isfinite(hops)), range(MAX_HOP + 1))


def normalise(links: NDArray[np.bool_]) -> Matrix:
    """Return 0/1 links (V, V) with every column divided by its sum; an empty column stays 0."""
    return links / np.maximum(links.sum(axis=0), 1)


def directed_spatial(layout: Layout) -> Matrix:
    """Return (3, V, V): each joint itself, its parent (inward), its children (outward), divided by the column.

    Along the layout's `inward` edges. Its extra edges, which lead neither inward nor outward, take no part.

    Source: 2s-AGCN (Shi et al. 2019), where it is the only graph; "spatial" of PYSKL, "agcn" of mmaction2 0.x.
    """
    parents = np.zeros((layout.num_joints, layout.num_joints), bool)
    for child, parent in layout.inward:
        parents[parent, child] = True
    return np.stack([np.eye(layout.num_joints), normalise(parents), normalise(parents.T)])


def stgcn_spatial(layout: Layout, max_hop: int = 1, dilation: int = 1) -> Matrix:
    """Return ST-GCN's partition as its code makes it: (1 + 2 x number of distances above 0, V, V).

    The paper splits the neighbours of w into w itself, those nearer to the centre and those farther. The code knows no
    distance beyond `max_hop`, so with max_hop 1 all joints but the centre and its neighbours are infinitely far from
    it; an edge between two of them is in the second matrix in BOTH directions. Weights trained with it depend on that;
    `spatial_full` is what the paper means.

    Args:
        layout: the skeleton; distances count its extra edges, too.
        max_hop: the largest distance of a neighbour.
        dilation: neighbours are at the distances 0, dilation, 2 dilation ... up to max_hop.

    Source: Yan et al. 2018 and their code ("spatial"); "stgcn_spatial" of PYSKL, "spatial" of mmaction2 0.x.
    """
    return _by_centre(layout, hop_distances(layout, max_hop), max_hop, dilation)


def spatial_full(layout: Layout, max_hop: int = 1, dilation: int = 1) -> Matrix:
    """Return the partition of Yan et al. 2018 with true distances to the centre; else as `stgcn_spatial`.

    Joints that no path joins to the centre are infinitely far from it.
    """
    return _by_centre(layout, hop_distances(layout, layout.num_joints), max_hop, dilation)


def uniform(layout: Layout, max_hop: int = 1, dilation: int = 1) -> Matrix:
    """Return one matrix (1, V, V) of all neighbours, divided by the column (Yan et al. 2018, "uni-labeling")."""
    return _shares(layout, max_hop, dilation)[None]


def distance(layout: Layout, max_hop: int = 1, dilation: int = 1) -> Matrix:
    """Return a matrix per distance (number of distances, V, V); they sum to `uniform` (Yan et al. 2018)."""
    return _by_distance(
        hop_distances(layout, max_hop), _shares(layout, max_hop, dilation), range(0, max_hop + 1, dilation)
    )


def _shares(layout: Layout, max_hop: int, dilation: int) -> Matrix:
    """Return what w takes from each neighbour v, (V, V): all alike, whatever subset v will be in."""
    return normalise(np.isin(hop_distances(layout, max_hop), range(0, max_hop + 1, dilation)))


def _by_distance(hops: Matrix, shares: Matrix, distances: range) -> Matrix:
    """Split shares (V, V) by distance: (number of distances, V, V)."""
    return np.where(hops == np.array(distances)[:, None, None], shares, 0.0)


def _by_centre(layout: Layout, hops: Matrix, max_hop: int, dilation: int) -> Matrix:
    """Split shares by distance, and beyond distance 0 by whether v is as far from the centre as w, or nearer."""
    close = hops[:, layout.centre, None] >= hops[layout.centre]  # (V, V): v is not nearer to the centre than w
    root, *rest = _by_distance(hops, _shares(layout, max_hop, dilation), range(0, max_hop + 1, dilation))
    return np.stack([root, *(part for shares in rest for part in (shares * close, shares * ~close))])


GRAPH_MODES: dict[str, Callable[[Layout], Matrix]] = {
    "hop": hop_adjacency,
    "spatial": directed_spatial,
    "stgcn_spatial": stgcn_spatial,
    "spatial_full": spatial_full,
    "uniform": uniform,
    "distance": distance,
}
