"""What tools over runs are told: a number, a run folder, or a file of scores; and what the classes are called there."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import config
from config import Config
from dataset.splits import OWN, load_benchmark
from utils.errors import UserError
from utils.fusion import ClipScores
from utils.outputs import read_scores, softmax
from utils.run_folder import BEST, CONFIG, LAST_SCORES, SCORES, eval_figures, runs

FORMS = (".npz", ".pkl")
WHEN = {SCORES: "once it was evaluated", LAST_SCORES: "at the end of its training"}


@dataclass(frozen=True)
class Operand:
    """What was named: its file of scores, and the experiment and folder that these are of, where known."""

    file: Path
    config: Config | None = None
    run: Path | None = None


def find_operand(text: str, work_dir: Path, scores: str = SCORES) -> Operand:
    """Return what `text` names, with its file `scores` if it is a run; say which run stands for a number."""
    if not text:
        raise UserError("'': empty; is a shell variable unset?")
    path = Path(text)
    if text in config.numbers():
        found = _newest(config.load(text), work_dir, scores)
        print(f"{text}: {found.run}, the newest run with scores")
        return found
    if path.is_dir():
        if not (path / scores).is_file():
            raise UserError(f"{path}: holds no {scores}; a run has it {WHEN[scores]}")
        return Operand(path / scores, _config_of(path), path)
    if path.is_file():
        if path.suffix not in FORMS:
            raise UserError(f"{text}: no {' or '.join(FORMS)} of scores; `-e --out scores.npz` writes one")
        return Operand(path)
    raise UserError(f"{text}: neither a number (`python main.py -l`), nor a run folder or a file that is there")


def read_operand(file: Path) -> ClipScores:
    """Return the scores in an .npz of ours."""
    found = read_scores(file)
    wrong = ~np.isfinite(found["logits"]).all(axis=1)
    if wrong.any():
        raise UserError(f"{file}: clip {found['names'][wrong.argmax()]} has a score that is not finite; evaluate anew")
    return ClipScores(str(file), found["names"], found["labels"].astype(np.int64), softmax(found["logits"]))


def class_names(folder: Path, count: int) -> tuple[str, ...]:
    """Return the names of `count` classes that the run in `folder` knows; none where it is no run or has others."""
    experiment = _config_of(folder)
    benchmark = experiment.data.benchmark if experiment else OWN
    if benchmark != OWN:
        classes = load_benchmark(benchmark).classes
    elif experiment and (folder / BEST).is_file():
        from utils.checkpoint_import import read_own  # imports torch, which nothing else here needs

        classes = tuple(read_own(folder / BEST)["classes"])
    else:
        classes = ()
    return classes if len(classes) == count else ()


def _newest(experiment: Config, work_dir: Path, scores: str) -> Operand:
    """Return an experiment's newest run, not its best: choosing among runs by what they get on eval is no result."""
    found = [run.path for run in runs(work_dir / experiment.title) if eval_figures(run)]
    found = [path for path in found if (path / scores).is_file()]
    if not found:
        where = work_dir / experiment.title
        raise UserError(
            f"{experiment.number}: no run with {scores} in {where}; `python main.py -c {experiment.number}` trains"
        )
    return Operand(found[-1] / scores, experiment, found[-1])


def _config_of(run: Path) -> Config | None:
    """Return a run's configuration; None where there is none, or a file of another version states it."""
    try:
        return config.load(str(run / CONFIG))
    except config.ConfigError:
        return None
