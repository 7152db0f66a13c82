"""From yaml to sections: a base, the numbered file over it, `--set` over both."""

import difflib
import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import yaml
from pydantic import ValidationError

from config.errors import TAGS, ConfigError, explain
from config.section import S
from config.sections import Config, Local

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "configs"


def load(experiment: str, overrides: Sequence[str] = ()) -> Config:
    """Return experiment `experiment` (a number, or a path to a yaml) with `--set key=value` overrides.

    Raises `ConfigError` with file and key on anything unknown, missing, mistyped or out of range.
    """
    path = find(experiment)
    raw = _with_bases(path)
    changes: dict[str, Any] = {}
    for override in overrides:
        changes = _merge(changes, _parse_override(override))
    raw = _merge(raw, changes)
    raw.setdefault("number", path.stem)
    return _validate(Config, raw, _shown(path))


def load_local() -> Local:
    """Return the settings of this machine; all defaults if there are none."""
    path = FOLDER / "local.yaml"
    return _validate(Local, _read(path, empty={}), _shown(path)) if path.exists() else Local()


def numbers() -> list[str]:
    """Return the numbers of all experiments, in order."""
    return sorted(path.stem for path in FOLDER.glob("[0-9]*.yaml"))


def find(experiment: str) -> Path:
    """Return the file of an experiment."""
    if experiment.endswith((".yaml", ".yml")):
        path = Path(experiment)
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; -c takes a number or the path of a yaml")
        return path
    if experiment in numbers():
        return FOLDER / f"{experiment}.yaml"
    near = difflib.get_close_matches(experiment, numbers(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(f"-c {experiment}: no such experiment; {hint}`python main.py -l` lists all")


def _with_bases(path: Path) -> dict[str, Any]:
    """Return the mapping in a yaml, over those that it extends (one, or a list: later ones over earlier ones)."""
    raw = _read(path)
    bases, merged = raw.pop("extends", []), dict[str, Any]()
    for base in bases if isinstance(bases, list) else [bases]:
        merged = _merge(merged, _read_base(path, str(base)))
    return _merge(merged, raw)


def _read_base(path: Path, base: str) -> dict[str, Any]:
    base_path = path.parent / base if (path.parent / base).is_file() else FOLDER / base
    if not base_path.is_file():
        raise ConfigError(f"{_shown(path)}: extends '{base}', but there is no such file beside it or in configs/")
    raw = _read(base_path)
    if "extends" in raw:
        raise ConfigError(f"{_shown(base_path)}: a base cannot extend another one; list both in {_shown(path)}")
    return raw


def _merge(base: dict[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge, all else replaces; a mapping that names another choice replaces the whole choice."""
    merged = dict(base)
    for key, value in child.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if _same_choice(old, value) else value
    return merged


def _same_choice(old: Any, new: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether both are mappings, and `new` does not name another choice than `old`."""
    if not isinstance(old, dict) or not isinstance(new, Mapping):
        return False
    return all(tag not in old or new.get(tag, old[tag]) == old[tag] for tag in TAGS)


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text}: expected KEY=VALUE, such as train.epochs=10")
    try:
        tree: Any = yaml.load(value, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"--set {text}: the value is not yaml ({_first_line(error)})") from error
    for name in reversed(key.split(".")):
        tree = {name: tree}
    return dict(tree)


class _Loader(yaml.SafeLoader):
    """Safe yaml that refuses a key given twice, where yaml silently keeps the last."""


def _unique_mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
    keys = [loader.construct_object(key, deep=deep) for key, _ in node.value]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"key '{twice[0]}' is given twice", node.start_mark)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def _read(path: Path, empty: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the mapping in a yaml; `empty` where it holds nothing but comments."""
    try:
        raw = yaml.load(path.read_bytes(), _Loader)  # bytes: yaml says what is wrong with them
    except OSError as error:
        raise ConfigError(f"{_shown(path)}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{_shown(path)}: {_first_line(error)}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, as many brackets
        raise ConfigError(f"{_shown(path)}: {error}") from error
    if raw is None and empty is not None:
        return empty
    if not isinstance(raw, dict):
        raise ConfigError(f"{_shown(path)}: expected keys and values")
    return raw


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}" if mark else ""
    return f"{getattr(error, 'problem', None) or 'not yaml'}{where}"


def _validate(section: type[S], raw: dict[str, Any], where: str) -> S:
    try:
        text = json.dumps(raw, default=str)  # as JSON, a list may be a tuple, and values are still strict
    except (TypeError, ValueError) as error:  # a date as a key; a mapping that holds itself
        raise ConfigError(f"{where}: {error}") from error
    try:
        return section.model_validate_json(text)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{where}: {explain(section, problems[0])}{more}") from None


def _shown(path: Path) -> str:
    """Return a path as a user would type it from the repository's root."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
