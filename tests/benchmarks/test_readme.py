"""The README's table of speeds: what a row says, and where it goes."""

from dataclasses import asdict

import pytest

from benchmarks.harness import Limits, Row
from benchmarks.readme import BEGIN, END, renewed, table


def said(ratio=2.0, peaks=(8000.0, 450.0), **limits):
    """Return the row of a table that is made of one result."""
    row = Row("train", "clips/s", 1819.6, 0.7234, ratio, Limits(**limits), difference=0.0, peaks=peaks)
    return table({"training": {"train": asdict(row)}}).splitlines()[-1]


def test_a_row_says_both_speeds_their_ratio_its_limits_and_memory():
    expected = "| train | 1 820 clips/s | 0.723 clips/s | 2.0x | 2x, 0.7x memory | 4x | 8 → 0.45 GB |"
    assert said(must=2, goal=4, allowed=1e-4, memory=0.7) == expected
    assert said(peaks=None) == "| train | 1 820 clips/s | 0.723 clips/s | 2.0x |  |  |  |"


@pytest.mark.parametrize(
    ("row", "ratio"),
    [
        ({"must": 2}, "2.0x"),
        ({"must": 2.5}, "2x, missed"),
        ({"ratio": 1.396, "must": 1.4, "peaks": None}, "1.396x, missed"),  # not "1.4x", which would be the must
        ({"must": 2, "memory": 0.05}, "2x, missed"),
        ({"must": 2, "memory": 0.7, "peaks": None}, "2x, missed"),  # memory that nobody measured
        ({"must": 2, "rate": 1.0}, "2x, missed"),
        ({"must": 2, "allowed": 0}, "2.0x"),
    ],
)
def test_a_row_that_misses_what_it_must_is_marked(row, ratio):
    assert said(**row).split(" | ")[3] == ratio


def test_rows_stand_in_the_order_of_the_results():
    rows = {stage: asdict(Row(stage, "clips/s", 1.0, 2.0, 2.0, Limits())) for stage in ("b", "a")}
    lines = table({"training": rows, "evaluation": {"c": rows["a"] | {"stage": "c"}}}).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| b", "| a", "| c"]


def test_only_what_is_between_the_marks_is_written_anew():
    text = f"# Speed\n{BEGIN}| old |\n{END}## Next\n"
    assert renewed(text, "| new |\n") == f"# Speed\n{BEGIN}| new |\n{END}## Next\n"
