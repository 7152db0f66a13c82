"""DeepLabCut's windows in the form of Kinetics-skeleton, and tables of windows."""

import json

import numpy as np
import pytest

from dataset.layouts import load_layout
from reader.deeplabcut import DlcReader
from reader.kinetics import KineticsReader
from tests.reader.dlc_form import POINTS, names_of, walk, write_csv, write_dlc
from tools.dlc import main, to_frames, write_kinetics
from utils.recording import Recording

OPTIONS = {"layout": "rat-12", "joints": POINTS, "frame_size": (720, 540)}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def read(reader, root):
    scan = reader.scan([root], "rats")
    return {clip.name: clip for source in scan.sources for clip in reader.read(source)}, scan


def kinetics(**options):
    return KineticsReader(
        **{"layout": "rat-12", "num_joints": load_layout("rat-12").num_joints, "persons": 1} | options
    )


def test_the_kinetics_form_reads_back_to_the_same_rows(tmp_path, rng, capsys):
    raw = write_dlc(tmp_path / "raw", rng, recordings=3, frames=130)
    out = tmp_path / "kinetics"
    assert main(["--to-json", str(out), "-c", "1006", "--raw", str(raw), "--set", "data.window=50"]) == 0
    said = capsys.readouterr().out
    assert f"{out}: 12 clips of 2 classes; the last frame has the index 50" in said
    assert "left out: 6 behind the last whole window of 50 frames (groom_mouse0_100-130, " in said
    ours, scan = read(DlcReader(**OPTIONS, window=50), raw)
    theirs, other = read(kinetics(), out)
    assert ours.keys() == theirs.keys() and other.classes == scan.classes == ("groom", "rear")
    for name, clip in ours.items():
        back = theirs[name]
        assert back.label == clip.label and back.splits["own"] == clip.splits["own"]
        assert not back.joints[:, 0].any() and not back.joints[:, 51:].any()  # frames are numbered from 1
        assert back.joints.dtype == clip.joints.dtype
        assert back.joints[:, 1:51].tobytes() == clip.joints.tobytes()
        assert (clip.joints[..., 2] == 0).any()
    assert not list(tmp_path.glob(".kinetics*"))


def test_frames_are_as_csv2json_has_them(rng):
    joints = rng.uniform(-0.5, 0.5, (1, 3, 12, 3)).astype(np.float32)
    joints[..., 2] = rng.uniform(0.6, 1, (1, 3, 12))
    joints[0, 1] = 0
    joints[0, 2, 4] = 0
    frames = to_frames(Recording("a", joints, 0, {}))
    assert [frame["frame_index"] for frame in frames] == [1, 2, 3]
    assert frames[1]["skeleton"] == []
    (person,) = frames[2]["skeleton"]
    assert len(person["pose"]) == 24 and len(person["score"]) == 12
    assert person["pose"][8:10] == [0, 0] and person["score"][4] == 0
    assert person["pose"][2] == float(joints[0, 2, 1, 0]) + 0.5
    assert person["score"][1] == joints[0, 2, 1, 2]


def test_several_animals_keep_their_places(tmp_path, rng):
    values = walk(rng, 20, persons=2)
    values[5:9, :36] = np.nan  # the first one leaves
    write_csv(tmp_path / "raw" / "run" / "pair.v2.csv", values, names_of(POINTS, ("ann", "bob")))
    write_csv(tmp_path / "raw" / "rest" / "pair.csv", walk(rng, 20, persons=2), names_of(POINTS, ("ann", "bob")))
    write_csv(tmp_path / "raw" / "rest" / "other.csv", walk(rng, 20, persons=2), names_of(POINTS, ("ann", "bob")))
    reader = DlcReader(**OPTIONS, persons=2)
    scan = reader.scan([tmp_path / "raw"], "rats")
    (tmp_path / "out").mkdir()
    assert write_kinetics(tmp_path / "out", scan, reader) == (3, 20)
    (path,) = (tmp_path / "out").glob("kinetics_*/run_pair_v2_0-20.json")  # there a name ends at its first dot
    frames = json.loads(path.read_text())["data"]
    assert [len(frame["skeleton"]) for frame in frames] == [2] * 20
    assert not any(frames[6]["skeleton"][0]["score"]) and any(frames[6]["skeleton"][1]["score"])
    back, _ = read(kinetics(persons=5), tmp_path / "out")
    (clip,) = (clip for source in scan.sources for clip in reader.read(source) if clip.name == "run_pair.v2_0-20")
    rows = back["run_pair_v2_0-20"].joints[:2, 1:21]
    assert np.array_equal(np.sort(rows, axis=0), np.sort(clip.joints, axis=0))  # there the best of a frame is first


def test_there_is_no_nan_and_a_long_clip_says_how_to_read_it(tmp_path, rng, capsys):
    raw = write_dlc(tmp_path / "raw", rng, recordings=2, frames=320)
    arguments = ["--to-json", str(tmp_path / "out"), "-c", "1006", "--raw", str(raw), "--set", "data.window=320"]
    assert main(arguments) == 0
    assert "indices below 300; here, --set data.frames=321 reads them all" in capsys.readouterr().out
    assert "NaN" not in "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json"))
    assert len(read(kinetics(frames=321), tmp_path / "out")[0]) == 4


# --- a table


def test_a_drafted_table_that_is_filled_in_can_be_read(tmp_path, rng, capsys):
    for n in range(2):
        write_csv(tmp_path / "raw" / f"m{n}.csv", walk(rng, 100), names_of(POINTS))
    out = tmp_path / "windows.csv"
    assert main(["--table", str(out), "--raw", str(tmp_path / "raw"), "--window", "40", "--hop", "30"]) == 0
    assert capsys.readouterr().out == f"{out}: 6 windows; fill in the column label, remove the lines that have none\n"
    lines = out.read_text().splitlines()
    assert lines[:3] == ["file,from,to,label", "raw/m0.csv,0,40,", "raw/m0.csv,30,70,"] and len(lines) == 7
    out.write_text("\n".join([lines[0], *(f"{line}{'ab'[n % 2]}" for n, line in enumerate(lines[1:]))]))
    clips, scan = read(DlcReader(**OPTIONS), out)
    assert len(clips) == 6 and scan.classes == ("a", "b")


def test_a_drafted_table_of_classes_has_their_labels(tmp_path, rng):
    raw = write_dlc(tmp_path / "raw", rng, recordings=1)
    assert main(["--table", str(raw / "windows.csv"), "--raw", str(raw)]) == 0
    assert (raw / "windows.csv").read_text().splitlines()[1] == "groom/mouse0.csv,0,60,groom"


# --- what is refused


def test_what_is_wrong_is_one_line_and_leaves_nothing(tmp_path, rng, capsys):
    raw = write_dlc(tmp_path / "raw", rng, recordings=2)
    bare = write_csv(tmp_path / "bare.csv", walk(rng, 70), names_of(POINTS))
    there = tmp_path / "there"
    there.mkdir()
    new = str(tmp_path / "new")
    for arguments, message in {
        (
            "--to-json",
            str(there),
            "-c",
            "1006",
            "--raw",
            str(raw),
        ): f"{there}: exists and is not overwritten; name a new",
        ("--to-json", new, "-c", "2001", "--raw", str(raw)): "-c 2001: data.form is ntu, not deeplabcut; 1006 is",
        ("--to-json", new, "-c", "1006", "--raw", str(bare)): f"{bare}: has no classes, which every clip of this form",
        (
            "--to-json",
            new,
            "-c",
            "1006",
            "--raw",
            str(raw),
            "--set",
            "data.joints=[a]",
        ): "data.joints: 1 body points, but layout rat-12 has 12 joints",
        ("--to-json", new, "--raw", str(raw)): "--to-json needs -c N, the experiment",
        ("--to-json", str(tmp_path / "no/where"), "-c", "1006", "--raw", str(raw)): "No such file or directory",
        ("--table", str(bare), "--raw", str(raw)): f"{bare}: exists and is not overwritten; name a new file",
        ("--table", new, "--raw", str(tmp_path / "none")): f"{tmp_path / 'none'}: no such file or folder; give a table",
        ("--table", new): "--table needs --raw PATH, the tracks",
        ("--table", new, "--raw", str(raw), "--window", "0"): "--window and --hop must be at least 1",
        ("--raw", str(raw)): "one of the arguments --to-json --table is required",
    }.items():
        assert main(arguments) == 2, arguments
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1, error
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "bare.csv", "there"}
