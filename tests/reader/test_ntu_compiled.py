"""The compiled reading of NTU's text: equal to the one line by line, or it gives up."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import config
from reader import ntu, ntu_compiled
from reader.ntu import parse_lines
from reader.ntu_form import PADDING
from utils.recording import ReadError

PATH = "S001C001P001R001A001.skeleton"

# --- numbers

USUAL = ["0.4027946", "-0.3336789", "2.93274", "0", "-0", "-0.0", "+1.5", "12.25", "-3.725290E-09", "1e22", "7.5e-15"]
ODD = [
    "9007199254740991", "9007199254740992", "9007199254740993", "0.30000000000000004", "1e-22", "1e-23", "1e23", "1e38",
    "3.5e38", "1e400", "1.", ".5", ".", "-", "", "+-1", "1e", "1e+", "1e5.", "1_0", "1__0", "0x1p3", "nan", "-inf", "1,5",
    "0" * 30 + "1", "0." + "0" * 30 + "1", "1" * 30, "1.2.3", "1.0000000", "1.00000000", "1.000000000", "12345678.12345678",
    "\N{ARABIC-INDIC DIGIT THREE}", "1\x00", "1\x0b2", "1\x0c", "1\x1c", "\xa01", "4.9406564584124654e-324", "1e-45", "1\r",
]  # fmt: skip
DECIMALS = st.builds(
    "{}{}.{}{}".format,
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**6),
    st.text("0123456789", max_size=12),
    st.sampled_from(["", "", "", "e-5", "E3", "e-0020"]),
)
NUMBERS = st.one_of(
    st.sampled_from([*USUAL, *ODD]), DECIMALS, st.floats().map(repr), st.floats(width=32).map("{:.7g}".format)
)


def file_of(numbers, blank=" ", newline="\n"):
    """Return the lines of a file of two frames, two bodies in the first, whose coordinates are `numbers`, repeated."""
    tokens = [numbers[n % len(numbers)] for n in range(225)]
    lines = ["2"]
    for bodies in (2, 1):
        lines.append(str(bodies))
        for _ in range(bodies):
            lines += [blank.join(["7", "0", "1", "1", "-0.2", "2"]), "25"]
            lines += [blank.join([*(tokens.pop() for _ in range(3)), "281.01", "193.2", "2"]) for _ in range(25)]
    return [line + newline for line in lines]


def read_bodies(content):
    """Return the bodies as the compiled code reads them, or None."""
    return ntu_compiled.read_bodies(content + PADDING)


def plain(content):
    """Return the bodies as read line by line, or the refusal."""
    try:
        return parse_lines(PATH, content)
    except ReadError as error:
        return error


def assert_equal(content, *, given_up=None):
    """Compare the two readings to the bit; `given_up` says whether the compiled one must have left it to the other."""
    found, expected = read_bodies(content), plain(content)
    if given_up is not None:
        assert (found is None) == given_up
    if found is not None:
        assert isinstance(expected, np.ndarray)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert found.tobytes() == expected.tobytes()


def text(lines):
    return "".join(lines).encode()


@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_any_numbers(numbers):
    assert_equal(text(file_of(numbers)))


@pytest.mark.parametrize("number", USUAL)
def test_usual_numbers_are_not_given_up(number):
    assert_equal(text(file_of([number])), given_up=False)


@pytest.mark.parametrize("number", ODD)
def test_odd_numbers_are_as_python_has_them(number):
    assert_equal(text(file_of(["1", number, "2"])))


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 5), st.floats(-5, -1e-9)), min_size=75, max_size=75))
def test_numbers_as_real_files_print_them_are_not_given_up(numbers):
    printed = [f"{number:.7g}" for number in numbers]
    content = text(file_of(printed))
    assert_equal(content, given_up=False)
    assert read_bodies(content)[0, 1].ravel().tolist() == [np.float32(number) for number in map(float, printed[::-1])]


@given(st.integers(0, 2**53 - 1), st.integers(0, 22), st.booleans())
def test_what_is_exact_is_rounded_once(mantissa, power, up):
    assert_equal(
        text(file_of([f"{mantissa}e{power if up else -power}"])), given_up=False if mantissa < 10**15 else None
    )


# --- lines


@st.composite
def damaged(draw):
    """A file of which some lines or bytes are lost, doubled, replaced or put in."""
    blank, newline = draw(st.sampled_from([" ", "\t", "  ", " \t"])), draw(st.sampled_from(["\n", "\r\n", " \n", "\r"]))
    lines = file_of(draw(st.lists(NUMBERS, min_size=1, max_size=3)) if draw(st.booleans()) else USUAL, blank, newline)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        put = draw(
            st.sampled_from(["", "\n", "0\n", "1\n", "3\n", "5\n", " 2 \n", "2 2\n", "26\n", "x\n", "-1\n", "1 2\n"])
        )
        put = draw(
            st.sampled_from([put, lines[at], lines[at] * 2, lines[at].rstrip(), " " + lines[at], "1 2 3\x0b4\n"])
        )
        lines[at : at + draw(st.integers(0, 1))] = [put]
    content = text(lines)
    cut = draw(st.sampled_from([None, None, -1, -2, draw(st.integers(0, len(content)))]))
    return content[:cut] + draw(st.sampled_from([b"", b"", b"\n\n", b" ", b"rest", b"\r", b"\xff\xfe"]))


@given(damaged())
@example(b"")
@example(b"\n")
@example(b"1")
@example(b"1\n0")
@example(b"0\n")
@example(b"999999999\n0\n")
@example(b"2\n0\n5\n")
@example(b"3\n0\n0\n0\n")
@example(b"1\r\n0\r\n")
@example(b"1\n0\r\r\n")
@example(b"1\n1\n")
@example(b"1\n1\n\n")
@example(b"1\n1\n\n25")
@example(b"1\n1\n\n25\n1 1 1")
def test_any_file(content):
    assert_equal(content)


@pytest.mark.parametrize(("blank", "newline"), [(" ", "\n"), ("\t", "\n"), ("   ", "\r\n"), (" \t ", " \t\r\n")])
def test_blanks_and_line_ends_of_real_files_are_not_given_up(blank, newline):
    lines = file_of(USUAL, blank, newline)
    assert_equal(text(lines), given_up=False)
    assert_equal(text(lines).rstrip(), given_up=False)
    assert_equal(text(lines) + b"\n\n", given_up=False)


@pytest.mark.parametrize("length", range(16))
def test_the_length_of_a_line_is_no_matter(length):
    lines = file_of(USUAL)
    lines[2] = "i" * length + "\n"
    lines[5] = lines[5].rstrip() + " " + "\x0b" * length + "\n"  # 0x0b follows the line end's 0x0a
    assert_equal(text(lines), given_up=False)


def test_a_return_within_a_line_is_left_to_the_other_wherever_it_is():
    content = text(file_of(USUAL, newline="\r\n"))
    assert_equal(content, given_up=False)
    for place in (*range(100), len(content) - 3):
        if content[place] != ord("\r"):
            assert_equal(content[:place] + b"\r" + content[place + 1 :], given_up=True)


def test_a_text_without_its_padding_is_not_read():
    with pytest.raises(AssertionError):
        ntu_compiled.read_bodies(text(file_of(USUAL)))


def test_a_fifth_body_is_left_to_the_other():
    frame = ["5\n", *file_of(USUAL)[2:29] * 5]
    assert_equal(text(["1\n", *frame]), given_up=True)
    assert plain(text(["1\n", *frame])).shape == (5, 1, 25, 3)


def test_every_golden_file(goldens):
    files = sorted((goldens / "data").glob("skeletons*/*.skeleton"))
    given_up = [path.stem[-4:] for path in files if read_bodies(path.read_bytes()) is None]
    for path in files:
        assert_equal(path.read_bytes())
    assert given_up == ["A008", "A010", "A011", "A012", "A013", "A014"]  # five bodies, and what is refused


# --- where numba does not work


def outcome(code, root, **environment):
    """Run code in a process of its own; return what it printed."""
    line = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(line, cwd=root, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("broken", ["numba", "llvmlite"])
def test_without_numba_files_are_read_all_the_same(tmp_path, broken):
    path = tmp_path / PATH
    path.write_bytes(text(["40\n", *file_of(USUAL)[1:] * 20]))
    assert path.stat().st_size > ntu.SMALL
    code = "import sys; sys.modules[sys.argv[1]] = None; from reader import ntu; from pathlib import Path; "
    code = code.replace("sys.argv[1]", repr(broken)) + f"print(ntu.compiled(), ntu.parse(Path({str(path)!r})).shape)"
    assert outcome(code, config.ROOT) == "None (2, 40, 25, 3)"


def test_with_numba_switched_off_too():
    assert outcome("from reader import ntu; print(ntu.compiled())", config.ROOT, NUMBA_DISABLE_JIT="1") == "None"


def test_where_nothing_can_be_kept_files_are_read_all_the_same(tmp_path):
    copy = tmp_path / "checkout"
    for room in ("reader", "utils"):
        shutil.copytree(config.ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "reader" / "__pycache__").touch()  # in the way, for root, too
    (tmp_path / "home").touch()
    home = str(tmp_path / "home")
    code = "from reader import ntu; print(ntu.compiled())"
    assert (
        outcome(code, copy, HOME=home, XDG_CACHE_HOME=home, NUMBA_CACHE_DIR="", PYTHONDONTWRITEBYTECODE="1") == "None"
    )


def test_what_is_compiled_is_found_again(tmp_path):
    code = "from reader import ntu_compiled; print(sum(ntu_compiled._read_frames.stats.cache_hits.values()))"
    kept = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert [outcome(code, config.ROOT, **kept) for _ in range(2)] == ["0", "1"]


def test_the_reader_uses_it_for_files_of_usual_size(tmp_path, monkeypatch):
    path, seen = tmp_path / PATH, []
    monkeypatch.setattr(ntu, "compiled", lambda: lambda text: seen.append(bytes(text)))
    for times in (1, 20):
        path.write_bytes(text([f"{2 * times}\n", *file_of(USUAL)[1:] * times]))
        assert ntu.parse(path).shape == (2, 2 * times, 25, 3)
    assert seen == [path.read_bytes() + PADDING]
