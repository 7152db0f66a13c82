"""The pages that tools write in the report's clothes, in its browser: tools.compare and tools.index."""

import numpy as np

from tests.tools.conftest import add_run, epochs, work_dir  # noqa: F401
from tests.tools.test_compare import HOSTILE, scores, written
from tools.index import main


def test_a_comparison_opens_sorts_and_filters(tmp_path, browser):
    labels = np.arange(4).repeat(5)
    networks = [scores(np.where(np.arange(20) % k, labels, 0), labels) for k in (3, 4)]
    written(tmp_path / "c.html", *networks, names=["wave", "squat", HOSTILE, "fall"])
    said, page = [], browser.new_page(offline=True)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message) or dialog.dismiss())
    page.goto((tmp_path / "c.html").as_uri())
    classes = page.locator("[data-table=classes-B] tbody tr:visible td:nth-child(2)")
    page.locator("[data-table=classes-B]").get_by_role("button", name="class").click()
    assert classes.all_inner_texts() == [HOSTILE, "fall", "squat", "wave"]
    page.locator("[data-filter=classes-B]").fill("wav")
    assert classes.all_inner_texts() == ["wave"]
    assert said == []
    page.close()


def test_the_index_sorts_filters_links_and_asks_for_nothing(add_run, work_dir, browser):  # noqa: F811
    for number, best in (("2001", 0.5), ("2002", 0.9), ("3001", 0.1)):
        add_run(epochs(best), number=number)
    (add_run(epochs(0.7), number="2003") / "report.html").write_text("<title>the report</title>")
    assert main(["-w", str(work_dir)]) == 0
    said, asked = [], []
    page = browser.new_page(offline=True)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((work_dir / "index.html").as_uri())
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
    assert (said, asked) == ([], [(work_dir / "index.html").as_uri()])
    page.get_by_role("link", name="report").click()
    assert page.title() == "the report"
    page.close()
