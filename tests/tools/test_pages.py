"""The pages that tools write in the report's clothes: what their bars show, and how a reader has them in a browser."""

import re

import numpy as np
import pytest

from tests.tools.conftest import epochs
from tests.tools.test_compare import HOSTILE, scores, written
from tools.index import main
from tools.pages import diverging


@pytest.mark.parametrize(
    ("value", "bar"),
    [
        (0.25, ("0.00", "50.00", "gain")),
        (-0.25, ("-50.00", "50.00", "loss")),
        (0.0, ("0.00", "0.00", "loss")),
    ],
)
def test_a_bar_goes_from_nothing_to_its_value(value, bar):
    assert (
        re.search(r'<rect x="(.*?)" y="1" width="(.*?)" height="8" class="(.*?)"/>', diverging(value, 0.5)).groups()
        == bar
    )


def test_a_whisker_is_where_the_interval_is():
    assert 'd="M-20.00 1v8m0-4H60.00m0-4v8"' in diverging(0.25, 0.5, (-0.1, 0.3))
    assert "whisker" not in diverging(0.25, 0.5)
    assert 'width="0.00"' in diverging(0.0, 0.0)


def test_a_comparison_opens_sorts_and_filters(tmp_path, open_page):
    labels = np.arange(4).repeat(5)
    networks = [scores(np.where(np.arange(20) % k, labels, 0), labels) for k in (3, 4)]
    written(tmp_path / "c.html", *networks, names=["wave", "squat", HOSTILE, "fall"])
    page = open_page(tmp_path / "c.html")
    classes = page.locator("[data-table=classes-B] tbody tr:visible td:nth-child(2)")
    page.locator("[data-table=classes-B]").get_by_role("button", name="class").click()
    assert classes.all_inner_texts() == [HOSTILE, "fall", "squat", "wave"]
    page.locator("[data-filter=classes-B]").fill("wav")
    assert classes.all_inner_texts() == ["wave"]


def test_the_index_sorts_filters_links_and_asks_for_nothing(add_run, work_dir, open_page):
    for number, best in (("2001", 0.5), ("2002", 0.9), ("3001", 0.1)):
        add_run(epochs(best), number=number)
    (add_run(epochs(0.7), number="2003") / "report.html").write_text("<title>the report</title>")
    assert main(["-w", str(work_dir)]) == 0
    page = open_page(work_dir / "index.html")
    numbers = page.locator("tbody tr:visible td:nth-child(2)")
    page.get_by_role("button", name="top-1").click()
    assert [text[:4] for text in numbers.all_inner_texts()] == ["2002", "2003", "2001", "3001"]
    page.get_by_role("searchbox").fill("efficientgcn")
    assert [text[:4] for text in numbers.all_inner_texts()] == ["2002", "2003", "2001"]
    assert page.get_by_text("3 of 4").is_visible()
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.emulate_media(color_scheme="light")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != dark
    page.get_by_role("link", name="report").click()
    assert page.title() == "the report"


def test_all_of_the_index_is_in_view_and_on_a_phone_the_way_to_the_report(add_run, work_dir, open_page):
    folder = add_run(epochs(0.5, 0.5, 0.5), overrides=("train.epochs=65",))
    (folder / "report.html").write_text("")
    assert main(["-w", str(work_dir)]) == 0
    wide, phone = (open_page(work_dir / "index.html", viewport={"width": w, "height": 800}) for w in (1280, 390))
    assert wide.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.scroll'))")
    box = phone.get_by_role("link", name="report").bounding_box()
    assert box["x"] + box["width"] <= 390 - 16
