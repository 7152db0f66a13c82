"""One vector per clip, out of a run or a file: pooled features or scores, and what is known of each clip."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import config
from tools.operands import class_names
from utils.errors import UserError
from utils.outputs import read_scores
from utils.pickles import load_pickle
from utils.run_folder import BEST, SCORES, eval_figures, runs

FEATURES = "features.npz"  # what `-xf` leaves in a run folder
WANTED = {"features": FEATURES, "scores": SCORES, None: f"{FEATURES} or {SCORES}"}  # by --use
LARGEST = 1e100  # of a value: squares of what lies beyond are no numbers
PICKLE = "expected a mapping of clip names to vectors of numbers, as `-xf --out FILE.pkl` writes"


@dataclass(frozen=True)
class Clips:
    """What is clustered: `names` (N,), `vectors` (N, D) float64; `labels`, `predictions` (N,), None where unknown.

    A label of -1 is an unknown one. `use` says what the vectors are; `classes` are the names of the classes, in label
    order, empty where unknown.
    """

    file: Path
    use: str
    names: np.ndarray
    vectors: np.ndarray
    labels: np.ndarray | None = None
    predictions: np.ndarray | None = None
    classes: tuple[str, ...] = ()


def read_clips(text: str, work_dir: Path, use: str | None = None) -> Clips:
    """Return the clips of a number, a run folder, an .npz or a .pkl.

    Args:
        text: as the user typed it.
        work_dir: where the runs of numbers are.
        use: "features" or "scores"; None takes features where there are any.

    Raises:
        UserError: where there is none, and on vectors that cannot be compared.
    """
    file = _locate(text, work_dir, use)
    clips = _read_pickle(file, use) if file.suffix == ".pkl" else _read_npz(file, use)
    wrong = ~(np.abs(clips.vectors) < LARGEST).all(axis=1)
    if wrong.any():
        name, count = clips.names[wrong.argmax()], int(wrong.sum())
        bad = f"{count} of {len(wrong)} vectors, such as that of {name},"
        raise UserError(f"{file}: {bad} hold NaN, infinity or values beyond {LARGEST:g}; leave them out")
    return clips


# --- where


def _locate(text: str, work_dir: Path, use: str | None) -> Path:
    path = Path(text)
    if text in config.numbers():
        return _newest(text, work_dir, use)
    if path.is_dir():
        return _in_folder(path, use)
    if path.suffix in (".npz", ".pkl") and path.is_file():
        return path
    raise UserError(
        f"{text}: neither a number (`python main.py -l`), nor a run folder, nor an .npz or .pkl that is there"
    )


def _newest(number: str, work_dir: Path, use: str | None) -> Path:
    """Return the newest features of an experiment, which `-xf` leaves in a folder of its own, else the newest scores.

    Newest, not best, as in tools.fuse: choosing among runs by what they get on eval is no result.
    """
    parent = work_dir / config.load(number).title
    extracted = [] if use == "scores" else sorted(parent.glob(f"*/{FEATURES}"))
    evaluated = [] if use == "features" else [run.path / SCORES for run in runs(parent) if eval_figures(run)]
    found = extracted or [file for file in evaluated if file.is_file()]
    if not found:
        leave = f"`python main.py -c {number}` trains and leaves scores, `python main.py -c {number} -xf` then features"
        raise UserError(f"{number}: no run with {WANTED[use]} in {parent}; {leave}")
    print(f"{number}: {found[-1]}, the newest")
    return found[-1]


def _in_folder(folder: Path, use: str | None) -> Path:
    for kind, name in (("features", FEATURES), ("scores", SCORES), ("scores", FEATURES)):  # features have scores, too
        if use in (None, kind) and (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder}: holds no {WANTED[use]}; `{_extraction(folder)}` writes features and scores")


def _extraction(folder: Path) -> str:
    if not (folder / BEST).is_file():
        return "python main.py -c N -xf --out FILE.npz"
    return f"python main.py -c {folder / 'config.yaml'} -xf -pp {folder / BEST} --out {folder / FEATURES}"


# --- what


def _read_npz(file: Path, use: str | None) -> Clips:
    found = read_scores(file)
    vectors = None if use == "scores" else _features(file, len(found["names"]))
    if vectors is None and use == "features":
        raise UserError(f"{file}: holds scores and no features; leave --use out, or name what `-xf --out` wrote")
    logits = found["logits"]
    return Clips(
        file,
        "scores (logits)" if vectors is None else "features",
        found["names"],
        (logits if vectors is None else vectors).astype(np.float64),
        found["labels"],
        logits.argmax(axis=1),
        class_names(file.parent, logits.shape[1]),
    )


def _features(file: Path, count: int) -> np.ndarray | None:
    """Return the features (N, C) in a file that `read_scores` has read; None if it holds scores only."""
    try:
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as content:
            found = content.get("features")
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{file}: its features cannot be read ({error}); `-xf` writes them anew") from error
    if found is not None and (found.dtype.kind != "f" or found.ndim != 2 or len(found) != count or not found.size):
        raise UserError(f"{file}: expected features ({count}, C), numbers, found {found.dtype} {found.shape}")
    return found


def _read_pickle(file: Path, use: str | None) -> Clips:
    if use:
        raise UserError(f"--use {use}: {file} holds one vector per clip; leave --use out")
    found = load_pickle(file, accepted=PICKLE)
    if isinstance(found, list):
        raise UserError(f"{file}: a list without clips' names, as `-e --out` writes; `-e --out FILE.npz` keeps names")
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found):
        raise UserError(f"{file}: holds something else; {PICKLE}")
    for name, vector in found.items():
        if not isinstance(vector, np.ndarray) or vector.ndim != 1 or vector.dtype.kind not in "iuf" or not vector.size:
            raise UserError(f"{file}: what {name} has is no vector; {PICKLE}")
    lengths = {len(vector): name for name, vector in found.items()}
    if len(lengths) > 1:
        (one, name), (other, second), *_ = lengths.items()
        raise UserError(f"{file}: vectors differ in length: {name} has {one} values, {second} has {other}")
    return Clips(file, "vectors", np.array(list(found)), np.stack([np.asarray(each, float) for each in found.values()]))
