"""MB-ST-GCN, whose weights nobody published, against a slow and plain version of itself."""

import copy

import pytest
import torch

import config
from model import MODELS
from model.multibranch import MBSTGCN


def build(num_joints=5, small=True, **changes):
    """Build a network; a small one has weights away from their initial zeros and ones, and statistics of some clips."""
    options = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 4}
    torch.manual_seed(0)
    adjacency = torch.rand(3, num_joints, num_joints) / num_joints
    network = MBSTGCN(adjacency=adjacency, **options | ({"base_channels": 32} if small else {}) | changes)
    if small:
        settle(network, num_joints)
    return network.eval()


@torch.no_grad()
def settle(network, num_joints):
    for parameter in network.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    normalisations = [module for module in network.modules() if hasattr(module, "running_mean")]
    for momentum in (1.0, 0.1):
        for module in normalisations:
            module.momentum = momentum
        network.train()(torch.randn(4, 1, 3, 20, num_joints, 2))


def clips(num=2, frames=13, joints=5):
    return torch.randn(num, 1, 3, frames, joints, 2, generator=torch.Generator().manual_seed(0))


class Plain:
    """The same function in loops and einsum, of nothing but the weights."""

    def __init__(self, state, training):
        self.state, self.training = state, training

    def normalise(self, x, key):
        """Returns x (N, C, T, V) normalised by its own statistics or the stored ones, scaled and shifted."""
        weight, bias, mean, var = (
            self.state[f"{key}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
        )
        if self.training:
            mean = x.mean((0, 2, 3))
            var = ((x - mean[:, None, None]) ** 2).mean((0, 2, 3))
        scale = weight / (var + 1e-5).sqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + bias[:, None, None]

    def mix(self, x, key):
        """Returns a 1x1 convolution of x."""
        weight, bias = self.state[f"{key}.weight"], self.state[f"{key}.bias"]
        return torch.einsum("nctv,dc->ndtv", x, weight[:, :, 0, 0]) + bias[:, None, None]

    def dilated(self, x, key, dilation, stride):
        weight, bias = self.state[f"{key}.weight"], self.state[f"{key}.bias"]
        frames = []
        for t in range(0, x.shape[2], stride):
            out = bias[:, None].expand(len(x), -1, x.shape[3])
            for j in range(3):
                if 0 <= (source := t + (j - 1) * dilation) < x.shape[2]:
                    out = out + torch.einsum("ncv,dc->ndv", x[:, :, source], weight[:, :, j, 0])
            frames.append(out)
        return torch.stack(frames, dim=2)

    def temporal(self, x, key, stride):
        parts = []
        for branch in range(5):
            start = f"{key}.branches.{branch}"
            inner = self.normalise(self.mix(x, f"{start}.0"), f"{start}.1").relu()
            if branch < 4:
                parts.append(self.dilated(inner, f"{start}.3.conv", branch + 1, stride))
            else:
                windows = [inner[:, :, max(t - 1, 0) : t + 2] for t in range(0, x.shape[2], stride)]
                parts.append(torch.stack([window.max(2).values for window in windows], dim=2))
        parts.append(self.mix(x[:, :, ::stride], f"{key}.branches.5"))
        x = self.normalise(torch.cat(parts, dim=1), f"{key}.transform.0").relu()
        return self.normalise(self.mix(x, f"{key}.transform.2"), f"{key}.bn")

    def graph(self, x, key):
        names = ("A", "noise", "scale", "PA", "se.fc1.weight", "se.fc2.weight")
        adjacency, noise, scale, factors, squeeze, excite = (self.state[f"{key}.{name}"] for name in names)
        mixed = self.mix(x, f"{key}.conv").chunk(3, dim=1)
        y = 0
        for k in range(3):
            y = y + torch.einsum("nctv,vw->nctw", mixed[k], (adjacency[k] + scale * noise[k]) * factors[k])
        mean = y.sum((2, 3)) / (y.shape[2] * y.shape[3])
        weight = 1 / (1 + torch.exp(-(mean @ squeeze.T).clamp(min=0) @ excite.T))
        return self.normalise(y * weight[:, :, None, None], f"{key}.bn")

    def residual(self, x, number, stride):
        key = f"backbone.gcn.{number}.residual"
        if number == 0:
            return 0
        return x if number not in (4, 7) else self.normalise(self.mix(x[:, :, ::stride], f"{key}.conv"), f"{key}.bn")

    def __call__(self, streams):
        rows = torch.cat([streams[n, :, :, :, :, m] for n in range(len(streams)) for m in range(2)])  # (NM, C, T, V)
        coordinates = rows.permute(0, 3, 1, 2).flatten(1, 2).unsqueeze(3)  # (NM, VC, T, 1)
        x = self.normalise(coordinates, "backbone.data_bn").view(len(rows), rows.shape[3], 3, -1).permute(0, 2, 3, 1)
        for number in range(10):
            stride = 2 if number in (4, 7) else 1
            y = self.graph(x, f"backbone.gcn.{number}.gcn")
            y = self.temporal(y, f"backbone.gcn.{number}.tcn", stride)
            x = (y + self.residual(x, number, stride)).relu()
        pooled = x.mean((2, 3)).view(len(streams), 2, -1).mean(1)
        return pooled @ self.state["cls_head.fc_cls.weight"].T + self.state["cls_head.fc_cls.bias"]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@torch.no_grad()
def test_the_logits_are_those_of_the_plain_version(training, precision, tolerance):
    network, streams = build().to(precision).train(training), clips()
    state = {key: value.double().clone() for key, value in network.state_dict().items()}
    expected = Plain(state, training)(streams.double())
    assert (expected[0] - expected[1]).abs().max() > 1e-3
    found = network(streams.to(precision)).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * max(1, expected.abs().max().item()))


# --- the noise


def test_the_noise_is_its_own_seeds_and_lies_beside_the_adjacency():
    torch.manual_seed(1)
    first = build(num_joints=25, noise_seed=3).backbone["gcn"]
    torch.rand(1)
    again, other = build(num_joints=25, noise_seed=3).backbone["gcn"], build(num_joints=25).backbone["gcn"]
    noise = first[0].gcn.noise
    assert noise.shape == (3, 25, 25)
    assert noise.mean().item() == pytest.approx(0.05, abs=0.02)
    assert noise.std().item() == pytest.approx(0.2, abs=0.02)
    assert all(torch.equal(noise, block.gcn.noise) for block in (*first, *again))
    assert not torch.equal(noise, other[0].gcn.noise)
    torch.manual_seed(0)
    assert torch.equal(first[0].gcn.A, torch.rand(3, 25, 25) / 25)  # as it was given


def test_the_noise_is_in_the_state_dict_and_not_trained():
    first, second = build(noise_seed=1), build(noise_seed=2)
    second.load_state_dict(first.state_dict(), strict=True)
    assert torch.equal(second.backbone["gcn"][9].gcn.noise, first.backbone["gcn"][9].gcn.noise)
    assert not [name for name, _ in first.named_parameters() if name.endswith((".noise", ".A"))]


def test_one_scale_serves_all_blocks_in_copies_too():
    network = build(small=False)
    for each in (network, copy.deepcopy(network)):
        scales = [value for name, value in each.named_parameters() if name.endswith(".scale")]
        assert [scale.tolist() for scale in scales] == [[1.0]]
        with torch.no_grad():
            scales[0].fill_(0)
        for block in each.backbone["gcn"]:
            torch.testing.assert_close(block.gcn.adjacency, block.gcn.A)


def test_a_second_network_of_a_process_is_like_the_first():
    first, second = build(), build()
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())
    with torch.device("meta"):
        assert build(small=False).state_dict().keys() == first.state_dict().keys()


# --- what is asked of every network


def test_its_section_says_what_it_takes():
    section = config.MBSTGCN(name="MB-ST-GCN", noise_mean=0.5, noise_std=0.0)
    shape = {"num_streams": 1, "in_channels": 3, "num_persons": 2, "num_classes": 5}
    network = MODELS[section.name](adjacency=torch.zeros(3, 4, 4), parts=None, **shape, **section.arguments())
    assert (network.backbone["gcn"][0].gcn.noise == 0.5).all()
    assert network.classifier_weight.shape == (5, 256)
    assert [block.gcn.se.fc1.out_features for block in network.parts.blocks] == [4] * 4 + [8] * 3 + [16] * 3


@pytest.mark.parametrize("training", [False, True])
def test_every_parameter_gets_a_gradient(training):
    network = build(base_channels=64).train(training)  # of fewer that weigh channels, all may be 0
    network(clips()).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any() or training, name  # trained, a summand before a normalisation has no effect


@torch.no_grad()
def test_a_clip_alone_equals_the_clip_in_a_batch():
    network, streams = build(), clips(num=3)
    together = network(streams)
    alone = torch.cat([network(clip[None]) for clip in streams])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5 * max(1, together.abs().max().item()))


@torch.no_grad()
def test_persons_are_independent_and_all_frames_are_seen():
    network, streams = build(), clips(frames=200)
    assert network.persons_independent
    assert network.temporal_radius is None
    features = network.forward_features(streams)
    swapped = network.forward_features(streams.flip(-1)).flip(-1)
    torch.testing.assert_close(swapped, features, rtol=0, atol=1e-4 * features.abs().max().item())
    changed = streams.clone()
    changed[:, :, :, 0] += 1
    assert (network.forward_features(changed) - features)[..., 0, :].abs().amax((0, 1, 3)).all()


def test_its_weights_are_those_of_st_gcn_pp_but_for_the_graph_layers():
    found = sum(parameter.numel() for parameter in build(num_joints=25, small=False, num_classes=60).parameters())
    convolved = sum(out * (channels + 1) + 2 * out for channels, out in ((3, 64), (64, 128), (128, 256)))  # residuals
    weighing = sum(blocks * 2 * channels * channels // 16 for blocks, channels in ((4, 64), (3, 128), (3, 256)))
    assert found == 1_403_144 - convolved + weighing + 1
