"""The curves of training."""

from visualizer.figures.curves import curves


def epoch(number, top1=None, split="eval", **train):
    line = {"epoch": number, "step": number, "train": {"loss": 3.0 / number, "top1": 0.1 * number, **train}}
    return line if top1 is None else line | {split: {"loss": 1.0, "top1": top1, "clips": 9}}


def test_every_split_has_its_epochs(make_findings):
    found = curves(make_findings(metrics=[epoch(1), epoch(2, 0.5), epoch(3), epoch(4, 0.75)]))
    points = {(curve.quantity, curve.split): (curve.epochs, curve.values) for curve in found.curves}
    assert points["top1", "eval"] == ((2, 4), (0.5, 0.75))
    assert points["loss", "train"] == ((1, 2, 3, 4), (3.0, 1.5, 1.0, 0.75))
    assert points.keys() == {(quantity, split) for quantity in ("loss", "top1") for split in ("train", "eval")}


def test_the_best_is_the_first_of_equals(make_findings):
    found = curves(make_findings(metrics=[epoch(5, 0.5), epoch(6, 0.8), epoch(7, 0.8), epoch(8, 0.7)]))
    assert (found.best, found.last, found.chosen_on) == (6, 8, "eval")


def test_closing_lines_of_checkpoints_are_no_epochs(make_findings):
    closing = {"epoch": 1, "checkpoint": "best", "eval": {"top1": 0.99}}
    found = curves(make_findings(metrics=[epoch(1, 0.2, "validation"), closing]))
    assert {curve.split for curve in found.curves} == {"train", "validation"}
    assert (found.best, found.chosen_on) == (1, "validation")


def test_learning_rates_are_a_curve_where_lines_hold_them(make_findings):
    found = curves(make_findings(metrics=[epoch(1, lr=0.1), epoch(2, lr=0.05)]))
    assert [(each.epochs, each.values) for each in found.curves if each.quantity == "lr"] == [((1, 2), (0.1, 0.05))]
    assert (found.best, found.last, found.chosen_on) == (None, None, "")


def test_without_labels_or_lines_nothing_is_marked(make_findings):
    assert curves(make_findings(metrics=[])).curves == ()
    unlabelled = epoch(1) | {"eval": {"clips": 0, "unlabelled": 9}}
    assert curves(make_findings(metrics=[unlabelled])).best is None
