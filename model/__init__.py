"""Networks: streams (N, I, C, T, V, M) in, logits (N, K) out. They know no devices, files or configs."""

from torch import nn

from model.aagcn import AAGCN
from model.agcn import AGCN
from model.ctrgcn import CTRGCN
from model.efficientgcn import EfficientGCN
from model.stgcn import STGCN

MODELS: dict[str, type[nn.Module]] = {
    "EfficientGCN": EfficientGCN,
    "ST-GCN": STGCN,
    "ST-GCN++": STGCN,
    "AAGCN": AAGCN,
    "2s-AGCN": AGCN,
    "CTR-GCN": CTRGCN,
}
