"""The doctor: every defect is planted once in a sound store, and the sound one passes."""

import json
import shutil
from itertools import product

import numpy as np
import pytest

from dataset.packing import COUNT, ROW
from dataset.store import MANIFEST, SPLIT
from tests.reader.dlc_form import POINTS, names_of, walk, write_csv
from tools import make_skeletons
from tools.doctor.__main__ import counted, main
from tools.doctor.surroundings import fits
from utils.files import checksum

SUBJECTS = (1, 2, 9)  # the demo's 9 evaluates
TINY = (
    "model.stem_channels=8",
    "model.blocks=[[16,1,0.5],[16,2,1]]",
    "model.fusion_stage=1",
    "train.batch_size=6",
)


@pytest.fixture(scope="session")
def sound(tmp_path_factory, generate):
    """A store with part demo: 12 actions by 3 subjects, before 3 cameras."""
    folder = tmp_path_factory.mktemp("doctor")
    takes = [take for take in make_skeletons.plan(12, 1) if take.subject in SUBJECTS]
    make_skeletons.write(folder / "raw", 1, takes)
    generate("0001", folder / "store", folder / "raw")
    return folder / "store"


@pytest.fixture
def store(sound, tmp_path):
    """A copy to plant defects in."""
    shutil.copytree(sound, tmp_path / "store")
    return tmp_path / "store"


def plant(store, path, change):
    """Change an array of part demo in place, or into what `change` returns, and make the checksums agree."""
    file = store / "demo" / path
    array = np.load(file)
    changed = change(array)
    np.save(file, array if changed is None else changed)
    retouch(file.parent, lambda manifest: manifest["files"].update({file.name: checksum(file)}))


def retouch(folder, change):
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.fixture
def examine(capsys):
    """Runs the doctor on experiment 0001; returns the exit code and the findings that are not ok, by check."""

    def run(store, *arguments, what="0001"):
        code = main([what, "--store", str(store), "--json", "-g", "cpu", *arguments])
        found = json.loads(capsys.readouterr().out)
        assert all(each["remedy"] for each in found if each["level"] in ("warning", "error"))
        return code, found

    return run


def only(found, check, level):
    """Return what the one finding of that check and level says."""
    matching = [each["what"] for each in found if (each["check"], each["level"]) == (check, level)]
    assert len(matching) == 1, found
    return matching[0]


def joints_of(store, change):
    """Plant a change of all rows (R, V, C)."""
    plant(store, "original/coordinates.npy", change)


def rows_of(store, clip):
    spans = np.load(store / "demo/original/spans.npy")[clip]
    return slice(spans[:, ROW].min(), spans[:, ROW].min() + spans[:, COUNT].sum())


def first_clip(store, subject, label):
    found = (np.load(store / "demo/column_subject.npy") == subject) & (np.load(store / "demo/labels.npy") == label)
    return found.argmax()


def test_a_sound_store_passes_and_a_step_is_timed(sound, examine):
    code, found = examine(sound, *(word for each in TINY for word in ("--set", each)))
    assert code == 0
    assert [each for each in found if each["level"] in ("warning", "error")] == []
    checks = {each["check"]: each for each in found}
    assert {"packages", "device", "disk", "config", "part", "lengths", "persons", "layout", "numbers"} <= checks.keys()
    assert {"joints", "motion", "scale", "left/right", "mirrored", "splits", "classes", "duplicates"} <= checks.keys()
    assert {"frames", "network", "memory"} <= checks.keys()
    assert checks["splits"]["figures"] == {"train": 72, "eval": 36}
    assert set(checks["classes"]["figures"].values()) == {6}
    time = checks["time"]["figures"]
    assert time["steps"] == 12 and time["epoch_s"] == pytest.approx(12 * time["step_s"])


def test_the_text_shows_bars_and_a_verdict(sound, capsys):
    assert main(["0001", "--store", str(sound), "--no-timing", "-g", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok      part        ") and "108 clips" in line for line in lines)
    assert any(line.strip().startswith("1  ####") for line in lines)  # persons
    assert not any(line.startswith("ok      time") for line in lines)
    assert lines[-1].endswith("nothing speaks against a run")


def test_a_part_is_looked_at_without_an_experiment(sound, examine):
    by_name, found = examine(sound, what="demo")
    assert by_name == 0 and only(found, "classes", "ok").startswith("12 classes, with 9 to 9 clips")
    by_path, again = examine(sound, what=str(sound / "demo"))
    said = [[each["what"] for each in these if each["check"] != "disk"] for these in (found, again)]
    assert by_path == 0 and said[0] == said[1]  # others write on the disk meanwhile
    assert not {"config", "network", "time"} & {each["check"] for each in found}


# --- parts


def test_a_damaged_file_is_an_error(store, examine):
    file = store / "demo/original/coordinates.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    code, found = examine(store)
    assert code == 1 and "altered or damaged" in only(found, "part", "error")


def test_a_missing_part_or_variant_is_an_error(store, examine):
    code, found = examine(store, "--set", "data.variant=transformed")
    assert code == 1 and "not generated yet (the part has original)" in only(found, "part", "error")
    shutil.rmtree(store / "demo")
    code, found = examine(store)
    assert code == 1 and "not generated yet" in only(found, "part", "error")


def test_refused_sources_are_told(store, examine):
    refusal = {"source": "S001.skeleton", "reason": "S001.skeleton: is empty"}
    retouch(store / "demo", lambda manifest: manifest["refused"].extend([refusal] * 5))
    code, found = examine(store, "--no-timing")
    assert code == 0 and only(found, "sources", "warning") == "5 of 108 sources were refused"


def test_rows_that_do_not_fit_their_layout_are_an_error(store, examine):
    retouch(store / "demo", lambda manifest: manifest.update(layout="ucla-20"))
    code, found = examine(store)
    whats = [each["what"] for each in found if each["check"] == "layout" and each["level"] == "error"]
    assert code == 1 and len(whats) == 2
    assert "ucla-20 with x, y, z has (20, 3)" in whats[0] and "the experiment reads ntu" in whats[1]


def test_a_layout_that_is_gone_is_an_error(store, examine):
    retouch(store / "demo", lambda manifest: manifest.update(layout="gone.yaml"))
    code, found = examine(store)
    assert code == 1 and "gone.yaml: cannot be read" in only(found, "part", "error")


def test_clips_of_one_frame_and_of_nobody_are_told(store, examine):
    plant(store, "original/frames.npy", lambda frames: frames.__setitem__(slice(2), 1))
    plant(store, "original/spans.npy", lambda spans: spans[5, :, COUNT].fill(0))
    code, found = examine(store, "--no-timing")
    assert code == 0
    assert "fewer than 2: 2 (" in only(found, "lengths", "warning")
    assert only(found, "persons", "warning").startswith("clips without anybody: 1 (")


# --- joints


def test_numbers_that_are_not_finite_are_an_error(store, examine):
    joints_of(store, lambda rows: rows[7].fill(np.nan))
    code, found = examine(store)
    assert code == 1 and only(found, "numbers", "error").endswith("such as row 7")


def test_a_joint_that_is_always_missing_is_told(store, examine):
    joints_of(store, lambda rows: rows[:, 11].fill(0))
    code, found = examine(store, "--no-timing")
    assert code == 0 and only(found, "joints", "warning").startswith("1 of 25 joints")
    shares = next(each for each in found if each["check"] == "joints")["figures"]["missing"]
    assert [name for name, share in shares.items() if share > 0.9] == ["right_hand"]


def test_an_axis_that_never_changes_is_told(store, examine):
    joints_of(store, lambda rows: rows[..., 2].fill(0))
    assert only(examine(store, "--no-timing")[1], "numbers", "warning").endswith("z never changes")


def test_a_score_that_never_changes_is_a_note_with_advice_of_its_own(store, examine):
    joints_of(store, lambda rows: np.concatenate([rows[:, :17, :2], np.ones_like(rows[:, :17, :1])], axis=-1))
    retouch(store / "demo", lambda manifest: manifest.update(layout="coco-17", channels=["x", "y", "score"]))
    found = examine(store, what="demo")[1]
    assert only(found, "numbers", "note").endswith("score never changes")
    remedy = next(each["remedy"] for each in found if each["check"] == "numbers")
    assert remedy == "fine where a pose estimator gave none; else export its scores, too"


@pytest.mark.parametrize(("count", "level", "words"), [(1, "warning", "1 warning"), (2, "warning", "2 warnings"), (3, "note", "3 notes"), (9, "ok", "9 ok")])  # fmt: skip
def test_findings_are_counted_in_words(count, level, words):
    assert counted(count, level) == words


def test_clips_in_which_nothing_moves_are_told(store, examine):
    def freeze(rows):
        for clip in range(3):
            rows[rows_of(store, clip)] = rows[rows_of(store, clip).start]

    joints_of(store, freeze)
    assert "clips in which nothing moves: 3 (" in only(examine(store, "--no-timing")[1], "motion", "warning")


@pytest.mark.parametrize(("factor", "unit"), [(1000, "millimetres"), (100, "centimetres"), (1e6, "no body")])
def test_other_units_than_the_layouts_are_told(store, examine, factor, unit):
    joints_of(store, lambda rows: rows * np.float32(factor))
    code, found = examine(store, "--no-timing")
    remedy = next(each["remedy"] for each in found if each["check"] == "scale" and each["level"] == "warning")
    assert code == 0 and unit in remedy


def test_pixels_that_are_not_normalised_are_told(store, examine):
    joints_of(store, lambda rows: rows[:, :17] * np.float32(100) + np.float32(500))
    retouch(store / "demo", lambda manifest: manifest.update(layout="coco-17", channels=["x", "y", "score"]))
    code, found = examine(store, what="demo")
    assert code == 0 and only(found, "scale", "note") and "cannot be told" in only(found, "mirrored", "note")
    assert examine(store, "--no-timing")[0] == 1  # the experiment reads x, y, z


def test_mixed_units_are_told(store, examine):
    def enlarge(rows):
        for clip in range(5):
            rows[rows_of(store, clip)] *= 1000

    joints_of(store, enlarge)
    assert "times larger or smaller: 5 (" in only(examine(store, "--no-timing")[1], "scale", "warning")


def test_an_exchanged_pair_is_told(store, examine):
    def exchange(rows):
        rows[:, [4, 8]] = rows[:, [8, 4]]

    joints_of(store, exchange)
    what = only(examine(store, "--no-timing")[1], "left/right", "warning")
    assert "left_shoulder and right_shoulder" in what and ";" not in what


def test_clips_that_are_mirrored_are_told(store, examine):
    def mirror(rows):
        for clip in range(30):
            rows[rows_of(store, clip), :, 0] *= -1

    joints_of(store, mirror)
    what = only(examine(store, "--no-timing")[1], "mirrored", "warning")
    assert what.startswith("left is on the other side in 2")


def test_a_part_that_is_mirrored_throughout_is_a_note(store, examine):
    joints_of(store, lambda rows: rows * np.array([-1, 1, 1], rows.dtype))
    assert "mirrored, or left-handed axes" in only(examine(store, "--no-timing")[1], "mirrored", "note")


# --- splits


def test_a_clip_on_both_sides_of_the_split_is_an_error(store, examine):
    trained, evaluated = (first_clip(store, subject, 3) for subject in (1, 9))

    def copy(rows):
        source, target = rows_of(store, trained), rows_of(store, evaluated)
        length = min(source.stop - source.start, target.stop - target.start)
        rows[target.start : target.start + length] = rows[source.start : source.start + length]

    def shorten(spans):
        spans[[trained, evaluated], 0, COUNT] = spans[[trained, evaluated], 0, COUNT].min()

    joints_of(store, copy)
    plant(store, "original/spans.npy", shorten)
    code, found = examine(store)
    names = np.load(store / "demo/names.npy")
    what = only(found, "duplicates", "error")
    assert code == 1 and "1 of 36" in what and names[trained] in what and names[evaluated] in what
    assert "time" not in {each["check"] for each in found}  # not after an error


def test_the_same_joints_under_two_labels_are_told(store, examine):
    clip = first_clip(store, 1, 3)
    other = first_clip(store, 1, 5)
    plant(store, "original/spans.npy", lambda spans: spans.__setitem__(other, spans[clip]))
    found = examine(store, "--no-timing")[1]
    assert "under different labels: 1 times" in only(found, "duplicates", "warning")
    assert "under several names: 1 times" in only(found, "duplicates", "note")


@pytest.mark.parametrize(
    ("subjects", "level", "what"),
    [
        ((1, 2), "error", "evaluated, but without a clip to train on: 1 ("),
        ((9,), "warning", "trained, but never evaluated: 1 ("),
        ((1, 2, 9), "warning", "without any clip: 1 ("),
    ],
)
def test_an_absent_class_is_told(store, examine, subjects, level, what):
    chosen = np.isin(np.load(store / "demo/column_subject.npy"), subjects)
    plant(store, "labels.npy", lambda labels: labels.__setitem__(chosen & (labels == 2), 3))
    code, found = examine(store, "--no-timing")
    assert code == (level == "error") and only(found, "classes", level).startswith(what)


@pytest.mark.parametrize("label", [-1, 12])
def test_a_label_that_is_no_class_is_an_error(store, examine, label):
    plant(store, "labels.npy", lambda labels: labels.__setitem__(4, label))
    code, found = examine(store)
    assert code == 1 and f"1 ({label}); clips 1 (" in only(found, "labels", "error")


def hide(store, *subjects):
    """Take the labels of these subjects' clips away."""
    chosen = np.isin(np.load(store / "demo/column_subject.npy"), subjects)
    plant(store, "labels.npy", lambda labels: labels.__setitem__(chosen, -1))


def test_evaluated_clips_without_a_label_are_a_note(store, examine):
    evaluated = first_clip(store, 9, 3)
    plant(store, "labels.npy", lambda labels: labels.__setitem__(evaluated, -1))
    code, found = examine(store, *(word for each in TINY for word in ("--set", each)))
    assert code == 0 and only(found, "labels", "note") == "1 evaluated clips without a label"
    assert "time" in {each["check"] for each in found}
    plant(store, "labels.npy", lambda labels: labels.__setitem__(evaluated, -2))
    code, found = examine(store)
    assert code == 1 and "1 (-2); clips 1 (" in only(found, "labels", "error")


@pytest.mark.parametrize(("subject", "count"), [(1, 36), (9, 36)])
def test_training_needs_labels_and_so_does_the_choice_of_the_best_epoch(store, examine, subject, count):
    hide(store, subject)
    code, found = examine(store)
    assert code == 1 and f"clips {count} (" in only(found, "labels", "error")


def state(store, name, side_of):
    """Let part demo state a split list, by subject."""
    sides = np.array([side_of.get(subject, "") for subject in np.load(store / "demo/column_subject.npy").tolist()])
    file = store / "demo" / SPLIT.format(name)
    np.save(file, sides)
    retouch(store / "demo", lambda manifest: manifest["files"].update({file.name: checksum(file)}))
    retouch(store / "demo", lambda manifest: manifest["split_lists"].append(name))


@pytest.mark.parametrize(
    ("lists", "hidden", "level"),
    [
        ([], [9], "error"),  # who knows which of them train
        ([{1: "train", 2: "train", 9: "eval"}], [1], "error"),
        ([{1: "train", 2: "eval", 9: "eval"}], [9], "note"),
        ([{1: "train", 2: "train", 9: "eval"}], [9], "error"),  # no epoch would be the best
        ([{1: "eval", 2: "eval", 9: "eval"}], [1, 2, 9], "note"),  # bare tracks: -e gives scores
        ([{1: "train", 2: "eval", 9: "test"}], [9], None),
        ([{1: "train", 2: "eval"}], [9], "error"),
        ([{1: "train", 2: "eval", 9: "eval"}, {1: "eval", 2: "eval", 9: "train"}], [9], "error"),
        ([{1: "train", 2: "eval", 9: "eval"}, {1: "train", 2: "eval"}], [9], "note"),
    ],
)
def test_a_part_needs_labels_where_a_list_trains(store, examine, lists, hidden, level):
    hide(store, *hidden)
    for number, side_of in enumerate(lists):
        state(store, f"list{number}", side_of)
    code, found = examine(store, what="demo")
    assert [each["level"] for each in found if each["check"] == "labels"] == ([level] if level else [])
    assert code == (level == "error")
    if level == "note":
        assert only(found, "labels", "note") == f"{36 * len(hidden)} evaluated clips without a label"


def test_bare_tracks_are_no_spoilt_part(tmp_path, generate, examine):
    rng = np.random.default_rng(3)
    for n in range(3):
        write_csv(tmp_path / "raw" / f"m{n}.csv", walk(rng, 130), names_of(POINTS))
    generate("1006", tmp_path / "store", tmp_path / "raw")
    code, found = examine(tmp_path / "store", what="deeplabcut")
    assert code == 0 and only(found, "labels", "note") == "6 evaluated clips without a label"


def test_a_wrong_number_of_weights_is_an_error(sound, examine):
    loss = "train.loss={name: weighted_cross_entropy, weights: [1, 2]}"
    code, found = examine(sound, *(word for each in (*TINY, loss) for word in ("--set", each)))
    assert code == 1 and "train.loss.weights: 2 weights, but 12 classes" in only(found, "time", "error")


def test_an_empty_split_and_an_unknown_subject_are_errors(store, examine):
    plant(store, "column_subject.npy", lambda subjects: subjects.fill(1))
    code, found = examine(store)
    assert code == 1 and "empty split: train 108, eval 0" in only(found, "splits", "error")
    plant(store, "column_subject.npy", lambda subjects: subjects.fill(-1))
    code, found = examine(store)
    assert code == 1 and "the subject of 108 clips" in only(found, "splits", "error")


def test_fewer_clips_than_the_benchmark_has_are_told(small_store, examine):
    found = examine(small_store, "--no-timing", what="2001")[1]
    assert "train 30 of 40091 expected" in only(found, "splits", "warning")


def test_more_persons_than_the_part_holds_are_an_error(store, examine):
    held = np.load(store / "demo/original/spans.npy").shape[1]
    code, found = examine(store, "--set", f"input.persons={held + 1}")
    assert code == 1 and f"but input.persons is {held + 1}" in only(found, "persons", "error")


def test_clips_that_are_mostly_cut_are_told(sound, examine):
    code, found = examine(sound, "--no-timing", "--set", "input.frames=5")
    assert code == 0 and "100% of the clips are cut" in only(found, "frames", "warning")


def test_clips_of_which_training_sees_a_window_are_a_recipe(sound, examine):
    window = ("--no-timing", "--set", "input.frames=5", "--set", "input.sampling.name=window")
    assert "100% of the clips are cut" in only(examine(sound, *window)[1], "frames", "note")
    for recipe in (window, window[:3]):
        found = examine(sound, *recipe, "--set", "test.frames=300")[1]
        assert only(found, "frames", "ok").endswith("; 300 frames are evaluated")


def test_persons_that_no_network_sees_are_told(tmp_path, generate, examine):
    rng = np.random.default_rng(3)
    for name, n in product(("groom", "rear"), range(3)):
        write_csv(tmp_path / "raw" / name / f"m{n}.csv", walk(rng, 130, persons=2), names_of(POINTS, ("ann", "bob")))
    generate("1006", tmp_path / "store", tmp_path / "raw", overrides=("data.persons=2",))
    found = examine(tmp_path / "store", "--no-timing", "--set", "data.persons=2", what="1006")[1]
    assert "12 clips hold more than the 1 persons that input.persons takes" in only(found, "persons", "warning")


# --- the rest


def test_a_wrong_config_is_an_error(sound, examine):
    code, found = examine(sound, "--set", "train.epoch=1")
    assert code == 1 and "train.epoch" in only(found, "config", "error")


def test_a_network_that_cannot_be_is_an_error(sound, examine):
    code, found = examine(sound, "--set", "model.reduct_ratio=1000")
    assert code == 1 and "channels cannot be reduced 1000 times" in only(found, "network", "error")


def test_a_batch_larger_than_the_split_is_an_error(sound, examine):
    code, found = examine(
        sound, *(word for each in TINY[:-1] for word in ("--set", each)), "--set", "train.batch_size=99"
    )
    assert code == 1 and "99 clips a batch, but the train split has 72" in only(found, "time", "error")


def test_what_is_neither_an_experiment_nor_a_part_is_one_line(sound, capsys):
    assert main(["dmeo", "--store", str(sound)]) == 2
    assert capsys.readouterr().err.strip().endswith(f"{sound} has demo")
    assert main(["demo", "--store", str(sound), "-g", "9"]) == 2
    assert capsys.readouterr().err.startswith("-g 9: ")
    assert main(["demo", "--store", str(sound), "--set", "train.epochs=1"]) == 2
    assert "--set has no effect on a part" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("held", "wanted", "expected"),
    [
        ("2.13.0+cpu", ">=2.11", True),
        ("2.9.1", ">=2.11", False),
        ("2.4.6", ">=2.0,<3", True),
        ("3.0", ">=2.0,<3", False),
        ("6", ">=6.0", True),
    ],
)
def test_versions_are_compared_as_numbers(held, wanted, expected):
    assert fits(held, wanted) is expected


def test_it_runs_as_a_module(run_tool, sound):
    done = run_tool("tools.doctor", "demo", "--store", sound)
    assert done.returncode == 0 and "checksums agree" in done.stdout
