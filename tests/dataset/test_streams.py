"""Input streams: the originals' to the bit, and their edges."""

import math

import numpy as np
import pytest
import torch

from dataset.layouts import load_layout
from dataset.streams import STREAMS, build_streams

NTU = load_layout("ntu")
PARENTS = torch.tensor(NTU.parents)


def streams(raw, letters, frames):
    """Return the streams of the first `frames` frames, as bytes and as an array."""
    found = build_streams(torch.from_numpy(raw)[:, :, :frames].contiguous(), letters, NTU.centre, PARENTS)
    return found.numpy()


def test_a_realistic_batch_equals_the_originals_to_the_bit(goldens):
    golden = np.load(goldens / "models/input_realistic_n4.npz")
    found = streams(golden["raw"], "JVB", 288)
    assert (found.shape, found.dtype) == ((4, 3, 6, 288, 25, 2), np.float32)
    assert found.tobytes() == golden["branches"].tobytes()


@pytest.mark.parametrize(("letters", "key"), [("JVB", "branches_JVB"), ("J", "branches_J"), ("JB", "branches_BJ")])
def test_a_random_batch_equals_the_originals_to_the_bit(goldens, letters, key):
    golden = np.load(goldens / "models/random/input_T64_n2.npz")
    assert streams(golden["raw"], letters, 64).tobytes() == golden[key].tobytes()


def test_streams_are_stacked_in_the_order_of_the_letters():
    raw = np.random.default_rng(0).normal(size=(1, 3, 4, 25, 1)).astype(np.float32)
    assert list(STREAMS) == ["J", "V", "B"]
    assert np.array_equal(streams(raw, "VJ", 4)[:, ::-1], streams(raw, "JV", 4))


def path(*x):
    """Return joints of a body whose joints all move along x, (1, 3, T, 25, 1)."""
    joints = torch.zeros(1, 3, len(x), 25, 1)
    joints[:, 0] = torch.tensor(x, dtype=torch.float32)[None, :, None, None]
    return joints


def test_velocity_is_the_step_over_one_and_two_frames_and_zero_in_the_last_two():
    found = build_streams(path(1, 2, 4, 8, 16), "V", 1, PARENTS)[0, 0, :, :, 7, 0]
    assert found[0].tolist() == [1, 2, 4, 0, 0]
    assert found[3].tolist() == [3, 6, 12, 0, 0]
    assert not found[[1, 2, 4, 5]].any()


def test_velocity_of_three_frames_has_one_step():
    assert build_streams(path(1, 2, 4), "V", 1, PARENTS)[0, 0, 0, :, 7, 0].tolist() == [1, 0, 0]


def test_positions_are_relative_to_the_centre():
    joints = path(1, 1, 1)
    joints[:, 1, :, 1] = 5
    found = build_streams(joints, "J", 1, PARENTS)[0, 0, :, 0, :, 0]
    assert found[:3, 7].tolist() == [1, 0, 0]
    assert found[3:, 7].tolist() == [0, -5, 0]
    assert found[3:, 1].tolist() == [0, 0, 0]


def test_a_bone_points_from_its_parent_and_a_null_bone_has_angles_of_90_degrees():
    joints = path(0, 0, 0)
    joints[:, 1, :, 7] = 2  # joint 7 is 2 m above its parent 6
    found = build_streams(joints, "B", 1, PARENTS)[0, 0, :, 0, :, 0]
    assert found[:3, 7].tolist() == [0, 2, 0]
    assert found[3:, 7].tolist() == pytest.approx([math.pi / 2, math.acos(2 / 2.0001), math.pi / 2])
    assert found[:3, 1].tolist() == [0, 0, 0]
    assert found[3:, 1].tolist() == pytest.approx([math.pi / 2] * 3)


def test_padding_and_absent_persons_carry_angles_of_90_degrees_in_bones_and_zeros_elsewhere():
    found = build_streams(torch.zeros(1, 3, 3, 25, 2), "JVB", 1, PARENTS)[0]
    assert not found[:2].any()
    assert not found[2, :3].any()
    assert torch.equal(found[2, 3:], torch.full((3, 3, 25, 2), math.pi / 2))


def test_a_clip_gives_the_same_bytes_alone_and_in_a_batch():
    joints = torch.randn(5, 3, 20, 25, 2, generator=torch.Generator().manual_seed(0))
    together = build_streams(joints, "JVB", 1, PARENTS)
    for n in range(5):
        assert torch.equal(build_streams(joints[n : n + 1], "JVB", 1, PARENTS)[0], together[n])
