"""The report's sections, each a heading, figures, and a sentence that says what to see."""

from collections.abc import Iterable, Sequence

from utils.statistics import SIGNIFICANT
from visualizer.figures.calibration import DEFINITION, Calibration
from visualizer.figures.classes import ClassRow
from visualizer.figures.confusion import PAIRS, Confusion
from visualizer.figures.curves import Curves
from visualizer.figures.headline import Figure, Headline
from visualizer.figures.summary import Summary
from visualizer.findings import Findings
from visualizer.report.charts import TICKS, Chart
from visualizer.report.markup import Html, count, join, percent, tag
from visualizer.report.tables import class_table, interval, pair_table, plain_table
from visualizer.view import is_flat

ROWS = 500  # of refused files, at most
METRICS = {"top1": "top-1", "mean_class": "mean class", "two_stream": "two streams", "four_stream": "four streams"}
WHY = {"top-1": "the most probable class is the true one", "mean class": "recall, averaged over classes with clips"}


def header(findings: Findings, found: Headline) -> Html:
    """Return number, network and benchmark, the figures, what they cost and where they come from."""
    config = findings.config
    clips = f"{count(len(findings.labels))} clips of split {findings.split}"
    unknown = f", {count(found.unlabelled)} of them of no known class, not counted" if found.unlabelled else ""
    return tag(
        "header",
        tag("p", f"Experiment {config.number}", class_="over"),
        tag("h1", config.model.title, " ", tag("span", f"on {config.data.label}")),
        tag(
            "p", clips, unknown, f" · {len(findings.classes)} classes · {findings.layout.name} skeletons", class_="lead"
        ),
        _figures(found),
        _published(findings),
        _origin(findings),
        id="result",
    )


def curves_section(curves: Curves, charts: dict[str, Chart]) -> Html:
    """Return loss, accuracy and learning rate over the epochs."""
    if not charts:
        return section("curves", "Training", note("Nothing is known of the training: this is a bare checkpoint."))
    best = f" The best epoch is {curves.best}, chosen on {curves.chosen_on}; the last is {curves.last}."
    caption = "Loss, accuracy and learning rate after each epoch; train is over the epoch as it went."
    figures = tag("div", [chart(name) for name in charts], class_="thirds")
    return section("curves", "Training", figures, note(caption, best if curves.best else ""))


def confusion_section(confusion: Confusion) -> Html:
    """Return the heat map and the most confused pairs; the pairs first where the map is too large to be read."""
    K = len(confusion.classes)
    large = "" if K <= TICKS else f" Its {K} classes have no names at the axes: point at a cell."
    heat_map = join(
        chart("confusion"),
        note("Rows are true classes, columns what was predicted; off the diagonal is what goes wrong.", large),
    )
    parts = [heat_map, _pairs(confusion)] if K <= TICKS else [_pairs(confusion), heat_map]
    return section("confusion", "Confusion", *parts)


def classes_section(rows: Sequence[ClassRow]) -> Html:
    """Return the table of classes, to be sorted and filtered."""
    said = note("Recall is the share of a class's clips that are found; - where a class has no clips to tell from.")
    return section("classes", "Classes", class_table(rows), said)


def clips_section(findings: Findings) -> Html:
    """Return the player's place; the page's script fills it."""
    if not findings.shown:
        return section("clips", "Clips", note("No clips were chosen to be drawn."))
    keys = "Press space to play." if is_flat(findings) else "Drag or press the arrow keys to turn, space to play."
    said = note(_seen(findings), keys)
    return section("clips", "Clips", tag("div", id="player"), said)


def joints_section(told: bool) -> Html:
    """Return the body map's place."""
    if not told:
        return section("joints", "Important joints", note("No class has a clip to tell from."))
    said = note(
        "The mean activation of a class's own map on its joints, over its clips; 100 is its most important joint."
    )
    return section("joints", "Important joints", tag("div", id="body-map"), said)


def calibration_section(calibration: Calibration) -> Html:
    """Return the reliability diagram."""
    if not calibration.bins:
        return section("calibration", "Calibration", note("No clip's class is known."))
    figures = tag("div", _number("ECE", percent(calibration.ece, 2)), _number("MCE", percent(calibration.mce, 2)))
    said = note("Bars below the dotted line: the network is surer than it should be. ", DEFINITION)
    return section("calibration", "Calibration", tag("div", figures, class_="numbers"), chart("calibration"), said)


def data_section(summary: Summary) -> Html:
    """Return what the split consists of, and which files are not in it."""
    charts = tag("div", chart("lengths"), chart("persons"), class_="halves")
    said = note("How many frames and persons the clips have, and how many clips each class has.")
    refused, left_out = summary.refused, summary.left_out
    return section(
        "data",
        "Data",
        charts,
        chart("supports"),
        said,
        _list(f"Refused sources: {count(len(refused))}", ("source", "why"), refused),
        _list(f"Sources left out: {count(sum(n for _, n in left_out))}", ("why", "sources"), left_out),
    )


def section(id_: str, title: str, *children: object) -> Html:
    """Return a section that the navigation finds."""
    return tag("section", tag("h2", title, id=f"{id_}-title"), *children, id=id_, aria_labelledby=f"{id_}-title")


def chart(name: str) -> Html:
    """Return the place of a chart."""
    return tag("div", class_="chart", data_chart=name)


def note(*words: str) -> Html:
    """Return a caption."""
    return tag("p", *words, class_="note")


def _seen(findings: Findings) -> str:
    if not any(shown.activation for shown in findings.shown):
        return "This network has no class activation maps: all joints look alike. "
    return "Large, bright joints speak for the class that is shown; small, dark ones do not, or speak against it. "


def _pairs(confusion: Confusion) -> Html:
    if not confusion.pairs:
        return note("No class is taken for another.")
    said = note(
        f"At most {PAIRS}, the most clips first. p: that both directions are equally likely (binomial, two-sided, not "
        f"corrected for several pairs); bold below {SIGNIFICANT}."
    )
    return join(tag("h3", "Most confused pairs"), pair_table(confusion), said)


def _figures(found: Headline) -> Html:
    if not found.best:
        return note("No clip's class is known: there are no figures.")
    last = {figure.name: figure for figure in found.last}
    cards = [_card(figure, last.get(figure.name)) for figure in found.best]
    chosen = f"Best: {found.chosen}. " if found.chosen else ""
    return join(
        tag("div", cards, class_="cards"),
        note(chosen, f"With 95% intervals, over {count(found.clips)} clips whose class is known."),
    )


def _card(figure: Figure, last: Figure | None) -> Html:
    return tag(
        "div",
        tag("h3", figure.name, title=WHY.get(figure.name)),
        tag("p", percent(figure.value, 2), class_="big"),
        interval(figure.value, figure.low, figure.high),
        tag("p", f"{percent(figure.low)} to {percent(figure.high)}", class_="muted"),
        tag("p", f"last epoch {percent(last.value, 2)}", class_="muted") if last else None,
        class_="card",
    )


def _published(findings: Findings) -> Html | None:
    found = findings.config.published
    rows = [
        f"{METRICS[each.metric]} {each.value:g}% ({each.source}{', ' * bool(each.note)}{each.note})" for each in found
    ]
    return note("Published: ", "; ".join(rows), ".") if rows else None


def _origin(findings: Findings) -> Html:
    """Return cost, environment and commands."""
    told = [(key, _words(value)) for key, value in findings.environment.items()]
    commands = tag("pre", "\n".join(findings.commands))
    return join(
        _facts([*findings.cost, ("weights", findings.weights)]),
        tag("details", tag("summary", "Environment"), _facts(told)) if told else None,
        tag("details", tag("summary", "Commands"), commands, open=True) if findings.commands else None,
    )


def _facts(rows: Iterable[tuple[str, str]]) -> Html:
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows], class_="facts")


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(name: str, value: str) -> Html:
    return tag("p", tag("span", name, class_="muted"), " ", tag("b", value))


def _list(title: str, heads: tuple[str, str], rows: Sequence[tuple[str, str | int]]) -> Html | None:
    """Return a table that is folded away."""
    if not rows:
        return None
    more = note(f"and {count(len(rows) - ROWS)} more") if len(rows) > ROWS else None
    return tag("details", tag("summary", title), plain_table(title.lower(), heads, rows[:ROWS]), more)
