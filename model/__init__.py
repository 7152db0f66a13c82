"""Networks: streams (N, I, C, T, V, M) in, logits (N, K) out. They know no devices, files or configs."""

from torch import nn

from model.efficientgcn import EfficientGCN

MODELS: dict[str, type[nn.Module]] = {"EfficientGCN": EfficientGCN}
