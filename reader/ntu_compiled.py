"""The compiled way of reading NTU's text: the bodies of a file in which everything is as expected.

It makes no messages: where anything is unexpected it gives up, and `reader.ntu` reads the file line by line.
Why there are two: this one is more than ten times as fast, that one can be read and says what is wrong with a file.

Numba compiles it when a process first imports it, in seconds, and keeps the result for all later ones: in
`__pycache__`, or in the user's cache folder where that cannot be written, or in NUMBA_CACHE_DIR.
The import raises what numba raises where it does not work.

Where there is much text, several bytes are looked at together: eight as one number, whose lowest byte is the first, and
`WIDE` as a vector, whose comparison is a mask of one bit a byte. Numba has no words for either, LLVM below it has.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, float32, int64, njit, types, uint8, uint64
from numba.extending import intrinsic

from reader.ntu_form import NUM_JOINTS, PADDING, SLOTS

if sys.byteorder != "little" or getattr(config, "DISABLE_JIT", False):
    raise ImportError("eight bytes at once are read in little-endian order, and compiled, or not at all")

GAVE_UP = -1
END, TAB, RETURN, BLANK, PLUS, MINUS, POINT, ZERO, BIG_E, SMALL_E = (ord(letter) for letter in "\n\t\r +-.0Ee")
COUNT_DIGITS, EXPONENT_DIGITS = 9, 3
# An integer below 2**53 and 10**k, k <= 22, are exact in float64, so one multiplication or division rounds correctly.
MOST, MOST_DIGITS, LARGEST_POWER = 2**53, 18, 22  # an int64 holds 18 digits
POWERS = np.array([float(10**k) for k in range(LARGEST_POWER + 1)])

EIGHT, WIDE = 8, 32
ZEROS, HIGHS, LOWS, OVER_NINE = (np.uint64(byte * (2**64 // 255)) for byte in (ZERO, 0x80, 0x7F, 0x80 - 10))
N8 = np.uint64(8)  # numba makes floats of signed with unsigned numbers
# Eight digits become four numbers of two, two of four, one of eight: neighbours' weights, a shift, what is kept.
TWO, FOUR, ALL = (
    (np.uint64(10 ** (bits // 8) * 2**bits + 1), np.uint64(bits), np.uint64(2**64 // (2**bits + 1)))
    for bits in (8, 16, 32)
)

BYTES = types.Array(uint8, 1, "C", readonly=True)
Coding = tuple[Any, Callable[..., ir.Value]]  # what numba wants to know: a signature, and who writes the LLVM code

coded: Callable[[Callable[..., Coding]], Callable[..., Any]] = intrinsic
part = njit(inline="always", error_model="numpy")


@coded
def _load(_: Any, text: types.Type, at: types.Type) -> Coding:
    """Return the eight bytes from `at`."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return _bytes(context, builder, signature, values, ir.IntType(64))

    return uint64(text, at), code


@coded
def _where(_: Any, text: types.Type, at: types.Type, letter: types.Type) -> Coding:
    """Return a mask of those of the `WIDE` bytes from `at` that are `letter`."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        vector, number = ir.VectorType(ir.IntType(8), WIDE), ir.IntType(32)
        first = builder.insert_element(vector(ir.Undefined), builder.trunc(values[2], ir.IntType(8)), number(0))
        letters = builder.shuffle_vector(first, first, ir.VectorType(number, WIDE)(None))
        found = _bytes(context, builder, signature, values, vector)
        mask = builder.bitcast(builder.icmp_unsigned("==", found, letters), ir.IntType(WIDE))
        return builder.zext(mask, ir.IntType(64))

    return uint64(text, at, letter), code


def _bytes(context: Any, builder: ir.IRBuilder, signature: Any, values: Any, kind: ir.Type) -> ir.Value:
    """Return the bytes of an array from an index, which need not be a multiple of anything, as another type."""
    data = context.make_array(signature.args[0])(context, builder, values[0]).data
    return builder.load(builder.bitcast(builder.gep(data, [values[1]]), kind.as_pointer()), align=1)


@coded
def _first(_: Any, mask: types.Type) -> Coding:
    """Return which bit is the first in `mask`, which is not 0."""

    def code(_: Any, builder: ir.IRBuilder, __: Any, values: Any) -> ir.Value:
        return builder.cttz(values[0], ir.IntType(1)(1))

    return int64(mask), code


@part
def _next_line(text: np.ndarray, at: int) -> int:
    """Return where the line behind that of `at` begins."""
    while True:
        ends = _where(text, at, END)
        if ends:
            return int(at + _first(ends) + 1)
        at += WIDE


@part
def _has_lone_return(text: np.ndarray) -> bool:
    """Tell whether a RETURN is not followed by END: it ends a line, too, but not here."""
    lone = uint64(0)
    for at in range(0, len(text) - WIDE, WIDE):
        lone |= _where(text, at, RETURN) & ~_where(text, at + 1, END)
    return bool(lone != 0)


@part
def _skip_blanks(text: np.ndarray, at: int) -> int:
    while text[at] == BLANK or text[at] == TAB:
        at += 1
    return at


@part
def _ends(letter: int) -> bool:
    return letter in (BLANK, TAB, RETURN, END)


@part
def _digits(text: np.ndarray, at: int, number: int) -> tuple[int, int]:
    """Append the digits at `at` to `number`, which overflows where they are too many: return it and where they end."""
    while ZERO <= text[at] < ZERO + 10:
        number = number * 10 + (text[at] - ZERO)
        at += 1
    return number, at


@part
def _count(text: np.ndarray, at: int) -> tuple[int, int]:
    """Return the number >= 0 that is all of this line, or GAVE_UP, and where the next line begins."""
    start = _skip_blanks(text, at)
    number, end = _digits(text, start, 0)
    at = _skip_blanks(text, end)
    at += text[at] == RETURN
    good = start < end <= start + COUNT_DIGITS and text[at] == END
    return (number if good else GAVE_UP), at + 1


@part
def _exponent(text: np.ndarray, at: int) -> tuple[int, int]:
    """Return the exponent at `at`, 0 if there is none, and where it ends, or GAVE_UP."""
    if text[at] != SMALL_E and text[at] != BIG_E:
        return 0, at
    negative = text[at + 1] == MINUS
    start = at + 1 + (negative or text[at + 1] == PLUS)
    number, end = _digits(text, start, 0)
    good = start < end <= start + EXPONENT_DIGITS
    return (-number if negative else number), (end if good else GAVE_UP)


@njit(error_model="numpy")
def _number(text: np.ndarray, at: int) -> tuple[float, int]:
    """Return the number at `at`, correctly rounded, and where it ends, or GAVE_UP."""
    negative = text[at] == MINUS
    start = at + (negative or text[at] == PLUS)
    number, at = _digits(text, start, 0)
    digits, decimals = at - start, 0
    if text[at] == POINT:
        number, end = _digits(text, at + 1, number)
        decimals, at = end - at - 1, end
    exponent, end = _exponent(text, at)
    power = exponent - decimals
    if not 0 < digits + decimals <= MOST_DIGITS or number >= MOST or abs(power) > LARGEST_POWER:
        return 0.0, GAVE_UP
    if end == GAVE_UP or not _ends(text[end]):
        return 0.0, GAVE_UP
    value = number / POWERS[-power] if power < 0 else number * POWERS[power]
    return (-value if negative else value), end


@part
def _coordinate(text: np.ndarray, at: int) -> tuple[float, int]:
    """Return the next number and where it ends, as `_number`; the shape that nearly all have is read without loops.

    That is: one digit, a point, one to seven digits.
    """
    at = _skip_blanks(text, at)
    negative = text[at] == MINUS
    start = at + negative
    digit = text[start] - ZERO
    if not 0 <= digit < 10 or text[start + 1] != POINT:
        return _number(text, at)
    eight = _load(text, start + 2) ^ ZEROS
    others = (((eight & LOWS) + OVER_NINE) | eight) & HIGHS  # bytes that are no digits
    decimals = _first(others) // EIGHT if others else 0
    if decimals == 0 or not _ends(text[start + 2 + decimals]):
        return _number(text, at)
    number = eight << (N8 * np.uint64(EIGHT - decimals))  # as zeros before the decimals
    number = ((number * TWO[0]) >> TWO[1]) & TWO[2]
    number = ((number * FOUR[0]) >> FOUR[1]) & FOUR[2]
    number = ((number * ALL[0]) >> ALL[1]) & ALL[2]
    value = (digit * POWERS[decimals] + int64(number)) / POWERS[decimals]  # a sum below 2**53: exact
    return (-value if negative else value), start + 2 + decimals


@part
def _read_body(text: np.ndarray, at: int, joints: np.ndarray) -> int:
    """Fill `joints` (25, 3) from the lines at `at`; return where they end, or GAVE_UP."""
    num_joints, at = _count(text, _next_line(text, at))
    if num_joints != NUM_JOINTS:
        return GAVE_UP
    for joint in range(NUM_JOINTS):
        for axis in range(3):
            value, at = _coordinate(text, at)
            if at == GAVE_UP:
                return GAVE_UP
            joints[joint, axis] = value
        at = _next_line(text, at)
    return at


@njit(int64(BYTES, int64, float32[:, :, :, ::1]), error_model="numpy", cache=True, nogil=True)
def _read_frames(text: np.ndarray, at: int, joints: np.ndarray) -> int:
    """Fill `joints` (SLOTS, T, 25, 3), which are zero; return the most bodies that a frame has, or GAVE_UP."""
    if _has_lone_return(text):
        return GAVE_UP
    most = 0
    for t in range(joints.shape[1]):
        bodies, at = _count(text, at)
        if not 0 <= bodies <= SLOTS:
            return GAVE_UP
        most = max(most, bodies)
        for m in range(bodies):
            at = _read_body(text, at, joints[m, t])
            if at == GAVE_UP:
                return GAVE_UP
    return most


def read_bodies(text: bytes | bytearray) -> np.ndarray | None:
    """Return the bodies (M, T, 25, 3) float32 of a file's text with `PADDING` behind it, M the most that a frame has.

    None if anything is unexpected.
    """
    assert text.endswith(PADDING) and len(PADDING) > WIDE
    end = text.find(b"\n")
    first = text[:end].strip()
    if not first.isdigit() or len(first) > COUNT_DIGITS or not 0 < int(first) <= len(text) // 2:  # a line a frame
        return None
    joints = np.zeros((SLOTS, int(first), NUM_JOINTS, 3), np.float32)
    letters = np.frombuffer(text, np.uint8)
    letters.flags.writeable = False
    most = _read_frames(letters, end + 1, joints)
    return None if most == GAVE_UP else joints[:most]
