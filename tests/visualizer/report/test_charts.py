import json

import numpy as np
import pytest

from visualizer.figures.calibration import calibration
from visualizer.figures.confusion import confusion
from visualizer.figures.curves import curves
from visualizer.figures.summary import summary
from visualizer.report.charts import TICKS, calibration_chart, confusion_chart, curve_charts, summary_charts


@pytest.mark.parametrize("classes", [5, TICKS, TICKS + 1])
def test_confusion_has_all_counts_and_names_what_it_has_room_for(make_findings, classes):
    found = confusion(make_findings(classes=classes, clips=300))
    chart = confusion_chart(found)
    cells = np.array(chart["data"][0]["customdata"])
    assert (cells[..., 0] == found.counts).all()
    assert (cells[..., 1] == found.counts.sum(axis=1, keepdims=True)).all()
    assert np.allclose(np.square(chart["data"][0]["z"]), found.shares, atol=2e-3)
    assert chart["layout"]["xaxis"]["showticklabels"] == (classes <= TICKS)
    assert chart["layout"]["yaxis"]["ticktext"][0] == "drink water"


def test_classes_of_one_name_are_two(make_findings):
    chart = confusion_chart(confusion(make_findings(classes=3)))
    assert chart["layout"]["xaxis"]["tickvals"] == [0, 1, 2]


def test_curves_mark_the_best_and_the_last(make_findings):
    found = make_findings()
    lines = [dict(line, eval={"top1": 0.9, "loss": 1.0}) if line["epoch"] == 3 else line for line in found.metrics]
    shapes = curve_charts(curves(make_findings(metrics=lines)))["top1"]["layout"]["shapes"]
    assert {(shape["x0"], shape["label"]["text"]) for shape in shapes} == {(3, "best"), (12, "last")}
    together = curve_charts(curves(make_findings(metrics=found.metrics[-1:])))["top1"]["layout"]["shapes"]
    assert [shape["label"]["text"] for shape in together] == ["best, last"]


def test_a_loss_that_is_no_number_is_a_gap(make_findings):
    lines = [{"epoch": 1, "train": {"loss": float("nan")}}, {"epoch": 2, "train": {"loss": 1.0}}]
    assert curve_charts(curves(make_findings(metrics=lines)))["loss"]["data"][0]["y"] == [None, 1.0]


def test_all_charts_are_plain_json_with_colours_by_name(make_findings):
    found = make_findings()
    charts = [
        *curve_charts(curves(found)).values(),
        confusion_chart(confusion(found)),
        calibration_chart(calibration(found)),
        *summary_charts(summary(found), found.classes).values(),
    ]
    text = json.dumps(charts, allow_nan=False)
    assert len(charts) == 8 and "#" not in text.replace("&#", "") and "rgb" not in text


def test_summary_counts_every_clip(make_findings):
    found = summary_charts(summary(make_findings(clips=300)), ("a",) * 5)
    assert {name: sum(chart["data"][0]["y"]) for name, chart in found.items()} == dict.fromkeys(found, 300)
    assert sum(found["lengths"]["data"][0]["width"]) >= 150
