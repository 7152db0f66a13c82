"""Temporal layers against small cases of PYSKL's; strides halve lengths upwards."""

import pytest
import torch

from model.ctrgcn import BranchedTemporal
from model.temporal_units import MultiScaleTemporal, TemporalUnit, divide

CASES = {
    "mstcn/default/16": lambda stride: MultiScaleTemporal(16, 16, stride=stride),
    "unit_tcn/k9": lambda stride: TemporalUnit(8, 12, stride=stride),
    "unit_tcn/k1": lambda stride: TemporalUnit(8, 12, window=1, stride=stride),
    "MSTCN_ctr/k5_d12": lambda stride: BranchedTemporal(16, stride=stride),
}


@pytest.fixture(scope="module")
def units(shared):
    return torch.load(shared / "goldens" / "stgcn" / "pyskl_units.pt", weights_only=True)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("num_frames", [20, 21])
@torch.no_grad()
def test_temporal_units_are_pyskls(units, name, stride, num_frames):
    case = units[f"{name}/s{stride}/T{num_frames}"]
    unit = CASES[name](stride).eval()
    unit.load_state_dict(case["state_dict"], strict=True)
    torch.testing.assert_close(unit(case["input"]), case["output"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "widths"), [(64, [14] + [10] * 5), (128, [23] + [21] * 5), (256, [46] + [42] * 5)]
)
def test_the_first_branch_takes_the_remainder(channels, widths):
    assert divide(channels, 6) == widths
    assert MultiScaleTemporal(channels, channels).widths == widths
