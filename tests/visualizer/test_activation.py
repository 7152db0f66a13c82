"""Class activation maps: what they add up to, in every network, and where they lie in time."""

import numpy as np
import pytest
import torch

import config
from dataset.layouts import load_layout
from dataset.streams import stream_channels
from initializer.network import build_model
from model import MODELS
from visualizer.activation import class_maps, joint_means, over_frames

NUMBERS = {"ST-GCN": "1001", "EfficientGCN": "2001", "ST-GCN++": "3001", "AAGCN": "4011", "2s-AGCN": "4001"}
NUMBERS |= {"CTR-GCN": "5001", "ST-GCN-2s": "1004", "MB-ST-GCN": "1005"}
THIN = "model.base_channels=12"


@pytest.fixture
def build():
    """Builds the network of an experiment with 5 classes and random weights; returns it with streams (2, I, C, 12, V, M)."""

    def make(number):
        experiment = config.load(number, ["model.stem_channels=8" if number == "2001" else THIN])
        torch.manual_seed(0)
        network = build_model(experiment, 5).eval()
        for key, value in network.named_parameters():
            if key.startswith(network.head):
                torch.nn.init.normal_(value)
        names, joint = experiment.input.stream_names, len(experiment.data.channel_names)
        num_joints = load_layout(experiment.data.layout).num_joints
        shape = (2, len(names), stream_channels(names, joint), 12, num_joints, experiment.input.persons)
        return network, torch.randn(shape)

    return make


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_the_mean_of_a_map_is_the_logit_but_for_the_bias(name, build):
    network, streams = build(NUMBERS[name])
    assert type(network) is MODELS[name]
    features = network.forward_features(streams)
    biases = [
        value for key, value in network.named_parameters() if key.startswith(network.head) and key.endswith("bias")
    ]
    logits = network(streams) - sum(biases)
    for label in range(5):
        maps = class_maps(features, network.classifier_weight, torch.tensor([label, label]))
        assert maps.shape == (2, features.shape[2], *streams.shape[4:])
        torch.testing.assert_close(maps.mean((1, 2, 3)), logits[:, label], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_maps_of_the_published_weights_are_those_of_the_originals_features(goldens):
    found = np.load(goldens / "models" / "real_seed_xsub_2001.npz")
    branches = np.load(goldens / "models" / "input_realistic_n4.npz")["branches"]  # (N, I, C, T, V, M)
    weights = torch.load(goldens / "weights" / "seed_xsub_2001.pt", weights_only=True)
    network = build_model(config.load("2001"), 60).eval()
    network.load_state_dict(weights)
    classes = torch.from_numpy(found["logits"].argmax(axis=1))
    maps = class_maps(network.forward_features(torch.from_numpy(branches)), network.classifier_weight, classes)
    assert maps.shape == (4, 72, 25, 2)
    weight = weights["classifier.fc.weight"].numpy().reshape(60, -1)
    for n, label in enumerate(classes.tolist()):  # the original's result, on what the golden keeps of its features
        plain = sum(weight[label, c] * found["feature_slice"][n, c] for c in range(weight.shape[1]))
        np.testing.assert_allclose(maps[n, ::8, ::5].numpy(), plain, rtol=0, atol=1e-4)


def test_every_clip_gets_the_map_of_its_own_class():
    features, weight = torch.randn(3, 4, 2, 5, 2), torch.randn(6, 4)
    maps = class_maps(features, weight, torch.tensor([5, 0, 5]))
    for n, t, v, m in [(0, 0, 0, 0), (1, 1, 4, 1), (2, 0, 3, 1)]:
        plain = sum(float(weight[[5, 0, 5][n], c] * features[n, c, t, v, m]) for c in range(4))
        assert float(maps[n, t, v, m]) == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize(("steps", "frames"), [(72, 288), (5, 20), (3, 10), (7, 7), (1, 4), (13, 50), (1, 1)])
def test_every_step_covers_its_share_of_the_frames(steps, frames):
    shown = over_frames(torch.arange(steps)[None, :, None, None], frames)[0, :, 0, 0]
    assert shown.shape == (frames,) and (shown.diff() >= 0).all()
    shares = torch.bincount(shown, minlength=steps)
    assert shares.min() >= frames // steps and shares.max() <= -(-frames // steps)
    if frames == 4 * steps:
        assert shown.tolist() == [t // 4 for t in range(frames)]  # as the original


def test_padding_does_not_count_among_the_joints():
    maps, lengths = torch.randn(3, 6, 4, 2), torch.tensor([[6, 2], [3, 0], [0, 0]])
    means = joint_means(maps, lengths)
    torch.testing.assert_close(means[0], torch.cat([maps[0, :, :, 0], maps[0, :2, :, 1]]).double().mean(0))
    torch.testing.assert_close(means[1], maps[1, :3, :, 0].double().mean(0))
    assert means[2].isnan().all()
