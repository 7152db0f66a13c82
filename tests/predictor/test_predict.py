"""What is printed, what is reported, and how it ends."""

import gc
import io
import json
import os
import pickle
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import predictor
from predictor import sources
from utils.errors import UserError


@pytest.fixture
def clip(tmp_path):
    """Writes one clip (T, 25, 3) as an array; returns its path."""

    def write(name="clip.npy", frames=5, change=None):
        joints = np.random.default_rng(frames).uniform(1, 2, (frames, 25, 3)).astype(np.float32)
        if change:
            change(joints)
        np.save(tmp_path / name, joints)
        return tmp_path / name

    return write


# --- answers


def test_a_terminal_shows_the_seeds_lines_and_the_name_behind_them(fake, predict, write_raw, tmp_path):
    paths = sorted(write_raw(tmp_path / "raw", 2).iterdir())
    code, out, err = predict(fake(), *paths, topk=2, is_terminal=True)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"Current video file: {paths[0]}"
    assert lines[7] == f"Current video file: {paths[1]}"
    for rank, at in ((1, 1), (2, 4)):
        found = re.fullmatch(rf"\ttop-{rank} class: (\d+)", lines[at])
        assert re.fullmatch(rf"\ttop-{rank} score: 0\.\d+", lines[at + 1])  # as `print` shows a double
        assert lines[at + 2] == f"\ttop-{rank} name: class {found[1]}"
    right = [int(lines[at].rpartition(" ")[2]) == label for at, label in ((1, 0), (8, 1))]
    assert lines[14:] == [f"Top-1 accuracy: {sum(right)}/2({sum(right) / 2:.2%})"]


def test_a_pipe_gets_json_lines_and_nothing_else(fake, predict, write_raw, clip, tmp_path):
    raw = write_raw(tmp_path / "raw", 2)
    code, out, err = predict(fake(), raw, clip(), topk=3)
    first, second, bare = map(json.loads, out.splitlines())
    assert first.keys() == {"file", "name", "topk", "label"}
    assert (first["file"], first["name"]) == (str(raw / "S001C001P001R001A001.skeleton"), "S001C001P001R001A001")
    assert second["label"] == 1
    assert bare.keys() == {"file", "name", "topk"}
    for line in (first, second, bare):
        scores = [each["score"] for each in line["topk"]]
        assert scores == sorted(scores, reverse=True)
        assert [each["name"] for each in line["topk"]] == [f"class {each['class']}" for each in line["topk"]]
        assert len(scores) == 3
    assert code == 0
    counted, accuracy = err.splitlines()
    assert counted == "3 clips scored, 1 of them without a label: not counted"
    assert re.fullmatch(r"Top-1 accuracy: \d/2\(\d+\.00%\)", accuracy)


def test_a_clip_of_many_is_named_behind_its_file(fake, predict, shared):
    path = shared / "goldens/stgcn/mini_ntu60_3danno.pkl"
    _, out, _ = predict(fake("3001"), path, is_terminal=True, topk=1)
    files = [line for line in out.splitlines() if line.startswith("Current")]
    assert files[0] == f"Current video file: {path}: S001C001P001R001A007"
    assert len(files) == 5


def test_the_scores_are_all_classes_at_most_and_sum_to_one(fake, predict, clip):
    _, out, _ = predict(fake(classes=4), clip(), topk=9)
    scores = [each["score"] for each in json.loads(out)["topk"]]
    assert len(scores) == 4
    assert sum(scores) == pytest.approx(1, abs=1e-12)


def test_of_equal_scores_the_first_class_is_the_best(fake, predict, clip):
    class Undecided(fake):
        def logits(self, clips):
            return np.zeros((len(clips), 60), np.float32)

    _, out, _ = predict(Undecided(), clip(), topk=3)
    assert [each["class"] for each in json.loads(out)["topk"]] == [0, 1, 2]


def test_json_goes_to_a_file_too_whatever_the_terminal_shows(fake, predict, clip, tmp_path):
    out_file = tmp_path / "found.jsonl"
    paths = [clip(f"{n}.npy", 3 + n) for n in range(3)]
    _, shown, _ = predict(fake(), *paths, is_terminal=True, json=out_file)
    _, piped, _ = predict(fake(), *paths)
    assert out_file.read_text() == piped
    assert shown.startswith("Current video file: ")


def test_a_json_file_is_whole_or_not_there(fake, predict, clip, tmp_path):
    out_file = tmp_path / "found.jsonl"
    out_file.write_text("before")
    with pytest.raises(UserError, match="no such file or folder"):
        predict(fake(), tmp_path / "absent", json=out_file)
    broken = fake()
    broken.logits = lambda clips: 1 / 0
    with pytest.raises(ZeroDivisionError):
        predict(broken, clip(), json=out_file)
    assert out_file.read_text() == "before"
    assert not list(tmp_path.glob("*.tmp"))
    with pytest.raises(UserError, match=r"--json .*found.jsonl: no such folder .*absent"):
        predict(fake(), clip(), json=tmp_path / "absent/found.jsonl")


class Full(io.StringIO):
    """A standard output on a disk that is full."""

    def write(self, text):  # noqa: ARG002
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("place", ["found.jsonl", None])
def test_a_full_standard_output_is_not_the_json_files_fault(fake, clip, tmp_path, place):
    request = predictor.Request(out=Full(), err=io.StringIO(), json=place and tmp_path / place)
    with pytest.raises(OSError, match="No space left on device"):  # `guarded` makes a line of it
        predictor.predict(fake(), [clip()], request)
    assert [each.name for each in tmp_path.iterdir()] == ["clip.npy"]


def test_a_place_that_cannot_be_the_answers_is_refused_before_any_clip(fake, predict, clip, tmp_path):
    classifier, path = fake(), clip()
    content = path.read_bytes()
    (tmp_path / "link.npy").symlink_to(path)
    for place, message in ((tmp_path, "is a folder"), (path, "would be replaced"), (tmp_path / "link.npy", "would be")):
        with pytest.raises(UserError, match=f"--json {place}: .*{message}"):
            predict(classifier, path, json=place)
    assert classifier.asked == []
    assert path.read_bytes() == content


def test_ctrl_c_in_the_middle_leaves_what_was_there(fake, predict, clip, tmp_path):
    class Interrupted(fake):
        def logits(self, clips):
            if self.asked:
                raise KeyboardInterrupt
            return super().logits(clips)

    (tmp_path / "found.jsonl").write_text("before")
    with pytest.raises(KeyboardInterrupt):
        predict(Interrupted(), clip("1.npy"), clip("2.npy"), batch=1, json=tmp_path / "found.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npy", "2.npy", "found.jsonl"]
    assert (tmp_path / "found.jsonl").read_text() == "before"


@pytest.mark.parametrize("name", [b"\xff\xfe.npy", b"one\n\ttop-1 class: 3.npy"])
def test_a_name_may_be_any_bytes(fake, clip, tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    clip().rename(path)
    for is_terminal in (False, True):
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        request = predictor.Request(out=out, json=tmp_path / "found.jsonl", topk=1, is_terminal=is_terminal)
        assert predictor.predict(fake(), [path], request) == 0
        shown = out.buffer.getvalue().decode().splitlines()
        assert len(shown) == (4 if is_terminal else 1)
        assert json.loads((tmp_path / "found.jsonl").read_text())["file"] == str(path)
    assert shown[0].endswith(ascii(path.name)[1:-1])


def test_the_same_clip_twice_is_two_answers(fake, predict, write_raw, tmp_path):
    (path,) = write_raw(tmp_path / "raw", 1).iterdir()
    code, out, err = predict(fake(), path, path.parent)
    first, second = out.splitlines()
    assert (code, first) == (0, second)
    assert "/2(" in err


@pytest.mark.parametrize("flag", ["topk", "batch"])
def test_numbers_below_one_are_refused(fake, predict, clip, flag):
    with pytest.raises(UserError, match=f"--{flag} 0: give 1 or more"):
        predict(fake(), clip(), **{flag: 0})


# --- faults


def fill(value, frame=1):
    def change(joints):
        joints[frame, 0] = value

    return change


def test_what_is_wrong_is_a_line_the_rest_goes_on_and_the_code_is_1(fake, predict, clip, write_raw, tmp_path):
    good, empty = clip("good.npy"), tmp_path / "empty.skeleton"
    raw = next(write_raw(tmp_path / "raw", 1).iterdir())
    cut = tmp_path / "cut.skeleton"
    cut.write_bytes(raw.read_bytes()[:-200])
    empty.write_bytes(b"")
    (tmp_path / "none").mkdir()
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps({"a": 1}))
    wrong = {
        tmp_path / "absent.skeleton": "no such file or folder",
        empty: "the file is empty; expected the number of frames",
        cut: "line ",
        clip(
            "half.npy", change=lambda joints: joints[1, 0].__setitem__(0, np.nan)
        ): "frame 1, joint spine_base: x is nan",
        clip("inf.npy", change=fill(np.inf)): "frame 1, joint spine_base: x is inf",
        clip(
            "still.npy", change=lambda joints: joints.fill(0)
        ): "no frames, or all coordinates are 0; nobody in any frame",
        clip("no frames.npy", frames=0): "no frames, or all coordinates are 0",
        tmp_path / "none": "no file of skeletons in it (it is empty)",
        tmp_path / "bad.pkl": "holds a dict of a, but no list of annotations",
    }
    np.save(tmp_path / "many.npy", np.ones((5, 26, 3), np.float32))
    np.save(tmp_path / "crowd.npy", np.ones((3, 5, 25, 3), np.float32))
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    (tmp_path / "empty.npy").touch()
    wrong |= {
        tmp_path
        / "many.npy": "save (T, V, C), (M, T, V, C) or (T, V * C); if these are of another layout, --from-layout NAME",
        tmp_path / "crowd.npy": "3 persons (3, 5, 25, 3), but the experiment takes 2, or, if these are (T, M, V, C)",
        tmp_path / "objects.npy": "holds Python objects, and nothing is unpickled; save numbers: ",
        tmp_path / "empty.npy": "the file is empty",
    }
    code, out, err = predict(fake(), *wrong, good)
    lines = err.splitlines()
    assert code == 1
    assert len(out.splitlines()) == 1
    assert len(lines) == len(wrong)
    for line, (path, message) in zip(lines, wrong.items()):
        assert line.startswith(str(path))
        assert message in line


def test_a_bad_clip_of_a_file_is_reported_and_the_others_go_on(fake, predict, shared, tmp_path):
    items = pickle.loads((shared / "goldens/stgcn/mini_ntu60_3danno.pkl").read_bytes())["annotations"]
    items[1]["keypoint"] = items[1]["keypoint"].copy()
    items[1]["keypoint"][0, 0] = np.nan
    (tmp_path / "set.pkl").write_bytes(pickle.dumps(items))
    code, out, err = predict(fake("3001"), tmp_path / "set.pkl")
    assert code == 1
    assert len(out.splitlines()) == 4
    bad, _ = err.splitlines()
    assert f"{tmp_path}/set.pkl: clip 1 ({items[1]['frame_dir']}): keypoint holds values that are not finite" in bad


@pytest.mark.parametrize(
    ("layout", "line"), [("nobody", "'nobody': no such layout"), ("hand-21", "has no joint of ntu")]
)
def test_a_layout_that_cannot_be_mapped_is_one_line_however_many_files(fake, predict, clip, layout, line):
    paths = [clip(f"{n}.npy") for n in range(3)]
    with pytest.raises(UserError, match=line):
        predict(fake(), *paths, from_layout=layout)


def test_links_are_followed_and_what_is_neither_file_nor_folder_is_a_fault(fake, predict, clip, tmp_path):
    (tmp_path / "some").mkdir()
    (tmp_path / "some/link.npy").symlink_to(clip())
    (tmp_path / "some/gone.npy").symlink_to(tmp_path / "absent.npy")
    (tmp_path / "folder").symlink_to(tmp_path / "some")
    for place in ("some", "."):
        os.mkfifo(tmp_path / place / "pipe.npy")
    code, out, err = predict(fake(), tmp_path / "folder", tmp_path / "pipe.npy")
    assert code == 1
    assert json.loads(out)["name"] == "link"
    gone, *pipes = err.splitlines()
    assert gone == f"{tmp_path}/folder/gone.npy: a link to a file that is not there"
    neither = "pipe.npy: neither a file nor a folder; write what it gives to a file"
    assert pipes == [f"{tmp_path}/{place}{neither}" for place in ("folder/", "")]


def test_nothing_to_classify_is_one_line_and_the_users_error(fake, predict, tmp_path):
    with pytest.raises(UserError) as caught:
        predict(fake(), tmp_path / "absent")
    assert str(caught.value) == f"{tmp_path / 'absent'}: no such file or folder"
    with pytest.raises(UserError, match="2 faults, and no clip to classify; see above"):
        predict(fake(), tmp_path / "absent", tmp_path / "other")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/readme.txt").write_text("x")
    with pytest.raises(UserError, match=r"a: no file of skeletons in it \(readme.txt\)"):
        predict(fake(), tmp_path / "a")


def test_what_lies_beside_clips_is_said_and_is_no_fault(fake, predict, clip, tmp_path):
    clip()
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "val_label.pkl").write_bytes(b"x")
    code, _, err = predict(fake(), tmp_path)
    assert (code, err) == (0, f"{tmp_path}: left out, for they are no clips: readme.txt, val_label.pkl\n")


def test_an_output_that_is_not_finite_is_a_fault_of_its_clip(fake, predict, clip):
    odd = fake()
    odd.logits = lambda clips: np.array([[np.nan, 1.0]] + [[0.0, 1.0]] * (len(clips) - 1), np.float32)
    one, other = clip("1.npy"), clip("2.npy")
    code, out, err = predict(odd, one, other)
    assert code == 1
    assert json.loads(out)["file"] == str(other)
    assert err == f"{one}: the network's output is not finite; the checkpoint or this clip is damaged\n"


def test_a_clip_that_a_program_cannot_take_names_the_way_out(fake, predict, clip):
    short = fake()
    short.longest = 5
    long, fits = clip("long.npy", 6), clip("fits.npy", 5)
    code, out, err = predict(short, long, fits)
    assert (code, len(out.splitlines())) == (1, 1)
    assert err == f"{long}: 6 frames, and the program takes 5; classify it with -pp CHECKPOINT\n"


# --- memory


def test_a_batch_is_read_classified_and_forgotten(fake, predict, tmp_path, monkeypatch):
    held, most = set(), []

    class Counted(sources.Clip):
        def __init__(self, *about):
            super().__init__(*about)
            held.add(id(self))
            most.append(len(held))

        def __del__(self):
            held.discard(id(self))

    monkeypatch.setattr(sources, "Clip", Counted)
    classifier = fake("3001")
    rng = np.random.default_rng(0)
    items = [
        {"frame_dir": f"c{n}", "label": 0, "total_frames": 4, "keypoint": rng.normal(size=(1, 4, 25, 3))}
        for n in range(100)
    ]
    (tmp_path / "set.pkl").write_bytes(pickle.dumps(items))
    predict(classifier, tmp_path / "set.pkl", batch=8)
    gc.collect()
    assert classifier.asked == [8] * 12 + [4]
    assert max(most) == 8
    assert held == set()


def test_memory_does_not_grow_with_the_number_of_clips(fake, tmp_path):
    peaks = []
    for count in (40, 400):
        rows = np.random.default_rng(0).uniform(1, 2, (count, 3, 60, 25, 2)).astype(np.float32)
        np.save(tmp_path / f"{count}.npy", rows)
        tracemalloc.start()
        with Path(os.devnull).open("w") as nowhere:
            request = predictor.Request(out=nowhere, err=nowhere, batch=8)
            predictor.predict(fake(), [tmp_path / f"{count}.npy"], request)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    per_clip = 60 * 25 * 3 * 2 * 4  # bytes
    assert peaks[1] - peaks[0] < 0.05 * 360 * per_clip
