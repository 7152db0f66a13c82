"""The NTU text form: what is read, which persons are kept, and what is refused in which words."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reader.ntu import MISSING, OTHER_PART, STRAY, NtuReader, energy, main_persons, missing_names, parse
from utils.errors import UserError
from utils.pickles import load_pickle
from utils.recording import ReadError, Source

READER = NtuReader()
NAME = "S001C001P001R001A001"
IGNORED = "S001C002P005R002A008"


def read(path):
    """Return the one recording of a file."""
    (recording,) = READER.read(Source(path.stem, path, path.stat().st_size))
    return recording


def clip(seed, persons=1, frames=3):
    """Return joints (M, T, 25, 3) that a text holds exactly."""
    return np.random.default_rng(seed).integers(-3000, 3000, (persons, frames, 25, 3)) / 1024


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{NAME}.skeleton"


@pytest.fixture
def lines(path, write_skeleton):
    """The lines of a file of two frames with one body each: 1 count, then 28 a frame."""
    return write_skeleton(path, clip(1, frames=2)).read_bytes().splitlines(keepends=True)


# --- what is read


def golden_rows(goldens):
    folder = goldens / "data/npy_dataset/original/ntu-xsub"
    for split in ("train", "eval"):
        data = np.load(folder / f"{split}_data.npy")
        for row, path, label, frames in zip(data, *load_pickle(folder / f"{split}_label.pkl"), strict=True):
            yield path.rpartition("/")[2], row.transpose(3, 1, 2, 0), label, frames  # (M, T, V, C)


def test_every_golden_skeleton_gives_the_originals_tensor(goldens):
    rows = list(golden_rows(goldens))
    assert len(rows) == 16
    for file, expected, label, frames in rows:
        found = read(goldens / "data/skeletons" / file)
        assert (found.label, found.num_frames, found.joints.dtype) == (label, frames, np.float32), file
        assert found.joints.tobytes() == np.ascontiguousarray(expected[:, :frames]).tobytes(), file
        assert not expected[:, frames:].any()


def test_the_golden_folder_gives_16_sources_and_reports_the_ignored_one(goldens):
    scan = READER.scan([goldens / "data/skeletons"], "ntu60")
    names = [source.name for source in scan.sources]
    assert len(names) == 16
    assert names == sorted(names)
    assert scan.skipped == {MISSING: [f"{IGNORED}.skeleton"]}
    assert scan.split_lists == ()


@given(
    st.integers(1, 3).flatmap(
        lambda persons: arrays(np.int64, (persons, 2, 25, 3), elements=st.integers(-(10**7), 10**7), fill=st.just(123))
    )
)
def test_written_numbers_are_read_back(tmp_path_factory, write_skeleton, numbers):
    numbers[:, :, 0, 0] += (numbers == 0).all(axis=(2, 3))  # no body is missing
    joints = numbers / 10**6  # micrometres, as the real files have
    path = write_skeleton(tmp_path_factory.getbasetemp() / "written.skeleton", joints)
    found = parse(path)
    assert np.array_equal(found, joints.astype(np.float32))


@pytest.mark.parametrize(
    "style",
    [
        {"newline": "\r\n"},
        {"blank": "\t"},
        {"blank": "   "},
        {"newline": " \n"},
        {"newline": "\t\r\n", "blank": " \t "},
    ],
)
def test_line_ends_and_blanks_make_no_difference(path, write_skeleton, style):
    joints = clip(2, persons=2)
    joints[0, 1] = 0
    plain = read(write_skeleton(path, joints)).joints
    before = path.read_bytes()
    assert read(write_skeleton(path, joints, **style)).joints.tobytes() == plain.tobytes()
    assert path.read_bytes() != before


def test_a_missing_last_line_end_and_blank_lines_at_the_end_are_no_matter(path, write_skeleton):
    expected = read(write_skeleton(path, clip(3))).joints
    text = path.read_bytes()
    for ending in (b"", b"\n\n  \n"):
        path.write_bytes(text.rstrip() + ending)
        assert np.array_equal(read(path).joints, expected)


def test_columns_and_label_come_from_the_name(tmp_path, write_skeleton):
    path = write_skeleton(tmp_path / "S017C003P040R002A060.skeleton", clip(4))
    found = read(path)
    assert (found.name, found.label, found.splits) == ("S017C003P040R002A060", 59, {})
    assert found.columns == {"setup": 17, "camera": 3, "subject": 40, "replication": 2, "source": str(path)}


def test_all_frames_of_a_long_clip_are_kept(goldens):
    found = read(goldens / "data/skeletons_odd/S001C001P001R001A007.skeleton")
    assert found.num_frames == 310
    assert found.joints[0, 309].any()


# --- which bodies are kept


def test_a_slot_is_the_order_of_appearance_within_the_frame(path, write_skeleton):
    joints = clip(5, persons=2)
    joints[0, 1] = 0  # in frame 1, only the second body is seen
    found = parse(write_skeleton(path, joints))
    assert np.array_equal(found[0, 1], joints[1, 1])
    assert not found[1, 1].any()
    assert np.array_equal(found[:2, 2], joints[:, 2])


def test_energy_is_the_sum_of_three_standard_deviations():
    body = np.zeros((2, 25, 3), np.float32)
    body[0] = [1, 10, -3]
    body[1] = [3, 10, -11]
    assert energy(body) == 1 + 0 + 4


def test_energy_leaves_out_frames_that_sum_to_zero():
    body = np.zeros((4, 25, 3), np.float32)
    body[1], body[3] = [1, 10, -3], [3, 10, -11]
    body[2, 0] = [5, -5, 0]  # not empty, but its sum is zero: the original's test
    assert energy(body) == 5
    assert energy(np.zeros((4, 25, 3), np.float32)) == 0


@given(st.integers(0, 2**32), st.integers(1, 300), st.floats(0, 1))
def test_energy_is_the_originals_to_the_bit(seed, frames, gaps):
    """The original's calls: their order of sums decides which of two bodies is the first."""
    rng = np.random.default_rng(seed)
    body = (rng.normal(0, 1, (frames, 25, 3)) + np.array([0, 0, 3])).astype(np.float32)
    body[rng.random(frames) < gaps] = 0
    live = body[body.sum(-1).sum(-1) != 0]
    expected = live[:, :, 0].std() + live[:, :, 1].std() + live[:, :, 2].std() if len(live) else 0.0
    assert energy(body) == expected


def nowhere_apart(body):
    """Every joint is in the first one's place, in all frames."""
    body[:] = body[0, 0]


def in_one_plane(body):
    """Nothing moves or extends in x."""
    body[..., 0] = body[0, 0, 0]


def summing_to_zero(body):
    """The original takes all frames for empty ones."""
    body[:] = 0
    body[:, 0] = [5, -5, 0]


def late(body):
    """The first frame is empty."""
    body[0] = 0


@given(
    st.integers(0, 2**32),
    st.integers(1, 20),
    st.lists(st.sampled_from([nowhere_apart, in_one_plane, summing_to_zero, late, np.copy]), min_size=1, max_size=5),
)
def test_who_is_chosen_of_odd_bodies_is_the_originals_choice(seed, frames, oddities):
    """The original: its four slots or more, the two of most energy, absent ones among them."""
    rng = np.random.default_rng(seed)
    bodies = rng.normal(0, 1, (len(oddities), frames, 25, 3)).astype(np.float32)
    for make_odd, body in zip(oddities, bodies, strict=True):
        make_odd(body)
    slots = np.concatenate([bodies, np.zeros((max(0, 4 - len(bodies)), frames, 25, 3), np.float32)])
    order = np.argsort([energy(body) for body in slots], kind="stable")[::-1]
    assert np.array_equal(main_persons(bodies), slots[order[:2]])


def test_the_two_bodies_that_move_most_are_kept_in_order_of_energy(path, write_skeleton):
    joints = clip(6, persons=3) * np.array([2, 1, 4])[:, None, None, None]
    found = read(write_skeleton(path, joints)).joints
    assert np.array_equal(found, joints[[2, 0]])


def test_of_equal_energies_the_later_slot_comes_first(path, write_skeleton):
    body = clip(7)
    joints = np.concatenate([body, -body, body / 2])  # mirrored: the same deviations to the bit
    assert np.array_equal(read(write_skeleton(path, joints)).joints, joints[[1, 0]])


def test_six_bodies_compete(path, write_skeleton):
    joints = clip(8, persons=6) * np.array([1, 2, 1, 2, 8, 4])[:, None, None, None]
    assert np.array_equal(read(write_skeleton(path, joints)).joints, joints[[4, 5]])


def test_a_fifth_body_in_one_frame_competes_too(goldens):
    found = parse(goldens / "data/skeletons_odd/S001C001P001R001A008.skeleton")
    assert found.shape == (5, 30, 25, 3)
    assert [t for t in range(30) if found[4, t].any()] == [10]


def test_an_absent_second_person_is_zero(path, write_skeleton):
    found = read(write_skeleton(path, clip(9))).joints
    assert found.shape == (2, 3, 25, 3)
    assert found[0].any()
    assert not found[1].any()


# --- what is refused


def replaced(number, text):
    """Return an edit that replaces a line (from 1)."""
    return lambda lines: [*lines[: number - 1], text, *lines[number:]]


@pytest.mark.parametrize(
    ("edit", "line", "reason"),
    [
        (lambda lines: [], 1, "the file is empty; expected the number of frames"),
        (lambda lines: [b"\n"], 1, "expected the number of frames, found ''"),
        (replaced(1, b"0\n"), 1, "the number of frames is 0"),
        (replaced(1, b"-1\n"), 1, "expected the number of frames, found '-1'"),
        (replaced(1, b"2.0\n"), 1, "expected the number of frames, found '2.0'"),
        (replaced(1, b"3\n"), 58, "the file ends here (truncated?); expected the number of bodies"),
        (replaced(1, b"9" * 5000 + b"\n"), 1, f"expected the number of frames, found '{'9' * 40}'"),
        (replaced(1, b"\xff\xfe\x00\n"), 1, "expected the number of frames, found '\ufffd\ufffd\x00'"),
        (lambda lines: lines[:2], 3, "the file ends here (truncated?); expected a body's line"),
        (lambda lines: lines[:3], 4, "the file ends here (truncated?); expected the number of joints"),
        (lambda lines: lines[:40], 41, "the file ends here (truncated?); expected a joint's line"),
        (replaced(2, b"one\n"), 2, "expected the number of bodies, found 'one'"),
        (replaced(2, b"2\n"), 31, "expected the number of joints, found '72057594037931101 0 1 1 1 1 0 0.1 0.2 2'"),
        (replaced(4, b"26\n"), 4, "26 joints, but an NTU skeleton has 25"),
        (replaced(4, b"0\n"), 4, "0 joints, but an NTU skeleton has 25"),
        (replaced(5, b"1 2 x 4\n"), 5, "expected a joint's x y z, found '1 2 x'"),
        (replaced(5, b"1 2\n"), 5, "expected a joint's x y z, found '1 2'"),
        (replaced(5, b"1 2,5 3\n"), 5, "expected a joint's x y z, found '1 2,5 3'"),
        (replaced(29, b"\x80\x81 1 2\n"), 29, "expected a joint's x y z, found '\ufffd\ufffd 1 2'"),
        (replaced(57, b"nan 1 2 0\n"), 57, "a joint's coordinates are not finite: nan 1.0 2.0"),
        (replaced(57, b"1 -inf 2 0\n"), 57, "a joint's coordinates are not finite: 1.0 -inf 2.0"),
        (replaced(57, b"1 2 1e39 0\n"), 57, "a joint's coordinates are not finite: 1.0 2.0 1e+39"),
    ],
)
def test_a_broken_file_is_refused_with_file_line_and_reason(path, lines, edit, line, reason):
    path.write_bytes(b"".join(edit(lines)))
    with pytest.raises(ReadError) as caught:
        read(path)
    assert str(caught.value) == f"{path}, line {line}: {reason}"
    assert "\n" not in str(caught.value)


def test_a_file_without_a_body_is_refused(path):
    path.write_bytes(b"3\n0\n0\n0\n")
    with pytest.raises(ReadError, match=r"A001\.skeleton: no body in any frame, so there is nothing to learn from"):
        read(path)


def test_the_largest_float32_is_finite(path, lines):
    path.write_bytes(b"".join(replaced(5, b"3.4028234e38 0 -3.4028234e38 0\n")(lines)))
    assert parse(path)[0, 0, 0].tolist() == [np.finfo(np.float32).max, 0, -np.finfo(np.float32).max]


@pytest.mark.parametrize("seed", range(5))
def test_garbage_is_refused_not_fatal(path, seed):
    path.write_bytes(b"7\n" + np.random.default_rng(seed).bytes(5000))
    with pytest.raises(ReadError, match=r"A001\.skeleton, line \d+: "):
        read(path)


def test_a_file_that_cannot_be_read_is_refused(path):
    path.mkdir()
    with pytest.raises(ReadError, match=r"A001\.skeleton: cannot be read \(Is a directory\)"):
        parse(path)
    with pytest.raises(ReadError, match=r"gone: cannot be read \(No such file or directory\)"):
        parse(path.with_name("gone"))


def test_every_odd_golden_file_is_read_or_refused(goldens):
    outcomes = {}
    for path in sorted((goldens / "data/skeletons_odd").glob("*.skeleton")):
        try:
            outcomes[path.stem[-3:]] = read(path).num_frames
        except ReadError as error:
            outcomes[path.stem[-3:]] = f"{error.line}: {error.reason}"
    assert outcomes == {
        "007": 310,
        "008": 30,
        "009": "None: no body in any frame, so there is nothing to learn from",
        "010": "1: the number of frames is 0",
        "011": "148: a joint's coordinates are not finite: nan 0.6422298 3.586761",
        "012": "424: the file ends here (truncated?); expected the number of joints",
        "013": "4: 26 joints, but an NTU skeleton has 25",
        "014": "1: the file is empty; expected the number of frames",
    }


def test_a_refusal_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(ReadError("a.skeleton", 7, "letters")))
    assert (str(error), error.line, error.reason) == ("a.skeleton, line 7: letters", 7, "letters")


def test_a_reader_can_be_sent_to_a_worker():
    assert pickle.loads(pickle.dumps(READER)) == READER


# --- which files are read


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")


def test_files_are_listed_by_root_folder_and_name(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    order = [b / "S001C001P003R001A001", a / "S001C001P002R001A001", a / "x/S001C001P001R001A001"]
    touch(*(path.with_suffix(".skeleton") for path in order[::-1]))
    assert [source.path.with_suffix("") for source in READER.scan([b, a], "ntu60").sources] == order


def test_stray_files_and_clips_of_the_other_part_are_reported_not_fatal(tmp_path):
    strays = ["README.txt", f"{NAME}.skeleton.gz", f"{NAME}_1.skeleton", "S1C1P1R1A1.skeleton", f"x{NAME}.skeleton"]
    others = ["S018C001P001R001A061.skeleton", "S032C001P001R001A001.skeleton"]
    touch(*(tmp_path / name for name in [f"{NAME}.skeleton", *strays, *others]))
    scan = READER.scan([tmp_path], "ntu60")
    assert [source.name for source in scan.sources] == [NAME]
    assert scan.skipped == {STRAY: sorted(strays), OTHER_PART: others}
    assert [source.path.name for source in READER.scan([tmp_path], "ntu120").sources] == others


def test_the_list_of_missing_skeletons_does_not_concern_the_demo(tmp_path):
    touch(tmp_path / f"{IGNORED}.skeleton")
    assert [source.name for source in READER.scan([tmp_path], "demo").sources] == [IGNORED]


def test_one_name_in_two_folders_is_refused(tmp_path):
    touch(tmp_path / "a" / f"{NAME}.skeleton", tmp_path / "b" / f"{NAME}.skeleton")
    with pytest.raises(UserError, match=rf"b/{NAME}\.skeleton: {NAME} is also in .*/a; give only one"):
        READER.scan([tmp_path], "ntu60")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such file or folder; give the one with the raw files as --raw"):
        READER.scan([tmp_path / "nowhere"], "ntu60")


def test_a_folder_without_clips_says_what_is_in_it(tmp_path):
    with pytest.raises(UserError, match=r"no clips of part ntu60 \(no files at all\); give the folder of Ssss"):
        READER.scan([tmp_path], "ntu60")
    touch(tmp_path / "notes.txt", tmp_path / "S020C001P001R001A001.skeleton")
    with pytest.raises(UserError, match=rf"\(1 {OTHER_PART.replace('(', '.').replace(')', '.')}; 1 {STRAY}\)"):
        READER.scan([tmp_path], "ntu60")


def test_a_source_is_known_by_name_and_size(path):
    touch(path)
    (source,) = READER.scan([path.parent], "ntu60").sources
    assert source.key() == [NAME, 2]
    os.truncate(path, 1)
    assert READER.scan([path.parent], "ntu60").sources[0].key() == [NAME, 1]


# --- the list of missing skeletons


def test_535_skeletons_are_missing_302_of_them_in_ntu60():
    names = missing_names()
    assert len(names) == 535
    assert sum(int(name[1:4]) <= 17 for name in names) == 302


def test_the_list_is_the_originals(goldens):
    assert missing_names() == set((goldens / "ignore.txt").read_text().split())


def test_a_link_to_nothing_is_reported(tmp_path, write_skeleton):
    write_skeleton(tmp_path / "S001C001P001R001A001.skeleton", np.ones((1, 2, 25, 3)))
    (tmp_path / "S001C001P001R001A002.skeleton").symlink_to(tmp_path / "gone")
    scan = READER.scan([tmp_path], "ntu60")
    assert [source.name for source in scan.sources] == ["S001C001P001R001A001"]
    assert scan.skipped == {"a link to a file that is not there": ["S001C001P001R001A002.skeleton"]}


def test_an_action_that_the_data_set_does_not_have_is_reported(tmp_path, write_skeleton):
    for name in ("S001C001P001R001A001", "S001C001P001R001A000", "S001C001P001R001A061"):
        write_skeleton(tmp_path / f"{name}.skeleton", np.ones((1, 2, 25, 3)))
    scan = READER.scan([tmp_path], "ntu60")
    assert [source.name for source in scan.sources] == ["S001C001P001R001A001"]
    assert list(scan.skipped) == ["of an action that the data set does not have"]
