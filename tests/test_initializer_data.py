"""A run is of the data that its configuration states, and goes on with no other."""

import numpy as np
import pytest

import config
import initializer
import processor
from tests.reader.dlc_form import write_dlc
from tests.reader.kinetics_form import write_kinetics
from utils.errors import UserError
from utils.interrupt import Interrupted

TINY = (
    "model.base_channels=8", "input.frames=16", "data.window=32", "train.epochs=2", "train.batch_size=2",
    "train.reference_batch=null",
)  # fmt: skip


@pytest.fixture
def tracks(tmp_path):
    return write_dlc(tmp_path / "tracks", np.random.default_rng(1), recordings=6, frames=100)


@pytest.fixture
def machine(tmp_path):
    return initializer.Machine(tmp_path / "store", tmp_path / "work", device="cpu", show_progress=False)


def load(*overrides, number="1006"):
    return config.load(number, (*TINY, *overrides) if number == "1006" else overrides)


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("data.split={share: 0.4, seed: 9}", "split"),
        ("data.window=30", "window"),
        ("data.likelihood=0.1", "likelihood"),
        ("data.frame_size=[64, 48]", "frame_size"),
    ],
)
def test_a_part_that_was_made_with_other_settings_is_refused(tmp_path, tracks, machine, generate, setting, key):
    assert generate("1006", machine.store, tracks, overrides=TINY)[0]
    with pytest.raises(UserError, match=rf"deeplabcut: made with data\.{key} .*--force makes it anew"):
        initializer.prepare_training(load(setting), machine)
    assert not list(tmp_path.glob("work/*/*"))


def stopped(machine, monkeypatch):
    """Start a training that is stopped after its first step."""
    run = initializer.prepare_training(load(), machine)
    monkeypatch.setattr(run.stop, "number", 15)
    with pytest.raises(Interrupted):
        processor.train(run)


def test_a_run_does_not_go_on_with_another_split(tracks, machine, generate, monkeypatch):
    """The same coordinates, but clips that are evaluated now have been trained on."""
    assert generate("1006", machine.store, tracks, overrides=TINY)[0]
    stopped(machine, monkeypatch)
    for seed in range(2, 9):  # until it is another one
        assert generate("1006", machine.store, tracks, overrides=(*TINY, f"data.split.seed={seed}"), force=True)[0]
    with pytest.raises(UserError, match="made with data.split|trained on other data"):
        initializer.prepare_resume(load(), machine)


def test_a_run_does_not_go_on_with_other_labels(tracks, machine, generate, monkeypatch):
    assert generate("1006", machine.store, tracks, overrides=TINY)[0]
    stopped(machine, monkeypatch)
    (tracks / "groom").rename(tracks / "sit")  # behind rear: the labels change places
    assert generate("1006", machine.store, tracks, overrides=TINY, force=True)[0]
    with pytest.raises(UserError, match="trained on other data"):
        initializer.prepare_resume(load(), machine)


def test_the_same_data_from_another_place_are_the_same(tracks, machine, generate, monkeypatch, tmp_path):
    assert generate("1006", machine.store, tracks, overrides=TINY)[0]
    stopped(machine, monkeypatch)
    tracks.rename(tmp_path / "moved")
    assert generate("1006", machine.store, tmp_path / "moved", overrides=TINY, force=True)[0]
    processor.train(initializer.prepare_resume(load(), machine))


def test_weights_are_not_scored_on_classes_of_other_names(tracks, machine, generate):
    assert generate("1006", machine.store, tracks, overrides=TINY)[0]
    run = initializer.prepare_training(load("train.epochs=1"), machine)
    processor.train(run)
    (tracks / "groom").rename(tracks / "zzz")
    assert generate("1006", machine.store, tracks, overrides=TINY, force=True)[0]
    with pytest.raises(UserError, match=r"label 0 was 'groom' in training, but is 'rear' in this part"):
        initializer.prepare_evaluation(load(), machine, run.folder.best)


def test_a_label_file_that_calls_labels_otherwise_than_the_benchmark_is_refused(tmp_path, machine, generate):
    folder = write_kinetics(tmp_path / "k", np.random.default_rng(2), 8, classes=("Abseiling", "juggling"))
    assert generate("1003", machine.store, folder)[0]
    with pytest.raises(UserError, match=r"label 1 is 'juggling' there, but 'air drumming' in kinetics-skeleton"):
        initializer.prepare_training(load(number="1003"), machine)


def test_the_yaml_of_a_run_means_that_run(tracks, machine, generate, command):
    assert generate("1006", machine.store, tracks, overrides=TINY)[0]
    runs = []
    for seed in (1, 2):
        runs.append(initializer.prepare_training(load("train.epochs=1", f"train.seed={seed}"), machine))
        processor.train(runs[-1])
    place = ("--store", machine.store, "-w", machine.work_dir)
    done = command("-c", runs[0].folder.path / "config.yaml", "-e", *place)
    assert f"Pretrained model: {runs[0].folder.best} " in done.stdout
