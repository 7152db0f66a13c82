"""NW-UCLA's JSON files: what is read, and what is refused in which words."""

import json
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reader.files import DANGLING, NO_ACTION
from reader.ucla import ACTIONS, UclaReader
from utils.errors import UserError
from utils.recording import ReadError, Source

READER = UclaReader()
NAME = "a08_s03_e01_v02"
JOINTS = np.random.default_rng(0).integers(-999_999, 999_999, (4, 20, 3)) / 1e6


def content(**changes):
    return {"file_name": NAME, "skeletons": JOINTS.tolist(), "label": 7} | changes


def read(path, text):
    """Return the one recording of a file with this text."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (recording,) = READER.read(Source(path.stem, path, 0))
    return recording


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{NAME}.json"


# --- what is read


def test_the_real_data_set_is_read_whole(shared):
    scan = READER.scan([shared / "data/nw-ucla"], "ucla")
    clips = [clip for source in scan.sources for clip in READER.read(source)]
    assert scan.skipped == {"not named aXX_sXX_eXX_vXX.json": ["val_label.pkl"]}
    assert len(clips) == 1484
    assert Counter(clip.columns["camera"] for clip in clips) == {1: 516, 2: 504, 3: 464}
    assert sorted({clip.label for clip in clips}) == list(range(10))
    assert [clip.name for clip in clips if clip.num_frames == 1] == ["a02_s09_e04_v02", "a02_s09_e04_v03"]
    assert max(clip.num_frames for clip in clips) == 201
    assert {(clip.joints.dtype.name, clip.joints.shape[0], *clip.joints.shape[2:]) for clip in clips} == {
        ("float32", 1, 20, 3)
    }


def test_a_clip_says_who_what_and_where(path):
    clip = read(path, json.dumps(content()))
    assert (clip.name, clip.label, clip.num_frames) == (NAME, 6, 4)
    assert clip.columns == {"subject": 3, "camera": 2, "episode": 1, "action": 8, "source": str(path)}
    assert ACTIONS[clip.label] == "08"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-999_999, 999_999), min_size=60, max_size=60).filter(any))
def test_six_digits_come_back(path, digits):
    """float32 holds what the files state: printed with six digits again, it is the same."""
    frame = (np.reshape(digits, (20, 3)) / 1e5).tolist()
    clip = read(path, json.dumps(content(skeletons=[frame])))
    assert [float(f"{value:.6g}") for value in clip.joints.ravel()] == np.ravel(frame).tolist()


def test_whole_numbers_and_a_file_without_label_are_read(path):
    clip = read(path, json.dumps({"skeletons": np.ones((1, 20, 3), int).tolist()}))
    assert (clip.label, clip.joints.dtype) == (6, np.float32)


def test_a_reader_travels_to_a_worker_process():
    assert pickle.loads(pickle.dumps(READER)) == READER


# --- what is listed


def test_folders_files_and_what_is_left_out(tmp_path):
    (tmp_path / "in").mkdir()
    for name in (f"{NAME}.json", "in/a01_s01_e00_v01.json", "a07_s01_e00_v01.json", "notes.txt", "a08_s03_e01_v02.npy"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "a01_s01_e00_v02.json").symlink_to("nowhere")
    scan = READER.scan([tmp_path], "ucla")
    assert [(source.name, source.size) for source in scan.sources] == [(NAME, 2), ("a01_s01_e00_v01", 2)]
    assert scan.skipped == {
        DANGLING: ["a01_s01_e00_v02.json"],
        NO_ACTION: ["a07_s01_e00_v01.json"],
        "not named aXX_sXX_eXX_vXX.json": ["a08_s03_e01_v02.npy", "notes.txt"],
    }
    assert [source.name for source in READER.scan([tmp_path / f"{NAME}.json"], "ucla").sources] == [NAME]
    with pytest.raises(UserError, match="a08_s03_e01_v02 is also in"):
        READER.scan([tmp_path, tmp_path / f"{NAME}.json"], "ucla")


def test_nothing_found_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no clips of part ucla \(no files at all\); give the folder of aXX_"):
        READER.scan([tmp_path], "ucla")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"no clips of part ucla \(1 not named aXX_sXX_eXX_vXX.json\); give"):
        READER.scan([tmp_path], "ucla")
    with pytest.raises(
        UserError, match=r"gone: no such file or folder; give the one with the raw files as --raw FOLDER"
    ):
        READER.scan([tmp_path / "gone"], "ucla")


# --- what is refused


def joints(**cells):
    """Return the skeletons as lists with the joint at "t_v" replaced."""
    rows = JOINTS.tolist()
    for cell, value in cells.items():
        t, v = map(int, cell.strip("j").split("_"))
        rows[t][v] = value
    return rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"skeletons": None}, "no list of joints under the key 'skeletons'; unpack the file again"),
        ({"skeletons": []}, "'skeletons' has no frames, so there is nothing to learn from"),
        ({"skeletons": JOINTS[:, :17].tolist()}, "frame 0: 17 joints, but an NW-UCLA skeleton has 20; unpack"),
        ({"skeletons": [*JOINTS.tolist(), 5]}, "frame 4: no joints, but"),
        ({"skeletons": JOINTS[..., :2].tolist()}, "a joint is not the three numbers x y z; unpack"),
        ({"skeletons": joints(j1_3=[1, 2])}, "a joint is not the three numbers x y z"),
        ({"skeletons": joints(j1_3=[1, 2, "3"])}, "a joint is not the three numbers x y z"),
        ({"skeletons": joints(j1_3=[1, 2, None])}, "a joint is not the three numbers x y z"),
        ({"skeletons": joints(j1_3=[1, 2, 10**400])}, "a joint is not the three numbers x y z"),
        ({"skeletons": joints(j1_3=[1, float("nan"), 2])}, "frame 1, joint 3: coordinates are not finite: .* nan"),
        ({"skeletons": joints(j1_3=[1, 1e39, 2])}, "frame 1, joint 3: coordinates are not finite"),
        ({"skeletons": (JOINTS * 0).tolist()}, "all coordinates are 0, so there is nothing to learn from"),
        ({"label": 8}, "label is 8, but by the file's name it is 7; was it renamed"),
        (
            {"file_name": "a01_s01_e00_v01"},
            "file_name is 'a01_s01_e00_v01', but by the file's name it is 'a08_s03_e01_v02'",
        ),
    ],
)
def test_what_is_no_clip_is_refused_with_file_and_reason(path, changes, message):
    with pytest.raises(ReadError, match=message) as refusal:
        read(path, json.dumps(content(**changes)))
    assert str(refusal.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "line 1: no JSON from here on .truncated.*; unpack the file again"),
        (json.dumps(content(), indent=1).encode()[:-40], r"line \d{3}: no JSON from here on .truncated"),
        (b"\xff\xfe\x00", ": no JSON; unpack"),
        (b"[" * 100_000, ": no JSON; unpack"),
        (b"[1, 2]", ": no list of joints under the key 'skeletons'"),
        (b"{}", ": no list of joints under the key 'skeletons'"),
    ],
)
def test_what_is_no_json_is_refused(path, text, message):
    with pytest.raises(ReadError, match=message):
        read(path, text)


def test_a_file_that_is_gone_or_is_no_clip_is_refused(tmp_path, path):
    with pytest.raises(ReadError, match=r"cannot be read \(No such file or directory\)"):
        list(READER.read(Source(NAME, path, 0)))
    with pytest.raises(ReadError, match="not named aXX_sXX_eXX_vXX.json"):
        list(READER.read(Source("x", tmp_path / "x.json", 0)))
