"""What the page of a comparison says of classes, of clips, and of chance."""

import re
from html import unescape

import numpy as np
import pytest

from tests.tools.test_compare import scores, written

LABELS = np.repeat([0, 1, 2], [12, 4, 3])
FIRST = np.repeat([0, 3, 1, 2], [6, 6, 4, 3])  # half of class 0, all of the others
SECOND = np.repeat([0, 2], [12, 7])  # all of class 0, none of class 1, all of class 2


@pytest.fixture
def page(tmp_path):
    """Writes the page of two networks; returns it."""

    def page(first=FIRST, second=SECOND, **how):
        names = ["wave", "squat", "fall", "rest"]
        return written(tmp_path / "c.html", scores(first, LABELS), scores(second, LABELS), names=names, **how)

    return page


def rows(page, table):
    """Return the cells of a table as texts; what is bold begins with a star."""
    body = re.search(rf'<table data-table="{table}">.*?<tbody>(.*?)</tbody>', page)[1]
    cells = [re.findall(r"<td.*?>(.*?)</td>", line) for line in re.findall(r"<tr>(.*?)</tr>", body)]
    return [[unescape(re.sub("<[^>]*>", "", cell.replace("<b>", "*"))) for cell in line] for line in cells]


def test_classes_have_both_recalls_and_the_most_changed_is_first(page):
    assert rows(page(), "classes-B") == [
        ["2", "squat", "4", "100.0%", "0.0%", "\u2212100.00", "0", "4", "0.125", "0.188"],
        ["1", "wave", "12", "50.0%", "100.0%", "+50.00", "6", "0", "0.031", "0.094"],  # not sure among three classes
        ["3", "fall", "3", "100.0%", "100.0%", "+0.00", "0", "0", "1.000", "1.000"],
    ]


def test_a_class_that_surely_changed_is_bold(page):
    assert rows(page(first=np.full(19, 3)), "classes-B")[0][-2:] == ["*< 0.001", "*0.001"]


def test_a_flipped_clip_has_both_answers(page):
    text = page()
    gained, lost = rows(text, "gained-B"), rows(text, "lost-B")
    assert [(name, true, one.split()[0], two.split()[0]) for _, name, true, one, two in lost] == [
        (f"clip{n}", "squat", "squat", "fall") for n in (15, 14, 13, 12)
    ]
    assert [[*each[1:4:2], each[4].split()[0]] for each in gained[:1]] == [["clip11", "rest 78%", "wave"]]


def test_chance_is_named_where_it_would_do(page):
    assert "6 clips gained, 4 lost: chance alone would often be as one-sided." in page()
    assert "12 clips gained, 0 lost: more one-sided than chance would make it." in page(
        first=np.repeat([3, 1, 2], [12, 4, 3]), second=LABELS
    )


def test_best_epochs_are_said_to_look_better_than_they_are(page):
    assert "--last compares the last ones" in page(epochs="best epochs")
    assert "--last" not in page(epochs="last epochs")
