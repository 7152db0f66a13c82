"""Write `docs/config-reference.md` from the configuration's schema.

    python -m tools.config_reference [--check]

With `--check` nothing is written; the exit code is 1 if the file is not what would be.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import config
from utils.command_line import Parser, guarded, say

TARGET = config.ROOT / "docs/config-reference.md"
HEAD = """\
# Configuration reference

Written by `python -m tools.config_reference` from the schema in `config/`; edit that, not this page.

- A numbered file in `configs/` holds what differs from its base: `extends: base/efficientgcn.yaml`, or a list of bases,
  later ones over earlier ones. Mappings merge, anything else replaces; a mapping that names another choice
  (`optimizer: {name: Adam, lr: 0.001}`) replaces all of it. A base cannot extend another one.
- Any key can be set for one run: `--set train.epochs=10 --set "input.streams=JB"`. Values are yaml.
- A key that is not listed here, is given twice, is missing or of another type is an error that names the file, the key
  and the nearest valid name. yaml reads `1e-4` as text: write `1.0e-4`.
- The resolved configuration is written to every run folder as `config.yaml`; `-c FOLDER/config.yaml` loads it again.
- `number` is the file's name, unless it is given.
"""
LOCAL_HEAD = """\
# configs/local.yaml

Paths of one machine; not tracked by git, never part of an experiment. The command line and the environment come first.
"""
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}

Schema = dict[str, Any]


def reference() -> str:
    """Return the whole page."""
    pieces = [HEAD, *_sections(config.Config), LOCAL_HEAD, *_sections(config.Local)]
    return "\n".join(pieces)


def _sections(section: type[config.Section]) -> Iterator[str]:
    """Yield a heading and a table for a section and for everything below it, in the order of the keys."""
    schema = section.model_json_schema()
    definitions = schema.get("$defs", {})
    yield from dict.fromkeys(_describe(schema, "", definitions))  # what several choices share stands there once


def _describe(schema: Schema, path: str, definitions: Schema) -> Iterator[str]:
    if path:
        choice = schema["properties"].get("name") or schema["properties"].get("form")
        title = f"{path}: {_values(choice, definitions)}" if choice else path
        yield f"{'#' * (2 + path.count('.'))} {title}\n"
        yield f"{schema['description']}\n"
    yield _table(schema, path, definitions)
    for key, value in schema["properties"].items():
        for below in _referred(value, definitions):
            yield from _describe(below, f"{path}.{key}" if path else key, definitions)


def _table(schema: Schema, path: str, definitions: Schema) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in schema["properties"].items():
        name = f"{path}.{key}" if path else key
        default = _default(value, required=key in schema.get("required", ()))
        meaning = value.get("description", "see below" if _referred(value, definitions) else "")
        cells = (f"`{name}`", _values(value, definitions), default, meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _default(value: Schema, *, required: bool) -> str:
    if required or "default" not in value:
        return "required"
    if value["default"] is None:
        return "none"
    return f"`{json.dumps(value['default'])}`"


def _values(value: Schema, definitions: Schema) -> str:
    """Say in words what a key may hold."""
    for one_of in ("anyOf", "oneOf"):
        if one_of in value:
            kinds = [_values(each, definitions) for each in value[one_of] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    if "$ref" in value:
        return "section"
    if "const" in value or "enum" in value:
        return " ".join(f"`{each}`" for each in value.get("enum", [value.get("const")]))
    if value["type"] == "array":
        return _list(value, definitions)
    if value["type"] == "object":
        return f"mapping to {_values(value['additionalProperties'], definitions)}"
    return TYPES[value["type"]] + _range(value)


def _list(value: Schema, definitions: Schema) -> str:
    if "prefixItems" in value:
        return "[" + ", ".join(_values(each, definitions) for each in value["prefixItems"]) + "]"
    least = f" of {value['minItems']} or more" if value.get("minItems") else ""
    return f"list{least}; each {_values(value['items'], definitions)}"


def _range(value: Schema) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value]
    if "pattern" in value:
        limits.append(f"like `{value['pattern']}`")
    return f" {', '.join(limits)}" if limits else ""


def _referred(value: Schema, definitions: Schema) -> list[Schema]:
    """Return the sections that a key may hold, directly or in a list."""
    if "$ref" in value:
        return [definitions[value["$ref"].rpartition("/")[2]]]
    inner: list[Schema] = [value["items"]] if "items" in value else value.get("oneOf") or value.get("anyOf") or []
    return [section for each in inner for section in _referred(each, definitions)]


def main(arguments: Sequence[str] | None = None, target: Path = TARGET) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.config_reference", __doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is out of date")
    return guarded(lambda: _write(target, check=parser.parse_args(arguments).check))


def _write(target: Path, *, check: bool) -> int:
    wanted = reference()
    if not check:
        target.write_text(wanted, encoding="utf-8")
        return 0
    if target.exists() and target.read_text(encoding="utf-8") == wanted:
        return 0
    return say(f"{target}: not what config/ says; run python -m tools.config_reference", 1)


if __name__ == "__main__":
    sys.exit(main())
