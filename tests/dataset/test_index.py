"""The index is what numpy would write of all clips at once, made in little memory."""

import tracemalloc

import numpy as np
import pytest

from dataset import index
from dataset.packing import pack
from dataset.writer import PartWriter, ReadSource, StoredClip

PLAN, VARIANTS = {"part": "ntu60", "layout": "ntu", "split_lists": []}, {"original": {}}


@pytest.mark.parametrize(
    "values",
    [["a", "éß", "", "abc", "\U0001f57a"], [""] * 5, [1, 2.5, 3, 4, 5], [1, "a", 2.5, "", 3], [7, -1, 0, 2, 9]],
)
def test_columns_are_what_numpy_writes(tmp_path, monkeypatch, values):
    monkeypatch.setattr(index, "TEXTS", 2)
    splits, rows = ["train", "eval", "", "train", "eval"], pack(np.ones((2, 1, 2, 3), np.float32))
    sources = []
    for n, (value, split) in enumerate(zip(values, splits)):
        about = {"name": "x" * n + str(n), "label": n, "frames": 3, "splits": {"list": split} if split else {}}
        sources.append(ReadSource(f"{n}", [StoredClip(about | {"columns": {"c": value}}, {"original": rows})]))
    with PartWriter(tmp_path / "part", PLAN | {"split_lists": ["list", "other"]}, VARIANTS) as growing:
        growing.add(sources)
        growing.finish()
    names = ["x" * n + str(n) for n in range(5)]
    for file, expected in (("names", names), ("column_c", values), ("split_list", splits), ("split_other", [""] * 5)):
        np.save(tmp_path / "expected.npy", np.array(expected))
        assert (tmp_path / f"part/{file}.npy").read_bytes() == (tmp_path / "expected.npy").read_bytes()


def test_finishing_takes_little_memory_for_each_clip(tmp_path, monkeypatch):
    """300 MB for 260 000 clips would be 1150 bytes each."""
    monkeypatch.setattr(index, "TEXTS", 64)  # what is written at a time is small beside all
    count, rows = 4000, pack(np.ones((2, 1, 2, 3), np.float32))
    columns = {"source": "/data/kinetics-skeleton/kinetics_train/" + "x" * 20}
    about = {"label": 300, "frames": 1, "splits": {"own": "train"}, "columns": columns}
    clips = [StoredClip(about | {"name": f"clip{n:07}"}, {"original": rows}) for n in range(count)]
    with PartWriter(tmp_path / "part", PLAN | {"split_lists": ["own"]}, VARIANTS) as growing:
        growing.add(ReadSource(clip.about["name"], [clip]) for clip in clips)
        tracemalloc.start()
        growing.finish()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak / count < 600
