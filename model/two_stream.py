"""Two-stream ST-GCN (the code of Yan et al. 2018): one network reads the joints, another one their motion.

Letters: N clips, C channels, T frames, V joints, M persons, K classes.
"""

from typing import Any

import torch
from torch import Tensor, nn

from model.stgcn import STGCN


class TwoStreamSTGCN(nn.Module):
    """Streams (N, 1, C, T, V, M) -> logits (N, K), the sum of two ST-GCNs' that share nothing.

    Their keys begin with the original's names, `origin_stream.` and `motion_stream.`. The features of the two are
    joined along the channels, and so are the weights of their classifiers.

    Args:
        options: what an `STGCN` takes, for both.

    Raises:
        ValueError: as `STGCN`.
    """

    head = ("origin_stream.cls_head.", "motion_stream.cls_head.")

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.origin_stream, self.motion_stream = STGCN(**options), STGCN(**options)
        self.persons_independent = self.origin_stream.persons_independent

    @property
    def temporal_radius(self) -> int:
        """Input frames to either side that a frame of the features sees."""
        return self.motion_stream.temporal_radius + 1

    @property
    def temporal_stride(self) -> int:
        """Input frames from one frame of the features to the next."""
        return self.motion_stream.temporal_stride

    @property
    def classifier_weight(self) -> Tensor:
        """The (K, 2C') weights of the two classifiers, side by side."""
        return torch.cat([self.origin_stream.classifier_weight, self.motion_stream.classifier_weight], dim=1)

    def forward(self, streams: Tensor) -> Tensor:
        """Return the logits (N, K) of `streams` (N, 1, C, T, V, M); ValueError where the shape does not fit."""
        return self.forward_head(self.forward_features(streams))

    def forward_features(self, streams: Tensor) -> Tensor:
        """Return the features (N, 2C', T', V, M) of `streams` (N, 1, C, T, V, M)."""
        origin = self.origin_stream.forward_features(streams)
        return torch.cat([origin, self.motion_stream.forward_features(uneven_motion(streams))], dim=1)

    def pool(self, features: Tensor) -> Tensor:
        """Return the mean (N, 2C') of `features` (N, 2C', T', V, M) over frames, joints and persons."""
        return features.mean((2, 3, 4))

    def forward_head(self, features: Tensor) -> Tensor:
        """Return the logits (N, K) of `features` (N, 2C', T', V, M)."""
        origin, motion = features.chunk(2, dim=1)
        return self.origin_stream.forward_head(origin) + self.motion_stream.forward_head(motion)


def uneven_motion(streams: Tensor) -> Tensor:
    """Return how far every value is from the mean of its two neighbours in time: (N, I, C, T, V, M), the same shape.

    0 in the first and the last frame. All channels are treated alike, as in the original: so the score of a 2D joint
    becomes a difference, too, and a joint that goes missing jumps.
    """
    motion = torch.zeros_like(streams)
    before, here, after = streams[:, :, :, :-2], streams[:, :, :, 1:-1], streams[:, :, :, 2:]
    motion[:, :, :, 1:-1] = here - 0.5 * after - 0.5 * before
    return motion
