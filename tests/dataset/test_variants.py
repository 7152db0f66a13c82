"""The stored variants: equal to the originals' to the bit, each quirk by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import normalise, variants
from dataset.augment import AUGMENTATIONS
from dataset.layouts import load_layout
from dataset.packing import pack, unpack
from dataset.variants import PADDED_FRAMES, VARIANTS, ClipFacts
from tests.dataset import plain_transform
from utils.errors import UserError
from utils.pickles import load_pickle

NTU = ClipFacts(load_layout("ntu"))


def transform(joints):
    return variants.transform(joints, NTU)


def clip(frames=10, persons=2, seed=0):
    """Return joints (2, T, 25, 3) float32 with `persons` persons, who are nowhere zero."""
    joints = np.zeros((2, frames, 25, 3), np.float32)
    joints[:persons] = np.random.default_rng(seed).uniform(0.5, 2, (persons, frames, 25, 3))
    return joints


def spoil(person, kind, start, rng):
    """Make a person (T, V, 3) one of those that are in real files, in place."""
    if kind == "late":
        person[:start] = 0
    if kind == "gone early":
        person[start:] = 0
    if kind == "gaps":
        person[rng.random(len(person)) < 0.3] = 0
    if kind == "joints missing":
        person[:, rng.random(25) < 0.5] = 0
    if kind == "sums that are zero":
        person[:] = np.round(person * 2) / 2
        person[start::3] -= person[start::3].mean(axis=(1, 2), keepdims=True)
    if kind == "a lone joint":
        person[:, np.arange(25) != 1] = 0
    if kind == "upside down":
        person[:, 0] = person[:, 1] + np.float32([0, 0, 1])


KINDS = ["", "late", "gone early", "gaps", "joints missing", "sums that are zero", "a lone joint", "upside down"]


@st.composite
def odd_clips(draw):
    """A clip of one to three persons of all kinds."""
    rng, persons = np.random.default_rng(draw(st.integers(0, 2**32))), draw(st.integers(1, 3))
    frames = draw(st.sampled_from([1, 2, 3, 7, 40, 299, 300, 305]))
    joints = rng.normal(0, 0.5, (persons, frames, 25, 3)).astype(np.float32) + np.float32([0, 0, 2])
    for person in joints:
        spoil(person, draw(st.sampled_from(KINDS)), draw(st.integers(0, frames)), rng)
    return joints


@settings(deadline=None)
@given(odd_clips())
def test_transformed_equals_the_plain_function_to_the_bit(joints):
    expected, periods = plain_transform.transform(joints, NTU.layout.spine, NTU.layout.shoulders)
    found, found_periods = transform(joints)
    assert found_periods == periods
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()


def bone(joints, first, second):
    """Return the vector between two joints of person 0 in frame 0, of length 1."""
    vector = joints[0, 0, second] - joints[0, 0, first]
    return vector / np.linalg.norm(vector)


def originals(goldens, kind, benchmark):
    folder = goldens / "data/npy_dataset" / kind / benchmark
    for split in ("train", "eval"):
        data, labels = np.load(folder / f"{split}_data.npy"), load_pickle(folder / f"{split}_label.pkl")
        for row, path, frames in zip(data, labels[0], labels[2], strict=True):
            yield path.rpartition("/")[2], row.transpose(3, 1, 2, 0), frames


@pytest.mark.parametrize("benchmark", ["ntu-xsub", "ntu-xview"])
def test_transformed_equals_the_original_to_the_bit(goldens, benchmark):
    inputs = {name: row[:, :frames] for name, row, frames in originals(goldens, "original", benchmark)}
    rows = list(originals(goldens, "transformed", benchmark))
    assert len(rows) == 16
    for name, expected, _ in rows:
        found, _ = transform(np.ascontiguousarray(inputs[name]))
        assert found.dtype == np.float32
        assert found.tobytes() == np.ascontiguousarray(expected).tobytes(), name


@pytest.mark.parametrize(
    ("case", "lasting"),
    [
        ("two_T73", 73),
        ("two_T100_padded", 100),
        ("swapped_T80", 80),
        ("one_T60", 60),
        ("babel_m1_T150", 150),
        ("zero", 20),
    ],
)
def test_transformed_agrees_with_the_implementation_in_2s_agcn(shared, case, lasting):
    """That one pads to the clip's own length, so only so many frames can be compared; its stated tolerance is 1e-6."""
    cases = np.load(shared / "goldens/stgcn/pre_normalization_2sagcn.npz")
    given, expected = (cases[f"{case}/{side}"][0].transpose(3, 1, 2, 0) for side in ("in", "out"))
    found, _ = transform(np.ascontiguousarray(given))
    assert found[:, :lasting] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("frames", [1, 10, 300])
def test_the_looped_clip_packs_into_its_own_frames(frames):
    packed = pack(*transform(clip(frames, persons=1)))
    assert packed.spans.tolist() == [[0, 0, frames, frames < PADDED_FRAMES], [0, 0, 0, 0]]
    assert len(packed.rows) == frames
    assert packed.frames == PADDED_FRAMES


def test_only_the_first_300_frames_are_used():
    joints = clip(310)
    assert transform(joints)[0].tobytes() == transform(joints[:, :300])[0].tobytes()


def test_the_input_is_left_as_it_is():
    joints = clip()
    before = joints.copy()
    transform(joints)
    assert np.array_equal(joints, before)


def test_the_middle_of_the_spine_of_person_0_is_the_origin():
    joints, (found, _) = clip(), transform(clip())
    assert not found[0, :, 1].any()
    distance = np.linalg.norm(joints[1, :, 1] - joints[0, :, 1], axis=-1)
    assert np.linalg.norm(found[1, :10, 1], axis=-1) == pytest.approx(distance, abs=1e-5)


def test_bones_keep_their_length():
    joints, (found, _) = clip(), transform(clip())
    lengths = [np.linalg.norm(each[:, :10, 4] - each[:, :10, 8], axis=-1) for each in (joints, found)]
    assert lengths[1] == pytest.approx(lengths[0], abs=1e-5)


def test_the_shoulders_point_along_x_in_the_first_frame():
    assert bone(transform(clip())[0], 4, 8) == pytest.approx([1, 0, 0], abs=1e-6)


def test_the_second_turn_undoes_some_of_the_first():
    """A full rotation, not one about z: the spine is upright no longer."""
    assert bone(transform(clip())[0], 0, 1)[2] < 0.999


def test_an_antiparallel_bone_is_left_alone():
    joints = clip(persons=1)
    joints[0, :, 0] = joints[0, :, 1] + np.array([0, 0, 1])  # straight down: the axis of the turn is null
    joints[0, :, 8] = joints[0, :, 4] + np.array([1, 0, 0])
    found, _ = transform(joints)
    assert np.array_equal(found[0, :10], joints[0] - joints[0, :, 1:2])


def test_padding_repeats_the_motion():
    found, periods = transform(clip(7))
    assert periods == (7, 7)
    assert np.array_equal(found, found[:, np.arange(300) % 7])


def test_a_late_person_is_moved_to_frame_0_and_loses_its_gaps():
    joints = clip(10)
    joints[1, :4] = 0
    joints[1, 6] = 0
    packed = joints.copy()
    packed[1] = 0
    packed[1, :5] = joints[1, [4, 5, 7, 8, 9]]
    assert not np.array_equal(packed, joints)
    assert transform(joints)[0].tobytes() == transform(packed)[0].tobytes()
    alone = transform(joints)[0][1]
    assert alone[:5].any(axis=(1, 2)).all()


def test_inner_gaps_of_a_person_who_is_there_from_the_start_are_kept_and_repeated():
    joints = clip(10, persons=1)
    joints[0, 3:6] = 0
    found, _ = transform(joints)
    gaps = ~found[0].any(axis=(1, 2))
    assert [t for t in range(300) if gaps[t]] == [t for t in range(300) if t % 10 in (3, 4, 5)]


def test_a_joint_whose_coordinates_sum_to_zero_stays_where_the_origin_is():
    joints = clip(persons=1)
    joints[0, :, 7] = [1, 1, -2]  # a position like any other, but zero to the original
    found, _ = transform(joints)
    assert not found[0, :, 7].any()


def test_persons_of_different_lengths_repeat_after_the_common_multiple():
    joints = clip(10)
    joints[1, 4:] = 0
    found, periods = transform(joints)
    assert periods == (10, 20)  # person 1 has 4 frames, and its centre repeats after 10
    assert np.array_equal(found[1], found[1, np.arange(300) % 20])
    assert not np.array_equal(found[1], found[1, np.arange(300) % 4])


def test_nobody_stays_nobody():
    found, _ = transform(np.zeros((2, 5, 25, 3), np.float32))
    assert found.shape == (2, 300, 25, 3)
    assert not found.any()
    assert len(pack(*transform(np.zeros((2, 5, 25, 3), np.float32))).rows) == 0


def test_original_keeps_every_frame():
    joints = clip(310)
    found, periods = variants.keep(joints, NTU)
    assert found is joints
    assert periods == ()


def test_a_manifest_remembers_what_a_variant_is():
    assert {name: (each.name, dict(each.options)) for name, each in VARIANTS.items()} == {
        "original": ("original", {}),
        "transformed": ("transformed", {"frames": 300, "source": "2s-AGCN"}),
        "prenormalized": ("prenormalized", {"source": "PYSKL PreNormalize3D"}),
        "prenormalized-2d": ("prenormalized-2d", {"source": "PYSKL 0.1 PreNormalize2D"}),
        "prenormalized-2d-0.3": ("prenormalized-2d-0.3", {"source": "PYSKL 0.3 PreNormalize2D"}),
        "prenormalized-2d-auto": ("prenormalized-2d-auto", {"source": "PYSKL 0.3 PreNormalize2D, auto"}),
        "pose-normalized": ("pose-normalized", {"source": "mmaction2 0.x PoseNormalize"}),
    }


def test_every_function_says_whether_it_acts_before_or_after_person_padding():
    acting = [variants.transform, variants.prenormalize, variants.scale_padding_too]
    acting += [normalise.prenormalize_3d, normalise.prenormalize_2d, normalise.pose_normalize]
    for each in [*acting, *AUGMENTATIONS.values()]:
        words = " ".join(each.__doc__.split())
        assert "before person padding" in words or "after person padding" in words, each


@pytest.mark.parametrize("name", ["transformed", "prenormalized"])
def test_a_layout_without_a_spine_is_refused_by_name(name):
    kinetics = ClipFacts(load_layout("kinetics-18"))
    with pytest.raises(UserError, match=f"layout kinetics-18 has no spine, which the variant {name} needs"):
        VARIANTS[name].apply(np.ones((1, 4, 18, 3), np.float32), kinetics)


@pytest.mark.parametrize("name", ["transformed", "prenormalized"])
def test_another_layout_is_turned_by_its_own_spine_and_shoulders(name):
    joints = clip(8)[:, :, [1, 0, 2, *range(3, 20)]]  # 20 joints
    found, _ = VARIANTS[name].apply(joints, ClipFacts(load_layout("ucla-20")))
    assert not found[0, 0, 1].any()
    assert bone(found, 4, 8) == pytest.approx([1, 0, 0], abs=1e-6)


def test_prenormalized_equals_the_original_and_packs_into_the_frames_that_are_kept(shared):
    golden = np.load(shared / "goldens/stgcn/pipelines_pyskl.npz")
    found, periods = VARIANTS["prenormalized"].apply(golden["ntu3d/swap_fp16/raw"], NTU)
    assert found == pytest.approx(golden["ntu3d/swap_fp16/prenorm"], abs=1e-6)
    assert periods == ()
    assert pack(found).frames == golden["ntu3d/swap_fp16/prenorm_total_frames"]


def test_pixels_without_a_score_are_scaled_too():
    joints = np.random.default_rng(0).uniform(0, 100, (1, 4, 17, 3)).astype(np.float32)
    about = ClipFacts(load_layout("coco-17"), (100, 200))
    with_score, _ = VARIANTS["prenormalized-2d"].apply(joints, about)
    without, _ = VARIANTS["prenormalized-2d"].apply(joints[..., :2], about)
    assert np.array_equal(without, with_score[..., :2])


def test_2d_variants_scale_to_the_frame_that_the_source_states():
    pixels = np.array([[[[320, 240, 0.9], [0, 0, 0]]]], np.float16)  # (1, 1, 2, 3)
    about = ClipFacts(load_layout("kinetics-18"), frame_size=(480, 640))
    for name, missing in [("prenormalized-2d", -1), ("prenormalized-2d-0.3", 0)]:
        found, _ = VARIANTS[name].apply(pixels, about)
        assert found[0, 0].tolist() == pytest.approx(np.array([[0, 0, 0.9], [missing, missing, 0]]), abs=1e-3)
    unstated, _ = VARIANTS["prenormalized-2d"].apply(pixels, ClipFacts(load_layout("kinetics-18")))
    assert unstated[0, 0, 0, :2].tolist() == pytest.approx([320 / 960 - 1, 240 / 540 - 1], abs=1e-3)


@pytest.mark.parametrize("frames", [1, 9])
def test_pose_normalized_padding_is_one_stored_row(frames):
    pixels = np.random.default_rng(0).uniform(1, 1000, (2, frames, 17, 3)).astype(np.float16)
    pixels[1] = 0
    found, periods = VARIANTS["pose-normalized"].apply(pixels, ClipFacts(load_layout("coco-17")))
    packed = pack(found, periods)
    assert (found[1] == -0.5).all()
    assert len(packed.rows) == frames + 1
    assert np.array_equal(unpack(packed.rows, packed.spans, frames), found)
