"""DeepLabCut's files: what they hold, what becomes of it, and what is refused in which words."""

import pickle
import re

import h5py
import numpy as np
import pytest

from dataset.graphs import stgcn_spatial
from dataset.layouts import load_layout
from reader.deeplabcut.fitting import Skeleton, open_track
from reader.deeplabcut.tables import open_table
from tests.reader.dlc_form import POINTS, SCORER, mark, names_of, walk, write_csv, write_fixed_h5, write_h5
from utils.errors import UserError
from utils.recording import ReadError

FRAME = (720, 540)
PAIR = ("ann", "bob")


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def skeleton(**options):
    known = {"layout": "rat-12", "joints": POINTS, "persons": 1, "frame_size": FRAME, "likelihood": 0.6}
    return Skeleton(**known | options)


def refusal(action, *arguments):
    with pytest.raises(UserError) as error:
        action(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- what a file holds


@pytest.mark.parametrize("individuals", [(), PAIR])
@pytest.mark.parametrize("write", [write_csv, write_h5, write_fixed_h5])
def test_every_form_of_a_file_holds_the_same(tmp_path, rng, write, individuals):
    names, values = names_of(POINTS, individuals), walk(rng, 20, persons=len(individuals) or 1)
    path = tmp_path / f"track{'.csv' if write is write_csv else '.h5'}"
    table = open_table(write(path, values, names), POINTS)
    assert np.array_equal(table.values, values, equal_nan=True) and np.isnan(values).any()
    assert table.columns == tuple((name[1] if individuals else "", *name[-2:]) for name in names)
    assert table.individuals == (individuals or ("",))


def test_stitched_tracks_and_quoted_names(tmp_path, rng):
    names = [(SCORER, 'the "big", one', *name[1:]) for name in names_of(POINTS[:2])]
    values = walk(rng, 5, POINTS[:2])
    stitched = open_table(write_h5(tmp_path / "a.h5", values, names, key="tracks"), ())
    assert stitched.individuals == ('the "big", one',)
    assert np.array_equal(stitched.values, values, equal_nan=True)


def test_the_real_track(shared):
    (path,) = (shared / "data/deeplabcut").glob("*.csv")
    plain = np.genfromtxt(path, delimiter=",", skip_header=3)
    table = open_table(path, ())
    assert table.values.shape == (962, 75) and np.array_equal(table.values, plain[:, 1:])
    assert table.points("")[:3] == ("tl", "tr", "bl") and table.points("")[-1] == "tailtip"


def test_an_h5_without_readable_names_goes_by_its_number_of_points(tmp_path, rng):
    path = write_h5(tmp_path / "a.h5", walk(rng, 5), names_of(POINTS))
    with h5py.File(path, "a") as file:
        mark(file["df_with_missing"], non_index_axes=b"(lp0\n.")
    assert open_table(path, POINTS).points("") == POINTS
    message = refusal(open_table, path, POINTS[:5])
    assert message == (
        f"{path}: its names cannot be read, and 36 columns are not x, y, likelihood of 5 joints; give the .csv "
        "(DeepLabCut's save_as_csv)"
    )


def test_nothing_that_an_h5_pickles_is_run(tmp_path, rng):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    path = write_h5(tmp_path / "a.h5", walk(rng, 5), names_of(POINTS))
    with h5py.File(path, "a") as file:
        mark(file["df_with_missing"], non_index_axes=pickle.dumps([(1, [Trap()])], 0))
    assert open_table(path, POINTS).points("") == POINTS
    assert not (tmp_path / "sprung").exists()


HEADER = "scorer,a,a,a\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            ", line 1: no DeepLabCut track; a track begins with scorer, a table of windows has the columns file, from",
        ),
        ("0,1,2,3\n", ", line 1: no DeepLabCut track; "),
        ("scorer;a;a;a\n", ", line 1: no DeepLabCut track; "),
        (HEADER.replace("bodyparts", "parts"), ", line 2: begins with 'parts', not with bodyparts or individuals"),
        ("scorer,a\n", ", line 2: begins with 'nothing', not with bodyparts"),
        (HEADER.replace("coords", "0"), ", line 3: begins with '0' where coords belongs (scorer / bodyparts / coords)"),
        (HEADER.replace("bodyparts", "individuals"), ", line 3: begins with 'coords' where bodyparts belongs"),
        (HEADER.replace(",a\n", "\n"), ", line 2: 4 cells, but the first line has 3; export it again"),
        (HEADER.replace("likelihood", "z"), ": 3-D points, of x, y, z without likelihood: a joint's score would be"),
        (HEADER.replace(",likelihood", ",y"), ": labels, of x, y without likelihood: a joint's score would be unknown"),
        (HEADER.replace("x,y,", "x,x,"), ": 2 columns are the x of nose (of several scorers?); keep one"),
        (HEADER, ": no frames; analyse the video again, or remove the file"),
        (HEADER + "0,1,2\n", ", line 4: 3 cells, but the first line has 4; export it again"),
        (HEADER + "0,1,2,.9\n1,1,left,.9\n", ", line 5: not a number (could not convert string to float: 'left'); "),
        (HEADER + "0,1,2,.9\n2,1,2,.9\n", ", line 5: frame 2 where 1 should be; frames are numbered from 0 without"),
        (HEADER + "0,1,2,\0\n", ", line 4: not a number"),
        (HEADER + "0,1,2,\x80\n", ": no text that can be read as .csv ("),
    ],
)
def test_a_csv_that_is_no_track_is_refused(tmp_path, text, message):
    path = tmp_path / "track.csv"
    path.write_bytes(text.encode("latin1"))
    assert refusal(open_table, path, POINTS).startswith(f"{path}{message}")


@pytest.mark.parametrize("write", [write_h5, write_fixed_h5])
def test_a_damaged_h5_is_one_line_or_read(tmp_path, rng, write):
    whole = write(tmp_path / "whole.h5", walk(rng, 5), names_of(POINTS)).read_bytes()
    path, refused = tmp_path / "track.h5", 0
    for _ in range(150):
        content = bytearray(whole[: rng.integers(len(whole) // 2, len(whole) + 1)])
        content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content)
        try:
            open_table(path, POINTS)
        except ReadError as error:
            assert str(error).startswith(f"{path}") and "\n" not in str(error)
            refused += 1
    assert refused > 50


def test_an_h5_that_is_no_track_is_refused(tmp_path, rng):
    path, values, names = tmp_path / "track.h5", walk(rng, 5), names_of(POINTS)
    path.write_bytes(b"scorer,a,a,a")
    assert refusal(open_table, path, POINTS).startswith(f"{path}: cannot be read (")
    write_h5(path, values, names, key="predictions")
    assert refusal(open_table, path, POINTS).startswith(f"{path}: holds predictions, not df_with_missing or tracks; ")
    write_h5(path, values, [(*name[:-1], {"likelihood": "z"}.get(name[-1], name[-1])) for name in names])
    assert refusal(open_table, path, POINTS).startswith(f"{path}: 3-D points, of x, y, z without likelihood")
    write_h5(path, values[:0], names)
    assert refusal(open_table, path, POINTS).startswith(f"{path}: no frames; ")
    with h5py.File(path, "w") as file:
        file.create_group("tracks")
    assert refusal(open_table, path, POINTS).startswith(f"{path}: tracks is no table of pandas; give the .csv")
    with h5py.File(path, "w") as file:
        file["tracks/table"] = np.zeros(3, [("index", "<i8"), ("values_block_0", "<f8"), ("values_block_1", "<i8")])
    assert refusal(open_table, path, POINTS).startswith(f"{path}: 2 blocks of values (index, values_block_0, values_")
    with h5py.File(path, "w") as file:
        file["tracks/table"] = np.zeros(3, [("index", "<i8"), ("values_block_0", "S4")])
    assert refusal(open_table, path, POINTS).startswith(f"{path}: its values are |S4 (3,), not numbers of frames; ")
    gap = write_h5(path, values, names)
    with h5py.File(gap, "a") as file:
        rows = file["df_with_missing/table"][:]
        rows["index"][3] = 7
        file["df_with_missing/table"][:] = rows
    assert refusal(open_table, path, POINTS).startswith(f"{path}: frame 7 where 3 should be; ")


# --- what becomes of it


def test_places_are_fractions_from_the_centre_and_unlikely_points_are_missing(tmp_path):
    nan = np.nan
    points = [[72, 54, 0.9], [719, 1, 0.6], [36, 27, 0.59], [nan, 5, 1], [5, nan, 1], [5, 5, nan], [360, 270, 1]]
    names = names_of([f"p{n}" for n in range(len(points))])
    path = write_csv(tmp_path / "a.csv", np.array(points).reshape(1, -1), names)
    joints = open_track(path, skeleton(joints=tuple(f"p{n}" for n in range(len(points)))))
    half = np.float32(0.5)
    expected = np.zeros((1, 1, len(points), 3), np.float32)
    expected[0, 0, 0] = np.float32(72 / 720) - half, np.float32(54 / 540) - half, np.float32(0.9)
    expected[0, 0, 1] = np.float32(719 / 720) - half, np.float32(1 / 540) - half, np.float32(0.6)
    expected[0, 0, 6] = 0, 0, 1
    assert joints.dtype == np.float32 and np.array_equal(joints, expected)


def test_a_likelihood_of_zero_is_missing_whatever_the_threshold(tmp_path):
    path = write_csv(tmp_path / "a.csv", np.array([[72.0, 54, 0, 72, 54, 1e-60, 72, 54, 1e-3]]), names_of("abc"))
    joints = open_track(path, skeleton(joints=tuple("abc"), likelihood=0.0))
    assert joints.any(axis=-1).tolist() == [[[False, False, True]]]  # 1e-60 is 0 in float32


def test_body_points_are_chosen_by_name_and_put_in_order(tmp_path, rng):
    path = write_csv(tmp_path / "a.csv", walk(rng, 9), names_of(POINTS))
    every = open_track(path, skeleton())
    assert np.array_equal(open_track(path, skeleton(joints=("j7", "j2"))), every[:, :, [7, 2]])


def test_individuals_are_persons_in_the_files_order_and_single_is_none(tmp_path, rng):
    values = walk(rng, 9, persons=2)
    names = names_of(POINTS, ("zoe", "ann"), unique=("corner",))
    path = write_csv(tmp_path / "a.csv", np.concatenate([values, np.full((9, 3), 5.0)], axis=1), names)
    joints = open_track(path, skeleton(persons=3))
    for person, half in enumerate(np.split(values, 2, axis=1)):
        alone = write_csv(tmp_path / f"{person}.csv", half, names_of(POINTS))
        assert np.array_equal(joints[person], open_track(alone, skeleton())[0])
    assert not joints[2].any()


def test_more_individuals_than_persons_are_refused(tmp_path, rng):
    path = write_csv(tmp_path / "a.csv", walk(rng, 9, persons=2), names_of(POINTS, PAIR))
    message = f"{path}, line 2: 2 individuals (ann, bob), but data.persons is 1: set it, or give a file of fewer"
    assert refusal(open_track, path, skeleton()) == message


def test_points_of_no_animal_are_no_persons(tmp_path):
    path = write_csv(tmp_path / "a.csv", np.ones((2, 3)), names_of((), ("x",), unique=("corner",))[-3:])
    assert "only individual 'single', whose points belong to no animal" in refusal(open_track, path, skeleton())


def test_a_body_point_that_is_not_there_is_named(tmp_path, rng):
    path = write_csv(tmp_path / "a.csv", walk(rng, 9, persons=2), names_of(POINTS, PAIR))
    message = refusal(open_track, path, skeleton(joints=("j0", "j13"), persons=2))
    assert re.match(rf"{re.escape(str(path))}: no x of body point j13 of ann; is it j\d+\? data.joints lists", message)
    assert message.endswith("data.joints lists the points that are the 2 joints of layout rat-12")
    message = refusal(open_track, path, skeleton(joints=("snout",), persons=2))
    there = "there are j0, j1, j2, j3, j4, j5, j6, j7, ...; data.joints lists the points"
    assert message.startswith(f"{path}: no x of body point snout of ann; {there}")
    path = write_csv(tmp_path / "b.csv", walk(rng, 9, points=POINTS[:8]), names_of(POINTS[:8]))
    assert "; there are j0, j1, j2, j3, j4, j5, j6, j7; data.joints" in refusal(
        open_track, path, skeleton(joints=("snout",))
    )


def test_a_frame_size_that_cannot_be_is_refused(tmp_path, rng):
    path = write_csv(tmp_path / "a.csv", walk(rng, 50, frame_size=(1280, 1024)), names_of(POINTS))
    assert "of its points lie outside the frame of 720x540 (x up to " in refusal(open_track, path, skeleton())
    assert open_track(path, skeleton(frame_size=(1280, 1024))).any()


def test_numbers_that_do_not_fit_are_refused(tmp_path):
    for value in ("inf", "-1e300"):
        path = tmp_path / "a.csv"
        path.write_text(HEADER + f"0,1,2,.9\n1,1,{value},.9\n")
        message = refusal(open_track, path, skeleton(joints=("nose",)))
        assert message.startswith(f"{path}: frame 1, body point nose: y is") and message.endswith("; export it again")


@pytest.mark.parametrize("value", ["7", "-1", "1.01"])
def test_a_likelihood_that_is_none_is_refused(tmp_path, value):
    path = tmp_path / "a.csv"
    path.write_text(HEADER + f"0,1,2,.9\n1,1,2,{value}\n2,1,2,\n")
    message = refusal(open_track, path, skeleton(joints=("nose",)))
    place = f"{path}: frame 1, body point nose: likelihood is {float(value)}"
    assert message == f"{place}, not 0 to 1; export it again"


def test_errors_survive_the_way_back_from_a_worker(tmp_path):
    with pytest.raises(ReadError) as error:
        open_table(tmp_path / "none.csv", ())
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


# --- the layout of the fork


def test_the_rats_graph_is_the_forks():
    layout = load_layout("rat-12")
    edges = {(0, 1), (0, 2), (0, 3), (3, 6), (4, 6), (5, 6), (6, 7), (6, 8), (6, 9), (9, 10), (10, 11)}
    assert {tuple(sorted(edge)) for edge in layout.edges} == edges
    adjacency = stgcn_spatial(layout)
    assert (adjacency > 0).sum(axis=(1, 2)).tolist() == [12, 19, 3]
    assert np.argwhere(adjacency[2] > 0).tolist() == [[0, 2], [0, 3], [1, 0]]
    assert layout.centre == 1 and layout.parents == (1, 1, 0, 0, 6, 6, 3, 6, 6, 6, 9, 10)
