import numpy as np
import pytest
import yaml

from dataset import layouts
from dataset.layouts import layout_names, load_layout, read_layout
from utils.errors import UserError

GRAPHS = {
    "ntu": "ntu",
    "kinetics": "kinetics-18",
    "sysu": "ucla-20",
    "ucla": "ucla-20",
    "cmu": "cmu-26",
    "h36m": "h36m-20",
}
SIZES = {"ntu": 25, "kinetics-18": 18, "ucla-20": 20, "cmu-26": 26, "h36m-20": 20}


@pytest.fixture(scope="module")
def graphs(goldens):
    return np.load(goldens / "graphs.npz")


@pytest.fixture
def edited(tmp_path):
    """Writes the ntu layout with some keys replaced and returns the path."""

    def write(**changes):
        raw = yaml.safe_load((layouts.FOLDER / "ntu.yaml").read_text())
        path = tmp_path / "ntu-mine.yaml"
        path.write_text(yaml.safe_dump(raw | changes))
        return path

    return write


def test_every_layout_has_the_number_of_joints_of_its_name():
    assert set(SIZES) <= set(layout_names())
    assert {name: load_layout(name).num_joints for name in SIZES} == SIZES


@pytest.mark.parametrize("graph", GRAPHS)
def test_edges_parents_and_parts_are_the_originals(graphs, graph):
    layout = load_layout(GRAPHS[graph])
    golden = {frozenset(pair) for pair in graphs[f"{graph}_edge"].tolist() if pair[0] != pair[1]}
    assert {frozenset(pair) for pair in layout.edges} == golden
    assert len(layout.edges) == len(golden)
    assert list(layout.parents) == graphs[f"{graph}_connect_joint"].tolist()
    parts = [graphs[f"{graph}_part{i}"].tolist() for i in range(5)]
    assert [list(part) for part in layout.parts.values()] == parts


@pytest.mark.parametrize("name", SIZES)
def test_pairs_swap_left_and_right_names(name):
    layout = load_layout(name)
    swapped = {layout.joints[left]: layout.joints[right] for left, right in layout.pairs}
    assert swapped == {joint: joint.replace("left_", "right_") for joint in layout.joints if "left_" in joint}


@pytest.mark.parametrize("name", SIZES)
def test_following_parents_ends_at_one_root(name):
    layout = load_layout(name)
    roots = set()
    for joint in range(layout.num_joints):
        for _ in range(layout.num_joints):
            joint = layout.parents[joint]
        roots.add(joint)
    assert len(roots) == 1


def test_ntu_names_what_the_transformed_variant_turns():
    layout = load_layout("ntu")
    assert (layout.centre, layout.spine, layout.shoulders) == (1, (0, 1), (4, 8))


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(UserError, match="layout 'kinetics': no such layout; nearest are kinetics-18"):
        load_layout("kinetics")


def test_an_unlike_name_gets_all_names():
    with pytest.raises(UserError, match=r"nearest are cmu-26, .*ntu"):
        load_layout("zzzz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bones": []}, r"ntu-mine.yaml: unknown or missing keys bones; the keys are joints, .*shoulders"),
        ({"centre": 25}, "centre: 25 is no joint; joints are 0 to 24"),
        ({"centre": True}, "centre: True is no joint"),
        ({"extra_edges": [[0, -1]]}, "extra_edges: -1 is no joint"),
        ({"pairs": [[4, 4]]}, "pairs: joint 4 is paired with itself"),
        ({"spine": [0, 1, 2]}, "ntu-mine.yaml: too many values"),
        ({"parts": {"all": list(range(24))}}, "parts must hold each of the joints 0 to 24 exactly once"),
        ({"joints": {0: ["a", 0], 2: ["b", 0]}}, "joints must be numbered 0, 1, 2"),
        ({"joints": {0: ["a", 0], 1: ["a", 0]}}, "joints: more than one is named a"),
        ({"joints": {0: ["a", 0], 1: ["b", 2]}}, "joints: 2 is no joint; joints are 0 to 1"),
        ({"joints": 3}, "ntu-mine.yaml: "),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused(edited, changes, message):
    with pytest.raises(UserError, match=message):
        read_layout(edited(**changes))


def test_a_missing_key_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("joints: {0: [a, 0]}\ncentre: 0\n")
    with pytest.raises(UserError, match="missing keys extra_edges, pairs, parts, shoulders, spine"):
        read_layout(path)
