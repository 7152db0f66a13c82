"""Turning, stretching, mirroring, leaving out: zeros stay zero; turns and factors are PYSKL's."""

import math

import pytest
import torch
from torch import Generator, Size

from dataset.augment_linear import DropJoints, DropParts, Flip, Rotate, RotateAxes, Scale, Shear
from dataset.layouts import load_layout
from tests.dataset.augmented import golden, joints, seeded

NTU = load_layout("ntu")


def test_the_same_generator_draws_the_same_angles():
    first, second = (Rotate(45).draw(Size([6]), Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, Rotate(45).draw(Size([6]), Generator().manual_seed(4)))


def test_angles_fill_the_range_on_both_sides():
    drawn = Rotate(30).draw(Size([10_000]), Generator().manual_seed(0))
    limit = math.radians(30)
    assert -limit <= drawn.min() < -0.99 * limit
    assert 0.99 * limit < drawn.max() <= limit
    assert abs(drawn.mean()) < 0.02 * limit


def test_applying_needs_no_randomness():
    angles = torch.tensor([0.1, 0.2, 0.3, 0.4])
    state = torch.get_rng_state()
    first = Rotate(45).apply(joints(), angles)
    assert torch.equal(first, Rotate(45).apply(joints(), angles))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_quarter_turn_takes_z_to_x_and_x_to_minus_z():
    given = torch.zeros(1, 3, 1, 2, 1)
    given[0, :, 0, 0, 0], given[0, :, 0, 1, 0] = torch.tensor([0.0, 7.0, 1.0]), torch.tensor([1.0, 7.0, 0.0])
    found = Rotate(90).apply(given, torch.tensor([math.pi / 2]))
    assert found[0, :, 0, 0, 0].tolist() == pytest.approx([1, 7, 0], abs=1e-6)
    assert found[0, :, 0, 1, 0].tolist() == pytest.approx([0, 7, -1], abs=1e-6)


def test_no_angle_changes_nothing():
    assert torch.equal(Rotate(45).apply(joints(), torch.zeros(4)), joints())


def test_each_clip_turns_by_its_own_angle():
    angles = torch.tensor([0.1, -0.4, 0.0, 0.7])
    together = Rotate(45).apply(joints(), angles)
    for n in range(4):
        assert torch.equal(Rotate(45).apply(joints()[n : n + 1], angles[n : n + 1])[0], together[n])


def test_distances_between_joints_and_heights_are_preserved():
    given, turned = joints(), Rotate(45).apply(joints(), torch.tensor([0.1, -0.4, 1.2, 3.0]))
    lengths = [(each[:, :, :, 1:] - each[:, :, :, :-1]).norm(dim=1) for each in (given, turned)]
    assert torch.allclose(*lengths, atol=1e-5)
    assert torch.equal(turned[:, 1], given[:, 1])
    assert not torch.allclose(turned[:, 0], given[:, 0])


def test_zeros_stay_zero():
    given = joints()
    given[1, ..., 1] = 0  # an absent person
    given[2, :, 3:] = 0  # padding
    turned = Rotate(45).apply(given, torch.full((4,), 0.5))
    assert torch.equal(turned == 0, given == 0)


# --- PYSKL's, fed with the numbers that it drew


def test_scale_is_pyskls(shared):
    raw, expected = golden(shared, "randomscale0.1_seed0")
    factors = 1 + 0.1 * torch.from_numpy(seeded().uniform(-1, 1, 3))
    assert torch.allclose(Scale(0.1).apply(raw, factors[None]), expected, atol=1e-6, rtol=0)


def test_rotation_is_pyskls(shared):
    raw, expected = golden(shared, "randomrot0.3_seed0")
    angles = torch.from_numpy(seeded().uniform(-0.3, 0.3, 3))
    assert torch.allclose(RotateAxes((17, 17, 17)).apply(raw, angles[None]), expected, atol=1e-6, rtol=0)


def test_rotation_in_the_image_is_pyskls_by_the_angle_of_its_slip(shared):
    raw, expected = golden(shared, "randomrot2d0.3_seed0")
    angle = seeded().uniform(-0.3, 1.0)
    found = RotateAxes((17, 17, 17), axes=2).apply(raw, torch.tensor([[9.0, 9.0, angle]], dtype=torch.float64))
    assert torch.allclose(found[:, :2], expected, atol=1e-6, rtol=0)
    assert torch.equal(found[:, 2], raw[:, 2])  # a score
    assert RotateAxes((0, 0, 17), axes=2).draw(Size([999, 2]), Generator().manual_seed(0)).max() <= math.radians(17)


# --- one by one


def test_the_order_of_turns_is_that_of_the_axes():
    up = torch.tensor([0.0, 1.0, 0.0])[None, :, None, None, None]
    quarter = torch.full((1, 3), math.pi / 2)
    assert RotateAxes((90, 90, 90)).apply(up, quarter).flatten().tolist() == pytest.approx([0, -1, 0], abs=1e-6)
    assert RotateAxes((90, 90, 90), order="yx").apply(up, quarter).flatten().tolist() == pytest.approx(
        [0, 0, -1], abs=1e-6
    )


def test_draws_fill_their_ranges():
    shape, generator = Size([5000, 3, 2, 25, 2]), Generator().manual_seed(0)
    angles = RotateAxes((10, 0, 60)).draw(shape, generator).rad2deg()
    assert angles.abs().amax(dim=0).tolist() == pytest.approx([10, 0, 60], rel=0.01)
    factors = Scale(0.1).draw(shape, generator)
    assert [factors.min(), factors.max()] == pytest.approx([0.9, 1.1], abs=1e-3)
    shears = Shear(0.5).draw(shape, generator)
    assert (shears.diagonal(dim1=1, dim2=2) == 1).all()
    assert shears[:, 0, 1].abs().max() == pytest.approx(0.5, abs=1e-3)
    assert Flip(0.3, NTU.pairs).draw(shape, generator).float().mean() == pytest.approx(0.3, abs=0.03)
    assert DropJoints(0.2).draw(shape, generator).float().mean() == pytest.approx(0.8, abs=0.01)


def test_a_flip_swaps_sides_and_is_its_own_inverse():
    given, flip = joints(), Flip(1, NTU.pairs)
    once = flip.apply(given, torch.ones(4, dtype=torch.bool))
    assert torch.equal(once[:, 0, :, 4], -given[:, 0, :, 8])
    assert torch.equal(once[:, 1:, :, 4], given[:, 1:, :, 8])
    assert torch.equal(once[:, 1, :, 3], given[:, 1, :, 3])
    assert torch.equal(flip.apply(once, torch.ones(4, dtype=torch.bool)), given)


def test_parts_and_joints_are_dropped_whole_and_per_person():
    given = joints()
    parts = DropParts(0.5, NTU.parts)
    kept = torch.ones(4, 5, 2, dtype=torch.bool)
    kept[0, 1, 0] = False  # clip 0, the second part, person 0
    found = parts.apply(given, kept)
    gone = list(list(NTU.parts.values())[1])
    assert not found[0][:, :, gone, 0].any()
    found[0][:, :, gone, 0] = given[0][:, :, gone, 0]
    assert torch.equal(found, given)
