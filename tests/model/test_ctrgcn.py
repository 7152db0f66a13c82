import pytest
import torch

from model.ctrgcn import CTRGCN, ChannelGraphUnit
from model.stages import Stage


@pytest.fixture(scope="module")
def units(shared):
    return torch.load(shared / "goldens" / "stgcn" / "pyskl_units.pt", weights_only=True)


def load(units, name, **options):
    case = units[f"unit_ctrgcn/{name}"]
    in_channels, channels = map(int, name.split("to"))
    unit = ChannelGraphUnit(Stage(2, in_channels, channels, 1), torch.zeros(3, 17, 17), **options).eval()
    unit.load_state_dict(case["state_dict"], strict=True)
    return unit, case


@pytest.mark.parametrize("name", ["3to16", "32to32"])
@torch.no_grad()
def test_graph_units_are_pyskls(units, name):
    unit, case = load(units, name)
    torch.testing.assert_close(unit(case["input"]), case["output"], rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_official_contraction_sums_over_the_other_joint(units):
    unit, case = load(units, "32to32", transposed=True)
    refinement, values = unit.convs[1](case["input"])
    graph = unit.A[1] + unit.alpha * refinement
    expected = torch.einsum("ncuv,nctv->nctu", graph, values)
    torch.testing.assert_close(unit.aggregate(case["input"], 1), expected)
    assert (unit(case["input"]) - case["output"]).abs().max() > 0.1


def build(**changes):
    options = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 60} | changes
    return CTRGCN(adjacency=torch.ones(3, 25, 25), **options)


def test_the_official_form_has_no_activation_after_the_temporal_layer():
    outputs = {}
    for contraction in ("pyskl", "official"):
        layer = build(contraction=contraction, base_channels=16).parts.blocks[1].tcn1
        outputs[contraction] = layer(torch.randn(2, 16, 8, 25)).min()
    assert outputs["pyskl"] == 0 > outputs["official"]


def test_initial_weights_are_as_in_pyskl():
    torch.manual_seed(0)
    network = build()
    block = network.backbone["net"][9]
    assert (block.gcn1.bn.weight == 1e-6).all()
    assert not block.gcn1.alpha.any()
    assert block.gcn1.convs[0].conv3.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.05)
    assert (block.tcn1.branches[0][1].weight == 1).all()


def test_channels_that_do_not_fill_the_branches_are_refused():
    with pytest.raises(ValueError, match="6 channels do not divide into 4 branches"):
        build(base_channels=6)


def test_an_unknown_contraction_is_refused():
    with pytest.raises(ValueError, match="contraction is one of pyskl, official, got 'paper'"):
        build(contraction="paper")
