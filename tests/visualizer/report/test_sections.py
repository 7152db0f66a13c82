"""What each section says, and in which order."""

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

import config
from visualizer.figures.calibration import calibration
from visualizer.figures.confusion import confusion
from visualizer.figures.curves import curves
from visualizer.figures.headline import headline
from visualizer.figures.summary import summary
from visualizer.report.charts import TICKS, curve_charts
from visualizer.report.sections import (
    ROWS,
    calibration_section,
    confusion_section,
    curves_section,
    data_section,
    header,
)


def said(markup):
    """Return the text of markup, its elements parted by blanks."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", markup)).split())


@pytest.fixture
def top(make_findings):
    """Returns the text at the top of a report, and its headline."""

    def top(**changes):
        found = make_findings(**({"shown": 0} | changes))
        return said(header(found, headline(found))), headline(found)

    return top


# --- the top


def test_the_top_says_what_was_scored_and_on_what(top):
    text, _ = top(classes=12, clips=2400)
    assert text.startswith("Experiment 2001 EfficientGCN-B0 on ntu-xsub 2 400 clips of split eval · 12 classes · ntu")
    assert "not counted" not in text


def test_a_figure_has_its_interval_and_the_last_epochs_beside_it(top):
    text, found = top(classes=12, clips=200)
    assert [each.value for each in found.best] != [each.value for each in found.last]
    for best, last in zip(found.best, found.last, strict=True):
        shown = f"{best.name} {best.value:.2%} {best.low:.1%} to {best.high:.1%} last epoch {last.value:.2%}"
        assert shown in text
    assert "last epoch" not in top(last=None)[0]


def test_an_interval_is_drawn_to_scale(make_findings):
    found = make_findings(shown=0)
    best = headline(found).best[0]
    drawn = header(found, headline(found))
    assert f'x1="{100 * best.low:.2f}" x2="{100 * best.high:.2f}" y1="5" y2="5" class="span"' in drawn
    assert f'x1="{100 * best.value:.2f}" x2="{100 * best.value:.2f}" y1="1" y2="9" class="dot"' in drawn


def test_how_the_best_was_chosen_is_said_of_a_run_alone(top):
    assert "Best: highest top-1 on eval, as the field does. With 95% intervals, over 40 clips" in top()[0]
    assert "Best:" not in top(chosen="")[0]


def test_clips_of_no_known_class_are_counted_apart(top):
    labels = np.arange(40) % 5
    labels[:7] = -1
    text, _ = top(labels=labels)
    assert "40 clips of split eval, 7 of them of no known class, not counted" in text
    assert "over 33 clips whose class is known" in text


def test_what_was_published_stands_beside_ours_with_its_source(top):
    assert "Published: top-1 90.2% (Song et al. 2022)." in top()[0]
    both = top(config=config.load("1021"))[0]
    assert "top-1 42.39% (mmaction2)" in both and "mean class 28.28% (mmaction2)" in both
    assert "Published" not in top(config=config.load("6001"))[0]


def test_cost_weights_environment_and_commands_are_there(top):
    text, _ = top(environment={"torch": "2.13.0", "device": ["a", "b"]})
    assert "parameters 0.32 M MACs 2.73 G x 1 clip x 3 streams seconds 41 weights workdir/run/best.pt" in text
    assert "Environment torch 2.13.0 device a b" in text
    assert text.endswith("Commands python main.py -c 2001 python main.py -c 2001 -e python main.py -c 2001 -v")
    bare, _ = top(environment={}, commands=())
    assert "Environment" not in bare and "Commands" not in bare


# --- the others


def test_the_best_and_the_last_epoch_are_said(make_findings):
    over_epochs = curves(make_findings())
    text = said(curves_section(over_epochs, curve_charts(over_epochs)))
    assert f"The best epoch is {over_epochs.best}, chosen on eval; the last is {over_epochs.last}." in text
    unscored = curves(make_findings(metrics=[{"epoch": 1, "train": {"loss": 1.0}}]))
    assert "best" not in said(curves_section(unscored, curve_charts(unscored)))


@pytest.mark.parametrize(("classes", "pairs_first"), [(TICKS, False), (TICKS + 1, True), (400, True)])
def test_of_many_classes_the_most_confused_pairs_come_first(make_findings, classes, pairs_first):
    drawn = confusion_section(confusion(make_findings(classes=classes, clips=4 * classes, shown=0)))
    assert (drawn.index("Most confused pairs") < drawn.index('data-chart="confusion"')) == pairs_first
    assert drawn.count("<tr>") == 1 + 30
    assert ("have no names at the axes: point at a cell" in drawn) == pairs_first


def test_calibration_says_its_errors_and_what_they_are(make_findings):
    found = calibration(make_findings(shown=0))
    text = said(calibration_section(found))
    assert f"ECE {found.ece:.2%} MCE {found.mce:.2%}" in text and found.ece != found.mce
    assert "15 equally wide bins" in text


def test_files_that_are_not_in_the_data_are_listed(make_findings):
    text = said(data_section(summary(make_findings(shown=0))))
    assert "Refused sources: 1 source why S001C002P003R001A004.skeleton line 7: 24 joints, expected 25" in text
    assert "Sources left out: 3 why sources no person in any frame 3" in text
    whole = said(data_section(summary(make_findings(shown=0, refused={}, left_out={}))))
    assert "Refused" not in whole and "left out" not in whole


def test_of_very_many_refused_files_some_are_listed(make_findings):
    refused = {f"{n:04d}.skeleton": "empty" for n in range(ROWS + 7)}
    drawn = data_section(summary(replace(make_findings(shown=0), refused=refused, left_out={})))
    assert drawn.count("<tr>") == 1 + ROWS
    assert f"Refused sources: {ROWS + 7}" in drawn and "and 7 more" in drawn
