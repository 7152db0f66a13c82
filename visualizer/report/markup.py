"""HTML and JSON in which no text of the user's is ever markup."""

import html
import json
from typing import Any

_IN_SCRIPT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class Html(str):
    """Text that is markup already; every other text is escaped where it meets markup."""

    __slots__ = ()


def tag(element: str, /, *children: object, **attributes: object) -> Html:
    """Return an element. Children that are not `Html` are escaped; of lists and tuples, each item; None is nothing.

    Attributes: `_` becomes `-` and falls off the end (`class_`, `aria_label`); True stands without a value; None and
    False are left out.
    """
    pairs = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    told = "".join(_attribute(name, value) for name, value in pairs if value is not None and value is not False)
    return Html(f"<{element}{told}>{join(*children)}</{element}>")


def join(*children: object) -> Html:
    """Return children one after the other, as `tag` has them."""
    return Html("".join(_child(child) for child in children))


def script_json(value: Any) -> Html:
    """Return JSON that may stand in a script element: no `<`, so no end of it; a NaN is refused with a ValueError."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Html(text.translate(_IN_SCRIPT))


def label(text: str, longest: int | None = None) -> str:
    """Return a text for a chart: plotly takes `<b>` and `&lt;` in labels for markup, what is between two $ for TeX."""
    short = text if longest is None or len(text) <= longest else text[: longest - 1] + "…"
    return html.escape(short, quote=False).replace("$", "&#36;")


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in percent, "-" where there is none."""
    return "-" if share is None else f"{share:.{digits}%}"


def count(number: int) -> str:
    """Return a whole number with a thin space between thousands."""
    return f"{number:,}".replace(",", "\u202f")


def _attribute(name: str, value: object) -> str:
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, list | tuple):
        return join(*child)
    return child if isinstance(child, Html) else html.escape(str(child))
