import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from utils.errors import UserError
from utils.outputs import feature_writer, score_writer

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


@pytest.mark.parametrize(("name", "reason"), [("s.csv", "must end in .npz or .json"), ("gone/s.npz", "no such folder")])
def test_a_wrong_name_is_refused_before_the_work(tmp_path, name, reason):
    with pytest.raises(UserError, match=reason):
        score_writer(Path(tmp_path / name))
