"""The contests of generation: both sides make the same arrays of the same files."""

import numpy as np
import pytest

from benchmarks import generation
from benchmarks.raw_files import clip_name, digests, write_raw


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("contest")
    write_raw(place / "raw", 5, names=2)
    return place


def test_raw_files_have_names_that_no_other_has():
    names = [clip_name(n) for n in range(0, 60_000, 7)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("number", [2001, 2002])
def test_reference_and_project_make_the_same_samples(folder, number):
    sides = (generation.prepare_reference, generation.prepare_ours)
    theirs, ours = (dict(prepare(str(folder), number, "raw")()) for prepare in sides)
    assert sum(map(len, ours.values())) == 10
    assert all(np.array_equal(theirs[name], ours[name]) for name in ("train_data", "eval_data"))
    assert len(np.unique(np.concatenate(list(ours.values())), axis=0)) == 5  # two names for each file


def test_samples_that_differ_in_a_bit_differ(tmp_path):
    for name, value in (("a", 0.0), ("b", -0.0)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "train_data.npy", np.full((2, 3, 4), value, np.float32))
    assert not np.array_equal(*(digests(tmp_path / name)["train_data"] for name in "ab"))


def test_a_part_is_smaller_than_padded_arrays(folder):
    row = generation.size_row(folder)
    assert row.ratio == pytest.approx(row.project / row.reference)
    assert 1 < row.ratio < 10
