import pytest
import torch

from model.agcn import AGCN


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return AGCN(adjacency=torch.ones(3, 25, 25), num_streams=1, in_channels=3, num_persons=1, num_classes=60)


def test_the_adjacency_is_fixed_and_not_saved(network):
    assert not [key for key in network.state_dict() if key.endswith(".A")]
    assert (network.l1.gcn1.A == 1).all()
    assert network.to("meta").l1.gcn1.A.is_meta  # it follows the network to a device


def test_joints_are_compared_by_softmax_over_the_joints_that_are_summed():
    unit = AGCN(adjacency=torch.zeros(3, 5, 5), num_streams=1, in_channels=3, num_persons=1, num_classes=2).l1.gcn1
    graph = unit.graph(0, torch.randn(2, 5, 5)) - unit.PA[0]
    torch.testing.assert_close(graph.sum(1), torch.ones(2, 5))


def test_initial_weights_are_as_in_the_original():
    torch.manual_seed(0)
    network = AGCN(adjacency=torch.ones(3, 25, 25), num_streams=1, in_channels=3, num_persons=1, num_classes=60)
    assert network.fc.weight.std().item() == pytest.approx((2 / 60) ** 0.5, rel=0.05)
    assert (network.l10.gcn1.PA == 1e-6).all()
    assert (network.l10.gcn1.bn.weight == 1e-6).all()
    assert (network.l10.tcn1.bn.weight == 1).all()
