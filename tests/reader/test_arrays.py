"""The .npz of the CTR-GCN line: what is taken from it, and what is refused."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader.arrays import UNUSED, ArraysReader
from utils.errors import UserError
from utils.recording import ReadError

FRAMES = [4, 12, 1]


def clips(frames=FRAMES, length=12):
    """Return joints (N, M, T, V, C) with padding behind `frames`."""
    joints = np.random.default_rng(0).uniform(1, 2, (len(frames), 2, length, 25, 3)).astype(np.float32)
    for clip, count in zip(joints, frames, strict=True):
        clip[:, count:] = 0
    joints[0, 1] = 0  # an absent person
    return joints


def flat(joints):
    """Return (N, T, 150) as the CTR-GCN line writes it."""
    return joints.transpose(0, 2, 1, 3, 4).reshape(len(joints), joints.shape[2], 150)


def one_hot(labels, classes=60):
    return np.eye(classes)[labels]


def arrays():
    train, test = clips(), clips([2, 12])
    return {
        "x_train": flat(train), "y_train": one_hot([3, 0, 59]), "x_test": flat(test), "y_test": one_hot([7, 7])
    }  # fmt: skip


@pytest.fixture
def save(tmp_path):
    """Writes an .npz and returns its path."""

    def save(changes=None, write=np.savez):
        content = {key: value for key, value in (arrays() | (changes or {})).items() if value is not None}
        write(tmp_path / "NTU60_CS.npz", **content)
        return tmp_path / "NTU60_CS.npz"

    return save


def read(path, **options):
    reader = ArraysReader(**options)
    return [clip for source in reader.scan([path], "ntu60-arrays").sources for clip in reader.read(source)]


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_rows_become_clips_of_their_own_length(save, write):
    path = save(write=write)
    found = read(path, benchmark="ntu-xsub")
    assert [(clip.name, clip.label, clip.splits, clip.num_frames) for clip in found] == [
        ("train-000000", 3, {"ntu-xsub": "train"}, 4),
        ("train-000001", 0, {"ntu-xsub": "train"}, 12),
        ("train-000002", 59, {"ntu-xsub": "train"}, 1),
        ("test-000000", 7, {"ntu-xsub": "eval"}, 2),
        ("test-000001", 7, {"ntu-xsub": "eval"}, 12),
    ]
    for clip, joints in zip(found, [*clips(), *clips([2, 12])], strict=True):
        assert clip.joints.dtype == np.float32
        assert np.array_equal(clip.joints, joints[:, : clip.num_frames])
    assert found[2].columns == {"row": 2, "source": str(path)}


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@given(order=st.permutations(range(5)))
def test_rows_are_the_same_in_any_order(tmp_path_factory, write, order):
    path = tmp_path_factory.mktemp("arrays") / "a.npz"
    write(path, **arrays())
    reader = ArraysReader()
    sources = reader.scan([path], "part").sources
    expected = [*clips(), *clips([2, 12])]
    for number in order:
        (clip,) = reader.read(sources[number])
        assert np.array_equal(clip.joints, expected[number][:, : clip.num_frames])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_rows_keep_their_type(save, dtype):
    assert read(save({"x_train": arrays()["x_train"].astype(dtype)}))[0].joints.dtype == dtype


def test_gaps_stay(save):
    joints = clips()
    joints[1, :, 3:6] = 0
    assert np.array_equal(read(save({"x_train": flat(joints)}))[1].joints, joints[1])


def test_one_split_is_enough_and_other_arrays_are_reported(save):
    scan = ArraysReader().scan([save({"x_train": None, "y_train": None, "extra": np.ones(3)})], "part")
    assert [source.name for source in scan.sources] == ["test-000000", "test-000001"]
    assert scan.split_lists == ("split",)
    assert scan.skipped == {UNUSED: ["extra"]}


@pytest.mark.parametrize("row", [np.zeros(60), np.full(60, 0.5), np.eye(60)[3] + np.eye(60)[4]])
def test_a_row_that_is_not_one_hot_is_refused_alone(save, row):
    reader = ArraysReader()
    labels = one_hot([3, 0, 59])
    labels[1] = row
    first, second, *_ = reader.scan([save({"y_train": labels})], "part").sources
    assert len(list(reader.read(first))) == 1
    with pytest.raises(ReadError, match=r"NTU60_CS.npz: train-000001 has no class: row 1 of y_train is not one-hot"):
        list(reader.read(second))


@pytest.mark.parametrize(
    ("value", "message"), [(0, "has no body in any frame"), (np.nan, "holds values that are not finite")]
)
def test_an_empty_or_broken_row_is_refused_alone(save, value, message):
    reader, joints = ArraysReader(), clips()
    joints[1] = value
    _, second, third, *_ = reader.scan([save({"x_train": flat(joints)})], "part").sources
    with pytest.raises(ReadError, match=f"train-000001 {message}"):
        list(reader.read(second))
    assert len(list(reader.read(third))) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_train": np.zeros((3, 12, 75))},
            r"x_train is float64 \(3, 12, 75\), but \(N, T, 150\) of floats was expected",
        ),
        ({"x_train": np.zeros((3, 150), "f4")}, r"x_train is float32 \(3, 150\), but"),
        ({"x_train": np.zeros((3, 12, 150), int)}, r"x_train is int64 \(3, 12, 150\), but"),
        ({"x_train": np.zeros((3, 12, 150), ">f4")}, r"x_train is >f4 \(3, 12, 150\), but"),
        ({"x_train": np.asfortranarray(np.zeros((3, 12, 150)))}, r"x_train .* is no plain array, or is not whole"),
        ({"y_train": np.array([{}] * 3, object)}, r"y_train .* is no plain array, or is not whole"),
        ({"y_train": None}, "has no y_train"),
        ({"y_train": one_hot([1, 2])}, "x_train has 3 clips, but y_train has 2"),
        ({"y_train": np.arange(3)}, r"y_train is int64 \(3,\), but one-hot rows \(N, K\) were expected"),
        ({"x_train": None, "x_test": None}, "neither x_train nor x_test; it holds y_test, y_train"),
    ],
)
def test_arrays_of_another_form_are_refused(save, changes, message):
    with pytest.raises(UserError, match=f"NTU60_CS.npz: {message}"):
        ArraysReader().scan([save(changes)], "part")


def test_a_forged_shape_takes_no_memory(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 60)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("y_train.npy", header.getvalue())
        archive.writestr("x_train.npy", header.getvalue())
    with pytest.raises(UserError, match=r"a.npz: y_train .* is not whole"):
        ArraysReader().scan([tmp_path / "a.npz"], "part")


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_damaged_file_is_refused_in_one_line(save, write):
    path = save(write=write)
    content = path.read_bytes()
    middle = content.index(b"x_train.npy") + 2000
    flipped = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
    for broken in (b"", b"no zip", content[: len(content) // 2], content[:-5], flipped):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"NTU60_CS.npz: .*(fetch or make it again|is not whole)") as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert not isinstance(caught.value, ReadError)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a.npz: No such file or directory; give the .npz file as --raw FILE"):
        ArraysReader().scan([tmp_path / "a.npz"], "part")


def test_an_npz_is_not_taken_for_another_variant(save):
    with pytest.raises(UserError, match="an .npz holds original clips, no transformed ones; set data.variant"):
        read(save(), variant="transformed")


def test_two_places_are_refused(tmp_path):
    with pytest.raises(UserError, match="b.npz: one file or folder holds all splits; give only .*a.npz or it"):
        ArraysReader().scan([tmp_path / "a.npz", tmp_path / "b.npz"], "part")


def test_a_folder_is_one_of_padded_arrays(tmp_path):
    data = clips().transpose(0, 4, 2, 3, 1)  # (N, M, T, V, C) -> (N, C, T, V, M)
    np.save(tmp_path / "val_data.npy", data)
    (tmp_path / "val_label.pkl").write_bytes(pickle.dumps((["a", "b", "c"], [0, 1, 2])))
    found = read(tmp_path, benchmark="ntu-xview")
    assert [(clip.name, clip.num_frames, clip.splits) for clip in found] == [
        (name, frames, {"ntu-xview": "eval"}) for name, frames in zip("abc", FRAMES, strict=True)
    ]
    with pytest.raises(UserError, match="none of train_data.npy, "):
        ArraysReader().scan([tmp_path.parent], "part")
