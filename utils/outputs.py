"""Files that users ask for with `--out`: scores and features, chosen by suffix."""

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from utils.errors import UserError
from utils.files import disk_errors, write_atomic


def score_writer(out: Path) -> Callable[[Mapping[str, np.ndarray]], None]:
    """Return the function that writes `names` (N,), `labels` (N,), `logits` (N, K) to `out`; refuses other suffixes."""
    return _bind(out, {".npz": _npz, ".json": _scores_json})


def feature_writer(out: Path) -> Callable[[Mapping[str, np.ndarray]], None]:
    """Return the function that writes what `processor.extract` found to `out`; refuses other suffixes."""
    return _bind(out, {".npz": _npz, ".pkl": _features_pkl})


def _bind(
    out: Path, kinds: Mapping[str, Callable[[IO[bytes], Mapping[str, np.ndarray]], None]]
) -> Callable[[Mapping[str, np.ndarray]], None]:
    if out.suffix not in kinds:
        raise UserError(f"--out {out}: the name must end in {' or '.join(kinds)}")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: no such folder {out.parent}")
    kind = kinds[out.suffix]

    def write(columns: Mapping[str, np.ndarray]) -> None:
        with disk_errors(out, "free some space and repeat"):
            write_atomic(out, lambda file: kind(file, columns))

    return write


def _npz(file: IO[bytes], columns: Mapping[str, np.ndarray]) -> None:
    np.savez(file, allow_pickle=False, **columns)


def _scores_json(file: IO[bytes], columns: Mapping[str, np.ndarray]) -> None:
    rows = zip(*(columns[key].tolist() for key in ("names", "labels", "logits")), strict=True)
    clips = [{"name": name, "label": label, "logits": logits} for name, label, logits in rows]
    file.write(json.dumps(clips).encode())


def _features_pkl(file: IO[bytes], found: Mapping[str, np.ndarray]) -> None:
    pickle.dump(dict(zip(found["names"].tolist(), found["features"], strict=True)), file)
