import re
from dataclasses import replace

import numpy as np
import pytest

from visualizer.figures.classes import classes
from visualizer.figures.confusion import Confusion, Pair, confusion
from visualizer.report.tables import Cell, class_table, pair_table, plain_table, table


def test_cells_say_what_they_are_sorted_by():
    found = table("t", ("a", "b"), [(Cell("<1>", 1), Cell("x", "x")), (Cell("-", None), Cell("y", "y"))])
    assert re.findall(r"<td(.*?)>(.*?)</td>", found) == [
        (' data-key="1" class="n"', "&lt;1&gt;"), (' data-key="x"', "x"), (' class="n"', "-"), (' data-key="y"', "y"),
    ]  # fmt: skip
    assert found.count('<th scope="col" aria-sort="none"') == found.count('<button type="button">') == 2


def test_every_class_has_a_row_and_no_clips_are_a_dash(make_findings):
    found = class_table(classes(make_findings(classes=5, clips=4)))
    assert found.count("<tr>") == 1 + 5
    assert "nan" not in found.lower()
    assert found.rpartition("<tr>")[2].count(">-<") == 4


def test_pairs_say_both_ways_and_what_is_sure(make_findings):
    pairs = confusion(make_findings(clips=4000))
    found = pair_table(pairs)
    first = pairs.pairs[0]
    assert found.count("<tr>") == 1 + len(pairs.pairs)
    assert f"{first.count} of {first.clips}" in found and "<b>&lt; 0.001</b>" in found


def test_plain_numbers_are_grouped():
    assert '<td data-key="12345" class="n">12\u202f345</td>' in plain_table("t", ("a",), [(12_345,)])


@pytest.mark.parametrize(("p", "shown"), [(0.0499, "<b>0.050</b>"), (0.05, "<span>0.050</span>"), (0.3, "<span>0.300")])
def test_what_is_below_a_twentieth_is_bold(make_findings, p, shown):
    found = confusion(make_findings(clips=200))
    pair = replace(found.pairs[0], p_value=p)
    assert shown in pair_table(replace(found, pairs=(pair,)))


def test_a_pair_has_both_counts_and_its_share():
    pair = Pair(0, 2, 3, 8, 5, 0.3)
    found = pair_table(Confusion(("a", "b", "c"), np.zeros((3, 3), int), np.arange(3), (pair,)))
    cells = re.findall(r"<td.*?>(.*?)</td>", found)
    assert cells[:5] == ["a", "c", "3 of 8", "37.5%", "5"]


def test_an_interval_is_shown_and_sorted_by_its_lower_end(make_findings):
    rows = classes(make_findings(classes=5, clips=40))
    cells = re.findall(
        r'<td data-key="([^"]*)" class="n">(?:<svg.*?</svg>)<span class="muted">(.*?)</span>', class_table(rows)
    )
    assert cells == [(str(row.low), f"{row.low:.1%} to {row.high:.1%}") for row in rows]
