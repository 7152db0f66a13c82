"""Anybody's own skeletons: what is listed, how it is split, what is read, and what is refused in which words."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reader.own import OwnReader
from reader.own.files import open_clip
from reader.own.grouping import split_groups
from utils.errors import UserError
from utils.recording import ReadError

JOINTS = ("hip", "chest", "head", "left_hand", "right_hand")
CLIP = np.random.default_rng(0).normal(size=(6, 5, 3)).astype(np.float32)


def reader(**options):
    return OwnReader(**{"layout": "stick.yaml", "joints": JOINTS, **options})


@pytest.fixture
def folder(tmp_path):
    """Two classes of four clips each."""
    for name in ("wave", "bow"):
        (tmp_path / name).mkdir()
        for k in range(4):
            np.save(tmp_path / name / f"{k}.npy", CLIP + k)
    return tmp_path


def table(folder, text, name="clips.csv"):
    (folder / name).write_text(text)
    return folder / name


def read(root, **options):
    """Return all recordings by name, and the scan."""
    chosen = reader(**options)
    scan = chosen.scan([root], "toy")
    return {clip.name: clip for source in scan.sources for clip in chosen.read(source)}, scan


def refusal(root, **options):
    with pytest.raises(UserError) as error:
        read(root, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- what is listed


def test_a_folder_of_classes(folder):
    (folder / "layout.yaml").touch()
    (folder / "notes.txt").touch()
    (folder / "wave" / "film.mp4").touch()
    clips, scan = read(folder)
    assert scan.classes == ("bow", "wave")
    assert list(clips) == [f"{name}_{k}" for name in scan.classes for k in range(4)]
    assert [clip.label for clip in clips.values()] == [0] * 4 + [1] * 4
    assert clips["wave_2"].columns == {"persons": 1, "source": str(folder / "wave/2.npy")}
    assert {clip.splits["own"] for clip in clips.values()} == {"train", "eval"}
    assert scan.split_lists == ("own",)
    assert scan.skipped == {
        "not in the folder of a class": ["notes.txt"],
        "not one of .npy, .npz, .csv, .json": ["wave/film.mp4"],
    }


def test_a_table_says_windows_columns_and_split(folder):
    path = table(
        folder,
        "file,label,start,end,subject,split,hand\n"
        "wave/0.npy,10,,,7,train,left\nwave/0.npy,9,2,5,7,val,left\n\nbow/1.npy,9,3,,,train,\n",
    )
    for root in (path, folder):  # a folder stands for the table in it
        clips, scan = read(root, split={"column": "split", "train": ["train"]})
        assert scan.classes == ("9", "10")  # as numbers
        assert list(clips) == ["wave_0", "wave_0_2-5", "bow_1_3-"]
        assert [clip.label for clip in clips.values()] == [1, 0, 0]
        assert [clip.splits["own"] for clip in clips.values()] == ["train", "eval", "train"]
        assert np.array_equal(clips["wave_0_2-5"].joints[0], CLIP[2:5])
        assert np.array_equal(clips["bow_1_3-"].joints[0], (CLIP + 1)[3:])
        assert [clip.columns["subject"] for clip in clips.values()] == [7, 7, -1]
        assert clips["bow_1_3-"].columns["hand"] == ""


def test_windows_of_a_file_stay_together_and_a_changed_table_is_noticed(folder):
    rows = [f"wave/{k}.npy,wave,{t},{t + 2}" for k in range(4) for t in (0, 2, 4)]
    path = table(folder, "\n".join(["file,label,start,end", *rows]))
    clips, scan = read(path)
    sides = {(clip.columns["source"], clip.splits["own"]) for clip in clips.values()}
    assert len(sides) == 4
    path.write_text(path.read_text().replace("0,2", "0,3", 1))
    assert read(path)[1].sources[0].key() != scan.sources[0].key()


def test_a_file_is_opened_once_for_all_its_windows(folder, monkeypatch):
    opened = []

    def open_once(path):
        opened.append(path.name)
        return open_clip(path)

    monkeypatch.setattr("reader.own.open_clip", open_once)
    table(
        folder, "\n".join(["file,label,start,end", *(f"wave/{k}.npy,{t},{t},{t + 2}" for k in (2, 3) for t in (0, 2))])
    )
    assert len(read(folder)[0]) == 4
    assert opened == ["2.npy", "3.npy"]


def test_the_persons_that_a_window_has_are_said(folder):
    both = np.stack([CLIP, CLIP])
    both[1, 2:] = 0  # the second one leaves
    np.save(folder / "wave/0.npy", both)
    table(folder, "file,label,start,end\nwave/0.npy,a,0,2\nwave/0.npy,a,2,5\nwave/1.npy,b,,\nwave/2.npy,b,,\n")
    assert [clip.columns["persons"] for clip in read(folder, persons=2)[0].values()] == [2, 1, 1, 1]


def test_reader_and_sources_travel_to_a_worker_process(folder):
    chosen = reader()
    source = chosen.scan([folder], "toy").sources[0]
    assert pickle.loads(pickle.dumps(source)) == source
    assert pickle.loads(pickle.dumps(chosen)) == chosen


def test_a_damaged_file_moves_no_other_clip_to_the_other_side(folder):
    before, _ = read(folder)
    (folder / "bow/0.npy").write_bytes(b"x")
    chosen = reader()
    scan = chosen.scan([folder], "toy")
    with pytest.raises(ReadError, match="no array that numpy can read, or a damaged file"):
        list(chosen.read(scan.sources[0]))
    assert all(before[source.name].splits["own"] == source.split for source in scan.sources)


def test_empty_classes_twins_and_tables_that_are_not_right_are_refused(folder):
    (folder / "empty").mkdir()
    assert "empty: no clips (.npy, .npz, .csv, .json); its name would be a class: put its clips there" in refusal(
        folder
    )
    (folder / "empty" / "deeper").mkdir()
    assert "it holds the folder deeper: are the classes a level below? give that one: --raw" in refusal(folder)
    (folder / "empty" / "deeper").rmdir()
    (folder / "empty").rmdir()
    (folder / "bow" / "3.csv").write_text("1")
    assert "3.npy: a clip called bow_3 is also" in refusal(folder)
    assert "no such file or folder" in refusal(folder / "gone")
    (folder / "3.csv").write_text("file,label\n")
    (folder / "4.csv").write_text("label,file\n")
    said = refusal(folder)
    assert said.endswith(f"holds 2 tables of clips (3.csv, 4.csv); give one: --raw {folder / '3.csv'}")
    (folder / "none").mkdir()
    assert "no clips; give a folder of <class>/<clip>.{npy,npz,csv,json}" in refusal(folder / "none")


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("w.csv", "file;label\nwave/0.npy;bow\n", "with commas between; it names 'file;label'; if it is no table"),
        ("w.tsv", "file,label\nwave/0.npy,bow\n", "with tabs between; it names 'file,label'; if it is no table"),
        ("w.csv", "File,Label\nwave/0.npy,bow\n", "so spelt, with commas between; it names 'File', 'Label'; if"),
        ("w.csv", "file,class\nwave/0.npy,bow\n", "line 1: no column label; "),
        ("w.csv", "file,start,end\nwave/0.npy,0,2\n", "line 1: no column label; "),
        (
            "w.csv",
            ",".join(map(str, range(20))),
            "'6', '7', ...; if it is no table of clips, move it away, a clip into",
        ),
        ("w.CSV", "", "line 1: no column file; "),
        ("w.csv", "file,label\nwave/0.npy,böw\n".encode("latin-1"), "save it as UTF-8 text"),
        ("w.csv", "file,label\nwave/0.npy,bow\n".encode("utf-16"), "save it as UTF-8 text"),
        ("w.csv", "file,label\nwave/0.npy,bow\n".encode("utf-16-le"), "save it as UTF-8 text"),
    ],
)
def test_a_broken_table_beside_the_classes_is_not_passed_over(folder, name, text, found):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    said = refusal(folder)
    assert said.startswith(f"{folder / name}") and found in said and "move it away" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nwave/0.npy,wave\nwave/9.npy,wave\n", "clips.csv, line 3: file 'wave/9.npy': no such file in"),
        ("file,label\nwave/0.npy,wave\n\nwave/0.npy,bow\n", "line 4: a clip called wave_0 is also line 2 of"),
        ("file,label\nwave/0.npy\n", "line 2: 1 cells, but there are 2 columns"),
        ("file,label\nwave/0.npy,\n", "line 2: no label; give the class"),
        ("file,label\nclips.txt,wave\n", "line 2: file 'clips.txt': a clip is one of .npy, .npz, .csv, .json"),
        ("file,label,start\nwave/0.npy,wave,1.5\n", "line 2: start '1.5': must be a frame"),
        ("file,label,start,end\nwave/0.npy,wave,4,4\n", "line 2: start 4 is not before end 4"),
        ("file,class\nwave/0.npy,wave\n", "line 1: no column label; the first line names the columns"),
        ("file,label,file\nwave/0.npy,wave,2\n", "line 1: more than one column is called file"),
        ("file,label,a/b\nwave/0.npy,wave,2\n", "line 1: column 'a/b': rename it"),
        ("file,label,persons\nwave/0.npy,wave,two\n", "line 1: column 'persons': rename it"),
        (
            "file,label,end\nwave/0.npy,wave,7\nwave/1.npy,wave,2\nbow/0.npy,bow,2\n",
            "0.npy: has 6 frames, but the table wants 0 to 7",
        ),
        ("file,label,height\nwave/0.npy,wave,1.80\n", "line 2: height is the frame's, in pixels"),
        ("", "line 1: no column file"),
    ],
)
def test_lines_that_are_wrong_are_named(folder, text, message):
    (folder / "clips.txt").touch()
    assert message in refusal(table(folder, text))


def test_a_window_in_which_nobody_is_seen_is_refused(folder):
    np.save(folder / "wave/0.npy", np.concatenate([CLIP, CLIP * 0]))
    path = table(folder, "file,label,start,end\nwave/0.npy,wave,6,9\nwave/1.npy,wave,,\nbow/0.npy,bow,,\n")
    assert "0.npy: nobody is in frames 6 to 9 (wave_0_6-9); mend the table" in refusal(path)


# --- the split


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"column": "who", "train": [1]}, "data.split.column: no column 'who'; its columns are subject (a table"),
        ({"column": "subject", "train": [1, 9]}, "data.split.train: no clip has subject 9; there are 1, 2"),
        ({"column": "subject", "train": [1, 2]}, "by subject, all 3 clips train and none evaluates"),
        ({"group": "actor", "share": 0.5, "seed": 1}, "data.split.group: no column 'actor'"),
        ({"group": None, "share": 1.0, "seed": 1}, "data.split.share: 1.0 must be above 0 and below 1"),
    ],
)
def test_splits_that_cannot_be_made(folder, split, message):
    path = table(folder, "file,label,subject\nwave/0.npy,wave,1\nwave/1.npy,wave,1\nbow/0.npy,bow,2\n")
    assert message in refusal(path, split=split)


def test_more_that_no_split_can_do(folder):
    split = {"group": "subject", "share": 0.5, "seed": 1}
    assert "no column 'subject'; there are none: a folder of classes has no columns" in refusal(folder, split=split)
    path = table(folder, "file,label,subject\nwave/0.npy,wave,1\nbow/0.npy,bow,1\n")
    assert "all 2 clips are of one subject" in refusal(path, split=split)
    path = table(folder, "file,label,subject\nwave/0.npy,wave,1\nbow/0.npy,bow,\n")
    assert "clips.csv, line 3: no subject, by which data.split divides" in refusal(path, split=split)


def test_a_split_after_which_nothing_evaluates_is_refused(folder):
    path = table(folder, "file,label,subject\nwave/0.npy,wave,1\nwave/1.npy,wave,1\nbow/0.npy,bow,2\n")
    message = refusal(path, split={"group": "subject", "share": 0.5, "seed": 1})
    assert message.startswith("data.split: all 3 clips train and none evaluates, for every class is of one subject")
    assert read(path)[1].sources  # by file
    path = table(folder, "file,label\nwave/0.npy,wave\nbow/0.npy,bow\n")
    assert "every class is of one file, by which they are divided; add clips of other ones" in refusal(path)


def test_a_class_that_cannot_be_on_both_sides_is_said(folder):
    path = table(folder, "file,label\nwave/0.npy,wave\nwave/1.npy,wave\nbow/0.npy,bow\n")
    _, scan = read(path)
    assert scan.skipped == {"classes of the evaluation, for their clips are one group": ["bow"]}


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 7)), min_size=2, max_size=60),
    st.floats(0.1, 0.9),
    st.integers(0, 9),
    st.randoms(),
)
def test_groups_stay_whole_and_the_order_of_clips_does_not_matter(clips, share, seed, random):
    labels, groups = zip(*clips)
    out = split_groups(labels, groups, share, seed)
    assert len({(group, bool(side)) for group, side in zip(groups, out)}) == len(set(groups))
    order = list(range(len(clips)))
    random.shuffle(order)
    shuffled = split_groups([labels[i] for i in order], [groups[i] for i in order], share, seed)
    assert shuffled.tolist() == [out[i] for i in order]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=80), st.floats(0.05, 0.95), st.integers(0, 9))
def test_single_clips_are_divided_class_by_class(labels, share, seed):
    """Every class of two clips or more is on both sides, as near to the share as whole clips allow."""
    out = split_groups(labels, range(len(labels)), share, seed)
    for label in set(labels):
        mine = out[np.array(labels) == label]
        wanted = 0 if len(mine) == 1 else min(max(share * len(mine), 1), len(mine) - 1)
        assert abs(mine.sum() - wanted) <= 0.5 + 1e-9


def test_another_seed_draws_other_subjects():
    labels, subjects = np.tile(np.arange(5), 12), np.repeat(np.arange(12), 5)
    drawn = {frozenset(subjects[split_groups(labels, subjects, 0.25, seed)].tolist()) for seed in range(8)}
    assert {len(each) for each in drawn} == {3}
    assert len(drawn) > 3


# --- what is read


def one(tmp_path, write, suffix, **options):
    """Return the joints of one clip whose file `write` makes."""
    for name in ("a", "b"):
        (tmp_path / "act").mkdir(exist_ok=True)
        write(tmp_path / "act" / f"{name}{suffix}")
    clips, _ = read(tmp_path, **options)
    return clips["act_a"].joints


def as_text(value, header=None):
    lines = [",".join(header)] if header else []
    return "\n".join([*lines, *(",".join(map(str, row)) for row in value)])


TWO = np.stack([CLIP, CLIP + 1])
NAMES = [f"{joint}_{axis}" for joint in JOINTS for axis in "xyz"]
SHUFFLED = np.random.default_rng(1).permutation(15)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".npy", lambda path: np.save(path, CLIP)),
        (".npy", lambda path: np.save(path, CLIP[None].astype(np.float64))),
        (".npy", lambda path: np.save(path, CLIP.reshape(6, 15))),
        (".npz", lambda path: np.savez(path, CLIP)),
        (".npz", lambda path: np.savez(path, keypoint=CLIP[None], label="act")),
        (".csv", lambda path: path.write_text(as_text(CLIP.reshape(6, 15)))),
        (".csv", lambda path: path.write_text(as_text(CLIP.reshape(6, 15)).replace(",", ";"))),
        (
            ".csv",
            lambda path: path.write_text(as_text(CLIP.reshape(6, 15)[:, SHUFFLED], [NAMES[at] for at in SHUFFLED])),
        ),
        (".json", lambda path: path.write_text(json.dumps(CLIP.tolist()))),
        (".json", lambda path: path.write_text(json.dumps({"skeletons": CLIP.tolist(), "label": 2}))),
        (".json", lambda path: path.write_text(json.dumps([[frame] for frame in CLIP.tolist()]))),
    ],
)
def test_every_form_gives_the_same_joints(tmp_path, suffix, write):
    joints = one(tmp_path, write, suffix)
    assert (joints.dtype, joints.shape) == (np.float32, (1, 6, 5, 3))
    assert np.allclose(joints[0], CLIP, rtol=0, atol=1e-6)


def test_persons_are_padded_and_may_come_and_go(tmp_path):
    joints = one(tmp_path, lambda path: np.save(path, TWO), ".npy", persons=3)
    assert np.array_equal(joints[:2], TWO)
    assert not joints[2].any()
    frames = [[], [CLIP[1].tolist()], [CLIP[2].tolist(), CLIP[2].tolist()]]
    (tmp_path / "act/a.npy").unlink()
    (tmp_path / "act/b.npy").unlink()
    joints = one(tmp_path, lambda path: path.write_text(json.dumps({"joints": frames})), ".json", persons=2)
    assert joints.shape == (2, 3, 5, 3)
    assert joints.any(axis=(2, 3)).tolist() == [[False, True, True], [False, False, True]]


def test_scores_in_a_column_of_their_own_or_behind_the_coordinates(tmp_path):
    score = np.linspace(0, 1, 30, dtype=np.float32).reshape(6, 5)
    scored = {"channels": ("x", "y", "score")}
    joints = one(tmp_path, lambda path: np.savez(path, keypoint=CLIP[..., :2], score=score), ".npz", **scored)
    assert np.array_equal(joints[0, ..., 2], score)
    names = [f"{joint}_{axis}" for joint in JOINTS for axis in ("x", "y", "score")]
    (tmp_path / "act/a.npz").unlink()
    (tmp_path / "act/b.npz").unlink()
    table_ = as_text(joints[0].reshape(6, 15), names)
    assert np.allclose(one(tmp_path, lambda path: path.write_text(table_), ".csv", **scored), joints)


def test_a_joint_without_numbers_is_missing(tmp_path):
    holes = CLIP.copy()
    holes[2, 1] = np.nan
    joints = one(tmp_path, lambda path: np.save(path, holes), ".npy")
    assert not joints[0, 2, 1].any()
    assert np.array_equal(joints[0, 3:], CLIP[3:])


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=15, max_size=15).filter(any))
def test_float32_survives_npy_csv_and_json(tmp_path, numbers):
    frame = np.array(numbers, np.float32).reshape(1, 5, 3)
    folder = tmp_path / "act"
    folder.mkdir(exist_ok=True)
    np.save(folder / "a.npy", frame)
    (folder / "b.csv").write_text(as_text(frame.reshape(1, 15).tolist()))
    (folder / "c.json").write_text(json.dumps(frame.tolist()))
    clips, _ = read(tmp_path)
    assert len(clips) == 3
    assert all(np.array_equal(clip.joints[0], frame) for clip in clips.values())


# --- what is refused


def half(t=2, v=1, c=0, value=np.nan):
    joints = CLIP.copy()
    joints[t, v, c] = value
    return joints


@pytest.mark.parametrize(
    ("suffix", "write", "message"),
    [
        (".npy", lambda p: np.save(p, CLIP[:, :4]), "4 joints of 3 numbers each, but layout stick.yaml has 5 joints, of x y z each; save"),
        (".npy", lambda p: np.save(p, CLIP[..., :2]), "5 joints of 2 numbers each, but layout"),
        (".npy", lambda p: np.save(p, CLIP.reshape(6, 15)[:, :14]), "14 numbers a frame, but layout"),
        (".npy", lambda p: np.save(p, np.stack([CLIP] * 3)), r"3 persons (3, 6, 5, 3), but data.persons is 1: set it"),
        (".npy", lambda p: np.save(p, half()), "frame 2, joint chest: x is nan; a missing joint has NaN (or 0) for all"),
        (".npy", lambda p: np.save(p, half(value=np.inf)), "frame 2, joint chest: x is inf"),
        (".npy", lambda p: np.save(p, CLIP * 0), "all coordinates are 0: nothing to learn from"),
        (".npy", lambda p: np.save(p, CLIP[:0]), "no frames, or all coordinates are 0"),
        (".npy", lambda p: np.save(p, np.array([{}, 1], object)), "holds pickled objects, which are not opened"),
        (".npy", lambda p: np.save(p, CLIP.astype(str)), "holds <U"),
        (".npy", lambda p: p.write_bytes(b""), "no array that numpy can read, or a damaged file"),
        (".npy", lambda p: p.write_bytes(pickle.dumps([1])), "holds pickled objects, which are not opened"),
        (".npz", lambda p: p.write_bytes(b"PK\x03\x04 and no more"), "no array that numpy can read, or a damaged file"),
        (".npz", lambda p: np.savez(p, keypoint=np.array([{}], object)), "holds pickled objects"),
        (".npz", lambda p: np.savez(p, a=CLIP, b=CLIP), "holds a, b; call the joints keypoint or"),
        (".npz", lambda p: np.savez(p, joints=CLIP, score=CLIP), "a score (6, 5, 3) beside joints (6, 5, 3)"),
        (".csv", lambda p: p.write_text(""), "is empty"),
        (".csv", lambda p: p.write_text("1,2,3\n1,2\n"), "line 2: 2 cells, but the first line has 3"),
        (".csv", lambda p: p.write_text("1,2,3\n1,x,3\n"), "line 2: not a number"),
        (".csv", lambda p: p.write_text(",".join(NAMES)), "no frames: a line of numbers for each"),
        (".csv", lambda p: p.write_text(as_text(CLIP.reshape(6, 15), [*NAMES[:-1], "right_hnd_z"])), "line 1: no column right_hand_z; is it right_hnd_z?"),
        (".csv", lambda p: p.write_text(as_text(np.ones((2, 16)), [*NAMES, "tail_x"])), "line 1: column tail_x is none of the layout's"),
        (".csv", lambda p: p.write_bytes(b"\xff\xfe\x00"), "no text that can be read as .csv"),
        (".json", lambda p: p.write_text(json.dumps(CLIP.tolist(), indent=1)[:-30]), "no JSON from here on (truncated?)"),
        (".json", lambda p: p.write_text("[" * 100_000), "no JSON"),
        (".json", lambda p: p.write_text('{"people": []}'), "no frames under keypoint, keypoints, joints, skeletons; its keys are people"),
        (".json", lambda p: p.write_text("3"), "neither a list of frames nor a mapping"),
        (".json", lambda p: p.write_text("[]"), "no list of frames"),
        (".json", lambda p: p.write_text("[[], []]"), "nobody is in any of its 2 frames; remove it"),
        (".json", lambda p: p.write_text("[[[]]]"), "nobody is in any of its 1 frames"),
        (".json", lambda p: p.write_text(json.dumps([[CLIP[0].tolist()], [CLIP[1].T.tolist()]])), "person 0 of frame 1 is (3, 5), the first one (5, 3)"),
        (".json", lambda p: p.write_text(json.dumps([CLIP[0].tolist(), CLIP[0, :4].tolist()])), "not the same numbers for each joint"),
    ],
)  # fmt: skip
def test_what_is_no_clip_is_refused_with_file_and_reason(tmp_path, suffix, write, message):
    with pytest.raises(ReadError) as error:
        one(tmp_path, write, suffix)
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "act" / f"a{suffix}"))
    assert "\n" not in str(error.value)
