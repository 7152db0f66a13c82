"""A clip's skeletons on paper."""

import dataclasses

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.text import Text
from PIL import Image

from visualizer.findings import Shown
from visualizer.paper import skeleton
from visualizer.paper.canvas import style
from visualizer.view import bones


def standing(findings, joints, activation=None):
    """Return findings that show one clip: of the class that the first clip is of."""
    true = int(findings.labels[0])
    shown = Shown(
        0, joints.astype(np.float32), np.arange(joints.shape[1]) * 2, {} if activation is None else {true: activation}
    )
    return dataclasses.replace(findings, shown=[shown])


def drawn(findings, frames=(), class_=None):
    with style():
        found = skeleton.scene(findings, findings.shown[0], class_)
        return found, skeleton.draw(found, frames)


def bodies(ax):
    """Return the bones and joints of each person on an axes."""
    parts = zip(ax.findobj(LineCollection), ax.findobj(PathCollection), strict=True)
    return [(bones, joints) for bones, joints in parts if np.isfinite(joints.get_offsets()).any()]


@pytest.mark.parametrize("dims", [2, 3])
def test_a_body_stands_upright(make_findings, dims):
    findings = make_findings(dims=dims, shown=1)
    found, figure = drawn(findings, [0])
    names = findings.layout.joints
    offsets = found.points[0, 0]
    head, ankle = ("head", "left_ankle") if dims == 3 else ("nose", "left_ankle")
    assert offsets[names.index(head), 1] > offsets[names.index(ankle), 1]
    (_, joints), *_ = bodies(figure.axes[0])
    shown = sorted(map(tuple, np.asarray(joints.get_offsets()).tolist()))
    assert shown == sorted(map(tuple, offsets.astype(float).tolist()))
    assert (found.near is None) == (dims == 2)


def test_frames_are_those_asked_for(make_findings):
    findings = make_findings(shown=1)
    findings = dataclasses.replace(
        findings, shown=[dataclasses.replace(findings.shown[0], frames=3 * findings.shown[0].frames)]
    )
    _, figure = drawn(findings, [4, 1])
    said = [text.get_text() for text in figure.findobj(Text) if text.get_text().startswith("frame")]
    assert said == ["frame 12", "frame 3"]
    _, figure = drawn(findings)
    assert len([text for text in figure.findobj(Text) if text.get_text().startswith("frame")]) == 6


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_clips_have_fewer_pictures(make_findings, frames):
    findings = make_findings(shown=1)
    joints = findings.shown[0].joints[:, :frames]
    _, figure = drawn(standing(findings, joints))
    assert sum(bool(bodies(ax)) for ax in figure.axes) == frames


def test_only_persons_who_are_there_are_drawn(make_findings):
    findings = make_findings(shown=1)
    first = findings.shown[0].joints[:1]
    together = np.concatenate([first, first + np.float32([1, 0, 0]), np.zeros_like(first)])
    together[1, :3] = 0  # comes later
    found, figure = drawn(standing(findings, together), [0, 5])
    assert len(found.points) == 2
    assert [len(bodies(ax)) for ax in figure.axes[:2]] == [1, 2]


def test_a_joint_that_was_not_found_is_not_drawn(make_findings):
    findings = make_findings(dims=2, shown=1)
    joints = findings.shown[0].joints[:1].copy()
    joints[0, :, 9] = 0
    found, _ = drawn(standing(findings, joints), [0])
    assert np.isnan(found.points[0, :, 9]).all()
    assert np.isfinite(np.delete(found.points, 9, axis=2)).all()


def test_a_clip_in_which_nobody_is(make_findings):
    findings = make_findings(shown=1)
    found, figure = drawn(standing(findings, np.zeros((2, 4, 25, 3)), np.ones((2, 4, 25))))
    assert np.isnan(found.points).all()
    assert not found.values.any()
    figure.canvas.draw()


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_map_without_activation_is_drawn_plainly(make_findings, value):
    findings = make_findings(shown=1)
    joints = findings.shown[0].joints[:1]
    found, figure = drawn(standing(findings, joints, np.full(joints.shape[:3], value)), [0])
    assert not found.values.any()
    (_, drawn_joints), *_ = bodies(figure.axes[0])
    assert len(np.unique(drawn_joints.get_facecolor(), axis=0)) == 1


def test_the_joint_of_the_highest_activation_is_the_largest_and_darkest(make_findings):
    findings = make_findings(shown=1)
    joints = findings.shown[0].joints[:1]
    activation = np.zeros(joints.shape[:3])
    activation[0, :, 3], activation[0, :, 7] = 8, 4
    found, figure = drawn(standing(findings, joints, activation), [0])
    assert found.values[0, 0, [3, 7, 0]].tolist() == [1, 0.5, 0]
    (_, shown), *_ = bodies(figure.axes[0])
    highest = np.argmax(shown.get_sizes())
    assert np.asarray(shown.get_offsets())[highest] == pytest.approx(found.points[0, 0, 3])
    assert shown.get_facecolor()[:, :3].sum(axis=1).argmin() == highest


def test_activation_is_of_the_true_class_or_the_one_asked_for(make_findings):
    findings = make_findings(shown=1)
    clip = findings.shown[0]
    true, predicted = int(findings.labels[clip.index]), int(findings.predicted[clip.index])
    assert true != predicted
    for asked, seen in ((None, true), (predicted, predicted)):
        found, _ = drawn(findings, [0], asked)
        assert found.told.endswith(f"activation of {findings.classes[seen]}")
        np.testing.assert_allclose(found.values.max(), 1)
    unlabelled = dataclasses.replace(findings, labels=np.full(40, -1))
    assert drawn(unlabelled)[0].told.endswith(f"activation of {findings.classes[predicted]}")


def test_a_network_without_maps(make_findings):
    findings = make_findings(shown=1)
    found, figure = drawn(standing(findings, findings.shown[0].joints))
    assert found.values is None
    assert "activation" not in found.told
    assert not any("highest" in text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize(("frames", "pictures", "milliseconds"), [(1, 1, 50), (7, 7, 50), (130, 65, 100)])
def test_a_gif_moves_through_the_whole_clip(make_findings, tmp_path, frames, pictures, milliseconds):
    findings = make_findings(shown=1)
    joints = np.resize(findings.shown[0].joints[:1], (1, frames, 25, 3)) + np.linspace(0, 1, frames)[:, None, None]
    with style():
        found = skeleton.scene(standing(findings, joints), standing(findings, joints).shown[0], None)
        path = skeleton.write_gif(found, tmp_path / "clip.gif")
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == pictures
        if frames > 1:
            assert image.info["duration"] == milliseconds
            assert image.info["loop"] == 0


def test_bones_join_their_joints_and_near_joints_are_drawn_last(make_findings):
    findings = make_findings(persons=1, shown=1)
    found, figure = drawn(findings, [4])
    ((bones_, joints),) = bodies(figure.axes[0])
    points, near = found.points[0, 4].astype(float), found.near[0, 4]
    ends = {tuple(map(tuple, segment)) for segment in np.round(bones_.get_segments(), 5).tolist()}
    assert ends == {tuple(map(tuple, np.round(points[list(pair)], 5).tolist())) for pair in bones(findings.layout)}
    order = np.argsort(near, kind="stable")
    np.testing.assert_allclose(np.asarray(joints.get_offsets()), points[order], atol=1e-6)
    assert len(np.unique(bones_.get_color(), axis=0)) > 5  # near bones are darker


def test_padding_says_nothing_of_the_activation(make_findings):
    findings = make_findings(shown=1)
    first = findings.shown[0].joints[:1]
    joints = np.concatenate([first, np.zeros_like(first)])
    activation = np.ones(joints.shape[:3])
    activation[1] = 100  # of nobody
    found, _ = drawn(standing(findings, joints, activation), [0])
    assert (found.values == 1).all() and len(found.values) == 1


def test_pictures_are_of_frames_in_which_somebody_is(make_findings):
    findings = make_findings(shown=1)
    joints = findings.shown[0].joints[:1, :30].copy()
    joints[:, 5:20] = 0
    _, figure = drawn(standing(findings, joints))
    assert sum(bool(bodies(ax)) for ax in figure.axes) == 6


def test_the_skeleton_in_a_gif_moves(make_findings, tmp_path):
    findings = make_findings(shown=1)
    with style():
        path = skeleton.write_gif(skeleton.scene(findings, findings.shown[0], None), tmp_path / "clip.gif")
    with Image.open(path) as image:
        pictures = []
        for number in (0, image.n_frames // 2):
            image.seek(number)
            pictures.append(np.asarray(image.convert("L"), int)[: -image.height // 20])  # above the line that grows
    assert (abs(pictures[0] - pictures[1]) > 60).mean() > 0.002
