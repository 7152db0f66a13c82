"""The report's tables: heads that sort, cells that know what they are sorted by."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from utils.statistics import SIGNIFICANT, p_words
from visualizer.figures.classes import ClassRow
from visualizer.figures.confusion import Confusion
from visualizer.report.markup import Html, count, join, percent, tag


class Cell(NamedTuple):
    """What a cell shows, and the number or text that it is sorted by; None is always last."""

    shown: object
    key: float | str | None


def table(name: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Html:
    """Return a table that scrolls by itself; a column of numbers stands to the right."""
    lines = list(rows)
    kinds = [
        "n" if all(isinstance(cell.key, int | float | None) for cell in column) else None
        for column in zip(*lines, strict=True)
    ]
    buttons = [
        tag("th", tag("button", head, type="button"), scope="col", aria_sort="none", class_=kind)
        for head, kind in zip(heads, kinds, strict=True)
    ]
    body = [
        tag(
            "tr",
            [tag("td", cell.shown, data_key=cell.key, class_=kind) for cell, kind in zip(line, kinds, strict=True)],
        )
        for line in lines
    ]
    inner = tag("table", tag("thead", tag("tr", buttons)), tag("tbody", body), data_table=name)
    return tag("div", inner, class_="scroll", tabindex=0, role="region", aria_label=f"table of {name}")


def filtered(name: str, what: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Html:
    """Return a table under a search box; `what` says what is searched for: a part of the second column."""
    search = tag("label", "Filter ", tag("input", type="search", placeholder=f"part of {what}", data_filter=name))
    counted = tag("output", class_="muted", data_count=name, aria_live="polite")
    return join(tag("p", search, counted, class_="tools"), table(name, heads, rows))


def class_table(rows: Sequence[ClassRow]) -> Html:
    """Return precision, recall, F1, clips and interval of every class, under a search box."""
    heads = ("#", "class", "precision", "recall", "F1", "clips", "95% interval of the recall")
    return filtered("classes", "a class's name", heads, map(_class, rows))


def pair_table(confusion: Confusion) -> Html:
    """Return the most confused pairs, with the other direction and whether the two differ."""
    heads = ("true", "predicted as", "clips", "share", "the other way", "p")
    names, rows = confusion.classes, []
    for pair in confusion.pairs:
        share = pair.count / pair.clips
        p = tag("b" if pair.p_value < SIGNIFICANT else "span", p_words(pair.p_value))
        counts = Cell(f"{count(pair.count)} of {count(pair.clips)}", pair.count), Cell(percent(share), share)
        rows.append(
            (*_plain(names[pair.true], names[pair.predicted]), *counts, *_plain(pair.back), Cell(p, pair.p_value))
        )
    return table("pairs", heads, rows)


def plain_table(name: str, heads: Sequence[str], rows: Iterable[Sequence[str | int]]) -> Html:
    """Return a table whose cells are sorted by what they show."""
    return table(name, heads, (_plain(*row) for row in rows))


def interval(value: float, low: float, high: float) -> Html:
    """Return a line from 0 to 1 with an interval and a point on it."""
    line = '<line x1="{:.2f}" x2="{:.2f}" y1="{}" y2="{}" class="{}"/>'
    lines = (
        line.format(0, 100, 5, 5, "rail"),
        line.format(100 * low, 100 * high, 5, 5, "span"),
        line.format(100 * value, 100 * value, 1, 9, "dot"),
    )
    box = {"viewBox": "0 0 100 10", "preserveAspectRatio": "none"}
    return tag("svg", Html("".join(lines)), class_="track", aria_hidden="true", **box)


def _class(row: ClassRow) -> tuple[Cell, ...]:
    shares = (Cell(percent(share), share) for share in (row.precision, row.recall, row.f1))
    return *_plain(row.number + 1, row.name), *shares, *_plain(row.support), _recall(row)


def _recall(row: ClassRow) -> Cell:
    if row.recall is None or row.low is None or row.high is None:
        return Cell("-", None)
    said = tag("span", f"{row.low:.1%} to {row.high:.1%}", class_="muted")
    return Cell(join(interval(row.recall, row.low, row.high), said), row.low)


def _plain(*values: str | int) -> tuple[Cell, ...]:
    return tuple(Cell(value if isinstance(value, str) else count(value), value) for value in values)
