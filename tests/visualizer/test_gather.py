"""From a run folder to findings: joined by name, as the network saw the clips, refused where files are not a run's."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import config
import initializer
import processor
from dataset.packing import unpack
from dataset.store import open_part
from initializer.network import build_recipe
from utils.errors import UserError
from utils.outputs import read_scores, softmax
from utils.run_folder import RunFolder
from visualizer.gather import gather_findings, read_joined, worst_and_best
from visualizer.importance import spread
from visualizer.provenance import chosen, cost, refused, times
from visualizer.subject import find_run, open_subject


@pytest.fixture(scope="module")
def experiment(small):
    return config.load("2001", small)


@pytest.fixture(scope="module")
def trained(small_store, experiment, tmp_path_factory):
    """The folder of a run of three epochs over 18 evaluated clips, and the machine it is on."""
    machine = initializer.Machine(small_store, tmp_path_factory.mktemp("work"), device="cpu", show_progress=False)
    run = initializer.prepare_training(experiment, machine)
    processor.train(run)
    return run.folder.path, machine


@pytest.fixture(scope="module")
def subject(trained):
    return open_subject(trained[1], RunFolder(trained[0]))


@pytest.fixture(scope="module")
def findings(subject, trained):
    return gather_findings(subject, trained[1], clips=[7], class_=3, words=["-vs", "7"])


@pytest.fixture
def harmed(trained, tmp_path):
    """A copy of the run, to do harm to."""
    return shutil.copytree(trained[0], tmp_path / "0001_x" / trained[0].name)


def save(path, found, **changes):
    np.savez(path, **{**found, **changes})


# --- what is found


def test_findings_are_the_runs_scores_and_the_stores_clips(findings, trained, small_store):
    folder, part = trained[0], open_part(small_store / "ntu60", "original")
    scores, last = read_scores(folder / "scores.npz"), read_scores(folder / "scores_last.npz")
    assert findings.names.tolist() == scores["names"].tolist() and len(findings.names) == 18
    assert (findings.labels == scores["labels"]).all() and (findings.logits == scores["logits"]).all()
    assert (findings.last == last["logits"]).all()
    place = {name: index for index, name in enumerate(part.names.tolist())}
    clips = [unpack(part.coordinates, part.spans[place[n]], part.frames[place[n]]) for n in findings.names.tolist()]
    assert findings.num_frames.tolist() == [clip.shape[1] for clip in clips]
    assert findings.num_persons.tolist() == [int(clip.any((1, 2, 3)).sum()) for clip in clips]
    assert set(findings.num_persons.tolist()) == {1, 2}
    assert findings.classes[0] == "drink water" and findings.layout.name == "ntu"
    assert (findings.split, findings.weights) == ("eval", str(folder / "best.pt"))


def test_scores_in_another_order_are_joined_by_name(subject, findings, tmp_path):
    found, order = read_scores(subject.folder.path / "scores.npz"), np.random.default_rng(0).permutation(18)
    save(tmp_path / "other.npz", {key: value[order] for key, value in found.items()})
    labels, logits = read_joined(subject, tmp_path / "other.npz")
    assert (labels == findings.labels).all() and (logits == findings.logits).all()


def test_clips_are_shown_as_the_network_saw_them(findings, small_store):
    part = open_part(small_store / "ntu60", "original")
    places = [shown.index for shown in findings.shown]
    assert 7 in places and len(set(places)) == len(places) >= 12
    for shown in findings.shown:
        at = part.names.tolist().index(findings.names[shown.index])
        stored = unpack(part.coordinates, part.spans[at], part.frames[at])[:, :16]
        assert shown.frames.tolist() == list(range(stored.shape[1]))
        assert (shown.joints == stored).all() and shown.joints.dtype == np.float32
        assert shown.joints[:, -1].any()
        wanted = {int(findings.predicted[shown.index]), int(findings.labels[shown.index]), 3}
        assert shown.activation.keys() == wanted
        assert {each.shape for each in shown.activation.values()} == {shown.joints.shape[:3]}


@torch.inference_mode()
def test_a_shown_clips_map_is_the_logit_of_the_clip(subject, findings):
    network, bias = subject.network, subject.network.classifier.fc.bias
    for place in (0, 5):
        batch = subject.batch(torch.tensor([place]))
        for label in (0, 59):
            maps = subject.maps(batch.streams, torch.tensor([label]))
            assert maps.shape == (1, 16, 25, 2)
            assert float(maps.mean() + bias[label]) == pytest.approx(float(network(batch.streams)[0, label]), abs=1e-4)
            assert float(maps.mean() + bias[label]) == pytest.approx(float(findings.logits[place, label]), abs=1e-4)


def test_importance_is_the_mean_over_live_frames_of_a_classs_clips(subject, findings):
    for label in np.unique(findings.labels):
        rows = []
        for place in np.flatnonzero(findings.labels == label):
            batch = subject.batch(torch.tensor([place]))
            maps = subject.maps(batch.streams, torch.tensor([label]))[0].numpy()  # (T, V, M)
            live = [maps[:count, :, person] for person, count in enumerate(batch.lengths[0].tolist())]
            rows.append(np.concatenate(live).mean(axis=0))
        np.testing.assert_allclose(findings.importance[label], np.mean(rows, axis=0), atol=1e-5)
        assert findings.importance_clips[label] == len(rows)
    absent = np.setdiff1d(np.arange(60), findings.labels)
    assert np.isnan(findings.importance[absent]).all() and not findings.importance_clips[absent].any()


@settings(max_examples=40, deadline=None)
@given(labels=st.lists(st.integers(-1, 200), max_size=200), num_classes=st.sampled_from([201, 400, 1201]))
def test_importance_looks_at_a_bounded_number_of_clips(labels, num_classes):
    labels = np.array([*labels, *[7] * 60, *[8] * 20], np.int64)
    picked = spread(labels, num_classes).numpy()
    assert (np.diff(picked) > 0).all() and (labels[picked] >= 0).all()
    most = max(1, 1200 // num_classes)
    counts = np.bincount(labels[labels >= 0], minlength=num_classes)
    assert (np.bincount(labels[picked], minlength=num_classes) == np.minimum(counts, most)).all()


def test_clips_of_a_class_are_taken_from_all_over_the_split():
    labels = np.array([0] * 100 + [1] * 3)
    picked = spread(labels, 60).tolist()
    assert len(picked) == 23 and picked[:2] == [0, 5] and picked[19:] == [99, 100, 101, 102]


def test_a_network_without_features_per_joint_has_findings_without_maps(subject, trained):
    bare = replace(subject, network=Bare(subject.network))
    assert subject.has_maps and not bare.has_maps
    found = gather_findings(bare, trained[1])
    assert np.isnan(found.importance).all() and not found.importance_clips.any()
    assert found.shown and not any(shown.activation for shown in found.shown)


class Bare(torch.nn.Module):
    """A network that only answers."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, streams):
        return self.network(streams)


# --- the worst and the best


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 99), clips=st.integers(1, 60), known=st.sampled_from([0.0, 0.5, 1.0]))
def test_the_worst_are_wrong_and_the_best_right_and_no_clip_is_both(seed, clips, known):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(clips) < known, rng.integers(0, 4, clips), -1)
    logits = rng.normal(0, 3, (clips, 4)).astype(np.float32)
    picked = worst_and_best(labels, logits)
    assert len(set(picked)) == len(picked) <= 24
    truth = labels if (labels >= 0).any() else logits.argmax(1)
    chance = softmax(logits)[np.arange(clips), truth]
    if (labels >= 0).any():
        assert (labels[picked] >= 0).all()
        right = logits.argmax(1) == labels
        worst, best = [i for i in picked if not right[i]], [i for i in picked if right[i]]
        assert picked == [*worst, *best]
        others = np.setdiff1d(np.flatnonzero(~right & (labels >= 0)), worst)
        assert len(worst) == 12 or not len(others)
        assert not len(others) or chance[worst].max() <= chance[others].min()
    else:
        worst, best = picked[: clips // 2][:12], picked[min(clips // 2, 12) :]
        assert len(picked) == min(clips // 2, 12) + min(clips - clips // 2, 12)
    assert chance[worst].tolist() == sorted(chance[worst]) and chance[best].tolist() == sorted(chance[best])[::-1]


def test_clips_without_a_label_are_shown_by_how_sure_the_network_is(subject, trained, harmed, monkeypatch):
    unknown = np.full(18, -1)
    monkeypatch.setattr(subject.loader.clips, "labels", torch.from_numpy(unknown))
    save(harmed / "scores.npz", read_scores(harmed / "scores.npz"), labels=unknown)
    (harmed / "scores_last.npz").unlink()
    found = gather_findings(replace(subject, folder=RunFolder(harmed)), trained[1])
    assert not found.labelled.any() and found.last is None
    assert not found.importance_clips.any()
    assert [list(shown.activation) for shown in found.shown] == [[found.predicted[s.index]] for s in found.shown]
    assert len(found.shown) == 18


# --- where it comes from


def test_rates_are_those_of_the_recipe(findings, experiment):
    recipe = build_recipe(experiment, 5)
    assert [line["train"]["lr"] for line in findings.metrics] == [recipe.rate(step) for step in (4, 9, 14)]


def test_how_the_best_was_chosen_is_said(subject, findings):
    assert findings.chosen == "chosen on eval, as the field does"
    line = {"epoch": 1, "train": {}, "validation": {}}
    assert chosen(replace(subject, metrics=[line])) == "chosen on held-out training clips"
    assert chosen(replace(subject, metrics=[{"epoch": 0, "checkpoint": "x", "eval": {}}])) == ""


def test_cost_counts_streams_and_test_clips(subject, findings):
    rows = dict(findings.cost)
    assert rows["multiply-adds a clip"].endswith(" G, 3 streams included")
    (one,) = (float(word) for word in rows["multiply-adds a clip"].split()[:1])
    tested = subject.config.model_copy(update={"test": subject.config.test.model_copy(update={"clips": 10})})
    ten = dict(cost(replace(subject, config=tested)))["multiply-adds a clip"]
    assert ten.endswith(f"= {one:.2f} G x 10 test clips, 3 streams included")
    assert float(ten.split()[0]) == pytest.approx(10 * one, abs=0.05)
    assert rows.keys() == {"parameters", "multiply-adds a clip", "training", "evaluation"}


def test_times_are_those_of_the_log(harmed):
    (harmed / "log.txt").write_text(
        "[ x ] Best top-1 accuracy: 1%, Total time: 00d-00h-00m-53s\n[ x ] Evaluating time: 1.00s, Speed: 18.00 sequnces\n"
        "[ x ] Best top-1 accuracy: 2%, Total time: 01d-02h-03m-04s\n[ x ] Evaluating time: 2.50s, Speed: 7.20 sequnces\n"
    )
    rows = [("training", "93,784 s, with its evaluations"), ("evaluation", "2.50 s, 7.20 clips/s")]
    assert times(RunFolder(harmed)) == rows
    (harmed / "log.txt").unlink()
    assert times(RunFolder(harmed)) == []


def test_commands_hold_for_this_very_run(findings, trained):
    folder, machine = trained
    begin = f"python main.py -c {folder / 'config.yaml'} --store {machine.store}"
    assert findings.commands[1:] == [f"{begin} -e", f"{begin} -v -vs 7"]
    assert findings.commands[0].startswith("python main.py")


def test_the_environment_is_the_runs(findings, trained):
    stated = json.loads((trained[0] / "environment.json").read_text())
    assert findings.environment["torch"] == stated["torch"]
    assert not {"parts", "layout", "command", "cuda"} & findings.environment.keys()


def test_what_was_refused_and_left_out_is_known(subject, trained, tmp_path):
    shutil.copytree(trained[1].store / "ntu60", tmp_path / "ntu60")
    manifest = json.loads((tmp_path / "ntu60/manifest.json").read_text())
    manifest |= {"refused": [{"source": "a", "reason": "line 3"}], "skipped": {"on a list": ["b", "c"]}}
    (tmp_path / "ntu60/manifest.json").write_text(json.dumps(manifest))
    assert refused(subject, replace(trained[1], store=tmp_path)) == ({"a": "line 3"}, {"on a list": 2})


# --- what is wrong with it


def rename(found):
    return {"names": np.array(["other", *found["names"][1:]])}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (rename, r"scores.npz: scores of other clips than the store holds: 18 clips, the eval split in the store 18 \(S0"),
        (lambda found: {key: value[:9] for key, value in found.items()}, "9 clips, the eval split in the store 18"),
        (lambda found: {key: np.repeat(value, 2, 0) for key, value in found.items()}, r"36 clips, .* 18 \(one twice\)"),
        (lambda found: {"labels": (found["labels"] + 1) % 60}, "S0.* has another label than in the store"),
        (lambda found: {"logits": found["logits"] * np.nan}, "S0.* has a score that is not finite; evaluate anew"),
        (lambda found: {"logits": found["logits"][:, :8]}, "scores of 8 classes, but 60 are there"),
    ],
)  # fmt: skip
def test_scores_of_other_clips_are_refused(subject, harmed, change, line):
    found = read_scores(harmed / "scores.npz")
    save(harmed / "scores.npz", found, **change(found))
    with pytest.raises(UserError, match=line):
        read_joined(subject, harmed / "scores.npz")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("scores.npz", None, r"holds no scores.npz \(yet\); -e scores (.*best.pt), and -v -pp \1 looks at it, too"),
        ("metrics.jsonl", b"{\n", "metrics.jsonl: damaged .*; evaluate anew: -v -pp FILE"),
        ("metrics.jsonl", b"3\n", "metrics.jsonl: line 1 is none of a run's"),
        ("metrics.jsonl", b'{"epoch": 1, "train": {}}\n', "metrics.jsonl: line 1 is none of a run's"),
        ("metrics.jsonl", b"[" * 9999 + b"\n", "metrics.jsonl: damaged .*; evaluate anew: -v -pp FILE"),
        ("metrics.jsonl", b'{"epoch": 1, "step": "5", "train": {"loss": 1}}\n', "line 1 is none of a run's"),
        ("metrics.jsonl", b'{"epoch": -1, "step": 5, "train": {"loss": 1}}\n', "line 1 is none of a run's"),
        ("metrics.jsonl", b'{"epoch": 1, "step": 5, "train": {"loss": "1"}}\n', "line 1 is none of a run's"),
        ("metrics.jsonl", b'{"epoch": 1, "step": 5, "train": {}, "eval": [1]}\n', "line 1 is none of a run's"),
        ("metrics.jsonl", b'{"epoch": 0, "checkpoint": 3, "eval": {}}\n', "line 1 is none of a run's"),
        ("environment.json", None, "environment.json: cannot be read"),
        ("environment.json", b"[" * 9999, "environment.json: damaged"),
        ("environment.json", b'{"command": "main.py"}', "environment.json: is none of a run's"),
        ("environment.json", b"{", "environment.json: damaged"),
        ("environment.json", b"[]", "environment.json: is none of a run's"),
        ("environment.json", b'{"parts": {"ntu60": "0"}}', "scored on other data than .*store holds, or .*; give its own --store"),
        ("best.pt", None, "holds neither a best.pt nor an evaluation; give the checkpoint: -pp FILE"),
        ("best.pt", b"PK", "best.pt: "),
    ],
)  # fmt: skip
def test_a_file_that_is_missing_or_damaged_is_one_line(trained, harmed, name, content, line):
    (harmed / name).unlink()
    if content is not None:
        (harmed / name).write_bytes(content)
    with pytest.raises(UserError, match=line) as caught:
        open_subject(trained[1], RunFolder(harmed))
    assert "\n" not in str(caught.value)


def test_a_store_that_is_not_there_says_how_to_make_it(trained, tmp_path):
    machine = replace(trained[1], store=tmp_path, command="python main.py -c 2001")
    with pytest.raises(UserError, match="ntu60: not generated yet; run: python main.py -c 2001 -gd"):
        open_subject(machine, RunFolder(trained[0]))


def test_a_checkpoint_of_another_network_is_refused(trained, harmed):
    text = (harmed / "config.yaml").read_text()
    assert "stem_channels: 8" in text
    (harmed / "config.yaml").write_text(text.replace("stem_channels: 8", "stem_channels: 16"))
    with pytest.raises(UserError, match=r"best.pt: trained with model.stem_channels=8 \(here 16\)"):
        open_subject(trained[1], RunFolder(harmed))


# --- which run


def test_the_newest_run_is_found_and_any_by_name_or_path(trained, experiment):
    folder, machine = trained
    for name in (None, "", folder.name, str(folder)):
        assert find_run(experiment, machine, name).path == folder


def test_what_is_no_run_names_the_nearest(trained, experiment, tmp_path):
    folder, machine = trained
    with pytest.raises(UserError, match=f"-v {folder.name[:-1]}: no run's folder, .*; did you mean {folder.name}?"):
        find_run(experiment, machine, folder.name[:-1])
    with pytest.raises(
        UserError, match=f"-v {folder}/best.pt: is a file; give its run, -v {folder}, or the checkpoint"
    ):
        find_run(experiment, machine, str(folder / "best.pt"))
    shutil.copytree(folder, tmp_path / folder.parent.name / folder.name)
    (tmp_path / folder.parent.name / folder.name / "config.yaml").unlink()
    (tmp_path / "2001_notes.txt").write_text("")
    with pytest.raises(UserError, match=r"nor a run of 2001 in .*; train one with: python"):  # not: did you mean itself
        find_run(experiment, replace(machine, work_dir=tmp_path), folder.name)
    with pytest.raises(UserError, match=r"-v x: no run's folder, nor a run of 2001 in .*; train one with: python"):
        find_run(experiment, replace(machine, work_dir=tmp_path), "x")


def test_a_run_of_another_number_says_which(trained, small):
    with pytest.raises(UserError, match=r"a run of 2001, not of 2003: -c 2001"):
        find_run(config.load("2003", small), trained[1], str(trained[0]))
