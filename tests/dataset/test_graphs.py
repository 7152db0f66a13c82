import numpy as np
import pytest

from dataset.graphs import (
    GRAPH_MODES,
    directed_spatial,
    distance,
    hop_adjacency,
    hop_distances,
    spatial_full,
    stgcn_spatial,
    uniform,
)
from dataset.layouts import layout_names, load_layout

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


@pytest.mark.parametrize("mode", GRAPH_MODES)
@pytest.mark.parametrize("name", layout_names())
def test_every_mode_works_on_every_layout(mode, name):
    layout = load_layout(name)
    adjacency = GRAPH_MODES[mode](layout)
    assert adjacency.shape[1:] == (layout.num_joints,) * 2
    assert adjacency.dtype == np.float64
    assert np.isfinite(adjacency).all()
    assert np.diag(adjacency[0]).all()


# --- the ST-GCN family. Not covered: PYSKL's `binary_adj` and `random`, which no network here uses.

# What the originals call a layout and a mode -> ours.
LAYOUTS = {
    "openpose": "openpose-18",
    "openpose-18": "openpose-18",
    "openpose-25": "openpose-25",
    "nturgb+d": "ntu-pyskl",
    "ntu-rgb+d": "ntu-stgcn",
    "handmp": "hand-21",
}
PYSKL = {"spatial": directed_spatial, "stgcn_spatial": stgcn_spatial}
STGCN = {"uniform": uniform, "distance": distance, "spatial": stgcn_spatial}
NTU_EDGE = """  # NTU without the joint between the shoulders: an abandoned layout of ST-GCN's code
joints: [j1, j2, j3, j4, j5, j6, j7, j8, j9, j10, j11, j12, j13, j14, j15, j16, j17, j18, j19, j20, j21, j22, j23, j24]
edges: [[j1, j2], [j3, j2], [j4, j3], [j5, j2], [j6, j5], [j7, j6], [j8, j7], [j9, j2], [j10, j9], [j11, j10],
        [j12, j11], [j13, j1], [j14, j13], [j15, j14], [j16, j15], [j17, j1], [j18, j17], [j19, j18], [j20, j19],
        [j21, j22], [j22, j8], [j23, j24], [j24, j12]]
centre: j3  # not the root j2: so it is in the code
"""


@pytest.fixture
def layout_of(tmp_path):
    """Returns our layout for an original's name of it."""
    path = tmp_path / "ntu-edge.yaml"
    path.write_text(NTU_EDGE)
    return lambda name, coco: load_layout(str(path) if name == "ntu_edge" else LAYOUTS.get(name, coco))


def test_pyskls_graphs_to_the_bit(shared, layout_of):
    golden = np.load(shared / "goldens/stgcn/graphs_pyskl.npz")
    left_out = []
    for key in golden.files:
        name, mode, *hop = key.split("/")
        layout = layout_of(name, "coco-17")
        if mode == "hop_dis_hop1":
            assert np.array_equal(hop_distances(layout, 1), golden[key]), key
        elif mode not in PYSKL:
            left_out.append(mode)
        else:
            options = {"max_hop": int(hop[0][-1])} if mode == "stgcn_spatial" else {}
            assert np.array_equal(PYSKL[mode](layout, **options), golden[key]), key
    assert sorted(left_out) == ["binary_adj"] * 4 + ["random_seed0"]
    assert len(golden.files) == 25


def test_the_first_stgcns_graphs_to_the_bit(shared, layout_of):
    golden = np.load(shared / "goldens/stgcn/graphs_stgcn_orig.npz")
    for key in golden.files:
        name, mode, options = key.split("/")
        hop, dilation = (int(option[3:]) for option in options.split("_"))
        found = STGCN[mode](layout_of(name, None), max_hop=hop, dilation=dilation)
        assert np.array_equal(found, golden[key]), key
    assert len(golden.files) == 27


def test_mmactions_graphs_to_the_bit(shared, layout_of):
    golden = np.load(shared / "goldens/stgcn/graphs_mmaction0x.npz")
    for key in golden.files:
        name, mode = key.split("/")
        make = {**STGCN, "agcn": directed_spatial}[mode]
        assert np.array_equal(make(layout_of(name, "coco-17-mma")), golden[key]), key
    assert len(golden.files) == 17


@pytest.mark.parametrize(
    ("key", "name"), [("ntu", "ntu-stgcn"), ("kinetics", "openpose-18"), ("kinetics", "kinetics-18")]
)
def test_2s_agcns_graphs_to_the_bit(shared, key, name):
    """Directed edges only: the extra edge of kinetics-18 leads neither inward nor outward."""
    golden = np.load(shared / "goldens/stgcn/graphs_agcn2s.npz")
    assert np.array_equal(directed_spatial(load_layout(name)), golden[key])


@pytest.mark.parametrize("name", layout_names())
@pytest.mark.parametrize("make", [stgcn_spatial, spatial_full, distance])
def test_partitions_share_out_the_uniform_graph(make, name):
    layout = load_layout(name)
    for hop in (1, 2, 3):
        parts = make(layout, max_hop=hop)
        assert ((parts != 0).sum(axis=0) <= 1).all()
        assert np.array_equal(parts.sum(axis=0), uniform(layout, max_hop=hop)[0])
    assert np.allclose(uniform(layout)[0].sum(axis=0), 1, rtol=0, atol=1e-12)


def test_the_papers_partition_sends_every_edge_of_a_tree_one_way():
    _, close, far = spatial_full(load_layout("ntu-stgcn")) > 0
    assert close.sum() == far.sum() == 24
    assert np.array_equal(close, far.T)
    assert close[21, 22]  # the thumb takes from the tip, which is farther
    assert far[22, 21]
    _, close, _ = stgcn_spatial(load_layout("ntu-stgcn")) > 0
    assert close[21, 22]
    assert close[22, 21]  # both ways, where the code knows no distance


def test_the_two_partitions_agree_where_no_distance_is_cut_off():
    layout = load_layout("ntu-stgcn")
    assert not np.array_equal(stgcn_spatial(layout, max_hop=2), spatial_full(layout, max_hop=2))
    assert np.array_equal(stgcn_spatial(layout, max_hop=7), spatial_full(layout, max_hop=7))


def test_a_joint_takes_from_its_parent_inward_and_from_its_children_outward():
    _, inward, outward = directed_spatial(load_layout("ntu-pyskl"))
    assert np.array_equal(np.flatnonzero(inward[:, 5]), [4])
    assert np.array_equal(np.flatnonzero(outward[:, 7]), [21, 22])
    assert outward[21, 7] == 1 / 2
    assert not inward[:, 20].any()  # the root
