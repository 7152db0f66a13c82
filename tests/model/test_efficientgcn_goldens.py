"""EfficientGCN against outputs of the original; tolerances are those of the goldens' README."""

import json

import numpy as np
import pytest
import torch

from scheduler import Plan, cosine

CASES = [
    "B2_SG",
    "layer_Basic_b2depth",
    "layer_Bottleneck_b2depth",
    "layer_Sep_b2depth",
    "layer_SG_b2depth",
    "att_pa",
    "att_ca",
    "att_fa",
    "att_ja",
    "act_relu6",
    "opt_edge_false",
    "opt_fusion0",
    "opt_fusion4",
    "opt_inputs_BJ",
    "opt_class120",
]
SEP = {"layer": "Sep", "expand_ratio": 2, "reduct_ratio": 4}
REAL = {"seed_xsub_2001": {}, "official_2013": SEP}
KEYS = {"2001": {}, "2013": SEP}


def options_of(case):
    """The constructor's keywords for the arguments of the original in `case`."""
    args = case["model_args"]
    return {
        "num_streams": case["branches"],
        "num_classes": case["num_class"],
        "size": case["model_type"].partition("-")[2],
        "stem_channels": args["stem_channel"],
        "blocks": args["block_args"],
        "fusion_stage": args["fusion_stage"],
        "activation": args["act_type"],
        "attention": args["att_type"],
        "layer": args["layer_type"],
        "drop_prob": args["drop_prob"],
        "kernel": args["kernel_size"],
        "scale": args["scale_args"],
        "expand_ratio": args["expand_ratio"],
        "reduct_ratio": args["reduct_ratio"],
        "bias": args["bias"],
        "learn_edges": args["edge"],
    }


@pytest.fixture(scope="module")
def random_cases(goldens):
    return json.loads((goldens / "models/random/meta.json").read_text())


@pytest.fixture(scope="module")
def random_input(goldens):
    return np.load(goldens / "models/random/input_T64_n2.npz")


def load(path):
    return torch.load(path, weights_only=True)


def assert_close(found, golden, tolerance):
    torch.testing.assert_close(found, torch.as_tensor(golden), rtol=0, atol=tolerance)


def test_every_golden_case_is_tested(random_cases):
    assert set(random_cases) == set(CASES)


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_random_weights_give_the_originals_output(goldens, random_cases, random_input, build, name):
    case, golden = random_cases[name], np.load(goldens / f"models/random/{name}.npz")
    network = build(**options_of(case))
    state = load(goldens / f"models/random/{name}.pt")
    assert list(network.state_dict()) == list(state)
    network.load_state_dict(state, strict=True)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == case["trainable"]

    streams = torch.from_numpy(random_input[f"branches_{case['inputs']}"])
    features = network.forward_features(streams)
    assert list(features.shape) == golden["feature_shape"].tolist()
    assert_close(features.mean((2, 3, 4)), golden["feature_mean"], 2e-5)
    assert features.double().abs().sum().item() == pytest.approx(golden["feature_abs_sum"].item(), rel=1e-5)
    assert_close(network.forward_head(features), golden["logits"], 2e-5)
    assert_close(network.double()(streams.double()), golden["logits_float64"], 1e-10)


@pytest.mark.parametrize("name", REAL)
@torch.no_grad()
def test_published_weights_give_the_originals_output(goldens, build, name):
    golden = np.load(goldens / f"models/real_{name}.npz")
    streams = torch.from_numpy(np.load(goldens / "models/input_realistic_n4.npz")["branches"])
    network = build(**REAL[name])
    network.load_state_dict(load(goldens / f"weights/{name}.pt"), strict=True)

    features = network.forward_features(streams)
    assert list(features.shape) == golden["feature_shape"].tolist()
    assert_close(network.pool(features), golden["feature_mean"], 1e-4)
    assert_close(features[:, :, ::8, ::5, :], golden["feature_slice"], 1e-4)
    total = features.double().abs().sum().item()
    assert total == pytest.approx(golden["feature_abs_sum"].item(), rel=1e-5)
    difference = features.double().sum().item() - golden["feature_sum"].item()
    assert abs(difference) < 1e-5 * total
    assert_close(network.forward_head(features), golden["logits"], 1e-4)
    assert_close(network.double()(streams.double()), golden["logits_float64"], 1e-10)


@pytest.mark.parametrize("config", KEYS)
def test_keys_shapes_and_types_are_the_originals_in_order(goldens, build, config):
    lines = (goldens / f"models/keys_{config}.txt").read_text().splitlines()
    found = [
        f"{key}\t{tuple(tensor.shape)}\t{str(tensor.dtype).removeprefix('torch.')}"
        for key, tensor in build(**KEYS[config]).state_dict().items()
    ]
    assert found == lines


@pytest.fixture(scope="module")
def training_clips(goldens):
    data = np.load(goldens / "training/input_T64_n4.npz")
    return torch.from_numpy(data["branches"]), torch.from_numpy(data["labels"])


def train(network, streams, labels, on_first_step):
    """The goldens' twelve steps; returns losses and learning rates."""
    plan = Plan(epochs=4, steps_per_epoch=3, warmup_epochs=1)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    losses, rates = [], []
    for iteration in range(plan.steps):
        rates.append(0.1 * cosine(iteration, plan))
        optimizer.param_groups[0]["lr"] = rates[-1]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(streams), labels)
        loss.backward()
        if iteration == 0:
            on_first_step()
        optimizer.step()
        losses.append(loss.item())
    return losses, rates


TRAININGS = [
    ("SG", torch.float32, 1e-4),
    ("Sep", torch.float32, 1e-4),
    pytest.param("SG", torch.float64, 1e-10, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "dtype", "tolerance"), TRAININGS)
def test_twelve_training_steps_are_the_originals(goldens, training_clips, build, name, dtype, tolerance):
    golden = np.load(goldens / f"training/{name}.npz")
    bits = torch.finfo(dtype).bits
    network = build(**SEP if name == "Sep" else {})
    network.load_state_dict(load(goldens / f"training/{name}_init.pt"), strict=True)
    network.to(dtype).train()
    gradients = load(goldens / f"training/{name}_grad_iter0.pt")

    def compare_gradients():
        found = {key: p.grad for key, p in network.named_parameters() if p.requires_grad}
        assert list(found) == list(gradients)
        for key, gradient in gradients.items():
            assert_close(found[key].float(), gradient, 2e-6)

    streams, labels = training_clips
    losses, rates = train(network, streams.to(dtype), labels, compare_gradients)
    assert rates == pytest.approx(golden["lrs"].tolist(), abs=1e-15)
    assert losses == pytest.approx(golden[f"losses{bits}"].tolist(), abs=tolerance)
    with torch.no_grad():
        logits = network.eval()(streams.to(dtype))
    assert_close(logits, golden[f"final_eval_logits{bits}"], tolerance)
    for key, weight in load(goldens / f"training/{name}_final.pt").items():
        assert_close(network.state_dict()[key].to(weight.dtype), weight, max(tolerance, 1e-7))
