"""Normalisation: the originals' arithmetic, and what happens at the edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.normalise import pose_normalize, prenormalize_2d, prenormalize_3d, turn_onto

NTU = {"centre": 1, "spine": (0, 1), "shoulders": (4, 8)}


@pytest.fixture(scope="module")
def pyskl(shared):
    return np.load(shared / "goldens/stgcn/pipelines_pyskl.npz")


def body(frames=6, persons=1, seed=0):
    """Return joints (M, T, 25, 3) that are nowhere zero."""
    return np.random.default_rng(seed).uniform(0.5, 2, (persons, frames, 25, 3)).astype(np.float32)


# --- 3D


@pytest.mark.parametrize("case", ["two_fp32", "two_fp16", "swap_fp16", "one_fp16", "zero_fp16"])
def test_3d_is_the_originals(pyskl, case):
    raw = pyskl[f"ntu3d/{case}/raw"]
    found = prenormalize_3d(raw, **NTU)
    assert found.dtype == np.float32
    assert found == pytest.approx(pyskl[f"ntu3d/{case}/prenorm"], abs=1e-6)
    upright = prenormalize_3d(raw, **NTU, align_spine=False)
    assert np.array_equal(upright, pyskl[f"ntu3d/{case}/prenorm_align_spine0"].astype(np.float32))


def test_the_order_of_types_matters(pyskl):
    """Centring in float32 first is another function: the store keeps the file's float16 for this."""
    raw = pyskl["ntu3d/two_fp16/raw"]
    difference = np.abs(prenormalize_3d(raw.astype(np.float32), **NTU) - prenormalize_3d(raw, **NTU)).max()
    assert 1e-5 < difference < 1e-3


def test_3d_keeps_the_frames_of_the_person_with_more_of_them():
    joints = body(6, persons=2)
    joints[0, [0, 2, 5]] = 0
    joints[1, 3] = 0
    found = prenormalize_3d(joints, **NTU)
    assert found.shape == (2, 5, 25, 3)
    swapped = prenormalize_3d(joints[::-1], **NTU)
    assert np.array_equal(found, swapped)
    assert not found[0, 0, 1].any()  # the origin
    assert not found[1, [0, 2, 4]].any()  # who was not there is not there


def test_of_two_persons_with_as_many_frames_the_first_stays():
    joints = body(4, persons=2)
    joints[0, 0] = joints[1, 3] = 0
    assert not prenormalize_3d(joints, **NTU)[1, 2].any()


def test_of_three_persons_the_first_is_the_main_one_unless_it_is_never_there():
    joints = body(6, persons=3)
    joints[0, 3:] = 0
    assert prenormalize_3d(joints, **NTU).shape[1] == 3
    joints[0] = joints[1, :4] = 0
    found = prenormalize_3d(joints, **NTU)
    assert found.shape[1] == 6
    assert not found[2].any()
    assert not found[0, 0, 1].any()


def test_nobody_and_absent_joints_stay_zero_without_a_sign():
    assert not prenormalize_3d(np.zeros((2, 5, 25, 3), np.float16), **NTU).any()
    joints = body(persons=2)
    joints[0, :, 7] = joints[1] = 0
    found = prenormalize_3d(joints, **NTU)
    assert found[1].tobytes() == bytes(found[1].nbytes)  # a negative zero would be stored as a person
    assert not found[0, :, 7].any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_3d_keeps_distances_and_points_the_shoulders_along_x(seed):
    joints = body(seed=seed)
    found = prenormalize_3d(joints, **NTU)
    lengths = [np.linalg.norm(np.diff(each, axis=2), axis=-1) for each in (joints, found)]
    assert lengths[0] == pytest.approx(lengths[1], abs=1e-5)
    across = found[0, 0, 8] - found[0, 0, 4]
    assert across == pytest.approx([np.linalg.norm(across), 0, 0], abs=1e-5)


@pytest.mark.parametrize("direction", [(1, 0, 0), (0.3, -2, 0.1), (0, 0, 5)])
def test_a_turn_takes_a_direction_onto_its_target(direction):
    matrix = turn_onto(np.array(direction), np.array([0, 0, 1]))
    assert matrix @ direction == pytest.approx([0, 0, np.linalg.norm(direction)], abs=1e-12)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)


@pytest.mark.parametrize("direction", [(0, 0, 0), (0, 0, -1)])
def test_null_and_opposite_directions_are_not_turned(direction):
    assert np.array_equal(turn_onto(np.array(direction), np.array([0, 0, 1])), np.eye(3))


# --- 2D


def image(pyskl, case):
    joints = np.concatenate((pyskl[f"coco2d/{case}/raw_keypoint"], pyskl[f"coco2d/{case}/raw_score"][..., None]), -1)
    return joints, tuple(pyskl[f"coco2d/{case}/img_shape"].tolist())


@pytest.mark.parametrize("case", ["one", "two", "three"])
@pytest.mark.parametrize(
    ("key", "version", "threshold"),
    [("prenorm", "pyskl-0.3", None), ("prenorm_auto", "auto", None), ("prenorm_nothreshold", "pyskl-0.3", -1)],
)
def test_2d_is_the_originals_to_the_bit(pyskl, case, key, version, threshold):
    joints, size = image(pyskl, case)
    found = prenormalize_2d(joints, size, version=version, threshold=threshold)
    assert found.dtype == np.float32
    assert np.array_equal(found, pyskl[f"coco2d/{case}/{key}"])


@pytest.mark.parametrize("case", ["one", "two", "three"])
def test_the_first_version_is_that_without_threshold_in_float16(pyskl, case):
    joints, size = image(pyskl, case)
    found = prenormalize_2d(joints, size, version="pyskl-0.1")
    assert found.dtype == np.float16
    assert found == pytest.approx(pyskl[f"coco2d/{case}/prenorm_nothreshold"], abs=2**-10)


def test_missing_joints_are_a_corner_in_the_first_version_and_the_middle_since():
    joints = np.zeros((1, 1, 17, 3), np.float16)
    assert (prenormalize_2d(joints, None, version="pyskl-0.1")[..., :2] == -1).all()
    assert not prenormalize_2d(joints, None, version="pyskl-0.3").any()
    assert not prenormalize_2d(joints, None, version="auto").any()


def test_auto_scales_a_small_clip_to_the_frame():
    joints = np.zeros((1, 2, 17, 3), np.float32)
    joints[..., 0] = np.linspace(300, 310, 17)
    joints[..., 1:] = [200, 1]
    expected = prenormalize_2d(joints, (400, 600), version="pyskl-0.3")
    assert np.array_equal(prenormalize_2d(joints, (400, 600), version="auto"), expected)


def test_the_input_is_left_as_it_is():
    joints = np.ones((1, 2, 17, 3), np.float16)
    prenormalize_2d(joints, None, version="pyskl-0.1")
    assert (joints == 1).all()


def test_pose_normalize_is_mmactions_to_the_bit_score_and_padding_included(pyskl, shared):
    golden = np.load(shared / "goldens/stgcn/pipelines_mmaction0x.npz")["coco2d_two/keypoint_out_CTVM"]
    joints, _ = image(pyskl, "two")
    found = pose_normalize(joints)
    assert found.dtype == np.float32
    assert np.array_equal(found[:, np.arange(300) % found.shape[1]], golden.transpose(3, 1, 2, 0))
    assert (pose_normalize(np.zeros((1, 2, 17, 3), np.float16)) == -0.5).all()
