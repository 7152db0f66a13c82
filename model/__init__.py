"""Networks: streams (N, I, C, T, V, M) in, logits (N, K) out. They know no devices, files or configs."""

from torch import nn

from model.aagcn import AAGCN
from model.agcn import AGCN
from model.ctrgcn import CTRGCN
from model.efficientgcn import EfficientGCN
from model.multibranch import MBSTGCN
from model.stgcn import STGCN
from model.two_stream import TwoStreamSTGCN

MODELS: dict[str, type[nn.Module]] = {
    "EfficientGCN": EfficientGCN,
    "ST-GCN": STGCN,
    "ST-GCN++": STGCN,
    "ST-GCN-2s": TwoStreamSTGCN,
    "MB-ST-GCN": MBSTGCN,
    "AAGCN": AAGCN,
    "2s-AGCN": AGCN,
    "CTR-GCN": CTRGCN,
}
