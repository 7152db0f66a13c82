"""The page of a comparison: differences and how sure they are, then classes and clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.compare.comparison import ClassDelta, Comparison, Flip
from tools.pages import diverging, plain, share, write_page
from utils.statistics import SIGNIFICANT, p_words
from visualizer.report.markup import Html, count, join, percent, tag
from visualizer.report.sections import note, section
from visualizer.report.tables import Cell, filtered, table

PARTS = {"classes": "Classes", "gained": "Gained", "lost": "Lost"}  # of the page, for each comparison


@dataclass(frozen=True)
class Side:
    """One of what is compared: its letter, what it is in words, where it is from, and its figures, 0..1."""

    letter: str
    title: str
    source: str
    top1: float
    mean_class: float


@dataclass(frozen=True)
class Names:
    """Of the classes: (K,), or none where they are not known."""

    classes: tuple[str, ...]

    def __getitem__(self, label: int) -> str:
        return self.classes[label] if self.classes else f"class {label + 1}"


def write(path: Path, sides: Sequence[Side], found: Sequence[Comparison], names: Names, epochs: str) -> None:
    """Write the page of `sides`, of which all others are compared with the first one in `found`."""
    first, *others = sides
    parts = {"result": "Difference"}
    for side in others:
        of = f" · {side.letter}" if len(others) > 1 else ""
        parts |= {f"{key}-{side.letter}": f"{title}{of}" for key, title in PARTS.items()}
    title = f"{_named(others)} against {_named([first])}"
    content = [_of_one(first, side, each, names) for side, each in zip(others, found, strict=True)]
    write_page(path, title, parts, _header(title, sides, found, epochs), *content)


def _header(title: str, sides: Sequence[Side], found: Sequence[Comparison], epochs: str) -> Html:
    first, *others = sides
    told = f"{count(found[0].clips)} clips · {len(found[0].classes)} classes · {epochs}"
    most = max(max(map(abs, (each.delta, *each.interval))) for each in found)
    cards = [_card(first, side, each, most) for side, each in zip(others, found, strict=True)]
    said = note(
        "Difference in top-1 with its 95 % interval (paired bootstrap over the clips, 10 000 draws) and the p-value of "
        "McNemar's exact test. Both are about these clips and these weights: what another seed would do, they do not "
        "say (tools.summarize). ",
        "Best epochs that were chosen on these very clips look better than they are; --last compares the last ones."
        if "best" in epochs
        else "",
    )
    top = (tag("p", "Comparison", class_="over"), tag("h1", title), tag("p", told, class_="lead"))
    return tag("header", *top, _runs(sides), tag("div", cards, class_="cards"), said, id="result")


def _card(first: Side, side: Side, found: Comparison, most: float) -> Html:
    low, high = found.interval
    return tag(
        "div",
        tag("h3", f"{side.letter} less {first.letter}"),
        tag("p", _signed(found.delta), tag("span", " points", class_="muted"), class_="big"),
        diverging(found.delta, most, found.interval),
        tag("p", f"{_signed(low)} to {_signed(high)}, {p_value(found.p)}", class_="muted"),
        tag("p", verdict(found)),
        class_="card",
    )


def _runs(sides: Sequence[Side]) -> Html:
    rows = [(*plain(side.letter, side.title), share(side.top1), share(side.mean_class), _path(side)) for side in sides]
    return tag("div", table("runs", ("", "experiment", "top-1", "mean class", "scores"), rows), class_="runs")


def _path(side: Side) -> Cell:
    return Cell(tag("span", side.source, class_="path"), side.source)


def _of_one(first: Side, side: Side, found: Comparison, names: Names) -> Html:
    """Return what one run differs in from the first: classes, clips gained and clips lost."""
    one, two = first.letter, side.letter
    ids = {key: f"{key}-{two}" for key in PARTS}
    gained = f"Clips that {two} gets right and {one} does not"
    lost = f"Clips that {one} gets right and {two} does not"
    return join(
        section(
            ids["classes"],
            f"Classes: {two} against {one}",
            *_shares(one, two, found),
            *_classes(one, two, found, names),
        ),
        section(ids["gained"], gained, *_flips(ids["gained"], one, two, found.gained, names, surest=two)),
        section(ids["lost"], lost, *_flips(ids["lost"], one, two, found.lost, names, surest=one)),
    )


def _shares(one: str, two: str, found: Comparison) -> tuple[Html, Html]:
    kinds = (
        ("both", "both right", found.both),
        ("gain", f"only {two} right", len(found.gained)),
        ("loss", f"only {one} right", len(found.lost)),
        ("none", "both wrong", found.neither),
    )
    bar = tag(
        "div",
        [tag("i", class_=kind, style=f"flex: {clips}") for kind, _, clips in kinds if clips],
        class_="shares",
        aria_hidden="true",
    )
    key = [tag("li", tag("i", class_=kind), f"{words} {count(clips)}") for kind, words, clips in kinds]
    return bar, tag("ul", key, class_="key")


def _classes(one: str, two: str, found: Comparison, names: Names) -> tuple[Html, Html]:
    changed = found.most_changed
    most = max(abs(each.delta) for each in changed)
    heads = ("#", "class", "clips", one, two, "difference", f"only {two}", f"only {one}", "p", "q")
    said = note(
        "Recall of the classes, most changed first; 'only' counts the clips that one alone gets right. p is McNemar's; "
        f"q is p adjusted for testing {len(changed)} classes at once (Benjamini-Hochberg), bold below {SIGNIFICANT}."
    )
    rows = [_class_row(each, most, names) for each in changed]
    return filtered(f"classes-{two}", "a class's name", heads, rows), said


def _class_row(found: ClassDelta, most: float, names: Names) -> tuple[Cell, ...]:
    difference = tag("div", tag("span", _signed(found.delta)), diverging(found.delta, most), class_="delta")
    chance = [Cell(tag("b" if found.q < SIGNIFICANT else "span", p_words(each)), each) for each in (found.p, found.q)]
    return (
        *plain(found.label + 1, names[found.label], found.clips),
        share(found.first, 1),
        share(found.second, 1),
        Cell(difference, found.delta),
        *plain(found.gained, found.lost),
        *chance,
    )


def _flips(name: str, one: str, two: str, flips: Sequence[Flip], names: Names, surest: str) -> tuple[Html, ...]:
    if not flips:
        return (note("There is none."),)
    rows = [
        (
            *plain(number, each.name, names[each.label]),
            _answer(names[each.first], each.first_confidence),
            _answer(names[each.second], each.second_confidence),
        )
        for number, each in enumerate(flips, start=1)
    ]
    said = f"{count(len(flips))} clips, with the probability of each answer; first those that {surest} is surest of."
    return filtered(name, "a clip's name", ("#", "clip", "class", f"{one} says", f"{two} says"), rows), note(said)


def _answer(name: str, sure: float) -> Cell:
    return Cell(join(name, " ", tag("span", percent(sure, 0), class_="muted")), name)


# --- words


def points(delta: float) -> str:
    """Return a difference of shares in percentage points, signed: `+1.08`."""
    return f"{100 * delta:+.2f}"


def p_value(p: float) -> str:
    """Return a p-value as a statement."""
    said = p_words(p)
    return f"p {said}" if said.startswith("<") else f"p = {said}"


def verdict(found: Comparison) -> str:
    """Return what the test says, in a sentence."""
    flipped = len(found.gained) + len(found.lost)
    if not flipped:
        return "Both get the very same clips right."
    odds = f"{len(found.gained)} clips gained, {len(found.lost)} lost"
    if found.p < SIGNIFICANT:
        return f"{odds}: more one-sided than chance would make it."
    return f"{odds}: chance alone would often be as one-sided."


def _named(sides: Sequence[Side]) -> str:
    return f"{len(sides)} runs" if len(sides) > 1 else sides[0].title.partition(",")[0]


def _signed(delta: float) -> str:
    return points(delta).replace("-", "\u2212")
