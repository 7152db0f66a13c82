"""Write this machine's results into the table of README.md.

python -m benchmarks.readme
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.harness import RESULTS, ROOT, Limits, Row, machine

BEGIN, END = "<!-- written by make bench -->\n", "<!-- end -->"
HEADER = ("stage", "reference", "Gesta", "ratio", "must", "goal", "memory")


def table(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Return results as lines of Markdown; memory is what either side took above its imports."""
    rows = (_cells(_row(kept)) for script in results.values() for kept in script.values())
    return markdown(HEADER, rows, left=1)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """Return a table as lines; the cells of its first `left` columns stand to the left, others to the right."""
    marks = ["---"] * left + ["---:"] * (len(header) - left)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, marks, *rows))


def _row(kept: dict[str, Any]) -> Row:
    return Row(**{**kept, "limits": Limits(**kept["limits"])})


def _cells(row: Row) -> tuple[str, ...]:
    speeds = [f"{_figure(speed)} {row.unit}" for speed in (row.reference, row.project)]
    ratio = f"{row.ratio:.1f}x" if row.good else f"{row.ratio:.4g}x, missed"  # a near miss shows that it is one
    theirs, ours = row.peaks or (0, 0)
    memory = f"{_gigabytes(theirs)} → {_gigabytes(ours)} GB" if theirs else ""
    return row.stage, *speeds, ratio, *row.limits.words(row.unit), memory


def _figure(value: float) -> str:
    """Return a number with three digits that count, and thin groups: 1 820, 33.8, 0.723."""
    return f"{float(f'{value:.3g}'):,}".removesuffix(".0").replace(",", " ")


def _gigabytes(megabytes: float) -> str:
    return f"{megabytes / 1e3:.2g}"


def renewed(text: str, lines: str, begin: str = BEGIN) -> str:
    """Return a document's text with `lines` between the marks."""
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{lines}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    found = json.loads((RESULTS / f"{machine()}.json").read_text(encoding="utf-8"))
    readme = ROOT / "README.md"
    readme.write_text(renewed(readme.read_text(encoding="utf-8"), table(found)), encoding="utf-8")
