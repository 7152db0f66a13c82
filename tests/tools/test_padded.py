"""Padded arrays out of a store, and back into one: equal to the bit."""

import numpy as np
import pytest

import config
from dataset.store import open_part
from tools.padded import _parts_of, main
from utils.errors import UserError
from utils.pickles import load_pickle

KINDS = [(kind, benchmark) for kind in ("original", "transformed") for benchmark in ("ntu-xsub", "ntu-xview")]
NUMBERS = {"ntu-xsub": "2001", "ntu-xview": "2002"}


@pytest.fixture(scope="module")
def golden_store(tmp_path_factory, goldens, generate):
    """The golden skeletons as a part, in both variants."""
    store = tmp_path_factory.mktemp("golden")
    generate("2002", store, goldens / "data/skeletons")
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory, write_raw, generate):
    """A part of 12 small clips, in both variants."""
    folder = tmp_path_factory.mktemp("small")
    generate("2002", folder, write_raw(folder / "raw", 12))
    return folder


def export(out, benchmark, kind, store):
    transformed = ["--transformed"] if kind == "transformed" else []
    assert main(["export", str(out), "--benchmark", benchmark, "--store", str(store), *transformed]) == 0
    return out / kind / benchmark


@pytest.mark.parametrize(("kind", "benchmark"), KINDS)
def test_an_export_equals_the_original_to_the_bit(tmp_path, goldens, golden_store, kind, benchmark):
    found, expected = export(tmp_path, benchmark, kind, golden_store), goldens / "data/npy_dataset" / kind / benchmark
    for split in ("train", "eval"):
        assert (found / f"{split}_data.npy").read_bytes() == (expected / f"{split}_data.npy").read_bytes()
        mine, theirs = (load_pickle(folder / f"{split}_label.pkl") for folder in (found, expected))
        assert [path.rpartition("/")[2] for path in mine[0]] == [path.rpartition("/")[2] for path in theirs[0]]
        assert mine[1:] == theirs[1:]


@pytest.mark.parametrize(("kind", "benchmark"), KINDS)
def test_arrays_of_the_original_that_are_imported_export_to_the_same_bytes(
    tmp_path, goldens, generate, kind, benchmark, tree
):
    source = goldens / "data/npy_dataset" / kind / benchmark
    generate(NUMBERS[benchmark], tmp_path / "store", from_padded=source, overrides=[f"data.variant={kind}"])
    found = export(tmp_path / "out", benchmark, kind, tmp_path / "store")
    mine, theirs = tree(found), tree(source)
    assert mine.keys() == theirs.keys()
    for split in ("train", "eval"):
        assert mine[f"{split}_data.npy"] == theirs[f"{split}_data.npy"]
        assert load_pickle(found / f"{split}_label.pkl") == load_pickle(source / f"{split}_label.pkl")


@pytest.mark.parametrize("kind", ["original", "transformed"])
def test_exported_arrays_that_are_imported_export_to_the_same_bytes(tmp_path, store, generate, tree, kind):
    first = export(tmp_path / "first", "ntu-xview", kind, store)
    generate("2002", tmp_path / "store", from_padded=first, overrides=[f"data.variant={kind}"])
    assert tree(export(tmp_path / "second", "ntu-xview", kind, tmp_path / "store")) == tree(first)


def test_an_imported_transformed_part_is_as_small_as_a_generated_one(tmp_path, store, generate):
    first = export(tmp_path / "first", "ntu-xview", "transformed", store)
    generate("2002", tmp_path / "store", from_padded=first)
    rows = [len(open_part(each / "ntu60", "transformed").coordinates) for each in (store, tmp_path / "store")]
    assert rows[0] <= rows[1] < 2 * rows[0]


def test_eval_alone_is_enough(tmp_path, store, generate, tree):
    first = export(tmp_path / "first", "ntu-xsub", "original", store)
    for name in ("train_data.npy", "train_label.pkl"):
        (first / name).unlink()
    _, said = generate("2001", tmp_path / "store", from_padded=first)
    assert said[0] == "Part ntu60: 4 clips kept of 4 sources read"
    assert tree(export(tmp_path / "second", "ntu-xsub", "original", tmp_path / "store")) == tree(first)


def test_the_stated_split_wins_over_the_rule(tmp_path, store, generate, tree):
    first = export(tmp_path / "first", "ntu-xsub", "original", store)
    for suffix in ("data.npy", "label.pkl"):  # exchange the splits: against the rule
        (first / f"train_{suffix}").rename(first / "kept")
        (first / f"eval_{suffix}").rename(first / f"train_{suffix}")
        (first / "kept").rename(first / f"eval_{suffix}")
    generate("2001", tmp_path / "store", from_padded=first)
    assert tree(export(tmp_path / "second", "ntu-xsub", "original", tmp_path / "store")) == tree(first)


def test_an_original_import_can_be_transformed_and_a_transformed_one_not_undone(tmp_path, store, generate, tree):
    expected = export(tmp_path / "expected", "ntu-xview", "transformed", store)
    original = export(tmp_path / "first", "ntu-xview", "original", store)
    generate("2002", tmp_path / "a", from_padded=original, overrides=["data.variant=original"])
    generate("2002", tmp_path / "a", from_padded=original)
    assert tree(export(tmp_path / "found", "ntu-xview", "transformed", tmp_path / "a")) == tree(expected)
    generate("2002", tmp_path / "b", from_padded=expected)
    with pytest.raises(
        UserError,
        match=r"ntu60: imported as transformed, from which original cannot be made; import arrays of that variant into another --store DIR",
    ):
        generate("2002", tmp_path / "b", from_padded=expected, overrides=["data.variant=original"])


def test_a_clip_of_more_than_300_frames_is_cut_and_counted(tmp_path, goldens, generate, capsys):
    generate("2001", tmp_path / "store", goldens / "data/skeletons_odd")
    found = export(tmp_path / "out", "ntu-xsub", "original", tmp_path / "store")
    assert capsys.readouterr().out.splitlines()[-1] == "cut to their first 300 frames: 1"
    part = open_part(tmp_path / "store/ntu60", "original")
    data = np.load(found / "train_data.npy")
    assert part.frames[0] == 310
    assert np.array_equal(data[0, ..., 0].transpose(1, 2, 0), part.coordinates[:300])
    assert load_pickle(found / "train_label.pkl")[2] == [300, 30]


def test_the_benchmarks_of_120_classes_join_both_parts(tmp_path, write_raw, generate):
    write_raw(tmp_path / "raw/a", 3)
    write_raw(tmp_path / "raw/b", 3, setup=18)
    generate("2004", tmp_path / "store", tmp_path / "raw")
    found = export(tmp_path / "out", "ntu-xset120", "original", tmp_path / "store")
    names = [
        [path.rpartition("/")[2][:4] for path in load_pickle(found / f"{split}_label.pkl")[0]]
        for split in ("train", "eval")
    ]
    assert names == [["S018"] * 3, ["S001"] * 3]


def test_the_files_written_are_printed(tmp_path, store, capsys):
    found = export(tmp_path, "ntu-xsub", "original", store)
    assert capsys.readouterr().out.splitlines() == [f"{found}/train_data.npy", f"{found}/eval_data.npy"]


def test_the_store_may_come_from_the_environment(tmp_path, store, monkeypatch):
    monkeypatch.setenv("GESTA_STORE", str(store))
    assert main(["export", str(tmp_path), "--benchmark", "ntu-xsub"]) == 0
    assert (tmp_path / "original/ntu-xsub/eval_data.npy").exists()


def test_a_missing_part_gives_one_line_and_code_2(tmp_path, capsys):
    assert main(["export", str(tmp_path), "--benchmark", "ntu-xsub", "--store", str(tmp_path / "no")]) == 2
    errors = capsys.readouterr().err
    assert "no/ntu60: not generated yet; run: " in errors
    assert errors.count("\n") == 1


def test_an_unknown_benchmark_is_refused(tmp_path, capsys):
    assert main(["export", str(tmp_path), "--benchmark", "ntu"]) == 2
    errors = capsys.readouterr().err
    assert "invalid choice: 'ntu'" in errors
    assert "ntu-xsub" in errors
    assert errors.count("\n") == 1


def test_every_benchmark_of_raw_skeletons_can_be_exported_and_no_other():
    experiments = [config.load(number).data for number in config.numbers()]
    raw = {data.benchmark: data.parts for data in experiments if data.form == "ntu"}
    assert raw.keys() >= {"ntu-xsub", "ntu-xview", "ntu-xsub120", "ntu-xset120"}
    for benchmark, parts in raw.items():
        assert _parts_of(benchmark) == parts
    with pytest.raises(UserError, match="ucla-xview: older code has padded arrays of NTU's raw skeletons only"):
        _parts_of("ucla-xview")
