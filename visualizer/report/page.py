"""The page: sections, data and scripts in one file that asks for nothing.

A content security policy says so to the browser, too: no connection, and no script but the page's own, by their hashes.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from utils.files import disk_errors, write_atomic
from visualizer.figures.calibration import calibration
from visualizer.figures.classes import classes
from visualizer.figures.confusion import confusion
from visualizer.figures.curves import curves
from visualizer.figures.headline import headline
from visualizer.figures.importance import importance
from visualizer.figures.summary import summary
from visualizer.findings import Findings
from visualizer.report.body import body_map
from visualizer.report.charts import calibration_chart, confusion_chart, curve_charts, summary_charts
from visualizer.report.clips import clips
from visualizer.report.markup import Html, join, script_json, tag
from visualizer.report.sections import (
    calibration_section,
    classes_section,
    clips_section,
    confusion_section,
    curves_section,
    data_section,
    header,
    joints_section,
)
from visualizer.view import bones, is_flat

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("page.js", "charts.js", "table.js", "skeleton.js", "player.js", "body.js")  # in this order
TITLES = {
    "result": "Result", "curves": "Training", "confusion": "Confusion", "classes": "Classes", "clips": "Clips",
    "joints": "Important joints", "calibration": "Calibration", "data": "Data",
}  # fmt: skip


def write(findings: Findings, path: Path) -> None:
    """Write the report of `findings` to `path`, atomically.

    Raises:
        UserError: if there is no room, or no right to write.
    """
    text = render(findings).encode()
    with disk_errors(path, "free some space and repeat"):
        write_atomic(path, lambda file: file.write(text))


def render(findings: Findings) -> str:
    """Return the report as HTML."""
    from plotly.offline import get_plotlyjs  # here: others of the room need no plotly

    content, data = _content(findings)
    return assemble(findings.config.title, TITLES, content, scripts=SCRIPTS, data=data, plotly=get_plotlyjs())


def assemble(
    title: str,
    parts: Mapping[str, str],
    content: Html,
    *,
    scripts: Sequence[str],
    style: str = "",
    data: Any = None,
    plotly: str = "",
) -> str:
    """Return a page as HTML.

    Args:
        title: of the browser's tab.
        parts: id -> title, for the navigation; the first is the top of the page.
        content: the page below its navigation.
        scripts: names of assets, in order; page.js before the others.
        style: CSS beside the page's own.
        data: what the scripts find as `findings`.
        plotly: its script, where there are charts.
    """
    head, later = asset("theme.js"), [*map(asset, scripts), *([plotly] if plotly else [])]
    return Template(asset("page.html")).substitute(
        policy=_policy([head, *later]),
        title=join(f"{title} · Gesta"),
        style=asset("page.css") + asset("player.css") + style,
        theme=_script(head),
        navigation=join([tag("li", tag("a", each, href=f"#{name}")) for name, each in parts.items()]),
        content=content,
        data=script_json(data),
        scripts=join([_script(text) for text in later]),
    )


def _content(findings: Findings) -> tuple[Html, dict[str, Any]]:
    """Return the sections, and what the scripts draw in them."""
    over_epochs, counts, sure, split = curves(findings), confusion(findings), calibration(findings), summary(findings)
    joints = importance(findings)
    of_training = curve_charts(over_epochs)
    content = join(
        header(findings, headline(findings)),
        curves_section(over_epochs, of_training),
        confusion_section(counts),
        classes_section(classes(findings)),
        clips_section(findings),
        joints_section(bool(joints.clips.any())),
        calibration_section(sure),
        data_section(split),
    )
    drawn = {
        **of_training,
        "confusion": confusion_chart(counts),
        "calibration": calibration_chart(sure),
        **summary_charts(split, findings.classes),
    }
    player = {"flat": is_flat(findings), "bones": bones(findings.layout), "clips": clips(findings)}
    return content, {"charts": drawn, "player": player, "body": body_map(findings, joints)}


@cache
def asset(name: str) -> str:
    """Return one of the page's own files."""
    return (ASSETS / name).read_text(encoding="utf-8")


def _script(text: str) -> Html:
    return Html(f"<script>{text}</script>")


def _policy(scripts: list[str]) -> str:
    """Return a policy under which these scripts run and no others, and nothing is fetched."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"
