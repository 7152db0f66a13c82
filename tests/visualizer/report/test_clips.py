import base64
from dataclasses import replace

import numpy as np
import pytest

from visualizer.report.clips import ABSENT, FRAMES, STEPS, clips
from visualizer.view import axes, present, turned


def decode(text, kind, shape):
    return np.frombuffer(base64.b64decode(text), kind).reshape(shape)


@pytest.mark.parametrize("dims", [2, 3])
def test_points_are_the_joints_to_a_step(make_findings, dims):
    found = make_findings(dims=dims)
    for shown, clip in zip(found.shown, clips(found), strict=True):
        there, whole = present(shown.joints, found), turned(shown.joints, axes(found))
        points = decode(clip["points"], "<i2", clip["shape"])
        assert (points[~there] == ABSENT).all() and (points[there] >= -STEPS).all()
        low, high = whole[there].min(axis=0), whole[there].max(axis=0)
        radius = (high - low).max() / 2
        np.testing.assert_allclose(points[there] / STEPS * radius + (low + high) / 2, whole[there], atol=radius / STEPS)
        np.testing.assert_allclose(clip["extent"], (high - low) / 2 / radius, atol=1e-4)


def test_levels_are_shares_of_the_clips_highest_over_both_classes(make_findings):
    shown = make_findings().shown[0]
    first, second = shown.activation.values()
    clip = clips(replace(make_findings(), shown=[shown]))[0]
    there = present(shown.joints, make_findings())
    highest = max(first[there].max(), second[there].max())
    for activation, view in zip(
        (first, second), sorted(clip["views"], key=lambda view: view["role"] != "true"), strict=True
    ):
        expected = np.where(there, 255 * np.maximum(activation, 0) / highest, 0)
        assert abs(decode(view["levels"], "u1", there.shape) - expected).max() <= 0.5 + 1e-4


def test_views_say_whose_they_are(make_findings):
    found = make_findings()
    wrong, right = found.shown[0], found.shown[-1]
    asked = replace(right, activation={**right.activation, 4: next(iter(right.activation.values()))})
    roles = [[view["role"] for view in clip["views"]] for clip in clips(replace(found, shown=[wrong, right, asked]))]
    assert roles == [["predicted", "true"], ["predicted and true"], ["predicted and true", "asked for"]]


def test_long_clips_are_thinned_and_say_so(make_findings):
    found = make_findings(clips=1)
    shown, times = found.shown[0], 6
    long = replace(
        shown,
        joints=np.repeat(shown.joints, times, axis=1),
        frames=np.arange(len(shown.frames) * times),
        activation={k: np.repeat(each, times, axis=1) for k, each in shown.activation.items()},
    )
    clip = clips(replace(found, shown=[long]))[0]
    assert clip["step"] == -(-len(long.frames) // FRAMES) > 1
    assert clip["frames"] == list(range(0, len(long.frames), clip["step"]))
    assert clip["shape"][1] == len(clip["frames"]) <= FRAMES
    assert len(decode(clip["views"][0]["levels"], "u1", -1)) == np.prod(clip["shape"][:3])


def test_a_clip_without_anybody_is_one(make_findings):
    found = make_findings(clips=1)
    shown = replace(found.shown[0], joints=np.zeros_like(found.shown[0].joints))
    clip = clips(replace(found, shown=[shown], labels=np.array([-1])))[0]
    assert (decode(clip["points"], "<i2", -1) == ABSENT).all()
    assert (clip["persons"], clip["true"], clip["extent"]) == ([], None, [0, 0, 0])
    assert not decode(clip["views"][0]["levels"], "u1", -1).any()
