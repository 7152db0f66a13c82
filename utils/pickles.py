"""A restricted unpickler: containers, text, numbers and numeric numpy arrays, and nothing that runs code."""

import pickle
from collections import OrderedDict
from collections.abc import Callable
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
    except ForbiddenError as error:
        raise UserError(f"{path}: {error}; {accepted}") from error
    except MALFORMED as error:
        reason = " ".join(str(error).split())  # some have two lines
        raise UserError(f"{path}: not a pickle, or a damaged one ({reason}); {accepted}") from error


class ForbiddenError(pickle.UnpicklingError):
    """The pickle asks for something that is not on the list."""


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that knows the names in `GLOBALS` and no other."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in GLOBALS:
            raise ForbiddenError(f"asks for '{module_name}.{global_name}', which is not allowed in a pickle")
        return GLOBALS[module_name, global_name]


def _dtype(*arguments: Any) -> np.dtype[Any]:
    """Return the numpy type; an array of objects could hold anything."""
    dtype = np.dtype(*arguments)
    if dtype.kind not in KINDS:
        raise ForbiddenError(f"holds a numpy array of type '{dtype}', which is not allowed in a pickle")
    return dtype


def _encode(text: str, encoding: str) -> bytes:
    """Return the bytes that protocol 2 writes as text; other codecs could expand without bound."""
    if encoding != "latin1":
        raise ForbiddenError(f"asks for the codec '{encoding}', which is not allowed in a pickle")
    return text.encode(encoding)


def _constructor(reduced: Any) -> Callable[..., Any]:
    """Return the private function by which numpy rebuilds an object, from the object's reduced form."""
    return reduced[0]


_NUMPY_FUNCTIONS = {
    "multiarray._reconstruct": _constructor(np.empty(0).__reduce__()),
    "multiarray.scalar": _constructor(np.float64(0).__reduce__()),
    "numeric._frombuffer": _constructor(np.empty(1).__reduce_ex__(5)),
}

# full name -> object; numpy 2 renamed numpy.core to numpy._core, and files of both ages are about
NUMPY_GLOBALS: dict[str, Any] = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": _dtype,
    **{f"numpy.core.{name}": function for name, function in _NUMPY_FUNCTIONS.items()},
    **{f"numpy._core.{name}": function for name, function in _NUMPY_FUNCTIONS.items()},
}
GLOBALS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "tuple"): tuple,
    ("_codecs", "encode"): _encode,
    **{(name.rpartition(".")[0], name.rpartition(".")[2]): value for name, value in NUMPY_GLOBALS.items()},
}
