"""Writing padded arrays: clip by clip, whole or not at all."""

import errno
import pickle

import numpy as np
import pytest

from dataset.padded import export
from dataset.splits import load_benchmark
from dataset.store import open_part
from utils.errors import UserError

XSUB = load_benchmark("ntu-xsub")


@pytest.fixture(scope="module")
def part(tmp_path_factory, write_raw, generate):
    folder = tmp_path_factory.mktemp("padded")
    generate("2001", folder / "store", write_raw(folder / "raw", 16))
    return open_part(folder / "store/ntu60", "original")


def test_arrays_are_c_ordered_float32_with_a_plain_header(tmp_path, part):
    first, _ = export([part], XSUB, tmp_path)
    assert first == tmp_path / "original/ntu-xsub/train_data.npy"
    data = np.load(first, mmap_mode="r")
    assert (data.shape, data.dtype, data.flags.c_contiguous) == ((10, 3, 300, 25, 2), np.float32, True)
    assert first.stat().st_size == 128 + 10 * 180_000


def test_labels_are_a_plain_pickle_of_three_lists(tmp_path, part):
    export([part], XSUB, tmp_path)
    paths, labels, frames = pickle.loads((tmp_path / "original/ntu-xsub/eval_label.pkl").read_bytes())
    assert all(path.endswith(".skeleton") for path in paths)
    assert {type(value) for value in [*labels, *frames]} == {int}
    assert len(paths) == len(labels) == len(frames) == 6


def test_a_split_without_clips_has_no_files(tmp_path, part):
    written = export([part], load_benchmark("ntu-xset120"), tmp_path)  # setup 1 is odd: nothing trains
    assert [path.name for path in written] == ["eval_data.npy"]
    assert sorted(path.name for path in written[0].parent.iterdir()) == ["eval_data.npy", "eval_label.pkl"]


def test_a_full_disk_leaves_no_half_array(tmp_path, part, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    expected = "original/ntu-xsub: no room left to write .No space left on device.; nothing half-written is left; free"
    with pytest.raises(UserError, match=expected):
        export([part], XSUB, tmp_path)
    assert not list((tmp_path / "original/ntu-xsub").iterdir())
