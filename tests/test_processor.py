"""Training, evaluation and extraction of a small experiment, in this process."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch

import config
import initializer
import processor
from dataset.loader import Loader
from dataset.sampling import Window
from utils.checkpoint_import import read_own
from utils.errors import UserError
from utils.interrupt import Interrupted
from utils.metrics import score
from utils.run_folder import VALIDATION_SCORES


@pytest.fixture
def machine(small_store, tmp_path):
    return initializer.Machine(store=small_store, work_dir=tmp_path, device="cpu", show_progress=False)


@pytest.fixture
def load(small):
    """Loads the small experiment with further overrides."""
    return lambda *overrides: config.load("2001", [*small, *overrides])


@pytest.fixture
def trained(machine, load):
    run = initializer.prepare_training(load(), machine)
    processor.train(run)
    return run


def test_a_run_folder_is_complete(trained):
    names = {path.name.split(".")[0] for path in trained.folder.path.iterdir()}
    about = {"config", "environment", "log", "metrics", "events"}
    assert names == about | {"last", "best", "scores", "scores_last"}
    with np.load(trained.folder.path / "scores_last.npz") as last:
        accuracy = (last["logits"].argmax(axis=1) == last["labels"]).mean()
    assert accuracy == trained.folder.metrics()[-1]["eval"]["top1"]
    again = config.load(str(trained.folder.path / "config.yaml"))
    assert again.number == "2001"
    assert again.train.epochs == 3
    environment = json.loads((trained.folder.path / "environment.json").read_text())
    assert {"torch", "numpy", "python", "device", "commit", "command", "parts"} <= environment.keys()


def test_metrics_hold_a_line_per_epoch(trained):
    lines = trained.folder.metrics()
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["step"] for line in lines] == [5, 10, 15]  # 30 clips, 6 a batch
    assert all(line["eval"]["clips"] == 18 for line in lines)


def test_log_lines_are_those_that_parsers_know(trained):
    log = (trained.folder.path / "log.txt").read_text()
    stamp = r"\[ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \] "
    for line in (
        r"Dataset: ntu-xsub \(train 30 of 40091 expected, eval 18 of 16487 expected\)",
        r"Batch size: train-6, eval-7",
        r"Data shape \(branch, channel, frame, joint, person\): \[3, 6, 16, 25, 2\]",
        r"Number of action classes: 60",
        r"Model profile: \d+\.\d\dG FLOPs and \d+\.\d\dM Parameters",
        r"Starting training \.\.\.",
        r"Epoch: 1/3, Batch: 5/5, Loss: \d+\.\d{4}, LR: \d+\.\d{4}",
        r"Epoch: 3/3, Training accuracy: (\d+)/30\(\d+\.\d\d%\), Training time: \d+\.\d\ds",
        r"Evaluating for epoch 3/3 \.\.\.",
        r"Top-1 accuracy: \d+/18\(\d+\.\d\d%\), Top-5 accuracy: \d+/18\(\d+\.\d\d%\), Mean loss:\d+\.\d{4}",
        r"Mean-class accuracy: \d+\.\d\d% over the 18 classes that are present of 60",
        r"Evaluating time: \d+\.\d\ds, Speed: \d+\.\d\d sequnces/\(second\*GPU\)",
        r"Saving model for epoch \d/3 \.\.\.",
        r"Best top-1 accuracy: \d+\.\d\d%, Total time: 00d-00h-00m-\d\ds",
        r"Finish training!",
        r"Best epoch: \d with \d+\.\d\d%, chosen on eval, as the field does",
        r"Last epoch: 3 with \d+\.\d\d%",
    ):
        assert re.search(stamp + line, log), line


def test_the_first_step_has_rate_zero_and_changes_no_weight(machine, load):
    run = initializer.prepare_training(load(), machine)
    before = run.model.classifier.fc.weight.clone()
    batch = next(iter(run.train_batches))
    processor.train_step(run, batch)
    assert torch.equal(run.model.classifier.fc.weight, before)
    processor.train_step(run, batch)
    assert not torch.equal(run.model.classifier.fc.weight, before)


def test_two_runs_with_one_seed_are_equal_to_the_bit_and_another_seed_differs(machine, load):
    finals = []
    for seed in (1, 1, 2):
        run = initializer.prepare_training(load(f"train.seed={seed}", "train.epochs=1"), machine)
        processor.train(run)
        finals.append(torch.cat([value.double().flatten() for value in run.model.state_dict().values()]))
    assert torch.equal(finals[0], finals[1])
    assert not torch.equal(finals[0], finals[2])


def test_a_batch_in_pieces_gives_the_same_gradient_where_batchnorm_is_frozen(machine, load):
    gradients = []
    for pieces in (1, 3):
        run = initializer.prepare_training(load(f"train.accumulate={pieces}", "model.drop_prob=0"), machine)
        run.model.eval()
        losses, _ = processor.train_step(run, next(iter(run.train_batches)))
        assert len(losses) == 6
        gradients.append(run.model.classifier.fc.weight.grad.clone())
    assert torch.allclose(*gradients, atol=1e-7)


def test_gradients_are_clipped(machine, load):
    run = initializer.prepare_training(load("train.clip_norm=0.001"), machine)
    processor.train_step(run, next(iter(run.train_batches)))
    norms = [p.grad.norm() for p in run.model.parameters() if p.grad is not None]
    assert torch.stack(norms).norm() == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_other_optimizers_train(machine, load, name):
    run = initializer.prepare_training(load(f"train.optimizer={{name: {name}, lr: 0.01}}", "train.epochs=1"), machine)
    processor.train(run)
    assert type(run.optimizer).__name__ == name


def test_a_step_schedule_trains_and_ends_with_an_evaluation(machine, load):
    run = initializer.prepare_training(
        load("train.schedule={name: step, warmup_epochs: 0, milestones: [20, 50]}", "train.epochs=2"), machine
    )
    processor.train(run)
    assert run.progress.latest["epoch"] == 2


def test_a_loss_that_is_not_finite_stops_with_the_clips_names(machine, load):
    run = initializer.prepare_training(load(), machine)
    with torch.no_grad():
        run.model.classifier.fc.bias.fill_(float("nan"))
    with pytest.raises(UserError, match=r"epoch 1: the loss of S001C00.* is not finite; lower train.optimizer.lr"):
        processor.train(run)
    assert not run.folder.last.exists()


def test_outputs_that_are_not_finite_are_not_scored(trained):
    with torch.no_grad():
        trained.model.classifier.fc.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="output is not finite"):
        processor.evaluate(trained, "eval")


def test_every_clip_is_scored_once_in_order(trained):
    evaluation = processor.evaluate(trained, "eval")
    assert evaluation.scores.count == len(evaluation.columns["names"]) == 18
    assert evaluation.columns["names"].tolist() == sorted(evaluation.columns["names"].tolist())
    assert {name[9:12] for name in evaluation.columns["names"].tolist()} == {"003", "006", "007"}
    assert [int(name[-3:]) - 1 for name in evaluation.columns["names"].tolist()] == evaluation.columns[
        "labels"
    ].tolist()


def test_logits_do_not_depend_on_the_batch(trained):
    whole = processor.evaluate(trained, "eval").columns["logits"]
    trained.batches["eval"].batch_size = 1
    assert np.abs(processor.evaluate(trained, "eval").columns["logits"] - whole).max() < 1e-5


def test_mean_loss_is_the_mean_over_clips(trained):
    evaluation = processor.evaluate(trained, "eval")
    logits, labels = (
        torch.from_numpy(evaluation.columns["logits"]).double(),
        torch.from_numpy(evaluation.columns["labels"]),
    )
    assert evaluation.scores.mean_loss == pytest.approx(
        torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-5
    )


def test_the_speed_and_the_log_count_every_clip_and_the_figures_those_with_a_label(trained):
    clips = trained.batches["eval"].clips
    clips.labels = clips.labels.clone()
    whole = processor.evaluate(trained, "eval")
    clips.labels[::2] = -1
    found = processor.evaluate(trained, "eval")
    log = trained.folder.log.read_text().splitlines()[-5:]
    assert log[0].endswith("18 clips scored, 9 of them without a label: not counted")
    assert re.search(r"Top-1 accuracy: \d+/9\(.*Top-5 accuracy: \d+/9\(", log[1])
    assert "over the 9 classes that are present of 60" in log[2]
    assert len(found.columns["logits"]) == 18
    assert (found.columns["labels"] == -1).sum() == 9
    rest = score(*(torch.from_numpy(whole.columns[key][1::2]) for key in ("logits", "labels")), torch.zeros(9))
    assert torch.equal(found.scores.confusion, rest.confusion)


def test_a_split_other_than_eval_is_evaluated_by_name(trained, machine, load, tmp_path):
    run = initializer.prepare_evaluation(load(), machine, trained.folder.best, "train")
    found = processor.run_evaluation(run, tmp_path / "train.json", "train")
    assert found.scores.count == 30
    assert run.folder.metrics()[0]["train"] == found.scores.figures()
    assert len(json.loads((tmp_path / "train.json").read_text())) == 30


def test_stored_scores_belong_to_the_best_checkpoint(trained, machine, load):
    run = initializer.prepare_evaluation(load(), machine, trained.folder.best)
    evaluation = processor.evaluate(run, "eval")
    with np.load(trained.folder.path / "scores.npz") as stored:
        assert np.array_equal(stored["logits"], evaluation.columns["logits"])
        assert np.array_equal(stored["names"], evaluation.columns["names"])
    assert evaluation.scores.accuracy == trained.progress.best["top1"]


def test_best_is_chosen_on_validation_subjects_and_both_are_evaluated_on_eval(machine, load):
    run = initializer.prepare_training(load("data.validation={column: subject, values: [8]}"), machine)
    assert {name[9:12] for name in run.batches["validation"].names.tolist()} == {"008"}
    assert "008" not in {name[9:12] for name in run.train_batches.names.tolist()}
    processor.train(run)
    lines = run.folder.metrics()
    assert "validation" in lines[0]
    assert "eval" not in lines[0]
    assert [line["checkpoint"] for line in lines if "eval" in line] == ["best", "last"]
    assert "chosen on held-out training clips" in run.folder.log.read_text()
    with np.load(run.folder.path / "scores.npz") as stored:
        assert len(stored["names"]) == 18


def test_features_are_streamed_and_give_back_the_logits(trained, machine, load):
    run = initializer.prepare_evaluation(load(), machine, trained.folder.best, "train")
    found = processor.extract(run, "train", ["S001C002P002R001A002"])
    assert found["features"].shape == (30, 16)
    assert found["weight"].shape == (60, 16)
    bias = run.model.classifier.fc.bias.detach().numpy()
    assert np.abs(found["features"] @ found["weight"].T + bias - found["logits"]).max() < 1e-5
    assert found["maps"].shape == (1, 16, 8, 25, 2)
    row = found["names"].tolist().index("S001C002P002R001A002")
    assert np.abs(found["maps"][0].mean(axis=(1, 2, 3)) - found["features"][row]).max() < 1e-6


def test_an_unknown_clip_is_named(trained):
    with pytest.raises(UserError, match="--clips S9: not in the eval split"):
        processor.extract(trained, "eval", ["S9"])


def stop_after(steps):
    """Return a training step after which, at that many steps, a signal arrives."""
    step = processor.train_step

    def counted(run, batch):
        found = step(run, batch)
        if run.progress.step == steps:
            run.stop.number = 15
        return found

    return counted


@pytest.mark.parametrize("steps", [1, 4, 5, 7, 12])
def test_a_run_stopped_at_any_step_ends_with_the_same_weights(machine, load, trained, monkeypatch, steps):
    # 5 steps an epoch: 5 is the last of an epoch, where evaluation is still to come.
    other = dataclasses.replace(machine, work_dir=machine.work_dir / "other")
    run = initializer.prepare_training(load(), other)
    with monkeypatch.context() as patch:
        patch.setattr(processor, "train_step", stop_after(steps))
        with pytest.raises(Interrupted) as stopped:
            processor.train(run)
    assert stopped.value.exit_code == 143
    torch.manual_seed(999)  # whatever happened in between
    resumed = initializer.prepare_resume(load(), other)
    assert resumed.progress.step == steps
    processor.train(resumed)
    assert same(resumed.model.state_dict(), trained.model.state_dict())
    assert resumed.folder.metrics() == trained.folder.metrics()
    assert resumed.folder.path == run.folder.path


def test_a_run_stopped_in_its_last_evaluation_is_resumed_to_its_figures(machine, load, monkeypatch):
    hold_out = "data.validation={column: subject, values: [8]}"
    run = initializer.prepare_training(load(hold_out), machine)
    evaluate = processor.evaluate

    def stopped(run, split):
        run.stop.number = 15 if split == "eval" else None
        return evaluate(run, split)

    with monkeypatch.context() as patch:
        patch.setattr(processor, "evaluate", stopped)
        with pytest.raises(Interrupted):
            processor.train(run)
    assert not [line for line in run.folder.metrics() if "eval" in line]
    resumed = initializer.prepare_resume(load(), machine)
    processor.train(resumed)
    assert [line["checkpoint"] for line in run.folder.metrics() if "eval" in line] == ["best", "last"]
    with pytest.raises(UserError, match="no unfinished run"):
        initializer.prepare_resume(load(), machine)


def test_events_of_a_resumed_run_are_those_of_an_undisturbed_one(machine, load, trained, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    other = dataclasses.replace(machine, work_dir=machine.work_dir / "other")
    run = initializer.prepare_training(load(), other)
    with monkeypatch.context() as patch:
        patch.setattr(processor, "train_step", stop_after(6))
        with pytest.raises(Interrupted):
            processor.train(run)
    processor.train(initializer.prepare_resume(load(), other))

    def points(folder, tag):
        events = EventAccumulator(str(folder))
        events.Reload()
        return [(point.step, point.value) for point in events.Scalars(tag)]

    for tag in ("train_loss", "learning_rate", "train_acc", "eval_acc", "eval_loss"):
        assert points(run.folder.path, tag) == points(trained.folder.path, tag), tag


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.usefixtures("trained")
def test_a_finished_run_is_not_resumed(machine, load):
    with pytest.raises(UserError, match="no unfinished run of 2001 to resume; train anew with: python main.py -c"):
        initializer.prepare_resume(load(), machine)


def test_the_checkpoint_is_plain_and_knows_its_experiment(trained):
    content = read_own(trained.folder.best)
    assert content["config"]["data"]["benchmark"] == "ntu-xsub"
    assert content["classes"][:2] == ["drink water", "eat meal/snack"]
    torch.load(trained.folder.last, weights_only=True)


# --- test clips


@pytest.mark.parametrize("average", ["probability", "score"])
def test_test_clips_are_averaged_as_the_protocol_says(average):
    logits = np.random.default_rng(0).normal(scale=30, size=(4 * 3, 5))
    found = processor.over_test_clips(torch.from_numpy(logits), 4, average).numpy()
    for n, clips in enumerate(logits.reshape(4, 3, 5)):  # one clip's follow each other
        if average == "score":
            np.testing.assert_allclose(found[n], clips.mean(axis=0), rtol=1e-12)
        else:
            probabilities = softmax(clips).mean(axis=0)
            np.testing.assert_allclose(np.exp(found[n]), probabilities, rtol=1e-9)
            np.testing.assert_allclose(softmax(found[n]), probabilities, rtol=1e-9)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("average", ["probability", "score"])
def test_a_single_test_clip_is_left_as_it_is(average):
    logits = torch.randn(7, 60)
    assert torch.equal(processor.over_test_clips(logits, 7, average), logits)


def test_a_probability_of_nearly_nothing_stays_finite():
    logits = torch.tensor([[0.0, -300.0], [0.0, -300.0]])
    assert processor.over_test_clips(logits, 1, "probability").isfinite().all()


CLIPS = ("input.sampling={name: uniform}", "input.frames=4", "test.clips=3")


@pytest.mark.parametrize("average", ["probability", "score"])
def test_an_evaluation_of_several_clips_has_a_row_per_clip(machine, load, trained, average):
    run = initializer.prepare_evaluation(load(f"test.average={average}"), machine, trained.folder.best)
    singles = initializer.prepare_evaluation(load(), machine, trained.folder.best).batches["eval"]
    run.batches["eval"].pipeline = dataclasses.replace(run.batches["eval"].pipeline, sampler=Window(16), clips=3)
    found = processor.evaluate(run, "eval")
    assert found.scores.count == len(found.columns["logits"]) == 18
    assert found.columns["names"].tolist() == singles.names.tolist()
    (batch,) = Loader(run.batches["eval"].clips, run.batches["eval"].pipeline, 18)
    with torch.inference_mode():
        each = run.model(batch.streams).unflatten(0, (18, 3)).numpy()
    expected = each.mean(axis=1) if average == "score" else np.log(softmax(each).mean(axis=1))
    np.testing.assert_allclose(found.columns["logits"], expected, atol=1e-4)


def test_best_and_last_are_scored_with_the_test_protocol_at_the_end(machine, load):
    run = initializer.prepare_training(load(*CLIPS), machine)
    assert (run.batches["eval"].pipeline.clips, run.batches["final"].pipeline.clips) == (1, 3)
    processor.train(run)
    lines = run.folder.metrics()
    assert [line.get("checkpoint") for line in lines] == [None, None, None, "best", "last"]
    log = run.folder.log.read_text()
    assert log.index("Finish training!") < log.index("Evaluating the best epoch") < log.index("Evaluating the last")
    for name, line in zip(("best", "last"), lines[3:], strict=True):
        again = initializer.prepare_evaluation(load(*CLIPS), machine, run.folder.path / f"{name}.pt")
        assert again.batches["eval"].pipeline.clips == 3
        found = processor.evaluate(again, "eval")
        assert line["eval"] == found.scores.figures()
        with np.load(run.folder.path / {"best": "scores.npz", "last": "scores_last.npz"}[name]) as stored:
            assert np.array_equal(stored["logits"], found.columns["logits"])


def test_scores_on_held_out_clips_are_kept_and_are_of_training_clips(machine, load):
    held = "data.validation={column: subject, values: [8]}"
    run = initializer.prepare_training(load(held, *CLIPS), machine)
    processor.train(run)
    with np.load(run.folder.path / VALIDATION_SCORES) as validation, np.load(run.folder.path / "scores.npz") as test:
        train = initializer.prepare_evaluation(load(*CLIPS), machine, run.folder.best, "train").batches["train"].names
        assert set(validation["names"]) < set(train)
        assert not set(validation["names"]) & {*run.train_batches.names, *test["names"]}
        assert len(validation["names"]) == len(validation["logits"]) == 6
        accuracy = (validation["logits"].argmax(axis=1) == validation["labels"]).mean()
    assert accuracy == run.progress.best["top1"]


# --- recipes: smoothing, moving average, precision


def test_only_the_training_loss_is_smoothed(machine, load):
    smoothed = load("train.loss={name: cross_entropy, smoothing: 0.3}", "model.drop_prob=0")
    run = initializer.prepare_training(smoothed, machine)
    batch = next(iter(run.train_batches))
    logits = run.model.train()(batch.streams).detach()
    losses, _ = processor.train_step(run, batch)
    plain = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none")
    expected = 0.7 * plain - 0.3 * logits.log_softmax(dim=1).mean(dim=1)
    torch.testing.assert_close(losses, expected)
    found = processor.evaluate(run, "eval")
    columns = [torch.from_numpy(found.columns[key]) for key in ("logits", "labels")]
    assert found.scores.mean_loss == pytest.approx(torch.nn.functional.cross_entropy(*columns).item(), rel=1e-5)


@pytest.mark.parametrize("loss", ["{name: cb_focal, gamma: 1.0}", "{name: weighted_cross_entropy}"])
def test_a_run_minimises_its_loss_and_is_evaluated_by_the_plain_one(machine, load, loss):
    run = initializer.prepare_training(load(f"train.loss={loss}", "model.drop_prob=0"), machine)
    batch = next(iter(run.train_batches))
    logits = run.model.train()(batch.streams).detach()
    losses, _ = processor.train_step(run, batch)
    torch.testing.assert_close(losses, run.train_loss(logits, batch.labels))
    found = processor.evaluate(run, "eval")
    columns = [torch.from_numpy(found.columns[key]) for key in ("logits", "labels")]
    assert found.scores.mean_loss == pytest.approx(torch.nn.functional.cross_entropy(*columns).item(), rel=1e-5)


def test_the_moving_average_is_that_of_a_loop_by_hand(machine, load):
    run = initializer.prepare_training(load("train.average=0.8", "train.schedule.warmup_epochs=0"), machine)
    average = None
    for batch in list(run.train_batches):  # 5 steps
        processor.train_step(run, batch)
        now = {key: value.clone() for key, value in run.model.state_dict().items() if value.is_floating_point()}
        average = now if average is None else {key: 0.8 * average[key] + 0.2 * now[key] for key in now}
    found, trained = run.scored.state_dict(), run.model.state_dict()
    assert found.keys() == trained.keys()
    for key, value in average.items():
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found["classifier.fc.weight"], trained["classifier.fc.weight"])


def test_the_moving_average_is_evaluated_and_kept(machine, load):
    run = initializer.prepare_training(load("train.average=0.9"), machine)
    processor.train(run)
    best = read_own(run.folder.best)
    again = initializer.prepare_evaluation(load(), machine, run.folder.best)
    assert same(again.model.state_dict(), best["model"])
    assert not torch.equal(best["model"]["classifier.fc.weight"], best["trained"]["classifier.fc.weight"])
    with np.load(run.folder.path / "scores.npz") as stored:
        assert np.array_equal(stored["logits"], processor.evaluate(again, "eval").columns["logits"])
    last = read_own(run.folder.last)
    assert same(last["model"], run.scored.state_dict())
    assert same(last["trained"], run.model.state_dict())


@pytest.mark.parametrize(
    ("steps", "recipe"),
    [
        (1, ("train.average=0.9",)),
        (7, ("train.precision=bfloat16",)),
        (5, ("train.average=0.9", "train.precision=bfloat16", "train.repeat=2", "train.epochs=2", *CLIPS)),
        (4, ("train.balanced=true", "train.epochs=2", "data.validation={column: subject, values: [8]}")),
        (3, ("train.loss={name: cb_focal}", "train.epochs=2", "data.validation={column: subject, values: [8]}")),
    ],
)
def test_every_recipe_is_resumed_to_the_bit(machine, load, monkeypatch, steps, recipe):
    places = [dataclasses.replace(machine, work_dir=machine.work_dir / name) for name in ("whole", "stopped")]
    whole = initializer.prepare_training(load(*recipe), places[0])
    processor.train(whole)
    run = initializer.prepare_training(load(*recipe), places[1])
    with monkeypatch.context() as patch:
        patch.setattr(processor, "train_step", stop_after(steps))
        with pytest.raises(Interrupted):
            processor.train(run)
    torch.manual_seed(999)
    resumed = initializer.prepare_resume(load(), places[1])
    assert resumed.progress.step == steps
    processor.train(resumed)
    assert same(resumed.model.state_dict(), whole.model.state_dict())
    assert same(resumed.scored.state_dict(), whole.scored.state_dict())
    assert resumed.folder.metrics() == whole.folder.metrics()


def test_evaluation_and_extraction_are_fast_or_plain_and_agree(trained, machine, load):
    found = {}
    for plain in (False, True):
        given = dataclasses.replace(machine, plain=plain)
        run = initializer.prepare_evaluation(load(), given, trained.folder.best)
        names = run.batches["eval"].names[:2].tolist()
        scored, extracted = processor.evaluate(run, "eval").columns["logits"], processor.extract(run, "eval", names)
        found[plain] = {"scored": scored, **{key: extracted[key] for key in ("logits", "features", "maps")}}
        assert (type(run.ready(run.model)).__name__ == "Plain") == plain
    for key, fast in found[False].items():
        np.testing.assert_allclose(fast, found[True][key], rtol=0, atol=1e-5)
        assert np.ptp(fast) > 0


def test_bfloat16_is_for_training_only(machine, load):
    seen = []
    run = initializer.prepare_training(load("train.precision=bfloat16"), dataclasses.replace(machine, plain=True))
    run.model.register_forward_hook(lambda model, _, logits: seen.append((model.training, logits.dtype)))
    losses, _ = processor.train_step(run, next(iter(run.train_batches)))
    processor.evaluate(run, "eval")
    assert set(seen) == {(True, torch.bfloat16), (False, torch.float32)}
    assert losses.dtype == torch.float32
    assert {parameter.dtype for parameter in run.model.parameters()} == {torch.float32}


# --- on a GPU -------------------------------------------------------------------------------------------------

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.gpu
@needs_gpu
def test_the_gpu_gives_the_cpus_logits(trained, machine, load):
    run = initializer.prepare_evaluation(load(), dataclasses.replace(machine, device="0"), trained.folder.best)
    trained.model.load_state_dict(read_own(trained.folder.best)["model"])
    on_cpu = processor.evaluate(trained, "eval").columns["logits"]
    assert np.abs(processor.evaluate(run, "eval").columns["logits"] - on_cpu).max() < 1e-4


@pytest.mark.gpu
@needs_gpu
def test_a_run_stopped_on_a_gpu_ends_with_the_same_weights(machine, load, monkeypatch):
    places = [
        dataclasses.replace(machine, device="0", deterministic=True, work_dir=machine.work_dir / name) for name in "ab"
    ]
    whole = initializer.prepare_training(load("input.augment=[{name: rotate, degrees: 30}]"), places[0])
    processor.train(whole)
    run = initializer.prepare_training(load("input.augment=[{name: rotate, degrees: 30}]"), places[1])
    with monkeypatch.context() as patch:
        patch.setattr(processor, "train_step", stop_after(7))
        with pytest.raises(Interrupted):
            processor.train(run)
    resumed = initializer.prepare_resume(load(), places[1])
    processor.train(resumed)
    assert same(resumed.model.state_dict(), whole.model.state_dict())


@pytest.mark.gpu
@needs_gpu
def test_features_are_extracted_on_a_gpu(trained, machine, load):
    run = initializer.prepare_evaluation(load(), dataclasses.replace(machine, device="0"), trained.folder.best)
    found = processor.extract(run, "eval", ["S001C001P003R001A003"])
    assert found["features"].shape == (18, 16)
    assert found["maps"].shape == (1, 16, 8, 25, 2)
