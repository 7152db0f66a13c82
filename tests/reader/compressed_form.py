"""Writes PYSKL's Kinetics form: an index of clips, and the files with their skeletons."""

import pickle

import numpy as np

JOINTS = 17


def draw_skeletons(rng, counts, joints=JOINTS):
    """Return skeletons (S, V, 3: x y score) float16, and the frame of each (S,), for frames with `counts` of them."""
    frames = np.repeat(np.arange(len(counts)), counts).astype(np.int16)
    skeletons = rng.uniform([1, 1, 0.1], [340, 256, 1], (len(frames), joints, 3)).astype(np.float16)
    return skeletons, frames


def draw_item(rng, name, label, /, *, file="0.pkl", counts=(1, 2, 0, 1), **changes):
    """Return an item of the index and its skeletons; a change to None removes a key."""
    skeletons, frames = draw_skeletons(rng, counts)
    scores = rng.uniform(0.5, 1, len(frames)).astype(np.float16)
    item = {
        "frame_dir": name,
        "label": label,
        "img_shape": (256, 340),
        "original_shape": (256, 340),
        "total_frames": len(counts),
        "raw_file": f"data/k400/kpfiles/{file}",
        "frame_inds": frames,
        "box_score": scores,
        "valid": {each / 10: len(np.unique(frames[scores >= each / 10])) for each in range(5, 10)},
    } | changes
    return {key: value for key, value in item.items() if value is not None}, skeletons


def save_index(path, drawn, split, folder=None):
    """Write the index `path` and, beside it or into `folder`, the files of the skeletons; return `path`."""
    folder = folder or path.parent
    folder.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    files = {}
    for item, skeletons in drawn:
        files.setdefault(item["raw_file"].rpartition("/")[2], {})[item["frame_dir"]] = {"keypoint": skeletons}
    for name, content in files.items():
        (folder / name).write_bytes(pickle.dumps(content))
    path.write_bytes(pickle.dumps({"split": split, "annotations": [item for item, _ in drawn]}))
    return path


def write_compressed(folder, rng, classes, *, clips=8, frames=20, files=2, name="k400_hrnet.pkl"):
    """Write an index of `clips` clips, three of four to train on, with its skeletons in `files` files; return its path."""
    drawn = [
        draw_item(
            rng, f"clip{n}", int(rng.integers(classes)), file=f"{n % files}.pkl", counts=rng.integers(1, 4, frames)
        )
        for n in range(clips)
    ]
    names = [item["frame_dir"] for item, _ in drawn]
    cut = clips * 3 // 4
    return save_index(folder / name, drawn, {"train": names[:cut], "val": names[cut:]}, folder / "kpfiles")
