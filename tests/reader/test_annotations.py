"""Annotation pickles: what is taken from them exactly, and what is refused in one line."""

import gc
import os
import pickle
import re
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
from reader.annotations import ABSENT, AnnotationReader
from utils.errors import UserError
from utils.pickles import load_pickle
from utils.recording import ReadError

NAMES = ["S001C001P001R001A007", "S001C002P003R002A050", "clip"]
SPLIT = {
    "xsub_train": [NAMES[1], NAMES[0]],
    "xsub_val": [NAMES[2]],
    "xview_train": [NAMES[0]],
    "xview_val": [NAMES[1]],
}


def item(name, frames=5, persons=1, label=3, **changes):
    """Return a 2D annotation as upstream writes it; a change to None removes a key."""
    rng = np.random.default_rng(frames)
    annotation = {
        "frame_dir": name,
        "label": label,
        "img_shape": (1080, 1920),
        "original_shape": (1080, 1920),
        "total_frames": frames,
        "keypoint": rng.uniform(1, 1900, (persons, frames, 17, 2)).astype(np.float16),
        "keypoint_score": rng.uniform(0, 1, (persons, frames, 17)).astype(np.float16),
    } | changes
    return {key: value for key, value in annotation.items() if value is not None}


def solid(name, frames=5, persons=2, **changes):
    """Return a 3D annotation."""
    keypoint = np.random.default_rng(0).uniform(-1, 1, (persons, frames, 25, 3)).astype(np.float16)
    return item(name, frames, **{"keypoint": keypoint, "keypoint_score": None, "img_shape": None} | changes)


def items():
    return [item(NAMES[0], 5, 2), item(NAMES[1], 3, 1), item(NAMES[2], 1, 3)]


@pytest.fixture
def save(tmp_path):
    """Writes a pickle and returns its path."""

    def save(content, name="set.pkl", protocol=4):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
        return path

    return save


@pytest.fixture
def save_set(save):
    """Writes a pickle of splits and annotations."""
    return lambda annotations=None, split=SPLIT, **how: save(
        {"split": split, "annotations": items() if annotations is None else annotations}, **how
    )


def read(path, **options):
    reader = AnnotationReader(**options)
    return [clip for source in reader.scan([path], "set").sources for clip in reader.read(source)]


# --- what upstream makes of the same files


@pytest.mark.parametrize(("file", "layout"), [("hrnet", "coco-17"), ("3danno", "ntu-pyskl")])
def test_names_order_and_labels_of_every_split_are_upstreams(shared, file, layout):
    folder = shared / "goldens" / "stgcn"
    clips = read(folder / f"mini_ntu60_{file}.pkl", layout=layout)
    with np.load(folder / "mini_ntu60_expected.npz") as expected:
        for split, subset in (("train", "train"), ("val", "eval")):
            mine = [(clip.name, clip.label) for clip in clips if clip.splits["xsub"] == subset]
            key = f"{file}/j/xsub_{split}"
            names, labels = expected[f"{key}/names"].tolist(), expected[f"{key}/labels"].tolist()
            assert mine == list(zip(names, labels, strict=True))


@pytest.mark.parametrize(("file", "layout"), [("hrnet", "coco-17"), ("3danno", "ntu-pyskl")])
def test_joints_are_the_files_to_the_bit(shared, file, layout):
    path = shared / "goldens" / "stgcn" / f"mini_ntu60_{file}.pkl"
    for clip, source in zip(read(path, layout=layout), pickle.loads(path.read_bytes())["annotations"], strict=True):
        joints, persons = source["keypoint"], len(source["keypoint"])
        if "keypoint_score" in source:
            joints = np.concatenate([joints, source["keypoint_score"][..., None]], axis=-1)
        assert clip.joints.dtype == np.float16
        assert clip.joints[:persons].tobytes() == joints.tobytes()
        assert len(clip.joints) == 2
        assert not clip.joints[persons:].any()


# --- what is taken


def test_clips_come_in_the_annotations_order_with_all_that_is_stated(save_set):
    path = save_set()
    scan = AnnotationReader().scan([path], "set")
    assert scan.split_lists == ("xsub", "xview")
    assert not scan.skipped
    assert [(source.name, source.size) for source in scan.sources] == [(name, path.stat().st_size) for name in NAMES]
    first, second, third = read(path)
    assert first.columns == {
        "height": 1080, "width": 1920, "persons": 2,
        "setup": 1, "camera": 1, "subject": 1, "replication": 1, "source": str(path),
    }  # fmt: skip
    assert [clip.splits for clip in (first, second, third)] == [
        {"xsub": "train", "xview": "train"}, {"xsub": "train", "xview": "eval"}, {"xsub": "eval"}
    ]  # fmt: skip
    assert third.columns["subject"] == -1


@given(persons=st.integers(1, 4), kept=st.integers(1, 4), frames=st.integers(1, 6))
def test_the_first_persons_are_kept_and_absent_ones_are_zero(tmp_path_factory, persons, kept, frames):
    path = tmp_path_factory.mktemp("set") / "set.pkl"
    annotation = item("clip", frames, persons)
    path.write_bytes(pickle.dumps([annotation]))
    (clip,) = read(path, persons=kept)
    both = min(persons, kept)
    assert clip.joints.shape == (kept, frames, 17, 3)
    assert np.array_equal(clip.joints[:both, ..., :2], annotation["keypoint"][:both])
    assert np.array_equal(clip.joints[:both, ..., 2], annotation["keypoint_score"][:both])
    assert not clip.joints[both:].any()
    assert clip.columns["persons"] == persons


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "f8"])
def test_every_protocol_and_float_type_is_read(save_set, protocol, dtype):
    annotation = solid("a")
    annotation["keypoint"] = np.asfortranarray(annotation["keypoint"].astype(dtype))
    (clip,) = read(save_set([annotation], {}, protocol=protocol), layout="ntu-pyskl")
    assert clip.joints.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(clip.joints, annotation["keypoint"])
    assert "height" not in clip.columns


def test_a_name_is_filename_where_the_first_item_has_one(save_set):
    annotations = [item("folder", filename="first.mp4"), item("folder", filename="second.mp4")]
    clips = read(save_set(annotations, {"train": ["first.mp4"], "test": ["second.mp4"]}))
    assert [(clip.name, clip.splits) for clip in clips] == [
        ("first.mp4", {"split": "train"}), ("second.mp4", {"split": "eval"})
    ]  # fmt: skip


def test_labels_of_numpy_are_labels_and_a_frame_size_may_be_absent(save_set):
    (clip,) = read(save_set([item("a", label=np.int64(7), img_shape=None)], {}))
    assert clip.label == 7
    assert (clip.columns["height"], clip.columns["width"]) == (-1, -1)


def test_val_beside_test_is_not_evaluated(save_set):
    split = {"train": [NAMES[0]], "val": [NAMES[1]], "test": [NAMES[2]]}
    assert [clip.splits["split"] for clip in read(save_set(split=split))] == ["train", "val", "eval"]


@pytest.mark.parametrize(
    ("files", "name"), [(("ntu60_xsub_train.pkl", "ntu60_xsub_val.pkl"), "xsub"), (("xview/train.pkl", "xview/val.pkl"), "xview")]
)  # fmt: skip
def test_plain_lists_of_mmaction2_are_a_file_a_split(save, files, name):
    train, _ = save(items()[:2], files[0]), save(items()[2:], files[1])
    reader = AnnotationReader()
    scan = reader.scan([train.parent], "set")
    clips = [clip for source in scan.sources for clip in reader.read(source)]
    assert scan.split_lists == (name,)
    assert [(clip.name, clip.splits[name]) for clip in clips] == [(NAMES[0], "train"), (NAMES[1], "train"), ("clip", "eval")]  # fmt: skip


def test_a_plain_list_without_a_split_in_its_name_states_none(save):
    scan = AnnotationReader().scan([save(items())], "set")
    assert scan.split_lists == ()


def test_a_folder_stands_for_the_file_of_the_part(save_set):
    folder = save_set(name="ntu60_hrnet.pkl").parent
    save_set(name="ntu60_3danno.pkl")
    assert len(AnnotationReader().scan([folder], "ntu60-hrnet").sources) == 3


def test_a_folder_of_pyskls_files_means_the_3d_one_for_a_3d_part(save_set):
    folder = save_set(name="ntu60_hrnet.pkl").parent
    save_set([solid("a")], {}, name="ntu60_3danno.pkl")
    reader = AnnotationReader(layout="ntu-pyskl")
    assert [source.path.name for source in reader.scan([folder], "ntu60-3d").sources] == ["ntu60_3danno.pkl"]
    save_set([solid("b")], {}, name="ntu60_3d.pkl")  # the part's own name counts first
    assert [source.path.name for source in reader.scan([folder], "ntu60-3d").sources] == ["ntu60_3d.pkl"]


def test_the_data_lines_of_the_page_are_experiments(tmp_path):
    page = (Path(__file__).parents[2] / "docs/forms/annotations.md").read_text(encoding="utf-8")
    extends, *lines = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1].splitlines()
    found = set()
    for line in lines:
        (tmp_path / "9001.yaml").write_text(f"{extends}\n{line}\n")
        loaded = config.load(str(tmp_path / "9001.yaml"))
        AnnotationReader(layout=loaded.data.layout, channels=loaded.data.channel_names)
        found.add(loaded.data.benchmark)
    assert found == {"gym", "diving48", "ucf101-1", "hmdb51-1", "k400"}


class List(list):
    """A list that can be watched."""


def test_one_file_is_held_at_a_time(save, monkeypatch):
    loaded, last = [], [lambda: None]

    def load(path, **how):
        gc.collect()
        assert last[0]() is None  # the file before is out of memory
        loaded.append(path.name)
        content = List(load_pickle(path, **how))
        last[0] = weakref.ref(content)
        return content

    monkeypatch.setattr("reader.annotations.load_pickle", load)
    files = [save(items()[:2], "a_train.pkl"), save(items()[2:], "a_val.pkl")]
    reader = AnnotationReader()
    for source in reader.scan(files, "set").sources:
        list(reader.read(source))
    assert loaded == ["a_train.pkl", "a_val.pkl", "a_train.pkl", "a_val.pkl"]
    assert not reader.parallel


def test_a_file_that_changes_is_read_again(save):
    assert [clip.name for clip in read(save([item("a")]))] == ["a"]
    assert [clip.name for clip in read(save([item("bb")]))] == ["bb"]


def test_names_without_an_annotation_are_reported(save_set):
    scan = AnnotationReader().scan([save_set(split={"train": [NAMES[0], "gone"], "val": NAMES[1:]})], "set")
    assert scan.skipped == {ABSENT: ["gone"]}


# --- a clip that is refused alone


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_frames": 4}, "total_frames is 4, but keypoint has 5 frames"),
        ({"total_frames": None}, "total_frames is 'absent', not a whole number"),
        ({"label": -1}, "label is -1; labels count from 0"),
        ({"label": 1.5}, "label is 1.5, not a whole number"),
        ({"label": None}, "label is 'absent', not a whole number"),
        ({"keypoint": None}, "keypoint is absent"),
        ({"keypoint": [[1.0]]}, "keypoint is a list, not an array"),
        ({"keypoint": np.zeros((1, 5, 17), np.float16)}, "keypoint is float16 (1, 5, 17), but 4 dimensions of floats"),
        ({"keypoint": np.zeros((1, 5, 17, 2), np.int16)}, "keypoint is int16 (1, 5, 17, 2), but 4 dimensions of floats"),
        ({"keypoint": np.zeros((1, 5, 18, 2), np.float16)}, "keypoint_score (1, 5, 17) beside keypoint (1, 5, 18, 2)"),
        ({"keypoint": np.zeros((1, 5, 17, 3), np.float16)}, "its joints are (1, 5, 17, 4), but (M, T, 17, 3: x y score)"),
        ({"keypoint": np.zeros((0, 5, 17, 2), np.float16), "keypoint_score": np.zeros((0, 5, 17), np.float16)}, "joints are (0, 5"),
        ({"keypoint_score": None}, "its joints are (1, 5, 17, 2), but (M, T, 17, 3: x y score) was expected"),
        ({"keypoint_score": np.full((1, 5, 17), np.nan, np.float16)}, "keypoint_score holds values that are not finite"),
        ({"keypoint": np.full((1, 5, 17, 2), np.inf, np.float16)}, "keypoint holds values that are not finite"),
        ({"keypoint": np.ones((1, 5, 17, 2), np.float32)}, "float32, but the file's first clip is float16"),
        ({"img_shape": 1080}, "img_shape is not (height, width)"),
    ],
)  # fmt: skip
def test_a_broken_clip_is_refused_alone(save_set, changes, message):
    path = save_set([item("good"), item("bad", **changes), item("fine")], {})
    reader = AnnotationReader()
    good, bad, fine = reader.scan([path], "set").sources
    assert [len(list(reader.read(source))) for source in (good, fine)] == [1, 1]
    with pytest.raises(ReadError) as caught:
        list(reader.read(bad))
    assert str(caught.value).startswith(f"{path}: clip 1 (bad): ")
    assert message in str(caught.value)


def test_a_broken_first_clip_is_refused_alone(save_set):
    reader = AnnotationReader()
    bad, good = reader.scan([save_set([item("bad", keypoint=None), item("good")], {})], "set").sources
    assert len(list(reader.read(good))) == 1
    with pytest.raises(ReadError, match="keypoint is absent"):
        list(reader.read(bad))


# --- a file that is refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds a list, but no list of annotations; expected an annotation pickle of PYSKL or mmaction2"),
        (3, "holds a int, but no list of annotations"),
        ([1, 2], "holds a list, but no list of annotations"),
        ({"keypoint": 1, "label": 2}, "holds a dict of keypoint, label, but no list of annotations"),
        ({"annotations": {"a": 1}}, "holds a dict of annotations, but no list of annotations"),
        ([item(None)], "annotation 0 has no frame_dir, so its clip has no name"),
        ([item("a"), item(7)], "annotation 1 has no frame_dir, so its clip has no name"),
        ([item("a"), item("b"), item("a")], "a is in it twice; a clip's name must be unique"),
        ([{"frame_dir": "a", "raw_file": "x", "label": 0}], "1 of 1 files of skeletons are not beside it, such as x"),
        ({"annotations": [item("a")], "split": ["a"]}, "its split is not a dictionary of lists of clip names"),
        ({"annotations": [item("a")], "split": {"train": "a"}}, "its split is not a dictionary of lists of clip names"),
        ({"annotations": [item("a")], "split": {"train": [1]}}, "its split is not a dictionary of lists of clip names"),
        ({"annotations": [item("a")], "split": {"../x_train": ["a"]}}, "a split called '../x'"),
        ({"annotations": [item("a")], "split": {"train": ["a"], "val": ["a"]}}, "a is in two splits of 'split'"),
        (
            [solid("a")],
            "skeletons of 25 joints, but layout coco-17 has 17; give the experiment's own file (--raw FILE), or, for data of yours, set data.layout: ntu-pyskl",
        ),
        ([item("a", keypoint=np.ones((1, 5, 7, 2), "f2"))], "for data of yours, set data.layout: one of 7 joints"),
        ([item("a", keypoint_score=None)], "keypoints of 2 coordinates, but x y score is configured"),
        ([item("a", keypoint=np.ones((1, 5, 17, 3), "f2"))], "keypoints of 3 coordinates with a score, but x y score"),
    ],
)
def test_a_file_of_another_form_is_refused_in_one_line(save, content, message):
    path = save(content)
    with pytest.raises(UserError) as caught:
        AnnotationReader().scan([path], "set")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_17_joints_against_a_25_joint_layout_name_both_and_the_remedy(save_set):
    with pytest.raises(UserError, match="of 17 joints, but layout ntu-pyskl has 25; give the experiment's own file"):
        AnnotationReader(layout="ntu-pyskl").scan([save_set()], "set")


def test_a_corrupt_pickle_is_refused_in_one_line(save):
    content = pickle.dumps(items())
    for broken in (content[:-40], content[:10], b"", b"\x00" * 100, content[:100] + b"\xff" + content[101:]):
        with pytest.raises(
            UserError, match=r"set.pkl: .*; expected an annotation pickle of PYSKL or mmaction2; fetch or"
        ):
            AnnotationReader().scan([save(broken)], "set")


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_forbidden_global_is_refused_and_not_executed(save, tmp_path):
    path = save([item("a", keypoint=Malicious(tmp_path / "harm"))])
    with pytest.raises(
        UserError, match=r"set.pkl: asks for '\w+.mkdir', which is not allowed in a pickle; expected an a"
    ):
        AnnotationReader().scan([path], "set")
    assert not (tmp_path / "harm").exists()


def test_missing_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none.pkl: No such file or directory; expected an annotation pickle"):
        AnnotationReader().scan([tmp_path / "none.pkl"], "set")
    with pytest.raises(UserError, match=r"no .pkl file; give an annotation pickle as --raw FILE"):
        AnnotationReader().scan([tmp_path], "set")


def test_one_clip_in_two_files_is_refused(save):
    save(items(), "a_train.pkl")
    folder = save(items()[:1], "a_val.pkl").parent
    with pytest.raises(UserError, match=NAMES[0]):
        AnnotationReader().scan([folder], "set")


def test_a_filter_of_kinetics_is_refused_elsewhere(save_set):
    with pytest.raises(
        UserError, match="data.valid_ratio is for an index of Kinetics, which this is not; leave it out"
    ):
        AnnotationReader(valid_ratio=0.5).scan([save_set()], "set")


def test_an_unusual_layout_needs_joints_and_channels(save_set):
    with pytest.raises(UserError, match="layout mouse-7: annotations of it need joints and channels to be given"):
        AnnotationReader(layout="mouse-7")
    annotation = item("a", keypoint=np.ones((1, 5, 7, 2), np.float32), keypoint_score=None)
    (clip,) = read(save_set([annotation], {}), layout="mouse-7", num_joints=7, channels=("x", "y"))
    assert clip.joints.shape == (2, 5, 7, 2)
