"""Weights of fewer bits."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import config
import exporter
from exporter import quantize
from exporter.quantize import to_int8, warn_of_ties
from utils.contract import Contract
from utils.deployed import open_program
from utils.errors import UserError


@pytest.fixture
def prepared(monkeypatch, exported):
    """Has exports take the programs of the small export, and few clips."""
    monkeypatch.setattr(exporter, "trace", lambda *_: None)
    monkeypatch.setattr(exporter, "save_onnx", lambda _, path: shutil.copy(exported[0] / "best.onnx", path))
    monkeypatch.setattr(exporter, "save_pt2", lambda _, path: shutil.copy(exported[0] / "best.pt2", path))
    monkeypatch.setattr(quantize, "TRIED", 30)
    monkeypatch.setitem(quantize.LEAST, "int8", 1024)  # the network is small
    return exported[0] / "best.pt"


@pytest.mark.parametrize("kind, limit", [("fp16", 0.01), ("int8", 0.5)])
def test_a_smaller_file_comes_with_the_others(prepared, tmp_path, small_experiment, machine, monkeypatch, kind, limit):
    said, least = [], 0.99 if kind == "fp16" else 0.5  # a network that never trained decides by hairs
    monkeypatch.setattr(quantize, "Thresholds", lambda: SimpleNamespace(agreement=least))
    request = exporter.Request(out=tmp_path, quantize=kind, say=said.append)
    paths = exporter.export(small_experiment, machine, prepared, request)
    name = f"best-{kind}"
    assert [path.name for path in paths[3:]] == [f"{name}.onnx", f"{name}.json"]
    assert paths[3].stat().st_size < paths[0].stat().st_size
    contract = Contract.read(tmp_path / f"{name}.json")
    assert (contract.quantized, contract.name, contract.parity.clips) == (
        kind,
        name,
        23,
    )  # of 30, as every fourth is empty
    assert contract.parity.agreement >= least
    assert 0 < contract.parity.max_difference[f"{name}.onnx"] < limit
    assert open_program(paths[3]).contract == contract
    warned = [line for line in said if line.startswith("WARNING: ") and "if it fails nothing is written" in line]
    assert len(warned) == (kind == "int8")
    assert said.index("Successful!") < said.index(*warned or ["Exporting ..."]) <= said.index("Exporting ...")
    header, *rows = said[-4:-1]
    assert header.split() == ["file", "KiB", "p50", "ms", "p95", "ms", "max", "difference", "agreement"]
    assert [row.split()[0] for row in rows] == ["best.onnx", f"{name}.onnx"]
    assert_stored(onnx.load(paths[3]).graph.initializer, kind)


def assert_stored(initializers, kind):
    """Every weight is of the fewest bits that its size allows."""
    found = {each.name.rpartition("_")[2]: [] for each in initializers if each.name.endswith(("_fp16", "_int8"))}
    assert kind in found
    for each in initializers:
        size, stored = np.prod(each.dims), each.name.rpartition("_")[2]
        if stored in found:
            assert len(each.raw_data) == size * {"fp16": 2, "int8": 1}[stored]
            assert (stored == "int8") == (kind == "int8" and size >= quantize.LEAST["int8"])
        elif each.data_type == onnx.TensorProto.FLOAT and stored != "scale":
            assert size < quantize.LEAST["fp16"] or len(each.dims) < 2


def test_what_half_precision_cannot_hold_stays_as_it_is():
    values = np.ones((64, 64), np.float32)
    assert [quantize._kind_of(values, kind) for kind in ("fp16", "int8")] == ["fp16", "int8"]
    assert [quantize._kind_of(values[:16], kind) for kind in ("fp16", "int8")] == ["fp16", "fp16"]
    for other in (values * 1e5, values[0], values[:2, :2], values.astype(np.float64)):
        assert quantize._kind_of(other, "fp16") is None


def test_nothing_is_warned_of_where_the_part_is_there(machine, small_store, small):
    said, experiment = [], config.load("2001", small)
    subject = SimpleNamespace(config=experiment, say=said.append)
    warn_of_ties(subject, replace(machine, store=small_store), "int8")
    assert said == []
    warn_of_ties(subject, machine, "int8")
    assert len(said) == 1


@pytest.mark.usefixtures("prepared")
def test_a_file_that_disagrees_leaves_nothing(copied, small_experiment, machine, monkeypatch, tree):
    before, said = tree(copied), []

    def flip(values):
        return np.zeros(values.shape, np.int8), np.ones((1,) * values.ndim, np.float32)

    monkeypatch.setattr(quantize, "to_int8", flip)
    with pytest.raises(UserError, match=r"best-int8.onnx: another highest class .*nothing was written; export without"):
        request = exporter.Request(quantize="int8", say=said.append)
        exporter.export(small_experiment, machine, copied / "best.pt", request)
    assert any(line.startswith("best-int8.onnx") for line in said)  # the table shows by how much
    assert tree(copied) == before


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=4, max_side=5), elements=st.floats(-8, 8, width=16)))
def test_whole_numbers_are_within_half_a_step(values):
    whole, scale = to_int8(values)
    assert whole.dtype == np.int8
    assert scale.dtype == np.float32
    assert sum(size > 1 for size in scale.shape) <= 1
    assert (np.abs(whole * scale - values) <= 0.501 * scale).all()
