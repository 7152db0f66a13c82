"""Configuration errors, in our words: file, dotted key, what is wrong, what is allowed."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from config.section import Section
from config.sections import Local

TAGS = ("name", "form")  # keys that choose among sections: another choice replaces all of its keys


class ConfigError(ValueError):
    """A configuration that cannot be used: file, key, what is wrong, what is allowed."""


def explain(section: type[Section], problem: Any) -> str:
    """Say one of pydantic's errors in our words: the dotted key, what is wrong, what is allowed."""
    keys, sections = _walk(section, problem["loc"])
    key, found = ".".join(keys), problem.get("input")
    if problem["type"] == "extra_forbidden":
        return _unknown_key(key, {name for each in sections for name in each.model_fields})
    if problem["type"] == "missing":
        return f"missing key '{key}'"
    if problem["type"].startswith("union_tag"):
        tag = f"{key}.{problem['ctx']['discriminator'].strip(chr(39))}"
        if problem["type"] == "union_tag_not_found":
            return f"missing key '{tag}'"
        return f"'{tag}' must be one of {problem['ctx']['expected_tags']}, got '{problem['ctx']['tag']}'"
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key else message
    hint = " (yaml reads 1e-4 as text: write 1.0e-4)" if _is_number_as_text(found) else ""
    return f"'{key}' {message}, got {found!r}{hint}"


def _walk(section: type[Section], loc: Sequence[int | str]) -> tuple[list[str], list[type[Section]]]:
    """Follow an error's location; return the keys a user wrote, and the sections that could hold the last one."""
    keys: list[str] = []
    sections = here = [section]
    for place in loc:
        field = next((each.model_fields[place] for each in here if place in each.model_fields), None)
        tagged = [each for each in here if place == each.__name__ or _is_called(each, place)]
        sections = tagged or here
        here = tagged if tagged else _sections_in(field.annotation) if field else here
        if not tagged:
            keys.append(str(place))
    return keys, sections


def _is_called(section: type[Section], place: int | str) -> bool:
    """Tell whether one of a section's tags can have the value `place`."""
    tags = [section.model_fields[tag] for tag in TAGS if tag in section.model_fields]
    return any(place in get_args(tag.annotation) for tag in tags)


def _sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for inner in get_args(annotation) for section in _sections_in(inner)]


def _unknown_key(key: str, known: set[str]) -> str:
    *_, last = key.split(".")
    if last in Local.model_fields:
        return f"'{key}' is a path of this machine; write it to configs/local.yaml, which is not tracked"
    near = difflib.get_close_matches(last, sorted(known), n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(sorted(known))}"
    return f"unknown key '{key}'; {hint}"


def _is_number_as_text(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)
