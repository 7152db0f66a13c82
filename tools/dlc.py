"""DeepLabCut tracks for other code, and a table to label them by.

    python -m tools.dlc --to-json DIR -c 1006 --raw PATH
    python -m tools.dlc --table OUT.csv --raw PATH --window 60

The first writes the windows of an experiment, as `-gd` would store them, in the form of Kinetics-skeleton: DIR with
kinetics_train, kinetics_val and their label files, for ST-GCN's own tools and for `form: kinetics` here. The second
drafts a table of windows whose column label is to be filled in (docs/forms/deeplabcut.md).
"""

import argparse
import csv
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import config
from generator import Request, order_of
from reader.deeplabcut.listing import Cutting, list_recordings
from reader.deeplabcut.tables import open_table
from reader.own import SPLIT
from utils.command_line import Parser, guarded
from utils.errors import UserError
from utils.files import disk_errors, write_atomic
from utils.recording import UNKNOWN, Reader, Recording, Scan

FOLDERS = {"train": "kinetics_train", "eval": "kinetics_val"}
HALF = 0.5  # what x and y have at the frame's left and top there, less than here


# --- the form of Kinetics-skeleton


def write_kinetics(folder: Path, scan: Scan, reader: Reader) -> tuple[int, int]:
    """Write all clips of a scan into the empty `folder`; return how many, and the frames of the longest.

    Raises `UserError` for clips without a class or of one name, and where the reader does.
    """
    labels: dict[str, dict[str, Any]] = {split: {} for split in FOLDERS}
    for name in FOLDERS.values():
        (folder / name).mkdir()
    longest = 0
    for recording in (recording for source in scan.sources for recording in reader.read(source)):
        split, name = recording.splits[SPLIT], recording.name.replace(".", "_")  # there a name ends at its first dot
        if recording.label == UNKNOWN:
            raise UserError(f"{recording.columns['source']}: has no classes, which every clip of this form needs")
        if name in labels["train"] or name in labels["eval"]:
            raise UserError(f"{recording.columns['source']}: {name} is also another clip's; rename its file")
        label = {"label": scan.classes[recording.label], "label_index": recording.label}
        labels[split][name] = {"has_skeleton": True, **label}
        _write_json(folder / FOLDERS[split] / f"{name}.json", {"data": to_frames(recording), **label})
        longest = max(longest, recording.num_frames)
    for split, stated in labels.items():
        _write_json(folder / f"{FOLDERS[split]}_label.json", stated)
    return sum(map(len, labels.values())), longest


def to_frames(recording: Recording) -> list[dict[str, Any]]:
    """Return a clip's joints (M, T, V, 3) as that form has them, frames numbered from 1 as there.

    Coordinates are put back by half a frame in float64, which is exact, so that taking it off again gives the same
    rows. A person who is not seen keeps its place where one behind it is.
    """
    joints = recording.joints.astype(np.float64)
    joints[..., :2] += np.where(joints[..., 2:] > 0, HALF, 0)
    frames = joints.transpose(1, 0, 2, 3)  # (T, M, V, 3)
    return [{"frame_index": number, "skeleton": _skeletons(persons)} for number, persons in enumerate(frames, start=1)]


def _skeletons(persons: np.ndarray) -> list[dict[str, list[float]]]:
    seen = np.flatnonzero(persons.any(axis=(1, 2)))
    last = int(seen[-1]) + 1 if len(seen) else 0
    return [{"pose": person[:, :2].ravel().tolist(), "score": person[:, 2].tolist()} for person in persons[:last]]


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes `out` when all is done, and is removed when it is not."""
    if out.exists():
        raise UserError(f"{out}: exists and is not overwritten; name a new folder")
    with disk_errors(out, "free some space and repeat"):
        unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            yield unfinished
            unfinished.chmod(0o755)  # mkdtemp's are for their owner alone
            unfinished.rename(out)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _to_json(out: Path, number: str, raw: Sequence[Path], overrides: Sequence[str]) -> int:
    experiment = config.load(number, overrides)
    if experiment.data.form != "deeplabcut":
        raise UserError(f"-c {number}: data.form is {experiment.data.form}, not deeplabcut; 1006 is")
    order = order_of(experiment, experiment.data.parts[0], Request(store=Path(), raw=raw))
    with _whole(out) as folder:
        scan = order.reader.scan(order.roots, order.part)
        count, longest = write_kinetics(folder, scan, order.reader)
    for reason, names in scan.skipped.items():
        print(f"left out: {len(names)} {reason} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})")
    print(f"{out}: {count} clips of {len(scan.classes)} classes; the last frame has the index {longest}")
    if longest >= 300:
        print(f"ST-GCN's tools take indices below 300; here, --set data.frames={longest + 1} reads them all")
    return 0


# --- a table of windows


def draft_table(out: Path, roots: Sequence[Path], cutting: Cutting) -> int:
    """Write a table of all windows of the recordings in `roots`; return how many. Labels are those of folders."""
    if out.exists():
        raise UserError(f"{out}: exists and is not overwritten; name a new file")
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["file", "from", "to", "label"])
    count = 0
    for row in (row for root in roots for row in list_recordings(root).rows):
        file = os.path.relpath(row.file, out.parent)
        windows = cutting.windows(len(open_table(row.file, ()).values))
        table.writerows([file, *window, row.label] for window in windows)
        count += len(windows)
    with disk_errors(out, "free some space and repeat"):
        write_atomic(out, lambda file: file.write(text.getvalue().encode()))
    return count


# --- the command line


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("python -m tools.dlc", __doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--to-json", type=Path, metavar="DIR", help="the new folder of the Kinetics form")
    action.add_argument("--table", type=Path, metavar="OUT", help="the new table, .csv")
    parser.add_argument("--raw", type=Path, nargs="+", default=[], metavar="PATH", help="tracks, or a table of windows")
    parser.add_argument("-c", "--config", metavar="N", help="the experiment whose windows are written")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of it")
    parser.add_argument("--window", type=int, default=60, metavar="T", help="frames of a window in the table (60)")
    parser.add_argument("--hop", type=int, metavar="T", help="from one window to the next (as long as a window)")
    args = parser.parse_args(argv)
    if args.to_json and not args.config:
        parser.error("--to-json needs -c N, the experiment")
    if args.table and not args.raw:
        parser.error("--table needs --raw PATH, the tracks")
    if args.window < 1 or (args.hop is not None and args.hop < 1):
        parser.error("--window and --hop must be at least 1")
    return args


def _run(argv: Sequence[str] | None) -> int:
    args = _parse(argv)
    if args.to_json:
        return _to_json(args.to_json, args.config, args.raw, args.set)
    count = draft_table(args.table, args.raw, Cutting(args.window, args.hop or args.window))
    print(f"{args.table}: {count} windows; fill in the column label, remove the lines that have none")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    return guarded(lambda: _run(argv), config.ConfigError)


if __name__ == "__main__":
    sys.exit(main())
