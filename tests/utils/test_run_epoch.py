"""What is counted, logged and saved around the steps of an epoch, on a device that is looked at now and then."""

import math
import re

import pytest
import torch

import config
import initializer
import processor
from utils import run_epoch
from utils.errors import UserError


@pytest.fixture
def prepare(small_store, small, tmp_path):
    """Prepares the small experiment: an epoch has 5 steps of 6 clips."""

    def prepared(name, *, bar=False):
        machine = initializer.Machine(small_store, tmp_path / name, device="cpu", show_progress=bar)
        return initializer.prepare_training(config.load("2001", [*small, "train.epochs=1"]), machine)

    return prepared


def told(run):
    """Return an epoch's log lines, without times."""
    return re.findall(r"\] (Epoch: .*?)(?:, Training time.*)?\n", run.folder.log.read_text())


def noted(run):
    """Let a run note its TensorBoard points."""
    points, run.events.add_scalar = [], lambda *point: points.append(point)
    return points


@pytest.mark.parametrize("every", [2, 5, 20])
def test_figures_do_not_depend_on_how_often_they_are_looked_at(prepare, monkeypatch, every):
    found = []
    for name, steps in (("each", 1), ("some", every)):
        monkeypatch.setitem(run_epoch.LOOK_EVERY, "cpu", steps)
        run = prepare(name)
        points = noted(run)
        processor.train_epoch(run)
        assert run.progress.clips == 30
        assert len(told(run)) == 6
        found.append((run.progress, told(run), points))
    assert found[0] == found[1]
    assert [point[2] for point in found[1][2]] == [step for step in range(5) for _ in range(2)]


def test_a_bar_takes_the_place_of_lines_and_figures_stay(prepare, capsys):
    run = prepare("bar", bar=True)
    processor.train_epoch(run)
    assert "Loss: " in capsys.readouterr().err
    (line,) = told(run)
    plain = prepare("plain")
    processor.train_epoch(plain)
    assert told(plain)[-1] == line
    assert plain.progress == run.progress


def test_a_loss_that_is_not_finite_is_found_at_the_next_look_and_its_own_clips_are_named(prepare, monkeypatch):
    monkeypatch.setitem(run_epoch.LOOK_EVERY, "cpu", 4)
    run = prepare("run")
    loss, seen = run.train_loss, []

    def damaged(logits, labels):
        seen.append(labels)
        return loss(logits, labels) * (torch.where(labels == labels[2], math.nan, 1.0) if len(seen) == 2 else 1.0)

    run.train_loss = damaged
    with pytest.raises(UserError, match="is not finite") as said:
        processor.train_epoch(run)
    assert len(seen) == 4
    named = re.findall(r"S\d+C\d+P\d+R\d+A(\d+)", str(said.value))
    assert {int(action) - 1 for action in named} == {int(seen[1][2])}
    assert run.progress.clips == 6  # the step before it is counted


@pytest.mark.parametrize(("seconds", "saves"), [(-1.0, [1, 2, 3, 4, 5]), (math.inf, [])])
def test_a_long_epoch_is_saved_in_between_with_all_steps_counted(prepare, monkeypatch, seconds, saves):
    monkeypatch.setattr(run_epoch, "SAVE_EVERY_S", seconds)
    monkeypatch.setitem(run_epoch.LOOK_EVERY, "cpu", 4)
    run, saved = prepare("run"), []
    run.write = lambda path, content: saved.append((path, content["progress"]["step"], content["progress"]["clips"]))
    processor.train_epoch(run)
    assert saved == [(run.folder.last, step, 6 * step) for step in saves]
