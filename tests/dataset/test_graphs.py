import numpy as np
import pytest

from dataset.graphs import GRAPH_MODES, hop_adjacency, hop_distances
from dataset.layouts import load_layout

GRAPHS = {
    "ntu": "ntu",
    "kinetics": "kinetics-18",
    "sysu": "ucla-20",
    "ucla": "ucla-20",
    "cmu": "cmu-26",
    "h36m": "h36m-20",
}


@pytest.mark.parametrize("graph", GRAPHS)
def test_hops_and_adjacency_are_the_originals_to_the_bit(goldens, graph):
    golden = np.load(goldens / "graphs.npz")
    layout = load_layout(GRAPHS[graph])
    assert np.array_equal(hop_distances(layout), golden[f"{graph}_hop"])
    adjacency = hop_adjacency(layout)
    assert adjacency.dtype == np.float64
    assert np.array_equal(adjacency, golden[f"{graph}_A"])


def test_hops_from_left_hand_tip_to_right_hand_tip_are_beyond_the_limit():
    hops = hop_distances(load_layout("ntu"))
    assert hops[21, 8] == 7
    assert np.isinf(hops[21, 23])
    assert hop_distances(load_layout("ntu"), max_hop=12)[21, 23] == 12


def test_every_column_counts_all_joints_within_ten_hops():
    values = hop_adjacency(load_layout("ntu")).max(axis=(0, 1))
    counts = np.round(1 / values).astype(int).tolist()
    expected = {21: 19, 23: 19, 15: 21, 19: 21, 22: 22, 24: 22, 14: 23, 18: 23}
    assert counts == [expected.get(joint, 25) for joint in range(25)]


def test_adjacency_of_ntu_is_not_symmetric():
    one_hop = hop_adjacency(load_layout("ntu"))[1]
    assert one_hop[21, 22] == 1 / 22
    assert one_hop[22, 21] == 1 / 19


def test_every_mode_gives_square_matrices():
    layout = load_layout("kinetics-18")
    for make in GRAPH_MODES.values():
        assert make(layout).shape[1:] == (18, 18)
