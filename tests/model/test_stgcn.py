"""ST-GCN and ST-GCN++ layer by layer, against small cases of PYSKL's.

Of the 62 unit cases in `pyskl_units.pt` 58 are compared, here and in the tests of the layers' own modules. The other
four no numbered config or importer can reach: `mstcn/mid0.25` and `mstcn/cfg5` (branches of other widths and windows),
`STGCN_small/perstage` (options for every block on its own) and `unit_aagcn/nonadaptive` (a plain graph layer).
"""

import pytest
import torch

from model.stages import Stage
from model.stgcn import STGCN, GraphUnit, gather, spread

PP = {"base_channels": 16}
SMALL = {  # PYSKL's cases of the backbone -> options
    "vc": PP,
    "mvc": PP | {"data_bn": "MVC"},
    "none": PP | {"data_bn": "none"},
    "in16_eq_base": PP | {"in_channels": 16},
    "ratio1.5": PP | {"ratio": 1.5},
    "stages6": PP | {"stages": 6, "inflate": (3, 5), "down": (4,)},
}
GRAPH_UNITS = [
    (adaptive, conv_pos, residual, channels)
    for adaptive in ("None", "init", "offset", "importance")
    for conv_pos in ("pre", "post")
    for residual in (0, 1)
    for channels in (8, 12)
]


@pytest.fixture(scope="module")
def units(shared):
    return torch.load(shared / "goldens" / "stgcn" / "pyskl_units.pt", weights_only=True)


def build(**changes):
    options = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 5} | changes
    return STGCN(adjacency=torch.eye(17).repeat(3, 1, 1), **options)


@pytest.mark.parametrize(("adaptive", "conv_pos", "residual", "channels"), GRAPH_UNITS)
@torch.no_grad()
def test_graph_units_are_pyskls(units, adaptive, conv_pos, residual, channels):
    case = units[f"unit_gcn/{adaptive}/{conv_pos}/res{residual}/8to{channels}"]
    options = {"adaptive": adaptive.lower(), "conv_pos": conv_pos, "residual": bool(residual)}
    unit = GraphUnit(Stage(2, 8, channels, 1), torch.zeros(3, 17, 17), **options).eval()
    unit.load_state_dict(case["state_dict"], strict=True)
    torch.testing.assert_close(unit(case["input"]), case["output"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_small_backbones_are_pyskls(units, name):
    case = units[f"STGCN_small/{name}"]
    network = build(**SMALL[name]).eval()
    network.backbone.load_state_dict(case["state_dict"], strict=True)
    features = network.forward_features(case["input"].permute(0, 4, 2, 3, 1).unsqueeze(1))  # from (N, M, T, V, C)
    expected = case["output"].permute(0, 2, 3, 4, 1)  # from (N, M, C, T, V)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-4 * max(1, expected.abs().max().item()))


def test_the_graph_product_contracts_the_first_joint_axis():
    x, adjacency = torch.randn(2, 3 * 4, 5, 7), torch.randn(3, 7, 7)
    expected = torch.einsum("nkctv,kvw->nctw", x.unflatten(1, (3, 4)), adjacency)
    torch.testing.assert_close(gather(x, adjacency), expected)
    x = torch.randn(2, 4, 5, 7)
    expected = torch.einsum("nctv,kvw->nkctw", x, adjacency).flatten(1, 2)
    torch.testing.assert_close(spread(x, adjacency), expected)


@pytest.mark.parametrize(
    ("adaptive", "learned"),
    [("init", {"A"}), ("importance", {"PA"}), ("offset", {"PA"}), ("none", set())],
)
def test_what_is_learned_of_the_adjacency(adaptive, learned):
    network = build(**PP, adaptive=adaptive)
    found = {key.rpartition(".")[2] for key, _ in network.named_parameters()} & {"A", "PA"}
    assert found == learned
    units_ = [block.gcn for block in network.parts.blocks]
    for unit in units_:
        torch.testing.assert_close(unit.adjacency, torch.eye(17).repeat(3, 1, 1), rtol=0, atol=1.2e-6)
    with torch.no_grad():
        units_[0].A.zero_()
    assert units_[1].A.any()  # every block has its own


def test_temporal_dropout_spares_the_first_block():
    network = build(**PP, temporal_dropout=0.5)
    assert [block.tcn.drop.p for block in network.parts.blocks] == [0.0] + [0.5] * 9


@pytest.mark.parametrize("temporal", ["unit", "multiscale"])
def test_the_temporal_radius_is_4_frames_a_block_at_its_stride(temporal):
    assert build(**PP, temporal=temporal).temporal_radius == 4 * 4 + (4 + 2 * 8) + (8 + 2 * 16)
    assert build(**PP, temporal=temporal, stages=2, inflate=(), down=()).temporal_radius == 8


def test_initial_weights_are_as_in_pyskl():
    network = build()
    fc = network.cls_head["fc_cls"]
    assert fc.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not fc.bias.any()
    conv = network.backbone["gcn"][9].gcn.conv  # torch's own: uniform within 1 / sqrt(fan in)
    assert conv.weight.abs().max().item() == pytest.approx(256**-0.5, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adaptive": "learned"}, "adaptive is one of init, importance, offset, none"),
        ({"conv_pos": "middle"}, "conv_pos pre or post"),
        ({"temporal": "tcn"}, "temporal is one of unit, multiscale, got 'tcn'"),
        ({"data_bn": "V"}, "data_bn is VC, MVC or none, got 'V'"),
        ({"down": (11,)}, "numbered 2 to 10, got 11"),
        ({"inflate": (1,)}, "numbered 2 to 10, got 1"),
        ({"base_channels": 5}, "5 channels cannot be reduced 6 times"),
        ({"ratio": 0.1, "temporal": "unit"}, r"block 8 would have no channels: 64 x 0.1\^2"),
    ],
)
def test_options_that_cannot_be_built_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)
