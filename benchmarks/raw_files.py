"""Raw files to measure with: as long, as large and as odd as NTU RGB+D's, made anew from a seed."""

import hashlib
import math
from pathlib import Path

import numpy as np

from benchmarks.clips import ntu_like

INFO = "72057594037944738 0 1 1 0 0 0 -0.2843156 -0.1187657 2\n25\n"
PIXELS = " 281.0157 193.2451 1106.704 431.2897 -0.1823640 0.9430521 -0.0953773 -0.0608436 2\n"
BODY = INFO + f"%.7g %.7g %.7g{PIXELS}" * 25
SUBJECTS, CAMERAS, ACTIONS = 40, 3, 60


def write_raw(folder: Path, count: int, names: int = 1) -> None:
    """Write `count` files into a new `folder`, each under so many `names`: much to read takes little room."""
    folder.mkdir(parents=True)
    for n, joints in enumerate(ntu_like(count)):
        first = folder / clip_name(n)
        first.write_bytes(_text(n, _odd(n, joints)).encode())
        for more in range(1, names):
            (folder / clip_name(n + more * count)).hardlink_to(first)


def clip_name(n: int) -> str:
    """Return the file name of clip `n`, which no other has."""
    camera, subject, action = n % CAMERAS + 1, n % SUBJECTS + 1, n // SUBJECTS % ACTIONS + 1
    setup, take = n // 2400 % 17 + 1, n // 40800 + 1
    return f"S{setup:03d}C{camera:03d}P{subject:03d}R{take:03d}A{action:03d}.skeleton"


def _odd(n: int, joints: np.ndarray) -> np.ndarray:
    """Let somebody come late, be lost in between, or leave early, or a third body appear: in 4 of 10 clips."""
    last, frames = joints[1 if joints[1].any() else 0], joints.shape[1]
    match n % 10:
        case 1:
            last[: frames // 8] = 0
        case 2:
            last[frames // 3 : frames // 2] = 0
        case 3:
            last[-frames // 5 :] = 0
        case 4:
            return np.concatenate([joints, joints[:1] / 2]) if n % 50 == 4 else joints
    return joints


def _text(n: int, joints: np.ndarray) -> str:
    """Return what a file of joints (M, T, V, 3) holds; some files come from Windows."""
    lines = [f"{joints.shape[1]}\n"]
    for t in range(joints.shape[1]):
        seen = [body[t] for body in joints if body[t].any()]
        lines += [f"{len(seen)}\n", *(BODY % tuple(each.ravel().tolist()) for each in seen)]
    return "".join(lines).replace("\n", "\r\n" if n % 40 == 9 else "\n")


def digests(folder: Path) -> dict[str, np.ndarray]:
    """Return checksums (N, 32) of the samples in the padded arrays of `folder`, of which one at a time is in memory."""
    return {path.stem: _digests(path) for path in sorted(folder.glob("*_data.npy"))}


def file_digests(folder: Path) -> dict[str, np.ndarray]:
    """Return the checksum (32,) of every file in `folder`, by its path there."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): np.frombuffer(hashlib.sha256(path.read_bytes()).digest(), np.uint8)
        for path in files
    }


def _digests(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        size = math.prod(shape[1:]) * dtype.itemsize
        return np.array([list(hashlib.sha256(file.read(size)).digest()) for _ in range(shape[0])], np.uint8)
