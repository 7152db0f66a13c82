import pytest
import torch

from model import MODELS, EfficientGCN
from model.attention import ATTENTIONS
from model.efficientgcn import Block, scale_blocks
from model.layers import ACTIVATIONS
from model.temporal import TEMPORAL_LAYERS

BLOCKS = [(48, 1, 0.5), (24, 1, 0.5), (64, 2, 1), (128, 2, 1)]
SMALL = {"stem_channels": 16, "blocks": [(16, 1, 1), (32, 2, 1)], "fusion_stage": 1, "num_classes": 5}
SCALE = (1.2, 1.35)


def clips(num=2, frames=16, seed=0):
    """Streams of random clips with two persons; the second person of the last clip is absent."""
    streams = torch.randn(num, 3, 6, frames, 25, 2, generator=torch.Generator().manual_seed(seed))
    streams[-1, ..., 1] = 0
    return streams


def assert_trains(network):
    """Forward and backward give finite logits and a gradient for every trained parameter."""
    logits = network.train()(clips())
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    for key, parameter in network.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key
        assert parameter.grad is None or parameter.grad.isfinite().all(), key


def test_the_table_names_the_network():
    assert MODELS["EfficientGCN"] is EfficientGCN


@pytest.mark.parametrize("layer", TEMPORAL_LAYERS)
def test_every_temporal_layer_trains(build, layer):
    assert_trains(build(**SMALL, layer=layer))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_attention_trains(build, attention):
    assert_trains(build(**SMALL, attention=attention))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains(build, activation):
    assert_trains(build(**SMALL, activation=activation))


@pytest.mark.parametrize(
    "changes",
    [
        {"residual": False},
        {"learn_edges": False},
        {"bias": False},
        {"layer": "Sep", "expand_ratio": 2},
        {"kernel": (3, 1)},
        {"num_streams": 3, "fusion_stage": 0},
        {"fusion_stage": 2},
    ],
)
def test_every_option_trains(build, changes):
    assert_trains(build(**SMALL | changes))


def test_without_residuals_no_key_names_one(build):
    assert not [key for key in build(**SMALL, residual=False).state_dict() if "residual" in key]


def test_without_attention_no_key_names_one(build):
    assert not [key for key in build(**SMALL, attention="none").state_dict() if "_att" in key]


def test_adjacency_and_part_numbers_are_not_trained(build):
    frozen = {
        key.rpartition(".")[2]
        for key, parameter in build(attention="pa").named_parameters()
        if not parameter.requires_grad
    }
    assert frozen == {"A", "joints"}


@pytest.mark.parametrize("attention", ATTENTIONS)
@torch.no_grad()
def test_a_clip_alone_equals_the_clip_in_a_batch(build, attention):
    network, streams = build(attention=attention), clips(num=3, frames=32)
    together = network(streams)
    alone = torch.cat([network(clip[None]) for clip in streams])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)


@torch.no_grad()
def test_persons_do_not_see_each_other_before_the_mean(build):
    network, streams = build(), clips()
    assert network.persons_independent
    features = network.forward_features(streams)
    swapped = network.forward_features(streams.flip(-1))
    torch.testing.assert_close(swapped.flip(-1), features, rtol=0, atol=1e-5)


@torch.no_grad()
def test_an_absent_person_counts_in_the_mean(build):
    network = build()
    network.input_branches[0].init_bn.bias.fill_(0.5)  # as after training: nothing maps zeros to zeros
    features = network.forward_features(clips())
    assert features[-1, ..., 1].abs().sum() > 0
    expected = features.mean((2, 3, 4))
    torch.testing.assert_close(network.pool(features), expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_the_head_is_the_classifier_weight_times_the_mean(build):
    network = build()
    features = network.forward_features(clips())
    assert features.shape == (2, 128, 4, 25, 2)
    logits = network.pool(features) @ network.classifier_weight.T + network.classifier.fc.bias
    torch.testing.assert_close(network.forward_head(features), logits, rtol=0, atol=1e-6)
    assert network.classifier_weight.shape == (60, 128)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("B0", [(48, 1, 0), (32, 1, 0), (64, 2, 1), (128, 2, 1)]),
        ("B2", [(64, 1, 1), (32, 1, 1), (96, 2, 2), (192, 2, 2)]),
        ("B4", [(96, 1, 2), (48, 1, 2), (128, 2, 3), (272, 2, 3)]),
    ],
)
def test_sizes_scale_as_the_paper_has_it(size, expected):
    assert scale_blocks(BLOCKS, size, SCALE) == [Block(*block) for block in expected]


def test_size_b10_is_ten_and_not_zero():
    assert scale_blocks([(64, 2, 1)], "B10", SCALE) == [Block(400, 2, 20)]


@pytest.mark.parametrize("size", ["10", "B", "Bx", "B-1", "C2"])
def test_a_size_that_is_no_size_is_refused(size):
    with pytest.raises(ValueError, match="size must be B and a number"):
        scale_blocks(BLOCKS, size, SCALE)


@torch.no_grad()
def test_a_block_of_depth_zero_loses_its_stride(build):
    network = build(**SMALL | {"blocks": [(16, 1, 1), (32, 2, 0)]})
    assert not [key for key in network.state_dict() if key.startswith("main_stream.block-0_tcn")]
    assert network.forward_features(clips()).shape == (2, 32, 16, 25, 2)


@pytest.mark.parametrize(("stage", "branches", "main"), [(0, 0, 4), (2, 2, 2), (4, 4, 0)])
@torch.no_grad()
def test_fusion_stage_divides_the_blocks(build, stage, branches, main):
    network = build(fusion_stage=stage)
    keys = list(network.state_dict())
    assert len([k for k in keys if k.startswith("input_branches.0.block-") and k.endswith("_scn.conv.A")]) == branches
    assert len([k for k in keys if k.startswith("main_stream.block-") and k.endswith("_scn.conv.A")]) == main
    assert network(clips()).shape == (2, 60)


@pytest.mark.parametrize(
    ("size", "changes", "radius"),
    [
        ("B0", {}, 14),
        ("B2", {}, 46),
        ("B4", {}, 78),
        ("B0", {"layer": "Sep"}, 8),
        ("B2", {"layer": "Sep"}, 24),
        ("B4", {"layer": "Sep"}, 40),
        ("B0", {"attention": "fa"}, 14 + 4 + 4 + 8 + 16),
        ("B0", {"attention": "none"}, 14),
        ("B0", {"kernel": (1, 2)}, 0),
    ],
)
def test_temporal_radius_follows_from_the_layers(build, size, changes, radius):
    assert build(size=size, **changes).temporal_radius == radius


@torch.no_grad()
def test_frames_beyond_the_radius_are_not_seen(build):
    network = build(attention="none")  # the others see all frames through a mean
    streams, frame = clips(num=1, frames=64), 32
    changed = streams.clone()
    changed[:, :, :, frame] += 1
    difference = (network.forward_features(changed) - network.forward_features(streams)).abs().amax((0, 1, 3, 4))
    seen = [abs(4 * t - frame) <= network.temporal_radius for t in range(16)]
    assert (difference > 0).tolist() == seen


@pytest.mark.parametrize("shape", [(2, 3, 6, 16, 20, 2), (2, 2, 6, 16, 25, 2), (2, 3, 3, 16, 25, 2), (3, 6, 16, 25, 2)])
def test_streams_of_another_shape_are_refused(build, shape):
    wanted = r"EfficientGCN was built for streams \(N, 3, 6, T, 25, M\), got \(" + str(shape)[1:-1]
    with pytest.raises(ValueError, match=wanted):
        build(**SMALL)(torch.zeros(shape))


def test_part_attention_without_parts_is_refused(build):
    with pytest.raises(ValueError, match="'pa' weighs body parts, and this skeleton layout names none"):
        build(**SMALL, attention="pa", parts=None)


@pytest.mark.parametrize(("kernel", "message"), [((4, 2), "even number of frames"), ((5, 11), "reaches 11 hops")])
def test_a_kernel_that_cannot_be_built_is_refused(build, kernel, message):
    with pytest.raises(ValueError, match=message):
        build(**SMALL, kernel=kernel)


def test_initial_weights_are_as_in_the_original(build):
    state = build().state_dict()
    assert state["classifier.fc.weight"].std().item() == pytest.approx(0.001, rel=0.05)
    full = state["input_branches.0.stem_tcn.conv.weight"]  # fan out 64 * 5
    assert full.std().item() == pytest.approx((2 / 320) ** 0.5, rel=0.05)
    depthwise = state["main_stream.block-1_tcn-0.depth_conv1.0.weight"]  # fan out 128 * 5, not divided by groups
    assert depthwise.std().item() == pytest.approx((2 / 640) ** 0.5, rel=0.15)
    assert all(not tensor.any() for key, tensor in state.items() if key.endswith("bias"))
    assert all((tensor == 1).all() for key, tensor in state.items() if key.endswith("edge"))
