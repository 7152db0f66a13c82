"""What a clustering leaves: a table of clips, the anomalies among them, a picture, and a summary."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from tools.cluster.grouping import NOISE, Grouping, plane
from tools.cluster.vectors import Clips
from utils.files import disk_errors, write_atomic, write_json

TABLE, ANOMALIES, PICTURE, SUMMARY = "clusters.csv", "anomalies.csv", "clusters.png", "summary.json"
ANOMALOUS = 0.01  # of all clips: those with the highest outlier scores are listed even if none is noise
SILHOUETTE_CLIPS = 5000  # at most, drawn with seed 0: its cost grows with the square
NAMED = 20  # groups at most for names to be legible in the picture; numbers beyond


def write_report(out: Path, clips: Clips, grouping: Grouping, points: np.ndarray, summary: Mapping[str, Any]) -> None:
    """Write the four files into the folder `out`; say which of them were there before and are replaced."""
    names = (TABLE, ANOMALIES, PICTURE, SUMMARY)
    with disk_errors(out, "free some space, or give another --out DIR"):
        out.mkdir(parents=True, exist_ok=True)
        replaced = [name for name in names if (out / name).exists()]
        write_atomic(out / TABLE, lambda file: _write_table(file, clips, grouping, range(len(clips.names))))
        write_atomic(out / ANOMALIES, lambda file: _write_table(file, clips, grouping, anomalies(grouping)))
        write_atomic(out / PICTURE, lambda file: _draw(file, clips, grouping, plane(points)))
        write_json(out / SUMMARY, dict(summary))
    print(f"{'Replaced' if replaced else 'Written'}: {', '.join(replaced or names)} in {out}")


def anomalies(grouping: Grouping) -> np.ndarray:
    """Return the indices of noise and of the highest hundredth of outlier scores, highest first."""
    order = np.argsort(-grouping.outlier_scores, kind="stable")
    listed = grouping.clusters[order] == NOISE
    listed[: int(np.ceil(ANOMALOUS * len(order)))] = True
    return np.asarray(order[listed])


def quality(points: np.ndarray, clusters: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
    """Return the figures of a clustering of points (N, d); None for what cannot be told.

    The silhouette is over clips that are in a cluster. ARI and NMI are over clips whose label is known, with noise as
    one cluster more.
    """
    known = np.flatnonzero(labels >= 0) if labels is not None else np.array([], int)
    found: dict[str, Any] = {
        "clusters": int(clusters.max()) + 1,
        "noise": int((clusters == NOISE).sum()),
        "noise_share": _rounded((clusters == NOISE).mean()),
    }
    found["silhouette"], found["silhouette_over"] = _silhouette(points, clusters)
    found |= {"labelled": len(known), "ari": None, "nmi": None}
    if labels is not None and known.size:
        found["ari"] = _rounded(adjusted_rand_score(labels[known], clusters[known]))
        found["nmi"] = _rounded(normalized_mutual_info_score(labels[known], clusters[known]))
    return found


def _silhouette(points: np.ndarray, clusters: np.ndarray) -> tuple[float | None, str]:
    chosen = np.flatnonzero(clusters != NOISE)
    over = f"{len(chosen)} clips in clusters"
    if len(chosen) > SILHOUETTE_CLIPS:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, SILHOUETTE_CLIPS, replace=False))
        over = f"{SILHOUETTE_CLIPS} of {over}, drawn with seed 0"
    if not 2 <= len(np.unique(clusters[chosen])) < len(chosen):
        return None, over
    return _rounded(silhouette_score(points[chosen], clusters[chosen])), over


def _rounded(figure: float) -> float:
    return round(float(figure), 4)


# --- files


def _write_table(file: IO[bytes], clips: Clips, grouping: Grouping, indices: Iterable[int]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    named = [f"{what}_name" for what in ("label", "prediction") if clips.classes]
    rows.writerow(["name", "cluster", "outlier_score", "label", "prediction", *named])
    for n in indices:
        classes = [int(column[n]) if column is not None else None for column in (clips.labels, clips.predictions)]
        names = [clips.classes[k] if k is not None and k >= 0 else "" for k in classes] if clips.classes else []
        rows.writerow([clips.names[n], grouping.clusters[n], f"{grouping.outlier_scores[n]:.4f}", *classes, *names])
    file.write(text.getvalue().encode())


def _draw(file: IO[bytes], clips: Clips, grouping: Grouping, places: np.ndarray) -> None:
    """Draw clips at `places` (N, 2), coloured by cluster and, beside it, by label; without pyplot: no display."""
    from matplotlib.figure import Figure

    panels: list[tuple[str, np.ndarray, tuple[str, ...]]] = [("clusters (grey: noise)", grouping.clusters, ())]
    if clips.labels is not None and (clips.labels >= 0).any():
        panels.append(("labels (grey: unknown)", clips.labels, clips.classes))
    figure = Figure(figsize=(9 * len(panels), 9), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (title, groups, names) in zip(axes, panels, strict=True):
        ax.set(title=title, xticks=[], yticks=[])
        _scatter(ax, places, groups, names)
    figure.savefig(file, format="png", dpi=110)


def _scatter(ax: Any, places: np.ndarray, groups: np.ndarray, names: tuple[str, ...]) -> None:
    """Draw points in the colours of their groups (N,), each with its name or number at the middle of its points."""
    import seaborn
    from matplotlib.patheffects import withStroke

    found = [int(group) for group in np.unique(groups) if group >= 0]
    ax.scatter(*places[groups < 0].T, s=8, color="0.75")
    colours = np.array(seaborn.husl_palette(len(found))).reshape(-1, 3)
    far_apart = np.argsort(np.arange(len(found)) * 0.618 % 1)  # of groups next to each other in number
    for group, colour in zip(found, colours[far_apart], strict=True):
        members = places[groups == group]
        ax.scatter(*members.T, s=12, color=[colour])
        text = names[group] if names and len(found) <= NAMED else str(group)
        outline = [withStroke(linewidth=2, foreground="white")]
        ax.text(*np.median(members, axis=0), text, size=9, ha="center", va="center", path_effects=outline)
