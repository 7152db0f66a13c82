"""The table of frames: its rows, wherever they lie; what is read from the disk; how much memory is free."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dataset import frame_table
from dataset.frame_table import NEAR, FrameTable, free_bytes, stretches
from utils import distributed
from utils.distributed import Ranks

CPU = torch.device("cpu")


@pytest.fixture
def parts(tmp_path):
    """Return parts of 300, 0 and 7 rows on the disk, the last in float16, and row 0 with all of theirs behind it."""
    rng, rows = np.random.default_rng(0), [np.zeros((1, 5, 3), np.float32)]
    for number, (count, dtype) in enumerate([(300, np.float32), (0, np.float32), (7, np.float16)]):
        rows.append(rng.normal(size=(count, 5, 3)).astype(dtype))
        np.save(tmp_path / f"{number}.npy", rows[-1])
    mapped = [np.load(tmp_path / f"{number}.npy", mmap_mode="r") for number in range(3)]
    return [SimpleNamespace(coordinates=each) for each in mapped], np.concatenate(rows, dtype=np.float32)


@pytest.mark.parametrize("free", [0, 10**9])
def test_rows_are_the_parts_one_behind_the_other_and_row_0_is_zeros(parts, monkeypatch, free):
    monkeypatch.setattr(frame_table, "free_bytes", lambda device: free)
    table = FrameTable(parts[0], CPU)
    assert (table.resident is None, table.travels) == (not free, False)
    rows = torch.tensor([[[0, 1, 300], [301, 307, 0]], [[5, 4, 5], [200, 2, 306]]])
    found = table.take(rows)
    assert found.dtype == torch.float32
    assert np.array_equal(found, parts[1][rows])


@pytest.mark.parametrize("free", [0, 10**9])
def test_rows_of_float16_come_as_float32_and_take_half_the_memory(parts, monkeypatch, free):
    monkeypatch.setattr(frame_table, "free_bytes", lambda device: free)
    table = FrameTable(parts[0][2:], CPU)
    assert table.resident is None or table.resident.dtype == torch.float16
    assert np.array_equal(table.take(torch.arange(8)), parts[1][[0, *range(301, 308)]])
    assert table.take(torch.arange(8)).dtype == torch.float32


def test_where_the_rows_lie_follows_from_the_free_memory(parts, monkeypatch):
    for free, resident in ((2 * parts[1].nbytes, False), (2 * parts[1].nbytes + 2, True)):
        monkeypatch.setattr(frame_table, "free_bytes", lambda device, free=free: free)
        assert (FrameTable(parts[0], CPU).resident is not None) == resident


@given(st.lists(st.integers(0, 5000), max_size=50))
def test_what_is_read_from_the_disk_at_once_holds_all_rows_and_few_others(rows):
    held = [np.arange(first, last + 1) for first, last in stretches(np.array(rows, np.int64))]
    assert set(rows) <= set(np.concatenate([*held, np.zeros(0, int)]).tolist())
    assert sum(map(len, held)) <= NEAR * len(rows)


def test_the_rows_of_a_person_are_read_at_once():
    rows = np.array([*range(7, 500, 3), *range(9000, 9004), 9001, 8000])
    assert stretches(rows) == [(7, 499), (9000, 9003), (9001, 9001), (8000, 8000)]


def test_the_free_memory_of_this_machine_is_known():
    assert free_bytes(CPU) > 0


def test_processes_of_a_machine_share_its_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(frame_table, "MEMINFO", tmp_path / "meminfo")
    assert free_bytes(CPU) == 0
    frame_table.MEMINFO.write_text("MemTotal: 9000 kB\nMemAvailable: 3000 kB\n")
    found = []
    for count in (1, 3):
        monkeypatch.setattr(distributed, "ranks", lambda count=count: Ranks(0, count, 0, count))
        found.append(free_bytes(CPU))
    assert found == [3000 * 1024, 1000 * 1024]
