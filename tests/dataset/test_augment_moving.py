"""Moving joints: by noise, by a distance, along a line; who is missing stays zero."""

import math

import numpy as np
import pytest
import torch
from torch import Generator, Size

from dataset.augment import make_augmentation
from dataset.augment_moving import Noise, RandomMove, ScaleShift, Shift
from dataset.layouts import load_layout
from tests.dataset.augmented import golden, joints, seeded

KINETICS = load_layout("kinetics-18")


def test_draws_fill_their_ranges():
    generator = Generator().manual_seed(0)
    assert Shift(2).draw(Size([5000, 3, 2, 25, 2]), generator).abs().max() == pytest.approx(2, abs=0.01)
    noise = Noise(0.1).draw(Size([500, 3, 2, 25, 2]), generator)
    assert noise.norm(dim=1).square().mean().sqrt() == pytest.approx(0.1, abs=0.002)


def test_noise_is_pyskls(shared):
    raw, expected = golden(shared, "gaussnoise_frame_seed0")
    frames, joints, persons = raw.shape[2:]
    state = seeded()
    lengths = 0.01 * state.randn(persons, frames, joints)
    directions = state.uniform(-1, 1, (3, persons, frames, joints))
    steps = lengths * directions / np.linalg.norm(directions, axis=0)
    found = Noise(0.01).apply(raw, torch.from_numpy(steps).permute(0, 2, 3, 1)[None])
    assert torch.allclose(found, expected, atol=1e-6, rtol=0)


def test_without_a_score_the_joint_in_the_origin_moves_with_the_body():
    given = joints()
    given[:, :, :, 1] = 0
    found = Shift(1).apply(given, torch.ones(4, 3))
    assert torch.equal(found, given + 1)


def test_random_move_goes_in_a_line_from_the_first_frame_to_the_last():
    given = torch.ones(1, 3, 5, 25, 2)
    drawn = torch.tensor([[[0.0, 1.0, 0.0, 0.0], [math.pi / 2, 1.0, 0.5, 0.0]]])
    x, y, z = RandomMove().apply(given, drawn)[0, :, :, 7, 1]
    assert [x[0], y[0]] == pytest.approx([1, 1])
    assert [x[2], y[2]] == pytest.approx([0.25, math.sqrt(2)], abs=1e-6)  # half of everything: 45 degrees
    assert [x[4], y[4]] == pytest.approx([-1 + 0.5, 1], abs=1e-6)
    assert torch.equal(z, torch.ones(5))


def test_random_move_draws_from_the_originals_candidates():
    drawn = RandomMove().draw(Size([2000, 3]), Generator().manual_seed(0))
    assert drawn.shape == (2000, 2, 4)
    assert drawn[..., 0].rad2deg().round().unique().tolist() == [-10, -5, 0, 5, 10]
    assert drawn[..., 1].unique().tolist() == pytest.approx([0.9, 1, 1.1])
    assert drawn[..., 3].unique().tolist() == pytest.approx([-0.2, -0.1, 0, 0.1, 0.2])


def by_frame(clip, ends, *, masked):
    """Move (3, T, V, M) frame by frame in float64 by ends (2, 4), in degrees; the third channel is a score."""
    angles, *others = (np.linspace(first, last, clip.shape[1]) for first, last in ends.T)
    moved = clip.astype(np.float64)
    for t, (angle, factor, x, y) in enumerate(zip(np.radians(angles), *others, strict=True)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved[:2, t] = np.einsum("ij,jvm->ivm", factor * turn, moved[:2, t]) + np.array([x, y])[:, None, None]
    return np.where((clip == 0).all(axis=0), 0, moved) if masked else moved


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("frames", [1, 2, 150])
def test_random_move_is_the_originals_frame_by_frame(frames, masked):
    given = torch.rand(6, 3, frames, 18, 2, generator=Generator().manual_seed(0)) - 0.5
    given[:, :, :, 7] = 0  # a joint that is missing
    given[1, ..., 1] = 0  # an absent person
    rng = np.random.default_rng(frames)
    ends = np.stack(
        [rng.choice(each, (6, 2)) for each in ((-10, -5, 0, 5, 10), (0.9, 1.0, 1.1), *[(-0.2, 0.1, 0.2)] * 2)]
    )
    ends = ends.transpose(1, 2, 0)  # (N, 2, 4)
    drawn = torch.from_numpy(np.concatenate((np.radians(ends[..., :1]), ends[..., 1:]), axis=2)).float()
    found = make_augmentation("random_move", {"masked": masked}, KINETICS, 2).apply(given, drawn)
    for n in range(6):
        np.testing.assert_allclose(found[n], by_frame(given[n].numpy(), ends[n], masked=masked), rtol=0, atol=2e-7)
    assert found[1, :2, :, 7, 1].any() != masked  # moved off zero, as there


def test_scale_shift_is_the_forks_arithmetic_on_pixels():
    size, (factor, *steps) = (720, 540), (0.97, 3.0, 1.0)
    pixels = torch.rand(1, 2, 4, 18, 1, dtype=torch.float64) * torch.tensor(size)[:, None, None, None]
    sides, moves = (torch.tensor(each, dtype=torch.float64)[:, None, None, None] for each in (size, steps))
    expected = (factor * pixels + moves) / sides - 0.5
    drawn = torch.tensor([[factor, (factor - 1) / 2 + steps[0] / size[0], (factor - 1) / 2 + steps[1] / size[1]]])
    found = ScaleShift(frame_size=size).apply(pixels / sides - 0.5, drawn.double())
    assert torch.allclose(found, expected, atol=1e-7, rtol=0)


def test_scale_shift_draws_whole_percents_and_pixels_and_leaves_a_share_as_it_is():
    size = (720, 540)
    augmentation, shape = ScaleShift(frame_size=size), Size([6000, 3, 1, 2, 1])
    drawn = augmentation.draw(shape, Generator().manual_seed(0))
    kept = (drawn == torch.tensor([1.0, 0.0, 0.0])).all(dim=1)
    assert kept.float().mean() == pytest.approx(0.2, abs=0.02)
    moved = drawn[~kept].double()
    percents = (moved[:, 0] - 1) * 100
    shifts = (moved[:, 1:] - (moved[:, :1] - 1) / 2) * torch.tensor(size)
    assert percents.tolist() == pytest.approx(percents.round().tolist(), abs=1e-4)
    assert shifts.flatten().tolist() == pytest.approx(shifts.round().flatten().tolist(), abs=1e-3)
    for column, values in ((percents, range(-3, 4)), (shifts[:, 0], (1, 2, 3)), (shifts[:, 1], (1, 2, 3))):
        found, counts = column.round().unique(return_counts=True)
        assert found.tolist() == list(values)
        assert (counts / len(column)).tolist() == pytest.approx([1 / len(values)] * len(values), abs=0.03)
    given = torch.randn(shape)
    assert torch.equal(augmentation.apply(given, drawn)[kept], given[kept])
