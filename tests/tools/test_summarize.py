"""The table of runs, and the published figures above them."""

import json

import pytest

import config
from tools.summarize import main


@pytest.fixture
def add_run(tmp_path):
    """Adds a run of 1021 with these lines of figures; returns its folder."""

    def add(stamp, *lines):
        folder = tmp_path / config.load("1021").title / f"2026-11-20_14-03-{stamp}_s1"
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    return add


def rows(capsys, tmp_path, number="1021"):
    assert main([number, "-w", str(tmp_path)]) == 0
    table = capsys.readouterr().out.split("\n\n")[0]
    return [line.split() for line in table.splitlines()]


def figures(top1, mean_class):
    return {"eval": {"top1": top1, "mean_class": mean_class}}


def test_mean_class_stands_beside_top_1_published_and_ours(add_run, tmp_path, capsys):
    lines = [{"epoch": n, **figures(*each)} for n, each in enumerate([(0.25, 0.5), (0.4, 0.3), (0.3, 0.1)], start=1)]
    going_on = add_run("01", *lines)
    complete = add_run(
        "02",
        *lines,
        {"epoch": 3, "checkpoint": "last", **figures(0.4, 0.2)},  # as high as the best of fewer test clips
        {"epoch": 2, "checkpoint": "best", **figures(0.4, 0.35)},
    )
    older = add_run("03", {"epoch": 1, "eval": {"top1": 0.5}})
    header, *found = rows(capsys, tmp_path)
    assert header[:5] == ["number", "top-1", "best", "mean", "class"]
    assert found == [
        ["1021", "42.39%", "28.28%", "-", "published:", "mmaction2"],
        ["1021", "40.00%", "30.00%", "30.00%", str(going_on)],
        ["1021", "40.00%", "35.00%", "40.00%", str(complete)],
        ["1021", "50.00%", "-", "50.00%", str(older)],
    ]


def test_published_figures_of_a_fusion_are_not_the_experiments(tmp_path, capsys):
    assert rows(capsys, tmp_path, "3001")[1:] == [["3001", "89.3%", "-", "-", "published:", "PYSKL"]]
    assert [row[5:] for row in rows(capsys, tmp_path, "1001")[1:]] == [
        ["ST-GCN's", "code"],
        ["Yan", "et", "al.", "2018"],
    ]
