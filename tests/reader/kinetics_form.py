"""Writes Kinetics-skeleton's raw form, of clips that are made up: JSON files beside a label file."""

import json

CLASSES = ("juggling", "skiing", "yoga")


def skeleton(joints):
    """Return a person (V, 3) as the form has it: x y x y ..., and the scores."""
    return {"pose": joints[:, :2].ravel().tolist(), "score": joints[:, 2].tolist()}


def record(frame, *persons):
    """Return the record of a frame; `persons` are (V, 3)."""
    return {"frame_index": frame, "skeleton": [skeleton(joints) for joints in persons]}


def entry(label, classes=CLASSES, has_skeleton=True):
    """Return what a label file says of a clip."""
    return {"has_skeleton": has_skeleton, "label": classes[label], "label_index": label}


def write_split(folder, split, clips, classes=CLASSES, prefix="kinetics"):
    """Write `clips`, {name: (label, records)}, as <prefix>_<split>/ and its label file; return the folder."""
    place = folder / f"{prefix}_{split}"
    place.mkdir(parents=True, exist_ok=True)
    for name, (label, records) in clips.items():
        content = {"data": records, "label": classes[label], "label_index": label}
        (place / f"{name}.json").write_text(json.dumps(content))
    labels = {name: entry(label, classes) for name, (label, _) in clips.items()}
    (folder / f"{prefix}_{split}_label.json").write_text(json.dumps(labels))
    return folder


def random_records(rng, frames, joints=18, persons=2):
    """Return frames 1 to `frames`, as the released files count: up to `persons` in each, three digits, some missing."""
    values = rng.integers(1, 1000, (frames, persons, joints, 3)) / 1000
    values[rng.random(values.shape[:3]) < 0.1] = 0
    count = rng.integers(0, persons + 1, frames)
    count[0] = persons
    return [record(t + 1, *values[t, : count[t]]) for t in range(frames)]


def write_kinetics(folder, rng, clips, joints=18, classes=CLASSES, frames=12, persons=2):
    """Write `clips` random clips, every fourth of them for validation, the classes in turn; return the folder."""
    sides = {"train": {}, "val": {}}
    for n in range(clips):
        records = random_records(rng, frames, joints, persons)
        sides["val" if n % 4 == 3 else "train"][f"clip{n:06d}"] = (n // 4 % len(classes), records)
    for split, side in sides.items():
        write_split(folder, split, side, classes)
    return folder


def write_openpose(folder, frames, video="film"):
    """Write a clip as OpenPose does, a file a frame: `frames` are {number: persons (V, 3) in pixels}."""
    folder.mkdir(parents=True)
    for number, persons in frames.items():
        people = [{"person_id": [-1], "pose_keypoints_2d": joints.ravel().tolist()} for joints in persons]
        content = json.dumps({"version": 1.3, "people": people})
        (folder / f"{video}_{number:012d}_keypoints.json").write_text(content)
    return folder
