from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visualizer.view import axes, present, scaled, turned


def with_joints(findings, change):
    return replace(findings, shown=[replace(each, joints=change(each.joints)) for each in findings.shown])


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (np.diag([1, 1, 1]), [[-1, 0, 0], [0, 1, 0], [0, 0, -1]]),  # y up, as sensors have it: seen from the sensor
        (np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]), [[-1, 0, 0], [0, 0, 1], [0, 1, 0]]),  # z up: from the front
        (np.diag([1, -1, -1]), [[1, 0, 0], [0, -1, 0], [0, 0, -1]]),  # y down
    ],
)
def test_up_is_where_spines_point_and_nothing_is_mirrored(make_findings, turn, expected):
    found = with_joints(make_findings(), lambda joints: (joints @ turn.T).astype(np.float32))
    assert axes(found).tolist() == expected
    assert np.linalg.det(axes(found)) == 1


def test_whoever_faces_the_sensor_faces_the_reader(make_findings):
    found = make_findings(classes=12, clips=120)
    left, right = found.layout.shoulders
    clip = next(each for each in found.shown if (each.joints[0, :, left, 0] < each.joints[0, :, right, 0]).all())
    seen = turned(clip.joints[0], axes(found))
    assert (seen[:, left, 0] > seen[:, right, 0]).all()  # their left is on our right
    assert (seen[:, 3, 1] > seen[:, 15, 1]).all()  # head above foot


def test_flat_is_turned_upside_up(make_findings):
    found = make_findings(dims=2)
    joints = found.shown[0].joints
    np.testing.assert_array_equal(turned(joints, axes(found)), joints[..., :2] * [1, -1])


def test_without_a_spine_or_a_clip_y_is_up(make_findings):
    found = make_findings()
    for each in (replace(found, shown=()), replace(found, layout=replace(found.layout, spine=None))):
        assert axes(each)[1].tolist() == [0, 1, 0]


def test_who_is_there(make_findings):
    solid, flat = make_findings(), make_findings(dims=2)
    joints = np.ones((2, 3, 25, 3), np.float32)
    joints[0, 0, 4] = joints[1, 2] = 0
    there = present(joints, solid)
    assert there[0].all() and there[1, :2].all() and not there[1, 2].any()  # the origin is a place, in 3-D
    scored, plain = np.ones((1, 1, 17, 3), np.float32), np.ones((1, 1, 17, 2), np.float32)
    scored[0, 0, 5, 2] = plain[0, 0, 5] = 0
    for each in (scored, plain):
        assert np.flatnonzero(~present(each, flat)).tolist() == [5]


@pytest.mark.parametrize("activation", [np.zeros((2, 3)), np.full((2, 3), -4.0), np.zeros((0, 3))])
def test_a_map_without_activation_is_plain(activation):
    assert scaled(activation).tolist() == np.zeros(activation.shape).tolist()


@given(arrays(np.float32, (2, 5), elements=st.floats(-1e6, 1e6, width=32)))
def test_scaled_is_within_0_and_1_and_keeps_the_order(activation):
    found = scaled(activation)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found.ravel()[np.argsort(activation, axis=None)]) >= 0).all()
    assert found.max() == (1 if activation.max() > 0 else 0)
