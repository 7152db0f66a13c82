"""The json beside an exported program."""

import json

import pytest

from utils.contract import FORMAT, Contract
from utils.errors import UserError

LAYOUT = {
    "name": "pair", "joints": ["a", "b"], "edges": [[1, 0]], "inward": [[1, 0]], "parents": [0, 0], "centre": 0,
    "pairs": [], "parts": None, "spine": None, "shoulders": None, "units": "metres",
}  # fmt: skip
CONTENT = {
    "format": "gesta-deployed-1", "name": "x", "title": "9_X", "config": {"number": "9"}, "classes": ["yes", "no"],
    "layout": LAYOUT, "channels": ["x", "y", "z"], "persons": 2, "variant": {"name": "original", "options": {}},
    "max_frames": 10, "test_clips": 1, "average": "probability",
    "inputs": [
        {"name": "joints", "dtype": "float32", "shape": ["N", "M", "T", "V", "C"]},
        {"name": "frames", "dtype": "int64", "shape": ["N"]},
    ],
    "outputs": [{"name": "logits", "dtype": "float32", "shape": ["N", "K"]}],
    "before": ["nothing"], "checkpoint": {"file": "x.pt", "sha256": "0"}, "files": {}, "thresholds": {},
    "parity": {"clips": 1, "source": "made", "max_difference": {"x.onnx": 1e-6}, "agreement": 1.0},
    "versions": {"torch": "2"}, "quantized": "none",
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """The path of a contract."""
    Contract.model_validate_json(json.dumps({**CONTENT, "files": {"x.onnx": "0"}})).write(tmp_path / "x.json")
    return tmp_path / "x.json"


def test_a_contract_comes_back(written):
    contract = Contract.read(written)
    assert json.loads(written.read_text())["classes"] == list(contract.classes) == ["yes", "no"]
    contract.write(written)
    assert Contract.read(written) == contract
    assert (contract.thresholds.decision, contract.thresholds.parity) == (0.5, 1e-4)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ({"persons": "2"}, "persons: Input should be a valid integer"),
        ({"persons": 0}, "persons: "),
        ({"classes": []}, "classes: "),
        ({"classes": ["yes", 3]}, "classes.1: "),
        ({"max_frames": ...}, "max_frames: Field required"),
        ({"format": "gesta-deployed-2"}, "format: Input should be 'gesta-deployed-1'"),
        ({"layout": {**LAYOUT, "centre": None}}, "layout.centre: "),
        ({"quantized": "fp8"}, "quantized: "),
    ],
)
def test_an_edited_contract_is_refused_with_its_key(written, changes, words):
    value = json.loads(written.read_text()) | changes
    written.write_text(json.dumps({key: each for key, each in value.items() if each is not ...}))
    with pytest.raises(UserError) as error:
        Contract.read(written)
    assert str(error.value).startswith(f"{written}: {words}")
    assert str(error.value).endswith("export it again: python main.py -c NUMBER -ex -pp CHECKPOINT")


def test_what_is_no_json_is_refused(written):
    written.write_bytes(b"\xff{")
    with pytest.raises(UserError, match=r"x.json: .*export it again"):
        Contract.read(written)


def test_a_missing_json_is_said(written):
    written.unlink()
    with pytest.raises(UserError, match=r"x.json: missing; it belongs beside the program"):
        Contract.read(written)
    written.mkdir()
    with pytest.raises(UserError, match=r"x.json: cannot be read"):
        Contract.read(written)


def test_the_format_is_what_contracts_state():
    assert CONTENT["format"] == FORMAT
