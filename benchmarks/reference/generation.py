"""Generation as the originals do it: line by line, sample by sample, joint by joint, the whole set in memory.

After what EfficientGCN's and 2s-AGCN's preparation does: Python splits every line and converts every number, samples
are padded to 300 frames and kept, and to transform them every joint is multiplied by itself.
Letters: N samples, C channels, T frames, V joints, M persons.
"""

import math
import pickle
from pathlib import Path
from typing import IO

import numpy as np

from dataset.splits import load_benchmark

FRAMES, JOINTS, BODIES, PERSONS = 300, 25, 4, 2


def generate(raw: Path, out: Path, benchmark: str, *, transformed: bool) -> None:
    """Write {train,eval}_data.npy (N, C, T, V, M) and {train,eval}_label.pkl of a benchmark."""
    out.mkdir(parents=True, exist_ok=True)
    rule = load_benchmark(benchmark)
    letter = {"subject": "P", "camera": "C"}[str(rule.column)]
    splits: dict[str, list[Path]] = {"train": [], "eval": []}
    for path in sorted(raw.iterdir()):
        at = path.name.index(letter) + 1
        splits["train" if int(path.name[at : at + 3]) in rule.train else "eval"].append(path)
    for split, paths in splits.items():
        samples, lengths = gather(paths)
        labels = [int(path.stem[-3:]) - 1 for path in paths]
        with (out / f"{split}_label.pkl").open("wb") as file:
            pickle.dump(([str(path) for path in paths], labels, lengths), file)
        np.save(out / f"{split}_data.npy", pre_normalize(samples) if transformed else samples)


def gather(paths: list[Path]) -> tuple[np.ndarray, list[int]]:
    """Return all samples (N, C, T, V, M) and their numbers of frames."""
    samples, lengths = [], []
    for path in paths:
        bodies = read_file(path)
        sample = np.zeros((3, FRAMES, JOINTS, PERSONS), np.float32)
        sample[:, : bodies.shape[1]] = choose(bodies).transpose(3, 1, 2, 0)
        samples.append(sample)
        lengths.append(bodies.shape[1])
    return np.array(samples), lengths


# --- one file


def read_file(path: Path) -> np.ndarray:
    """Return the bodies (4, T, V, C) of a file."""
    with path.open() as file:
        frames = [read_frame(file) for _ in range(int(file.readline()))]
    bodies = np.zeros((BODIES, FRAMES, JOINTS, 3), np.float32)
    for t, frame in enumerate(frames):
        for m, body in enumerate(frame["bodies"]):
            for v, joint in enumerate(body["joints"]):
                bodies[m, t, v] = joint
    return bodies[:, : len(frames)]


def read_frame(file: IO[str]) -> dict:
    """Return a frame's bodies, each with its joints."""
    bodies = []
    for _ in range(int(file.readline())):
        body: dict = {"info": file.readline().split(), "joints": []}
        for _ in range(int(file.readline())):
            body["joints"].append([float(number) for number in file.readline().split()[:3]])
        bodies.append(body)
    return {"bodies": bodies}


def choose(bodies: np.ndarray) -> np.ndarray:
    """Return the two bodies (M, T, V, C) that move most."""
    energies = np.array([energy(body) for body in bodies])
    return bodies[energies.argsort()[::-1][:PERSONS]]


def energy(body: np.ndarray) -> float:
    """Return the summed deviations of x, y and z over the frames that are not empty."""
    live = body[body.sum(-1).sum(-1) != 0]
    return live[:, :, 0].std() + live[:, :, 1].std() + live[:, :, 2].std() if len(live) else 0.0


# --- the whole array


def pre_normalize(data: np.ndarray) -> np.ndarray:
    """Pad, centre and turn all samples (N, C, T, V, M)."""
    data = np.ascontiguousarray(data.transpose(0, 4, 2, 3, 1))  # (N, M, T, V, C)
    for sample in data:
        for person in sample:
            if person.sum() != 0:
                repeat(person)
    for sample in data:
        centre(sample)
    for (lower, upper), target in (((0, 1), [0, 0, 1]), ((4, 8), [1, 0, 0])):
        for sample in data:
            turn(sample, sample[0, 0, upper] - sample[0, 0, lower], np.array(target))
    return np.ascontiguousarray(data.transpose(0, 4, 2, 3, 1))


def repeat(person: np.ndarray) -> None:
    """Fill the empty end of a person (T, V, C) with what is before it."""
    if person[0].sum() == 0:
        live = person[person.sum(-1).sum(-1) != 0].copy()
        person[:] = 0
        person[: len(live)] = live
    for t, frame in enumerate(person):
        if frame.sum() == 0 and person[t:].sum() == 0:
            times = math.ceil((len(person) - t) / t)
            person[t:] = np.concatenate([person[:t]] * times)[: len(person) - t]
            break


def centre(sample: np.ndarray) -> None:
    """Move the middle of person 0's spine to the origin in all frames of (M, T, V, C)."""
    middle = sample[0, :, 1:2].copy()
    for person in sample:
        if person.sum() != 0:
            person[:] = (person - middle) * (person.sum(-1) != 0)[..., None]


def turn(sample: np.ndarray, bone: np.ndarray, target: np.ndarray) -> None:
    """Turn (M, T, V, C) such that `bone` points along `target`, joint by joint."""
    matrix = rotation(np.cross(bone, target), angle(bone, target))
    for person in sample:
        if person.sum() == 0:
            continue
        for frame in person:
            if frame.sum() == 0:
                continue
            for v, joint in enumerate(frame):
                frame[v] = np.dot(matrix, joint)


def angle(first: np.ndarray, second: np.ndarray) -> float:
    """Return the angle between two vectors."""
    if np.abs(first).sum() < 1e-6 or np.abs(second).sum() < 1e-6:
        return 0.0
    cosine = np.dot(first / np.linalg.norm(first), second / np.linalg.norm(second))
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the matrix that turns about `axis` (Euler-Rodrigues)."""
    if np.abs(axis).sum() < 1e-6 or np.abs(angle) < 1e-6:
        return np.eye(3)
    axis = axis / math.sqrt(np.dot(axis, axis))
    a = math.cos(angle / 2)
    b, c, d = -axis * math.sin(angle / 2)
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)],
            [2 * (b * c - a * d), a * a + c * c - b * b - d * d, 2 * (c * d + a * b)],
            [2 * (b * d + a * c), 2 * (c * d - a * b), a * a + d * d - b * b - c * c],
        ]
    )
