"""Pages about many runs, which look like the report: one file each that opens without a network."""

from collections.abc import Mapping
from pathlib import Path

from utils.files import disk_errors, write_atomic
from visualizer.report.markup import Html, join, percent, tag
from visualizer.report.page import assemble
from visualizer.report.tables import Cell

SCRIPTS = ("page.js", "table.js")
STYLE = """
.diverging { display: block; width: 100%; min-width: 7rem; height: 10px; overflow: visible; }
.diverging .zero { stroke: var(--soft); stroke-width: 1px; vector-effect: non-scaling-stroke; }
.diverging .gain { fill: var(--accent); } .diverging .loss { fill: var(--against); }
.diverging .whisker { stroke: var(--ink); stroke-width: 1.5px; vector-effect: non-scaling-stroke; fill: none; }
:root { --against: light-dark(#d55e00, #e69f00); }
.shares { display: flex; height: 1.5rem; border-radius: 6px; overflow: hidden; gap: 2px; margin-top: 1.25rem; }
.shares i { background: var(--soft); min-width: 1px; } .shares .none { background: var(--line); }
.shares .gain { background: var(--accent); } .shares .loss { background: var(--against); }
.key { display: flex; flex-wrap: wrap; gap: 0.3rem 1.5rem; margin: 0.6rem 0 1.5rem; padding: 0; list-style: none; }
.key { font-size: 0.875rem; }
.key i { display: inline-block; width: 0.7rem; height: 0.7rem; border-radius: 2px; margin-right: 0.45rem; }
.key .both { background: var(--soft); } .key .none { background: var(--line); }
.key .gain { background: var(--accent); } .key .loss { background: var(--against); }
.runs { margin-top: 2rem; }
.path { overflow-wrap: anywhere; display: inline-block; min-width: 12rem; font-size: 0.8rem; color: var(--muted); }
.delta { display: flex; align-items: center; gap: 0.75rem; }
.delta span { min-width: 3.6rem; text-align: right; }
.state { white-space: nowrap; }
.state[class*=" "]::before { content: ""; display: inline-block; width: 0.55rem; height: 0.55rem; border-radius: 50%; }
.state[class*=" "]::before { margin-right: 0.45rem; background: var(--soft); }
.state.finished::before { background: var(--accent); } .state.interrupted::before { background: var(--against); }
.state.running::before { background: none; border: 2px solid var(--accent); }
.whole .scroll { max-height: none; } main:has(.whole) { max-width: 80rem; }
@media (max-width: 40rem) { .whole :is(th, td):first-child { display: none; } } /* the folder's name has the date */
.whole table { font-size: 0.8125rem; } .whole :is(th button, td) { padding-inline: 0.45rem; }
.whole td:not(.n) { min-width: 0; }
.damage { font-size: 0.78rem; color: var(--against); overflow-wrap: anywhere; }
td a { color: var(--accent); }
"""


def write_page(path: Path, title: str, parts: Mapping[str, str], *content: object) -> None:
    """Write a page; `parts` (id -> title) are what its navigation shows, the first being the top of the page.

    Raises:
        UserError: if there is no room, or no right to write.
    """
    page = assemble(title, parts, join(*content), scripts=SCRIPTS, style=STYLE)
    with disk_errors(path, "free some space and repeat"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, lambda file: file.write(page.encode(errors="replace")))


def plain(*values: str | int) -> tuple[Cell, ...]:
    """Return cells that are sorted by what they show."""
    return tuple(Cell(value, value) for value in values)


def share(value: float | None, decimals: int = 2) -> Cell:
    """Return a share in percent."""
    return Cell(percent(value, decimals), value)


def diverging(value: float, most: float, interval: tuple[float, float] | None = None) -> Html:
    """Return a bar from 0 to a value of -most..most, with the whisker of an interval where there is one."""
    scale = 100 / most if most else 0.0
    start, width = min(0.0, value * scale), abs(value * scale)
    drawn = f'<rect x="{start:.2f}" y="1" width="{width:.2f}" height="8" class="{"gain" if value > 0 else "loss"}"/>'
    drawn += '<line x1="0" x2="0" y1="-1" y2="11" class="zero"/>'
    if interval:
        low, high = (each * scale for each in interval)
        drawn += f'<path d="M{low:.2f} 1v8m0-4H{high:.2f}m0-4v8" class="whisker"/>'
    box = {"viewBox": "-100 0 200 10", "preserveAspectRatio": "none"}
    return tag("svg", Html(drawn), class_="diverging", aria_hidden="true", **box)
