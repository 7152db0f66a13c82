"""DeepLabCut's windows: which there are, how they are split, and what is refused in which words."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reader.deeplabcut import DlcReader
from reader.deeplabcut.fitting import Skeleton, open_track
from reader.deeplabcut.listing import Cutting
from reader.deeplabcut.splitting import in_blocks, too_near
from reader.own.table import Row
from tests.reader.dlc_form import POINTS, names_of, walk, write_csv, write_dlc, write_h5
from utils.errors import UserError
from utils.recording import UNKNOWN, ReadError

BLOCKS = {"blocks": 8, "gap": 10, "share": 0.25, "seed": 1}


def reader(**options):
    return DlcReader(**{"layout": "rat-12", "joints": POINTS, "frame_size": (720, 540), **options})


def read(*roots, **options):
    """Return all recordings by name, and the scan."""
    chosen = reader(**options)
    scan = chosen.scan(roots, "rats")
    return {clip.name: clip for source in scan.sources for clip in chosen.read(source)}, scan


def refusal(*roots, **options):
    with pytest.raises(UserError) as error:
        read(*roots, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def tracks(tmp_path, rng):
    """Four recordings of 100 frames, three as .csv and one as .h5."""
    for n in range(3):
        write_csv(tmp_path / f"m{n}.csv", walk(rng, 100), names_of(POINTS))
    write_h5(tmp_path / "m3.h5", walk(rng, 100), names_of(POINTS))
    return tmp_path


def table(folder, *lines, header="file,from,to,label", name="windows.csv"):
    (folder / name).write_text("\n".join([header, *lines]) + "\n")
    return folder / name


ROWS = [f"{file},{start},{start + 20},{label}" for file in ("m0.csv", "m1.csv", "m2.csv", "m3.h5")
        for start, label in ((0, "rest"), (30, "run"), (70, "rest"))]  # fmt: skip


# --- a table of windows


def test_a_table_says_windows_classes_and_columns(tracks):
    path = table(tracks, "m3.h5,10,90,run,7", "m0.csv,0,5,rest,8", "", "m3.h5,,10,rest,7", "m0.csv,95,,run,8",
                 header="file,from,to,label,animal")  # fmt: skip
    for root in (path, tracks):  # a folder stands for the table in it
        clips, scan = read(root, rate=25.0, split={"group": "animal", "share": 0.5, "seed": 1})
        assert list(clips) == ["m3_10-90", "m3_0-10", "m0_0-5", "m0_95-100"]  # a file's behind one another
        assert scan.classes == ("rest", "run") and [clip.label for clip in clips.values()] == [1, 0, 0, 1]
        assert clips["m3_10-90"].columns == {
            "recording": "m3", "animal": 7, "from": 10, "to": 90, "rate": 25.0, "height": 540, "width": 720,
            "source": str(tracks / "m3.h5"),
        }  # fmt: skip
        whole = open_track(tracks / "m3.h5", Skeleton("rat-12", POINTS, 1, (720, 540), 0.6))
        assert np.array_equal(clips["m3_10-90"].joints, whole[:, 10:90])  # a long row is one clip
        assert {clip.splits["own"] for clip in clips.values() if clip.columns["animal"] == 7} < {"train", "eval"}


def test_start_and_end_are_other_words_for_from_and_to(tracks):
    read_as = [list(read(table(tracks, *ROWS, header=f"file,{words},label"))[0]) for words in ("from,to", "start,end")]
    assert read_as[0] == read_as[1] and len(read_as[0]) == 12


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("m0.csv,0,20,", "line 3: no label; give the class, or remove the line"),
        ("m9.csv,0,20,run", "line 3: file 'm9.csv': no such file in "),
        (",0,20,run", "line 3: file '': no such file in "),
        ("notes.txt,0,20,run", "line 3: file 'notes.txt': a track is one of .csv, .h5"),
        ("m0.csv,0,101,run", "line 3: frames 0 to 101 are not in m0.csv, which has 0 to 100; to is behind the last"),
        ("m0.csv,100,,run", "line 3: frames 100 to 100 are not in m0.csv"),
        ("m0.csv,20,20,run", "line 3: frames 20 to 20 are not in m0.csv"),
        ("m0.csv,-1,20,run", "line 3: from '-1': must be a frame, a whole number from 0, or empty"),
        ("m0.csv,0,2.5,run", "line 3: to '2.5': must be a frame, a whole number from 0, or empty"),
        ("m0.csv,0,20", "line 3: 3 cells, but there are 4 columns"),
    ],
)
def test_a_line_that_is_not_right_is_refused_with_its_number(tracks, line, message):
    (tracks / "notes.txt").touch()
    path = table(tracks, "m0.csv,0,10,run", line)
    assert refusal(path).startswith(f"{path}, {message}")


def test_a_column_is_called_as_in_the_table(tracks):
    path = table(tracks, "m0.csv,5,x,run", header="file,start,end,label")
    assert refusal(path) == f"{path}, line 2: end 'x': must be a frame, a whole number from 0, or empty"


def test_a_table_that_is_not_right_is_refused(tracks):
    assert "line 1: more than one column is called start" in refusal(table(tracks, header="file,from,start,label"))
    assert "line 1: column 'rate': is filled from data.rate" in refusal(table(tracks, header="file,label,rate"))
    assert "windows.csv: no windows, only a header" in refusal(table(tracks))
    table(tracks, *ROWS)
    table(tracks, *ROWS, name="more.csv")
    assert "holds 2 tables of clips" in refusal(tracks)
    path = table(tracks, *ROWS, ROWS[0])
    assert f"{path}, line 14: a clip called m0_0-20 is also line 2 of" in refusal(path)


def test_a_track_that_a_table_names_is_refused_as_such(tracks):
    (tracks / "m0.csv").write_text("0,1,2\n")
    assert refusal(table(tracks, *ROWS)).startswith(f"{tracks / 'm0.csv'}, line 1: no DeepLabCut track")


def test_a_window_of_a_table_in_which_nobody_is_seen_is_refused_when_it_is_read(tracks, rng):
    values = walk(rng, 100)
    values[20:40] = np.nan
    write_csv(tracks / "m0.csv", values, names_of(POINTS))
    message = refusal(table(tracks, "m0.csv,20,40,run", "m1.csv,0,20,run"))
    assert message == f"{tracks / 'm0.csv'}: nobody is in frames 20 to 40 (m0_20-40); mend the table"


# --- folders


def test_folders_of_classes_are_cut_into_windows(tmp_path, rng):
    folder = write_dlc(tmp_path, rng, recordings=2, frames=130)
    write_csv(folder / "rear" / "short.csv", walk(rng, 25), names_of(POINTS))
    (folder / "notes.txt").touch()
    (folder / "rear" / "film.mp4").touch()
    (folder / ".hidden").mkdir()
    clips, scan = read(folder, window=60)
    assert scan.classes == ("groom", "rear")
    assert list(clips) == [
        "groom_mouse0_0-60", "groom_mouse0_60-120", "groom_mouse1_0-60", "groom_mouse1_60-120",
        "rear_mouse0_0-60", "rear_mouse0_60-120", "rear_mouse1_0-60", "rear_mouse1_60-120", "rear_short_0-25",
    ]  # fmt: skip
    assert [clip.label for clip in clips.values()] == [0] * 4 + [1] * 5
    assert clips["rear_short_0-25"].joints.shape == (1, 25, 12, 3)  # a short recording is one clip
    assert clips["rear_mouse1_0-60"].columns["recording"] == "rear_mouse1"
    assert scan.skipped == {
        "not one of .csv, .h5": ["rear/film.mp4"],
        "not in the folder of a class": ["notes.txt"],
        "behind the last whole window of 60 frames": [
            f"{name}_mouse{n}_120-130" for name in ("groom", "rear") for n in (0, 1)
        ],
    }
    both_sides = {(clip.label, clip.splits["own"]) for clip in clips.values()}
    assert len(both_sides) == 4
    assert len({(clip.columns["recording"], clip.splits["own"]) for clip in clips.values()}) == 5


def test_windows_may_overlap_or_leave_frames_out(tracks):
    names = [name for name in read(tracks, window=60, hop=20)[0] if name.startswith("m0")]
    assert names == ["m0_0-60", "m0_20-80", "m0_40-100"]
    clips, scan = read(tracks / "m0.csv", window=20, hop=50)
    assert list(clips) == ["m0_0-20", "m0_50-70"]
    assert scan.skipped == {"between windows, for data.hop is 50": ["m0_20-50", "m0_70-100"]}
    _, scan = read(tracks / "m0.csv", window=30, hop=50)
    assert scan.skipped == {
        "between windows, for data.hop is 50": ["m0_30-50"],
        "behind the last whole window of 30 frames": ["m0_80-100"],
    }


@given(frames=st.integers(1, 90), window=st.integers(1, 40), hop=st.integers(1, 60))
def test_every_frame_is_in_a_window_or_left_out_for_a_reason(frames, window, hop):
    cutting = Cutting(window, hop)
    left_out = list(cutting.left_out(frames))
    seen = {t for span in cutting.windows(frames) for t in range(*span)}
    assert [t for _, span in left_out for t in range(*span)] == sorted(set(range(frames)) - seen)
    for why, (start, end) in left_out:
        assert why.startswith("behind") == (end == frames and end - start < window)
        assert why.startswith("behind") or hop > window


def test_bare_recordings_have_no_class_and_all_evaluate(tracks):
    clips, scan = read(tracks, window=50)
    assert len(clips) == 8 and scan.classes == () and scan.split_lists == ("own",)
    assert {(clip.label, clip.splits["own"]) for clip in clips.values()} == {(UNKNOWN, "eval")}
    assert len(read(tracks / "m3.h5", tracks / "m1.csv", window=50)[0]) == 4


def test_windows_in_which_nobody_is_seen_are_left_out(tmp_path, rng):
    values = walk(rng, 100)
    values[:30] = np.nan  # as of a stitched track whose animal comes later
    path = write_csv(tmp_path / "m.csv", values, names_of(POINTS))
    clips, scan = read(path, window=25)
    assert list(clips) == ["m_25-50", "m_50-75", "m_75-100"] and scan.skipped == {"nobody is seen in": ["m_0-25"]}
    assert f"{path}: nobody is seen in any window; lower data.likelihood" in refusal(path, likelihood=1.0)


def test_a_recording_is_taken_once(tracks, rng):
    write_h5(tracks / "m0.h5", walk(rng, 100), names_of(POINTS))
    clips, scan = read(tracks, window=100)
    assert clips["m0_0-100"].columns["source"].endswith("m0.csv")
    assert scan.skipped == {"of a recording whose .csv was taken": ["m0.h5"]}
    write_csv(tracks / "m1_filtered.csv", walk(rng, 100), names_of(POINTS))
    filtered = f"is there filtered, too ({tracks / 'm1_filtered.csv'}); keep one of the two, for it is one recording"
    assert refusal(tracks) == f"{tracks / 'm1.csv'}: {filtered}"


@pytest.mark.parametrize("name", ["m0_filtered.csv", "m0_filtered.h5", "sub/../m0_filtered.csv"])
def test_a_table_names_a_recording_filtered_or_not(tracks, rng, name):
    (tracks / "sub").mkdir()
    write = write_h5 if name.endswith(".h5") else write_csv
    write(tracks / name, walk(rng, 100), names_of(POINTS))
    for rows in ([*ROWS, f"{name},50,60,run"], [f"{name},50,60,run", *ROWS]):
        message = refusal(table(tracks, *rows))
        assert message.startswith(f"{tracks / 'm0.csv'}: is there filtered, too ({tracks / name}); keep one of")
    rows = [row for row in ROWS if not row.startswith("m0")]
    assert len(read(table(tracks, f"{name},0,20,run", *rows))[0]) == 10


def test_a_table_names_one_file_of_a_recording(tracks, rng):
    write_h5(tracks / "m0.h5", walk(rng, 100), names_of(POINTS))
    message = refusal(table(tracks, *ROWS, "m0.h5,20,30,run"))
    assert message.startswith(f"{tracks / 'm0.h5'}: is there as {tracks / 'm0.csv'}, too; keep one of the two")


def test_a_recording_is_in_one_class_filtered_or_not(tmp_path, rng):
    folder = write_dlc(tmp_path, rng, recordings=2)  # mouse0 of groom and of rear are two
    filtered = write_csv(folder / "rear" / "mouse7_filtered.csv", walk(rng, 100), names_of(POINTS))
    assert len({clip.columns["recording"] for clip in read(folder)[0].values()}) == 5
    path = write_csv(folder / "groom" / "mouse7.csv", walk(rng, 100), names_of(POINTS))
    assert refusal(folder).startswith(f"{path}: is there filtered, too ({filtered}); keep one of the two")


def test_tracks_that_are_given_one_by_one_are_of_as_many_recordings(tracks, rng):
    filtered = write_csv(tracks / "m1_filtered.csv", walk(rng, 100), names_of(POINTS))
    message = f"{tracks / 'm1.csv'}: is there filtered, too ({filtered})"
    assert refusal(filtered, tracks / "m1.csv").startswith(message)


def test_roots_without_tracks_are_refused(tmp_path, tracks, rng):
    assert "none: no such file or folder; give a table of windows" in refusal(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    assert "notes.txt: no tracks (.csv, .h5)" in refusal(tmp_path / "empty" / "notes.txt")
    assert "empty: no tracks (.csv, .h5); give a table of windows (file,from,to,label), a" in refusal(
        tmp_path / "empty"
    )
    folder = write_dlc(tmp_path / "set", rng, recordings=1)
    assert f"{tracks / 'm0.csv'}: has no class, but others have" in refusal(folder, tracks / "m0.csv")
    (folder / "sniff").mkdir()
    assert f"{folder / 'sniff'}: no tracks; its name would be a class" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.csv", "file;from;to;label\n", "w.csv, line 1: no column file; "),
        ("w.csv", "file,from,to,class\n", "w.csv, line 1: no column label; "),
        ("w.tsv", "file,from,to,label\n", "w.tsv, line 1: no column file; "),
        ("w.csv", "scorer,a\nbodyparts,b\n", "w.csv: a track beside the folders of classes; put it into the folder of"),
        ("w.h5", "", "w.h5: a track beside the folders of classes; put it into the folder of its class"),
    ],
)
def test_a_broken_table_or_a_track_beside_the_classes_is_not_passed_over(tmp_path, rng, name, content, message):
    folder = write_dlc(tmp_path, rng, recordings=2)
    (folder / name).write_text(content)
    assert refusal(folder).startswith(f"{folder}/{message}")


def test_a_broken_table_beside_bare_tracks_is_not_passed_over(tracks):
    table(tracks, *ROWS, name="w.tsv")
    assert "w.tsv, line 1: no column file; the first line names" in refusal(tracks)


def test_a_track_that_vanishes_before_it_is_read_is_one_line(tracks):
    chosen = reader(window=50)
    (source, _) = chosen.scan([tracks / "m0.csv"], "rats").sources
    (tracks / "m0.csv").unlink()
    with pytest.raises(ReadError, match=r"m0.csv: cannot be read \(No such file or directory\)"):
        next(chosen.read(source))


def test_a_file_is_opened_once_for_listing_and_reading(tracks, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "reader.deeplabcut.open_track", lambda path, known: opened.append(path) or open_track(path, known)
    )
    assert len(read(tracks / "m0.csv", window=10)[0]) == 10
    assert len(opened) <= 1  # 0: an earlier test's
    read(table(tracks, *ROWS[::-1]))
    assert len(opened) <= 9  # four to list and four to read


def test_a_reader_goes_to_workers_and_names_what_it_was_told():
    assert pickle.loads(pickle.dumps(reader(rate=30.0))) == reader(rate=30.0)


def test_a_body_point_for_every_joint_of_the_layout():
    assert reader(num_joints=12).joints == POINTS
    with pytest.raises(UserError, match=r"data.joints: j3, j5 is there more than once; name each body point once"):
        reader(joints=(*POINTS[:10], "j3", "j5"), num_joints=12)
    with pytest.raises(UserError, match=r"data.joints: 12 body points, but layout rat-12 has 13 joints; name one"):
        reader(num_joints=13)


def test_a_changed_table_is_noticed(tracks):
    before = [source.key() for source in read(table(tracks, *ROWS))[1].sources]
    assert [source.key() for source in read(table(tracks, *ROWS))[1].sources] == before
    assert [source.key() for source in read(table(tracks, *ROWS[:-1], "m3.h5,70,91,rest"))[1].sources] != before


# --- the split


def test_whole_recordings_are_on_one_side_and_a_seed_gives_the_same(tracks):
    clips, _ = read(table(tracks, *ROWS))
    assert len({(clip.columns["recording"], clip.splits["own"]) for clip in clips.values()}) == 4
    assert {clip.splits["own"] for clip in clips.values()} == {"train", "eval"}
    again, _ = read(table(tracks, *ROWS))
    assert [clip.splits for clip in again.values()] == [clip.splits for clip in clips.values()]


def test_a_column_may_name_the_sessions_that_recordings_belong_to(tracks):
    rows = [f"{row},{'first' if row[1] < '2' else 'second'}" for row in ROWS]
    clips, _ = read(table(tracks, *rows, header="file,from,to,label,recording"))
    assert len({(clip.columns["recording"], clip.splits["own"]) for clip in clips.values()}) == 2


def test_a_split_by_a_tables_column(tracks):
    rows = [f"{row},{'train' if row[1] < '3' else 'test'}" for row in ROWS]
    path = table(tracks, *rows, header="file,from,to,label,part")
    clips, _ = read(path, split={"column": "part", "train": ["train"]})
    assert [name for name, clip in clips.items() if clip.splits["own"] == "eval"] == ["m3_0-20", "m3_30-50", "m3_70-90"]
    assert "no column 'mouse'; its columns are recording, part, from, to" in refusal(
        path, split={"group": "mouse", "share": 0.25, "seed": 1}
    )


def test_one_recording_needs_blocks_of_time(tracks):
    path = table(tracks, *ROWS[:3])
    assert refusal(path) == (
        "data.split: all 3 windows are of one recording (m0), and neighbours are nearly the same; "
        "split recordings into blocks of time: --set 'data.split={blocks: 8, gap: 30}'"
    )


def test_one_recording_of_every_class_needs_blocks_of_time(tmp_path, rng):
    folder = write_dlc(tmp_path, rng, recordings=1, frames=400)
    assert refusal(folder) == (
        "data.split: all 12 clips train and none evaluates, for every class is of one recording, by which they are "
        "divided; split recordings into blocks of time: --set 'data.split={blocks: 8, gap: 30}'"
    )
    sides = {clip.splits["own"] for clip in read(folder, window=20, split=BLOCKS)[0].values()}
    assert sides == {"train", "eval"}
    path = table(tmp_path, "groom/mouse0.csv,0,200,run", "groom/mouse0.csv,200,400,rest")
    message = refusal(path, split={"blocks": 2, "share": 0.25, "seed": 1})
    assert message.endswith("for every class is of one block, by which they are divided; take more blocks")


def test_windows_near_an_evaluated_block_are_left_out_and_said(tmp_path, rng):
    write_csv(tmp_path / "m.csv", walk(rng, 400), names_of(POINTS))
    rows = [f"m.csv,{t},{t + 10},{'rest' if t // 50 % 2 else 'run'}" for t in range(0, 391, 5)]
    clips, scan = read(table(tmp_path, *rows), split=BLOCKS)
    ((why, left_out),) = scan.skipped.items()
    assert why == "of the training, fewer than 10 frames from an evaluated window"
    assert len(clips) + len(left_out) == len(rows) and not clips.keys() & set(left_out)
    sides = {(clip.label, clip.splits["own"]) for clip in clips.values()}
    assert len(sides) == 4
    assert len({clip.columns["block"] for clip in clips.values() if clip.splits["own"] == "eval"}) == 2
    message = refusal(table(tmp_path, *rows), split=BLOCKS | {"gap": 400})
    assert message == "data.split: all 59 training windows are too near to evaluated ones; lower gap, or blocks"


def test_a_window_is_of_the_block_that_its_middle_is_in():
    spans = [(10, 20), (24, 34), (10, 49), (26, 36), (11, 49), (60, 90)]  # middles 15, 29, 29.5, 31, 30, 75
    rows = [Row(f"{n}", "m.csv", "x", *span, {"recording": "m", "at": n}) for n, span in enumerate(spans)]
    found = in_blocks(rows, 4)  # 10 to 90: 20 frames each
    assert [row.columns["block"] for row in found] == ["m_0", "m_0", "m_0", "m_1", "m_1", "m_3"]
    assert found[2] == replace(rows[2], columns={"recording": "m", "at": 2, "block": "m_0"})


def test_recordings_of_one_file_name_have_blocks_of_their_own(tmp_path, rng):
    for name in ("walk", "sit"):
        write_csv(tmp_path / name / "track.csv", walk(rng, 100), names_of(POINTS))
    rows = [f"{name}/track.csv,{t},{t + 10},{name}" for name in ("walk", "sit") for t in range(0, 91, 10)]
    for root in (tmp_path, table(tmp_path, *rows)):
        clips, _ = read(root, window=10, split={"blocks": 4, "share": 0.25, "seed": 1})
        assert len({clip.columns["block"] for clip in clips.values()}) == 8


def test_overlapping_windows_of_a_stated_split_are_left_out_of_the_training(tracks):
    rows = ["m0.csv,0,20,run,train", "m0.csv,19,40,run,test", "m0.csv,40,60,rest,train", "m1.csv,0,20,rest,test"]
    path = table(tracks, *rows, header="file,from,to,label,part")
    clips, scan = read(path, split={"column": "part", "train": ["train"]})
    assert list(clips) == ["m0_19-40", "m0_40-60", "m1_0-20"]
    assert scan.skipped == {
        "of the training, overlapping an evaluated window": ["m0_0-20"],
        "classes of the training, by part": ["run"],
    }


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_too_near_is_what_counting_frames_says(data):
    spans = data.draw(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15)), min_size=1, max_size=12))
    files = data.draw(st.lists(st.sampled_from("ab"), min_size=len(spans), max_size=len(spans)))
    trains = np.array(data.draw(st.lists(st.booleans(), min_size=len(spans), max_size=len(spans))))
    gap = data.draw(st.integers(0, 6))
    rows = [
        Row(f"{n}", file, "x", start, start + length) for n, (file, (start, length)) in enumerate(zip(files, spans))
    ]

    def between(one, other):
        return max(one.start, other.start) - min(one.end, other.end)  # negative: they overlap

    near = [
        bool(is_trained) and any(row.file == other.file and not other_trains and between(row, other) < gap
                                 for other, other_trains in zip(rows, trains))
        for row, is_trained in zip(rows, trains)
    ]  # fmt: skip
    if gap == 0:  # neighbours do not overlap
        assert all(between(a, b) >= 0 for a, n, t in zip(rows, near, trains) if t and not n
                   for b, o in zip(rows, trains) if not o and a.file == b.file)  # fmt: skip
    assert too_near(rows, trains, gap).tolist() == near


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    window=st.integers(2, 60),
    hop=st.integers(1, 60),
    blocks=st.integers(2, 12),
    gap=st.integers(0, 40),
    seed=st.integers(0, 9),
)
def test_nothing_of_an_evaluated_frame_is_trained_on(long_set, window, hop, blocks, gap, seed):
    options = {"window": window, "hop": hop}
    for split in (
        {"blocks": blocks, "gap": gap, "share": 0.3, "seed": seed},
        {"group": None, "share": 0.3, "seed": seed},
    ):
        try:
            scan = reader(split=split, **options).scan([long_set], "rats")
        except UserError as error:  # blocks shorter than the gap
            assert str(error).startswith("data.split: all ")
            continue
        frames = {"train": set(), "eval": set()}
        for source in scan.sources:
            wide = split.get("gap", 0) if source.split == "train" else 0
            frames[source.split] |= {(source.path, t) for t in range(source.start - wide, source.end + wide)}
        assert frames["train"] and frames["eval"] and not frames["train"] & frames["eval"]


@pytest.fixture(scope="module")
def long_set(tmp_path_factory):
    return write_dlc(tmp_path_factory.mktemp("long"), np.random.default_rng(6), recordings=2, frames=300, points=POINTS)
