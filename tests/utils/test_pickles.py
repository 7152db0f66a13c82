import os
import pickle
import tracemalloc
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from utils.errors import UserError
from utils.pickles import HeldArray, load_pickle

# what Python 2 with numpy 1 writes for {'a': numpy.array([1., 2.], dtype='<f4'), 'b': '\xe9'} at protocol 2
PYTHON_2 = (
    b"\x80\x02}q\x00(U\x01aq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04"
    b"U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x02\x85q\x08cnumpy\ndtype\nq\tU\x02f4q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03"
    b"U\x01<q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89U\x08\x00\x00\x80?\x00\x00\x00@q\x0ftq\x10b"
    b"U\x01bU\x01\xe9u."
)


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "label.pkl"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_containers_numbers_text_and_arrays_survive_at_every_protocol(write, protocol):
    content = OrderedDict(
        array=np.arange(6.0, dtype=np.float32).reshape(2, 3).T,
        scalar=np.float64(0.5),
        text=np.array(["ab", "c"]),
        nested=(1, "x", [None, True, {"k": b"\xff\x00"}]),
    )
    found = load_pickle(write(pickle.dumps(content, protocol)))
    assert type(found) is OrderedDict
    assert np.array_equal(found.pop("array"), content.pop("array"))
    assert np.array_equal(found.pop("text"), content.pop("text"))
    assert found == content


@pytest.mark.parametrize("core", ["core", "_core"])
def test_arrays_of_both_ages_of_numpy_load(write, core):
    content = pickle.dumps(np.arange(3), protocol=2)
    assert b"numpy._core." in content
    found = load_pickle(write(content.replace(b"numpy._core.", f"numpy.{core}.".encode())))
    assert found.tolist() == [0, 1, 2]


def test_python_2_pickles_load_with_latin1(write):
    found = load_pickle(write(PYTHON_2))
    assert found["a"].tolist() == [1.0, 2.0]
    assert found["b"] == "\u00e9"


def test_python_2_text_of_another_encoding_is_an_option(write):
    path = write(b"\x80\x02U\x02\xc3\xa9.")
    assert load_pickle(path, encoding="utf-8") == "\u00e9"


def test_the_originals_label_files_load(goldens):
    names, labels, lengths = load_pickle(
        goldens / "data/npy_dataset/original/ntu-xsub/eval_label.pkl", accepted="a label file"
    )
    assert len(names) == len(labels) == len(lengths) == 7


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_runs_nothing(write, tmp_path, protocol):
    trap = tmp_path / "trap"
    path = write(pickle.dumps([1, Malicious(trap)], protocol))
    with pytest.raises(UserError, match=rf"label.pkl: asks for '{os.name}\.mkdir', which is not allowed"):
        load_pickle(path)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([{}], dtype=object), "numpy array of type 'object'"),
        (np.zeros(1, dtype=[("a", "O")]), "numpy array of type '.V8'"),
        (Path("x"), "asks for '.*Path'"),
        ({1, 2}, "asks for '.*set'"),
    ],
)
def test_other_types_are_refused(write, content, message):
    with pytest.raises(UserError, match=message):
        load_pickle(write(pickle.dumps(content, protocol=2)))


def test_a_forged_numpy_type_is_not_believed(write):
    content = pickle.dumps(np.arange(2.0), protocol=0)
    flags = b"NNNI-1\nI-1\nI0\nt"  # the last number claims, at 63, that the array holds objects
    assert flags in content
    found = load_pickle(write(content.replace(flags, b"NNNI-1\nI-1\nI63\nt")))
    assert found.tolist() == [0.0, 1.0]
    assert not found.dtype.hasobject


def test_numpy_arrays_cannot_be_made_of_foreign_memory(write):
    with pytest.raises(UserError, match="not a pickle, or a damaged one"):
        load_pickle(write(b"cnumpy\nndarray\n((I1\ntVO\nS'AAAAAAAA'\ntR."))


def test_other_codecs_are_refused(write):
    with pytest.raises(UserError, match="asks for the codec 'zlib'"):
        load_pickle(write(b"c_codecs\nencode\n(Vx\nVzlib\ntR."))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04", b"hello\nworld\n", b'{"a": 1}', pickle.dumps([1, 2, 3] * 50)[:40], b"PK\x03\x04"],
)
def test_what_is_no_pickle_is_refused_in_one_line(write, content):
    with pytest.raises(UserError, match=r"label.pkl: not a pickle, or a damaged one .*; accepted are") as caught:
        load_pickle(write(content))
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_what_was_expected(tmp_path):
    with pytest.raises(UserError, match=r"none.pkl: No such file or directory; a label file is needed"):
        load_pickle(tmp_path / "none.pkl", accepted="a label file is needed")


# --- arrays that are held as the file spells them


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "i8", "?"])
def test_held_arrays_are_the_arrays(write, protocol, dtype):
    arrays = [np.arange(24).reshape(2, 3, 4).astype(dtype), np.zeros((0, 3), dtype), np.array(1, dtype)]
    arrays.append(np.asfortranarray(arrays[0]))
    found = load_pickle(write(pickle.dumps([*arrays, arrays[0], np.float32(2), "text"], protocol)), hold=True)
    assert found[-2:] == [2, "text"]
    assert found[-3] is found[0]
    for held, array in zip(found, arrays, strict=False):
        assert isinstance(held, HeldArray)
        assert (held.shape, held.dtype) == (array.shape, array.dtype)
        assert np.asarray(held).tobytes() == array.tobytes()
        assert np.asarray(held).dtype == array.dtype
        assert np.array(held, dtype=np.float64).flags.writeable
        assert not np.asarray(held).flags.writeable


def test_held_arrays_of_python_2_load(write):
    assert np.asarray(load_pickle(write(PYTHON_2), hold=True)["a"]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_holding_runs_nothing_either(write, tmp_path, protocol):
    path = write(pickle.dumps([1, Malicious(tmp_path / "trap")], protocol))
    with pytest.raises(UserError, match=rf"label.pkl: asks for '{os.name}\.mkdir', which is not allowed"):
        load_pickle(path, hold=True)
    assert not (tmp_path / "trap").exists()


def test_a_held_array_of_another_size_than_stated_is_refused(write):
    content = pickle.dumps(np.zeros((3, 5), np.uint8), protocol=2)
    forged = content.replace(b"K\x03K\x05", b"K\x03K\x06")
    assert forged != content
    with pytest.raises(UserError, match=r"not a pickle, or a damaged one \(15 bytes for an array of uint8 \(3, 6\)\)"):
        load_pickle(write(forged), hold=True)


@pytest.mark.parametrize("content", [np.array([{}], dtype=object), np.zeros(1, dtype=[("a", "O")])])
def test_held_arrays_of_other_types_are_refused(write, content):
    with pytest.raises(UserError, match="holds a numpy array of type"):
        load_pickle(write(pickle.dumps(content, protocol=2)), hold=True)


@pytest.mark.parametrize("hold", [False, True])
def test_bytes_of_no_content_load_and_others_are_not_made(write, hold):
    found = load_pickle(write(pickle.dumps(np.zeros((0, 2)), protocol=2)), hold=hold)
    assert found.shape == (0, 2)
    with pytest.raises(UserError, match=r"asks for bytes\(\) with arguments, which is not allowed in a pickle"):
        load_pickle(write(b"c__builtin__\nbytes\n(I9\ntR."), hold=hold)


def test_other_codecs_are_refused_when_holding(write):
    with pytest.raises(UserError, match="asks for the codec 'zlib'"):
        load_pickle(write(b"c_codecs\nencode\n(Vx\nVzlib\ntR."), hold=True)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_held_arrays_take_no_more_memory_than_the_file(write, protocol):
    path = write(pickle.dumps([np.full(200_000, n, np.float16) for n in range(50)], protocol))
    tracemalloc.start()
    try:
        held = load_pickle(path, hold=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(held) == 50
    assert peak < path.stat().st_size * 1.3
