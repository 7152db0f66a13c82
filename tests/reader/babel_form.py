"""Writes BABEL's clips in the published form, and as mmaction2's lists."""

import pickle

import numpy as np


def draw_clips(rng, count, dtype=np.float64):
    """Return clips (N, 3, 150, 25, 1) whose motion is smooth."""
    pose, motion = rng.normal(0, 0.3, (2, count, 3, 1, 25, 1))
    return (pose + motion * np.sin(np.linspace(0, 6, 150))[:, None, None]).astype(dtype)


def draw_rows(labels):
    """Return the label file's content for clips with these labels: every second chunk is there twice, of one name."""
    chunks = [number - number % 4 // 3 for number in range(len(labels))]  # 0 1 2 2 4 5 6 6 ...
    sids = [100 + chunk for chunk in chunks]
    segments = [f"{chunk:08x}-0a1b-4c2d" for chunk in chunks]
    return segments, (list(labels), sids, [chunk % 3 for chunk in chunks], [f"annotator-{chunk}" for chunk in chunks])


def names_of(rows):
    """Return what the clips of a label file are called, as mmaction2 spells it."""
    segments, (_, sids, chunks, annotators) = rows
    return [f"{segment}_{sid}_{chunk}_{who}" for segment, sid, chunk, who in zip(segments, sids, chunks, annotators)]


def save_split(folder, split, classes, clips, rows, extra=""):
    """Write one split as the authors publish it."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{split}{extra}_ntu_sk_{classes}.npy", clips)
    (folder / f"{split}{extra}_label_{classes}.pkl").write_bytes(pickle.dumps(rows))


def save_list(folder, split, classes, clips, rows):
    """Write one split as mmaction2 has it; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"babel{classes}_{split}.pkl"
    items = [
        {
            "frame_dir": name,
            "label": label,
            "total_frames": 150,
            "keypoint": clip.transpose(3, 1, 2, 0).astype(np.float16),
        }
        for clip, label, name in zip(clips, rows[1][0], names_of(rows))
    ]
    path.write_bytes(pickle.dumps(items))
    return path


def write_babel(folder, rng, classes, *, clips=8, extra="", dtype=np.float64, splits=("train", "val")):
    """Write `splits` of `clips` clips each, as published; labels of "test" are hidden. Return the folder."""
    for split in splits:
        labels = [-1 if split == "test" else int(label) for label in rng.integers(classes, size=clips)]
        extra_of = "" if split == "test" else extra
        save_split(folder, split, classes, draw_clips(rng, clips, dtype), draw_rows(labels), extra_of)
    return folder
