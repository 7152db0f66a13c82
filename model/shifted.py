"""The multi-scale temporal layer of a folded network that scores clips: its four convolutions in three products.

torch needs three times as long for a convolution of so few channels as for its products. Here channels come first, and
what lies d frames away lies d V columns away. Branch b looks b + 1 frames away: a step that is the same from branch to
branch, as batched products need it. Exported programs keep the convolutions, which their runtimes know.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from model.folded import FoldedMultiScale, Mix, bias_of
from model.temporal_units import DILATIONS

MARGIN = max(DILATIONS)  # frames of zeros before and behind a row


class ShiftedMultiScale(nn.Module):
    """A folded multi-scale layer of stride 1: (N, C, T, V) -> (N, C, T, V), channels last.

    The first branch has W channels, the others w. So that all are alike, every convolution has W, of which the first
    W - w are the branch's before it, with weights of 0.
    """

    def __init__(self, layer: FoldedMultiScale) -> None:
        super().__init__()
        entry, mix = layer.get_submodule("entry"), layer.get_submodule("mix")  # as `fold` leaves them
        ends = [end for end in layer.ends if isinstance(end, nn.Conv2d)]
        assert isinstance(entry, Mix) and isinstance(mix, Mix) and layer.stride == 1
        self.widest, self.width, *_ = layer.widths
        self.entry, self.entry_bias = _constant(entry.weight.T), _constant(entry.bias[:, None])
        self.mix, self.mix_bias = mix.weight, mix.bias
        taps = [_alike(end.weight[..., tap, 0] for end in ends) for tap in range(3)]
        self.before, self.here, self.behind = map(_constant, taps)  # (4, W, W)
        self.bias = _constant(_alike(map(bias_of, ends))[..., None])  # (4, W, 1)
        self.scale, self.shift = (_constant(each[..., None]) for each in (layer.scale, layer.shift))

    def forward(self, x: Tensor) -> Tensor:
        n, _, t, v = x.shape
        frames = x.permute(0, 2, 3, 1).flatten(1, 2).mT  # (N, C, TV)
        entered = torch.baddbmm(self.entry_bias, self.entry.expand(n, -1, -1), frames).transpose(0, 1)
        padded = pad(entered[: -self.width].relu_(), (MARGIN * v, MARGIN * v))  # (C - w, N, LV)
        found = [*self._convolved(padded, v), self._most(padded, v), entered[-self.width :]]
        y = torch.cat(found).relu_().permute(1, 2, 0)  # (N, TV, C)
        return torch.baddbmm(self.mix_bias, y, self.mix.expand(n, -1, -1)).view(n, t, v, -1).permute(0, 3, 1, 2)

    def _convolved(self, padded: Tensor, v: int) -> list[Tensor]:
        """Return what each convolution finds: (w, N, TV)."""
        _, n, length = padded.shape
        row, margin = n * length, MARGIN * v
        shape = len(self.here), self.widest, row - 2 * margin  # columns between two clips are nothing's, and dropped
        before, here, behind = (
            padded.as_strided(shape, (self.width * row + step, row, 1), margin + step) for step in (-v, 0, v)
        )
        y = torch.baddbmm(self.bias, self.here, here).baddbmm_(self.before, before).baddbmm_(self.behind, behind)
        y = y.as_strided((*shape[:2], n, length - 2 * margin), (*y.stride()[:2], length, 1))
        return [y[0], *y[1:, self.widest - self.width :]]

    def _most(self, padded: Tensor, v: int) -> Tensor:
        """Return the maximum of every frame and its two neighbours, none below zero, normalised: (w, N, TV)."""
        frames = padded[-self.width :].unflatten(2, (-1, v))
        most = frames[:, :, MARGIN - 1 : -MARGIN - 1].maximum(frames[:, :, MARGIN:-MARGIN])
        most = most.maximum(frames[:, :, MARGIN + 1 : 1 - MARGIN])
        return torch.addcmul(self.shift, most, self.scale).flatten(2)


def _alike(branches: Iterable[Tensor]) -> Tensor:
    """Return what every branch has, as long in every dimension as the first: with zeros before it."""
    first, *others = branches
    return torch.stack([first, *(pad(each, (len(first) - len(each), 0) * each.ndim) for each in others)])


def _constant(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.contiguous(), requires_grad=False)
