"""Bytes become lines, however they arrive."""

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.live.lines import CHUNK, RateLimit, read_lines, unbuffered


class Pieces:
    """A stream whose reads return these pieces."""

    def __init__(self, pieces):
        self.pieces = [piece for piece in pieces if piece]

    def read(self, _size):
        return self.pieces.pop(0) if self.pieces else b""


def texts(pieces, longest=10):
    return [(line.number, line.text) for line in read_lines(Pieces(pieces), longest)]


def test_lines_are_counted_and_the_last_needs_no_newline():
    assert texts([b"one\ntwo\n\n  \r\nfive"]) == [(1, b"one"), (2, b"two"), (5, b"five")]


@pytest.mark.parametrize("cut", range(1, 30, 3))
def test_too_long_lines_are_left_out_once(cut):
    sent = b"short\n" + b"x" * 95 + b"\n1234567890\nlast" + b"y" * 20
    pieces = [sent[at : at + cut] for at in range(0, len(sent), cut)]
    assert texts(pieces) == [(1, b"short"), (2, None), (3, b"1234567890"), (4, None)]


@given(st.lists(st.binary(max_size=12)), st.lists(st.integers(1, 40)))
def test_pieces_do_not_matter(lines, cuts):
    sent, pieces, at = b"\n".join(lines), [], 0
    for cut in [*cuts, max(1, len(sent))]:
        pieces.append(sent[at : at + cut])
        at += cut
    assert texts(pieces) == texts([sent])
    expected = [
        (number, None if len(line) > 10 else line)
        for number, line in enumerate(sent.split(b"\n"), 1)
        if line.strip() or len(line) > 10
    ]
    assert texts([sent]) == expected


def test_a_line_without_an_end_takes_no_memory():
    class Endless:
        left = 400

        def read(self, size):
            self.left -= 1
            return b"x" * size if self.left else b""

    tracemalloc.start()
    try:
        (line,) = read_lines(Endless(), 1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert line.text is None
    assert peak < 5 * CHUNK  # bytes, of 400


def test_what_is_read_holds_no_lock(tmp_path):
    path = tmp_path / "frames"
    path.write_bytes(b"x\n")
    with path.open("rb") as buffered:
        assert isinstance(unbuffered(buffered), io.FileIO)
    memory = io.BytesIO()
    assert unbuffered(memory) is memory


def test_the_rate_is_limited_but_not_a_burst():
    now = 0.0
    limit = RateLimit(10, clock=lambda: now)
    assert sum(limit.allows() for _ in range(25)) == 10
    now = 0.35
    assert sum(limit.allows() for _ in range(25)) == 3
    now = 1000
    assert sum(limit.allows() for _ in range(25)) == 10
