"""From the key names of other projects to those of our networks: pure functions on state dicts.

The networks have PYSKL's names (AGCN: BABEL's; EfficientGCN: its original's). mmaction2 1.x differs in the classifier,
mmaction2 0.x and the original ST-GCN in everything, Paddle in the statistics and the classifier.
"""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

# original ST-GCN (yysijie, and mmaction2 0.x under `backbone.`) -> PYSKL; the blocks are the same function
ORIGINAL_NAMES = {
    r"(?:backbone\.)?data_bn\.": "backbone.data_bn.",
    r"(?:backbone\.)?st_gcn_networks\.(\d+)\.gcn\.conv\.": r"backbone.gcn.\1.gcn.conv.",
    r"(?:backbone\.)?st_gcn_networks\.(\d+)\.tcn\.0\.": r"backbone.gcn.\1.gcn.bn.",
    r"(?:backbone\.)?st_gcn_networks\.(\d+)\.tcn\.2\.": r"backbone.gcn.\1.tcn.conv.",
    r"(?:backbone\.)?st_gcn_networks\.(\d+)\.tcn\.3\.": r"backbone.gcn.\1.tcn.bn.",
    r"(?:backbone\.)?st_gcn_networks\.(\d+)\.residual\.0\.": r"backbone.gcn.\1.residual.conv.",
    r"(?:backbone\.)?st_gcn_networks\.(\d+)\.residual\.1\.": r"backbone.gcn.\1.residual.bn.",
    r"(?:backbone\.)?edge_importance\.(\d+)$": r"backbone.gcn.\1.gcn.PA",
    r"(?:fcn|cls_head\.fc)\.": "cls_head.fc_cls.",
}
MMACTION2_NAMES = {r"cls_head\.fc\.": "cls_head.fc_cls."}
PADDLE_NAMES = {
    r"(.*)\b_mean$": r"\1running_mean",
    r"(.*)\b_variance$": r"\1running_var",
    r"head\.fc_cls\.": "cls_head.fc_cls.",
}

TWO_STREAMS = ("origin_stream.", "motion_stream.")  # before the keys of an original two-stream ST-GCN, and of ours
CLASSIFIER = "cls_head.fc_cls"
PADDLE_CLASSIFIER = "head.fc_cls"
LEARNED_ELSEWHERE = ("gcn.A",)  # PaddleVideo's ST-GCN++ keeps the adjacency out of its parameters


def with_our_names(state: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """Return the form of torch weights, "state-dict" where no other is known, and the weights under our names.

    Raises:
        ValueError: if the names are of a known form, and something of it is missing.
    """
    if state and all(key.startswith(TWO_STREAMS) for key in state):
        return _of_two_streams(state)
    if any("st_gcn_networks." in key for key in state):
        form = "mmaction2-0.x" if any(key.startswith("backbone.") for key in state) else "st-gcn"
        return form, _from_original(state)
    if any(key.startswith("cls_head.fc.") for key in state):
        return "mmaction2", rename(state, MMACTION2_NAMES)
    if any(key.startswith(CLASSIFIER) for key in state):
        return "pyskl", dict(state)
    return ("2s-agcn" if "l1.gcn1.PA" in state else "state-dict"), dict(state)


def from_paddle(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return Paddle's weights under torch's names, and the ends of the keys that such a file never has.

    Key by key: some files are converted by half.

    Raises:
        ValueError: if a weight is there under both names.
    """
    renamed = rename(state, PADDLE_NAMES)
    if f"{CLASSIFIER}.weight" in renamed:
        named_by_paddle = f"{PADDLE_CLASSIFIER}.weight" in state
        weight, num_classes = renamed[f"{CLASSIFIER}.weight"], len(renamed.get(f"{CLASSIFIER}.bias", ()))
        if weight.shape[1] == num_classes and (named_by_paddle or weight.shape[0] != num_classes):
            renamed[f"{CLASSIFIER}.weight"] = weight.T.contiguous()  # Paddle's is (C, K), torch's (K, C)
    for key in [key for key in renamed if key.endswith(".running_var")]:
        renamed.setdefault(key.replace("running_var", "num_batches_tracked"), torch.tensor(0))  # Paddle counts none
    return renamed, LEARNED_ELSEWHERE if f"{CLASSIFIER}.weight" in renamed else ()


def rename(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Return `state` with the keys that begin like a pattern of `names` renamed; ValueError if two become one."""
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        patterns = [pattern for pattern in names if re.match(pattern, key)]
        name = re.sub(f"^{patterns[0]}", names[patterns[0]], key) if patterns else key
        if name in renamed:
            raise ValueError(f"holds '{name}' twice, under two names")
        renamed[name] = tensor
    return renamed


def _of_two_streams(state: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """Return the form of the networks in a two-stream network, and the weights of both under our names."""
    form, renamed = "state-dict", dict[str, Tensor]()
    for prefix in TWO_STREAMS:
        part = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        form, weights = with_our_names(part)
        renamed |= {prefix + key: tensor for key, tensor in weights.items()}
    return form, renamed


def _from_original(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return an original ST-GCN as PYSKL's, where every block has a copy of the file's adjacency.

    That adjacency is not the one PYSKL makes of the same skeleton, so it has to come from the file.
    """
    weights = dict(state)
    adjacency = weights.pop("A", weights.pop("backbone.A", None))
    if adjacency is None:
        raise ValueError("an ST-GCN of the original's form without its adjacency A")
    renamed = rename(weights, ORIGINAL_NAMES)
    for block in _blocks(renamed):
        renamed[f"backbone.gcn.{block}.gcn.A"] = adjacency.clone()
    weight = renamed.get(f"{CLASSIFIER}.weight")
    if weight is not None:
        renamed[f"{CLASSIFIER}.weight"] = weight.flatten(1)  # (K, C, 1, 1)
    return renamed


def _blocks(keys: Iterable[str]) -> list[str]:
    """Return the numbers of the blocks."""
    return sorted({match[1] for key in keys if (match := re.match(r"backbone\.gcn\.(\d+)\.", key))})
