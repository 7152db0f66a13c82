"""The page of all runs: states, links to reports, damage, and nothing of a name that acts."""

import os
import re

import pytest

from tests.tools.conftest import epochs
from tools.index import main
from utils.run_folder import RunFolder


@pytest.fixture
def index(said, work_dir):
    """Runs the tool; returns what it says and the page."""

    def run():
        text = said(main, "-w", work_dir)
        return text, (work_dir / "index.html").read_text(encoding="utf-8")

    return run


def rows(page):
    return re.findall(r"<tr><td.*?</tr>", page)


def test_every_run_has_a_row_newest_first(add_run, index, work_dir):
    add_run(epochs(0.25, 0.75, 0.5), stamp="01")
    running = RunFolder(add_run(epochs(0.25), stamp="02", seed=5))
    running.hold()
    add_run(epochs(0.25, 0.5), number="3001", stamp="03")
    add_run([{"epoch": 0, "checkpoint": "x", "eval": {"top1": 0.5}}], name="2026-11-20_14-03-04_eval")
    text, page = index()
    running.release()
    assert text.splitlines() == [
        "3 training runs (1 finished, 1 running, 1 interrupted), 1 evaluations; page: " + str(work_dir / "index.html")
    ]
    evaluation, interrupted, going_on, finished = rows(page)
    assert ">evaluation<" in evaluation and ">50.00%<" in evaluation
    assert ">interrupted<" in interrupted and ">2 of 3<" in interrupted and "3001_ST-GCN++_ntu-xsub" in interrupted
    assert ">running<" in going_on and ">5<" in going_on
    assert all(f">{cell}<" in finished for cell in ("finished", "3 of 3", "75.00%", "50.00%", "37.50%", "61 min"))


def test_a_run_is_linked_to_its_report_where_it_has_one(add_run, index):
    folder = add_run(epochs(0.5, 0.5, 0.5), stamp="01")
    (folder / "report.html").write_text("")
    add_run(epochs(0.5), stamp="02", number="3001")
    _, page = index()
    assert re.findall(r'<a href="([^#][^"]*)"', page) == [f"{folder.parent.name}/{folder.name}/report.html"]


def test_a_page_of_somebody_else_stays(add_run, said, work_dir):
    add_run(epochs(0.5))
    (work_dir / "index.html").write_text("my site")
    assert "index.html: is there, and not of tools.index; move it away" in said(main, "-w", work_dir, code=2)
    assert (work_dir / "index.html").read_text() == "my site"


def test_a_folder_whose_name_is_no_text_has_a_row_and_a_link(index, work_dir):
    folder = work_dir / os.fsdecode(b"\xff") / "2026-11-20_14-03-01_s1"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("")
    _, page = index()
    assert 'href="%FF/2026-11-20_14-03-01_s1/report.html"' in page and index()[1] == page


def test_damage_is_said_in_the_row(add_run, index):
    folder = add_run(epochs(0.5, 0.5, 0.5))
    (folder / "config.yaml").unlink()
    (folder / "metrics.jsonl").write_text("{")
    text, page = index()
    assert text.splitlines()[1] == "1 of them are damaged or not whole: the page says in what"
    assert "no config.yaml; metrics.jsonl, line 1, is cut off" in rows(page)[0]


def test_folders_without_a_run_are_named(add_run, index, work_dir):
    add_run(epochs(0.5))
    (work_dir / "notes" / "old").mkdir(parents=True)
    assert "notes/old" in index()[1]


def test_no_runs_and_no_folder(said, index, work_dir):
    assert f"-w {work_dir}: no such folder" in said(main, "-w", work_dir, code=2)
    work_dir.mkdir()
    assert "There is no run yet" in index()[1]


def test_no_name_is_ever_markup(index, work_dir):
    folder = work_dir / "9000_<img src=x onerror=alert(1)>_<b>" / '2026-11-20_14-03-01"><i>'
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("")
    (folder / "metrics.jsonl").write_text("<script>alert(1)</script>")
    _, page = index()
    assert "<img" not in page and "<b>" not in page and "<i>" not in page and "<script>alert" not in page
    assert (
        "9000_%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E_%3Cb%3E/2026-11-20_14-03-01%22%3E%3Ci%3E/report.html" in page
    )
