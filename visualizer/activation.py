"""Class activation maps: which joints, in which frames, speak for a class.

Letters: N clips, K classes, C' channels of the features, T' steps of the features, T frames, V joints, M persons.

Source: Zhou et al. 2016 for the idea; the original EfficientGCN's visualizer for the formula on skeletons.
"""

import torch
from torch import Tensor


def class_maps(features: Tensor, weight: Tensor, classes: Tensor) -> Tensor:
    """Return each clip's map of one class, (N, T', V, M): for class k the sum over c of weight[k, c] * feature[c].

    The mean of a map and the classifier's bias together are the class's logit: so a map says where the logit is from.

    Args:
        features: (N, C', T', V, M) that the classifier takes the mean of; or of one clip, for several classes.
        weight: (K, C') of the classifier.
        classes: (N,), the class asked for of every clip.
    """
    return torch.einsum("nctvm,nc->ntvm", features, weight[classes.to(weight.device)])


def over_frames(maps: Tensor, frames: int) -> Tensor:
    """Return maps (N, T', V, M) for each of T = `frames` that the network saw: (N, T, V, M).

    Every step covers its share of the frames: frame t shows step floor(t T' / T). Where T' is a quarter of T that is
    the original's t // 4; its rule fits no other network.
    """
    return maps[:, torch.arange(frames) * maps.shape[1] // frames]


def joint_means(maps: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean activation (N, V) of maps (N, T, V, M) over the frames of the persons who are there.

    NaN for a clip in which nobody is. The original sums over all frames and persons instead, the padding included: of
    an NTU clip two thirds, which say nothing of the action.

    Args:
        maps: from `over_frames`.
        lengths: (N, M), frames behind which a person is padding.
    """
    live = torch.arange(maps.shape[1], device=maps.device)[:, None] < lengths[:, None].to(maps.device)  # (N, T, M)
    total = torch.einsum("ntvm,ntm->nv", maps.double(), live.double())
    return total / live.sum((1, 2))[:, None]
