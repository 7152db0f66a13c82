"""`python -m tools.cluster RUN|FILE`: which clips a network finds alike, and which are like no others.

python main.py -c 0001 -xf                    pooled features of a run's best checkpoint
python -m tools.cluster 0001                  the newest features of a number, else its newest scores
python -m tools.cluster features.npz          an .npz of -xf or -e --out, or a .pkl of names and vectors
python -m tools.cluster FILE --like-fork      the DBSCAN of the DeepLabCut fork of ST-GCN

Writes clusters.csv, anomalies.csv, clusters.png and summary.json beside what it reads (docs/clustering.md).
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import config
from tools.cluster.grouping import Grouping, dbscan, hdbscan, principal, standardize, without_constants
from tools.cluster.report import quality, write_report
from tools.cluster.vectors import Clips, read_clips
from utils.command_line import Parser, guarded
from utils.errors import UserError

VARIANCE = 0.85  # the threshold of the fork's PCA.py
FORK = {"scale": "standard", "reduce": "none", "method": "dbscan", "eps": 0.70, "min_points": 5}  # its dbscan.py
UNIT = {"dbscan": "eps", "hdbscan": "the median of these distances"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    return guarded(lambda: _main(_options(arguments)), config.ConfigError)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("python -m tools.cluster", __doc__)
    add = parser.add_argument
    add("input", metavar="RUN|NUMBER|FILE")
    add("--use", choices=["features", "scores"], help="which of the two, where both are there (features)")
    add("--scale", choices=["standard", "none"], default="standard", help="columns to mean 0, deviation 1 (standard)")
    add("--reduce", choices=["pca", "none"], default="pca", help="principal components (pca)")
    dims = parser.add_mutually_exclusive_group()
    dims.add_argument("--dims", type=_whole(1), metavar="N", help="components to keep")
    share = f"keep as many as hold this share of the variance ({VARIANCE})"
    dims.add_argument("--variance", type=_above_0(most=1), metavar="SHARE", help=share)
    add("--method", choices=["hdbscan", "dbscan"], default="hdbscan", help="(hdbscan)")
    eps = "radius of a dbscan neighbourhood, or auto: the knee of the k-distance curve (auto)"
    add("--eps", type=lambda text: text if text == "auto" else _above_0()(text), metavar="RADIUS", help=eps)
    add("--min-points", type=_whole(2), default=5, metavar="N", help="of a neighbourhood, itself counted (5)")
    fork = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in FORK.items())
    add("--like-fork", action="store_true", help=f"defaults {fork}")
    add("--out", type=Path, metavar="DIR", help="write there, not beside what is read")
    add("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    options = parser.parse_args(arguments)
    if options.like_fork:
        parser.set_defaults(**FORK)
        options = parser.parse_args(arguments)
    return options


def _whole(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, found '{text}'")
        return int(text)

    return read


def _above_0(most: float = math.inf) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number <= most or math.isinf(number):
            limit = "" if math.isinf(most) else f", at most {most:g}"
            raise argparse.ArgumentTypeError(f"expected a number above 0{limit}, found '{text}'")
        return number

    return read


def _main(options: argparse.Namespace) -> int:
    _refuse_idle(options)
    clips = read_clips(options.input, config.work_folder(options.work_dir), options.use)
    out = options.out or clips.file.with_name(f"{clips.file.stem}_clusters")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is no folder, and four files go into one; name another place: --out DIR")
    if len(clips.names) < options.min_points:
        raise UserError(f"{clips.file}: holds {len(clips.names)} clips, fewer than --min-points {options.min_points}")
    points, made = _points(clips, options)
    grouping = _group(points, options)
    summary = {
        "input": str(clips.file),
        "use": clips.use,
        "clips": len(clips.names),
        **made,
        "method": options.method,
        "min_points": options.min_points,
        "eps": grouping.eps,
        "eps_from": grouping.eps_from,
        **quality(points, grouping.clusters, clips.labels),
        "outlier_score": f"distance to neighbour {options.min_points - 1} / {UNIT[options.method]}",
    }
    for name, value in summary.items():
        print(f"{name.replace('_', ' '):18}{'-' if value is None else value}")
    write_report(out, clips, grouping, points, summary)
    return 0


def _refuse_idle(options: argparse.Namespace) -> None:
    if options.eps and options.method != "dbscan":
        raise UserError("--eps has no effect with --method hdbscan; it goes with dbscan")
    if options.reduce == "none" and (options.dims or options.variance):
        raise UserError("--dims and --variance have no effect with --reduce none; they go with pca")


def _points(clips: Clips, options: argparse.Namespace) -> tuple[np.ndarray, dict[str, object]]:
    """Return what is clustered (N, d), and how it was made of the vectors (N, D)."""
    points = without_constants(clips.vectors)
    made: dict[str, object] = {"columns": clips.vectors.shape[1]}
    made["constant_columns"] = clips.vectors.shape[1] - points.shape[1]  # left out
    if options.scale == "standard":
        points = standardize(points)
    held = 1.0
    if options.reduce == "pca":
        points, held = principal(points, options.dims, options.variance or VARIANCE)
    return points, made | {
        "scale": options.scale,
        "reduce": options.reduce,
        "dims": points.shape[1],
        "variance": round(held, 4),
    }


def _group(points: np.ndarray, options: argparse.Namespace) -> Grouping:
    if options.method == "hdbscan":
        return hdbscan(points, options.min_points)
    return dbscan(points, options.min_points, None if options.eps in (None, "auto") else options.eps)


if __name__ == "__main__":
    sys.exit(main())
