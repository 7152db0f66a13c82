import gc
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn import functional

from model import efficientgcn
from model.attention import ATTENTIONS
from model.layers import ACTIVATIONS, normalised
from model.recompute import recomputing
from model.temporal import TEMPORAL_LAYERS

SMALL = {"stem_channels": 16, "blocks": [(16, 1, 1), (32, 2, 1)], "fusion_stage": 1, "num_classes": 5}
SHAPE = (3, 8, 40, 5)


class Chain(nn.Module):
    """Convolutions, each normalised, with a residual, activated."""

    def __init__(self, depth=4):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(
            normalised(nn.Conv2d(SHAPE[1], SHAPE[1], (3, 1), padding=(1, 0))) for _ in range(depth)
        )
        for layer in self.layers:
            nn.init.uniform_(layer[1].weight)

    def forward(self, x):
        for layer in self.layers:
            x = functional.silu(layer(x) + x)
        return x


def outcome(network, x, *, enabled, precision=None):
    """Return the result and the gradients of one pass forward and backward."""
    network.zero_grad()
    with recomputing(enabled=enabled), torch.autocast("cpu", precision, enabled=precision is not None):
        y = network(x)
    y.float().square().sum().backward()
    return [y.detach(), *(parameter.grad.clone() for parameter in network.parameters())]


def assert_equal(found, expected):
    assert len(found) == len(expected)
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def clip():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


def big_tensors():
    """Return where the memory of every tensor like the chain's begins."""
    found = (each for each in gc.get_objects() if type(each) is torch.Tensor and each.shape == SHAPE)
    return {each.data_ptr() for each in found}


@pytest.mark.parametrize(
    "changes",
    [{"layer": layer} for layer in TEMPORAL_LAYERS]
    + [{"attention": attention} for attention in ATTENTIONS]
    + [{"activation": activation} for activation in ACTIVATIONS]
    + [{"residual": False}, {"learn_edges": False}],
    ids=str,
)
def test_a_step_is_the_same_to_the_bit(build, monkeypatch, changes):
    x = torch.randn(2, 3, 6, 16, 25, 2, generator=torch.Generator().manual_seed(0))
    found = []
    for replacement in (recomputing, lambda **_: nullcontext()):
        monkeypatch.setattr(efficientgcn, "recomputing", replacement)
        torch.manual_seed(0)
        network = build(**SMALL | changes).train()
        network(x).square().sum().backward()
        found.append([*(p.grad for p in network.parameters() if p.requires_grad), *network.buffers()])
    assert_equal(*found)


def test_of_a_layer_the_convolution_is_kept():
    network, x, before = Chain(depth=4), clip(), big_tensors()
    with recomputing(enabled=True):
        y = network(x)
    kept = big_tensors() - before - {x.data_ptr(), y.data_ptr()}
    assert len(kept) == 4
    y.sum().backward()
    del y
    assert big_tensors() - before <= {x.data_ptr()}


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_any_precision(precision):
    network, x = Chain(), clip()
    assert_equal(*(outcome(network, x, enabled=enabled, precision=precision) for enabled in (True, False)))


def test_frozen_normalisations():
    network, x = Chain(), clip()
    for layer in network.layers:
        layer[1].eval()
    assert_equal(*(outcome(network, x, enabled=enabled) for enabled in (True, False)))


def test_without_factors():
    network, x = Chain(), clip()
    for layer in network.layers:
        layer[1] = nn.BatchNorm2d(SHAPE[1], affine=False)
    assert_equal(*(outcome(network, x, enabled=enabled) for enabled in (True, False)))


def test_a_second_pass_backward():
    network, x = Chain(), clip()
    with recomputing(enabled=True):
        loss = network(x).square().sum()
    parameters = list(network.parameters())
    assert_equal(
        torch.autograd.grad(loss, parameters, retain_graph=True),
        torch.autograd.grad(loss, parameters),
    )


def test_a_result_changed_in_place_is_kept_as_it_is():
    network, x = nn.BatchNorm2d(SHAPE[1]), clip()

    def compute(x):
        return functional.silu(network(x).mul_(2))

    found = []
    for enabled in (True, False):
        with recomputing(enabled=enabled):
            y = compute(x)
        found.append(torch.autograd.grad(y.sum(), list(network.parameters())))
    assert_equal(*found)


def test_what_is_kept_must_not_change():
    conv, bn = nn.Conv2d(SHAPE[1], SHAPE[1], 1), nn.BatchNorm2d(SHAPE[1])
    with recomputing(enabled=True):
        x = conv(clip())
        y = bn(x)
        x.detach().mul_(2)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


def test_one_value_a_channel_is_refused_as_ever():
    with recomputing(enabled=True), pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm2d(3)(torch.ones(1, 3, 1, 1))


@pytest.mark.parametrize("enabled", [True, False])
def test_nothing_is_noted_where_there_is_no_gradient(enabled):
    with torch.set_grad_enabled(mode=not enabled), recomputing(enabled=enabled):
        y = functional.silu(clip())
    assert not vars(y.untyped_storage())
