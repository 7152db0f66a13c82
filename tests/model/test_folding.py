"""A folded network computes the same, whatever its modules share and however they are put together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from model.folded import FoldedMultiScale, MixThenSum, SumThenMix, maximum_of_three
from model.folding import fold
from model.layers import normalised, pointwise_conv, temporal_conv
from model.stages import Stage
from model.stgcn import GraphUnit
from model.temporal_units import MultiScaleTemporal
from tests.model.folding_form import rows, trained

SHAPE = (2, 12, 9, 5)  # N, C, T, V


def assert_folds(network, x):
    """The folded network computes the same and overwrites nothing; return it."""
    folded, before = fold(trained(network)), x.clone()
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), network(x), rtol=0, atol=1e-9)
    assert torch.equal(x, before)
    return folded


@given(frames=st.integers(1, 9), stride=st.integers(1, 3))
def test_the_maximum_of_three_is_the_pooling(frames, stride):
    x = rows(2, 3, frames, 4)
    expected = nn.functional.max_pool2d(x, (3, 1), stride=(stride, 1), padding=(1, 0))
    assert torch.equal(maximum_of_three(x, stride), expected)


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [6, 20])
def test_multi_scale(channels, stride, frames):
    unit = MultiScaleTemporal(12, channels, stride=stride)
    folded = assert_folds(unit, rows(3, 12, frames, 5))
    assert isinstance(folded, FoldedMultiScale)
    assert unit.transform[0].weight.min() < 0


@pytest.mark.parametrize(("channels", "kind"), [(20, MixThenSum), (48, SumThenMix), (12, MixThenSum)])
@pytest.mark.parametrize("residual", [True, False])
def test_graph_layers_in_both_orders(channels, kind, residual):
    unit = GraphUnit(Stage(2, 12, channels, 1), torch.rand(3, 5, 5), adaptive="init", conv_pos="pre", residual=residual)
    assert type(assert_folds(unit, rows(*SHAPE))) is kind


def test_a_module_in_two_places_is_folded_once_and_stays_one():
    unit = MultiScaleTemporal(12, 12)
    twice = nn.Sequential(unit, nn.ReLU(), unit)
    folded = assert_folds(twice, rows(*SHAPE))
    assert isinstance(folded[0], FoldedMultiScale) and folded[0] is folded[2]


def test_a_convolution_with_two_normalisations_has_one_result_each():
    conv = temporal_conv(12, 12, 3, stride=1)
    folded = assert_folds(nn.Sequential(conv, nn.BatchNorm2d(12), conv, nn.BatchNorm2d(12)), rows(*SHAPE))
    assert sum(isinstance(module, nn.BatchNorm2d) for module in folded.modules()) == 0


def test_an_activation_in_two_places_keeps_a_normalisation_from_its_convolution():
    act = nn.ReLU()
    folded = assert_folds(nn.Sequential(act, pointwise_conv(12, 12, bias=False), act, nn.BatchNorm2d(12)), rows(*SHAPE))
    assert isinstance(folded[3], nn.BatchNorm2d)


@pytest.mark.parametrize("options", [{"affine": False}, {"track_running_stats": False}], ids=str)
def test_a_normalisation_of_another_kind_is_left(options):
    folded = assert_folds(nn.Sequential(pointwise_conv(12, 6, bias=True), nn.BatchNorm2d(6, **options)), rows(*SHAPE))
    assert isinstance(folded[1], nn.BatchNorm2d)


class Keeps(nn.Module):
    """Needs the input of an activation that a folded layer has, too."""

    def __init__(self):
        super().__init__()
        self.unit = GraphUnit(Stage(2, 12, 12, 1), torch.rand(3, 5, 5), adaptive="init", conv_pos="pre", residual=True)
        self.activation = self.unit.activation

    def forward(self, x):
        return self.activation(x) + self.unit(x)


def test_an_activation_that_others_have_too_does_not_overwrite():
    assert_folds(Keeps(), rows(*SHAPE))


def test_the_network_itself_stays_as_it_is():
    network = trained(nn.Sequential(normalised(temporal_conv(12, 12, 3, stride=2)), MultiScaleTemporal(12, 12))).train()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    kinds = [type(module) for module in network.modules()]
    assert not fold(network).training and network.training
    assert [type(module) for module in network.modules()] == kinds
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in network.parameters())
