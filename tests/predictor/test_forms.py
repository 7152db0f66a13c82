"""Every raw form, as a file or a folder: what is predicted is, to the bit, what `-gd` would have stored."""

import json
import pickle
import shutil

import numpy as np
import pytest
from scipy.io import savemat

import config
from dataset.packing import unpack
from dataset.store import open_part
from predictor.forms import Wanted
from predictor.sources import Sources
from tests.reader import babel_form, compressed_form, dlc_form, kinetics_form

RNG = np.random.default_rng(5)


@pytest.fixture
def clips_of():
    """Returns the clips that paths are taken for, and what was refused."""

    def read(experiment, *paths, classes=60, source=None, noted=False):
        refused, notes = [], []
        wanted = Wanted(experiment, source)
        names = tuple(map(str, range(classes))) if isinstance(classes, int) else classes
        clips = list(Sources(wanted, names, refused.append, notes.append).clips(paths))
        return (clips, refused, notes) if noted else (clips, refused)

    return read


def dense(packed):
    return unpack(packed.rows, packed.spans, packed.frames)


@pytest.fixture
def assert_as_stored(generate, tmp_path, clips_of):
    """Generates a part of raw files and compares it with what the same files are predicted as, in any order."""

    def check(number, raw, paths, overrides=(), classes=60, labelled=True, **request):
        experiment = config.load(number, overrides)
        generate(number, tmp_path / "store", raw, overrides=overrides, **request)
        part = open_part(tmp_path / "store" / experiment.data.parts[0], experiment.data.variant)
        names = classes if not isinstance(classes, int) else tuple(map(str, range(classes)))
        held = part.manifest["classes"]
        wanted = {
            (unpack(part.coordinates, spans, frames).tobytes(), frames, held[label] if held else names[label])
            for spans, frames, label in zip(part.spans, part.frames.tolist(), part.labels.tolist())
        }
        clips, refused = clips_of(experiment, *paths, classes=classes)
        found = {
            (dense(clip.packed).tobytes(), clip.packed.frames, None if clip.label is None else names[clip.label])
            for clip in clips
        }
        assert refused == []
        assert len(found) == len(clips) == len(part)
        if labelled:
            assert found == wanted
        else:
            assert {each[:2] for each in found} == {each[:2] for each in wanted}
            assert {each[2] for each in found} == {None}
        return clips

    return check


# --- each form by its own experiment


@pytest.mark.parametrize("number", ["2001", "2002"])
def test_ntu(assert_as_stored, write_raw, tmp_path, number):
    raw = write_raw(tmp_path / "raw", 5)
    assert_as_stored(number, raw, sorted(raw.iterdir()))


def test_ntu_files_may_be_called_anything(assert_as_stored, write_raw, tmp_path):
    raw = write_raw(tmp_path / "raw", 3)
    for n, path in enumerate(sorted(raw.iterdir())):
        (tmp_path / "mine").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / f"mine/take {n}.skeleton")
    assert_as_stored("2001", raw, [tmp_path / "mine"], labelled=False)


@pytest.mark.parametrize("kind, number", [("hrnet", "3005"), ("3danno", "3001")])
def test_annotations_whole_or_one_alone(assert_as_stored, shared, tmp_path, kind, number, clips_of):
    path = shared / f"goldens/stgcn/mini_ntu60_{kind}.pkl"
    clips = assert_as_stored(number, path, [path])
    item = pickle.loads(path.read_bytes())["annotations"][1]
    for name in ("frame_dir", "label", "total_frames"):
        item.pop(name, None)
        (tmp_path / "one.pkl").write_bytes(pickle.dumps(item))
        (alone,), refused = clips_of(config.load(number), tmp_path / "one.pkl")
        assert refused == []
        assert dense(alone.packed).tobytes() == dense(clips[1].packed).tobytes()
    assert (alone.label, str(alone)) == (None, str(tmp_path / "one.pkl"))


def test_an_index_of_kinetics_and_a_clip_without_one(assert_as_stored, clips_of, tmp_path):
    index = compressed_form.write_compressed(tmp_path, RNG, 400)
    overrides = ["data.parts=[k400-hrnet]", "data.benchmark=k400", "data.valid_ratio=0.5"]
    assert_as_stored("3005", index, [index], overrides, classes=400)
    one = {"keypoint": np.ones((1, 4, 17, 2)), "keypoint_score": np.ones((1, 4, 17))}
    (tmp_path / "one.pkl").write_bytes(pickle.dumps(one))
    (clip,), refused = clips_of(config.load("3005", overrides), tmp_path / "one.pkl")
    assert (clip.packed.frames, refused) == (4, [])


def test_kinetics_json_without_its_label_file(assert_as_stored, tmp_path):
    raw = kinetics_form.write_kinetics(tmp_path / "raw", RNG, 8)
    alone = tmp_path / "alone"
    for folder in ("kinetics_train", "kinetics_val"):
        shutil.copytree(raw / folder, alone, dirs_exist_ok=True)
    overrides = ["data.benchmark=own", "data.layout=kinetics-18"]
    clips = assert_as_stored("1003", raw, [raw], overrides, classes=kinetics_form.CLASSES)
    again = assert_as_stored("1003", raw, [alone], overrides, classes=kinetics_form.CLASSES)
    assert sorted(clip.name for clip in clips) == sorted(clip.name for clip in again)


def test_openpose_frames(clips_of, tmp_path):
    frames = {t: RNG.uniform([100, 100, 0.5], [500, 400, 1], (1, 18, 3)) for t in range(4)}
    film = kinetics_form.write_openpose(tmp_path / "films/one", frames)
    sized = config.load("1003", ["data.frame_size=[640, 480]"])
    for path in (film, film.parent):
        (clip,), refused = clips_of(sized, path, classes=400)
        expected = (frames[2][0, :, :2] / (640, 480) - 0.5).astype(np.float32)
        assert dense(clip.packed)[0, 2, :, :2] == pytest.approx(expected, abs=1e-3)
        assert (str(clip), refused) == (str(film), [])
    none, (line,) = clips_of(config.load("1003"), film, classes=400)
    assert (none, line) == ([], f"{film}: OpenPose's frames are in pixels; set data.frame_size: [width, height]")


def test_ucla_by_any_name(assert_as_stored, shared, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "mine").mkdir()
    for n, path in enumerate(sorted((shared / "data/nw-ucla/all_sqe").iterdir())[:90:30]):
        shutil.copy(path, tmp_path / "raw" / path.name)
        shutil.copy(path, tmp_path / f"mine/{n}.json")
    assert_as_stored("6001", tmp_path / "raw", [tmp_path / "raw"], classes=10)
    assert_as_stored("6001", tmp_path / "raw", [tmp_path / "mine"], classes=10)  # their content states the label


def test_utd(assert_as_stored, tmp_path):
    (tmp_path / "raw").mkdir()
    for n in range(1, 4):
        savemat(tmp_path / f"raw/a{n}_s1_t1_skeleton.mat", {"d_skel": RNG.normal(size=(20, 3, n + 2))})
    assert_as_stored("6101", tmp_path / "raw", [tmp_path / "raw"], classes=27)
    other = shutil.copytree(tmp_path / "raw", tmp_path / "mine")
    for n, path in enumerate(sorted(other.iterdir())):
        path.rename(other / f"{n}.mat")
    assert_as_stored("6101", tmp_path / "raw", [other], classes=27, labelled=False)


def test_tracks_in_both_forms_are_read_once(clips_of, tmp_path):
    names, tracks = dlc_form.names_of(dlc_form.POINTS), dlc_form.walk(RNG, 130)
    for stem in ("a", "b"):
        dlc_form.write_h5(tmp_path / f"{stem}.h5", tracks, names)
    dlc_form.write_csv(tmp_path / "a.csv", tracks, names)
    clips, refused = clips_of(config.load("1006"), tmp_path, classes=("groom", "rear"))
    assert refused == []
    assert [clip.file.name for clip in clips] == ["a.csv"] * 2 + ["b.h5"] * 2


def test_windows_of_deeplabcut(assert_as_stored, clips_of, tmp_path):
    raw = dlc_form.write_dlc(tmp_path / "raw", RNG)
    assert_as_stored("1006", raw, [raw], classes=("groom", "rear"))
    dlc_form.write_h5(tmp_path / "m.h5", dlc_form.walk(RNG, 130), dlc_form.names_of(dlc_form.POINTS))
    clips, _ = clips_of(config.load("1006"), tmp_path / "m.h5", classes=("groom", "rear"))
    assert [(clip.name, clip.packed.frames, clip.label) for clip in clips] == [
        ("m_0-60", 60, None), ("m_60-120", 60, None)
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "json"])
def test_ones_own_files(assert_as_stored, tmp_path, suffix):
    for n in range(8):
        joints = RNG.uniform(1, 2, (n + 3, 25, 3)).astype(np.float32)
        path = tmp_path / f"raw/{'ab'[n % 2]}/{n}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == "npz":
            np.savez(path, joints=joints)
        elif suffix == "csv":
            np.savetxt(path, joints.reshape(len(joints), -1), delimiter=",", fmt="%.9g")
        else:
            np.save(path, joints) if suffix == "npy" else path.write_text(json.dumps(joints.tolist()))
    (tmp_path / "own.yaml").write_text(OWN)
    assert_as_stored(str(tmp_path / "own.yaml"), tmp_path / "raw", [tmp_path / "raw"], classes=("b", "a"))


OWN = """
extends: [base/pyskl.yaml, base/stgcnpp.yaml]
data: {form: own, parts: [mine], layout: ntu-pyskl, variant: original}
input: {streams: j, persons: 1, person_padding: zero}
"""


def test_a_table_says_which_clips_a_folder_has(assert_as_stored, tmp_path):
    (tmp_path / "raw").mkdir()
    np.save(tmp_path / "raw/long.npy", RNG.uniform(1, 2, (40, 25, 3)).astype(np.float32))
    np.save(tmp_path / "raw/short.npy", RNG.uniform(1, 2, (5, 25, 3)).astype(np.float32))
    lines = ["file,label,start,end", "long.npy,a,0,20", "long.npy,b,20,40", "short.npy,a,,", "short.npy,b,2,5"]
    (tmp_path / "raw/clips.csv").write_text("\n".join(lines))
    (tmp_path / "own.yaml").write_text(OWN)
    number = str(tmp_path / "own.yaml")
    assert_as_stored(number, tmp_path / "raw", [tmp_path / "raw"], classes=("a", "b"))
    assert_as_stored(number, tmp_path / "raw", [tmp_path / "raw/clips.csv"], classes=("a", "b"))


@pytest.mark.parametrize("labelled", [True, False])
def test_babel_arrays_and_lists(assert_as_stored, tmp_path, labelled):
    number, raw = "1021", babel_form.write_babel(tmp_path / "raw", RNG, 60, clips=3, splits=("val",))
    path = raw / "val_ntu_sk_60.npy"
    if not labelled:
        path = shutil.copy(path, tmp_path / "any.npy")
    assert_as_stored(number, raw, [path], labelled=labelled)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("number, variant", [("2001", "original"), ("2002", "transformed")])
def test_padded_arrays(assert_as_stored, generate, write_raw, tmp_path, number, variant, labelled):
    place = config.load(number).data.benchmark
    generate(number, tmp_path / "made", write_raw(tmp_path / "raw", 12), padded=True)
    folder = tmp_path / "made" / variant / place
    paths = [folder / f"{split}_data.npy" for split in ("train", "eval")]
    if not labelled:
        paths = [shutil.copy(path, tmp_path / f"{path.stem}x.npy") for path in paths]
    assert_as_stored(number, (), paths, labelled=labelled, from_padded=folder)


@pytest.mark.parametrize("labelled", [True, False])
def test_npz_of_the_ctr_gcn_line(assert_as_stored, tmp_path, labelled):
    content = {}
    for split, count in (("train", 3), ("test", 2)):
        content[f"x_{split}"] = RNG.uniform(1, 2, (count, 9, 150)).astype(np.float32)
        content[f"x_{split}"][0, 6:] = 0
        content[f"y_{split}"] = np.eye(60)[np.arange(count)]
    np.savez(tmp_path / "set.npz", **content)
    if not labelled:
        np.savez(tmp_path / "bare.npz", **{key: value for key, value in content.items() if key[0] == "x"})
    path = tmp_path / ("set.npz" if labelled else "bare.npz")
    overrides = ["data={form: arrays, parts: [a], benchmark: ntu-xsub, variant: original, layout: ntu}"]
    assert_as_stored("5001", tmp_path / "set.npz", [path], overrides, labelled=labelled)


# --- labels


@pytest.mark.parametrize(
    ("number", "label", "form", "names", "expected"),
    [
        ("2001", 1, "ntu", (), 1),
        ("2001", -1, "ntu", (), None),
        ("2001", 2, "ntu", (), None),  # there are two classes here
        ("2001", 1, "annotations", (), 1),  # of NTU's classes, too
        ("2001", 1, "own", (), None),
        ("2001", 1, "kinetics", (), None),
        ("1003", 1, "kinetics", (), 1),
        ("1003", 1, "annotations", (), None),
        ("2001", 0, "ntu", ("b", "c"), 1),  # a file's numbers are its own
        ("2001", 1, "ntu", ("b", "c"), None),
        ("2001", -1, "ntu", ("b",), None),
    ],
)
def test_a_label_counts_if_it_means_a_class_of_the_experiment(number, label, form, names, expected):
    found = Sources(Wanted(config.load(number)), ("a", "b"), print, print)
    assert found._label(label, form, names) == expected


# --- by another form's experiment


def test_one_clip_as_an_array_for_any_experiment(clips_of, tmp_path):
    joints = RNG.uniform(1, 2, (2, 7, 25, 3)).astype(np.float32)
    np.save(tmp_path / "two.npy", joints)
    np.save(tmp_path / "one.npy", joints[0])
    (one, two), refused = clips_of(config.load("2001"), tmp_path)
    assert refused == []
    assert np.array_equal(dense(two.packed), joints)
    assert np.array_equal(dense(one.packed)[:1], joints[:1])
    assert (one.label, two.label) == (None, None)


def test_skeleton_files_by_an_experiment_on_annotations(clips_of, write_raw, tmp_path):
    raw = write_raw(tmp_path / "raw", 2)
    clips, refused = clips_of(config.load("3001"), raw)
    assert (len(clips), refused) == (2, [])
    assert [clip.label for clip in clips] == [0, 1]  # the same 60 classes


def test_a_layout_that_a_file_does_not_have_is_refused(clips_of, write_raw, tmp_path):
    raw = write_raw(tmp_path / "raw", 1)
    clips, (line,) = clips_of(config.load("2001"), raw, source="coco-17")
    assert clips == []
    assert line.endswith("of layout ntu, not coco-17 as --from-layout says")


def test_other_layouts_need_to_be_named_and_are_mapped(clips_of, tmp_path):
    joints = RNG.uniform(1, 2, (1, 6, 33, 3)).astype(np.float32)
    np.save(tmp_path / "pose.npy", joints)
    none, (line,) = clips_of(config.load("2001"), tmp_path / "pose.npy")
    assert none == []
    assert "33 joints" in line
    (clip,), _, notes = clips_of(config.load("2001"), tmp_path / "pose.npy", source="mediapipe-33", noted=True)
    assert dense(clip.packed).shape == (2, 6, 25, 3)
    assert any("mediapipe-33" in note for note in notes)


def test_what_does_not_fit_is_said_in_one_line(clips_of, write_raw, shared, tmp_path):
    skeleton = next(write_raw(tmp_path / "raw", 1).iterdir())
    cases = [
        ("3005", skeleton, "joints of x, y, z, but the experiment needs x, y, score"),
        ("6001", skeleton, "25 joints of ntu, but the experiment needs 20 of ucla-20; --from-layout ntu maps them"),
        (
            "3005",
            shared / "goldens/stgcn/mini_ntu60_3danno.pkl",
            "25 joints, but layout coco-17 has 17; if it is ntu-pyskl",
        ),
        ("2001", tmp_path / "a.h5", "DeepLabCut's tracks need data.frame_size, which 2001 has not"),
        ("2001", tmp_path / "a.txt", "no form of skeletons that is known here; files end in .skeleton"),
    ]
    for name in ("a.h5", "a.txt"):
        (tmp_path / name).write_text("x")
    for number, path, message in cases:
        none, (line,) = clips_of(config.load(number), path)
        assert none == []
        assert line.startswith(f"{path}: ")
        assert message in line
        assert "\n" not in line


def test_units_are_not_mixed(clips_of, tmp_path):
    raw = kinetics_form.write_kinetics(tmp_path / "raw", RNG, 4, joints=17)
    none, lines = clips_of(config.load("3005"), raw / "kinetics_train")
    assert none == []
    assert all("of form kinetics, whose units are others than those of annotations" in line for line in lines)
