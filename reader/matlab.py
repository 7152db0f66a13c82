"""Arrays of numbers in MATLAB v5 files (`.mat`, "save -v6" and "-v7").

Own code, because scipy's trusts the sizes that a file states: a damaged one can end the whole process (a segmentation
fault, met with scipy 1.17 by changing single bytes). Source: MathWorks, "MAT-File Format".
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod

import numpy as np

HEADER = 128  # bytes: a text, the version, and a mark of the order of bytes
MATRIX, COMPRESSED = 14, 15  # types of elements
COMPLEX = 0x0800
NUMBERS = range(6, 16)  # classes of arrays: double, single, 8 to 64 bit integers
DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
MOST_BYTES = 1 << 28  # of one array, unpacked


def read_array(content: bytes, name: str) -> np.ndarray:
    """Return the array of real numbers called `name` in a file's content, as float64 of the shape that it has there.

    Raises:
        KeyError: if no variable is called so; its text names those that are.
        ValueError: saying why, if it is no such array, or the content no MATLAB v5 file, or a damaged one.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER - 2 : HEADER])
    if order is None:
        raise ValueError("no MATLAB v5 file")
    names = []
    for kind, data in _elements(content[HEADER:], order):
        if kind == COMPRESSED:
            kind, data = next(_elements(_unpack(data), order), (0, b""))
        if kind == MATRIX:
            flags, shape, label, *values = _elements(data, order)
            names.append(label[1].decode("ascii", "replace"))
            if names[-1] == name:
                return _array(flags[1], shape, values[:1], order)
    raise KeyError(", ".join(names) or "none")


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and data of every element."""
    at = 0
    while at < len(data):
        if len(data) < at + 8:
            raise ValueError("the file ends early")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:  # a small element: its size is in the upper half, its data in the second half of the tag
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:  # data begin at multiples of 8 bytes, but packed ones do not
            start = at + 8
            end = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > min(end, len(data)):
            raise ValueError("the file ends early")
        yield kind, data[start : start + size]
        at = end


def _unpack(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged: {error}") from error


def _array(flags: bytes, shape: tuple[int, bytes], values: list[tuple[int, bytes]], order: str) -> np.ndarray:
    """Return the array (first index fastest) that a matrix's elements describe."""
    (bits,) = struct.unpack_from(f"{order}I", flags.ljust(4, b"\0"))
    if bits & 0xFF not in NUMBERS or bits & COMPLEX or not values or values[0][0] not in DTYPES:
        raise ValueError("not an array of real numbers")
    sizes = _numbers(shape, order).astype(int).tolist()
    found = _numbers(values[0], order)
    if min(sizes, default=-1) < 0 or prod(sizes) != len(found):
        raise ValueError(f"damaged: {len(found)} numbers for an array of {sizes}")
    return found.reshape(sizes, order="F")


def _numbers(element: tuple[int, bytes], order: str) -> np.ndarray:
    kind, data = element
    dtype = np.dtype(order + DTYPES.get(kind, "u1"))
    return np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype).astype(np.float64)
