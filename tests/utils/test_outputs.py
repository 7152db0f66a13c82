import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from utils.errors import UserError
from utils.outputs import feature_writer, read_probabilities, read_scores, score_writer, softmax

LOGITS = np.array([[0.5, 1.5], [2.0, 0.0]], np.float32)
SCORES = {"names": np.array(["a", "b"]), "labels": np.array([1, 0]), "logits": LOGITS}


def test_scores_as_json(tmp_path):
    score_writer(tmp_path / "s.json")(SCORES)
    assert json.loads((tmp_path / "s.json").read_text())[1] == {"name": "b", "label": 0, "logits": [2.0, 0.0]}


def test_scores_as_npz(tmp_path):
    score_writer(tmp_path / "s.npz")(SCORES)
    with np.load(tmp_path / "s.npz", allow_pickle=False) as found:
        assert {key: found[key].tolist() for key in found} == {key: each.tolist() for key, each in SCORES.items()}


def test_features_as_pickle_map_names_to_vectors(tmp_path):
    found = {"names": SCORES["names"], "features": LOGITS}
    feature_writer(tmp_path / "f.pkl")(found)
    vectors = pickle.loads((tmp_path / "f.pkl").read_bytes())
    assert vectors["b"].tolist() == [2.0, 0.0]


@pytest.mark.parametrize(
    ("name", "reason"), [("s.csv", "must end in .npz or .json or .pkl"), ("gone/s.npz", "no such folder")]
)
def test_a_wrong_name_is_refused_before_the_work(tmp_path, name, reason):
    with pytest.raises(UserError, match=reason):
        score_writer(Path(tmp_path / name))


def test_scores_as_the_fields_pickle_are_probabilities_in_order(tmp_path):
    score_writer(tmp_path / "s.pkl")(SCORES)
    rows = pickle.loads((tmp_path / "s.pkl").read_bytes())
    assert [(type(row), row.dtype, row.shape) for row in rows] == [(np.ndarray, np.float32, (2,))] * 2
    expected = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    assert np.allclose(rows, expected, atol=1e-7)
    assert np.allclose(read_probabilities(tmp_path / "s.pkl"), expected, atol=1e-7)


def test_scores_are_read_back_as_they_were_written(tmp_path):
    score_writer(tmp_path / "s.npz")(SCORES)
    assert {key: each.tolist() for key, each in read_scores(tmp_path / "s.npz").items()} == {
        key: each.tolist() for key, each in SCORES.items()
    }


def test_softmax_stands_large_logits():
    assert softmax(np.array([[1000.0, 1000.0], [-1000.0, 0.0]])).tolist() == [[0.5, 0.5], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"names": SCORES["names"]}, "not an .npz with names, labels, logits"),
        (SCORES | {"labels": np.array([1])}, r"expected names \(N,\), labels \(N,\), logits \(N, K\)"),
        (SCORES | {"labels": np.array([0.5, 1])}, "must be text, integers and numbers"),
        (SCORES | {"names": np.array(["a", None], object)}, "not an .npz with"),
    ],
    ids=["keys", "shapes", "types", "objects"],
)
def test_an_npz_that_holds_no_scores_is_refused(tmp_path, columns, reason):
    np.savez(tmp_path / "s.npz", **columns)
    with pytest.raises(UserError, match=reason):
        read_scores(tmp_path / "s.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"no archive"])
def test_a_damaged_npz_is_refused(tmp_path, content):
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"s\.npz"):
        read_scores(tmp_path / "s.npz")
    with pytest.raises(UserError, match=r"gone\.npz: cannot be read"):
        read_scores(tmp_path / "gone.npz")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([np.array([2.5, -1.0], np.float32)], "row 0 holds no probabilities"),
        (
            [np.array([0.5, 0.5], np.float32), np.array([3.0, 1.0], np.float32)],
            "row 1 holds no probabilities .its sum is 4",
        ),
        ([np.array([0.5, 0.5]), np.array([1.0])], "differ in length"),
        ({"a": np.array([0.5, 0.5])}, "holds something else"),
        ([], "holds something else"),
        ([Path("x")], "not allowed in a pickle"),
    ],
)
def test_a_pickle_that_holds_no_probabilities_is_refused(tmp_path, content, reason):
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=reason):
        read_probabilities(tmp_path / "s.pkl")
