"""What annotation items hold: arrays and numbers, checked; and files of which one is in memory at a time."""

from collections.abc import Callable, Mapping
from operator import index
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from utils.errors import UserError
from utils.pickles import HeldArray

FLOATS = (np.float16, np.float32, np.float64)
INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)

Types = tuple[type[np.generic], ...]
Content = TypeVar("Content")


class LastFile(Generic[Content]):
    """Opens files that are as large as memory allows: what the last one holds is kept, and nothing of any other.

    Args:
        load: returns the content of a file.
        accepted: the end of the message to the user where there is no file.
    """

    def __init__(self, load: Callable[[Path], Content], accepted: str) -> None:
        self._load, self._accepted = load, accepted
        self._held: dict[tuple[Path, int, int], Content] = {}

    def open(self, path: Path) -> Content:
        """Return the content of a file, read only if the file is another than the last time, or has changed."""
        try:
            stat = path.stat()
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; {self._accepted}") from error
        key = path, stat.st_size, stat.st_mtime_ns
        if key not in self._held:
            self._held.clear()  # before the next one is read
            self._held[key] = self._load(path)
        return self._held[key]


def array(item: Mapping[str, Any], key: str, dimensions: int, types: Types) -> np.ndarray:
    """Return an item's array in the machine's byte order; raises `ValueError` if it is another, or not finite."""
    held = item.get(key)
    if not isinstance(held, HeldArray):
        raise ValueError(f"{key} is {'absent' if held is None else f'a {type(held).__name__}, not an array'}")
    if len(held.shape) != dimensions or held.dtype.newbyteorder("=") not in types:
        kind = "floats" if types == FLOATS else "whole numbers"
        many = "1 dimension" if dimensions == 1 else f"{dimensions} dimensions"
        raise ValueError(f"{key} is {held.dtype} {held.shape}, but {many} of {kind} were expected")
    found = np.asarray(held).astype(held.dtype.newbyteorder("="), copy=False)
    if not np.isfinite(found).all():
        raise ValueError(f"{key} holds values that are not finite")
    return found


def integer(item: Mapping[Any, Any], key: str | float) -> int:
    """Return an item's whole number; raises `ValueError` if it is none."""
    try:
        return index(item[key])
    except (KeyError, TypeError):
        raise ValueError(f"{key} is {item.get(key, 'absent')!r}, not a whole number"[:200]) from None
