"""Products of shifted frames are the multi-scale layer's convolutions, and fast evaluation has them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model import MODELS
from model.compact import compact
from model.folded import FoldedMultiScale
from model.folding import fold
from model.shifted import ShiftedMultiScale
from model.temporal_units import MultiScaleTemporal
from tests.model.folding_form import rows, trained


@settings(deadline=None)
@given(
    clips=st.integers(1, 3),
    frames=st.integers(1, 12),
    joints=st.integers(1, 4),
    channels=st.integers(6, 20),
    stride=st.integers(1, 4),
)
def test_it_is_the_layer_whatever_lies_beside_a_frame(clips, frames, joints, channels, stride):
    unit, x = trained(MultiScaleTemporal(5, channels, stride=stride)), rows(clips, 5, frames, joints)
    shifted, before = ShiftedMultiScale(fold(unit)), x.clone()
    with torch.inference_mode():
        torch.testing.assert_close(shifted(x), unit(x), rtol=0, atol=1e-9)
    assert torch.equal(x, before)


@pytest.mark.parametrize("frames", [1, 25])
def test_its_result_lies_as_it_was_given(frames):
    y = ShiftedMultiScale(fold(trained(MultiScaleTemporal(64, 64))))(rows(2, 64, frames, 25))
    assert y.shape == (2, 64, frames, 25) and y.is_contiguous(memory_format=torch.channels_last)


def test_fast_evaluation_has_it_in_every_block():
    shape = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 4, "base_channels": 12}
    network = compact(MODELS["ST-GCN++"](adjacency=torch.rand(3, 5, 5), **shape)).network
    layers = [type(module) for module in network.modules() if isinstance(module, ShiftedMultiScale | FoldedMultiScale)]
    assert layers == [ShiftedMultiScale] * 10
