"""The synthetic data set: its text form, its people, and how hard it is for a classifier that only remembers."""

import re

import numpy as np
import pytest

from tools.make_skeletons import Take, main, plan, render
from tools.skeletons.actions import ACTIONS
from tools.skeletons.body import BONES, LEAVES
from tools.skeletons.sensor import CAMERA_DISTANCE_M, CAMERA_HEIGHT_M, look, record
from tools.skeletons.stage import LONGEST, SHORTEST, cast, perform
from utils.errors import UserError

NAMES = [action.name for action in ACTIONS]
TWO_PERSONS = {"pushing other person", "shaking hands"}


def parse(text):
    """Return the bodies of every frame as a list of (info (10,), joints (25, 12)), strictly by the form."""
    lines = iter(text.removesuffix("\n").split("\n"))
    frames = [[read_body(lines) for _ in range(int(next(lines)))] for _ in range(int(next(lines)))]
    assert next(lines, None) is None, "lines after the last frame"
    return frames


def read_body(lines):
    info = next(lines).split(" ")
    assert next(lines) == "25"
    return info, np.array([[float(field) for field in next(lines).split(" ")] for _ in range(25)])


def take_of(name, subject=1, repeat=1):
    return Take(subject, NAMES.index(name) + 1, repeat)


def views(subjects, cameras=(1, 2, 3)):
    """Yield (subject, action, noisy view) without the detour over text."""
    for take in plan(max(subjects), 1):
        if take.subject in subjects:
            motions = perform(1, take.subject, take.action, 1)
            for camera in cameras:
                rng = np.random.default_rng([take.subject, take.action, camera])
                yield take.subject, take.action, record(look(motions, camera), rng)


@pytest.fixture(scope="module")
def texts():
    """Every file of two subjects, name -> content."""
    return {name: text for take in plan(2, 1) for name, text in render(1, take)}


def test_same_seed_gives_same_bytes_and_another_seed_others():
    take = take_of("throw")
    assert list(render(1, take)) == list(render(1, take))
    assert not set(dict(render(1, take)).values()) & set(dict(render(2, take)).values())


def test_a_file_does_not_depend_on_the_others(tmp_path, texts):
    main([str(tmp_path), "--subjects", "1", "--repeats", "2"])
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(written) == 12 * 2 * 3
    shared = written.keys() & texts.keys()
    assert len(shared) == 12 * 3
    assert all(written[name] == texts[name].encode() for name in shared)


def test_names_and_counts_follow_the_form(texts):
    assert len(texts) == 2 * 12 * 3
    for name, text in texts.items():
        assert re.fullmatch(r"S001C00[1-3]P00[12]R001A0(0[1-9]|1[0-2])\.skeleton", name)
        assert SHORTEST <= len(parse(text)) <= LONGEST


def test_every_number_is_finite_and_plausible(texts):
    for text in texts.values():
        for info, joints in (body for frame in parse(text) for body in frame):
            assert len(info) == 10
            assert int(info[0]) > 2**56
            assert joints.shape == (25, 12)
            assert np.isfinite(joints).all()
            assert joints[:, 2].min() > 1.0  # in front of the camera
            assert set(joints[:, 11]) <= {1.0, 2.0}


def test_numbers_have_the_digits_of_a_float32(texts):
    joint_line = next(iter(texts.values())).split("\n")[-2]
    for field in joint_line.split(" "):
        assert f"{float(field):.7g}" == field


def test_colour_pixels_are_a_pinhole_projection(texts):
    body = next(frame for frame in parse(texts["S001C002P001R001A001.skeleton"]) if frame)[0][1]
    x, y, z = body[:, :3].T
    assert np.allclose(body[:, 5], 960 + 1060 * x / z, atol=1e-2)
    assert np.allclose(body[:, 6], 540 - 1060 * y / z, atol=1e-2)


def test_quaternions_point_the_bone_along_its_y_axis():
    view = look(perform(1, 1, 1, 1), camera=1)
    w, x, y, z = np.moveaxis(view.quaternions[0], -1, 0)  # (T, V) each
    direction = np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=-1)
    for joint, bone in BONES.items():
        if joint not in LEAVES:
            vector = view.joints[0, :, joint] - view.joints[0, :, bone.parent]
            vector /= np.linalg.norm(vector, axis=-1, keepdims=True)
            assert np.allclose(direction[:, joint], vector, atol=1e-6)
    assert not view.quaternions[:, :, LEAVES].any()


@pytest.mark.parametrize("name", NAMES)
def test_bones_keep_their_length(name):
    for motion in perform(1, 3, NAMES.index(name) + 1, 1):
        for joint, bone in BONES.items():
            lengths = np.linalg.norm(motion.joints[:, joint] - motion.joints[:, bone.parent], axis=-1)
            assert np.ptp(lengths) < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_feet_stay_on_the_floor_unless_the_action_is_a_jump(name):
    soles = np.min(
        [motion.joints[:, (15, 19), 1].min(axis=1) for motion in perform(1, 1, NAMES.index(name) + 1, 1)],
        axis=0,
    )
    assert soles.min() > 0
    assert (soles.max() > 0.2) == (name == "jump up")


def test_two_person_actions_have_two_bodies(texts):
    for name, text in texts.items():
        action = NAMES[int(name[17:20]) - 1]
        assert {len(frame) for frame in parse(text)} - {0} == {2 if action in TWO_PERSONS else 1}


def test_hands_meet_when_they_shake():
    actor, partner = perform(1, 1, NAMES.index("shaking hands") + 1, 1)
    distance = np.linalg.norm(actor.joints[:, 11] - partner.joints[:, 11], axis=-1)
    assert distance.min() < 0.2
    assert distance[0] > 0.4


def test_standing_up_is_sitting_down_in_reverse():
    down, up = (ACTIONS[NAMES.index(name)].script for name in ("sit down", "stand up"))
    assert up.start == down.steps[-1].pose
    assert up.backwards() == down
    hips = [perform(1, 1, NAMES.index(name) + 1, 1)[0].joints[:, 0, 1] for name in ("sit down", "stand up")]
    assert hips[0][0] - hips[0][-1] > 0.25
    assert hips[1][-1] - hips[1][0] > 0.25


def test_subjects_differ_in_size_speed_and_style():
    people = [cast(1, number) for number in range(1, 13)]
    for part in ("trunk", "arm", "leg", "width"):
        assert np.ptp([person.lengths[part] for person in people]) > 0.1
    assert np.ptp([person.tempo for person in people]) > 0.2
    assert np.ptp([person.amplitude for person in people]) > 0.1


@pytest.mark.parametrize(("subject", "side"), [(1, "right"), (3, "left")])
def test_left_handers_wave_with_the_left_hand(subject, side):
    joints = perform(1, subject, NAMES.index("hand waving") + 1, 1)[0].joints
    highest = {"left": joints[:, 7, 1].max(), "right": joints[:, 11, 1].max()}
    assert max(highest, key=highest.get) == side


def test_cameras_see_the_same_performance_turned():
    motions = perform(1, 4, 4, 1)
    middle = np.array([0.0, -CAMERA_HEIGHT_M, CAMERA_DISTANCE_M])
    left, front, right = (look(motions, camera).joints[0] - middle for camera in (1, 2, 3))
    c = np.sqrt(0.5)
    turn = np.array([[c, 0, c], [0, 1, 0], [-c, 0, c]])  # 45 degrees about the vertical
    assert np.allclose(front @ turn.T, right, atol=1e-9)
    assert np.allclose(left @ turn.T, front, atol=1e-9)


def test_noise_is_millimetres_and_hidden_joints_say_so():
    errors = {1: [], 2: []}
    for repeat in range(1, 9):
        perfect = look(perform(1, 1, 1, repeat), camera=2)
        seen = record(perfect, np.random.default_rng(repeat))
        error = np.linalg.norm(seen.joints - perfect.joints, axis=-1)
        for state, found in errors.items():
            found.extend(error[seen.states == state])
    assert 0.002 < np.mean(errors[2]) < 0.02
    assert np.mean(errors[1]) > 1.5 * np.mean(errors[2])
    assert len(errors[1]) < 0.05 * len(errors[2])


def test_some_clips_miss_frames_at_the_start_within_and_at_the_end():
    lost = [~view.found for *_, view in views(range(1, 5))]
    share = np.mean([frames.any() for frames in lost])
    assert 0.15 < share < 0.45
    assert any(frames[0] for frames in lost)
    assert any(frames[-1] for frames in lost)
    assert any(frames.any() and not frames[0] and not frames[-1] for frames in lost)
    assert max(frames.sum() for frames in lost) <= 3


def test_memory_of_raw_coordinates_does_not_solve_it():
    """1-NN over 32 frames, 8 subjects against 4: measured 0.41 to 0.51 with seeds 1 to 3 (chance 0.08)."""
    clips = [(subject, action, to_vector(view)) for subject, action, view in views(range(1, 13))]
    subjects, actions, vectors = (np.array(column) for column in zip(*clips))
    known = subjects <= 8
    nearest = [((vectors[known] - vector) ** 2).sum(axis=1).argmin() for vector in vectors[~known]]
    accuracy = (actions[known][nearest] == actions[~known]).mean()
    assert 0.1 < accuracy < 0.6


def to_vector(view):
    """Return 32 frames of two persons, (4800,) float32; an absent person is zero."""
    frames = np.linspace(0, len(view.found) - 1, 32).round().astype(int)
    vector = np.zeros((2, 32, 25, 3), np.float32)
    vector[: len(view.joints)] = (view.joints * view.found[:, None, None])[:, frames]
    return vector.ravel()


def test_class_names_are_the_actions_in_label_order(request):
    names = request.config.rootpath / "dataset" / "classes" / "demo.txt"
    assert names.read_text().splitlines() == NAMES


def test_a_second_run_completes_the_folder_and_leaves_what_is_there(tmp_path, capsys):
    out = tmp_path / "raw"
    main([str(out), "--subjects", "1"])
    gone, kept = sorted(out.iterdir())[:2]
    gone.unlink()
    (out / "unfinished.tmp").write_bytes(b"what a killed run left")
    before = kept.stat().st_mtime_ns
    assert main([str(out), "--subjects", "1"]) == 0
    assert "(1 written, 35 already there)" in capsys.readouterr().out
    assert kept.stat().st_mtime_ns == before
    assert len(list(out.iterdir())) == 36


@pytest.mark.parametrize("stranger", ["notes.txt", "S001C001P001R001A001.skeleton", "S001C001P009R001A001.skeleton"])
def test_a_folder_with_anything_else_is_refused_untouched(tmp_path, stranger):
    (tmp_path / stranger).write_text("1\n0\n")
    with pytest.raises(UserError, match=f"such as {re.escape(stranger)}; name a new folder"):
        main([str(tmp_path), "--subjects", "1"])
    assert [path.name for path in tmp_path.iterdir()] == [stranger]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="is a file"):
        main([str(tmp_path / "out")])
    with pytest.raises(UserError, match="cannot be read or written"):
        main([str(tmp_path / "out" / "deeper"), "--subjects", "1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--subjects", "0"], "--subjects: must be a whole number from 1 to 999, got '0'"),
        (["--repeats", "many"], "--repeats: must be a whole number from 1 to 999, got 'many'"),
        (["--seed", "-1"], "--seed"),
        (["--subject", "3"], "unrecognized arguments: --subject 3"),
    ],
)
def test_wrong_arguments_give_one_line(tmp_path, arguments, message):
    with pytest.raises(UserError) as caught:
        main([str(tmp_path / "out"), *arguments])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_folder_is_required():
    with pytest.raises(UserError, match="OUT"):
        main([])
