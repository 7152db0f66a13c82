"""Two-stream ST-GCN: the sum of two ST-GCNs, one of them on the motion."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from config import STGCN as Section
from model import MODELS
from model.stgcn import STGCN
from model.two_stream import TwoStreamSTGCN, uneven_motion
from utils.checkpoint_import import describe_mismatch, read_checkpoint

PLAIN = {"adaptive": "importance", "gcn_residual": False, "temporal": "unit"}


def build(cls=TwoStreamSTGCN, num_joints=7, **changes):
    """Build a small network whose weights are all away from their initial zeros and ones."""
    shape = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 5, "base_channels": 8}
    torch.manual_seed(0)
    network = cls(adjacency=torch.rand(3, num_joints, num_joints) / num_joints, **PLAIN | shape | changes)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network.eval()


def clips(num=3, frames=20, joints=7):
    return torch.randn(num, 1, 3, frames, joints, 2, generator=torch.Generator().manual_seed(0))


def frame_by_frame(streams):
    motion = torch.zeros_like(streams)
    for t in range(1, streams.shape[3] - 1):
        motion[:, :, :, t] = streams[:, :, :, t] - (streams[:, :, :, t + 1] + streams[:, :, :, t - 1]) / 2
    return motion


# --- what the second network reads


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(1, 9), channels=st.integers(1, 3))
def test_the_motion_is_how_far_a_frame_is_from_the_mean_of_its_neighbours(frames, channels):
    streams = torch.randn(2, 1, channels, frames, 4, 2)
    kept = streams.clone()
    torch.testing.assert_close(uneven_motion(streams), frame_by_frame(streams))
    assert torch.equal(streams, kept)


def test_the_motion_in_numbers():
    coordinate, score = [0.0, 1.0, 4.0, 9.0, 16.0], [1.0, 1.0, 0.0, 1.0, 1.0]
    streams = torch.tensor([coordinate, score])[None, None, :, :, None, None]
    assert uneven_motion(streams).flatten(2).tolist() == [[[0, -1, -1, -1, 0, 0, 0.5, -1, 0.5, 0]]]


def test_even_motion_is_none():
    streams = torch.arange(8.0)[:, None, None].expand(1, 1, 3, 8, 4, 2)
    assert not uneven_motion(streams).any()


# --- the original


@pytest.fixture
def original(shared, tmp_path):
    """Returns a golden of one network, and its weights in a file of two: the motion's classifier counts twice."""
    golden = torch.load(shared / "goldens" / "stgcn" / "stgcn_orig_kinetics_openpose.pt", weights_only=True)
    state = {f"origin_stream.{key}": value for key, value in golden["state_dict"].items()}
    for key, value in golden["state_dict"].items():
        state[f"motion_stream.{key}"] = 2 * value if key.startswith("fcn") else value
    torch.save(state, tmp_path / "two.pt")
    torch.save(golden["state_dict"], tmp_path / "one.pt")
    return golden, read_checkpoint(tmp_path / "one.pt"), read_checkpoint(tmp_path / "two.pt")


@torch.no_grad()
def test_the_logits_are_those_of_the_original_networks_summed(original):
    golden, one, two = original
    assert two.form == one.form == "st-gcn"
    options = {"num_joints": 18, "num_classes": 400, "base_channels": 64}
    single, both = build(STGCN, **options), build(**options)
    single.load_state_dict(one.state, strict=True)
    both.load_state_dict(two.state, strict=True)
    streams = golden["input"].unsqueeze(1)  # from (N, C, T, V, M)
    expected = golden["logits"] + 2 * single(frame_by_frame(streams))
    assert (expected - golden["logits"]).abs().max() > 0.1
    torch.testing.assert_close(both(streams), expected, rtol=0, atol=1e-4 * max(1, expected.abs().max().item()))


def test_a_file_of_one_network_does_not_fit(original):
    mismatch = describe_mismatch(build().state_dict(), original[1].state)
    assert "missing: origin_stream.backbone.data_bn.weight" in mismatch


# --- what is asked of every network


def test_the_section_of_st_gcn_says_what_it_takes():
    section = Section(name="ST-GCN-2s", graph="stgcn_spatial", **PLAIN, temporal_dropout=0.5, base_channels=8)
    shape = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 5}
    network = MODELS[section.name](adjacency=torch.zeros(3, 4, 4), parts=None, **shape, **section.arguments())
    assert isinstance(network, TwoStreamSTGCN)
    for stream in (network.origin_stream, network.motion_stream):
        assert [block.tcn.drop.p for block in stream.parts.blocks] == [0.0] + [0.5] * 9


def test_the_networks_share_nothing_and_both_train():
    network = build().train()
    first, second = (dict(each.named_parameters()) for each in (network.origin_stream, network.motion_stream))
    key = "backbone.gcn.3.gcn.conv.weight"
    assert (first[key] - second[key]).abs().max() > 0.1
    assert len(list(network.parameters())) == 2 * len(first)
    network(clips()).square().sum().backward()
    assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in network.parameters())


@torch.no_grad()
def test_a_clip_alone_equals_the_clip_in_a_batch():
    network, streams = build(), clips()
    together = network(streams)
    assert (together[0] - together[1]).abs().max() > 1e-4
    torch.testing.assert_close(torch.cat([network(clip[None]) for clip in streams]), together, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_head_is_the_classifier_weight_times_the_pooled_features():
    network = build()
    features = network.forward_features(clips())
    assert features.shape == (3, 2 * 32, 5, 7, 2)
    bias = sum(each.parts.classifier.bias for each in (network.origin_stream, network.motion_stream))
    logits = network.pool(features) @ network.classifier_weight.T + bias
    torch.testing.assert_close(network.forward_head(features), logits)
    torch.testing.assert_close(network(clips()), logits)
    assert network.classifier_weight.shape == (5, 64)


def test_the_keys_of_the_head_are_those_that_depend_on_the_classes():
    five, six = build().state_dict(), build(num_classes=6).state_dict()
    other = {key for key in five if five[key].shape != six[key].shape}
    assert other == {key for key in five if key.startswith(TwoStreamSTGCN.head)}
    assert len(other) == 4


@pytest.mark.parametrize("data_bn", ["VC", "MVC"])
@torch.no_grad()
def test_persons_are_independent_where_data_bn_is_shared(data_bn):
    network, streams = build(data_bn=data_bn), clips()
    swapped = network.forward_features(streams.flip(-1)).flip(-1)
    same = torch.allclose(swapped, network.forward_features(streams), atol=1e-4)
    assert same == network.persons_independent == (data_bn == "VC")


@torch.no_grad()
def test_frames_are_seen_from_one_frame_farther_than_st_gcn_sees():
    network, frame = build().double(), 100  # what comes from afar is small
    for parameter in network.parameters():
        parameter.abs_()  # so that nothing cancels
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.bias.fill_(100)  # so that no activation is 0 for what is below the mean
    streams = clips(num=1, frames=200).double()
    changed = streams.clone()
    changed[:, :, :, frame] += 1
    difference = (network.forward_features(changed) - network.forward_features(streams)).abs().amax((0, 1, 3, 4))
    assert network.temporal_radius == 4 * 4 + (4 + 2 * 8) + (8 + 2 * 16) + 1
    assert (difference > 0).tolist() == [abs(4 * t - frame) <= network.temporal_radius for t in range(50)]


@pytest.mark.parametrize("shape", [(2, 1, 3, 8, 6, 2), (2, 2, 3, 8, 7, 2), (2, 3, 8, 7, 2)])
def test_streams_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"was built for streams \(N, 1, 3, T, 7, M\), got"):
        build()(torch.zeros(shape))
    with pytest.raises(ValueError, match="reads one input stream, got 3"):
        build(num_streams=3)
