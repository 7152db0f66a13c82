"""Fast evaluation equals the plain one: for every network it serves, and whatever of the clips is padding."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model import MODELS, TwoStreamSTGCN
from model.attention import ATTENTIONS
from model.compact import Compact, Omission, Plain, compact
from model.layers import ACTIVATIONS, Layer
from model.temporal import TEMPORAL_LAYERS

FRAMES = 96
SMALL = {"stem_channels": 16, "blocks": [(24, 1, 1), (16, 2, 1), (32, 2, 1)], "fusion_stage": 1, "num_classes": 5}
PADDING = torch.tensor([0.0, 0.0, 0.0, 0.5, -0.5, 1.57])  # of a channel; not all zeros, as the angle of a bone
VALUES = st.integers(0, FRAMES)


@dataclass
class Clips:
    streams: torch.Tensor
    lengths: torch.Tensor


def clips(lengths, frames=FRAMES, streams=3, channels=6, late=0):
    """Random clips whose person m of clip n is there in frames `late` to `lengths[n][m]`; padding besides."""
    lengths = torch.tensor(lengths)
    shape = (len(lengths), streams, channels, frames, 25, lengths.shape[1])
    t = torch.arange(frames)[None, :, None]
    there = (t < lengths[:, None]) & (t >= torch.clamp(lengths[:, None] - 1, max=late))  # (N, T, M)
    found = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    padding = PADDING[:channels, None, None, None]
    return Clips(torch.where(there[:, None, None, :, None], found, padding), lengths)


def trained(network):
    """Move all weights and statistics away from zeros and ones; return the network in evaluation mode."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not key.endswith((".A", "noise")):
                tensor.add_(torch.rand(tensor.shape, generator=generator) - 0.4, alpha=0.2)
    return network.eval()


def assert_equal(network, batch, dtype=torch.float64, tolerance=1e-9):
    """The plain network and the compact one score and pool alike, relative to what is pooled.

    In float64, so that only what is inexact can differ: untrained networks amplify the rounding of float32 at will.
    """
    network, batch = network.to(dtype), Clips(batch.streams.to(dtype), batch.lengths)
    plain, fast = Plain(network), compact(network)
    assert isinstance(fast, Compact)
    with torch.inference_mode():
        for found, expected in ((fast(batch), plain(batch)), (fast.pool(batch), plain.pool(batch))):
            torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * max(1.0, float(expected.abs().max())))


TYPICAL = clips([[40, 0], [0, 0], [96, 7], [13, 30], [41, 0]])


@pytest.mark.parametrize("layer", TEMPORAL_LAYERS)
@pytest.mark.parametrize("size", ["B0", "B2"])
def test_every_temporal_layer_is_served(build, layer, size):
    assert_equal(trained(build(**SMALL, layer=layer, size=size)), TYPICAL)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_attention_is_served(build, attention):
    assert_equal(trained(build(**SMALL, attention=attention)), TYPICAL)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_served(build, activation):
    assert_equal(trained(build(**SMALL, activation=activation)), TYPICAL)


@pytest.mark.parametrize(
    "changes",
    [
        {"residual": False},
        {"learn_edges": False},
        {"bias": False},
        {"layer": "Sep", "expand_ratio": 2, "reduct_ratio": 4},
        {"kernel": (1, 1)},
        {"fusion_stage": 0},
        {"fusion_stage": 3},
    ],
    ids=str,
)
def test_every_option_is_served(build, changes):
    assert_equal(trained(build(**SMALL | changes)), TYPICAL)


@pytest.mark.parametrize(("size", "changes"), [("B0", {}), ("B4", {}), ("B0", {"layer": "Sep", "expand_ratio": 2})])
def test_the_published_networks_are_served(build, size, changes):
    batch = clips([[40, 0], [0, 150]], frames=288)
    assert_equal(trained(build(size=size, **changes)), batch, torch.float32, 1e-5)


ONE_STREAM = {
    "ST-GCN++": {},
    "ST-GCN": {"adaptive": "importance", "gcn_residual": False, "temporal": "unit"},
    "MB-ST-GCN": {},  # looks at all frames: only persons and normalisations are saved
    "ST-GCN-2s": {"adaptive": "offset", "temporal": "unit", "data_bn": "VC", "conv_pos": "post"},
}


def one_stream(name, **changes):
    adjacency = torch.rand(3, 25, 25, generator=torch.Generator().manual_seed(0)) / 25
    shape = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 5, "base_channels": 16}
    return trained(MODELS[name](adjacency=adjacency, **shape, **changes))


@pytest.mark.parametrize("name", ONE_STREAM)
def test_one_stream_networks_are_served(name):
    batch = clips([[20, 0], [0, 0], [128, 2], [13, 30]], frames=200, streams=1, channels=3)
    assert_equal(one_stream(name, **ONE_STREAM[name]), batch)


@pytest.mark.parametrize("name", ["AAGCN", "2s-AGCN", "CTR-GCN"])
def test_networks_whose_persons_depend_on_each_other_stay_plain(name):
    network, batch = one_stream(name), clips([[20, 0], [9, 9]], frames=24, streams=1, channels=3)
    fast = compact(network)
    assert type(fast) is Plain
    with torch.inference_mode():
        torch.testing.assert_close(fast(batch), network(batch.streams), rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def small(build):
    """A network with a temporal radius of 18 and a stride of 4."""
    network = trained(build(**SMALL))
    assert (network.temporal_radius, network.temporal_stride) == (18, 4)
    return network


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4),
    frames=st.integers(FRAMES, FRAMES + 5),
    late=st.integers(0, 50),
)
def test_any_lengths_gaps_and_late_persons(small, lengths, frames, late):
    assert_equal(small, clips(lengths, frames=frames, late=late), torch.float32, 1e-5)


def test_one_object_serves_batches_of_other_lengths(small):
    plain, fast = Plain(small), compact(small)
    with torch.inference_mode():
        for frames in (96, 40, 96):
            batch = clips([[30, 0], [0, 0]], frames=frames)
            torch.testing.assert_close(fast(batch), plain(batch), rtol=0, atol=1e-5)


def test_a_clip_alone_equals_the_clip_in_a_batch(small):
    fast = compact(small)
    with torch.inference_mode():
        together = fast(TYPICAL)
        pairs = zip(TYPICAL.streams, TYPICAL.lengths, strict=True)
        alone = torch.cat([fast(Clips(streams[None], lengths[None])) for streams, lengths in pairs])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)


def test_absent_persons_and_constant_frames_are_not_computed(small):
    fast, seen = compact(small), []
    forward = fast.network.forward_features
    fast.network.forward_features = lambda streams: seen.append(tuple(streams.shape)) or forward(streams)
    with torch.inference_mode():
        fast(TYPICAL)
        absent, *groups = sorted(seen, key=lambda shape: shape[3])
        assert absent == (1, 3, 6, 40, 25, 1)  # of 96: 20 until all is constant, 20 at the end
        assert sum(rows for rows, *_ in groups) == 6
        seen.clear()
        fast(clips([[0, 0], [0, 0]]))
    assert not seen


def test_the_network_stays_as_it_is_and_new_weights_need_a_new_object(small):
    before = {key: tensor.clone() for key, tensor in small.state_dict().items()}
    keys = [type(module) for module in small.modules()]
    fast = compact(small)
    with torch.inference_mode():
        old = fast(TYPICAL)
        small.classifier.fc.bias += 1
        assert torch.equal(fast(TYPICAL), old)
        torch.testing.assert_close(compact(small)(TYPICAL), old + 1, rtol=0, atol=1e-5)
        small.classifier.fc.bias -= 1
    assert [type(module) for module in small.modules()] == keys
    torch.testing.assert_close(small.state_dict(), before)


def test_every_layer_of_a_served_network_declares_its_radius(small):
    """A layer that couples frames and does not say so would make results wrong in silence."""
    served = [*small.input_branches[0].children(), *small.main_stream]
    assert all(isinstance(each, Layer) for each in served if not isinstance(each, torch.nn.BatchNorm2d))
    assert TwoStreamSTGCN.temporal_stride and Compact(small).omission.stride == 4


@given(
    live=st.integers(0, 300), frames=st.integers(1, 300), radius=st.integers(0, 80), stride=st.sampled_from([1, 2, 4])
)
def test_what_is_left_out_is_constant_and_whole_strides(live, frames, radius, stride):
    live = min(live, frames)
    omission = Omission(stride)
    omission.choose(live, frames, radius)
    assert omission.frames + omission.dropped == frames and omission.dropped >= 0
    if omission.dropped:
        assert omission.dropped % stride == omission.start % stride == 0
        assert omission.start >= live + radius and omission.start + omission.dropped + radius <= frames - 1
    most = frames - live - 2 * radius - 1
    assert omission.dropped >= most - 2 * (stride - 1)
    for s in (s for s in (1, 2, 4) if s <= stride):
        x = torch.zeros(1, 1, -(-omission.frames // s), 1)
        weights = omission.weights(x) * -(-frames // s)
        assert weights.sum().item() == pytest.approx(-(-frames // s), rel=1e-5)
        expected = 1 + omission.dropped // s
        if omission.dropped:
            assert weights[omission.start // s].item() == pytest.approx(expected, rel=1e-4)
