"""From raw skeletons to accuracy: toy sets of stick figures, through the tool and then by the commands that it prints."""

import json
import re
import shlex
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import yaml

import config
from dataset.layouts import load_layout
from tools import new_experiment
from tools.new_experiment import main
from tools.own.drafting import bone_costs, cheapest_tree, find_pairs, known_layout
from utils.errors import UserError

FIVE = ("pelvis", "chest", "head", "LeftHand", "RightHand")
ACTIONS = ("wave_right", "wave_left", "wave_both", "jump", "bow")
PAIRS = ("approach", "part", "greet", "bow")
SUBJECTS, TAKES = 8, 3


def body(root, lean, left, right, shoulders=0.2):
    """Return a stick figure (T, 15, 3) in metres, z up: its arms hang at angles `left` and `right`, it bows by `lean`."""
    zero = 0 * lean
    up = np.stack([np.sin(lean), zero, np.cos(lean)], -1)
    pelvis = root + np.array([0, 0, 1])
    chest = pelvis + 0.5 * up
    joints = [pelvis, chest, chest + 0.25 * up]
    for side, angle in ((1, left), (-1, right)):
        arm = np.stack([0.3 + zero, side * np.sin(angle), -np.cos(angle)], -1)
        shoulder = chest + np.array([0, side * shoulders, 0])
        joints += [shoulder, shoulder + 0.3 * arm, shoulder + 0.6 * arm]
    for side in (1, -1):
        joints += [pelvis + np.array([0, side * 0.15, height]) for height in (0, -0.5, -1)]
    return np.stack(joints, 1)


def stage(joints, rng, subject):
    """Return joints (..., 3) of somebody's size, somewhere in a room, with the noise of a sensor, as float32."""
    a, size = rng.uniform(-0.5, 0.5), 0.8 + 0.05 * subject
    turn = np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
    moved = size * joints @ turn + [*rng.uniform(-2, 2, 2), 0]
    return (moved + rng.normal(0, 0.01, joints.shape)).astype(np.float32)


def clock(rng):
    """Return the phases of 30 to 60 frames."""
    return rng.uniform(0, 2 * np.pi) + 0.4 * rng.uniform(0.8, 1.25) * np.arange(rng.integers(30, 60))


def one_person(action, subject, take):
    """Return (T, 5, 3)."""
    rng = np.random.default_rng([7, action, subject, take])
    t = clock(rng)
    wave, hang, still = 2.2 + 0.5 * np.sin(2 * t), 0.15 + 0 * t, 0 * t
    root = np.stack([still, still, 0.15 * abs(np.sin(t)) if action == 3 else still], -1)
    lean = 0.6 + 0.5 * np.sin(t) if action == 4 else still
    joints = body(root, lean, wave if action in (1, 2) else hang, wave if action in (0, 2) else hang, shoulders=0)
    return stage(joints[:, [0, 1, 2, 5, 8]], rng, subject)


def two_persons(action, subject, take):
    """Return (2, T, 15, 3): two who face each other."""
    rng = np.random.default_rng([8, action, subject, take])
    t = clock(rng)
    still, along = 0 * t, np.linspace(0, 1, len(t))
    apart = {0: 1.5 - along, 1: 0.5 + along}.get(action, 1 + still)
    lean = 0.6 + 0.5 * np.sin(t) if action == 3 else still
    right = 2.2 + 0.5 * np.sin(2 * t) if action == 2 else 0.15 + still
    me = body(np.stack([-apart, still, still], -1), lean, 0.15 + still, right)
    return stage(np.stack([me, me * [-1, -1, 1]]), rng, subject)


def write_toy(folder):
    """Write 120 clips as .csv with named columns, and the table that says who they are; return the folder."""
    header = ",".join(f"{joint}_{axis}" for joint in FIVE for axis in "xyz")
    rows = ["file,label,subject"]
    for action, subject, take in np.ndindex(len(ACTIONS), SUBJECTS, TAKES):
        file = folder / "clips" / f"{ACTIONS[action]}_{subject}_{take}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        joints = one_person(action, subject, take)
        np.savetxt(file, joints.reshape(len(joints), 15), "%.4f", ",", header=header, comments="")
        rows.append(f"clips/{file.name},{ACTIONS[action]},{subject}")
    (folder / "clips.csv").write_text("\n".join(rows))
    return folder


def write_pairs(folder, subjects=5):
    """Write 60 clips as .npz in folders of classes; return the folder."""
    for action, subject, take in np.ndindex(len(PAIRS), subjects, TAKES):
        file = folder / PAIRS[action] / f"{subject}_{take}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, keypoint=two_persons(action, subject, take))
    return folder


@pytest.fixture
def toy(tmp_path):
    return write_toy(tmp_path / "toy")


@pytest.fixture
def draft(tmp_path, capsys, monkeypatch):
    """Runs the tool into a folder of its own; returns the new yaml's path and what was said."""

    monkeypatch.setenv("GESTA_STORE", str(tmp_path / "parts"))

    def run(*arguments):
        folder = tmp_path / "configs"
        folder.mkdir(exist_ok=True)
        before = set(folder.iterdir())
        assert main([*map(str, arguments), "--configs", str(folder)]) == 0
        (new,) = set(folder.iterdir()) - before
        return new, capsys.readouterr().out

    return run


# --- from raw to accuracy


def commands_of(said):
    """Return the three commands that the tool prints, as main.py's arguments."""
    lines = [line.strip() for line in said.splitlines() if line.startswith("  python main.py")]
    assert len(lines) == 3
    return [shlex.split(line)[2:] for line in lines]


def go(said, command, folder, *overrides):
    """Run the three commands; return the last two top-1 accuracies: of the end of training, and of -e."""
    generate, train, evaluate = commands_of(said)
    changes = [word for override in overrides for word in ("--set", override)]
    place = ["--store", folder / "store", "-w", folder / "runs", *changes]
    told = [command(*generate, *place[:2], *changes), command(*train, *place), command(*evaluate, *place)]
    for result in told:
        assert result.returncode == 0, result.stderr
    return [
        float(re.findall(r"Top-1 accuracy: \d+/\d+\((.+?)%\)", result.stdout + result.stderr)[-1])
        for result in told[1:]
    ]


@pytest.mark.slow
def test_five_joints_from_raw_to_over_95_percent(toy, draft, command, tmp_path):
    _, said = draft(toy)
    for line in ("120 clips of 5 classes:", "  bow: 24", "joints: 5 of x y z, 0.0% missing", "subjects: 8"):
        assert line in said.splitlines()
    assert "units: metres, by a person's size; longest along z" in said
    assert "a quarter of the subjects evaluates" in said
    assert min(go(said, command, tmp_path, "train.epochs=24", "train.schedule.warmup_epochs=2")) > 95
    names = np.load(tmp_path / "store/toy/names.npy")
    sides = np.load(tmp_path / "store/toy/split_own.npy")
    subjects = np.load(tmp_path / "store/toy/column_subject.npy")
    assert len(names) == 120
    assert {subject for subject in range(8) if len(set(sides[subjects == subject])) > 1} == set()
    assert (sides == "eval").sum() == 30


@pytest.mark.slow
def test_two_persons_of_fifteen_joints_work_the_same(draft, command, tmp_path):
    _, said = draft(write_pairs(tmp_path / "pairs"))
    assert "joints: 15 of x y z" in said
    assert "persons: at most 2" in said
    assert "one person's clips may be on both sides" in said
    assert min(go(said, command, tmp_path, "input.frames=24")) > 95  # all 48 epochs: with 24, one seed in ten is short


# --- what is drafted


def test_a_draft_finds_the_bones_and_the_pairs(toy, draft):
    new, _ = draft(toy, "--number", "9123")
    layout = load_layout(str(toy / "layout.yaml"))
    assert layout.joints == FIVE
    assert {(FIVE[joint], FIVE[parent]) for joint, parent in layout.inward} == {
        ("pelvis", "chest"), ("head", "chest"), ("LeftHand", "chest"), ("RightHand", "chest"),
    }  # fmt: skip
    assert (layout.centre, layout.pairs, layout.units) == (1, ((3, 4),), "metres")
    assert len((toy / "layout.yaml").read_text().splitlines()) <= 10
    loaded = config.load(str(new))
    assert (loaded.number, loaded.data.parts, loaded.data.form) == ("9123", ("toy",), "own")
    assert loaded.data.split.group == "subject"
    assert loaded.input.frames == 40


def test_what_exists_is_used_and_not_overwritten(toy, draft):
    first, _ = draft(toy)
    mine = (toy / "layout.yaml").read_text().replace('centre: "chest"', "centre: pelvis")
    assert "centre: pelvis" in mine
    (toy / "layout.yaml").write_text(mine)
    second, said = draft(toy)
    assert (first.stem, second.stem) == ("9001", "9002")
    assert (toy / "layout.yaml").read_text() == mine
    assert f"layout: {toy / 'layout.yaml'}, as given" in said
    with pytest.raises(UserError, match="9002.yaml: exists and is not overwritten; give another --number"):
        draft(toy, "--number", "9002")


@pytest.mark.parametrize("seed", range(5))
def test_joints_that_keep_their_distance_are_bones(seed):
    """Whatever tree the bones make: rigid, turning at random, seen with noise."""
    rng = np.random.default_rng(seed)
    parents = [0, *(int(rng.integers(max(0, v - 3), v)) for v in range(1, 15))]
    people = []
    for _ in range(8):
        joints = np.zeros((40, 15, 3))
        for v in range(1, 15):
            way = rng.normal(size=(40, 3))
            way *= (0.1 + 0.02 * v) / np.linalg.norm(way, axis=-1, keepdims=True)
            joints[:, v] = joints[:, parents[v]] + way
        people.append((joints + 1 + rng.normal(0, 0.005, joints.shape)).astype(np.float32))
    cost, centre = bone_costs(people)
    edges = {frozenset(edge) for edge in cheapest_tree(cost, centre)}
    assert edges == {frozenset((v, parents[v])) for v in range(1, 15)}


def test_bones_of_a_long_recording_take_no_more_memory_than_of_a_short_one():
    person = one_person(0, 0, 0)
    tracemalloc.start()
    bone_costs([np.concatenate([person] * 1000)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6  # all of its pairs would take more than 20 MB


def test_joints_that_are_missing_do_not_count():
    people = [one_person(take % 5, take, take) for take in range(10)]
    whole, centre = bone_costs(people)
    for person in people:
        person[::3, 4] = 0
    holes, same = bone_costs(people)
    assert (centre, cheapest_tree(whole, centre)) == (same, cheapest_tree(holes, same))
    people = [np.where(np.arange(5)[:, None] == 4, 0, person) for person in people]  # never there at all
    assert len(cheapest_tree(*bone_costs(people))) == 4


@pytest.mark.parametrize(
    ("data", "layout"), [("nw-ucla", "ucla-20"), ("utd-mhad", "utd-20")], ids=["NW-UCLA", "UTD-MHAD"]
)
def test_real_skeletons_are_recognised_by_their_bones(shared, data, layout):
    from reader import READERS

    reader = READERS["ucla" if data == "nw-ucla" else "utd"]()
    sources = reader.scan([shared / "data" / data], data).sources[::40]
    people = [clip.joints[0].astype(np.float32) for source in sources for clip in reader.read(source)]
    cost, centre = bone_costs(people)
    assert known_layout((), cost, cheapest_tree(cost, centre)).name == layout
    order = np.random.default_rng(0).permutation(20)
    cost, centre = bone_costs([person[:, order] for person in people])
    assert known_layout((), cost, cheapest_tree(cost, centre)) is None


def test_joints_called_as_in_a_known_layout_are_that_one(tmp_path, draft):
    joints = load_layout("ucla-20").joints[::-1]  # in another order
    header = ",".join(f"{joint}_{axis}" for joint in joints for axis in "xyz")
    clip = np.random.default_rng(0).normal(size=(20, 60))
    for name in ("a", "b"):
        (tmp_path / "raw" / name).mkdir(parents=True)
        for k in range(3):
            np.savetxt(tmp_path / "raw" / name / f"{k}.csv", clip, "%.3f", ",", header=header, comments="")
    new, said = draft(tmp_path / "raw")
    assert config.load(str(new)).data.layout == "ucla-20"
    assert not (tmp_path / "raw/layout.yaml").exists()
    assert "layout: ucla-20, for it has the same names" in said


def test_pixels_with_a_score_and_the_table_s_own_split(tmp_path, draft):
    rng = np.random.default_rng(0)
    rows = ["file,label,split"]
    for k in range(6):
        np.save(
            tmp_path / f"{k}.npy", np.concatenate([rng.uniform(0, 640, (9, 7, 2)), rng.uniform(size=(9, 7, 1))], -1)
        )
        rows.append(f"{k}.npy,{k % 2},{('train', 'train', 'train', 'train', 'val', 'test')[k]}")
    (tmp_path / "clips.tsv").write_text("\n".join(rows).replace(",", "\t"))
    new, said = draft(tmp_path / "clips.tsv")
    loaded = config.load(str(new))
    assert loaded.data.channels == "xys"
    assert (loaded.data.split.column, loaded.data.split.train) == ("split", ("train",))
    assert (loaded.input.frames, loaded.train.batch_size) == (16, 1)
    assert [each.name for each in loaded.input.augment] == ["scale", "shift"]
    assert "units: pixels" in said
    assert "by the table's column split: train trains, test, val evaluates" in said
    assert yaml.safe_load((tmp_path / "layout.yaml").read_text())["joints"] == [f"j{v}" for v in range(7)]


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (("l_hand", "r_hand", "head"), [("l_hand", "r_hand")]),
        (("RHand", "LHand", "HandLeft", "HandRight"), [("LHand", "RHand"), ("HandLeft", "HandRight")]),
        (("left knee", "right knee", "leftover"), [("left knee", "right knee")]),
        (("hip", "left_foot"), []),
    ],
)
def test_pairs_by_name(names, pairs):
    assert find_pairs(names) == pairs


def test_a_part_gets_a_name_that_no_experiment_and_no_store_has(tmp_path, draft):
    first, said = draft(clips(tmp_path / "set", one_person(0, 0, 0)))
    assert config.load(str(first)).data.parts == ("set",)
    assert "part: set" in said.splitlines()
    second, said = draft(clips(tmp_path / "other/set", one_person(1, 0, 0)))
    assert config.load(str(second)).data.parts == ("set-2",)
    assert f"part: set-2, for {first} has set; if it is the same data, `parts: [set]` shares it" in said.splitlines()
    (tmp_path / "parts/set-3").mkdir(parents=True)
    third, _ = draft(clips(tmp_path / "third/set", one_person(2, 0, 0)))
    assert config.load(str(third)).data.parts == ("set-4",)
    published, said = draft(clips(tmp_path / "nw-ucla", one_person(3, 0, 0)))  # of configs/base
    assert config.load(str(published)).data.parts == ("nw-ucla-2",)
    assert "has nw-ucla;" in said
    (tmp_path / "configs/9000.yaml").write_text("data: [")
    with pytest.raises(UserError, match="9000.yaml: no configuration .*; mend or remove it"):
        draft(tmp_path / "set")


def test_clips_are_measured_and_not_their_files(tmp_path, draft):
    """Windows of 30 frames of files of 60; a window that is not there is refused alone."""
    rows = ["file,label,start,end"]
    for k in range(4):
        np.save(tmp_path / f"{k}.npy", np.random.default_rng(k).normal(size=(60, 5, 3)))
        rows += [f"{k}.npy,{k % 2},0,30", f"{k}.npy,{k % 2},30,60"]
    (tmp_path / "clips.csv").write_text("\n".join([*rows, "0.npy,0,50,70"]))
    new, said = draft(tmp_path)
    assert "frames: 30 to 30, median 30 (8 clips looked at)" in said
    assert f"cannot be read: {tmp_path / '0.npy'}: has 60 frames, but the table wants 50 to 70" in said
    assert config.load(str(new)).input.frames == 32


def test_memory_does_not_grow_with_the_number_of_long_recordings(tmp_path, draft, monkeypatch):
    monkeypatch.setattr("tools.own.inspection.KEPT", 1000)
    joints = np.random.default_rng(0).normal(size=(8000, 5, 3))  # 1 MB
    peaks = []
    for count in (1, 4):
        folder = clips(tmp_path / str(count), *[joints] * count)
        tracemalloc.start()
        draft(folder)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + joints.nbytes


def test_what_a_third_number_is_is_looked_for_in_all_files_and_said(tmp_path, draft):
    rng = np.random.default_rng(0)
    pixels = np.concatenate([rng.uniform(0, 640, (9, 7, 2)), rng.uniform(size=(9, 7, 1))], -1)
    new, said = draft(clips(tmp_path / "score", pixels, pixels / [1, 1, 2]))
    assert config.load(str(new)).data.channels == "xys"
    assert "beside pixels: taken for a score; if it is z, data.channels: xyz; CHECK by hand: look at a file" in said
    new, said = draft(clips(tmp_path / "depth", pixels, pixels * [1, 1, 40]))  # the first file alone looks like scores
    assert config.load(str(new)).data.channels == "xyz"
    assert "taken for z; if it is a score, data.channels: xys; CHECK by hand" in said


@pytest.mark.parametrize("known", [True, False])
def test_pixels_are_scaled_to_the_picture_where_its_size_is_known(tmp_path, draft, known):
    rows = ["file,label,height,width"]
    for k in range(6):
        np.save(tmp_path / f"{k}.npy", np.random.default_rng(k).uniform(0, 480, (9, 7, 2)))
        rows.append(f"{k}.npy,{k % 2},480,{640 if known or k else ''}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    new, said = draft(tmp_path)
    loaded = config.load(str(new))
    assert loaded.data.variant == ("prenormalized-2d" if known else "original")
    if known:
        assert "variant: prenormalized-2d, for these are pixels of pictures of known height and width" in said
        assert 0.2 < loaded.input.augment[1].distance < 1  # in units of half a picture
    else:
        assert "variant: original; CHECK by hand: a network learns little from raw pixels." in said


def test_a_file_without_anybody_is_refused_alone(tmp_path, draft):
    folder = clips(tmp_path / "raw", one_person(0, 0, 0), one_person(0, 0, 1))
    (folder / "a/none.json").write_text("[[], [], []]")
    _, said = draft(folder)
    assert f"cannot be read: {folder / 'a/none.json'}: nobody is in any of its 3 frames; remove it" in said
    assert "joints: 5 of x y z" in said


# --- what is refused


def test_the_advice_is_a_command_of_this_tool(tmp_path, draft):
    for name in ("a.csv", "b.csv", "c.tsv"):
        (tmp_path / name).write_text("file,label".replace(",", "\t" if name[-3:] == "tsv" else ","))
    words = f"3 tables of clips (a.csv, b.csv, c.tsv); give one: python -m tools.new_experiment {tmp_path / 'a.csv'}"
    with pytest.raises(UserError, match=re.escape(words)):
        draft(tmp_path)


def test_a_disk_that_is_full_leaves_nothing(toy, draft, monkeypatch):
    write = new_experiment.write_atomic

    def fail(path, content):
        if path.name == "9001.yaml":
            raise OSError(28, "No space left on device", str(path) + ".tmp")
        write(path, content)

    monkeypatch.setattr(new_experiment, "write_atomic", fail)
    with pytest.raises(UserError, match="9001.yaml: cannot be written .No space left on device.; make room"):
        draft(toy)
    assert not (toy / "layout.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "gone: no such file or folder; give the folder of classes, or the table"),
        ([".", "--number", "1"], "--number 1: must be a number of four digits"),
        ([".", "--persons", "0"], "--persons 0: must be at least 1"),
        ([".", "--configs", "gone"], "--configs gone: no such folder"),
        ([".", "--layout", "cocoo-17"], "layout 'cocoo-17': no such layout; nearest are coco-17"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(UserError, match=re.escape(message)):
        main(arguments)


def clips(folder, *arrays):
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for k, array in enumerate(arrays):
            np.save(folder / name / f"{k}.npy", array)
    return folder


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([np.ones((4, 5, 3)), np.ones((4, 6, 3))], "6 joints of 3 numbers, but .* has 5 of 3; all clips of a data set"),
        ([np.ones((4, 15))], "15 numbers a frame, of how many joints\\? give --layout"),
        ([np.ones((60, 2, 5, 3))], r"60 persons in \(60, 2, 5, 3\)\? \(M, T, V, C\) is expected: save"),
        ([np.ones((4, 5, 7))], "7 numbers for each of 5 joints; x y, x y z or x y score"),
        ([np.ones(4)], r"an array \(4,\); save \(T, V, C\), \(M, T, V, C\) or"),
        ([np.zeros((4, 5, 3))], "none of its clips can be used, for .*nothing to learn from"),
        ([np.array([{}])], "none of its clips can be read, for .*holds pickled objects"),
    ],
)
def test_data_that_no_experiment_can_be_made_of(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message):
        main([str(clips(tmp_path, *arrays)), "--configs", str(tmp_path)])
    assert not list(tmp_path.glob("*.yaml"))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a_x,a_y,b_x,b_y,c_x", "5 numbers a frame are not as many for each of the 3 joints that its first line names"),
        ("left,right", "2 numbers a frame are not as many for each of the 0 joints"),
    ],
)
def test_columns_that_are_not_as_many_for_each_joint(tmp_path, header, message):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.csv").write_text(f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    with pytest.raises(UserError, match=message):
        main([str(tmp_path), "--configs", str(tmp_path)])


def test_flat_rows_are_read_with_a_layout(tmp_path, draft):
    (tmp_path / "raw").mkdir()
    new, said = draft(clips(tmp_path / "raw", np.random.default_rng(0).normal(size=(4, 34))), "--layout", "coco-17")
    assert config.load(str(new)).data.channels == "xy"
    assert "joints: 17 of x y" in said


def test_a_layout_with_a_loop_is_one_line(toy, tmp_path, command, draft):
    new, _ = draft(toy)
    loop = tmp_path / "loop.yaml"
    loop.write_text(json.dumps({"joints": list(FIVE), "edges": [["pelvis", "chest"], ["chest", "head"], ["head", "pelvis"], ["LeftHand", "chest"], ["RightHand", "chest"]]}))  # fmt: skip
    result = command("-c", new, "-gd", "--raw", toy, "--store", tmp_path / "store", "--set", f"data.layout={loop}")
    assert result.returncode == 2
    assert result.stderr.startswith(f"{loop}: ")
    assert "the parents go round in a loop" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (Path(tmp_path) / "store/toy").exists()
