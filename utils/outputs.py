"""Files that users ask for with `--out`: scores and features, chosen by suffix."""

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from utils.errors import UserError
from utils.files import disk_errors, write_atomic

W = TypeVar("W")


def score_writer(out: Path) -> Callable[[np.ndarray, np.ndarray, np.ndarray], None]:
    """Return the function that writes names (N,), labels (N,), logits (N, K) to `out`; refuses unknown suffixes."""
    return _bind(out, {".npz": _scores_npz, ".json": _scores_json})


def feature_writer(out: Path) -> Callable[[Mapping[str, np.ndarray]], None]:
    """Return the function that writes what `processor.extract` found to `out`; refuses unknown suffixes."""
    return _bind(out, {".npz": _features_npz, ".pkl": _features_pkl})


def _bind(out: Path, kinds: Mapping[str, Callable[..., None]]) -> Callable[..., None]:
    if out.suffix not in kinds:
        raise UserError(f"--out {out}: the name must end in {' or '.join(kinds)}")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: no such folder {out.parent}")
    kind = kinds[out.suffix]

    def write(*values: object) -> None:
        with disk_errors(out, "free some space and repeat"):
            write_atomic(out, lambda file: kind(file, *values))

    return write


def _scores_npz(file: IO[bytes], names: np.ndarray, labels: np.ndarray, logits: np.ndarray) -> None:
    np.savez(file, names=names, labels=labels, logits=logits)


def _scores_json(file: IO[bytes], names: np.ndarray, labels: np.ndarray, logits: np.ndarray) -> None:
    rows = zip(names.tolist(), labels.tolist(), logits.tolist(), strict=True)
    clips = [{"name": name, "label": label, "logits": scores} for name, label, scores in rows]
    file.write(json.dumps(clips).encode())


def _features_npz(file: IO[bytes], found: Mapping[str, np.ndarray]) -> None:
    np.savez(file, allow_pickle=False, **found)


def _features_pkl(file: IO[bytes], found: Mapping[str, np.ndarray]) -> None:
    pickle.dump(dict(zip(found["names"].tolist(), found["features"], strict=True)), file)
