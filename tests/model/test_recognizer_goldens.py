"""The one-stream networks, loaded through the importer, against outputs of the originals."""

import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional

from model import AAGCN, AGCN, CTRGCN, STGCN
from utils.checkpoint_import import describe_mismatch, read_checkpoint

STGCN_PLAIN = {"adaptive": "importance", "gcn_residual": False, "temporal": "unit"}
PYSKL = {
    "pyskl_stgcnpp_ntu60_3d": (STGCN, {}),
    "pyskl_stgcnpp_ntu60_hrnet": (STGCN, {}),
    "pyskl_stgcn_ntu60_3d": (STGCN, STGCN_PLAIN),
    "pyskl_aagcn_ntu60_3d": (AAGCN, {}),
    "pyskl_ctrgcn_ntu60_3d": (CTRGCN, {}),
}


@pytest.fixture
def load(shared, tmp_path):
    """Returns a golden, and its state dict as the importer reads it from a file like the original's."""

    def load(name, wrap):
        golden = torch.load(shared / "goldens" / "stgcn" / f"{name}.pt", weights_only=True)
        torch.save(wrap(golden["state_dict"]), tmp_path / "weights.pth")
        return golden, read_checkpoint(tmp_path / "weights.pth")

    return load


def mmcv(state):
    return {"meta": {"epoch": 16, "iter": 100}, "state_dict": state, "optimizer": {}}


def build(cls, streams, state, adjacency=0.0, **options):
    """Build a network for `streams` whose every adjacency is wrong, and load `state` strictly."""
    in_channels, num_joints, num_persons = streams.shape[2], streams.shape[4], streams.shape[5]
    network = cls(
        adjacency=torch.zeros(3, num_joints, num_joints) + adjacency,
        num_streams=1,
        in_channels=in_channels,
        num_persons=num_persons,
        **options,
    )
    network.load_state_dict(state, strict=True)
    return network.eval()


def assert_near(found, expected):
    expected = torch.as_tensor(expected)
    assert (found - expected).abs().max() <= 1e-4 * max(1, expected.abs().max())


@pytest.mark.parametrize("name", PYSKL)
def test_pyskl_networks_are_the_originals_also_in_training(load, name):
    cls, options = PYSKL[name]
    golden, checkpoint = load(name, mmcv)
    assert (checkpoint.form, checkpoint.epoch, checkpoint.ignored) == ("pyskl", 16, ("meta", "optimizer"))
    streams = golden["input"].permute(0, 4, 2, 3, 1).unsqueeze(1)  # from (N, M, T, V, C)
    network = build(cls, streams, checkpoint.state, num_classes=60, **options)
    with torch.no_grad():
        features = network.forward_features(streams)
        assert_near(network.pool(features), golden["feature_mean"])
        logits = network.forward_head(features)
        assert_near(logits, golden["logits"])
        assert_near(logits.softmax(1).mean(0, keepdim=True), golden["prob_avg_over_clips"])

    train = golden["train"]
    loss = functional.cross_entropy(network.train()(streams), train["labels"])
    assert loss.item() == pytest.approx(train["loss"].item(), rel=1e-4)
    assert_near(network.backbone["data_bn"].running_mean, train["data_bn_running_mean_after"])

    # The golden's norms are of float32, where rounding switches ReLUs: weights of ST-GCN++ that differ by 1e-7 of
    # themselves change single norms by 1 % and half of them by 3e-4, 1e-6 by 1.7 % (measured in float64). So: to that.
    functional.cross_entropy(network.double()(streams.double()), train["labels"]).backward()
    norms = {key: parameter.grad.norm().item() for key, parameter in network.named_parameters()}
    expected = {key: float(norm) for key, norm in train["grad_norm"].items()}
    assert norms == pytest.approx(expected, rel=2e-2, abs=1e-4 * max(expected.values()))
    assert np.median([abs(norms[key] / expected[key] - 1) for key in norms if expected[key] > 1e-3]) < 5e-4


@torch.no_grad()
def test_mmaction2_1x_networks_differ_in_the_classifiers_name(load):
    def mmengine(state):
        renamed = {key.replace("fc_cls", "fc"): value for key, value in state.items()}
        return {"meta": {"epoch": 16}, "state_dict": renamed, "message_hub": {}, "param_schedulers": []}

    golden, checkpoint = load("pyskl_stgcn_ntu60_3d", mmengine)
    assert checkpoint.form == "mmaction2"
    streams = golden["input"].permute(0, 4, 2, 3, 1).unsqueeze(1)
    assert_near(build(STGCN, streams, checkpoint.state, num_classes=60, **STGCN_PLAIN)(streams), golden["logits"])


@torch.no_grad()
def test_mmaction2_0x_networks_bring_their_adjacency(load):
    golden, checkpoint = load("mma0x_stgcn_babel60_wfl", mmcv)
    assert checkpoint.form == "mmaction2-0.x"
    streams = golden["input"].unsqueeze(1)  # from (N, C, T, V, M)
    assert_near(build(STGCN, streams, checkpoint.state, num_classes=60, **STGCN_PLAIN)(streams), golden["logits"])


@torch.no_grad()
def test_the_original_st_gcn_is_the_same_function(load):
    golden, checkpoint = load("stgcn_orig_kinetics_openpose", dict)
    assert checkpoint.form == "st-gcn"
    streams = golden["input"].unsqueeze(1)
    network = build(STGCN, streams, checkpoint.state, num_classes=400, **STGCN_PLAIN)
    features = network.forward_features(streams)
    assert_near(features[:, :8, :4], golden["extract_feature_feature_slice"])
    assert_near(network.forward_head(features), golden["logits"])
    maps = torch.einsum("nctvm,kc->nktvm", features, network.classifier_weight)
    maps += network.cls_head["fc_cls"].bias[:, None, None, None]
    assert_near(maps[:, :8, :4], golden["extract_feature_output_slice"])


@pytest.mark.parametrize("prefix", ["", "module."])
@torch.no_grad()
def test_babels_agcn_takes_its_adjacency_from_the_graph(load, prefix):
    golden, checkpoint = load("babel_agcn60_m1", lambda state: {prefix + key: state[key] for key in state})
    assert checkpoint.form == "2s-agcn"
    streams = golden["input"].unsqueeze(1)
    network = build(AGCN, streams, checkpoint.state, golden["A_fixed"].float(), num_classes=60)
    assert_near(network(streams), golden["logits"])


def test_weights_of_another_network_are_named(load):
    _, checkpoint = load("pyskl_aagcn_ntu60_3d", mmcv)
    network = STGCN(adjacency=torch.zeros(3, 25, 25), num_streams=1, in_channels=3, num_persons=2, num_classes=120)
    mismatch = describe_mismatch(network.state_dict(), checkpoint.state)
    assert "missing: backbone.gcn.0.gcn.conv.weight" in mismatch
    assert "unexpected: backbone.A, backbone.gcn.0.gcn.alpha" in mismatch
    assert "backbone.data_bn.weight (150,) for (75,)" in mismatch


# --- PaddleVideo


@pytest.fixture
def paddle(shared):
    with np.load(shared / "goldens" / "stgcn" / "paddle_stgcnpp_ntu60_hrnet.npz") as file:
        return dict(file)


def pdparams(golden, **changes):
    """Returns the content of PaddleVideo's file."""
    start = "state_dict/"
    state = {key.removeprefix(start): value.astype("f4") for key, value in golden.items() if key.startswith(start)}
    return state | {"StructuredToParameterName@@": {key: f"linear_{i}.w_0" for i, key in enumerate(state)}} | changes


def half_converted(golden):
    """Returns the same file with torch's names in every second place, and the classifier turned already."""
    renamed = {"_mean": "running_mean", "_variance": "running_var"}
    content = {}
    for i, (key, value) in enumerate(pdparams(golden).items()):
        module, _, name = key.rpartition(".")
        content[f"{module}.{renamed.get(name, name)}" if i % 2 else key] = value
    content["cls_head.fc_cls.weight"] = content.pop("head.fc_cls.weight").T
    return content


@pytest.mark.parametrize("content", [pdparams, half_converted])
@torch.no_grad()
def test_paddles_st_gcn_pp_has_no_adjacency_and_a_turned_classifier(paddle, tmp_path, content):
    path = tmp_path / "STGCN_PlusPlus_best.pdparams"
    path.write_bytes(pickle.dumps(content(paddle), protocol=4))
    checkpoint = read_checkpoint(path)
    assert (checkpoint.form, checkpoint.absent) == ("paddle", ("gcn.A",))
    assert checkpoint.state["cls_head.fc_cls.weight"].shape == (60, 256)
    streams = torch.from_numpy(paddle["input"]).flatten(0, 1).permute(0, 4, 2, 3, 1).unsqueeze(1)
    adjacency = {f"backbone.gcn.{i}.gcn.A": torch.from_numpy(paddle["A"]) for i in range(10)}
    network = build(STGCN, streams, checkpoint.state | adjacency, num_classes=60)
    missing = {key for key in network.state_dict() if key not in checkpoint.state}
    assert missing == {key for key in network.state_dict() if key.endswith(checkpoint.absent)}
    assert_near(network(streams), paddle["logits"])
