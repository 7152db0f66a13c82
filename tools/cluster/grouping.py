"""From vectors (N, D) to clusters (N,): scale, reduce, group, and score how far each clip lies from others."""

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import DBSCAN, HDBSCAN
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from utils.errors import UserError

ROUNDING = 1e-6  # relative; of a few operations in float32
NOISE = -1  # the cluster of clips that are in none, as scikit-learn and the fork have it


@dataclass(frozen=True)
class Grouping:
    """Clusters (N,) from 0, `NOISE` beside them; outlier scores (N,) >= 0; of DBSCAN, eps and where it is from."""

    clusters: np.ndarray
    outlier_scores: np.ndarray
    eps: float | None = None
    eps_from: str | None = None


def without_constants(vectors: np.ndarray) -> np.ndarray:
    """Return the columns that tell clips apart.

    One whose values differ by rounding only (up to `ROUNDING` of the largest) would count as much as any other once it
    has deviation 1.
    """
    varies = np.ptp(vectors, axis=0) > ROUNDING * abs(vectors).max(axis=0)
    if not varies.any():
        raise UserError(f"all {len(vectors)} clips have the same vector: nothing to cluster")
    return np.asarray(vectors[:, varies])


def standardize(vectors: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and (population) standard deviation 1; constant ones must be gone."""
    return np.asarray((vectors - vectors.mean(axis=0)) / vectors.std(axis=0))


def principal(vectors: np.ndarray, dims: int | None = None, variance: float = 1) -> tuple[np.ndarray, float]:
    """Return the first `dims` principal components (N, dims), and the share of variance that they hold.

    Without `dims`: as many as it takes to hold the share `variance`.
    """
    if dims and dims > min(vectors.shape):
        most = min(vectors.shape)
        raise UserError(f"--dims {dims}: {len(vectors)} vectors of {vectors.shape[1]} values have {most} at most")
    pca = PCA().fit(vectors)
    held = np.cumsum(pca.explained_variance_ratio_)
    dims = dims or 1 + int(np.searchsorted(held[:-1], variance - 1e-9))  # sums are rounded
    return pca.transform(vectors)[:, :dims], float(held[dims - 1])


def plane(points: np.ndarray) -> np.ndarray:
    """Return points (N, 2) for a picture: two columns as they are, else the first two principal components."""
    if points.shape[1] > 2:
        return principal(points, 2)[0]
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


def dbscan(points: np.ndarray, min_points: int, eps: float | None = None) -> Grouping:
    """Group points (N, d) by DBSCAN (Ester et al. 1996); without `eps`, by the knee of the k-distance curve.

    A core clip has `min_points` clips, itself among them, within `eps`. Its outlier score is at most 1, and that of
    noise is above 1.
    """
    reach = reaches(points, min_points)
    if eps is None:
        eps, place = knee(reach)
        found = f"knee of the k-distance curve (k = {min_points}, itself counted): place {place + 1} of {len(reach)}"
    else:
        found = "given"
    if eps == 0:
        raise UserError(f"--eps auto: most clips have {min_points - 1} twins, at distance 0; give --eps RADIUS")
    clusters = DBSCAN(eps=eps, min_samples=min_points).fit_predict(points)
    return Grouping(clusters, reach / eps, eps, found)


def hdbscan(points: np.ndarray, min_points: int) -> Grouping:
    """Group points (N, d) by HDBSCAN (Campello et al. 2013), whose smallest cluster has `min_points` clips."""
    clusters = HDBSCAN(min_cluster_size=min_points, min_samples=min_points, copy=True).fit_predict(points)
    reach = reaches(points, min_points)
    apart = reach[reach > 0]  # twins have no distance; where all clips have some, all scores are 0
    return Grouping(clusters, reach / (np.median(apart) if apart.size else 1))


def reaches(points: np.ndarray, min_points: int) -> np.ndarray:
    """Return how far (N,) from each clip the nearest `min_points` clips lie, itself the first of them.

    Source: the outlier score of Ramaswamy et al. 2000, and the core distance of DBSCAN and HDBSCAN.
    """
    distances, _ = NearestNeighbors(n_neighbors=min_points).fit(points).kneighbors(points)
    return np.asarray(distances[:, -1])


def knee(reach: np.ndarray) -> tuple[float, int]:
    """Return where the sorted curve of `reach` (N,) is farthest below its chord: its value and its place from 0.

    Both axes are scaled to 0..1 (Satopaa et al. 2011). A curve without a bend gives its first value.
    """
    curve = np.sort(reach)
    rise = np.ptp(curve)
    chord = np.linspace(0, 1, len(curve))
    place = int(np.argmax(chord - (curve - curve[0]) / rise)) if rise > 0 else 0
    return float(curve[place]), place
