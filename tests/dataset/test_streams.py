"""Input streams: the originals' to the bit, and their edges."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dataset import streams as module
from dataset.layouts import load_layout
from dataset.normalise import prenormalize_2d, prenormalize_3d
from dataset.sampling import Uniform
from dataset.streams import (
    STREAMS,
    Ahead,
    Seen,
    build_streams,
    live_streams,
    look_ahead,
    plain_streams,
    score_rule,
    stream_channels,
)
from utils.errors import UserError

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
    assert list(STREAMS)[:3] == ["J", "V", "B"]
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


# --- live frames only: the plain way to the bit


def bits(streams):
    """Return all bytes in the order of the shape: a negative zero is not a zero, a NaN is one of its bits."""
    return streams.numpy().tobytes()


@st.composite
def batches(draw):
    """Draw joints (N, 3, T, 25, M) whose persons come late, go early, have gaps, are absent or there all the time."""
    num_clips, num_frames, num_persons = draw(st.integers(1, 4)), draw(st.integers(3, 12)), draw(st.integers(1, 3))
    joints = torch.randn(num_clips, num_persons, num_frames, 25, 3, generator=torch.Generator().manual_seed(0))
    for person in joints.flatten(0, 1):
        start, end = (draw(st.integers(0, num_frames)) for _ in range(2))
        person[:start], person[end:] = 0, 0
        person[draw(st.integers(0, num_frames - 1))] *= draw(st.sampled_from([0.0, -0.0, 1.0, 1e-30]))
    return joints.permute(0, 4, 2, 3, 1)  # as the loader's lie in memory


@given(batches(), st.permutations("JVB"), st.integers(1, 3), st.booleans())
def test_streams_of_live_frames_are_those_of_all_frames_to_the_bit(joints, letters, count, contiguous):
    seen = Seen(joints.contiguous() if contiguous else joints, NTU.centre, PARENTS)
    found = live_streams(seen, letters[:count])
    assert found.dtype == torch.float32
    assert found.shape == (len(joints), count, 6, *joints.shape[2:])
    assert bits(found) == bits(plain_streams(seen, letters[:count]))


@pytest.mark.parametrize("last", [-0.0, math.nan, 1e-45, math.inf])
@pytest.mark.parametrize("at", [0, 5, 7])
def test_a_frame_that_is_not_all_zero_bits_is_live(at, last):
    joints = torch.zeros(1, 3, 8, 25, 2)
    joints[0, 1, at, 4, 1] = last
    seen = Seen(joints, NTU.centre, PARENTS)
    assert bits(live_streams(seen, "JVB")) == bits(plain_streams(seen, "JVB"))


def test_a_realistic_batch_has_the_same_bits_both_ways(goldens):
    raw = torch.from_numpy(np.load(goldens / "models/input_realistic_n4.npz")["raw"])
    for joints in (raw, raw[:, :, :20], raw[:, :, :3], raw[:1, :, :, :, :1], torch.zeros_like(raw)):
        seen = Seen(joints, NTU.centre, PARENTS)
        assert bits(live_streams(seen, "BVJ")) == bits(plain_streams(seen, "BVJ"))


@pytest.mark.parametrize("end", range(10))
def test_a_person_who_goes_early_is_not_followed_by_the_next_one(end):
    joints = torch.randn(2, 3, 9, 25, 2)
    joints[:, :, end:] = 0
    seen = Seen(joints, NTU.centre, PARENTS)
    assert bits(live_streams(seen, "JVB")) == bits(plain_streams(seen, "JVB"))


def test_they_lie_in_memory_as_efficientgcn_takes_them():
    found = build_streams(torch.randn(2, 3, 5, 25, 2), "JVB", NTU.centre, PARENTS)
    assert found.permute(1, 0, 5, 2, 3, 4).is_contiguous()


@pytest.mark.parametrize(
    ("letters", "live"), [("J", True), ("BVJ", True), ("j", False), (["J+V"], False), ("Jj", False)]
)
def test_only_j_v_and_b_are_made_of_live_frames(monkeypatch, letters, live):
    asked = []
    monkeypatch.setattr(module, "live_streams", lambda seen, letters: asked.append("live"))
    monkeypatch.setattr(module, "plain_streams", lambda seen, letters: asked.append("plain"))
    build_streams(torch.randn(1, 3, 5, 25, 2), letters, NTU.centre, PARENTS)
    assert asked == ["live" if live else "plain"]


# --- j, b, jm, bm

LAYOUTS = {"ntu3d": "ntu-pyskl", "coco2d": "coco-17", "openpose18": "openpose-18", "handmp": "hand-21"}
CHANNELS = {kind: ("x", "y", "z" if kind == "ntu3d" else "score") for kind in LAYOUTS}
SCORES = {kind: score_rule(CHANNELS[kind], layout) for kind, layout in LAYOUTS.items()}


def full_rate(clip, name, kind):
    """Return stream `name` of a whole clip (M, T, V, C), in the same form."""
    joints = torch.from_numpy(clip.astype(np.float32)).permute(3, 1, 2, 0)[None]
    frames = torch.arange(clip.shape[1])
    ahead = Ahead(joints[:, :, (frames + 1) % len(frames)], (frames + 1 < len(frames))[None])
    found = build_streams(joints, [name], 0, torch.tensor(load_layout(LAYOUTS[kind]).parents), ahead, SCORES[kind])
    return found[0, 0].permute(3, 1, 2, 0).numpy()


CASES = [f"ntu3d/{case}" for case in ("two_fp32", "two_fp16", "swap_fp16", "one_fp16", "zero_fp16")]
CASES += [f"coco2d/{case}" for case in ("one", "two", "three")] + ["openpose18", "handmp"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["j", "b", "jm", "bm", "j+b"])
def test_streams_at_full_rate_are_pyskls(shared, case, name):
    golden = np.load(shared / "goldens/stgcn/pipelines_pyskl.npz")
    key = f"{case}/feat_{name.replace('+', '')}"
    if key not in golden:  # j of openpose and hands; jb of 2D
        assert name in ("j", "j+b")
        return
    clip = golden[f"{case}/prenorm"] if f"{case}/prenorm" in golden else golden[f"{case}/raw"]
    found = full_rate(clip, name, case.partition("/")[0])
    assert found == pytest.approx(golden[key], abs=1e-6)


def test_the_score_of_a_bone_and_of_a_motion_is_a_mean_and_zero_in_the_last_frame():
    clip = np.zeros((1, 2, 17, 3), np.float32)
    clip[0, :, 1] = [[4, 0, 0.5], [6, 0, 0.9]]  # joint 1, whose bone starts from joint 0
    assert full_rate(clip, "b", "coco2d")[0, 0, 1].tolist() == [4, 0, 0.25]
    assert full_rate(clip, "jm", "coco2d")[0, :, 1].ravel().tolist() == pytest.approx([2, 0, 0.7, 0, 0, 0])
    assert full_rate(clip, "bm", "coco2d")[0, :, 1].ravel().tolist() == pytest.approx([2, 0, 0.35, 0, 0, 0])


def test_the_score_of_a_hands_motion_is_a_difference():
    assert [SCORES[kind] for kind in ("ntu3d", "coco2d", "handmp")] == ["none", "mean", "mean-of-bones"]


def test_motion_is_zero_where_there_is_no_next_frame_whatever_stands_there():
    joints = torch.randn(2, 3, 4, 25, 1)
    ahead = Ahead(torch.full_like(joints, torch.nan), torch.zeros(2, 4, dtype=torch.bool))
    assert not build_streams(joints, ["jm", "bm"], 1, PARENTS, ahead).any()


def test_an_absent_person_is_zero_in_the_streams_at_full_rate():
    joints = torch.randn(1, 3, 4, 25, 2)
    joints[..., 1] = 0
    ahead = Ahead(joints.roll(-1, dims=2), torch.ones(1, 4, dtype=torch.bool))
    assert not build_streams(joints, ["j", "b", "jm", "bm"], 1, PARENTS, ahead, "mean")[..., 1].any()


def test_joined_streams_are_one_stream_with_the_channels_of_all():
    joints = torch.randn(2, 3, 4, 25, 2)
    fused = build_streams(joints, ["j+b"], 1, PARENTS)
    assert fused.shape == (2, 1, 6, 4, 25, 2)
    apart = build_streams(joints, ["j", "b"], 1, PARENTS)
    assert torch.equal(fused.flatten(1, 2), apart.flatten(1, 2))


def test_streams_say_what_they_need():
    assert [look_ahead(names) for names in ("JVB", "jb", ["j+bm"], ["jm"])] == [False, False, True, True]
    assert stream_channels("JVB", 3) == 6
    assert stream_channels(["j", "bm"], 3) == 3
    assert stream_channels(["j+b+jm"], 3) == 9
    assert stream_channels(["j+b"], 2) == 4
    with pytest.raises(UserError, match="J, V and B are made of 3 channels, but the joints have 2"):
        stream_channels("JB", 2)
    with pytest.raises(UserError, match="all must have as many channels, but J has 6, j has 3"):
        stream_channels("Jj", 3)


# --- whole pipelines: normalise, sample, pad persons, make streams


def pipeline(clip, name, kind, clips):
    """Return what PYSKL's test pipeline gives of a normalised clip (M, T, V, C): (S, 2, 100, V, C)."""
    persons = np.zeros((2, *clip.shape[1:]), np.float32)
    persons[: len(clip)] = clip[:2]
    joints = torch.from_numpy(persons).permute(3, 1, 2, 0)  # (C, T, V, M)
    t = Uniform(100).test(torch.tensor([clip.shape[1]]), clips)[0]  # (S, L)
    exists = t + 1 < clip.shape[1]
    now, later = (joints[:, at].transpose(0, 1) for at in (t, torch.where(exists, t + 1, t)))  # (S, C, L, V, M)
    found = build_streams(
        now, [name], 0, torch.tensor(load_layout(LAYOUTS[kind]).parents), Ahead(later, exists), SCORES[kind]
    )
    return found[:, 0].permute(0, 4, 2, 3, 1).numpy()


@pytest.mark.parametrize("case", ["two_fp32", "two_fp16", "swap_fp16", "one_fp16"])
@pytest.mark.parametrize(("name", "clips"), [("j", 1), ("b", 1), ("jm", 1), ("bm", 1), ("bm", 10)])
def test_the_3d_pipeline_is_pyskls(shared, case, name, clips):
    golden = np.load(shared / "goldens/stgcn/pipelines_pyskl.npz")
    clip = prenormalize_3d(golden[f"ntu3d/{case}/raw"], centre=1, spine=(0, 1), shoulders=(4, 8))
    expected = golden[f"ntu3d/{case}/pipe_{name}_clips{clips}"]
    assert pipeline(clip, name, "ntu3d", clips) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("case", ["one", "two", "three"])
@pytest.mark.parametrize(("name", "clips"), [("j", 1), ("b", 1), ("jm", 1), ("bm", 1), ("j", 10)])
def test_the_2d_pipeline_is_pyskls(shared, case, name, clips):
    golden = np.load(shared / "goldens/stgcn/pipelines_pyskl.npz")
    raw, score, size = (golden[f"coco2d/{case}/{key}"] for key in ("raw_keypoint", "raw_score", "img_shape"))
    clip = prenormalize_2d(np.concatenate((raw, score[..., None]), -1), tuple(size), version="pyskl-0.3")
    expected = golden[f"coco2d/{case}/pipe_{name}_clips{clips}"]
    assert pipeline(clip, name, "coco2d", clips) == pytest.approx(expected, abs=1e-6)
