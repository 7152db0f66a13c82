"""Joint maps: what has the same meaning is copied, what is near is said, left stays left."""

from functools import cache

import numpy as np
import pytest

from dataset import layouts
from dataset.joint_maps import _rules, joint_map
from dataset.layouts import layout_names
from utils.errors import UserError

load_layout = cache(layouts.load_layout)
BODIES = [name for name in layout_names() if name not in ("hand-21", "rat-12")]
PAIRS = [(source, target) for source in BODIES for target in BODIES]


def mapped(source, target):
    return joint_map(load_layout(source), load_layout(target))


def skeletons(layout, channels=3):
    rng = np.random.default_rng(1)
    return rng.normal(size=(2, 5, load_layout(layout).num_joints, channels)).astype(np.float32) + 3


def place(layout, joint):
    return load_layout(layout).joints.index(joint)


def test_joints_of_one_meaning_are_copied_to_the_bit():
    joints = skeletons("openpose-25")
    found = mapped("openpose-25", "coco-17").apply(joints)
    for v, name in enumerate(load_layout("coco-17").joints):
        assert np.array_equal(found[..., v, :], joints[..., place("openpose-25", name), :])
    assert mapped("openpose-25", "coco-17").describe() == []


def test_a_name_may_mislead():
    """OpenPose's neck is where NTU has spine_shoulder; NTU's own neck is above it."""
    there = mapped("openpose-18", "ntu")
    assert there.origins[place("ntu", "spine_shoulder")] == (place("openpose-18", "neck"),)
    assert there.near["neck"] == ("left_shoulder", "right_shoulder", "left_ear", "right_ear")
    back = mapped("ntu", "openpose-18")
    assert back.origins[place("openpose-18", "neck")] == (place("ntu", "spine_shoulder"),)


def test_a_mean_is_a_mean_and_zeros_where_a_joint_was_not_found():
    joints = skeletons("coco-17")
    joints[1, 2, place("coco-17", "left_hip")] = 0
    hips = mapped("coco-17", "ntu").apply(joints)[..., place("ntu", "spine_base"), :]
    left, right = (joints[..., place("coco-17", f"{side}_hip"), :] for side in ("left", "right"))
    expected = (left + right) / 2
    expected[1, 2] = 0
    assert np.array_equal(hips, expected) and hips.dtype == joints.dtype


def test_what_is_missing_is_zeros_and_said():
    there = mapped("ntu", "openpose-18")
    assert there.missing == ("right_eye", "left_eye", "right_ear", "left_ear")
    found = there.apply(skeletons("ntu"))
    assert not found[..., [place("openpose-18", name) for name in there.missing], :].any()
    said = "\n".join(there.describe())
    assert "nose (head)" in said and "right_eye, left_eye, right_ear, left_ear: zeros" in said
    assert "ntu is in metres, not normalised; coordinates are not converted" in said


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_left_stays_left(source, target):
    """Exchanging sides before the map is exchanging them after it."""
    there, joints = mapped(source, target), skeletons(source)
    after = swapped(there.apply(joints), target)
    assert np.allclose(there.apply(swapped(joints, source)), after, rtol=1e-6)
    assert there.target.num_joints == after.shape[-2]


def swapped(joints, layout):
    found = joints.copy()
    for left, right in load_layout(layout).pairs:
        found[..., [left, right], :] = joints[..., [right, left], :]
    return found


@pytest.mark.parametrize("name", layout_names())
def test_a_layout_maps_to_itself(name):
    there, joints = mapped(name, name), skeletons(name, channels=2)
    assert np.array_equal(there.apply(joints), joints)
    assert there.describe() == [] and there.missing == ()


def test_there_and_back_keeps_what_both_have():
    joints = skeletons("ucla-20")
    assert np.array_equal(mapped("ntu", "ucla-20").apply(mapped("ucla-20", "ntu").apply(joints)), joints)


@pytest.mark.parametrize("pair", [("hand-21", "ntu"), ("rat-12", "coco-17")])
def test_skeletons_without_a_common_joint_are_refused(pair):
    with pytest.raises(UserError, match=f"layout {pair[0]} has no joint of {pair[1]}"):
        mapped(*pair)


def test_every_rule_is_about_joints_that_exist():
    rules = _rules()
    known = {joint for name in layout_names() for joint in load_layout(name).joints}
    known |= {meaning for renamed in rules["meanings"].values() for meaning in renamed.values()}
    for name, renamed in rules["meanings"].items():
        assert set(renamed) <= set(load_layout(name).joints)
    assert all(set(names) <= known for names in rules["synonyms"])
    meanings = known - {name for names in rules["synonyms"] for name in names[1:]}
    for name, rows in rules["stand_ins"].items():
        assert {name, *(each for row in rows for each in row)} <= meanings
