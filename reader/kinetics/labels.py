"""Label files: which class each clip has, and whether there is a skeleton of it.

Form: {"<clip>": {"has_skeleton": bool, "label": class name, "label_index": class index from 0}, ...}.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from utils.errors import UserError
from utils.recording import ReadError

ENTRY = '{"has_skeleton": true, "label": "juggling", "label_index": 7}'
MOST_CLASSES = 100_000  # an index beyond is a mistake, and the list of classes would be filled up to it
AGAIN = "unpack or export it again"


class Label(NamedTuple):
    """What a label file says of a clip."""

    class_index: int
    class_name: str
    has_skeleton: bool


def read_labels(path: Path) -> dict[str, Label]:
    """Return what a label file says of each clip; raises `UserError`, for a clip without a class, too."""
    content = _load(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: must be a mapping from clips to {ENTRY}")
    for clip, entry in content.items():
        if not isinstance(entry, Label):
            raise UserError(f"{path}: clip '{clip}' has {json.dumps(entry):.120}; an entry is {ENTRY}")
    return content


def _load(path: Path) -> Any:
    """Return the content with an object for each different `Label`, not 240 000 dictionaries (orjson would make)."""
    shared: dict[Label, Label] = {}

    def compact(pairs: list[tuple[str, Any]]) -> Any:
        entry = dict(pairs)
        if len(entry) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise UserError(f"{path}: '{twice}' is stated twice; remove one")
        label = _label(entry)
        return entry if label is None else shared.setdefault(label, label)

    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=compact)
    except UserError:  # which is a ValueError, too
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); its clips would have no class") from error
    except json.JSONDecodeError as error:
        raise ReadError(path, error.lineno, f"no JSON from here on (truncated?): {error.msg}; {AGAIN}") from error
    except (ValueError, RecursionError) as error:  # bytes that are no text; nested without end
        raise UserError(f"{path}: no JSON; {AGAIN}") from error


def _label(entry: dict[str, Any]) -> Label | None:
    """Return an entry as a label; None if it is not a whole one."""
    index, name, has_skeleton = (entry.get(key) for key in ("label_index", "label", "has_skeleton"))
    if type(index) is not int or type(name) is not str or type(has_skeleton) is not bool:
        return None
    return Label(index, name, has_skeleton) if name and 0 <= index < MOST_CLASSES else None


def add_classes(names: dict[int, str], path: Path, labels: Iterable[Label]) -> None:
    """Add a label file's classes to `names`, by index.

    Raises `UserError` if an index has two names, or a name two indices.
    """
    indices = {name: index for index, name in names.items()}
    for index, name, _ in sorted(set(labels)):
        if (other := names.setdefault(index, name)) != name:
            raise UserError(f"{path}: label_index {index} is both '{other}' and '{name}'; a class has one name")
        if (at := indices.setdefault(name, index)) != index:
            raise UserError(f"{path}: '{name}' has label_index {at} and {index}; a class has one index")
