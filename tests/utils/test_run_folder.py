import json

import numpy as np
import pytest
import yaml

from utils.run_folder import RunFolder, best_run, eval_figures, runs


def anything(_):
    return True


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "2001", "_s1")


def test_two_runs_within_one_second_get_two_folders(tmp_path):
    made = [RunFolder.create(tmp_path, "_s1").path for _ in range(3)]
    assert len(set(made)) == 3
    assert all(path.is_dir() for path in made)


def test_metrics_are_cut_back_to_the_checkpoint(folder):
    for epoch in (1, 2, 3):
        folder.add_metrics({"epoch": epoch, "eval": {"top1": epoch / 10}})
    folder.cut_metrics(2)
    assert [line["epoch"] for line in folder.metrics()] == [1, 2]


def test_a_torn_last_line_is_not_read(folder):
    folder.add_metrics({"epoch": 1})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "tr')
    assert folder.metrics() == [{"epoch": 1}]


def test_scores_hold_names_labels_and_logits_without_pickles(folder):
    logits, labels = np.eye(2, dtype=np.float32), np.array([0, 1])
    columns = {"names": np.array(["a", "b"]), "labels": labels, "logits": logits}
    path = folder.save_scores(columns, np.eye(2, dtype=np.int64))
    with np.load(path, allow_pickle=False) as found:
        assert found["names"].tolist() == ["a", "b"]
        assert np.array_equal(found["logits"], logits)
        assert np.array_equal(found["labels"], labels)
        assert found["confusion"].trace() == 2


def test_a_resumed_run_keeps_the_description_of_its_start(folder):
    folder.describe("number: '1'\n", {"torch": "1"})
    folder.describe("number: '2'\n", {"torch": "2"})
    assert yaml.safe_load((folder.path / "config.yaml").read_text()) == {"number": "1"}
    assert json.loads((folder.path / "environment.json").read_text()) == {"torch": "1"}


def test_best_run_ignores_evaluations_and_takes_the_highest(tmp_path):
    for suffix, figures in (("_s1", [0.5, 0.9, 0.7]), ("_s2", [0.8]), ("_eval", [1.0])):
        run = RunFolder.create(tmp_path, suffix)
        for epoch, top1 in enumerate(figures, start=1):
            run.add_metrics({"epoch": epoch, "eval": {"top1": top1}})
    best, run = best_run(tmp_path, anything)
    assert best == 0.9
    assert run.path.name.endswith("_s1")
    assert len(runs(tmp_path)) == 2


def test_with_validation_the_chosen_epoch_counts_not_the_highest_on_eval(tmp_path):
    run = RunFolder.create(tmp_path, "_s1")
    run.add_metrics({"epoch": 1, "checkpoint": "last", "eval": {"top1": 0.9}})
    run.add_metrics({"epoch": 1, "checkpoint": "best", "eval": {"top1": 0.8}})
    assert best_run(tmp_path, anything)[0] == 0.8
    assert eval_figures(run) == (0.8, 0.9)


def test_an_experiment_without_runs_has_no_best(tmp_path):
    assert best_run(tmp_path / "2001", anything) is None
