"""The orders that training takes against the readable formula: values and all gradients, in float64."""

import pytest
import torch

from model.graph_conv import SpatialGraphConv

SHAPES = [(6, 64), (8, 8), (24, 16), (16, 96)]  # C, C'; the first and the last sum over the joints first


def conv(channels, *, learn_edges=True, bias=True):
    torch.manual_seed(0)
    built = SpatialGraphConv(*channels, torch.rand(3, 25, 25), learn_edges=learn_edges, bias=bias)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.rand_like(parameter), alpha=0.1)
    return built.double()


def results(built, x, *, training):
    """Output and gradients of a weighted sum of it, for the input and for every trained parameter."""
    x = x.clone().requires_grad_()
    built.zero_grad()
    y = built.train(training)(x)
    (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)).sum().backward()
    return {"y": y.detach(), "x": x.grad, **{key: p.grad for key, p in built.named_parameters() if p.requires_grad}}


@pytest.mark.parametrize("options", [{}, {"learn_edges": False}, {"bias": False}], ids=str)
@pytest.mark.parametrize("channels", SHAPES)
@pytest.mark.parametrize("last", [False, True])
def test_training_computes_the_formula_and_its_gradient(channels, options, last):
    built, x = conv(channels, **options), torch.randn(2, channels[0], 7, 25).double()
    x = x.to(memory_format=torch.channels_last) if last else x
    found, expected = (results(built, x, training=training) for training in (True, False))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-11 * float(value.abs().max()), msg=key)


@pytest.mark.parametrize("channels", SHAPES)
def test_training_in_bfloat16_is_close(channels):
    built, x = conv(channels).float(), torch.randn(2, channels[0], 7, 25)
    expected = results(built, x, training=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = results(built, x, training=True)
    assert found["y"].dtype == torch.bfloat16
    for key, value in expected.items():
        assert found[key].dtype == (torch.bfloat16 if key == "y" else torch.float32)
        assert (found[key] - value).norm() < 0.05 * value.norm(), key


def test_the_gradient_stops_where_nothing_is_trained():
    built, x = conv((8, 8)), torch.randn(2, 8, 7, 25).double()
    built.gcn.requires_grad_(requires_grad=False)
    built.train()(x).sum().backward()
    assert built.gcn.weight.grad is None and built.gcn.bias.grad is None and built.edge.grad.any()


def test_the_memory_kept_for_the_gradient_is_the_input():
    kept = []
    built, x = conv((24, 16)), torch.randn(2, 24, 7, 25).double().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(each.shape) or each, lambda each: each):
        built.train()(x)
    assert max(shape.numel() for shape in kept) == x.numel()
