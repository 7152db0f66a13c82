"""Writes what DeepLabCut does: .csv with 3 or 4 header rows, and .h5 as pandas lays them out (without pandas)."""

import pickle

import h5py
import numpy as np

COORDS = ("x", "y", "likelihood")
SCORER = "DLC_Resnet50_demoMay17shuffle1_snapshot_200"
POINTS = tuple(f"j{joint}" for joint in range(12))  # of layout rat-12


def names_of(points, individuals=(), unique=(), coords=COORDS):
    """Return the columns' names: (scorer, [individual,] body point, coordinate)."""
    if not individuals:
        return [(SCORER, point, coord) for point in points for coord in coords]
    blocks = [(individual, points) for individual in individuals] + ([("single", unique)] if unique else [])
    return [(SCORER, name, point, coord) for name, own in blocks for point in own for coord in coords]


def write_csv(path, values, names):
    """Write values (T, columns); NaN is an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = (
        ("scorer", "bodyparts", "coords") if len(names[0]) == 3 else ("scorer", "individuals", "bodyparts", "coords")
    )
    lines = [[level, *texts] for level, texts in zip(levels, zip(*names))]
    lines += [[str(t), *("" if np.isnan(v) else repr(v) for v in row.tolist())] for t, row in enumerate(values)]
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    return path


def write_h5(path, values, names, key="df_with_missing"):
    """Write pandas' format "table", as `DataFrame.to_hdf(path, key=key, format="table")` does."""
    levels = (
        ["scorer", "individuals", "bodyparts", "coords"] if len(names[0]) == 4 else ["scorer", "bodyparts", "coords"]
    )
    row = np.dtype([("index", "<i8"), ("values_block_0", "<f8", (len(names),))])
    table = np.zeros(len(values), row)
    table["index"], table["values_block_0"] = np.arange(len(values)), values
    pickled = {
        "data_columns": [],
        "index_cols": [(0, "index")],
        "info": {1: {"names": levels, "type": "MultiIndex"}, "index": {}, "values_block_0": {}},
        "non_index_axes": [(1, names)],
        "values_cols": ["values_block_0"],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        mark(file, CLASS="GROUP", VERSION="1.0", PYTABLES_FORMAT_VERSION="2.1")
        group = file.create_group(key)
        mark(
            group, CLASS="GROUP", VERSION="1.0", pandas_type="frame_table", table_type="appendable_frame", nan_rep="nan"
        )
        mark(
            group, encoding="UTF-8", errors="strict", **{name: pickle.dumps(each, 0) for name, each in pickled.items()}
        )
        group.attrs["levels"] = 1
        made = group.create_dataset("table", data=table, chunks=True, maxshape=(None,))
        mark(made, CLASS="TABLE", VERSION="2.7", FIELD_0_NAME="index", FIELD_1_NAME="values_block_0")
        mark(made, index_kind="integer", values_block_0_kind=pickle.dumps(names, 0), values_block_0_dtype="float64")
        made.attrs["NROWS"] = len(values)
    return path


def write_fixed_h5(path, values, names, key="df_with_missing"):
    """Write pandas' format "fixed", as DeepLabCut's editor does."""
    with h5py.File(path, "w") as file:
        group = file.create_group(key)
        mark(group, CLASS="GROUP", VERSION="1.0", pandas_type="frame", encoding="UTF-8", errors="strict")
        group.attrs["block0_items_nlevels"] = len(names[0])
        for level, texts in enumerate(zip(*names)):
            known = sorted(set(texts))
            group[f"block0_items_level{level}"] = np.array(known, "S")
            group[f"block0_items_label{level}"] = np.array([known.index(text) for text in texts], np.int8)
        group["block0_values"], group["axis1"] = values, np.arange(len(values))
    return path


def mark(node, **attributes):
    for name, value in attributes.items():
        kind = h5py.string_dtype("ascii" if isinstance(value, bytes) else "utf-8", len(value))
        node.attrs.create(name, np.array(value if isinstance(value, bytes) else value.encode(), kind), dtype=kind)


def walk(rng, frames, points=POINTS, persons=1, frame_size=(720, 540), speed=2.0):
    """Return (T, persons * points * 3): animals that wander, with a few points lost (low likelihood, or NaN)."""
    size = np.array(frame_size)
    steps = rng.normal(size=(persons, frames, 1, 2)).cumsum(axis=1) * speed
    body = rng.normal(scale=20, size=(persons, 1, len(points), 2)) + size * rng.uniform(0.3, 0.7, (persons, 1, 1, 2))
    places = np.clip(steps + body, 1, size - 1)  # (M, T, V, 2)
    likelihood = rng.uniform(0.7, 1, (*places.shape[:-1], 1))
    likelihood[rng.random(likelihood.shape) < 0.05] = 0.1
    values = np.concatenate([places, likelihood], axis=-1)
    values[rng.random(values.shape[:-1]) < 0.02] = np.nan
    return values.transpose(1, 0, 2, 3).reshape(frames, -1)


def write_dlc(folder, rng, classes=("groom", "rear"), recordings=4, frames=130, points=POINTS, frame_size=(720, 540)):
    """Write a folder of classes, `<class>/mouse<n>.csv`: the animals of a class share a speed. Returns the folder."""
    for label, name in enumerate(classes):
        for n in range(recordings):
            values = walk(rng, frames, points, frame_size=frame_size, speed=1.0 + 3 * label)
            write_csv(folder / name / f"mouse{n}.csv", values, names_of(points))
    return folder
