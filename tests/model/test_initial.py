"""Initial weights: by their distributions, layer by layer."""

from typing import get_args

import pytest
import torch
from torch import nn

import config
from model.initial import INITIAL
from model.multibranch import MBSTGCN
from model.stgcn import STGCN

PLAIN = {"adaptive": "importance", "gcn_residual": False, "temporal": "unit"}


def build(cls=STGCN, **changes):
    options = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 60}
    torch.manual_seed(0)
    return cls(adjacency=torch.rand(3, 25, 25), **options | (PLAIN if cls is STGCN else {}) | changes)


def tensors(network, kind, name):
    """Return the tensors of that name in all modules of a kind."""
    return [getattr(module, name) for module in network.modules() if isinstance(module, kind)]


def test_the_config_names_them_all():
    for section in (config.STGCN, config.MBSTGCN):
        assert get_args(section.model_fields["initial"].annotation) == INITIAL


@pytest.mark.parametrize("cls", [STGCN, MBSTGCN])
def test_the_originals_are_normal(cls):
    network = build(cls, initial="stgcn")
    for weight in (*tensors(network, nn.Conv2d, "weight"), network.cls_head["fc_cls"].weight):
        error = 0.02 / weight.numel() ** 0.5
        assert weight.mean().item() == pytest.approx(0, abs=5 * error)
        assert weight.std().item() == pytest.approx(0.02, abs=5 * error)
    scales = torch.cat(tensors(network, nn.BatchNorm2d | nn.BatchNorm1d, "weight"))
    assert scales.mean().item() == pytest.approx(1, abs=0.002)
    assert scales.std().item() == pytest.approx(0.02, abs=0.002)
    assert network.backbone["data_bn"].weight.std() > 0.01
    normalisations = tensors(network, nn.BatchNorm2d | nn.BatchNorm1d, "bias")
    assert not any(bias.any() for bias in (*tensors(network, nn.Conv2d, "bias"), *normalisations))
    assert not network.cls_head["fc_cls"].bias.any()
    assert (network.backbone["gcn"][0].gcn.PA == 1).all()


def test_mmaction2s_are_kaimings():
    network = build(initial="mmaction2")
    for conv in (each for each in network.modules() if isinstance(each, nn.Conv2d)):
        std = (2 / (conv.out_channels * conv.kernel_size[0])) ** 0.5
        assert conv.weight.std().item() == pytest.approx(std, rel=4 / conv.weight.numel() ** 0.5)
        assert not conv.bias.any()
    assert all((weight == 1).all() for weight in tensors(network, nn.BatchNorm2d | nn.BatchNorm1d, "weight"))
    assert network.cls_head["fc_cls"].weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_torchs_are_drawn_once_and_are_the_default():
    default, torchs, stgcns = (
        build(**changes).state_dict() for changes in ({}, {"initial": "torch"}, {"initial": "stgcn"})
    )
    assert all(torch.equal(default[key], torchs[key]) for key in default)
    assert not torch.equal(default["backbone.gcn.0.gcn.conv.weight"], stgcns["backbone.gcn.0.gcn.conv.weight"])
    following = []
    for initial in ("torch", "stgcn"):
        build(initial=initial)
        following.append(torch.rand(1).item())
    assert following[0] != following[1]  # the second draws more


@pytest.mark.parametrize("initial", INITIAL)
def test_the_layer_that_weighs_channels_stays_torchs(initial):
    weights = [block.gcn.se.fc1.weight for block in build(MBSTGCN, initial=initial).parts.blocks]
    for weight in weights:  # (C / 16, C), uniform
        assert weight.abs().max().item() == pytest.approx(weight.shape[1] ** -0.5, rel=0.05)


def test_others_are_refused():
    with pytest.raises(ValueError, match="initial is one of torch, stgcn, mmaction2, got 'xavier'"):
        build(initial="xavier")
