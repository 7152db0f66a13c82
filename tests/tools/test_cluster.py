"""Clustering features and scores from the command line, and the functions below it."""

import csv
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

import config
from dataset.splits import load_benchmark
from tools.cluster import grouping, report
from tools.cluster.__main__ import main
from utils import checkpoint
from utils.outputs import feature_writer, score_writer

FILES = {"clusters.csv", "anomalies.csv", "clusters.png", "summary.json"}


def blobs(seed, count=60, dims=6, groups=3, spread=0.1):
    """Return vectors (count, dims) about `groups` far centres, and which (count,) each is of."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % groups
    centres = 10 * np.eye(groups, dims)
    return centres[labels] + spread * rng.normal(size=(count, dims)), labels


def extracted(seed=0, classes=3, **how):
    """What `processor.extract` finds: the features are blobs; the logits say one class too many for the first clip."""
    features, labels = blobs(seed, **how)
    logits = 5 * np.eye(classes)[labels]
    logits[0] = np.roll(logits[0], 1)
    names = np.array([f"clip{n:03}" for n in range(len(labels))])
    columns = {"features": features, "logits": logits, "weight": np.ones((classes, features.shape[1]))}
    return {key: value.astype(np.float32) for key, value in columns.items()} | {"labels": labels, "names": names}


@pytest.fixture
def features(tmp_path):
    file = tmp_path / "features.npz"
    feature_writer(file)(extracted())
    return file


@pytest.fixture
def run(tmp_path):
    """Makes a run folder of 2001, with scores and, where wanted, features."""

    def make(stamp="01", number="2001", kind="s1", scores=True, with_features=False):
        experiment = config.load(number)
        folder = tmp_path / "workdir" / experiment.title / f"2026-11-20_14-03-{stamp}_{kind}"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(experiment.to_yaml())
        (folder / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "eval": {"top1": 0.5}}) + "\n")
        found = extracted(classes=60)
        if scores:
            score_writer(folder / "scores.npz")({key: found[key] for key in ("names", "labels", "logits")})
        if with_features:
            feature_writer(folder / "features.npz")(found)
        return folder

    return make


def said(capsys, *arguments, code=0):
    """Run the tool; return what it said, on one line of stderr where it fails."""
    found = main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    assert found == code, err
    assert not code or len(err.splitlines()) == 1
    return err if code else out


def table(folder, name="clusters.csv"):
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def pickled(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


# --- the fork's clustering


def plain_dbscan(points, eps=0.70, min_points=5):
    """DBSCAN as the fork writes it: clusters grow in scan order, a clip counts among its own neighbours, -1 is noise.

    Its clusters count from 1, ours from 0.
    """
    near = np.linalg.norm(points[:, None] - points[None], axis=2) <= eps
    clusters = np.full(len(points), -1)
    for start in range(len(points)):
        if clusters[start] >= 0 or near[start].sum() < min_points:
            continue
        clusters[start] = number = clusters.max() + 1
        waiting = [start]
        while waiting:
            n = waiting.pop(0)
            if near[n].sum() >= min_points:
                reached = np.flatnonzero(near[n] & (clusters < 0))
                clusters[reached] = number
                waiting += reached.tolist()
    return clusters


@given(st.integers(0, 10**6), st.integers(5, 90), st.integers(1, 6), st.floats(0.05, 3))
@settings(max_examples=60, deadline=None)
def test_two_columns_are_grouped_as_by_a_plain_dbscan(seed, count, groups, spread):
    rng = np.random.default_rng(seed)
    points = grouping.standardize(rng.normal(size=(groups, 2))[rng.integers(groups, size=count)] +
                                  spread * rng.normal(size=(count, 2)))  # fmt: skip
    assert np.array_equal(grouping.dbscan(points, 5, 0.70).clusters, plain_dbscan(points))


def test_like_fork_is_a_plain_dbscan_of_standardised_columns(tmp_path, capsys):
    rng = np.random.default_rng(3)
    vectors = np.concatenate([rng.normal(centre, 0.4, (25, 2)) * (1, 100) for centre in (0, 3, 6)])
    vectors = np.concatenate([vectors, [[9.0, -500.0]]])
    file = pickled(tmp_path / "test3.pkl", {f"c{n}": vector for n, vector in enumerate(vectors)})
    said(capsys, file, "--like-fork")
    expected = plain_dbscan((vectors - vectors.mean(axis=0)) / vectors.std(axis=0))
    assert set(expected) > {-1, 0, 1}
    rows = table(tmp_path / "test3_clusters")
    assert [int(row["cluster"]) for row in rows] == expected.tolist()
    assert {row["label"] for row in rows} == {row["prediction"] for row in rows} == {""}


def test_a_flag_beside_like_fork_wins(features, capsys):
    said(capsys, features, "--like-fork", "--eps", "9")
    found = summary(features.parent / "features_clusters")
    assert (found["method"], found["reduce"], found["eps"], found["eps_from"]) == ("dbscan", "none", 9.0, "given")


@pytest.mark.parametrize(("dims", "least", "most"), [(2, 0, 0.03), (5, 0.9, 1), (10, 1, 1)])
def test_the_forks_eps_makes_noise_of_more_than_a_few_dimensions(dims, least, most):
    points = grouping.standardize(np.random.default_rng(0).normal(size=(400, dims)))
    assert least <= (grouping.dbscan(points, 5, 0.70).clusters < 0).mean() <= most


# --- steps


def test_standard_columns_have_the_populations_deviation():
    points = grouping.standardize(np.array([[1.0, 0], [3, 10]]))
    assert points.tolist() == [[-1, -1], [1, 1]]


def test_constant_columns_are_left_out_and_counted(tmp_path, capsys):
    found = extracted()
    feature_writer(tmp_path / "plain.npz")(found)
    wide = np.insert(found["features"], [0, 3], np.float32(0.1), axis=1)
    feature_writer(tmp_path / "wide.npz")({**found, "features": wide})
    for name in ("plain", "wide"):
        said(capsys, tmp_path / f"{name}.npz")
    assert summary(tmp_path / "wide_clusters")["constant_columns"] == 2
    assert table(tmp_path / "wide_clusters") == table(tmp_path / "plain_clusters")


def test_columns_that_differ_by_rounding_only_are_left_out(tmp_path, capsys):
    found = extracted()
    rng = np.random.default_rng(4)
    noise = 0.3 + 3e-8 * rng.uniform(-1, 1, (len(found["names"]), 60))
    small = 1e-9 * found["features"][:, :2]  # small numbers are none the less different
    features = np.concatenate([found["features"].astype(np.float64), noise, small], axis=1)
    said(capsys, pickled(tmp_path / "wide.pkl", dict(zip(found["names"].tolist(), features))))
    result = summary(tmp_path / "wide_clusters")
    assert result["constant_columns"] == 60
    assert result["clusters"] == 3 and result["noise"] == 0


@given(st.integers(0, 1000), st.integers(3, 30), st.integers(2, 8), st.floats(0.05, 0.99))
@settings(max_examples=40, deadline=None)
def test_components_are_the_fewest_that_hold_the_share(seed, count, dims, variance):
    vectors = np.random.default_rng(seed).normal(size=(count, dims)) * np.arange(1, dims + 1)
    points, held = grouping.principal(vectors, variance=variance)
    shares = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    shares = np.cumsum(shares) / shares.sum()
    fewest = 1 + int(np.argmax(shares >= variance - 1e-9))
    assert points.shape == (count, fewest)
    assert held == pytest.approx(shares[fewest - 1])


def test_all_components_keep_all_distances():
    vectors = np.random.default_rng(0).normal(size=(20, 4))
    points, held = grouping.principal(vectors, 4)
    before, after = (np.linalg.norm(each[:, None] - each, axis=2) for each in (vectors, points))
    assert np.allclose(before, after) and held == pytest.approx(1)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=60))
def test_the_knee_is_farthest_below_the_chord(reach):
    eps, place = grouping.knee(np.array(reach))
    curve = sorted(reach)
    assert eps == curve[place]

    def below(n):
        return n / (len(curve) - 1) * (curve[-1] - curve[0]) - (curve[n] - curve[0])

    assert below(place) == pytest.approx(max(map(below, range(len(curve)))), abs=1e-9)


def test_the_knee_of_a_bend_is_the_bend():
    curve = np.concatenate([np.linspace(1, 2, 91), np.linspace(3, 20, 9)])
    assert grouping.knee(np.random.default_rng(0).permutation(curve)) == (2.0, 90)


@pytest.mark.parametrize("eps", [0.2, 0.5, None])
def test_core_clips_score_at_most_1_and_noise_above(eps):
    points = np.random.default_rng(0).normal(size=(150, 2))
    found = grouping.dbscan(points, 5, eps)
    core = DBSCAN(eps=found.eps, min_samples=5).fit(points).core_sample_indices_
    noise = found.clusters == grouping.NOISE
    assert noise.any() and core.size
    assert (found.outlier_scores[noise] > 1).all()
    assert (found.outlier_scores[core] <= 1 + 1e-9).all()


def test_an_outlier_score_is_the_distance_to_the_fourth_other_in_medians():
    points = np.array([[0.0], [1], [2], [3], [4], [5], [100]])
    reach = np.array([4, 3, 2, 2, 3, 4, 98])
    assert np.allclose(grouping.hdbscan(points, 5).outlier_scores, reach / 3)


def test_twins_have_finite_outlier_scores():
    points = np.repeat([[0.0, 0], [5, 5]], 8, axis=0)
    found = grouping.hdbscan(points, 5)
    assert not found.outlier_scores.any() and found.clusters.max() == 1


# --- what is written


def test_far_groups_are_found_and_the_files_say_so(features, capsys):
    out = said(capsys, features)
    folder = features.parent / "features_clusters"
    assert {path.name for path in folder.iterdir()} == FILES
    found = summary(folder)
    rows = table(folder)
    assert (found["clusters"], found["labelled"]) == (3, 60)
    assert found["noise"] == sum(row["cluster"] == "-1" for row in rows) == round(60 * found["noise_share"])
    assert min(found["ari"], found["nmi"]) > 0.9
    assert all(len({row["label"] for row in rows if row["cluster"] == str(k)}) == 1 for k in range(3))
    assert [row["name"] for row in rows] == extracted()["names"].tolist()
    assert [int(row["prediction"]) for row in rows] == extracted()["logits"].argmax(axis=1).tolist()
    assert rows[0]["label"] == "0" and rows[0]["prediction"] == "1"
    assert "label_name" not in rows[0]
    assert f"Written: clusters.csv, anomalies.csv, clusters.png, summary.json in {folder}" in out
    assert (folder / "clusters.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_input_gives_the_same_files_and_what_is_replaced_is_said(features, tree, capsys):
    folder = features.parent / "features_clusters"
    said(capsys, features)
    first = tree(folder)
    (folder / "clusters.png").unlink()
    out = said(capsys, features)
    assert f"Replaced: clusters.csv, anomalies.csv, summary.json in {folder}" in out
    second = tree(folder)
    assert first.keys() == second.keys() == FILES
    assert all(first[name] == second[name] for name in FILES - {"clusters.png"})


def test_anomalies_are_noise_and_the_highest_hundredth_sorted(tmp_path, capsys):
    found = extracted(count=299)
    far = np.random.default_rng(1).normal(size=(3, 6)) * 40
    found["features"][:3] = far
    feature_writer(tmp_path / "f.npz")(found)
    said(capsys, tmp_path / "f.npz", "--method", "dbscan", "--out", tmp_path / "deep" / "out")
    rows, listed = (table(tmp_path / "deep" / "out", name) for name in ("clusters.csv", "anomalies.csv"))
    noise = {row["name"] for row in rows if row["cluster"] == "-1"}
    scores = [float(row["outlier_score"]) for row in listed]
    assert scores == sorted(scores, reverse=True)
    assert {row["name"] for row in listed[:3]} == {"clip000", "clip001", "clip002"} <= noise
    assert noise <= {row["name"] for row in listed}
    assert all(row in rows for row in listed)


def test_without_noise_the_highest_hundredth_is_listed():
    found = grouping.Grouping(np.zeros(150, int), np.arange(150.0))
    assert report.anomalies(found).tolist() == [149, 148]


def test_the_silhouette_of_many_clips_is_over_a_sample_and_says_so(monkeypatch):
    points, labels = blobs(0, count=300)
    whole = report.quality(points, labels, None)
    monkeypatch.setattr(report, "SILHOUETTE_CLIPS", 100)
    sampled = report.quality(points, labels, None)
    assert whole["silhouette_over"] == "300 clips in clusters"
    assert sampled["silhouette_over"] == "100 of 300 clips in clusters, drawn with seed 0"
    assert sampled == report.quality(points, labels, None)
    assert sampled["silhouette"] == pytest.approx(whole["silhouette"], abs=0.05)


def test_figures_that_cannot_be_told_are_none():
    noise, labels = np.full(6, grouping.NOISE), np.full(6, -1)
    found = report.quality(np.zeros((6, 2)), noise, labels)
    assert (found["silhouette"], found["ari"], found["nmi"], found["noise_share"]) == (None, None, None, 1)


def test_noise_is_no_cluster_of_the_silhouette_and_one_of_the_agreement():
    points, clusters = blobs(0)
    found = report.quality(np.append(points, points[:9], axis=0), np.append(clusters, [grouping.NOISE] * 9), None)
    assert (found["clusters"], found["noise"]) == (3, 9)
    assert found["silhouette"] == report.quality(points, clusters, None)["silhouette"]
    split = report.quality(points, np.where(clusters == 2, grouping.NOISE, clusters), clusters)
    assert (split["clusters"], split["ari"], split["nmi"]) == (2, 1, 1)


def test_as_many_labels_as_clips_are_compared():
    clusters = np.array([0, 0, 0, 1, 1, 1])
    found = report.quality(np.arange(12.0).reshape(6, 2), clusters, np.arange(6))
    assert (found["ari"], found["labelled"]) == (0, 6)


def test_clips_without_a_label_count_in_no_agreement():
    points, clusters = blobs(0)
    labels = np.where(np.arange(60) < 30, clusters, -1)
    found = report.quality(points, clusters, labels)
    assert (found["labelled"], found["ari"]) == (30, 1)


@pytest.mark.parametrize("classes", [3, 70])
def test_pictures_take_few_and_many_classes_and_unknown_labels(tmp_path, capsys, classes):
    found = extracted(count=3 * classes, groups=classes, dims=classes, classes=classes)
    found["labels"][:2] = -1
    feature_writer(tmp_path / "f.npz")(found)
    said(capsys, tmp_path / "f.npz", "--min-points", 2)
    assert (tmp_path / "f_clusters" / "clusters.png").stat().st_size > 10_000


def test_one_column_is_clustered_and_drawn(tmp_path, capsys):
    vectors = {f"c{n}": np.array([n % 2 * 9 + n / 100]) for n in range(20)}
    said(capsys, pickled(tmp_path / "a.pkl", vectors))
    assert summary(tmp_path / "a_clusters")["clusters"] == 2


# --- what is read


def test_a_pickle_of_extraction_gives_the_clusters_of_its_npz(features, capsys):
    feature_writer(features.with_suffix(".pkl"))(extracted())
    keys = ("name", "cluster", "outlier_score")
    found = []
    for suffix in (".npz", ".pkl"):
        said(capsys, features.with_suffix(suffix), "--out", features.parent / suffix)
        found.append([[row[key] for key in keys] for row in table(features.parent / suffix)])
    assert found[0] == found[1]


def test_a_run_folders_features_come_before_its_scores(run, capsys):
    folder = run(with_features=True)
    said(capsys, folder)
    said(capsys, folder, "--use", "scores")
    assert summary(folder / "features_clusters")["use"] == "features"
    assert summary(folder / "scores_clusters")["use"] == "scores (logits)"


def test_a_run_without_features_gives_its_scores(run, capsys):
    folder = run()
    said(capsys, folder)
    found = summary(folder / "scores_clusters")
    assert (found["use"], found["input"]) == ("scores (logits)", str(folder / "scores.npz"))


def test_scores_in_a_file_of_features_are_taken_when_asked_for(run, features, capsys):
    said(capsys, features, "--use", "scores")
    assert summary(features.parent / "features_clusters")["columns"] == 3
    folder = run(scores=False, with_features=True)
    said(capsys, folder, "--use", "scores")
    assert summary(folder / "features_clusters")["columns"] == 60


def test_the_runs_class_names_stand_in_the_table(run, capsys):
    folder = run()
    said(capsys, folder)
    classes = load_benchmark("ntu-xsub").classes
    first = table(folder / "scores_clusters")[0]
    assert (first["label_name"], first["prediction_name"]) == classes[:2]


def test_own_classes_are_those_of_the_runs_checkpoint(run, capsys):
    folder = run()
    own = "data={form: own, parts: [mine], layout: coco-17, channels: xyz, variant: original}"
    (folder / "config.yaml").write_text(config.load("3001", [own]).to_yaml())
    said(capsys, folder)
    assert "label_name" not in table(folder / "scores_clusters")[0]
    sections = {"data": {"layout": "coco-17"}, "input": {}, "model": {}}
    state = {"model": {"weight": torch.zeros(1)}, "progress": {"epoch": 1}, "config": sections}
    for count, names in ((59, None), (60, ["act 0", "act 1"])):  # another head's names are not these classes'
        checkpoint.save(folder / "best.pt", {**state, "classes": [f"act {k}" for k in range(count)]})
        said(capsys, folder)
        first = table(folder / "scores_clusters")[0]
        assert (names and [first["label_name"], first["prediction_name"]]) == names
        assert ("label_name" in first) == bool(names)


@pytest.mark.parametrize("use", ["features", "scores"])
def test_a_number_is_its_newest_run(run, tmp_path, capsys, use):
    run("01", with_features=True)
    expected = {"scores": run("02"), "features": run("03", kind="eval", scores=False, with_features=True)}[use]
    out = said(capsys, "2001", "--use", use, "-w", tmp_path / "workdir")
    assert out.splitlines()[0] == f"2001: {expected / use}.npz, the newest"


# --- refusals


def vectors_of(*rows):
    return {f"c{n}": np.array(row) for n, row in enumerate(rows)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([np.ones(3)] * 9, "a list without clips' names, as `-e --out` writes; `-e --out FILE.npz` keeps names"),
        ("names", "holds something else; expected a mapping of clip names to vectors"),
        ({1: np.ones(3)}, "holds something else"),
        ({}, "holds something else"),
        ({"c": [1.0, 2.0]}, "what c has is no vector"),
        ({"c": np.ones((2, 2))}, "what c has is no vector"),
        ({"c": np.array(["a"])}, "what c has is no vector"),
        (vectors_of([1.0, 2], [1.0]), "vectors differ in length: c0 has 2 values, c1 has 1"),
        (vectors_of(*[[1.0, 2]] * 3, [1, np.nan], [np.inf, 1]), "2 of 5 vectors, such as that of c3, hold NaN"),
        (vectors_of(*[[n, 1e200] for n in range(6)]), "6 of 6 vectors, such as that of c0, hold NaN, infinity or"),
        (vectors_of(*np.eye(4)), "holds 4 clips, fewer than --min-points 5"),
        (vectors_of(*[[0.1, 0.7]] * 9), "all 9 clips have the same vector"),
        (Path("x"), "asks for"),
    ],
)
def test_a_pickle_that_cannot_be_clustered_is_refused(tmp_path, capsys, content, message):
    file = pickled(tmp_path / "a.pkl", content)
    assert message in said(capsys, file, code=2)
    assert not (tmp_path / "a_clusters").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--eps", "0"], "--eps: expected a number above 0, found '0'"),
        (["--eps", "-1"], "--eps: expected a number above 0, found '-1'"),
        (["--eps", "nan"], "above 0"),
        (["--eps", "inf"], "above 0"),
        (["--eps", "much"], "above 0"),
        (["--eps", "1"], "--eps has no effect with --method hdbscan"),
        (["--min-points", "1"], "--min-points: expected a whole number of at least 2, found '1'"),
        (["--variance", "1.5"], "--variance: expected a number above 0, at most 1, found '1.5'"),
        (["--dims", "0"], "at least 1"),
        (["--dims", "7"], "--dims 7: 60 vectors of 6 values have 6 at most"),
        (["--dims", "2", "--variance", "0.5"], "not allowed with"),
        (["--like-fork", "--dims", "2"], "no effect with --reduce none"),
    ],
)
def test_a_wrong_command_line_is_one_line(features, capsys, arguments, message):
    assert message in said(capsys, features, *arguments, code=2)


def test_eps_auto_of_twins_is_refused(tmp_path, capsys):
    vectors = np.concatenate([np.repeat(np.eye(3), 10, axis=0), [[5, 5, 5]]])
    file = pickled(tmp_path / "a.pkl", vectors_of(*vectors))
    assert "most clips have 4 twins, at distance 0" in said(capsys, file, "--method", "dbscan", code=2)
    said(capsys, file, "--method", "dbscan", "--eps", "0.5")
    assert summary(tmp_path / "a_clusters")["clusters"] == 3


def test_files_of_another_kind_are_refused(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("a")
    assert "neither a number" in said(capsys, tmp_path / "a.csv", code=2)
    assert "neither a number" in said(capsys, tmp_path / "absent.npz", code=2)
    (tmp_path / "a.npz").write_bytes(b"PK")
    assert "not an .npz" in said(capsys, tmp_path / "a.npz", code=2)
    score_writer(tmp_path / "s.npz")({key: extracted()[key] for key in ("names", "labels", "logits")})
    assert "holds scores and no features" in said(capsys, tmp_path / "s.npz", "--use", "features", code=2)
    feature_writer(tmp_path / "f.npz")({**extracted(), "features": np.ones((3, 2))})
    assert "expected features (60, C)" in said(capsys, tmp_path / "f.npz", code=2)
    file = pickled(tmp_path / "a.pkl", vectors_of(*np.eye(6)))
    assert "leave --use out" in said(capsys, file, "--use", "scores", code=2)


def test_a_run_with_neither_is_told_what_to_type(run, tmp_path, capsys):
    folder = run(scores=False)
    assert "`python main.py -c N -xf --out FILE.npz` writes" in said(capsys, folder, code=2)
    (folder / "best.pt").touch()
    command = f"python main.py -c {folder}/config.yaml -xf -pp {folder}/best.pt --out {folder}/features.npz"
    assert command in said(capsys, folder, code=2)
    message = said(capsys, "2001", "-w", tmp_path / "workdir", code=2)
    assert "no run with features.npz or scores.npz" in message and "`python main.py -c 2001 -xf`" in message


def test_an_out_that_is_a_file_is_refused(features, capsys):
    assert main([str(features), "--out", str(features)]) == 2
    out, err = capsys.readouterr()
    assert not out and "name another place" in err
    features.with_name("features_clusters").touch()
    assert "features_clusters: is no folder" in said(capsys, features, code=2)
