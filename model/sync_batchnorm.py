"""BatchNorm over the clips of all processes of a job, on any device; torch's own is for CUDA only.

Every process hands over count, mean and M2 (the sum of squared deviations) of its clips, per channel; they are merged
as in Chan et al. 1979, which loses no digits where means are large. A backward pass adds up its two sums likewise.

Letters: N clips, C channels, L everything behind them (frames, joints), P processes.
"""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SyncBatchNorm(_BatchNorm):
    """BatchNorm whose batch is that of all processes: (N, C, ...) -> the same; parameters and keys as torch's own.

    Evaluation uses the running statistics, and a single process its own batch: both as torch's own does.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not distributed.is_initialized():
            return super().forward(x)
        self._check_input_dim(x)
        with torch.autocast(x.device.type, enabled=False):
            y, count, mean, m2 = cast(
                tuple[Tensor, Tensor, Tensor, Tensor], _Normalise.apply(x.float(), self.weight, self.bias, self.eps)
            )
        self._remember(count, mean, m2)
        return y.to(x.dtype)

    @torch.no_grad()
    def _remember(self, count: Tensor, mean: Tensor, m2: Tensor) -> None:
        """Move the running statistics, with the unbiased variance, as torch does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_((m2 / (count - 1)).to(self.running_var.dtype), momentum)


class SyncBatchNorm1d(SyncBatchNorm, nn.BatchNorm1d):
    """Of (N, C) or (N, C, L)."""


class SyncBatchNorm2d(SyncBatchNorm, nn.BatchNorm2d):
    """Of (N, C, T, V)."""


KINDS: dict[type[nn.Module], type[SyncBatchNorm]] = {
    nn.BatchNorm1d: SyncBatchNorm1d,
    nn.BatchNorm2d: SyncBatchNorm2d,
}


class _Normalise(torch.autograd.Function):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over the (N, L) of all processes."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        count, mean, m2 = _merge(*_moments(x.flatten(2) if x.dim() > 2 else x[:, :, None]))
        scale = (m2 / count + eps).rsqrt()
        shape = (1, -1, *[1] * (x.dim() - 2))
        normal = (x - mean.to(x).view(shape)) * scale.to(x).view(shape)
        ctx.save_for_backward(normal, weight, scale, count)
        ctx.mark_non_differentiable(count, mean, m2)
        y = normal if weight is None else normal * weight.view(shape)
        return y if bias is None else y + bias.view(shape), count, mean, m2

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *_: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        normal, weight, scale, count = ctx.saved_tensors
        rest = [0, *range(2, dy.dim())]
        shape = (1, -1, *[1] * (dy.dim() - 2))
        sums = torch.stack((dy.sum(rest), (dy * normal).sum(rest)))  # (2, C): of this process, as those of parameters
        total = sums.clone()
        distributed.all_reduce(total)
        mean_dy, mean_dy_normal = (total / count).to(dy).unbind()
        slope = scale.to(dy) if weight is None else scale.to(dy) * weight
        dx = (dy - mean_dy.view(shape) - normal * mean_dy_normal.view(shape)) * slope.view(shape)
        needed = ctx.needs_input_grad
        return dx, sums[1] if needed[1] else None, sums[0] if needed[2] else None, None


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return count (), mean (C,) and M2 (C,) of (N, C, L), float64."""
    count = torch.tensor(x.shape[0] * x.shape[2], dtype=torch.float64, device=x.device)
    variance, mean = torch.var_mean(x, dim=(0, 2), correction=0)
    return count, mean.double(), variance.double() * count


def _merge(count: Tensor, mean: Tensor, m2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return count, mean and M2 over all processes.

    Source: Chan, Golub, LeVeque 1979, for all parts at once: deviations from the common mean add up.
    """
    own = torch.stack((count.expand_as(mean), mean, m2))  # (3, C)
    every = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(every, own)
    counts, means, m2s = torch.stack(every).unbind(dim=1)  # (P, C) each
    total = counts.sum(dim=0)
    common = (counts * means).sum(dim=0) / total
    return total, common, (m2s + counts * (means - common).square()).sum(dim=0)


def synchronise(model: nn.Module) -> nn.Module:
    """Return `model` with every BatchNorm of it over all processes; parameters and buffers stay the same tensors."""
    if type(model) in KINDS:
        return _twin(cast(_BatchNorm, model))
    for name, child in model.named_children():
        setattr(model, name, synchronise(child))
    return model


def _twin(norm: _BatchNorm) -> SyncBatchNorm:
    made = KINDS[type(norm)](norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    made._parameters, made._buffers = norm._parameters, norm._buffers
    return made.train(norm.training)
