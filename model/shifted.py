"""The multi-scale temporal layer of a folded network that scores clips: its four convolutions in three products.

torch needs two to three times as long for convolutions of so few channels as for such products. Here channels come
first, and what lies d frames away lies d V columns away. Branch b looks b + 1 frames away: a step that is the same from
branch to branch, as batched products need it. With a stride s, frames of one phase (t modulo s) lie together, and every
s-th branch takes the step. Exported programs keep the convolutions, which their runtimes know.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from model.folded import FoldedMultiScale, Mix, bias_of
from model.temporal_units import DILATIONS


class ShiftedMultiScale(nn.Module):
    """A folded multi-scale layer: (N, C, T, V) -> (N, C, T/s, V), channels last.

    The first branch has W channels, the others w. So that all are alike, every convolution has W, of which the first
    W - w are the branch's before it, with weights of 0.
    """

    def __init__(self, layer: FoldedMultiScale) -> None:
        super().__init__()
        entry, mix = layer.get_submodule("entry"), layer.get_submodule("mix")  # as `fold` leaves them
        ends = [end for end in layer.ends if isinstance(end, nn.Conv2d)]
        assert isinstance(entry, Mix) and isinstance(mix, Mix)
        self.stride, self.margin = layer.stride, -(-max(DILATIONS) // layer.stride)
        self.widest, self.width, *_ = layer.widths
        self.entry, self.entry_bias = _constant(entry.weight.T), _constant(entry.bias[:, None])
        self.mix, self.mix_bias = mix.weight, mix.bias
        taps = [_alike(end.weight[..., tap, 0] for end in ends) for tap in range(3)]
        self.before, self.here, self.behind = map(_constant, taps)  # (4, W, W)
        self.bias = _constant(_alike(map(bias_of, ends))[..., None])  # (4, W, 1)
        self.scale, self.shift = (_constant(each[..., None]) for each in (layer.scale, layer.shift))

    def forward(self, x: Tensor) -> Tensor:
        n, _, t, v = x.shape
        frames = x.permute(0, 2, 3, 1).flatten(0, 2).T  # (C, NTV)
        entered = torch.addmm(self.entry_bias, self.entry, frames).view(-1, n, t, v)
        phases = self._split(entered[: -self.width].relu_())
        found = [*self._convolved(phases), self._most(phases), entered[-self.width :, :, :: self.stride]]
        y = torch.cat(found).relu_()  # (C, N, T/s, V)
        return torch.addmm(self.mix_bias, y.flatten(1).T, self.mix).view(*y.shape[1:], -1).permute(0, 3, 1, 2)

    def _split(self, x: Tensor) -> Tensor:
        """Return x (C, N, T, V) as every s-th frame from each of the first s on, between zeros: (C, s, N, L, V)."""
        c, n, t, v = x.shape
        phases = x.new_zeros(c, self.stride, n, -(-t // self.stride) + 2 * self.margin, v)
        for phase in range(self.stride):
            frames = x[:, :, phase :: self.stride]
            phases[:, phase, :, self.margin : self.margin + frames.shape[2]] = frames
        return phases

    def _convolved(self, phases: Tensor) -> list[Tensor]:
        """Return what each convolution finds: (w, N, T/s, V)."""
        found: dict[int, Tensor] = {}
        for first in range(self.stride):
            found.update(zip(range(first, len(self.here), self.stride), self._convolve(phases, first), strict=True))
        return [found[0], *(found[branch][self.widest - self.width :] for branch in range(1, len(found)))]

    def _convolve(self, phases: Tensor, first: int) -> Tensor:
        """Return what every s-th convolution from the first on finds: (B, W, N, T/s, V)."""
        _, _, n, length, v = phases.shape
        row, columns = phases.stride(0), (n * length - 2 * self.margin) * v  # those between two clips mean nothing
        here, before, behind = (each[first :: self.stride] for each in (self.here, self.before, self.behind))

        def near(direction: int) -> Tensor:
            away, phase = divmod(direction * (first + 1), self.stride)
            start = first * self.width * row + (phase * n * length + self.margin + away) * v
            steps = self.stride * self.width * row + direction * v, row, 1
            return phases.as_strided((len(here), self.widest, columns), steps, start)

        y = torch.baddbmm(self.bias[first :: self.stride], here, near(0))
        y.baddbmm_(before, near(-1)).baddbmm_(behind, near(1))
        shape = *y.shape[:2], n, length - 2 * self.margin, v
        return y.as_strided(shape, (*y.stride()[:2], length * v, v, 1))

    def _most(self, phases: Tensor) -> Tensor:
        """Return the maximum of a frame and its two neighbours, none below zero, normalised: (w, N, T/s, V)."""
        before, here, behind = (self._shifted(phases[-self.width :], direction) for direction in (-1, 0, 1))
        return torch.addcmul(self.shift, before.maximum(here).maximum(behind), self.scale)

    def _shifted(self, phases: Tensor, frames: int) -> Tensor:
        """Return what lies this many frames behind every s-th frame: (C, N, T/s, V)."""
        away, phase = divmod(frames, self.stride)
        return phases[:, phase, :, self.margin + away : phases.shape[3] - self.margin + away]


def _alike(branches: Iterable[Tensor]) -> Tensor:
    """Return what every branch has, as long in every dimension as the first: with zeros before it."""
    first, *others = branches
    return torch.stack([first, *(pad(each, (len(first) - len(each), 0) * each.ndim) for each in others)])


def _constant(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.contiguous(), requires_grad=False)
