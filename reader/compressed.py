"""PYSKL's Kinetics: annotations that are an index, whose skeletons lie frame by frame in other, larger files.

An item has no keypoint, but raw_file (a pickle: frame_dir -> {keypoint: (S, V, 3)}), frame_inds (S,), the frame of
every skeleton, box_score (S,), and valid: {threshold: frames with a box of that score}. S: skeletons of a clip.
Source: PYSKL's data page, PoseDataset and DecompressPose.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reader.files import files_below
from reader.items import FLOATS, INTEGERS, LastFile, Types, array, integer
from utils.errors import UserError
from utils.pickles import load_pickle
from utils.recording import Source

MOST = 10  # persons that upstream keeps of a frame
ACCEPTED = "expected a pickle of skeletons: frame_dir -> {keypoint}; fetch it again"


@dataclass(frozen=True, slots=True)
class CompressedSource(Source):
    """An item of the index `path`, with the file that its skeletons lie in; its size is that of both."""

    skeletons: Path = Path()


def is_index(items: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether annotations are an index, by the first one."""
    return "keypoint" not in items[0] and bool(items[0].keys() & {"raw_file", "frame_inds"})


def list_items(
    path: Path,
    items: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    listed: Sequence[int],
    folders: Sequence[Path] = (),
) -> list[Source]:
    """Return the `listed` items of the index `path`, ordered by the file of their skeletons, then as they are listed.

    Raises `UserError` if a file of skeletons is not found (see `locate`).
    """
    files = {number: _file_name(path, number, items[number]) for number in listed}
    places = locate(files.values(), path, folders)
    size = path.stat().st_size
    sizes = {file: size + place.stat().st_size for file, place in places.items()}
    ordered = sorted(files.items(), key=lambda numbered: numbered[1])  # stable
    return [CompressedSource(names[number], path, sizes[file], number, places[file]) for number, file in ordered]


def locate(names: Iterable[str], index: Path, folders: Sequence[Path] = ()) -> dict[str, Path]:
    """Return where the files `names` lie: below `folders`, else beside `index`, in a folder below it or beside its own.

    The directories that an index states are those of its maker's machine, so only the file's own name is looked for.
    Raises `UserError` if a file is in none of these places, or twice below `folders`.
    """
    wanted, found = set(names), dict[str, Path]()
    for path in (path for path in files_below(folders) if path.name in wanted):
        if path.name in found:
            raise UserError(f"{path}: also in {found[path.name].parent}; give the folder of one of them (--raw)")
        found[path.name] = path
    home = index.absolute().parent
    for folder in (home, *_folders_in(home), *_folders_in(home.parent)):
        found |= {name: folder / name for name in wanted - found.keys() if (folder / name).is_file()}
    if missing := sorted(wanted - found.keys()):
        raise UserError(
            f"{index}: {len(missing)} of {len(wanted)} files of skeletons are not beside it, such as {missing[0]}; "
            f"name the folder they lie in, too: --raw {index} FOLDER"
        )
    return found


def valid_share(item: Mapping[str, Any], threshold: float) -> float:
    """Return the share of a clip's frames that have a box of at least `threshold`; raises `ValueError`."""
    valid, frames = item.get("valid"), integer(item, "total_frames")
    if not isinstance(valid, dict) or not all(isinstance(key, (int, float)) for key in valid):
        raise ValueError("valid is not a dictionary of box thresholds")
    if threshold not in valid:
        known = ", ".join(f"{key:g}" for key in valid)
        raise ValueError(f"valid counts no frames for data.box_threshold {threshold:g}, only for {known}")
    if frames < 1:
        raise ValueError(f"total_frames is {frames}")
    return integer(valid, threshold) / frames


def read_joints(item: Mapping[str, Any], path: Path, threshold: float | None, num_joints: int | None) -> np.ndarray:
    """Return the clip (M, T, V, 3: x y score) float16 of an item whose skeletons lie in the file `path`.

    Args:
        item: of the index.
        path: of its skeletons; that one file is in memory, and no other.
        threshold: box_score from which a skeleton is kept; None: all are.
        num_joints: V.

    Raises:
        ValueError: saying what is wrong with the clip, or that no skeleton is left of it.
        UserError: if the file is no pickle of skeletons.
    """
    clip = _files.open(path).get(str(item.get("frame_dir")))
    if not isinstance(clip, dict):
        raise ValueError(f"{path} has no skeletons of {item.get('frame_dir')}")
    skeletons = array(clip, "keypoint", 3, FLOATS)
    if skeletons.shape[1:] != (num_joints, 3):
        raise ValueError(f"its skeletons are {skeletons.shape}, but (S, {num_joints}, 3: x y score) was expected")
    if (np.abs(skeletons) > np.finfo(np.float16).max).any():
        raise ValueError("its skeletons hold values that float16 cannot hold")
    frames = _frames(item, len(skeletons))
    if threshold is not None:
        kept = _of_all(item, "box_score", FLOATS, len(skeletons)) >= threshold
        skeletons, frames = skeletons[kept], frames[kept]
    if not len(skeletons):
        raise ValueError("has no skeleton" + ("" if threshold is None else f" with a box_score from {threshold:g}"))
    return decompress(skeletons, frames)


def decompress(skeletons: np.ndarray, frames: np.ndarray, most: int = MOST) -> np.ndarray:
    """Return skeletons (S, V, C) of the ascending `frames` (S,) as a clip (M, T, V, C) float16; absent ones are zero.

    T is the number of frames that have a skeleton: the others are left out. M is the most skeletons of a frame, in
    order of appearance; where that is more than `most`, those of each frame with the highest sums of the last channel.
    Source: PYSKL, DecompressPose(squeeze=True, max_person=10), of which this is equal to the bit.
    """
    skeletons = skeletons.astype(np.float16)
    _, frames, counts = np.unique(frames, return_inverse=True, return_counts=True)
    if counts.max() > most:
        scores = np.ascontiguousarray(skeletons[..., -1]).sum(axis=1)  # in float16, as upstream
        skeletons = skeletons[np.lexsort((-scores, frames))]  # stable, and `frames` ascends already
    slots = np.arange(len(frames)) - (np.cumsum(counts) - counts)[frames]
    clip = np.zeros((counts.max(), len(counts), *skeletons.shape[1:]), np.float16)
    clip[slots, frames] = skeletons
    return clip[:most]


def _load(path: Path) -> dict[str, Any]:
    content = load_pickle(path, accepted=ACCEPTED, hold=True)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}; {ACCEPTED}")
    return content


_files = LastFile(_load, ACCEPTED)


def _frames(item: Mapping[str, Any], skeletons: int) -> np.ndarray:
    frames, total = _of_all(item, "frame_inds", INTEGERS, skeletons), integer(item, "total_frames")
    if (np.diff(frames.astype(np.int64)) < 0).any():
        raise ValueError("frame_inds does not ascend")
    if len(frames) and not 0 <= frames[0] <= frames[-1] < total:
        raise ValueError(f"frame_inds goes from {frames[0]} to {frames[-1]}, but total_frames is {total}")
    return frames


def _of_all(item: Mapping[str, Any], key: str, types: Types, skeletons: int) -> np.ndarray:
    """Return an array that has one value for every skeleton."""
    values = array(item, key, 1, types)
    if len(values) != skeletons:
        raise ValueError(f"{key} is of {len(values)} skeletons, but keypoint has {skeletons}")
    return values


def _file_name(path: Path, number: int, item: Mapping[str, Any]) -> str:
    stated = item.get("raw_file")
    name = Path(stated.replace("\\", "/")).name if isinstance(stated, str) else ""
    if not name:
        raise UserError(f"{path}: annotation {number} has no raw_file, so its skeletons cannot be found")
    return name


def _folders_in(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and os.access(each, os.X_OK))
