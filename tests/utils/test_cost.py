import pytest
import torch
from torch import nn

from dataset.graphs import hop_adjacency
from dataset.layouts import load_layout
from model import EfficientGCN
from utils.cost import Cost, measure

CLIP = (1, 3, 6, 288, 25, 2)
SG = {"layer": "SG", "expand_ratio": 0, "reduct_ratio": 2}
SEP = {"layer": "Sep", "expand_ratio": 2, "reduct_ratio": 4}

# size, layers, FLOPs and leaf parameters at 60 classes, leaf parameters at 120, trainable at 60, as published
TABLE = [
    ("B0", SG, 2_729_629_356, 285_576, 293_316, 306_201, "2.73G FLOPs and 0.29M Parameters"),
    ("B2", SG, 4_051_424_316, 513_840, 525_420, 534_465, "4.05G FLOPs and 0.51M Parameters"),
    ("B4", SG, 8_362_490_060, 1_099_320, 1_115_700, 1_119_945, "8.36G FLOPs and 1.10M Parameters"),
    ("B0", SEP, 3_076_126_564, 324_708, 332_448, 345_333, "3.08G FLOPs and 0.32M Parameters"),
    ("B2", SEP, 6_120_425_436, 793_776, 805_356, 814_401, "6.12G FLOPs and 0.79M Parameters"),
    ("B4", SEP, 15_239_801_388, 2_034_960, 2_051_340, 2_055_585, "15.24G FLOPs and 2.03M Parameters"),
]
IDS = [f"{row[0]}-{row[1]['layer']}" for row in TABLE]
GRAPH_MACS = {"B0": 0.605, "B2": 0.726, "B4": 0.959}  # G, left out of the published FLOPs


def build(size, layers, num_classes):
    layout = load_layout("ntu")
    return EfficientGCN(
        adjacency=torch.from_numpy(hop_adjacency(layout)).float(),
        parts=list(layout.parts.values()),
        num_streams=3,
        in_channels=6,
        num_classes=num_classes,
        size=size,
        stem_channels=64,
        blocks=[(48, 1, 0.5), (24, 1, 0.5), (64, 2, 1), (128, 2, 1)],
        fusion_stage=2,
        activation="swish",
        attention="stja",
        drop_prob=0.25,
        kernel=(5, 2),
        scale=(1.2, 1.35),
        bias=True,
        learn_edges=True,
        residual=True,
        **layers,
    )


@pytest.mark.parametrize(("size", "layers", "flops", "leaf", "leaf_120", "trainable", "published"), TABLE, ids=IDS)
def test_the_published_figures(size, layers, flops, leaf, leaf_120, trainable, published):
    cost = measure(build(size, layers, 60), CLIP)
    assert (cost.flops_thop, cost.leaf_parameters, cost.trainable_parameters) == (flops, leaf, trainable)
    assert cost.describe().startswith(f"Model profile: {published} (as thop 0.0.31 counts")

    more = measure(build(size, layers, 120), CLIP)
    channels = (leaf_120 - leaf) // 60 - 1  # one weight per channel and one bias per class
    assert (more.flops_thop, more.leaf_parameters) == (flops + 60 * (channels + 1), leaf_120)


@pytest.mark.parametrize("size", GRAPH_MACS)
def test_multiply_adds_include_the_graph_products(size):
    network = build(size, SG, 60).to("meta").eval()
    convolutions = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            module.register_forward_hook(
                lambda m, _, out: convolutions.append(out.numel() * m.weight.numel() // m.out_channels)
            )
    network(torch.empty(CLIP, device="meta"))
    without = sum(convolutions)
    assert round((measure(network, CLIP).macs - without) / 1e9, 3) == GRAPH_MACS[size]


def test_every_line_names_its_definition():
    line = Cost(2_729_629_356, 3_232_043_008, 285_576, 306_201).describe()
    assert line == (
        "Model profile: 2.73G FLOPs and 0.29M Parameters (as thop 0.0.31 counts: one multiply-add is one FLOP, graph "
        "products and adjacency left out); 3.23G multiply-adds with the graph products; 306,201 trainable parameters"
    )


def test_each_rule_by_hand():
    network = nn.Sequential(nn.Conv1d(4, 6, 3, groups=2), nn.BatchNorm1d(6), nn.ReLU(), nn.AdaptiveAvgPool1d(1))
    cost = measure(network, (1, 4, 10))  # the convolution gives 6 * 8 numbers
    assert cost.flops_thop == 48 * (2 * 3 + 1) + 2 * 48 + 0 + 6 * (8 + 1)
    assert cost.macs == 48 * 2 * 3
    assert cost.leaf_parameters == cost.trainable_parameters == 36 + 6 + 12


def test_measuring_leaves_the_model_as_it_is():
    network = build("B0", SG, 60).train()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    measure(network, CLIP)
    assert network.training
    assert all(not module._forward_hooks for module in network.modules())
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
