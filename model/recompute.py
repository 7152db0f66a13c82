"""Training in less memory: what is cheap to compute is computed again for the gradient instead of being kept.

While a network runs within `recomputing`, every normalisation, activation, sum and product notes on the memory of its
result how that was made. Where autograd would keep such a result, it is handed the note; when the gradient asks for the
tensor, it is made again, the same to the bit. What stays of a layer is little but the output of its convolution.
The layers know nothing of it.

Source: the idea is that of Chen et al. 2016 (sublinear memory), here by operation and never for a convolution.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.overrides import TorchFunctionMode

CHEAP = {  # those of the layers on whole inputs
    functional.silu,
    functional.relu,
    functional.relu6,
    functional.hardswish,
    torch.Tensor.add,
    torch.Tensor.mul,
}
SMALL = 8  # a tensor that has so many times fewer bytes than a result may be kept to make it again
RECIPE, KEPT = "gesta_recipe", "gesta_kept"  # attributes of a tensor's memory, gone with it

Source = Callable[[], Tensor]


@contextmanager
def recomputing(*, enabled: bool) -> Iterator[None]:
    """Keep little for the gradient of what is computed within; results and gradients are the same to the bit.

    Nothing is done for a graph that is compiled, where the compiler decides what to keep.
    """
    if not enabled or torch.compiler.is_compiling() or not torch.is_grad_enabled():
        yield
        return
    with saved_tensors_hooks(_source_of, lambda source: source()), _Notes():
        yield


class Recipe:
    """How a tensor was made.

    Made again, it stays while anything may still ask for it: until autograd lets go of this, node by node.
    """

    def __init__(self, result: Tensor, function: Callable[..., Tensor], given: tuple[Tensor | None, ...]) -> None:
        self.version = result._version
        self._function = function
        self._sources = [None if each is None else _source_of(each) for each in given]
        self._made: Tensor | None = None

    @torch.no_grad()
    def make(self) -> Tensor:
        """Return the tensor; what it is made of is let go."""
        if self._made is None:
            self._made = self._function(*(source and source() for source in self._sources))
            self._sources.clear()
        return self._made


class _Notes(TorchFunctionMode):
    """Notes on results how they were made."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.batch_norm:
            return _normalise(*args, **kwargs)
        result = func(*args, **kwargs)
        if func in CHEAP and not kwargs.get("inplace") and all(isinstance(each, Tensor) for each in args):
            _note(result, partial(func, **kwargs), *args)
        return result


def _normalise(  # noqa: PLR0913 - torch's own signature
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Do as torch's `batch_norm` does, and note the statistics of the batch."""
    if not training or x.numel() == x.shape[1]:  # one value a channel: torch refuses that
        return functional.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    y, mean, scale = torch.native_batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps)
    with torch.no_grad():  # factors for a variance of one, multiplied as torch does: so y comes again to the bit
        factors = scale if weight is None else scale * weight
    _note(y, partial(functional.batch_norm, eps=0.0), x, mean, torch.ones_like(scale), factors, bias)
    return y


def _note(result: Tensor, function: Callable[..., Tensor], *given: Tensor | None) -> None:
    """Note how a result was made, unless more would have to be kept for that than itself."""
    memory = result.untyped_storage()
    whole = result.is_contiguous() and memory.nbytes() == result.nbytes
    if whole and not _at_hand(result) and all(x is None or _at_hand(x) or _small(x, result) for x in given):
        setattr(memory, RECIPE, Recipe(result, function, given))


def _small(x: Tensor, result: Tensor) -> bool:
    return SMALL * x.nbytes <= result.nbytes


def _at_hand(x: Tensor) -> bool:
    """Return whether `x` costs nothing: its memory has a recipe, or is kept already."""
    memory = x.untyped_storage()
    return hasattr(memory, RECIPE) or hasattr(memory, KEPT)


def _source_of(x: Tensor) -> Source:
    """Return what gives `x` later: its recipe, if it has one and still is as made, or itself, kept."""
    memory = x.untyped_storage()
    recipe: Recipe | None = getattr(memory, RECIPE, None)
    if recipe is not None and recipe.version == x._version:
        size, stride, offset = x.size(), x.stride(), x.storage_offset()  # of a view, perhaps
        return lambda: recipe.make().as_strided(size, stride, offset)
    setattr(memory, KEPT, True)
    return partial(_unchanged, x.detach(), x._version)


def _unchanged(x: Tensor, version: int) -> Tensor:
    """Return `x`; autograd, which looks after its own, cannot see whether it still is as it was."""
    if x._version != version:
        raise RuntimeError(f"a tensor {tuple(x.shape)} that a gradient needs was changed in place")
    return x
