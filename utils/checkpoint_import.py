"""Checkpoints of every form that users have, recognised by content, as torch's key names and float32."""

import pickle
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from torch import Tensor

from utils.checkpoint import FORMAT, VERSION
from utils.checkpoint_forms import from_paddle, with_our_names
from utils.errors import UserError
from utils.inert_pickles import load_inert
from utils.pickles import MALFORMED, NUMPY_GLOBALS, load_pickle

ACCEPTED = (
    "accepted are checkpoints of Gesta, the original's .pth.tar, PYSKL's and mmaction2's .pth, Paddle's .pdparams "
    "and plain state dicts, and with -i the .onnx and .pt2 that -ex writes"
)

ZIP_MAGIC = b"PK"
LEGACY_MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)  # torch before 1.6

PADDLE_TABLE = "StructuredToParameterName@@"  # Paddle's own names of the parameters: of no use here

# layer type -> the part of a temporal layer's keys that no other type has ("conv" is looked for last)
LAYER_MARKS = {"SG": "depth_conv1", "Sep": "depth_conv", "Bottleneck": "reduct_conv", "Basic": "conv"}


class _Form(BaseModel):
    """What is read of a checkpoint of our own; it holds more."""

    model_config = ConfigDict(extra="allow", strict=True, arbitrary_types_allowed=True)


class _Best(_Form):
    top1_clips: int
    clips: int
    top1: float
    epoch: int


class _Progress(_Form):
    epoch: int | None = None
    best: _Best | None = None


class _Section(_Form):
    __pydantic_extra__: dict[str, JsonValue]


class _Data(_Section):
    layout: str


class _Config(_Section):
    data: _Data
    input: _Section
    model: _Section


class _Whole(_Form):
    model: dict[str, Tensor]
    progress: _Progress
    config: _Config
    classes: list[str]
    layout: dict[str, JsonValue] = {}  # the first checkpoints have none


@dataclass(frozen=True)
class ImportedCheckpoint:
    """The content of a checkpoint file, whatever wrote it."""

    form: str  # "gesta", "efficientgcn-torch", "paddle", "state-dict", or one of `checkpoint_forms.with_our_names`
    state: dict[str, Tensor]  # our networks' key names, float32 and int64, on the CPU
    recorded: str | None  # the accuracy that the file says it reached
    epoch: int | None  # epochs finished
    ignored: tuple[str, ...] = ()  # what else the file holds
    raw: dict[str, Any] = field(default_factory=dict)  # the whole file, of our own form only
    absent: tuple[str, ...] = ()  # ends of keys that the form never has: to take from the network itself


def read_checkpoint(path: Path) -> ImportedCheckpoint:
    """Read a checkpoint; its suffix does not matter, and no code in it is run.

    Raises:
        UserError: naming the file, what is wrong with it and what would be accepted.
    """
    content = _load_torch(path) if _is_torch_file(path) else load_pickle(path, accepted=ACCEPTED)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__} and no mapping; {ACCEPTED}")
    try:
        return _interpret(content)
    except ValueError as error:
        raise UserError(f"{path}: {error}; {ACCEPTED}") from error


def read_own(path: Path) -> dict[str, Any]:
    """Read one of our own checkpoints whole, to resume from it; raises `UserError` if it is none."""
    found = read_checkpoint(path)
    if found.form != "gesta":
        raise UserError(f"{path}: a checkpoint of form {found.form}, which holds no run to resume; use it with -pp")
    return found.raw


def temporal_layer_of(state: Iterable[str]) -> str | None:
    """Return the type of the temporal layers whose keys are in `state`, None where no block has one.

    The number of a config does not tell it: in an older release of the original 2001 had Sep layers.
    """
    names = {match[1] for key in state if (match := re.search(r"_tcn-\d+\.(\w+)\.", key))}
    return next((layer for layer, mark in LAYER_MARKS.items() if mark in names), None)


def describe_mismatch(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """Return how two state dicts differ in keys and shapes, shortly; None where they do not."""
    shapes = {key: (tuple(found[key].shape), tuple(expected[key].shape)) for key in found if key in expected}
    differences = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": [f"{key} {a} for {b}" for key, (a, b) in shapes.items() if a != b],
    }
    return "; ".join(f"{len(keys)} {kind}: {_first(keys)}" for kind, keys in differences.items() if keys) or None


def _first(names: list[str], count: int = 3) -> str:
    """Return the first few names, with dots where there are more."""
    return ", ".join(names[:count]) + (" ..." if len(names) > count else "")


def _is_torch_file(path: Path) -> bool:
    """Return whether the file begins like one that torch wrote; the others can only be plain pickles."""
    try:
        with path.open("rb") as file:
            head = file.read(len(LEGACY_MAGIC))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; {ACCEPTED}") from error
    if not head:
        raise UserError(f"{path}: the file is empty; {ACCEPTED}")
    return head.startswith(ZIP_MAGIC) or head == LEGACY_MAGIC


def _load_torch(path: Path) -> Any:
    """Return what torch saved: tensors, plain containers and, for the original's files, numeric arrays.

    Metadata of foreign classes are read as stubs where mmcv's or mmengine's form has them.
    """
    _refuse_damaged_zip(path)
    try:
        content, forbidden = _load_safely(path)
    except (RuntimeError, OSError, AssertionError, struct.error, *MALFORMED) as error:
        raise UserError(f"{path}: truncated, damaged or not written by torch; {ACCEPTED}") from error
    if forbidden:
        raise UserError(f"{path}: {forbidden}, which is not allowed in a checkpoint; {ACCEPTED}")
    return content


def _load_safely(path: Path) -> tuple[Any, str | None]:
    """Return the content of a torch file and None, or None and what is in it that must not be."""
    numpy_globals: list[Any] = [(value, name) for name, value in NUMPY_GLOBALS.items()]
    try:
        with torch.serialization.safe_globals(numpy_globals):
            return torch.load(path, map_location="cpu", weights_only=True), None
    except pickle.UnpicklingError as error:
        content = load_inert(path)
        if _holds_weights(content):
            return content, None
        forbidden = re.search(r"GLOBAL (\S+)", str(error))
        return None, f"asks for '{forbidden[1]}'" if forbidden else "holds more than tensors, numbers and text"


def _holds_weights(content: Any) -> bool:
    """Return whether this is what mmcv and mmengine write: weights, and metadata that may hold anything."""
    weights = content.get("state_dict") if isinstance(content, dict) else None
    return isinstance(weights, dict) and any(str(key).startswith("backbone.") for key in weights)


def _refuse_damaged_zip(path: Path) -> None:
    """Raise `UserError` if a part of a zip file fails its checksum: torch itself does not look."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise UserError(f"{path}: damaged ('{damaged}' fails its checksum); copy it again, or take an older one")


def _interpret(content: dict[str, Any]) -> ImportedCheckpoint:
    """Return the checkpoint in `content`; ValueError where its form is not known."""
    nested = isinstance(content.get("model"), dict)
    if nested and content.get("format") == FORMAT:
        if content.get("version") != VERSION:
            raise ValueError(f"version {content.get('version')}, but this Gesta reads version {VERSION}")
        return _interpret_ours(content)
    return _interpret_foreign(content)


def _interpret_ours(content: dict[str, Any]) -> ImportedCheckpoint:
    """Return a checkpoint of our own; ValueError where what is read of it is not as it was written."""
    try:
        progress = _Whole.model_validate(content).progress
    except ValidationError as error:
        problem = error.errors()[0]
        key, kind = ".".join(map(str, problem["loc"])), type(problem["input"]).__name__
        fault = f"lacks {key}" if problem["type"] == "missing" else f"has a value of type {kind} for {key}"
        raise ValueError(f"a Gesta checkpoint that {fault}; copy it again, or take another of its run") from error
    best = progress.best
    recorded = (
        None if best is None else f"{best.top1_clips}/{best.clips} ({best.top1:.2%}) top-1 after epoch {best.epoch}"
    )
    return ImportedCheckpoint("gesta", content["model"], recorded, progress.epoch, raw=content)


def _interpret_foreign(content: dict[str, Any]) -> ImportedCheckpoint:
    """Return the checkpoint of another project in `content`; ValueError where its form is not known."""
    place = "model" if isinstance(content.get("model"), dict) else "state_dict" if _holds_weights(content) else None
    entries = dict(content[place] if place else content)
    entries.pop(PADDLE_TABLE, None)
    state = {key: tensor for key, entry in entries.items() if (tensor := _to_tensor(entry)) is not None}
    if not entries or len(state) != len(entries) or not all(isinstance(key, str) for key in entries):
        raise ValueError(f"no form known here, with the keys {_first([*map(str, content)], 8)}")
    absent: tuple[str, ...] = ()
    if not all(isinstance(entry, Tensor) for entry in entries.values()):
        form = "paddle"
        state, absent = from_paddle(state)
    else:
        form, state = with_our_names(_without_module(state))
        form = "efficientgcn-torch" if place == "model" and form == "state-dict" else form
    ignored = tuple(sorted(content.keys() - {place, PADDLE_TABLE})) if place else ()
    recorded, epoch = _recorded_accuracy(content), _finished_epochs(content)
    return ImportedCheckpoint(form, state, recorded, epoch, ignored, absent=absent)


def _to_tensor(entry: Any) -> Tensor | None:
    """Return the weight that a tensor, an array or Paddle's (name, array) holds; None for anything else."""
    if isinstance(entry, tuple) and len(entry) == 2:
        entry = entry[1]
    if isinstance(entry, np.ndarray) and entry.dtype.kind in "iuf":
        entry = torch.from_numpy(entry.astype(entry.dtype.newbyteorder("=")))  # a copy that may be written
    if not isinstance(entry, Tensor):
        return None
    return entry.float() if entry.is_floating_point() else entry


def _without_module(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights without the prefix that torch's DataParallel puts before every key."""
    prefix = "module."
    wrapped = all(key.startswith(prefix) for key in state)
    return {key.removeprefix(prefix): tensor for key, tensor in state.items()} if wrapped else state


def _recorded_accuracy(content: dict[str, Any]) -> str | None:
    """Return the best accuracy in the file, from the counts of its confusion matrix where it has one."""
    best = content.get("best_state")
    if not isinstance(best, dict):
        return None
    matrix = np.asarray(best.get("cm", 0))  # (K, K), rows are true classes; 0 before the first evaluation
    if matrix.ndim == 2 and matrix.sum() > 0:
        correct, total = round(matrix.trace()), round(matrix.sum())
        return f"{correct}/{total} ({100 * correct / total:.2f}%) top-1"
    accuracy = best.get("acc_top1")
    return None if accuracy is None else f"{100 * float(accuracy):.2f}% top-1"


def _finished_epochs(content: dict[str, Any]) -> int | None:
    """Return the number of finished epochs.

    One Paddle port, known by its key `opt`, writes the index of its last epoch, from 0; others the number, and mmcv
    and mmengine write it among their metadata.
    """
    meta = content.get("meta")
    epoch = meta.get("epoch") if isinstance(meta, dict) else content.get("epoch")
    if not isinstance(epoch, int):
        return None
    return epoch + 1 if "opt" in content else epoch
