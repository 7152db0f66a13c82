"""Weights from another skeleton: what depends on joints is matched by their names."""

import pytest
import torch

import config
from dataset.layouts import load_layout
from initializer.joints import match_joints
from initializer.network import build_model


def network(overrides=()):
    experiment = config.load(
        "6011", ["model.base_channels=16", "model.stages=2", "model.inflate=[2]", "model.down=[2]", *overrides]
    )
    return build_model(experiment, 10)


@pytest.fixture
def both():
    """Networks on NW-UCLA's 20 joints and on UTD-MHAD's 20, in another order: what one knows of a joint, by name."""
    torch.manual_seed(0)
    ucla = network()
    utd = network(["data={form: utd, parts: [utd-mhad], benchmark: utd-xsub, variant: original}"])
    for tensor in ucla.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_()
    return ucla, utd


def test_joints_of_one_name_get_one_anothers_values(both):
    ucla, ntu = both[0], network(["data={form: ntu, parts: [ntu60], benchmark: ntu-xsub, variant: original}"])
    theirs, ours = load_layout("ucla-20"), load_layout("ntu")
    found = match_joints(ucla.state_dict(), ntu.state_dict(), theirs, ours, channels=3)
    ntu.load_state_dict(found.state, strict=True)
    assert set(found.joints) == set(theirs.joints) & set(ours.joints)
    assert set(found.missing) == set(ours.joints) - set(theirs.joints)
    assert len(found.joints) > 10
    old, new = ucla.state_dict(), ntu.state_dict()
    there, here = (layout.joints.index("left_elbow") for layout in (theirs, ours))
    weight = "backbone.data_bn.weight"
    assert torch.equal(new[weight].view(25, 3)[here], old[weight].view(20, 3)[there])
    graph = "backbone.gcn.0.gcn.A"
    pair_there, pair_here = (layout.joints.index("left_wrist") for layout in (theirs, ours))
    assert torch.equal(new[graph][:, here, pair_here], old[graph][:, there, pair_there])
    conv = "backbone.gcn.0.gcn.conv.weight"
    assert torch.equal(new[conv], old[conv])


def test_as_many_joints_in_another_order_are_matched_too(both):
    ucla, utd = both
    theirs, ours = load_layout("ucla-20"), load_layout("utd-20")
    found = match_joints(ucla.state_dict(), utd.state_dict(), theirs, ours, channels=3)
    there, here = (layout.joints.index("head") for layout in (theirs, ours))
    assert there != here
    for key in ("backbone.data_bn.weight", "backbone.data_bn.running_var"):
        assert torch.equal(found.state[key].view(20, 3)[here], ucla.state_dict()[key].view(20, 3)[there])


def test_a_joint_that_is_new_keeps_the_networks_own_values(both):
    ucla, ntu = both[0], network(["data={form: ntu, parts: [ntu60], benchmark: ntu-xsub, variant: original}"])
    before = {key: value.clone() for key, value in ntu.state_dict().items()}
    found = match_joints(ucla.state_dict(), ntu.state_dict(), load_layout("ucla-20"), load_layout("ntu"), channels=3)
    thumb = load_layout("ntu").joints.index("left_thumb")
    graph = "backbone.gcn.0.gcn.A"
    assert torch.equal(found.state[graph][:, thumb], before[graph][:, thumb])


def test_the_first_persons_are_matched_where_there_are_others():
    """AAGCN normalises joints person by person."""
    one, two = (
        build_model(config.load("6011", ["model={name: AAGCN, base_channels: 8}", f"input.persons={persons}"]), 10)
        for persons in (1, 2)
    )
    ucla, utd = load_layout("ucla-20"), load_layout("utd-20")
    key = "backbone.data_bn.running_mean"
    two.state_dict()[key].uniform_()
    found = match_joints(two.state_dict(), one.state_dict(), ucla, utd, channels=3).state[key].view(1, 20, 3)
    there, here = (layout.joints.index("head") for layout in (ucla, utd))
    assert torch.equal(found[0, here], two.state_dict()[key].view(2, 20, 3)[0, there])


def test_tensors_of_another_size_for_another_reason_stay_as_they_are(both):
    ucla, _ = both
    wider = network(["model.base_channels=32"])
    layout = load_layout("ucla-20")
    found = match_joints(ucla.state_dict(), wider.state_dict(), layout, layout, channels=3)
    key = "backbone.gcn.0.gcn.conv.weight"
    assert torch.equal(found.state[key], ucla.state_dict()[key])
