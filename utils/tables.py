"""Text tables for a terminal."""

from collections.abc import Iterable


def table(rows: Iterable[Iterable[str]]) -> str:
    """Return rows of cells as lines with aligned columns; the first row is the header."""
    cells = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
