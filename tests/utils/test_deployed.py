"""Running exported programs."""

import json
import shutil
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import nn
from torch.export.passes import move_to_device_pass

from exporter.formats import save_onnx, save_pt2, trace  # what the files of users are written by
from tests.utils.test_contract import CONTENT
from utils.contract import Contract
from utils.deployed import CUDA, is_program, open_program, require_onnxruntime
from utils.errors import UserError
from utils.files import checksum
from utils.inert_programs import inert_copy


class Two(nn.Module):
    """The sums over the frames of the first two coordinates of the first person's first joint."""

    def forward(self, joints, frames):
        inside = torch.arange(joints.shape[2]) < frames[:, None]
        return torch.where(inside[:, :, None], joints[:, 0, :, 0, :2], 0).sum(1)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder of x.onnx, x.pt2 and x.json: `Two`."""
    folder = tmp_path_factory.mktemp("programs")
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
    (folder / "x.json").write_text(json.dumps(json.loads((folder / "x.json").read_text()) | changes))


BOTH = pytest.mark.parametrize("suffix", [".onnx", ".pt2"])


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


@BOTH
def test_a_program_of_other_classes_is_refused(copied, suffix):
    edit(copied, classes=["yes", "no", "perhaps"])
    with pytest.raises(
        UserError, match=rf"x{suffix}: the json beside it names 3 classes, but the logits are \(1, 2\); export it"
    ):
        open_program(copied / f"x{suffix}")(np.zeros((1, 2, 4, 2, 3), np.float32), np.array([4]))


class One(nn.Module):
    """Has another input than exports have."""

    def forward(self, x):
        return {"y": x + 1}


@BOTH
def test_a_program_of_other_inputs_is_one_line(copied, suffix):
    path = copied / f"x{suffix}"
    if suffix == ".onnx":
        x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "one", [x], [y])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    else:
        traced = torch.export.export(One(), (torch.zeros(2),))
        traced._example_inputs = None
        save_pt2(traced, path)
    edit(copied, files={path.name: checksum(path)})
    with pytest.raises(UserError, match=rf"x{suffix}: .*(cannot run it|could be code).*"):
        open_program(path)(np.zeros((1, 2, 4, 2, 3), np.float32), np.array([4]))


def test_an_unreadable_program_is_said(copied, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("utils.deployed.checksum", refuse)
    with pytest.raises(UserError, match=r"x.onnx: cannot be read or written \(Permission denied\)"):
        open_program(copied / "x.onnx")


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


@pytest.fixture
def with_cuda(monkeypatch):
    """Has onnxruntime know CUDA; a session notes what it was asked for, and has the providers in the list it returns."""
    runtime, asked, held = require_onnxruntime("this test"), [], [CUDA]

    class Session:
        def __init__(self, *_, providers):
            asked.append(providers)

        def get_providers(self):
            return held

    monkeypatch.setattr(runtime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(runtime, "InferenceSession", Session)
    return asked, held


def test_onnxruntime_is_asked_for_the_device_and_whole_float32(programs, with_cuda):
    asked, _ = with_cuda
    open_program(programs / "x.onnx", device="1")
    assert asked == [[(CUDA, {"device_id": "1", "use_tf32": "0"}), "CPUExecutionProvider"]]


def test_cuda_that_does_not_load_is_said(programs, with_cuda):
    _, held = with_cuda
    held[:] = ["CPUExecutionProvider"]
    with pytest.raises(UserError, match=r"-g 1: onnxruntime cannot use CUDA here"):
        open_program(programs / "x.onnx", device="1")


def test_a_pt2_moves_to_a_device_whole(programs):
    """As onto a GPU; tensors of `meta` refuse to meet one that stayed."""
    program = torch.export.load(inert_copy(programs / "x.pt2"))
    module = move_to_device_pass(program, "meta").module(check_guards=False)
    found = module(torch.zeros(5, 2, 7, 2, 3, device="meta"), torch.ones(5, dtype=torch.int64, device="meta"))
    assert (found.device.type, found.shape) == ("meta", (5, 2))


def test_threads_are_as_asked(programs):
    before = torch.get_num_threads()
    try:
        open_program(programs / "x.pt2", threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
