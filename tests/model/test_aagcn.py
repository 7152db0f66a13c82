import pytest
import torch

from model.aagcn import AAGCN, AttentiveGraphUnit
from model.stages import Stage


@pytest.fixture(scope="module")
def units(shared):
    return torch.load(shared / "goldens" / "stgcn" / "pyskl_units.pt", weights_only=True)


@pytest.mark.parametrize(("name", "in_channels", "attention"), [("att/8to16", 8, True), ("noatt/16to16", 16, False)])
@torch.no_grad()
def test_graph_units_are_pyskls(units, name, in_channels, attention):
    case = units[f"unit_aagcn/{name}"]
    unit = AttentiveGraphUnit(Stage(2, in_channels, 16, 1), torch.zeros(3, 17, 17), attention=attention).eval()
    unit.load_state_dict(case["state_dict"], strict=True)
    torch.testing.assert_close(unit(case["input"]), case["output"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("num_joints", "window"), [(25, 25), (18, 17)])
def test_joint_attention_looks_over_an_odd_number_of_joints(num_joints, window):
    unit = AttentiveGraphUnit(Stage(2, 8, 8, 1), torch.zeros(3, num_joints, num_joints), attention=True)
    assert unit.conv_sa.kernel_size == (window,)
    assert unit(torch.zeros(2, 8, 4, num_joints)).shape == (2, 8, 4, num_joints)


def test_too_few_channels_to_compare_joints_in_are_refused():
    with pytest.raises(ValueError, match="3 channels cannot be reduced 4 times"):
        AttentiveGraphUnit(Stage(2, 3, 3, 1), torch.zeros(3, 25, 25), attention=False)


def test_initial_weights_are_as_in_pyskl():
    torch.manual_seed(0)
    network = AAGCN(adjacency=torch.ones(3, 25, 25), num_streams=1, in_channels=3, num_persons=2, num_classes=60)
    unit = network.backbone["gcn"][9].gcn
    assert (unit.bn.weight == 1e-6).all()
    assert not unit.alpha.any()
    assert not any(tensor.any() for tensor in (unit.conv_ta.weight, unit.fc2c.weight, unit.fc2c.bias))
    assert unit.conv_a[0].weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)  # fan out
    assert unit.conv_d[0].weight.std().item() == pytest.approx((2 / (256 * 256 * 3)) ** 0.5, rel=0.05)
    assert (network.backbone["gcn"][9].tcn.bn.weight == 1).all()
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert not any(conv.bias.any() for conv in convolutions)
