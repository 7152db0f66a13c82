"""`python -m tools.fuse 3001 3002 --weights two-stream`: what several networks say of the same clips, fused.

An operand is a number (its newest run that was evaluated), a run folder, an .npz of ours (scores.npz, or of --out), or
the field's result.pkl. Probabilities are joined by clip name, weighted and summed. Figures are of the clips whose label
is known (-1 is an unknown one).
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import config
from config import Config
from tools.operands import Operand, find_operand, read_operand
from utils.command_line import Parser, guarded
from utils.errors import UserError
from utils.fusion import ClipScores, fuse, join, search_weights
from utils.metrics import Scores, score
from utils.outputs import read_probabilities, score_writer
from utils.run_folder import LAST_SCORES, SCORES, VALIDATION_SCORES
from utils.tables import table

PRESETS: dict[str, tuple[float, ...]] = {"two-stream": (1, 1), "four-stream": (2, 2, 1, 1)}  # j b; j b jm bm
HEADER = ("operand", "weight", "top-1", "top-5", "mean class", "PYSKL's mean class", "published top-1")
SMALLEST = np.finfo(np.float32).tiny  # log of 0 is no number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.fuse", __doc__)
    add = parser.add_argument
    add("operands", nargs="+", metavar="RUN|NUMBER|FILE")
    presets = "one per operand; two-stream: 1 1, four-stream: 2 2 1 1, in the order j b jm bm (all 1)"
    add("--weights", nargs="+", metavar="W", help=presets)
    add("--last", action="store_true", help="take the runs' last epochs, not the epochs that were best")
    add("--intersect", action="store_true", help="fuse the clips that are in all operands, and say how many")
    names = "clips of the .pkl operands, in their order: RUN, NUMBER, .npz, or a text of `name label` lines"
    add("--names", metavar="FILE", help=names)
    add("--search", action="store_true", help="find weights on held-out training clips: of the runs, or --search-on")
    search_on = "scores of held-out training clips, in the operands' order"
    add("--search-on", nargs="+", default=[], metavar="FILE", help=search_on)
    add("--out", type=Path, metavar="FILE", help="write the fused scores (.npz, .json, .pkl)")
    add("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    return guarded(lambda: _main(parser.parse_args(arguments)), config.ConfigError)


def _main(options: argparse.Namespace) -> int:
    write = score_writer(options.out) if options.out else None  # a name that cannot be written is known first
    work_dir = config.work_folder(options.work_dir)
    scores = LAST_SCORES if options.last else SCORES
    operands = [find_operand(each, work_dir, scores) for each in options.operands]
    named = _named(options.names, work_dir) if options.names else None
    read = [_read(each.file, named) for each in operands]
    joined = join(read, intersect=options.intersect)
    if options.intersect:
        print(f"clips in all operands: {len(joined[0].names)} of {max(len(each.names) for each in read)}")
    weights = _weights(options, operands, read)
    fused = fuse(joined, weights)
    print(
        table([HEADER, *_rows(operands, joined, weights), _row(fused, "fusion", "", _fused_figure(operands, weights))])
    )
    if write:
        logits = np.log(np.maximum(fused.probabilities, SMALLEST)).astype(np.float32)
        write({"names": fused.names, "labels": fused.labels, "logits": logits})
        print(f"Scores: {options.out}")
    return 0


# --- operands


def _read(file: Path, named: ClipScores | None) -> ClipScores:
    if file.suffix != ".pkl":
        return read_operand(file)
    if named is None:
        raise UserError(
            f"{file}: holds no clip names; say whose they are, in its order: --names FILE (an .npz or run of the same "
            "split, or a text of `name label` lines)"
        )
    probabilities = read_probabilities(file)
    if len(probabilities) != len(named.names):
        raise UserError(f"{file}: holds {len(probabilities)} clips, and {named.source} names {len(named.names)}")
    return ClipScores(str(file), named.names, named.labels, probabilities)


def _named(text: str, work_dir: Path) -> ClipScores:
    """Return the clips that `--names` lists; only their names and labels count."""
    path = Path(text)
    if path.suffix in (".txt", ".csv"):
        return _listed(path)
    return _read(find_operand(text, work_dir).file, None)


def _listed(path: Path) -> ClipScores:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from error
    found = [re.fullmatch(r"([^\s,]+)[\s,]+(-1|\d+)\s*", line) for line in lines]
    for number, (line, match) in enumerate(zip(lines, found, strict=True), start=1):
        if match is None:
            raise UserError(
                f"{path}, line {number}: expected a clip's name and its label from 0 (or -1), found '{line[:60]}'"
            )
    pairs = [match.groups() for match in found if match]
    if not pairs:
        raise UserError(f"{path}: is empty; expected lines of a clip's name and its label")
    labels = np.array([int(label) for _, label in pairs])
    names = np.array([name for name, _ in pairs])
    return ClipScores(str(path), names, labels, np.zeros((len(names), labels.max() + 1)))


# --- weights


def _weights(options: argparse.Namespace, operands: Sequence[Operand], read: Sequence[ClipScores]) -> tuple[float, ...]:
    if options.weights and (options.search or options.search_on):
        raise UserError("--weights and --search: give one of the two")
    if options.search or options.search_on:
        return _searched(options.search_on, operands, read)
    if not options.weights:
        return (1,) * len(operands)
    if len(options.weights) == 1 and options.weights[0] in PRESETS:
        return PRESETS[options.weights[0]]
    try:
        return tuple(float(weight) for weight in options.weights)
    except ValueError as error:
        known = ", ".join(PRESETS)
        raise UserError(
            f"--weights {' '.join(options.weights)}: give a number per operand, or one of {known}"
        ) from error


def _searched(files: Sequence[str], operands: Sequence[Operand], read: Sequence[ClipScores]) -> tuple[int, ...]:
    """Return weights found on held-out training clips; refuses any clip that is evaluated, joined or not."""
    paths = [Path(file) for file in files] or [_validation_scores(each) for each in operands]
    if len(paths) != len(operands):
        raise UserError(
            f"--search-on: {len(paths)} files for {len(operands)} operands; give one for each, in their order"
        )
    if any(path.suffix == ".pkl" for path in paths):
        raise UserError(
            "--search-on: a .pkl holds no clip names, which show that no evaluated clip is in it; give .npz"
        )
    held_out = join([_read(path, None) for path in paths])
    evaluated = {name for each in read for name in each.names.tolist()}
    both = sorted(evaluated.intersection(held_out[0].names.tolist()))
    if both:
        raise UserError(f"--search: {len(both)} clips, such as {both[0]}, are evaluated here, too; give held-out ones")
    weights = search_weights(held_out)
    found, equal = (_score(fuse(held_out, each)).accuracy for each in (weights, (1,) * len(operands)))
    shown, count = " ".join(map(str, weights)), len(held_out[0].names)
    print(f"weights found on {count} held-out clips: {shown} (top-1 there {found:.2%}; all 1: {equal:.2%})")
    return weights


def _validation_scores(operand: Operand) -> Path:
    """Return the scores on held-out training clips that a run has kept."""
    path = operand.run / VALIDATION_SCORES if operand.run else None
    if path is None or not path.is_file():
        what = operand.run or operand.file
        raise UserError(
            f"{what}: no scores of held-out training clips ({VALIDATION_SCORES}); train with data.validation set, or "
            "name such scores: --search-on FILE..., in the operands' order"
        )
    return path


# --- what is printed


def _score(scores: ClipScores) -> Scores:
    truth = scores.probabilities[np.arange(len(scores.labels)), scores.labels]
    losses = torch.from_numpy(-np.log(np.maximum(truth, SMALLEST)))
    return score(torch.from_numpy(scores.probabilities), torch.from_numpy(scores.labels), losses)


def _row(scores: ClipScores, title: str, weight: str, published: str) -> tuple[str, ...]:
    found = _score(scores)
    if not found.count:
        return (title, weight, "-", "-", "-", "-", published)
    figures = (found.accuracy, found.top5 / found.count, found.mean_class, found.mean_class_of_pyskl)
    return (title, weight, *(f"{figure:.2%}" for figure in figures), published)


def _rows(operands: Sequence[Operand], joined: Sequence[ClipScores], weights: Sequence[float]) -> list[tuple[str, ...]]:
    return [
        _row(scores, str(operand.run or operand.file), f"{weight:g}", _figure(operand.config, "top1"))
        for operand, scores, weight in zip(operands, joined, weights, strict=True)
    ]


def _figure(experiment: Config | None, metric: str) -> str:
    """Return the first published figure of that kind, with its source."""
    stated = experiment.published if experiment else ()
    return next((f"{each.value:g} ({each.source})" for each in stated if each.metric == metric), "-")


def _fused_figure(operands: Sequence[Operand], weights: Sequence[float]) -> str:
    """Return the published figure of this very fusion, or `-`: the joint stream's experiment, the first, states it."""
    preset = next((name for name, usual in PRESETS.items() if _same_ratio(usual, weights)), None)
    experiments = [each.config for each in operands if each.config]
    if preset is None or len(experiments) < len(operands):
        return "-"
    benchmarks = {(each.data.parts, each.data.benchmark, each.model) for each in experiments}
    streams = tuple(each.input.streams for each in experiments)
    if len(benchmarks) > 1 or streams != config.CHANNEL_STREAMS[: len(streams)]:
        return "-"
    return _figure(experiments[0], preset.replace("-", "_"))


def _same_ratio(usual: Sequence[float], weights: Sequence[float]) -> bool:
    return len(usual) == len(weights) and np.allclose(np.divide(usual, sum(usual)), np.divide(weights, sum(weights)))


if __name__ == "__main__":
    sys.exit(main())
