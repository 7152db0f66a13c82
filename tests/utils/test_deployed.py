"""The json beside an exported program, and running one."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from torch import nn

from utils import deployed
from utils.deployed import Contract, is_program, open_program, require_onnxruntime
from utils.errors import UserError
from utils.files import checksum

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


class Two(nn.Module):
    """The sums over the frames of the first two coordinates of the first person's first joint."""

    def forward(self, joints, frames):
        inside = torch.arange(joints.shape[2]) < frames[:, None]
        return torch.where(inside[:, :, None], joints[:, 0, :, 0, :2], 0).sum(1)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder of x.onnx, x.pt2 and x.json: `Two`."""
    folder = tmp_path_factory.mktemp("programs")
    from exporter.formats import save_onnx, save_pt2, trace  # what the files of users are written by

    traced = trace(Two(), (torch.zeros(2, 3, 4, 2, 3), torch.tensor([1, 4])), longest=10, persons=2)
    save_onnx(traced, folder / "x.onnx")
    save_pt2(traced, folder / "x.pt2")
    files = {name: checksum(folder / name) for name in ("x.onnx", "x.pt2")}
    Contract.model_validate_json(json.dumps({**CONTENT, "files": files})).write(folder / "x.json")
    return folder


@pytest.fixture
def copied(tmp_path, programs):
    return shutil.copytree(programs, tmp_path / "copy")


def edit(folder, **changes):
    value = json.loads((folder / "x.json").read_text()) | changes
    (folder / "x.json").write_text(json.dumps({key: each for key, each in value.items() if each is not ...}))


BOTH = pytest.mark.parametrize("suffix", [".onnx", ".pt2"])


# --- the contract


def test_a_contract_comes_back(tmp_path):
    contract = Contract.model_validate_json(json.dumps({**CONTENT, "files": {"x.onnx": "0"}}))
    contract.write(tmp_path / "x.json")
    assert Contract.read(tmp_path / "x.json") == contract
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
def test_an_edited_contract_is_refused_with_its_key(copied, changes, words):
    edit(copied, **changes)
    with pytest.raises(UserError) as error:
        open_program(copied / "x.onnx")
    assert str(error.value).startswith(f"{copied / 'x.json'}: {words}")
    assert str(error.value).endswith("export it again: python main.py -c NUMBER -ex -pp CHECKPOINT")


def test_what_is_no_json_is_refused(copied):
    (copied / "x.json").write_bytes(b"\xff{")
    with pytest.raises(UserError, match=r"x.json: .*export it again"):
        open_program(copied / "x.onnx")


def test_a_missing_json_is_said(copied):
    (copied / "x.json").unlink()
    with pytest.raises(UserError, match=r"x.json: missing; it belongs beside the program"):
        open_program(copied / "x.pt2")
    (copied / "x.json").mkdir()
    with pytest.raises(UserError, match=r"x.json: cannot be read"):
        open_program(copied / "x.pt2")


# --- programs


@BOTH
def test_a_program_runs(programs, suffix):
    program = open_program(programs / f"x{suffix}", threads=1)
    rng = np.random.default_rng(0)
    for count, persons, frames in ((1, 2, 1), (3, 5, 10), (2, 2, 4)):
        joints = rng.normal(size=(count, persons, frames, 2, 3)).astype(np.float32)
        lengths = rng.integers(1, frames + 1, count)
        expected = [clip[0, :length, 0, :2].sum(0) for clip, length in zip(joints, lengths, strict=True)]
        found = program(joints, lengths)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)
        turned = np.asfortranarray(joints.astype(np.float64))
        np.testing.assert_array_equal(program(turned, lengths.astype(np.int32)), found)


@pytest.mark.parametrize(
    "shape, frames, words",
    [
        ((1, 2, 4, 2, 2), [4], "takes joints .N, 2 or more persons, T, 2 joints, 3 channels. and frames .N,., got"),
        ((1, 2, 4, 3, 3), [4], "takes joints"),
        ((1, 1, 4, 2, 3), [4], "takes joints"),
        ((2, 2, 4, 2, 3), [4], "takes joints"),
        ((2, 4, 2, 3), [4, 4], "takes joints"),
        ((2, 2, 4, 2, 3), [0, 4], "clips of 0 to 4 frames in 4"),
        ((2, 2, 4, 2, 3), [1, 5], "clips of 1 to 5 frames in 4"),
        ((1, 2, 11, 2, 3), [11], "takes clips of up to 10 frames, got 11; give the checkpoint itself: -pp CHECKPOINT"),
    ],
)
def test_clips_that_do_not_fit_are_refused(programs, shape, frames, words):
    program = open_program(programs / "x.onnx")
    with pytest.raises(UserError, match=words):
        program(np.zeros(shape, np.float32), np.array(frames))


@BOTH
def test_a_damaged_program_is_refused(copied, suffix):
    path = copied / f"x{suffix}"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"x{suffix}: not what x.json says \(altered or damaged\); export it again"):
        open_program(path)


@BOTH
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x08\x0a nothing"])
def test_what_is_no_program_is_refused(copied, suffix, content):
    path = copied / f"x{suffix}"
    path.write_bytes(content)
    edit(copied, files={path.name: checksum(path)})
    with pytest.raises(UserError, match=f"x{suffix}: "):
        open_program(path)


def test_a_missing_or_renamed_program_is_said(copied):
    (copied / "x.pt2").unlink()
    with pytest.raises(UserError, match=r"x.pt2: no such file; export it again"):
        open_program(copied / "x.pt2")
    edit(copied, files={"y.onnx": "0"})
    with pytest.raises(UserError, match=r"x.json: describes y.onnx, not x.onnx"):
        open_program(copied / "x.onnx")


def test_programs_are_known_by_their_suffix(tmp_path):
    assert is_program(tmp_path / "x.onnx")
    assert is_program(tmp_path / "x.pt2")
    assert not is_program(tmp_path / "x.pt")
    with pytest.raises(UserError, match=r"x.pt: a program ends in .onnx or .pt2"):
        open_program(tmp_path / "x.pt")


def test_missing_onnxruntime_is_said(programs, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"x.onnx needs onnxruntime: pip install -r requirements-export.txt"):
        open_program(programs / "x.onnx")


def test_a_device_that_onnxruntime_lacks_is_said(programs):
    if "CUDAExecutionProvider" in require_onnxruntime("this test").get_available_providers():
        pytest.skip("this onnxruntime knows CUDA")
    with pytest.raises(
        UserError, match=r"-g 0: this onnxruntime knows no CUDA: pip install onnxruntime-gpu, or -g cpu"
    ):
        open_program(programs / "x.onnx", device="0")


def test_threads_are_as_asked(programs):
    before = torch.get_num_threads()
    try:
        open_program(programs / "x.pt2", threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_format_is_what_contracts_state():
    assert CONTENT["format"] == deployed.FORMAT
