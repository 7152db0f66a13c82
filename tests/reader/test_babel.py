"""BABEL: what is taken from the published arrays and from mmaction2's lists, and what is refused."""

import os
import pickle
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader.babel import NO_EXTRA, BabelReader, numbered
from tests.reader.babel_form import draw_clips, draw_rows, names_of, save_list, save_split, write_babel
from utils.errors import UserError
from utils.recording import ReadError

LABELS = [3, 59, 0, 7]  # rows 2 and 3 are one chunk with two labels


def save(folder, split="train", classes=60, *, clips=None, rows=None, extra="", form=save_split):
    clips = draw_clips(np.random.default_rng(0), len(LABELS)) if clips is None else clips
    form(folder, split, classes, clips, draw_rows(LABELS) if rows is None else rows, *([extra] if extra else []))
    return clips


def read(root, part="babel60", classes=60):
    reader = BabelReader(classes)
    roots = root if isinstance(root, list) else [root]
    return [clip for source in reader.scan(roots, part).sources for clip in reader.read(source)]


# --- what is taken


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("classes", [60, 120])
def test_rows_become_clips_with_all_that_is_stated(tmp_path, classes, dtype):
    data = save(tmp_path, classes=classes, clips=draw_clips(np.random.default_rng(0), 4, dtype))
    clips = read(tmp_path, f"babel{classes}", classes)
    assert [clip.label for clip in clips] == LABELS
    for clip, row in zip(clips, data, strict=True):
        assert clip.joints.dtype == np.float32
        assert np.array_equal(clip.joints, row.transpose(3, 1, 2, 0).astype(np.float32))
        assert clip.num_frames == 150
        assert clip.splits == {f"babel{classes}": "train"}
    assert clips[1].columns == {
        "segment": "00000001-0a1b-4c2d", "sid": 101, "chunk": 1, "annotator": "annotator-1",
        "source": str(tmp_path / f"train_ntu_sk_{classes}.npy"),
    }  # fmt: skip


def test_validation_evaluates_and_labels_of_the_test_split_stay_unknown(tmp_path):
    write_babel(tmp_path, np.random.default_rng(0), 60, clips=2, splits=("test", "val", "train"))
    scan = BabelReader().scan([tmp_path], "babel60")
    assert scan.split_lists == ("babel60",)
    clips = read(tmp_path)
    assert [clip.splits["babel60"] for clip in clips] == ["train", "train", "eval", "eval", "test", "test"]
    assert [clip.label == -1 for clip in clips] == [False] * 4 + [True] * 2


def test_chunks_of_several_categories_are_numbered_over_all_files(tmp_path):
    save(tmp_path)
    save(tmp_path, "val")
    first, second, repeated, _ = names_of(draw_rows(LABELS))
    clips = read(tmp_path)
    assert [clip.name for clip in clips] == [
        first, second, repeated, f"{repeated}-2", f"{first}-2", f"{second}-2", f"{repeated}-3", f"{repeated}-4"
    ]  # fmt: skip
    assert len({clip.columns["segment"] for clip in clips}) == 3


@given(st.lists(st.sampled_from(["a", "a-2", "a-2-2", "a-3", "b"])))
def test_numbered_names_are_unique_and_tell_what_they_were(names):
    found = list(numbered(names))
    assert len(set(found)) == len(names)
    assert all(new == name or re.fullmatch(rf"{name}-\d+", new) for new, name in zip(found, names))
    assert Counter(new for new, name in zip(found, names) if new == name).keys() <= set(names)
    assert not names or found[0] == names[0]


def test_part_extra_means_the_extra_arrays_of_training_and_validation(tmp_path):
    rng = np.random.default_rng(0)
    write_babel(tmp_path, rng, 60, clips=2, splits=("train", "val", "test"))
    write_babel(tmp_path, rng, 60, clips=3, extra="_extra")
    scan = BabelReader().scan([tmp_path], "babel60-extra")
    assert Counter(source.path.name for source in scan.sources) == {
        "train_extra_ntu_sk_60.npy": 3, "val_extra_ntu_sk_60.npy": 3, "test_ntu_sk_60.npy": 2
    }  # fmt: skip
    assert not scan.skipped
    assert len(read(tmp_path, "babel60")) == 6


def test_a_dense_array_that_stands_for_an_extra_one_is_told(tmp_path):
    save(tmp_path, "train", extra="_extra")
    save(tmp_path, "val")
    scan = BabelReader().scan([tmp_path], "babel60-extra")
    assert [source.path.name for source in scan.sources[::4]] == ["train_extra_ntu_sk_60.npy", "val_ntu_sk_60.npy"]
    assert scan.skipped == {NO_EXTRA: ["val_extra_ntu_sk_60.npy"]}


@pytest.mark.parametrize("as_files", [True, False])
@pytest.mark.parametrize("classes", [60, 120])
def test_lists_of_mmaction2_are_read_in_their_own_type(tmp_path, classes, as_files):
    data = save(tmp_path, "train", classes, form=save_list)
    save(tmp_path, "val", classes, form=save_list)
    root = [tmp_path / f"babel{classes}_{split}.pkl" for split in ("train", "val")] if as_files else tmp_path
    clips = read(root, f"babel{classes}", classes)
    assert [clip.name for clip in clips[:4]] == list(numbered(names_of(draw_rows(LABELS))))
    assert [clip.label for clip in clips] == LABELS * 2
    assert [clip.splits[f"babel{classes}"] for clip in clips] == ["train"] * 4 + ["eval"] * 4
    assert clips[0].joints.dtype == np.float16
    assert np.array_equal(clips[3].joints, data[3].transpose(3, 1, 2, 0).astype(np.float16))
    assert clips[1].columns["annotator"] == "annotator-1"


def test_arrays_and_lists_of_the_same_clips_agree(tmp_path):
    save(tmp_path / "arrays")
    save(tmp_path / "lists", form=save_list)
    for array, item in zip(read(tmp_path / "arrays"), read(tmp_path / "lists"), strict=True):
        assert (array.name, array.label, array.splits) == (item.name, item.label, item.splits)
        assert array.columns | {"source": ""} == item.columns | {"source": ""}
        assert array.joints == pytest.approx(item.joints.astype(np.float32), abs=2e-3)


def test_the_clips_that_the_originals_normalisation_calls_missing_are_those_refused(shared, tmp_path):
    golden = np.load(shared / "goldens/stgcn/pre_normalization_2sagcn.npz")
    clips = np.concatenate([golden["babel_m1_T150/out"], np.zeros((1, 3, 150, 25, 1), np.float32)])
    save(tmp_path, clips=clips, rows=draw_rows([0, 1]))
    reader = BabelReader()
    there, missing = reader.scan([tmp_path], "babel60").sources
    (clip,) = reader.read(there)
    assert np.array_equal(clip.joints[0], clips[0, ..., 0].transpose(1, 2, 0))
    with pytest.raises(ReadError, match=r"row 1 \(.*\) has no body in any frame, so there is nothing to learn from"):
        list(reader.read(missing))
    assert golden["zero/missing"].tolist() == [0]
    assert not golden["zero/out"].any()


def test_names_and_numbers_of_numpy_and_text_are_taken(tmp_path):
    rows = (np.array(["a", "b"]), (np.array([1, 2]), ["7", "8"], np.array([0, 1]), [5, 6]))
    save(tmp_path, clips=draw_clips(np.random.default_rng(0), 2), rows=rows)
    first, second = read(tmp_path)
    assert (first.name, second.label, second.columns["sid"], second.columns["annotator"]) == ("a_7_0_5", 2, 8, "6")


def test_a_list_may_have_names_of_another_form(tmp_path):
    path = save_list(tmp_path, "train", 60, draw_clips(np.random.default_rng(0), 1), (["x"], ([0], ["y"], [0], ["z"])))
    (clip,) = read(path)
    assert clip.name == "x_y_0_z"
    assert clip.columns == {"segment": "", "sid": -1, "chunk": -1, "annotator": "", "source": str(path)}


# --- a clip that is refused alone


def refused(tmp_path, row, message, split="train", rows=None, **how):
    """Read four clips, of which `row` is refused."""
    save(tmp_path, split, rows=rows, **how)
    reader = BabelReader()
    sources = reader.scan([tmp_path], "babel60").sources
    for number, source in enumerate(sources):
        if number != row:
            assert len(list(reader.read(source))) == 1
    with pytest.raises(ReadError, match=message) as caught:
        list(reader.read(sources[row]))
    assert str(caught.value).startswith(str(sources[row].path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("form", [save_split, save_list])
def test_a_clip_that_is_not_finite_is_refused(tmp_path, value, form):
    clips = draw_clips(np.random.default_rng(0), 4)
    clips[1, 2, 149, 24] = value
    with np.errstate(over="ignore"):
        refused(tmp_path, 1, "holds values that are not finite", clips=clips, form=form)


@pytest.mark.parametrize(
    ("label", "split"), [(60, "train"), (-1, "train"), (-1, "val"), (-2, "test"), (60, "test"), (119, "val")]
)
def test_a_label_that_is_no_class_is_refused(tmp_path, label, split):
    rows = draw_rows([3, 59, label, 7])
    refused(tmp_path, 2, rf"row 2 \(.*\) has the label {label}, but the classes are 0 to 59", split, rows)


def test_a_list_whose_label_is_no_class_is_refused(tmp_path):
    refused(tmp_path, 0, "has the label 60, but the classes are 0 to 59", rows=draw_rows([60, 0, 1, 2]), form=save_list)


def test_a_clip_of_a_list_of_another_length_is_refused(tmp_path):
    refused(tmp_path, 0, r"row 0 \(.*\) is \(1, 149, 25, 3\), but \(1, 150, 25, 3\) was expected", clips=np.ones((4, 3, 149, 25, 1)), form=_one_short)  # fmt: skip


def _one_short(folder, split, classes, clips, rows):
    """Write a list whose first clip lacks a frame."""
    path = save_list(folder, split, classes, np.ones((4, 3, 150, 25, 1)), rows)
    items = pickle.loads(path.read_bytes())
    items[0]["total_frames"], items[0]["keypoint"] = 149, clips[0].transpose(3, 1, 2, 0).astype(np.float16)
    path.write_bytes(pickle.dumps(items))


# --- a file that is refused


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (np.zeros((4, 3, 300, 25, 1)), r"float64 \(4, 3, 300, 25, 1\), but \(N, 3, 150, 25, 1\) of float32 or float64"),
        (np.zeros((4, 3, 150, 17, 1)), r"float64 \(4, 3, 150, 17, 1\), but"),
        (np.zeros((4, 3, 150, 25, 2)), r"float64 \(4, 3, 150, 25, 2\), but"),
        (np.zeros((4, 3, 150, 25, 1), int), r"int64 \(4, 3, 150, 25, 1\), but"),
        (np.zeros((4, 3, 150, 25, 1), np.float16), r"float16 \(4, 3, 150, 25, 1\), but"),
        (np.zeros(4), r"float64 \(4,\), but"),
        (np.zeros((3, 3, 150, 25, 1)), "3 clips, but train_label_60.pkl has 4"),
    ],
)
def test_an_array_of_another_shape_is_refused(tmp_path, clips, message):
    save(tmp_path, clips=clips)
    with pytest.raises(ReadError, match=f"train_ntu_sk_60.npy: {message}"):
        read(tmp_path)


@pytest.mark.parametrize(
    "rows",
    [
        3,
        [],
        (["a"], [1]),
        (["a"] * 4, ([1] * 4, [1] * 4, [1] * 4)),
        (["a"] * 3, ([1] * 4, [1] * 4, [1] * 4, ["x"] * 4)),
        (["a"] * 4, ([1] * 4, [1] * 4, [1] * 4, ["x"] * 3)),
        (["a"] * 4, ([1.5] * 4, [1] * 4, [1] * 4, ["x"] * 4)),
        (["a"] * 4, (["walk"] * 4, [1] * 4, [1] * 4, ["x"] * 4)),
    ],
)
def test_a_label_file_of_another_form_is_refused(tmp_path, rows):
    save(tmp_path, rows=rows)
    with pytest.raises(ReadError, match=r"train_label_60.pkl: expected a pickle of \(segments, \(labels, sequences, "):
        read(tmp_path)


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_forbidden_global_is_refused_and_not_executed(tmp_path):
    save(tmp_path / "set", rows=Malicious(tmp_path / "harm"))
    with pytest.raises(
        UserError, match=r"asks for '\w+.mkdir', which is not allowed in a pickle; expected a pickle of"
    ):
        read(tmp_path / "set")
    assert not (tmp_path / "harm").exists()


def test_an_absent_label_file_and_a_torn_array_are_named(tmp_path):
    save(tmp_path)
    (tmp_path / "train_label_60.pkl").unlink()
    with pytest.raises(UserError, match=r"train_ntu_sk_60.npy: no train_label_60.pkl beside it; get both, or move"):
        read(tmp_path)
    (tmp_path / "val_label_60.pkl").write_bytes(pickle.dumps(draw_rows(LABELS)))
    torn = tmp_path / "val_ntu_sk_60.npy"
    torn.write_bytes((tmp_path / "train_ntu_sk_60.npy").read_bytes()[:-8])
    (tmp_path / "train_ntu_sk_60.npy").unlink()
    with pytest.raises(ReadError, match=r"val_ntu_sk_60.npy: not a whole .npy array .*; fetch it again"):
        read(tmp_path)


@pytest.mark.parametrize("split", ["val", "test"])
def test_labels_without_their_array_are_not_passed_over(tmp_path, split):
    write_babel(tmp_path, np.random.default_rng(0), 60, splits=("train", "val", "test"))
    (tmp_path / f"{split}_ntu_sk_60.npy").unlink()
    words = rf"{split}_label_60.pkl: no {split}_ntu_sk_60.npy beside it; get both, or move this one away"
    with pytest.raises(UserError, match=words):
        read(tmp_path)


def test_extra_labels_without_their_array_are_not_passed_over(tmp_path):
    write_babel(tmp_path, np.random.default_rng(0), 60)
    write_babel(tmp_path, np.random.default_rng(0), 60, extra="_extra")
    (tmp_path / "val_extra_ntu_sk_60.npy").unlink()
    with pytest.raises(UserError, match=r"val_extra_label_60.pkl: no val_extra_ntu_sk_60.npy beside it"):
        read(tmp_path, "babel60-extra")
    assert len(read(tmp_path)) == 16  # the dense ones are whole


def test_a_file_that_is_given_alone_is_told_its_folder_or_its_name(tmp_path):
    save(tmp_path)
    (tmp_path / "mine.pkl").touch()
    for name in ("train_ntu_sk_60.npy", "train_label_60.pkl"):
        with pytest.raises(UserError, match=rf"{name}: is not read alone; give its folder: --raw {tmp_path}$"):
            read(tmp_path / name)
    with pytest.raises(UserError, match=r"mine.pkl: .* name it babel60_train.pkl or babel60_val.pkl$"):
        read(tmp_path / "mine.pkl")


@pytest.mark.parametrize("changed", ["train_ntu_sk_60.npy", "train_label_60.pkl"])
def test_a_file_that_was_written_anew_is_read_anew(tmp_path, changed):
    before, _ = save(tmp_path), read(tmp_path)
    path, other = tmp_path / changed, [(label + 1) % 60 for label in LABELS]
    path.unlink()  # a mapped file that is overwritten changes by itself
    if path.suffix == ".npy":
        np.save(path, -before)
    else:
        path.write_bytes(pickle.dumps(draw_rows(other)))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))  # however coarse the disk's clock is
    clips = read(tmp_path)
    assert [clip.label for clip in clips] == (LABELS if path.suffix == ".npy" else other)
    sign = -1 if path.suffix == ".npy" else 1
    assert np.array_equal(clips[0].joints[0, :, :, 0], sign * before[0, 0, :, :, 0].astype(np.float32))


def test_a_folder_without_babel_names_what_is_looked_for(tmp_path):
    save(tmp_path)
    expected = "test_ntu_sk_120.npy, babel120_train.pkl, babel120_val.pkl; docs/forms/babel.md says where to get them"
    with pytest.raises(UserError, match=rf"holds none of train_ntu_sk_120.npy, val_ntu_sk_120.npy, {expected}"):
        read(tmp_path, "babel120", 120)
    with pytest.raises(
        UserError, match=r"no train_extra_ntu_sk_60.npy or val_extra_ntu_sk_60.npy; part babel60 is the"
    ):
        read(tmp_path, "babel60-extra")
    with pytest.raises(UserError, match=r"babel60_val.pkl: No such file or directory"):
        read(tmp_path / "babel60_val.pkl")


@pytest.mark.parametrize("part", ["babel120", "babel60-extra-2", "babel"])
def test_a_part_of_another_name_is_refused(tmp_path, part):
    with pytest.raises(UserError, match=rf"data.parts: {part} is not babel60 or babel60-extra"):
        read(tmp_path, part)


def test_two_files_of_one_split_are_refused(tmp_path):
    save(tmp_path / "a")
    path = save_list(tmp_path / "b", "train", 60, draw_clips(np.random.default_rng(0), 4), draw_rows(LABELS))
    with pytest.raises(
        UserError, match=r"babel60_train.pkl: the train split is .*train_ntu_sk_60.npy already; give only"
    ):
        read([tmp_path / "a", path])


def test_other_numbers_of_classes_are_refused():
    with pytest.raises(UserError, match="BABEL has 60 or 120 classes, not 150"):
        BabelReader(150)
