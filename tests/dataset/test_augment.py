"""What all augmentations have in common, how they are made by name, and the box that follows them."""

import numpy as np
import pytest
import torch
from torch import Generator

from dataset.augment import AUGMENTATIONS, fit_into_box, make_augmentation
from dataset.augment_linear import Rotate
from dataset.layouts import load_layout
from tests.dataset.augmented import joints
from utils.errors import UserError

NTU, KINETICS = load_layout("ntu"), load_layout("kinetics-18")


def test_the_table_makes_augmentations_by_name():
    assert AUGMENTATIONS["rotate"](degrees=10) == Rotate(10)


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
