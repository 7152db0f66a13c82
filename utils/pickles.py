"""A restricted unpickler: containers, text, numbers and numeric numpy arrays, and nothing that runs code.

numpy's own functions are not used to rebuild arrays: they believe whatever a file says about types and memory.
"""

import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError

ACCEPTED = "accepted are pickles of containers, text, numbers and numeric numpy arrays"
KINDS = "biufcSU"  # of numpy types: numbers and text, not objects, not records
MALFORMED = (  # what the standard unpickler raises on bytes that are no pickle, or a damaged one
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
)


def load_pickle(path: Path, *, encoding: str = "latin1", accepted: str = ACCEPTED, hold: bool = False) -> Any:
    """Return the object pickled in the file `path`, without running any code from it.

    Arrays come back as `PickledArray`, which is a numpy array; `np.asarray` makes a plain one of it.

    Args:
        path: of the pickle, of any protocol.
        encoding: of text written by Python 2; numpy arrays written by it need latin1.
        accepted: the end of the message to the user: what the file should have been.
        hold: bring arrays back as `HeldArray`, so that memory stays near the size of the file. Without it a large file
            takes twice its size at protocols 2 (mmcv's) and 5: the unpickler keeps what arrays were copied from.

    Raises:
        UserError: naming the file and, where that is the reason, the forbidden global.
    """
    try:
        with path.open("rb") as file:
            return (HoldingUnpickler if hold else RestrictedUnpickler)(file, encoding=encoding).load()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; {accepted}") from error
    except MALFORMED as error:
        reason = " ".join(str(error).split())  # on one line
        if not isinstance(error, ForbiddenError):
            reason = f"not a pickle, or a damaged one ({reason})"
        raise UserError(f"{path}: {reason}; {accepted}") from error


class ForbiddenError(pickle.UnpicklingError):
    """The pickle asks for something that is not on the list."""


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that knows the names in `GLOBALS` and no other."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        name = f"{module_name}.{global_name}"
        if name not in GLOBALS:
            raise ForbiddenError(f"asks for '{name}', which is not allowed in a pickle")
        return GLOBALS[name]


class HoldingUnpickler(RestrictedUnpickler):
    """The same, with arrays as `HeldArray`."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        found = super().find_class(module_name, global_name)
        return HOLDING.get(found, found)


class PickledType:
    """A numpy type of the allowed kinds, made from its code and byte order alone."""

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in KINDS:
            raise ForbiddenError(f"holds a numpy array of type '{self.dtype}', which is not allowed in a pickle")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])  # the rest of the state follows from the code


class PickledArray(np.ndarray):
    """A numpy array whose type was checked before its memory was made."""

    def __new__(cls) -> "PickledArray":
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, kind, is_fortran, content = state
        super().__setstate__((version, shape, kind.dtype, is_fortran, content))


class HeldArray:
    """An array as the file spells it, for `np.asarray` to make (read-only) when it is wanted."""

    __slots__ = ("_content", "_order", "dtype", "shape")

    def __init__(self) -> None:
        self.dtype: np.dtype = np.dtype(np.uint8)
        self.shape: tuple[int, ...] = (0,)
        self._content: Any = b""
        self._order: Any = "C"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, content = state
        self.hold(content, kind, shape, "F" if is_fortran else "C")

    def hold(self, content: Any, kind: PickledType, shape: tuple[int, ...], order: Any) -> None:
        """Take what the file says of the array; raises `ValueError` if it is of another size."""
        if len(content) != math.prod(shape) * kind.dtype.itemsize:
            raise ValueError(f"{len(content)} bytes for an array of {kind.dtype} {shape}")
        self.dtype, self.shape, self._content, self._order = kind.dtype, tuple(shape), content, order

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        content = self._content.encode("latin1") if isinstance(self._content, str) else self._content
        array = np.frombuffer(content, self.dtype).reshape(self.shape, order=self._order)
        array.flags.writeable = False
        return array if dtype is None and not copy else np.array(array, dtype)


def _hold(*_: Any) -> HeldArray:
    """Return a held array without content, which its state then brings."""
    return HeldArray()


def _hold_buffer(content: bytes, kind: PickledType, shape: tuple[int, ...], order: Any) -> HeldArray:
    """Return a held array that protocol 5 wrote."""
    held = HeldArray()
    held.hold(content, kind, shape, order)
    return held


def _hold_text(text: str, encoding: str = "latin1") -> str:
    """Return the bytes that protocol 2 writes as text, still as text."""
    return text if encoding == "latin1" else str(_encode(text, encoding))


def _reconstruct(*_: Any) -> PickledArray:
    """Return an array without content, which its state then brings."""
    return PickledArray()


def _scalar(kind: PickledType, content: bytes | str) -> Any:
    """Return a numpy number."""
    return _from_buffer(_encode(content) if isinstance(content, str) else content, kind, (1,), "C")[0]


def _from_buffer(content: bytes, kind: PickledType, shape: tuple[int, ...], order: Any) -> np.ndarray:
    """Return an array that protocol 5 wrote."""
    return np.frombuffer(content, dtype=kind.dtype).reshape(shape, order=order).copy()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Return the bytes that protocol 2 writes as text; other codecs could expand without bound."""
    if encoding != "latin1":
        raise ForbiddenError(f"asks for the codec '{encoding}', which is not allowed in a pickle")
    return text.encode(encoding)


def _no_bytes(*given: Any) -> bytes:
    """Return what protocol 2 writes for bytes without content; of a number it would make as many."""
    if given:
        raise ForbiddenError("asks for bytes() with arguments, which is not allowed in a pickle")
    return b""


# numpy 2 renamed numpy.core to numpy._core, and files of both ages are about
NUMPY_GLOBALS: dict[str, Any] = {
    "numpy.ndarray": PickledArray,
    "numpy.dtype": PickledType,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy._core.numeric._frombuffer": _from_buffer,
}
GLOBALS: dict[str, Any] = NUMPY_GLOBALS | {
    "collections.OrderedDict": OrderedDict,
    "builtins.tuple": tuple,
    "builtins.bytes": _no_bytes,
    "__builtin__.bytes": _no_bytes,
    "_codecs.encode": _encode,
}
HOLDING: dict[Any, Any] = {
    PickledArray: HeldArray,
    _reconstruct: _hold,
    _from_buffer: _hold_buffer,
    _encode: _hold_text,
}
