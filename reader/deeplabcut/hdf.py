"""A pandas table in an HDF5 file, without pandas: numbers through h5py, names through the restricted unpickler.

pandas itself unpickles whatever a file says, so that opening somebody's file can run code.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.pickles import MALFORMED, RestrictedUnpickler
from utils.recording import ReadError

KEYS = ("df_with_missing", "tracks")  # of one animal, filtered or refined; of several, stitched
DAMAGED = (RuntimeError, ValueError, LookupError, TypeError, MemoryError)  # what h5py raises on a damaged file
CSV = "give the .csv (DeepLabCut's save_as_csv)"

Names = list[tuple[str, ...]]


def open_frame(path: Path) -> tuple[Names | None, np.ndarray | None, np.ndarray]:
    """Return a table's column names (None: not readable), frame numbers (T,) (None: texts) and values (T, columns).

    Both of pandas' formats are read: "table", which DeepLabCut writes after analysis and stitching, and "fixed", which
    its editor writes after refinement.

    Raises:
        ReadError: for a file that holds something else, or is damaged.
        OSError: for one that cannot be read at all.
    """
    import h5py  # only here: other forms need not wait for it

    try:
        with h5py.File(path) as file:
            return _read(path, file)
    except UserError:  # which is a ValueError, too
        raise
    except DAMAGED as error:
        raise ReadError(path, None, f"a damaged file ({' '.join(str(error).split())}); export it again") from error


def _read(path: Path, file: Any) -> tuple[Names | None, np.ndarray | None, np.ndarray]:
    key = next((key for key in KEYS if isinstance(file.get(key), Mapping)), None)
    if key is None:
        raise ReadError(path, None, f"holds {', '.join(file) or 'nothing'}, not {' or '.join(KEYS)}; {CSV}")
    group = file[key]
    if hasattr(group.get("table"), "dtype"):
        frames, values = _read_table(path, group["table"])
        return _whole(_names(group), values), frames, values
    if hasattr(group.get("block0_values"), "dtype"):
        frames, values = _read_fixed(path, group)
        return _whole(_fixed_names(group), values), frames, values
    raise ReadError(path, None, f"{key} is no table of pandas; {CSV}")


def _whole(names: Names | None, values: np.ndarray) -> Names | None:
    """Return the names if there is one of 3 or of 4 levels for each column."""
    lengths = [len(name) for name in names or ()]
    return names if lengths in ([3] * values.shape[1], [4] * values.shape[1]) else None


# --- format "table"


def _read_table(path: Path, table: Any) -> tuple[np.ndarray | None, np.ndarray]:
    fields = table.dtype.names or ()
    blocks = [name for name in fields if name.startswith("values_block_")]
    if len(blocks) != 1:
        raise ReadError(path, None, f"{len(blocks)} blocks of values ({', '.join(fields)}), not one; {CSV}")
    rows = table[:]
    return _numbered(rows["index"]) if "index" in fields else None, _numeric(path, rows[blocks[0]])


def _names(group: Any) -> Names | None:
    """Return the columns' names, pickled as [(1, [(scorer, ..., coord), ...])]; None for anything else."""
    try:
        stated = RestrictedUnpickler(io.BytesIO(bytes(group.attrs["non_index_axes"])), encoding="latin1").load()
        ((_, names),) = stated
        return [tuple(map(_text, name)) for name in names]
    except (*MALFORMED, OSError):
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} is no name")
    return str(value)


# --- format "fixed"


def _read_fixed(path: Path, group: Any) -> tuple[np.ndarray | None, np.ndarray]:
    if "block1_values" in group:
        raise ReadError(path, None, f"more than one block of values; {CSV}")
    return _numbered(group["axis1"][:]) if "axis1" in group else None, _numeric(path, group["block0_values"][:])


def _fixed_names(group: Any) -> Names | None:
    """Return the columns' names: for each level its texts, and which of them a column has."""
    try:
        levels = [group[f"block0_items_level{n}"][:] for n in range(group.attrs["block0_items_nlevels"])]
        places = [group[f"block0_items_label{n}"][:] for n in range(len(levels))]
        texts = [[level[at].decode() for at in place] for level, place in zip(levels, places, strict=True)]
    except (KeyError, AttributeError, IndexError, UnicodeDecodeError):
        return None
    return list(zip(*texts, strict=True))


def _numeric(path: Path, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "fiu" or values.ndim != 2:
        raise ReadError(path, None, f"its values are {values.dtype} {values.shape}, not numbers of frames; {CSV}")
    return values.astype(np.float64)


def _numbered(frames: np.ndarray) -> np.ndarray | None:
    return frames if frames.dtype.kind in "iu" else None
