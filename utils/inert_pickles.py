"""Checkpoints whose metadata holds foreign classes: weights are read, everything unknown becomes an inert stub.

mmcv and mmengine write their loggers and configurations beside the weights, so that torch's own safe loading refuses
the file. Here nothing of the file is imported or called but the functions in `TENSOR_GLOBALS`.
"""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch


class Stub:
    """Stands for an object of a class that is not known here: takes any arguments, state and items, keeps nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "Stub":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...
    def __setstate__(self, state: Any) -> None: ...
    def __setitem__(self, key: Any, value: Any) -> None: ...
    def append(self, item: Any) -> None: ...
    def extend(self, items: Any) -> None: ...
    def add(self, item: Any) -> None: ...
    def __call__(self, *_: Any, **__: Any) -> "Stub":
        return self


# what torch's safe loading calls, too, to rebuild a tensor
TENSOR_GLOBALS: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor": torch._utils._rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
    "torch.Size": torch.Size,
}


class InertUnpickler(pickle.Unpickler):
    """An unpickler that knows the names in `TENSOR_GLOBALS`, and a stub for any other."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        return TENSOR_GLOBALS.get(f"{module_name}.{global_name}", Stub)


class InertPickle:
    """What `torch.load` asks of a pickle module."""

    Unpickler = InertUnpickler

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        return InertUnpickler(file, **options).load()


def load_inert(path: Path) -> Any:
    """Return what torch saved in `path`, with a `Stub` for every object of another kind; raises what torch raises.

    Raises `pickle.UnpicklingError` for a TorchScript archive, of which torch would run the code.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                raise pickle.UnpicklingError("a TorchScript archive, which holds code")
    return torch.load(path, map_location="cpu", pickle_module=InertPickle, weights_only=False)
