"""The compiled way of reading NTU's text: the bodies of a file in which everything is as expected.

It makes no messages: where anything is unexpected it gives up, and `reader.ntu` reads the file line by line.
Why there are two: this one is more than ten times as fast, that one can be read and says what is wrong with a file.

Numba compiles it when a process first imports it, in seconds, and keeps the result for all later ones: in
`__pycache__`, or in the user's cache folder where that cannot be written, or in NUMBA_CACHE_DIR.
The import raises what numba raises where it does not work.

Where there is much text, eight bytes are looked at together, as one number, whose lowest byte is the first. A mask of
them has the highest bit of each byte that is meant.
"""

import sys

import numpy as np
from numba import config, float32, int64, njit, types, uint8, uint64

if sys.byteorder != "little" or getattr(config, "DISABLE_JIT", False):
    raise ImportError("eight bytes at once are read in little-endian order, and compiled, or not at all")

SLOTS, NUM_JOINTS = 4, 25
GAVE_UP = -1
END, TAB, RETURN, BLANK, PLUS, MINUS, POINT, ZERO, BIG_E, SMALL_E = (ord(letter) for letter in "\n\t\r +-.0Ee")
COUNT_DIGITS, EXPONENT_DIGITS = 9, 3
# An integer below 2**53 and 10**k, k <= 22, are exact in float64, so one multiplication or division rounds correctly.
MOST, MOST_DIGITS, LARGEST_POWER = 2**53, 18, 22  # an int64 holds 18 digits
POWERS = np.array([float(10**k) for k in range(LARGEST_POWER + 1)])

EIGHT, SHIFT = 8, 3
ENDS, ZEROS, ONES, HIGHS, LOWS, OVER_NINE = (
    np.uint64(byte * (2**64 // 255)) for byte in (END, ZERO, 0x01, 0x80, 0x7F, 0x80 - 10)
)
N1, N8, N56, N63 = (np.uint64(n) for n in (1, 8, 56, 63))  # numba makes floats of signed with unsigned numbers
# Eight digits become four numbers of two, two of four, one of eight: neighbours' weights, a shift, what is kept.
TWO, FOUR, ALL = (
    (np.uint64(10 ** (bits // 8) * 2**bits + 1), np.uint64(bits), np.uint64(2**64 // (2**bits + 1)))
    for bits in (8, 16, 32)
)

part = njit(inline="always", error_model="numpy")


@part
def _load(words: np.ndarray, at: int) -> np.uint64:
    """Return the eight bytes from `at`."""
    word, bits = at >> SHIFT, np.uint64(at % EIGHT) * N8
    return (words[word] >> bits) | ((words[word + 1] << N1) << (N63 - bits))


@part
def _first(mask: np.uint64) -> np.int64:
    """Return which byte is the first in `mask`."""
    below = ((mask & (~mask + N1)) - N1) & ONES
    return int64((below * ONES) >> N56) - 1


@part
def _next_line(words: np.ndarray, at: int) -> int:
    """Return where the line behind that of `at` begins."""
    while True:
        others = _load(words, at) ^ ENDS
        ends = (others - ONES) & ~others & HIGHS  # bytes that are 0, and perhaps some behind them
        if ends:
            return int(at + _first(ends) + 1)
        at += EIGHT


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
def _coordinate(text: np.ndarray, words: np.ndarray, at: int) -> tuple[float, int]:
    """Return the next number and where it ends, as `_number`; the shape that nearly all have is read without loops.

    That is: one digit, a point, one to seven digits.
    """
    at = _skip_blanks(text, at)
    negative = text[at] == MINUS
    start = at + negative
    digit = text[start] - ZERO
    if not 0 <= digit < 10 or text[start + 1] != POINT:
        return _number(text, at)
    eight = _load(words, start + 2) ^ ZEROS
    others = (((eight & LOWS) + OVER_NINE) | eight) & HIGHS  # bytes that are no digits
    decimals = _first(others) if others else 0
    if decimals == 0 or not _ends(text[start + 2 + decimals]):
        return _number(text, at)
    number = eight << (N8 * np.uint64(EIGHT - decimals))  # as zeros before the decimals
    number = ((number * TWO[0]) >> TWO[1]) & TWO[2]
    number = ((number * FOUR[0]) >> FOUR[1]) & FOUR[2]
    number = ((number * ALL[0]) >> ALL[1]) & ALL[2]
    value = (digit * POWERS[decimals] + int64(number)) / POWERS[decimals]  # a sum below 2**53: exact
    return (-value if negative else value), start + 2 + decimals


@part
def _read_body(text: np.ndarray, words: np.ndarray, at: int, joints: np.ndarray) -> int:
    """Fill `joints` (25, 3) from the lines at `at`; return where they end, or GAVE_UP."""
    num_joints, at = _count(text, _next_line(words, at))
    if num_joints != NUM_JOINTS:
        return GAVE_UP
    for joint in range(NUM_JOINTS):
        for axis in range(3):
            value, at = _coordinate(text, words, at)
            if at == GAVE_UP:
                return GAVE_UP
            joints[joint, axis] = value
        at = _next_line(words, at)
    return at


BYTES, WORDS = (types.Array(kind, 1, "C", readonly=True) for kind in (uint8, uint64))


@njit(int64(BYTES, WORDS, int64, float32[:, :, :, ::1]), error_model="numpy", cache=True)
def _read_frames(text: np.ndarray, words: np.ndarray, at: int, joints: np.ndarray) -> int:
    """Fill `joints` (SLOTS, T, 25, 3), which are zero; return the most bodies that a frame has, or GAVE_UP."""
    most = 0
    for t in range(joints.shape[1]):
        bodies, at = _count(text, at)
        if not 0 <= bodies <= SLOTS:
            return GAVE_UP
        most = max(most, bodies)
        for m in range(bodies):
            at = _read_body(text, words, at, joints[m, t])
            if at == GAVE_UP:
                return GAVE_UP
    return most


def read_bodies(content: bytes) -> np.ndarray | None:
    """Return a file's bodies (M, T, 25, 3) float32, M the most that a frame has; None if anything is unexpected."""
    end = content.find(b"\n")
    first = content[: max(end, 0)].strip()
    if not first.isdigit() or len(first) > COUNT_DIGITS or not 0 < int(first) <= len(content) // 2:  # a line a frame
        return None
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        return None
    joints = np.zeros((SLOTS, int(first), NUM_JOINTS, 3), np.float32)
    padding = b"\n" * (2 * EIGHT + -len(content) % EIGHT)  # empty lines, at which all reading stops
    text = np.frombuffer(content + padding, np.uint8)
    most = _read_frames(text, text.view(np.uint64), end + 1, joints)
    return None if most == GAVE_UP else joints[:most]
