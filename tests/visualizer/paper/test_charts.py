"""What stands on the pictures of numbers, for any number of classes."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from utils.statistics import p_words
from visualizer.figures.calibration import calibration
from visualizer.figures.classes import classes
from visualizer.figures.confusion import confusion
from visualizer.figures.curves import curves
from visualizer.figures.importance import importance
from visualizer.paper import calibration as reliability
from visualizer.paper import classes as bars
from visualizer.paper import confusion as matrix
from visualizer.paper import curves as lines
from visualizer.paper import importance as joints
from visualizer.paper.canvas import panels, short, style


@pytest.fixture
def texts(make_findings):
    """Draws a figure of made-up findings; returns the texts on it."""

    def texts(draw, data, *arguments, **changes):
        with style():
            figure = draw(data(make_findings(**({"shown": 0} | changes))), *arguments)
        found = [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
        assert not any("nan" in text.lower() for text in found)
        return [text for text in found if text]

    return texts


@pytest.mark.parametrize("count", [1, 5, 10, 60, 120])
def test_the_confusion_matrix_names_every_class_on_both_axes(texts, make_findings, count):
    found = texts(matrix.draw, confusion, classes=count, clips=3 * count)
    for name in make_findings(classes=count, clips=1, shown=0).classes:
        assert found.count(name) == 2


def test_few_classes_have_their_counts_in_the_cells(texts, make_findings):
    counts = confusion(make_findings(shown=0)).counts
    found = texts(matrix.draw, confusion)
    for count in np.unique(counts[counts > 0]):
        assert found.count(str(count)) >= (counts == count).sum()


@pytest.mark.parametrize("count", [121, 400])
def test_beyond_120_classes_the_most_confused_pairs_stand_beside_the_matrix(texts, make_findings, count):
    drawn = {"classes": count, "clips": 4 * count}
    found = texts(matrix.draw, confusion, **drawn)
    data = confusion(make_findings(shown=0, **drawn))
    assert len(data.pairs) == 30
    for pair in data.pairs:
        assert data.classes[pair.true] in found
        assert f"{pair.count} of {pair.clips}" in found
    assert len(found) < 200  # not a name for each class


@pytest.mark.parametrize("count", [1, 41, 400])
def test_every_class_has_its_row(texts, make_findings, count):
    drawn = {"classes": count, "clips": max(1, count - 3)}  # three classes have none
    names = make_findings(shown=0, **drawn).classes
    found = texts(bars.draw, classes, **drawn)
    assert all(name in found for name in names)
    assert found.count("-") == (3 if count > 1 else 0)
    found = texts(joints.draw, importance, **drawn)
    assert all(name in found for name in names)
    assert found.count("no clip") == (3 if count > 1 else 0)


def test_a_column_of_classes_without_clips(texts):
    found = texts(bars.draw, classes, classes=60, clips=7)
    assert found.count("-") == 53


def test_recall_precision_and_interval_stand_where_they_are(make_findings):
    findings = make_findings(shown=0)
    with style():
        ax = bars.draw(classes(findings)).axes[0]
    precision, recall = (line.get_xdata() for line in ax.lines)
    rows = sorted(classes(findings), key=lambda row: -row.recall)
    assert recall.tolist() == [row.recall for row in rows]
    assert precision.tolist() == [row.precision for row in rows]
    intervals = [segment[:, 0].tolist() for segment in ax.collections[-1].get_segments()]
    assert intervals == [[row.low, row.high] for row in rows]


def test_classes_without_clips_come_last(texts):
    found = texts(bars.draw, classes, classes=3, clips=3, labels=np.array([1, 1, 2]))
    rows = [text for text in found if text in ("drink water", "pick up", "put down")]
    assert rows[-1] == "drink water"


def test_one_class_on_a_body(texts, make_findings):
    findings = make_findings(shown=0)
    found = texts(joints.draw_class, importance, findings.layout, 2)
    assert f"{findings.classes[2]}: its joints, over 8 clips" in found
    order = [findings.layout.joints[joint].replace("_", " ") for joint in importance(findings).order[2]]
    assert [text for text in found if text in order] == order


def test_a_class_without_a_clip_on_a_body(texts, make_findings):
    layout = make_findings(shown=0).layout
    found = texts(joints.draw_class, importance, layout, 4, classes=5, clips=3)
    assert any(text.endswith("no clip of it") for text in found)


def test_curves_say_which_epoch_is_the_best(texts):
    metrics = [
        {"epoch": 9, "train": {"loss": 2.0, "top1": 0.1}, "eval": {"loss": 2.1, "top1": 0.8}},
        {"epoch": 10, "train": {"loss": 1.0, "top1": 0.2}, "eval": {"loss": 2.0, "top1": 0.4}},
    ]
    found = texts(lines.draw, curves, metrics=metrics)
    assert [text for text in found if text.startswith("best")] == ["best 80.00%, epoch 9"]
    assert {"loss", "top-1 accuracy"} <= {*found}
    assert "learning rate" not in found
    metrics[0]["train"]["lr"] = 0.1
    assert "learning rate" in texts(lines.draw, curves, metrics=metrics)


def test_calibration_says_its_errors(texts, make_findings):
    data = calibration(make_findings(shown=0))
    assert f"ECE {data.ece:.1%}    MCE {data.mce:.1%}" in texts(reliability.draw, calibration)


def test_odd_names_are_drawn_as_they_are(make_findings):
    names = ("a $b$ {c} %", "<script>alert(1)</script>", "x" * 200, "two\nlines", "\\frac{1}{0}")
    with style():
        drawn = confusion(make_findings(shown=0))
        figure = matrix.draw(type(drawn)(names, drawn.counts, drawn.order, drawn.pairs))
        FigureCanvasAgg(figure).draw()
    found = [text.get_text() for text in figure.findobj(Text)]
    assert {names[0], names[1], names[4], "two lines"} <= {*found}


def test_long_names_lose_their_middle():
    assert short("a  b\tc") == "a b c"
    assert short("x" * 30) == "x" * 30
    assert short("begin" + "x" * 40 + "end 17") == "begin" + "x" * 14 + "…" + "xxxxend 17"
    assert len(short("y" * 31)) == 30


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (40, 1), (41, 2), (120, 2), (121, 2), (400, 5), (401, 6)])
def test_a_column_has_80_rows_at_most(rows, columns):
    assert panels(rows) == columns
    assert -(-rows // columns) <= 80


def test_the_style_ends():
    import matplotlib

    before = dict(matplotlib.rcParams)
    with style():
        assert matplotlib.rcParams["text.parse_math"] is False
    assert dict(matplotlib.rcParams) == before


# --- where it stands


def drawn(draw, data):
    with style():
        return draw(data)


@pytest.mark.parametrize("count", [7, 60])
def test_rows_of_the_matrix_are_true_classes(make_findings, count):
    found = confusion(make_findings(classes=count, clips=4 * count, shown=0))
    ax = drawn(matrix.draw, found).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    np.testing.assert_array_equal(ax.images[0].get_array(), found.shares)
    assert ax.images[0].norm(0.01) == pytest.approx(0.1)  # a clip of a hundred is seen
    cells = {(text.get_position()[1], text.get_position()[0]): int(text.get_text()) for text in ax.texts}
    expected = {(true, guess): found.counts[true, guess] for true, guess in np.argwhere(found.counts).tolist()}
    assert cells == (expected if count <= matrix.COUNTED else {})


def test_beyond_120_classes_those_taken_for_each_other_are_neighbours(make_findings):
    found = confusion(make_findings(classes=121, clips=484, shown=0))
    figure = drawn(matrix.draw, found)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), found.shares[found.order][:, found.order])
    assert found.order.tolist() != list(range(121))
    p_values = [text.get_text() for text in figure.axes[1].texts if text.get_position()[0] == 1.0][1:]
    assert p_values == [p_words(pair.p_value) for pair in found.pairs]


@pytest.mark.parametrize("count", [10, 60, 120])
def test_names_of_classes_can_be_read(make_findings, count):
    """On a page of its own: in letters of 5 points or more, that do not lie over each other."""
    figure = drawn(matrix.draw, confusion(make_findings(classes=count, clips=count, shown=0)))
    with style():
        FigureCanvasAgg(figure).draw()
    ax = figure.axes[0]
    size = ax.get_yticklabels()[0].get_fontsize()
    room = ax.get_window_extent().height / figure.dpi * 72 / count  # points for a row
    assert size >= 5 and room >= size
    assert max(figure.get_size_inches()) < 17


def test_bars_of_calibration_are_accuracies_with_their_intervals(make_findings):
    found = calibration(make_findings(clips=300, shown=0))
    above, below = drawn(reliability.draw, found).axes
    assert [(bar.get_x(), bar.get_height()) for bar in above.patches] == [
        (each.low, each.accuracy) for each in found.bins
    ]
    assert [bar.get_height() for bar in below.patches] == [each.count for each in found.bins]
    intervals, points = above.lines[1::2], above.lines[2::2]
    assert [list(line.get_ydata()) for line in intervals] == [[each.at_least, each.at_most] for each in found.bins]
    assert [line.get_xdata()[0] for line in points] == [each.confidence for each in found.bins]


def test_every_row_of_joints_is_its_class(make_findings):
    found = importance(make_findings(classes=50, clips=50, shown=0))
    panels_ = [ax.images[0].get_array() for ax in drawn(joints.draw, found).axes[:2]]
    np.testing.assert_array_equal(np.concatenate(panels_), found.values)


def test_bars_of_one_class_are_its_joints_values(make_findings):
    findings = make_findings(shown=0)
    found = importance(findings)
    with style():
        body, beside = joints.draw_class(found, findings.layout, 2).axes
    assert [bar.get_width() for bar in beside.patches] == sorted(found.values[2], reverse=True)
    sizes = np.asarray(body.collections[0].get_sizes())
    assert sizes.argmax() == found.values[2].argmax() and sizes.argmin() == found.values[2].argmin()


def test_curves_of_several_splits_are_told_apart(texts):
    found = texts(lines.draw, curves)
    assert found.count("train") == found.count("eval") == 2  # loss and accuracy
    assert "train" not in texts(lines.draw, curves, metrics=[{"epoch": 1, "train": {"loss": 1.0}}])
