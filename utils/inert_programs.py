"""Exported programs (`.pt2`) that hold no code.

`torch.export.load` trusts its file: it unpickles freely where weights, constants or sample inputs are marked as pickled
(for sample inputs even after `weights_only` has refused them), evaluates sizes as Python expressions, compiles names
and guards into source, and calls whatever `torch.` name a node asks for. An export of ours needs none of it, so what
is not plain tensors, plain words and plain operators is refused here, before torch sees it.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from utils.errors import UserError

ENTRIES = re.compile(
    r"[^/]+/(data/weights/(weight_\d+|model_weights_config\.json)|data/constants/(tensor_\d+|model_constants_config\.json)"
    r"|data/sample_inputs/model\.pt|models/model\.json|archive_format|archive_version|byteorder|\.data/\w+)"
)
WORDS = re.compile(r"[-\w.+]*")
OPERATORS = re.compile(r"_operator\.(getitem|add|sub|mul|floordiv|mod|neg|eq|ne|lt|le|gt|ge)|torch\.sym_(max|min|not)")
SIZES = re.compile(  # such as Mul(Integer(2), Symbol('s41', positive=True, integer=True))
    r"((Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CeilDiv|CleanDiv|Integer|Rational)(?=\()|True|False|[-\d(), ]"
    r"|Symbol\('\w+'(, \w+=(True|False))*\))*"
)
TREES = re.compile(r'("(type|context|children_spec|builtins\.(tuple|list|dict)|null|\[\])"|null|[\d\[\]{}:, ])*')
LOOKED_UP = ("torch", "_operator", "math")  # so begins what torch looks a function up by, whatever is before its dot
TORCH_VERSION = "torch_version"  # a key of every export
ENCRYPTED = 1  # a bit of an entry's flags
EXAMPLES, PICKLED = "data/sample_inputs/model.pt", "use_pickle"


def inert_copy(path: Path) -> io.BytesIO:
    """Return a `.pt2` for `torch.export.load`, rebuilt from what was looked at.

    Raises:
        UserError: if it is none, or holds anything that could run code; it names what.
    """
    copy = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as rebuilt:
            for entry in archive.infolist():
                _refuse_entry(entry)
                content = archive.read(entry)
                _refuse_content(entry.filename, content)
                rebuilt.writestr(entry.filename, content)
    except (zipfile.BadZipFile, OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: {error}; accepted are the .pt2 files that -ex writes") from error
    copy.seek(0)
    return copy


def _refuse_entry(entry: zipfile.ZipInfo) -> None:
    """Raise `ValueError` for an entry that no export has; before it is read, since it may be a gigabyte of zeros."""
    is_plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & ENCRYPTED
    if not ENTRIES.fullmatch(entry.filename) or not is_plain:
        raise ValueError(f"holds '{entry.filename}', which could be code")


def _refuse_content(name: str, content: bytes) -> None:
    """Raise `ValueError` for the content of an entry that could be code."""
    if name.endswith(EXAMPLES) and content:
        raise ValueError("holds pickled sample inputs, which could be code")
    if name.endswith(".json"):
        for text in _texts(json.loads(content)):
            _refuse(text)


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in JSON, keys included; raises `ValueError` where something is marked as pickled."""
    if isinstance(value, dict):
        if value.get(PICKLED):
            raise ValueError("holds a pickled tensor, which could be code")
        yield from value
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def _refuse(text: str) -> None:
    """Raise `ValueError` for a text that is neither a word, a harmless operator, a size nor a tree of arguments."""
    if text.startswith(LOOKED_UP) and text != TORCH_VERSION:
        harmless = OPERATORS.fullmatch(text) or _is_tensor_operator(text)
    else:
        harmless = any(form.fullmatch(text) for form in (WORDS, SIZES, TREES))
    if not harmless:
        raise ValueError(f"asks for '{text[:80]}', which could be code")


def _is_tensor_operator(name: str) -> bool:
    """Tell whether a name is one of torch's own operators, and none that reads or writes files (aten.save does)."""
    found = re.fullmatch(r"torch\.ops\.aten\.(\w+)\.(\w+)", name)
    operator = getattr(getattr(torch.ops.aten, found[1], None), found[2], None) if found else None
    if not isinstance(operator, torch._ops.OpOverload):
        return False
    return all(argument.name != "filename" for argument in operator._schema.arguments)
