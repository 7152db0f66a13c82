"""Augmentations: drawing and applying are two things."""

import math

import numpy as np
import pytest
import torch
from torch import Generator, Size

from dataset.augment import (
    AUGMENTATIONS,
    DropJoints,
    DropParts,
    Flip,
    Noise,
    RandomMove,
    Rotate,
    RotateAxes,
    Scale,
    ScaleShift,
    Shear,
    Shift,
    fit_into_box,
    make_augmentation,
)
from dataset.layouts import load_layout
from utils.errors import UserError

NTU, KINETICS = load_layout("ntu"), load_layout("kinetics-18")


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


# --- PYSKL's, fed with the numbers that it drew


def golden(shared, key):
    """Return the raw joints and the augmented ones, (1, C, T, V, M) float64."""
    both = np.load(shared / "goldens/stgcn/pipelines_pyskl.npz")
    raw, expected = (
        torch.from_numpy(both[f"aug/{each}"]).double().permute(3, 1, 2, 0)[None] for each in ("raw3d", key)
    )
    return raw, expected


def seeded():
    return np.random.RandomState(0)


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


def test_noise_is_pyskls(shared):
    raw, expected = golden(shared, "gaussnoise_frame_seed0")
    frames, joints, persons = raw.shape[2:]
    state = seeded()
    lengths = 0.01 * state.randn(persons, frames, joints)
    directions = state.uniform(-1, 1, (3, persons, frames, joints))
    steps = lengths * directions / np.linalg.norm(directions, axis=0)
    found = Noise(0.01).apply(raw, torch.from_numpy(steps).permute(0, 2, 3, 1)[None])
    assert torch.allclose(found, expected, atol=1e-6, rtol=0)


# --- what all have in common


def made(axes=3, layout=NTU):
    """Return one of each, which changes something."""
    options = {
        "rotate": {"degrees": 40.0},
        "rotate_axes": {"degrees": (20.0, 30.0, 40.0)},
        "scale": {"share": 0.2},
        "shear": {"share": 0.4},
        "flip": {"probability": 0.9},
        "drop_joints": {"probability": 0.2},
        "drop_parts": {"probability": 0.5},
        "noise": {"sigma": 0.05},
        "shift": {"distance": 0.3},
        "random_move": {"degrees": (5.0, 10.0), "shifts": (0.1, 0.2)},
        "scale_shift": {"pixels": (4, 5), "original": 0.0},
    }
    assert options.keys() == AUGMENTATIONS.keys()
    fitting = {name: each for name, each in options.items() if name not in UNFIT[axes]}
    return {name: make_augmentation(name, each, layout, axes, (320, 240)) for name, each in fitting.items()}


UNFIT = {3: {"scale_shift"}, 2: {"rotate"}}  # by the number of coordinates
IN_SPACE, IN_THE_IMAGE = (sorted(AUGMENTATIONS.keys() - UNFIT[axes]) for axes in (3, 2))


@pytest.mark.parametrize("name", IN_SPACE)
def test_an_augmentation_changes_joints_and_neither_their_shape_nor_the_input_nor_its_neighbours(name):
    augmentation, given = made()[name], joints()
    drawn = augmentation.draw(given.shape, Generator().manual_seed(1))
    found = augmentation.apply(given, drawn)
    assert torch.equal(given, joints())
    assert found.shape == given.shape
    assert found.dtype == given.dtype
    assert not torch.allclose(found, given, atol=1e-3)
    assert torch.equal(drawn, augmentation.draw(given.shape, Generator().manual_seed(1)))
    for n in range(len(given)):
        alone = augmentation.apply(given[n : n + 1], drawn[n : n + 1])
        assert torch.allclose(alone[0], found[n], atol=1e-6)


@pytest.mark.parametrize("name", IN_SPACE)
def test_absent_persons_and_padding_stay_zero(name):
    given = joints()
    given[1, ..., 1] = 0
    given[2, :, 3:] = 0
    drawn = made()[name].draw(given.shape, Generator().manual_seed(1))
    found = made()[name].apply(given, drawn)
    assert not found[1, ..., 1].any()
    assert not found[2, :, 3:].any()
    assert found[1, ..., 0].any()


@pytest.mark.parametrize("name", IN_THE_IMAGE)
def test_in_the_image_missing_joints_stay_zero_and_scores_stay(name):
    given = torch.randn(4, 3, 5, 18, 2)
    given[:, :, :, 7] = 0
    augmentation = made(2, KINETICS)[name]
    drawn = augmentation.draw(given.shape, Generator().manual_seed(1))
    found = augmentation.apply(given, drawn)
    if name == "flip":  # joint 4 is the right wrist, 7 the left one
        assert not found[drawn][:, :, :, 4].any()
        assert torch.equal(found[drawn][:, 2, :, 7], given[drawn][:, 2, :, 4])
        return
    assert not found[:, :, :, 7].any()
    if not name.startswith("drop"):
        assert torch.equal(found[:, 2], given[:, 2])


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
    assert Shift(2).draw(shape, generator).abs().max() == pytest.approx(2, abs=0.01)
    noise = Noise(0.1).draw(Size([500, *shape[1:]]), generator)
    assert noise.norm(dim=1).square().mean().sqrt() == pytest.approx(0.1, abs=0.002)


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


def test_scale_shift_needs_an_image_and_its_size():
    with pytest.raises(UserError, match=r"scale_shift counts in pixels; set data\.frame_size: \[W, H\]"):
        make_augmentation("scale_shift", {}, KINETICS, 2)
    with pytest.raises(UserError, match="scale_shift moves places in an image, not in space; use scale and shift"):
        make_augmentation("scale_shift", {}, NTU, 3, (720, 540))


def test_what_the_data_lack_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="rotate turns about the vertical axis.*use rotate_axes"):
        make_augmentation("rotate", {"degrees": 10}, KINETICS, 2)
    bare = tmp_path / "bare.yaml"
    bare.write_text("joints: [hip, head]\nedges: [[head, hip]]\n")
    for name, field in [("flip", "pairs"), ("drop_parts", "parts")]:
        with pytest.raises(UserError, match=f"layout bare has no {field}, which the augmentation {name} needs"):
            make_augmentation(name, {"probability": 0.5}, load_layout(str(bare)), 3)


# --- what follows augmentation


def test_every_axis_of_a_clip_is_scaled_to_its_own_box_as_ctr_gcns_feeder_does():
    given = joints()
    (found,) = fit_into_box([given], axes=3)
    for clip, boxed in zip(given.numpy(), found.numpy(), strict=True):
        low, high = (end(clip, axis=(1, 2, 3), keepdims=True) for end in (np.min, np.max))
        assert boxed == pytest.approx(2 * (clip - low) / (high - low) - 1, abs=1e-6)


def test_the_frames_behind_are_fitted_into_the_same_box():
    given = joints()
    found, behind = fit_into_box([given, given + 1], axes=3)
    reach = given.amax(dim=(2, 3, 4)) - given.amin(dim=(2, 3, 4))
    torch.testing.assert_close(behind - found, (2 / reach)[..., None, None, None].expand_as(found))


def test_who_is_absent_has_no_part_in_the_box_and_stays_zero():
    given = joints() + 5  # far from the origin
    given[:, :, 3:, :, 1] = 0
    alone = given.clone()
    alone[..., 1] = 0
    for clip in (given, alone):
        (found,) = fit_into_box([clip], axes=3)
        assert found[clip != 0].abs().max() == pytest.approx(1)
        assert not found[:, :, 3:, :, 1].any()
        assert found[:, 2].amin(dim=(1, 2, 3)).tolist() == pytest.approx([-1.0] * 4)


def test_a_box_without_extent_moves_and_does_not_scale():
    given = torch.full((1, 3, 2, 4, 1), 7.0)
    assert not fit_into_box([given], axes=3)[0].any()
    assert not fit_into_box([torch.zeros(1, 3, 2, 4, 1)], axes=3)[0].any()


def test_a_score_is_no_axis():
    given = joints()
    (found,) = fit_into_box([given], axes=2)
    assert torch.equal(found[:, 2], given[:, 2])
    torch.testing.assert_close(found[:, :2].amax(dim=(2, 3, 4)), torch.ones(4, 2))
