import json

import numpy as np
import pytest

from benchmarks import harness
from benchmarks.harness import Contest, Limits, Row, largest_difference

SIDES = "tests.benchmarks.sides"


def contest(project="fast", arguments=None, **limits):
    """Return three rounds of naps; `limits` beside that the results are equal."""
    plan = {"stage": "waiting", "reference": f"{SIDES}:slow", "project": f"{SIDES}:{project}", "work": 6.0}
    wanted = Limits(**{"allowed": 0.0, **limits})
    return Contest(**plan, unit="naps/s", rounds=3, arguments=arguments or {}, limits=wanted)


def test_sides_take_turns_and_the_ratio_is_theirs_over_ours():
    row = contest(must=2.0).run()
    assert 2 < row.ratio < 4 and row.spread[0] <= row.ratio <= row.spread[1]
    assert row.project == pytest.approx(6 / 0.02, rel=0.4) and row.reference == pytest.approx(6 / 0.06, rel=0.4)
    assert row.difference == 0 and row.good


def test_a_result_that_differs_is_a_miss_however_fast():
    row = contest(arguments={"off": 0.5}).run()
    assert row.difference == 0.5 and not row.good
    assert contest(arguments={"off": 0.5}, allowed=0.6).run().good
    assert not contest(must=30.0).run().good


def test_the_first_turn_counts_only_where_turns_are_long(monkeypatch):
    assert contest("warming").run().spread[0] > 1
    monkeypatch.setattr(harness, "LONG", 0.5)
    row = contest("warming").run()
    assert row.spread[0] < 1 < row.ratio


@pytest.mark.parametrize("project", ["dies", "nothing_of_that_name"])
def test_a_side_that_dies_ends_the_contest(project):
    with pytest.raises(RuntimeError, match="its process ended"):
        contest(project).run()


def test_results_of_another_kind_are_no_comparison():
    with pytest.raises(ValueError, match="not of one kind"):
        contest("other_shape").run()


def test_differences_are_absolute_and_nan_equals_nan():
    ours = {"a": np.array([1.0, np.nan]), "b": np.array([2, 3])}
    assert largest_difference(ours, {**ours, "a": ours["a"].copy()}) == 0
    assert largest_difference(ours, {**ours, "b": np.array([2, 5])}) == 2


def test_a_word_that_no_stage_holds_is_said(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["latency", "sleping"])
    with pytest.raises(SystemExit) as ended:
        harness.main("latency", [contest()])
    assert ended.value.code == 2 and "no stage holds sleping; there are: waiting" in capsys.readouterr().err


def test_rows_are_kept_per_machine_and_replaced_by_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    rows = [Row("parse", "files/s", 1.0, 2.0, 2.0, Limits()), Row("write", "files/s", 1.0, 3.0, 3.0, Limits())]
    harness.keep("generation", rows)
    path = harness.keep("generation", [Row("parse", "files/s", 1.0, 9.0, 9.0, Limits(10.0))])
    held = json.loads(path.read_text())["generation"]
    assert {stage: row["ratio"] for stage, row in held.items()} == {"parse": 9.0, "write": 3.0}
    assert path.stem == harness.machine()


@pytest.mark.parametrize(
    ("limits", "good", "words"),
    [
        (Limits(2, 4), True, ("2x", "4x")),
        (Limits(2.5), False, ("2.5x", "")),
        (Limits(memory=0.7), True, ("0.7x memory", "")),
        (Limits(2, memory=0.4), False, ("2x, 0.4x memory", "")),
        (Limits(rate=1660), False, ("1660 clips/s", "")),
        (Limits(allowed=1e-5), False, ("", "")),
    ],
)
def test_a_row_must_be_fast_small_and_equal(limits, good, words):
    row = Row("train", "clips/s", 1.0, 2.0, 2.0, limits, difference=1e-4, peaks=(1000.0, 600.0))
    assert row.good == good and limits.words("clips/s") == words
    assert (" (missed)" in " ".join(row.cells())) != good
