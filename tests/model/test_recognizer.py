"""What holds for all one-stream networks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model import AAGCN, AGCN, CTRGCN, MODELS, STGCN
from utils.cost import measure

STGCN_PLAIN = {"adaptive": "importance", "gcn_residual": False, "temporal": "unit"}
NETWORKS = {
    "ST-GCN++": (STGCN, {}),
    "ST-GCN": (STGCN, STGCN_PLAIN),
    "AAGCN": (AAGCN, {}),
    "AAGCN without attention": (AAGCN, {"attention": False}),
    "AGCN": (AGCN, {}),
    "CTR-GCN": (CTRGCN, {}),
    "CTR-GCN official": (CTRGCN, {"contraction": "official"}),
}


def build(name, num_joints=25, small=False, **changes):
    """Build a network; a small one has all weights away from their initial zeros and ones."""
    cls, options = NETWORKS[name]
    shape = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 60}
    adjacency = torch.rand(3, num_joints, num_joints, generator=torch.Generator().manual_seed(0)) / num_joints
    sizes = {"base_channels": 16, "num_classes": 5} if small else {}
    torch.manual_seed(0)
    network = cls(adjacency=adjacency, **shape | options | sizes | changes)
    if small:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
    return network.eval()


def clips(num=3, frames=20):
    """Streams of random clips with two persons; the second person of the last clip is absent."""
    streams = torch.randn(num, 1, 3, frames, 25, 2, generator=torch.Generator().manual_seed(0))
    streams[-1, ..., 1] = 0
    return streams


def test_the_table_names_the_networks():
    assert {STGCN, AAGCN, AGCN, CTRGCN} <= set(MODELS.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_trains(name):
    network = build(name, small=True).train()
    logits = network(clips())
    assert logits.shape == (3, 5)
    logits.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_a_clip_alone_equals_the_clip_in_a_batch(name):
    network, streams = build(name, small=True), clips()
    together = network(streams)
    assert (together[0] - together[1]).abs().max() > 1e-4
    alone = torch.cat([network(clip[None]) for clip in streams])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5 * max(1, together.abs().max()))


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_the_head_is_the_classifier_weight_times_the_mean_over_all_persons(name):
    network = build(name, small=True)
    features = network.forward_features(clips())
    assert features.shape == (3, 64, 5, 25, 2)
    assert features[-1, ..., 1].abs().sum() > 0  # the absent person
    torch.testing.assert_close(network.pool(features), features.mean((2, 3, 4)))
    bias = network.state_dict()[[key for key in network.state_dict() if key.startswith(network.head)][1]]
    logits = features.mean((2, 3, 4)) @ network.classifier_weight.T + bias
    torch.testing.assert_close(network.forward_head(features), logits)
    assert network.classifier_weight.shape == (5, 64)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_keys_of_the_head_are_those_that_depend_on_the_classes(name):
    five, six = (build(name, small=True, num_classes=count).state_dict() for count in (5, 6))
    other = {key for key in five if five[key].shape != six[key].shape}
    head = build(name, small=True).head
    assert other == {key for key in five if key.startswith(head)}


@pytest.mark.parametrize("name", ["ST-GCN++", "ST-GCN", "AAGCN", "CTR-GCN"])
@settings(max_examples=15, deadline=None)
@given(num_frames=st.integers(1, 40), num_joints=st.integers(2, 9), num_clips=st.integers(1, 3))
@torch.no_grad()
def test_any_length_and_layout_fits(name, num_frames, num_joints, num_clips):
    network = build(name, num_joints=num_joints, small=True)
    features = network.forward_features(torch.zeros(num_clips, 1, 3, num_frames, num_joints, 2))
    assert features.shape == (num_clips, 64, math.ceil(num_frames / 4), num_joints, 2)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_persons_are_independent_where_data_bn_is_shared(name):
    network, streams = build(name, small=True), clips()
    swapped = network.forward_features(streams.flip(-1)).flip(-1)
    same = torch.allclose(swapped, network.forward_features(streams), atol=1e-4)
    assert same == network.persons_independent == name.startswith("ST-GCN")


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_frames_are_seen_from_the_temporal_radius_or_all(name):
    network = build(name, small=True).double()  # what comes from afar is small
    for parameter in network.parameters():
        parameter.abs_()  # so that nothing cancels
    streams, frame = clips(num=1, frames=200).double(), 100
    changed = streams.clone()
    changed[:, :, :, frame] += 1
    difference = (network.forward_features(changed) - network.forward_features(streams)).abs().amax((0, 1, 3, 4))
    radius = network.temporal_radius
    assert (radius is None) == (not name.startswith("ST-GCN"))
    seen = [radius is None or abs(4 * t - frame) <= radius for t in range(50)]
    assert (difference > 0).tolist() == seen


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(2, 1, 3, 8, 20, 2), (2, 2, 3, 8, 25, 2), (2, 1, 6, 8, 25, 2), (2, 3, 8, 25, 2)])
def test_streams_of_another_shape_are_refused(name, shape):
    with pytest.raises(ValueError, match=rf"was built for streams \(N, 1, 3, T, 25, [M2]\), got \({str(shape)[1:-1]}"):
        build(name, small=True)(torch.zeros(shape))


@torch.no_grad()
def test_other_numbers_of_persons_are_refused_where_data_bn_depends_on_them():
    with pytest.raises(ValueError, match=r"AAGCN was built for streams \(N, 1, 3, T, 25, 2\)"):
        build("AAGCN", small=True)(torch.zeros(2, 1, 3, 8, 25, 1))
    assert build("ST-GCN++", small=True)(torch.zeros(2, 1, 3, 8, 25, 1)).shape == (2, 5)


@pytest.mark.parametrize("name", NETWORKS)
def test_several_streams_are_refused(name):
    with pytest.raises(ValueError, match="reads one input stream, got 3"):
        build(name, small=True, num_streams=3)


COSTS = [  # parameters with 25 and with 17 joints; GFLOPs of a clip (2 persons, 100 frames) with 25 joints
    ("ST-GCN++", 1_403_144, 1_393_016, 2.957),
    ("ST-GCN", 3_098_832, 3_088_704, 5.713),
    ("AAGCN", 3_781_668, 3_760_228, 6.492),
    ("AAGCN without attention", 3_469_520, 3_459_344, 6.488),
    ("CTR-GCN", 1_446_672, 1_436_496, None),  # published 2.996; here means are taken before the convolutions
    ("AGCN", 3_469_510, None, None),
]


@pytest.mark.parametrize(("name", "ntu", "coco", "published"), COSTS)
def test_costs_are_the_published_ones(name, ntu, coco, published):
    cost = measure(build(name), (1, 1, 3, 100, 25, 2))
    assert cost.trainable_parameters == ntu
    if coco:
        assert sum(p.numel() for p in build(name, num_joints=17).parameters()) == coco
    if published:  # which also counts normalisations
        assert 0.98 * published < cost.macs / 1e9 < published


def test_120_classes_cost_15420_parameters_more():
    counts = [sum(p.numel() for p in build("ST-GCN++", num_classes=classes).parameters()) for classes in (60, 120)]
    assert counts[1] - counts[0] == 15_420
