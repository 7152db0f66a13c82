"""The padded arrays of older code: what is taken from them, and what is refused."""

import os
import pickle

import numpy as np
import pytest

from reader.padded import PaddedReader, open_array
from utils.errors import UserError
from utils.recording import ReadError

NAMES = ["S001C001P001R001A001", "S002C002P003R001A007", "S018C003P002R001A061"]
FRAMES = [4, 300, 1]


def arrays(frames=FRAMES):
    """Return data (N, 3, 300, 25, 2) that ends where it should."""
    data = np.random.default_rng(0).uniform(1, 2, (len(frames), 3, 300, 25, 2)).astype(np.float32)
    for row, count in zip(data, frames, strict=True):
        row[:, count:] = 0
    data[0, ..., 1] = 0  # an absent person
    return data


@pytest.fixture
def save(tmp_path):
    """Writes the two files of a split and returns their folder."""

    def save(data=None, labels=None, split="eval"):
        data = arrays() if data is None else data
        paths = [f"/old/place/{name}.skeleton" for name in NAMES]
        labels = (paths, [0, 6, 60], FRAMES) if labels is None else labels
        np.save(tmp_path / f"{split}_data.npy", data)
        (tmp_path / f"{split}_label.pkl").write_bytes(labels if isinstance(labels, bytes) else pickle.dumps(labels))
        return tmp_path

    return save


def read(folder, part="ntu60", benchmark="ntu-xsub120", variant="original"):
    reader = PaddedReader(benchmark, variant)
    scan = reader.scan([folder], part)
    assert scan.split_lists == (benchmark,)
    return [recording for source in scan.sources for recording in reader.read(source)]


def test_rows_become_clips_of_their_own_length(save):
    first, second = read(save())
    data = arrays()
    assert (first.name, first.label, first.splits, first.num_frames) == (NAMES[0], 0, {"ntu-xsub120": "eval"}, 4)
    assert first.joints.tobytes() == np.ascontiguousarray(data[0, :, :4].transpose(3, 1, 2, 0)).tobytes()
    assert second.joints.shape == (2, 300, 25, 3)
    assert first.columns == {
        "setup": 1, "camera": 1, "subject": 1, "replication": 1, "source": f"/old/place/{NAMES[0]}.skeleton"
    }  # fmt: skip


def test_a_transformed_array_is_kept_whole_with_the_length_it_had(save):
    data = arrays([300, 300, 300])
    data[:, :, :, 1, 0] = 0
    first, _ = read(save(data), variant="transformed")
    assert first.joints.shape == (2, 300, 25, 3)
    assert first.num_frames == 4
    assert PaddedReader("ntu-xview", "transformed").variants == ("transformed",)


def test_original_arrays_are_not_taken_for_transformed_ones(save):
    with pytest.raises(ReadError, match=rf"row 0 \({NAMES[0]}\) is not transformed: not centred on joint 1"):
        read(save(), variant="transformed")


def test_transformed_arrays_are_not_taken_for_original_ones(save):
    data = arrays([300, 300, 300])  # looped
    with pytest.raises(ReadError, match=rf"row 0 \({NAMES[0]}\) does not end at frame 4"):
        read(save(data))


def test_clips_go_to_the_part_of_their_setup(save):
    assert [clip.name for clip in read(save(), "ntu60")] == NAMES[:2]
    assert [clip.name for clip in read(save(), "ntu120")] == NAMES[2:]


def test_both_splits_are_read_and_stated(save):
    labels = (
        [f"{name}.skeleton" for name in ["S001C001P002R001A001", "S001C001P002R001A002", "S001C001P002R001A003"]],
    )
    save()
    clips = read(save(labels=(*labels, [0, 1, 2], FRAMES), split="train"))
    assert [clip.splits["ntu-xsub120"] for clip in clips] == ["train"] * 3 + ["eval"] * 2


@pytest.mark.parametrize(
    "path", ["C:\\data\\S001C001P001R001A001.skeleton", "S001C001P001R001A001", "x/S001C001P001R001A001.skeleton"]
)
def test_a_name_is_the_stem_of_any_spelling_of_a_path(save, path):
    assert read(save(arrays([4]), ([path], [0], [4])))[0].name == "S001C001P001R001A001"


def test_a_name_of_another_form_has_no_columns_and_is_in_one_part_only(save):
    folder = save(arrays([4]), (["clips/first.npy"], [3], [4]))
    (clip,) = read(folder)
    assert (clip.name, clip.label) == ("first", 3)
    assert [clip.columns[key] for key in ("setup", "camera", "subject", "replication")] == [-1] * 4
    with pytest.raises(UserError, match=r"none of its clips belongs to part ntu120 \(by the setup number Sxxx\)"):
        read(folder, "ntu120")


def test_labels_of_numpy_are_labels(save):
    folder = save(arrays([4]), ([NAMES[0]], [np.int64(5)], [np.int32(4)]))
    assert read(folder)[0].label == 5


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_malicious_label_file_is_refused_and_not_executed(save, tmp_path):
    folder = save(labels=([Malicious(tmp_path / "harm")] * 3, [0, 1, 2], FRAMES))
    with pytest.raises(UserError, match=r"eval_label.pkl: asks for '\w+.mkdir', which is not allowed in a pickle"):
        read(folder)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "labels",
    [
        (NAMES,),
        (NAMES, [0, 6]),
        (NAMES, [0, 6], FRAMES),
        [NAMES, [0, 6, 60], FRAMES],
        (1, 2, 3),
        (NAMES, ["a", "b", "c"], FRAMES),
        (NAMES, [0.5, 1.0, 2.0], FRAMES),
        {"names": NAMES},
    ],
)
def test_labels_of_another_form_are_refused(save, labels):
    with pytest.raises(
        ReadError, match="eval_label.pkl: expected a tuple of equally long lists .paths, labels and, of some, frame c"
    ):
        read(save(labels=labels))


def test_fewer_labels_than_clips_are_refused(save):
    with pytest.raises(ReadError, match="eval_data.npy: 3 clips, but its label file has 2"):
        read(save(labels=(NAMES[:2], [0, 6], FRAMES[:2])))


def test_a_damaged_or_missing_label_file_is_named(save):
    folder = save(labels=b"no pickle")
    with pytest.raises(UserError, match=r"eval_label.pkl: not a pickle"):
        read(folder)
    (folder / "eval_label.pkl").unlink()
    with pytest.raises(UserError, match=r"eval_label.pkl: No such file or directory"):
        read(folder)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((3, 3, 300, 25), "f4"),
        ((3, 2, 300, 25, 2), "f4"),
        ((3, 3, 300, 17, 2), "f4"),
        ((3, 3, 300, 25, 1), "f4"),
        ((3, 3, 300, 25, 2), "f8"),
    ],
)
def test_another_shape_or_type_is_refused(save, shape, dtype):
    with pytest.raises(
        ReadError, match=r"eval_data.npy: float.* \(3, .*\), but \(N, 3, T, 25, 2\) float32 was expected"
    ):
        read(save(np.zeros(shape, dtype)))


def test_an_array_of_objects_or_a_cut_file_is_refused(save):
    folder = save()
    content = (folder / "eval_data.npy").read_bytes()
    np.save(folder / "eval_data.npy", np.array([{}, {}, {}], object), allow_pickle=True)
    with pytest.raises(ReadError, match="eval_data.npy: holds Python objects, and nothing is unpickled; save numbers"):
        read(folder)
    for broken in (content[:-1], content[:50], b"PK\x03\x04" + content):
        (folder / "eval_data.npy").write_bytes(broken)
        with pytest.raises(ReadError, match="eval_data.npy: not a whole .npy array"):
            read(folder)
    (folder / "eval_data.npy").write_bytes(b"")
    with pytest.raises(ReadError, match="eval_data.npy: the file is empty"):
        read(folder)


def with_header(path, shape):
    """Write an array whose header states `shape`, a text, and whose numbers are 64."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(256))
    return path


@pytest.mark.parametrize(
    "shape",
    [
        "(-1, 3, 10, 25, 2)",
        "(-64,)",
        f"({2**62}, 4)",  # its product, and the next one's bytes, are beyond 64 bits
        f"({2**61},)",
        f"({2**63},)",
        f"({10**30}, 3, 10, 25, 2)",
        "(True, 64)",
        "(" + "-" * 5000 + "1,)",
        f"(64, {'1' * 10_000})",  # numpy's own message has three lines
        f"({2**40}, 3, 0, 25, 2)",  # rows to list for ever, without a number in them
    ],
    ids=lambda shape: shape[:24],
)
def test_a_header_that_cannot_be_true_is_refused_in_a_line(tmp_path, shape):
    path = with_header(tmp_path / "a.npy", shape)
    with pytest.raises(ReadError, match=r"a\.npy: not a whole \.npy array \(.+\); fetch it again$") as refusal:
        open_array(path)
    assert "\n" not in str(refusal.value)


def test_an_array_without_rows_is_whole(tmp_path):
    assert open_array(with_header(tmp_path / "a.npy", "(0, 3, 10, 25, 2)")).shape == (0, 3, 10, 25, 2)
    assert open_array(with_header(tmp_path / "a.npy", "(2, 4)")).shape == (2, 4)


def test_one_name_twice_is_refused(save):
    with pytest.raises(UserError, match=NAMES[0]):
        read(save(labels=([NAMES[0], NAMES[1], NAMES[0]], [0, 6, 60], FRAMES)))


def test_a_folder_without_arrays_is_named(tmp_path):
    with pytest.raises(UserError, match="none of train_data.npy, .*, val_data_joint.npy; give the folder that hol"):
        read(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_refused_alone(save, value):
    data = arrays()
    data[1, 0, 5, 5, 0] = value
    reader = PaddedReader("ntu-xsub", "original")
    first, second = reader.scan([save(data)], "ntu60").sources
    assert len(list(reader.read(first))) == 1
    with pytest.raises(ReadError, match=rf"eval_data.npy: row 1 \({NAMES[1]}\) holds values that are not finite"):
        next(reader.read(second))


@pytest.mark.parametrize("stated", [3, 0, -1, 301])
def test_a_row_that_does_not_end_where_the_labels_say_is_refused(save, stated):
    folder = save(labels=(NAMES, [0, 6, 60], [stated, 300, 1]))
    with pytest.raises(ReadError, match=rf"row 0 \({NAMES[0]}\) does not end at frame {stated}"):
        read(folder)


# --- ST-GCN and 2s-AGCN: no frame counts, other file names


def names_only():
    return [f"{name}.skeleton" for name in NAMES], [0, 6, 60]


@pytest.mark.parametrize(("file", "split"), [("train_data", "train"), ("val_data", "eval"), ("val_data_joint", "eval")])
def test_without_frame_counts_a_clip_ends_with_its_last_live_frame(tmp_path, file, split):
    data = arrays()
    data[0, :, 1] = 0  # a gap stays
    np.save(tmp_path / f"{file}.npy", data)
    (tmp_path / f"{file.partition('_')[0]}_label.pkl").write_bytes(pickle.dumps(names_only()))
    first, second = read(tmp_path)
    assert first.joints.tobytes() == np.ascontiguousarray(data[0, :, :4].transpose(3, 1, 2, 0)).tobytes()
    assert (first.name, first.label, first.num_frames, second.num_frames) == (NAMES[0], 0, 4, 300)
    assert first.splits == {"ntu-xsub120": split}


def test_without_frame_counts_a_transformed_clip_is_kept_whole(save):
    data = arrays()
    data[:, :, :, 1, 0] = 0
    first, _ = read(save(data, names_only()), variant="transformed")
    assert (first.joints.shape, first.num_frames) == ((2, 300, 25, 3), 300)


def test_a_row_without_a_body_is_refused(save):
    data = arrays()
    data[0] = 0
    with pytest.raises(ReadError, match=rf"row 0 \({NAMES[0]}\) has no body in any frame"):
        read(save(data, names_only()))


def test_arrays_of_kinetics_have_18_joints_with_a_score(save):
    folder = save(arrays()[..., :18, :], (["a", "b", "c"], [0, 399, 2]))
    reader = PaddedReader("kinetics", "original", "kinetics-18")
    clips = [clip for source in reader.scan([folder], "kinetics").sources for clip in reader.read(source)]
    assert reader.channels == ("x", "y", "score")
    assert [clip.joints.shape for clip in clips] == [(2, 4, 18, 3), (2, 300, 18, 3), (2, 1, 18, 3)]
