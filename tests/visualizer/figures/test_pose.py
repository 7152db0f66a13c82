"""Where joints are drawn without a clip."""

import numpy as np
import pytest
import yaml

from dataset.layouts import layout_names, load_layout, read_layout
from visualizer.figures.pose import pose, standing

TREES = {"hand-21", "rat-12"}  # layouts that are no body


@pytest.mark.parametrize("name", layout_names())
def test_every_joint_has_a_place_of_its_own(name):
    layout = load_layout(name)
    found = pose(layout)
    assert found.shape == (layout.num_joints, 2)
    apart = np.linalg.norm(found[:, None] - found, axis=-1) + np.eye(len(found))
    assert apart.min() > 0.02
    assert (standing(layout) is None) == (name in TREES)


@pytest.mark.parametrize("name", sorted({*layout_names()} - TREES))
def test_a_body_stands_and_is_symmetric(name):
    layout = load_layout(name)
    found = pose(layout)
    for left, right in layout.pairs:
        assert found[left].tolist() == [-found[right, 0], found[right, 1]]
        assert found[left, 0] > 0  # of somebody who looks at us
    if layout.spine:
        lower, upper = layout.spine
        assert found[lower, 1] < found[upper, 1]
    feet = [n for n, joint in enumerate(layout.joints) if joint.endswith(("ankle", "foot", "toe", "toes", "heel"))]
    assert found[feet, 1].max() < found[[n for n in range(len(found)) if n not in feet], 1].min()


def test_a_tree_grows_from_its_root():
    layout = load_layout("hand-21")
    found = pose(layout)
    assert found[0].tolist() == [0, 0]
    assert np.linalg.norm(found[[1, 2, 3, 4]], axis=1) == pytest.approx([1, 2, 3, 4])
    assert found[12] == pytest.approx([0, 4])  # the middle finger
    assert found[[1, 5, 9, 13, 17], 0].tolist() == sorted(found[[1, 5, 9, 13, 17], 0])


def test_several_roots_do_not_meet(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump({"joints": {0: ["a", 0], 1: ["b", 0], 2: ["c", 2], 3: ["d", 2]}, "centre": 0}))
    found = pose(read_layout(path))
    assert len({tuple(place) for place in found.round(6).tolist()}) == 4
