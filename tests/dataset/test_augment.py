"""Augmentations: drawing and applying are two things."""

import math

import pytest
import torch
from torch import Generator, Size

from dataset.augment import AUGMENTATIONS, Rotate


def joints(count=4):
    return torch.randn(count, 3, 5, 25, 2, generator=Generator().manual_seed(0))


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


def test_the_table_makes_augmentations_by_name():
    assert AUGMENTATIONS["rotate"](degrees=10) == Rotate(10)
