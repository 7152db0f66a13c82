"""The table over experiments: seeds in one row, beside what was published; for people, documents and machines."""

import csv
import json
from pathlib import Path
from statistics import stdev

import pytest

from tests.tools.conftest import epochs
from tools.results import COLUMNS, FIGURES, read_csv
from tools.summarize import main

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def summarize(on_runs):
    return on_runs(main)


@pytest.fixture
def summary(summarize, tmp_path):
    """Returns the rows as they are written for machines."""

    def run(*arguments):
        summarize(*arguments, "--format", "csv", "--out", tmp_path / "results.csv")
        with (tmp_path / "results.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return run


# --- what counts


def test_seeds_are_one_row_with_mean_deviation_and_count(add_run, summary, summarize):
    best = (0.5, 0.625, 0.875)
    folders = [add_run(epochs(each, 0.25, each - 0.125), seed=seed) for seed, each in enumerate(best, start=1)]
    (row,) = summary("2001")
    assert (row["number"], row["network"], row["data"]) == ("2001", "EfficientGCN-B0 SG", "ntu-xsub JVB")
    assert (row["runs"], row["run_folders"].split("; ")) == (
        "3",
        [f"{each.parent.name}/{each.name}" for each in folders],
    )
    mean = sum(best) / 3
    assert [float(row[name]) for name in FIGURES] == [mean, mean - 0.125, mean / 2, mean / 2 - 0.0625]
    assert float(row["top1_best_std"]) == stdev(best)
    assert (row["parameters"], row["multiply_adds"], row["test_clips"], row["seconds"]) == (
        "292326", "230000000.0", "1", "3661.0",
    )  # fmt: skip
    assert "66.67% ± 19.09 (3)" in summarize("2001")


def test_a_single_run_has_no_deviation(add_run, summary, summarize):
    add_run(epochs(0.5, 0.25, 0.375))
    assert summary("2001")[0]["top1_best_std"] == ""
    assert "  50.00% (1)  37.50% (1)  25.00% (1)       18.75% (1) " in summarize("2001")


def test_runs_with_other_settings_are_other_rows_and_have_no_published_figure(add_run, summary):
    whole = [{"epoch": 70, "eval": {"top1": 0.9, "mean_class": 0.9}}]
    add_run(whole, overrides=())
    add_run(epochs(0.5, 0.5, 0.5), stamp="02")
    add_run(epochs(0.5, 0.5, 0.5), seed=2, overrides=["train.epochs=3", "test.batch_size=1"])  # changes no result
    rows = [(row["changed"], row["runs"], row["published"]) for row in summary()]
    assert rows == [("", "1", "90.2 (Song et al. 2022)"), ("train.epochs=3", "2", "")]


def test_of_one_seed_the_newest_run_counts(add_run, summary, summarize):
    add_run(epochs(0.9, 0.9, 0.9), stamp="01")
    newest = add_run(epochs(0.5, 0.5, 0.5), stamp="02")
    (row,) = summary("2001")
    assert (row["runs"], row["top1_best"]) == ("1", "0.5") and row["run_folders"].endswith(newest.name)
    assert "finished, a newer one has its seed: does not count" in summarize("2001")


def test_what_is_not_finished_or_not_known_does_not_count(add_run, summary, summarize):
    add_run(epochs(0.9, 0.9), stamp="01")
    (add_run(epochs(0.8, 0.8, 0.8), stamp="02") / "config.yaml").unlink()
    rows = [(row["changed"], row["runs"], row["top1_best"]) for row in summary("2001")]
    assert rows == [("configuration unknown", "0", ""), ("train.epochs=3", "0", "")]
    text = summarize("2001")
    assert "90.00%      45.00%      90.00%      1     interrupted, after epoch 2: does not count" in text
    assert "80.00%      40.00%      80.00%      -     unknown, after epoch 3: does not count" in text
    assert text.count("2026-11-20_14-03-02_s1: no config.yaml") == 1


def test_a_figure_that_a_run_lacks_has_no_mean(add_run, summary):
    lines = epochs(0.5, 0.5, 0.5)
    add_run([{**line, "eval": {"top1": line["eval"]["top1"]}} for line in lines])
    add_run(lines, seed=2)
    (row,) = summary("2001")
    assert (row["top1_best"], row["mean_class_best"]) == ("0.5", "")


def test_debug_runs_and_evaluations_are_no_results(add_run, summarize):
    add_run(epochs(0.5, 0.5, 0.5), name="2026-11-20_14-03-01_eval")
    assert "no runs; `python main.py -c 0001` trains the demo" in summarize(code=2)


# --- what is shown


def test_mean_class_stands_beside_top_1_published_and_ours(add_run, summarize):
    add_run([{"epoch": 80, "eval": {"top1": 0.4, "mean_class": 0.3}}], number="1021", overrides=())
    line = next(line for line in summarize("1021").splitlines() if line.startswith("1021"))
    assert "40.00% (1)  40.00% (1)  30.00% (1)       30.00% (1)       42.39 / 28.28 (mmaction2)  " in line


def test_the_best_and_last_of_the_test_protocol_are_shown(add_run, summarize):
    lines = epochs(0.9, 0.9, 0.9)
    lines += [{"epoch": 3, "checkpoint": name, "eval": {"top1": top1}} for name, top1 in (("last", 0.4), ("best", 0.5))]
    add_run(lines)
    assert "2001    50.00%      -           40.00%      1     finished" in summarize("2001")


def test_experiments_without_runs_show_what_was_published(summary, summarize):
    assert [(row["published"], row["runs"]) for row in summary("3001")] == [("89.3 (PYSKL)", "0")]  # not of a fusion
    assert "81.5 (Yan et al. 2018)" in summary("1001")[0]["published"]
    assert "python main.py -c 3001 -e" in summarize("3001")


def test_without_numbers_all_experiments_that_have_runs_are_shown(add_run, work_dir, capsys):
    add_run(epochs(0.5, 0.5, 0.5))
    add_run(epochs(0.5), number="2002")
    assert main(["-w", str(work_dir)]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()[1:3]] == ["2001", "2002"]
    assert "2002_" in err and "2001_" not in err and "2001_" not in out  # the runs that do not count are said aside


def test_a_table_for_a_document_cannot_be_broken_by_names(add_run, summarize):
    add_run(epochs(0.5, 0.5, 0.5), name="2026-11-20_14-03-01|<b>_s1")
    header, marks, line = summarize("2001", "--format", "md").splitlines()
    assert line.count("|") - line.count("\\|") == header.count("|") == marks.count("|")
    assert "\\|&lt;b&gt;_s1" in line


# --- files


def test_a_file_for_machines_is_read_again(add_run, summarize, tmp_path):
    for seed in (1, 2):
        add_run(epochs(0.1, 0.7, 0.3), seed=seed)
    add_run(epochs(0.1), number="2002")
    text = summarize("--format", "csv")
    (tmp_path / "a.csv").write_text(text)
    assert summarize(tmp_path / "a.csv", "--format", "csv") == text
    assert summarize(tmp_path / "a.csv", "--format", "md") == summarize("--format", "md")
    assert len(read_csv(tmp_path / "a.csv")) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "expected the columns number, network"),
        ("number,network\n", "expected the columns number, network"),
        (",".join(COLUMNS) + "\n2001\n", "line 2: invalid literal for int"),
        (",".join(COLUMNS) + "\n2001,a,b,,1,nan\n", "line 2: top1_best: nan is no figure"),
        (",".join(COLUMNS) + "\n2001,a,b,,1,high\n", "line 2: could not convert string to float: 'high'"),
    ],
)
def test_another_csv_is_refused(summarize, tmp_path, content, reason):
    (tmp_path / "a.csv").write_text(content)
    assert reason in summarize(tmp_path / "a.csv", code=2)


def test_a_missing_file_is_one_line(summarize):
    assert "nowhere.csv: cannot be read as text" in summarize("nowhere.csv", code=2)


def test_of_a_page_only_what_is_between_the_marks_is_replaced(add_run, summarize, tmp_path):
    add_run(epochs(0.5, 0.5, 0.5))
    page = tmp_path / "page.md"
    page.write_text("# Ours\n<!-- written by tools.summarize -->\nold\n<!-- end -->\nand more\n")
    summarize("2001", "--format", "md", "--out", page)
    before, table, after = page.read_text().partition(summarize("2001", "--format", "md"))
    assert table and (before, after) == (
        "# Ours\n<!-- written by tools.summarize -->\n", "<!-- end -->\nand more\n",
    )  # fmt: skip


def test_a_new_page_can_be_written_again(add_run, summarize, tmp_path):
    add_run(epochs(0.5, 0.5, 0.5))
    page = tmp_path / "page.md"
    for _ in range(2):
        summarize("2001", "--format", "md", "--out", page)
        assert page.read_text().splitlines()[1:-1] == summarize("2001", "--format", "md").splitlines()


@pytest.mark.parametrize(
    "text", ["# Mine\n", "<!-- written by tools.summarize -->\nwithout an end\n", "<!-- end -->\n"]
)
def test_a_page_without_the_marks_stays_as_it_is(add_run, summarize, tmp_path, text):
    add_run(epochs(0.5, 0.5, 0.5))
    (tmp_path / "page.md").write_text(text)
    said = summarize("2001", "--format", "md", "--out", tmp_path / "page.md", code=2)
    assert "page.md: lacks the marks" in said and (tmp_path / "page.md").read_text() == text


def test_runs_on_other_data_are_another_row(add_run, summary):
    for seed, checksum in ((1, "a"), (2, "a"), (3, "b")):
        environment = add_run(epochs(0.5, 0.5, 0.5), seed=seed) / "environment.json"
        environment.write_text(json.dumps({"parts": {"ntu60": checksum}}))
    assert sorted(row["runs"] for row in summary("2001")) == ["1", "2"]


def test_the_readmes_results_are_those_of_the_tracked_figures(said, tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    said(main, ROOT / "docs/results.csv", "--format", "md", "--out", tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == text
    assert all(result.runs == len(result.folders) > 0 for result in read_csv(ROOT / "docs/results.csv"))


def test_an_unknown_number_is_refused(summarize):
    assert "-c 2099: no such experiment" in summarize("2099", code=2)
