"""The program that is exported: from stored clips to logits, as evaluation does it, in tensor code alone.

Letters: N clips, S test clips of each, M persons, T frames of the longest clip, L frames that the network takes,
V joints, C channels, K classes.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from config import Config
from dataset.layouts import Layout
from dataset.loader import Pipeline
from dataset.streams import Ahead, Seen, plain_streams, score_rule
from model.folding import fold
from processor import over_test_clips

LEAST_FRAMES = 1024  # that a program takes at least, in frames: 34 s at 30 a second


def longest_clip(frames: int) -> int:
    """Return how many frames a clip may have, for a network that takes `frames`."""
    return max(LEAST_FRAMES, 2 * frames)


class Deployed(nn.Module):
    """Stored clips -> logits: person padding, sampling, normalisation, streams, folded network, mean over test clips.

    The sampler's test indices of every possible length are a table, since its draws are NumPy's. Test clips are one
    behind the other, as in `Batch.streams`.
    """

    table: Tensor  # (longest, S, L) int16, by frames - 1
    parents: Tensor

    def __init__(self, config: Config, layout: Layout, pipeline: Pipeline, network: nn.Module) -> None:
        super().__init__()
        self.network = fold(network)
        lengths = torch.arange(1, longest_clip(pipeline.sampler.frames) + 1)
        self.register_buffer("table", pipeline.sampler.test(lengths, pipeline.clips).to(torch.int16))
        self.register_buffer("parents", torch.tensor(layout.parents))
        self.names, self.persons = config.input.stream_names, config.input.persons
        self.loops, self.average = config.input.person_padding == "loop", config.test.average
        self.centre, self.score = layout.centre, score_rule(config.data.channel_names, layout.name)
        self.looks_ahead, self.clips = pipeline.looks_ahead, pipeline.clips
        self.normalise: Callable[[Sequence[Tensor]], list[Tensor]] = pipeline.normalise

    def forward(self, joints: Tensor, frames: Tensor) -> Tensor:
        """Return the logits (N, K) of joints (N, M, T, V, C), of which the first `frames` (N,) are the clip."""
        t = self.table[frames - 1].long().flatten(1)  # (N, SL)
        later = torch.where((t >= 0) & (t + 1 < frames[:, None]), t + 1, -1)  # the frame behind each, for motions
        persons = self._pad_persons(joints)
        taken = [self._take(persons, at) for at in ([t, later] if self.looks_ahead else [t])]
        now, *behind = self.normalise(taken)  # (NS, C, L, V, M)
        exists = (later >= 0).unflatten(1, (self.clips, -1)).flatten(0, 1)  # (NS, L)
        ahead = Ahead(behind[0], exists) if behind else None
        seen = Seen(now, self.centre, self.parents, ahead, self.score)
        return over_test_clips(self.network(plain_streams(seen, self.names)), joints.shape[0], self.average)

    def _pad_persons(self, joints: Tensor) -> Tensor:
        """Return the persons that the network sees; see `dataset.loader.pad_persons`."""
        seen = joints[:, : self.persons]
        if not self.loops:
            return seen
        there = (joints != 0).flatten(2).any(dim=2)  # (N, M)
        alone = there[:, 0] & (there.sum(dim=1) == 1)
        return torch.where(alone[:, None, None, None, None], joints[:, :1], seen)

    def _take(self, joints: Tensor, t: Tensor) -> Tensor:
        """Return the frames `t` (N, SL) of joints (N, M, T, V, C) as (NS, C, L, V, M); -1 is a frame of zeros."""
        place = t.clamp(min=0)[:, None, :, None, None].expand(-1, joints.shape[1], -1, *joints.shape[3:])
        taken = joints.gather(2, place) * (t >= 0)[:, None, :, None, None]
        return taken.unflatten(2, (self.clips, -1)).permute(0, 2, 5, 3, 4, 1).flatten(0, 1)
