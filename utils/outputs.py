"""Files that users ask for with `--out`: scores and features, chosen by suffix; and scores read back."""

import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from utils.errors import UserError
from utils.files import disk_errors, refuse_place, write_atomic
from utils.pickles import load_pickle

SCORE_KEYS = ("names", "labels", "logits")


def score_writer(out: Path) -> Callable[[Mapping[str, np.ndarray]], None]:
    """Return the function that writes `names` (N,), `labels` (N,), `logits` (N, K) to `out`; refuses other suffixes.

    `.npz` and `.json` keep all three. `.pkl` is the field's form (`--out result.pkl` of PYSKL and mmaction2): a list of
    N float32 vectors (K,) of probabilities in the split's order; names and labels are lost in it.
    """
    return _bind(out, {".npz": _npz, ".json": _scores_json, ".pkl": _scores_pkl})


def read_scores(path: Path) -> dict[str, np.ndarray]:
    """Return `names` (N,), `labels` (N,), `logits` (N, K) of an `.npz` that we wrote: a run's, or one of `--out`.

    Raises:
        UserError: naming the file and what is wrong with it.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:  # numpy leaves a damaged one open
            found = {key: np.asarray(file[key]) for key in SCORE_KEYS}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not an .npz with {', '.join(SCORE_KEYS)} ({error}); `-e --out` writes one") from error
    names, labels, logits = found.values()
    if names.dtype.kind != "U" or labels.dtype.kind != "i" or logits.dtype.kind != "f":
        raise UserError(f"{path}: names, labels and logits must be text, integers and numbers; `-e --out` writes them")
    if logits.ndim != 2 or not names.shape == labels.shape == logits.shape[:1] or not logits.size:
        shapes = ", ".join(f"{key} {each.shape}" for key, each in found.items())
        raise UserError(f"{path}: expected names (N,), labels (N,), logits (N, K), found {shapes}")
    return found


def read_probabilities(path: Path) -> np.ndarray:
    """Return (N, K) float64 probabilities from the field's `.pkl`: a list of N vectors (K,), without names.

    Raises:
        UserError: on another content, and on rows that are no probabilities: raw outputs cannot be told apart safely.
    """
    accepted = "expected a list of vectors of probabilities, one per clip, as PYSKL's --out writes"
    rows = load_pickle(path, accepted=accepted)
    if not isinstance(rows, (list, np.ndarray)) or len(rows) == 0 or not all(map(_is_vector, rows)):
        raise UserError(f"{path}: holds something else; {accepted}")
    if len({len(row) for row in rows}) > 1:
        raise UserError(f"{path}: its vectors differ in length; {accepted}")
    found = np.stack([np.asarray(row, np.float64) for row in rows])
    off = ~((found >= 0).all(axis=1) & (abs(found.sum(axis=1) - 1) < 0.01))  # 0.01: half precision over 400 classes
    if off.any():
        first = int(off.argmax())
        raise UserError(f"{path}: row {first} holds no probabilities (its sum is {found[first].sum():.3g}); {accepted}")
    return found


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (N, K) float64 of logits (N, K)."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _is_vector(row: object) -> bool:
    return isinstance(row, np.ndarray) and row.ndim == 1 and row.dtype.kind == "f"


def feature_writer(out: Path) -> Callable[[Mapping[str, np.ndarray]], None]:
    """Return the function that writes what `processor.extract` found to `out`; refuses other suffixes."""
    return _bind(out, {".npz": _npz, ".pkl": _features_pkl})


def _bind(
    out: Path, kinds: Mapping[str, Callable[[IO[bytes], Mapping[str, np.ndarray]], None]]
) -> Callable[[Mapping[str, np.ndarray]], None]:
    if out.suffix not in kinds:
        raise UserError(f"--out {out}: the name must end in {' or '.join(kinds)}")
    refuse_place("--out", out)
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


def _scores_pkl(file: IO[bytes], columns: Mapping[str, np.ndarray]) -> None:
    pickle.dump(list(softmax(columns["logits"]).astype(np.float32)), file)


def _features_pkl(file: IO[bytes], found: Mapping[str, np.ndarray]) -> None:
    pickle.dump(dict(zip(found["names"].tolist(), found["features"], strict=True)), file)
