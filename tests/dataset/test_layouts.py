import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataset import layouts
from dataset.layouts import layout_names, load_layout, read_layout, require
from utils.errors import UserError

GRAPHS = {
    "ntu": "ntu",
    "kinetics": "kinetics-18",
    "sysu": "ucla-20",
    "ucla": "ucla-20",
    "cmu": "cmu-26",
    "h36m": "h36m-20",
}
SIZES = {
    "cmu-26": 26, "coco-17": 17, "coco-17-mma": 17, "h36m-17": 17, "h36m-20": 20, "hand-21": 21, "kinetics-18": 18,
    "mediapipe-33": 33, "ntu": 25, "ntu-pyskl": 25, "ntu-stgcn": 25, "openpose-18": 18, "openpose-25": 25, "rat-12": 12, "ucla-20": 20,
    "utd-20": 20,
}  # fmt: skip
TOY = """
joints: [hip, chest, head, left_hand, right_hand]
edges: [[chest, hip], [head, chest], [left_hand, chest], [right_hand, chest]]
pairs: [[left_hand, right_hand]]
units: pixels
"""


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
    assert {name: load_layout(name).num_joints for name in layout_names()} == SIZES


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
        ({"bones": []}, r"ntu-mine.yaml: unknown key 'bones'; keys: joints, .*units"),
        ({"shoulder": [4, 8]}, "unknown key 'shoulder'; did you mean 'shoulders'?"),
        ({"centre": 25}, "centre: 25 is no joint; joints are 0 to 24"),
        ({"centre": True}, "centre: True is no joint"),
        ({"extra_edges": [[0, -1]]}, "extra_edges: -1 is no joint"),
        ({"pairs": [[4, 4]]}, "pairs: joint 4 is paired with itself"),
        ({"spine": [0, 1, 2]}, r"spine: \[0, 1, 2\] must be two joints"),
        ({"parts": {"all": list(range(24))}}, "parts must hold each of the joints 0 to 24 exactly once"),
        ({"joints": {0: ["a", 0], 2: ["b", 0]}}, "joints must be numbered 0, 1, 2"),
        ({"joints": {0: ["a", 0], 1: ["a", 0]}}, "joints: more than one is named a"),
        ({"joints": {0: ["a", 0], 1: ["b", 2]}}, "joints: 2 is no joint; joints are 0 to 1"),
        ({"joints": 3}, "ntu-mine.yaml: joints must be {number: "),
        ({"joints": []}, "ntu-mine.yaml: joints must be {number: "),
        ({"joints": {0: "a"}}, r"joints: 0 must be \[name, parent\], found a"),
        ({"joints": {0: ["a", 1], 1: ["b", 0]}}, "joints: the parents go round in a loop, a -> b -> a; make one of"),
        ({"joints": {0: ["a", 0], 1: [False, 0]}}, "joints: False is no name; names are texts, in quotes"),
        ({"joints": ["a", "b"]}, r"a list of joints needs `edges: \[\[joint, parent\], ...\]`"),
        ({"joints": {0: ["a", 0], 1: ["b", 1]}, "centre": None}, "missing key 'centre': there are 2 roots, such as a"),
        ({"edges": [[0, 1], [0, 2]]}, "edges: spine_base has two parents, spine_middle and neck; an edge is"),
        ({"edges": [[0, 1], [1, 0]]}, "edges: neck, head, .* have no parent, but only the root has none; add"),
        (
            {"edges": [[joint, (joint + 1) % 24] for joint in range(24)]},
            "edges: the parents go round .*spine_base -> spine",
        ),
        ({"edges": [[0, 1, 2]]}, r"edges: \[0, 1, 2\] must be two joints"),
        ({"edges": [["left_hnd", 1]]}, "edges: 'left_hnd' is no joint; did you mean 'left_hand'?"),
        ({"extra_edges": [[1, 0]]}, "extra_edges: spine_middle and spine_base have an edge already"),
        ({"extra_edges": [[3, 4], [4, 3]]}, "extra_edges: left_shoulder and head have an edge already"),
        ({"parts": [[0]]}, "parts must be {name:"),
        ({"parts": {"all": "head"}}, "parts.all: must be a list of joints, found 'head'"),
        ({"pairs": 3}, "ntu-mine.yaml: "),
        ({"units": "meters"}, "units: 'meters' is not one of metres, "),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused(edited, changes, message):
    with pytest.raises(UserError, match=message):
        read_layout(edited(**changes))


def test_missing_joints_are_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("centre: 0\n")
    with pytest.raises(UserError, match=r"mine.yaml: missing key 'joints'; give \{number: \[name, parent\]"):
        read_layout(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("joints: [a, b\nedges: 3", "mine.yaml, line 2: "),
        ("joints: {0: [a, 0]}\ncentre: 0\ncentre: 0", "mine.yaml, line 1: key 'centre' is given twice"),
        ("joints:\n  0: [a, 0]\n  0: [b, 0]", "mine.yaml, line 2: key '0' is given twice"),
        ("joints: [a, b]\n\0", "mine.yaml: "),
        ("joints: !!python/object:os.system {}", "mine.yaml, line 1: could not determine a constructor"),
        ("[]", "mine.yaml: must be a mapping with the keys joints, "),
        ("{[a]: b}", "mine.yaml, line 1: "),
        ("[" * 5000, "mine.yaml: maximum recursion depth exceeded"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_layout(path)


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(UserError, match=r"none/mine.yaml: cannot be read \(No such file or directory\)"):
        load_layout("none/mine.yaml")


# --- a user's own


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(TOY)
    return load_layout("toy.yaml")


def test_a_layout_of_five_lines_is_complete(toy):
    assert (toy.name, toy.num_joints, toy.centre, toy.units) == ("toy", 5, 0, "pixels")
    assert toy.parents == (0, 0, 1, 1, 1)
    assert toy.inward == toy.edges == ((1, 0), (2, 1), (3, 1), (4, 1))
    assert toy.pairs == ((3, 4),)
    assert toy.parts is toy.spine is toy.shoulders is None


def test_what_needs_an_absent_field_says_what_to_add_and_where(toy):
    assert require(toy, "pairs", "the mirror") == ((3, 4),)
    message = r"layout toy has no shoulders, which PreNormalize3D needs; add `shoulders: \[left, right\]` to toy.yaml"
    with pytest.raises(UserError, match=message):
        require(toy, "shoulders", "PreNormalize3D")
    with pytest.raises(UserError, match=r"layout hand-21 has no pairs, which mirroring needs; add `pairs: "):
        require(load_layout("hand-21"), "pairs", "mirroring")


def test_every_optional_field_has_an_example_of_what_to_write():
    assert {"pairs", "parts", "spine", "shoulders", "units"} == set(layouts.EXAMPLES)


def test_joints_that_stand_alone_say_so(tmp_path):
    path = tmp_path / "maze.yaml"
    path.write_text("joints: [nose, tail, corner]\nedges: [[tail, nose], [corner, corner]]\ncentre: nose\n")
    assert read_layout(path).parents == (0, 0, 2)
    assert read_layout(path).inward == ((1, 0),)


@given(st.data(), st.integers(1, 12))
def test_names_numbers_lists_and_rows_say_the_same(tmp_path_factory, data, size):
    names = [f"joint_{i}" for i in range(size)]
    parents = [0, *(data.draw(st.integers(0, joint - 1)) for joint in range(1, size))]
    rows = {"joints": {i: [names[i], names[parents[i]]] for i in range(size)}}
    edges = data.draw(st.permutations([[i, parents[i]] for i in range(1, size)]))
    listed = {"joints": names, "edges": [[i, names[parent]] for i, parent in edges]}
    path = tmp_path_factory.mktemp("layout") / "mine.yaml"
    found = []
    for raw in (rows, listed):
        path.write_text(yaml.safe_dump(raw))
        found.append(read_layout(path))
    assert found[0] == found[1]
    assert found[0].parents == tuple(parents)


# --- conventions of the same joints


@pytest.mark.parametrize(
    ("name", "like"),
    [("ntu-pyskl", "ntu"), ("ntu-stgcn", "ntu"), ("coco-17-mma", "coco-17"), ("openpose-18", "kinetics-18")],
)
def test_other_conventions_have_the_same_joints(name, like):
    first, second = load_layout(name), load_layout(like)
    assert (first.joints, first.pairs, first.parts) == (second.joints, second.pairs, second.parts)


def test_hand_tips_hang_from_the_hand_in_pyskls_graph_only():
    pyskl, stgcn, ntu = (load_layout(name) for name in ("ntu-pyskl", "ntu-stgcn", "ntu"))
    assert set(pyskl.inward) - set(stgcn.inward) == {(21, 7), (23, 11)}
    assert pyskl.parents == stgcn.parents
    assert [joint for joint in range(25) if stgcn.parents[joint] != ntu.parents[joint]] == [1, 20]  # towards the centre
    assert (pyskl.centre, stgcn.centre, ntu.centre) == (20, 20, 1)


def test_cocos_hip_bones_start_at_the_nose_and_its_hips_hang_from_the_shoulders():
    coco = load_layout("coco-17")
    assert coco.parents[11:13] == (0, 0)
    assert {(11, 5), (12, 6)} <= set(coco.inward)


def test_openpose_lacks_the_edge_between_the_hips():
    assert set(load_layout("kinetics-18").edges) - set(load_layout("openpose-18").edges) == {(8, 11)}


def test_utds_joints_are_uclas_in_another_order():
    utd, ucla = load_layout("utd-20"), load_layout("ucla-20")
    named = [{(layout.joints[a], layout.joints[b]) for a, b in layout.edges} for layout in (utd, ucla)]
    assert named[0] == named[1]
