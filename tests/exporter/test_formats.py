"""What is written as `.onnx`."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from exporter.formats import save_onnx, trace

SIZES = (5, 2, 3000, 4, 3)  # N, M, T, V, C


class Means(nn.Module):
    """Means over several axes, with and without them in what comes out."""

    def forward(self, joints, frames):
        kept = joints.mean((-2, -3), keepdim=True)[:, 0, 0, 0]
        return kept + joints.permute(0, 4, 2, 3, 1).mean((2, 3, 4)) + frames[:, None]


class Arccos(nn.Module):
    """The angle of a bone, as streams have it: in float64."""

    def forward(self, joints, frames):
        return joints[:, 0, 0, 0].double().acos().float() + 0 * frames[:, None]


@pytest.fixture
def session(tmp_path):
    """Saves a program as `.onnx`, and returns its path and what runs it."""

    def make(program):
        example = torch.zeros(2, 3, 4, *SIZES[3:]), torch.tensor([1, 4])
        save_onnx(trace(program, example, longest=SIZES[2], persons=2), tmp_path / "x.onnx")
        opened = onnxruntime.InferenceSession(tmp_path / "x.onnx")
        return tmp_path / "x.onnx", lambda *inputs: opened.run(
            None, dict(zip(("joints", "frames"), inputs, strict=True))
        )[0]

    return make


def test_a_mean_is_over_one_axis_after_another(session):
    """So exact as in float64, where onnxruntime adds up in order."""
    path, run = session(Means())
    joints = np.random.default_rng(0).normal(30, 1, SIZES).astype(np.float32)
    expected = joints.astype(np.float64).mean((2, 3))[:, 0] + joints.astype(np.float64).mean((1, 2, 3))
    np.testing.assert_allclose(run(joints, np.zeros(5, np.int64)), expected, rtol=2e-6)
    graph = onnx.load(path).graph
    held = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    axes = [held[node.input[1]].tolist() for node in graph.node if node.op_type == "ReduceMean"]
    assert sorted(map(len, axes)) == [1] * 5


def test_an_angle_is_as_exact_as_float32(session):
    _, run = session(Arccos())
    joints = np.zeros((400, 2, 1, *SIZES[3:]), np.float32)
    joints[:, 0, 0, 0] = np.linspace(-1, 1, 1200, dtype=np.float32).reshape(400, 3)
    expected = np.arccos(joints[:, 0, 0, 0].astype(np.float64))
    np.testing.assert_allclose(run(joints, np.zeros(400, np.int64)), expected, atol=4e-7)
