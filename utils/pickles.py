"""A restricted unpickler: containers, text, numbers and numeric numpy arrays, and nothing that runs code.

numpy's own functions are not used to rebuild arrays: they believe whatever a file says about types and memory.
"""

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


def load_pickle(path: Path, *, encoding: str = "latin1", accepted: str = ACCEPTED) -> Any:
    """Return the object pickled in the file `path`, without running any code from it.

    Arrays come back as `PickledArray`, which is a numpy array; `np.asarray` makes a plain one of it.

    Args:
        path: of the pickle, of any protocol.
        encoding: of text written by Python 2; numpy arrays written by it need latin1.
        accepted: the end of the message to the user: what the file should have been.

    Raises:
        UserError: naming the file and, where that is the reason, the forbidden global.
    """
    try:
        with path.open("rb") as file:
            return RestrictedUnpickler(file, encoding=encoding).load()
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
    "_codecs.encode": _encode,
}
