"""From your own skeletons to an experiment: look at the data, write a layout draft and a numbered yaml.

    python -m tools.new_experiment FOLDER_OR_TABLE

FOLDER holds `<class>/<clip>.{npy,npz,csv,json}`; TABLE is a .csv or .tsv with the columns file, label and, if you like,
start, end, subject, split (docs/forms/own.md). Says what it found, writes FOLDER/layout.yaml unless the skeleton is a
known one, and configs/9001.yaml, and prints the three commands to go on. Nothing that exists is overwritten; the data
get a part of the store of their own.
"""

import argparse
import json
import re
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np
import yaml

from config import FOLDER, ROOT, ConfigError, store_folder
from dataset.layouts import Layout, load_layout
from tools.own.drafting import bone_costs, cheapest_tree, known_layout, layout_text
from tools.own.inspection import CHECK, Findings, inspect, report
from utils.command_line import Parser, guarded
from utils.errors import UserError
from utils.files import write_atomic

BATCH, STEPS = 16, 200  # steps of training: enough for a small network, and about a minute on a CPU
SCALED = "prenormalized-2d"  # of config.data.CHANNELS_OF: needs x y, or x y score, as all pixels have
EPOCHS = range(15, 101)
FRAMES = range(16, 65)

CONFIG = """\
# A small ST-GCN++ on own data: {part}, {clips} clips of {classes} classes. Nothing is published.
# Source: drafted by tools.new_experiment; any key of docs/config-reference.md can be changed.
extends: base/stgcnpp.yaml
data:
  form: own
  parts: [{part}]
  layout: {layout}
  channels: {channels}
  persons: {persons}
  variant: {variant}
  split: {split}
input:
  streams: j+b+jm
  frames: {frames}
  sampling: {{name: spread}}
  persons: {persons}
  augment: {augment}
model: {{base_channels: 32, stages: 6, inflate: [3, 5], down: [3, 5], drop_prob: 0.1}}
train:
  epochs: {epochs}
  batch_size: {batch}
  optimizer: {{name: SGD, lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 5.0e-4}}
  schedule: {{name: cosine, warmup_epochs: {warmup}}}
  loss: {{name: cross_entropy, smoothing: 0.1}}
test: {{batch_size: 64}}
"""


@dataclass(frozen=True)
class Skeleton:
    """The layout of an experiment: its name or file, the text of a draft to write there, and what to say."""

    reference: str
    draft: str | None
    words: str


def choose_layout(findings: Findings, layout: Layout | None, folder: Path) -> Skeleton:
    """Return the layout given, else a known one that the data fit, else a draft for `folder`."""
    file = folder / "layout.yaml"
    if layout:
        return Skeleton(_reference(layout), None, f"layout: {_reference(layout)}, as given")
    cost, centre = bone_costs(findings.people())
    tree = cheapest_tree(cost, centre)
    known = known_layout(findings.names, cost, tree)
    if known:
        why = "it has the same names" if findings.names else "its bones keep their length here"
        return Skeleton(known.name, None, f"layout: {known.name}, for {why}; {CHECK} --layout takes another")
    names = findings.names or tuple(f"j{joint}" for joint in range(findings.num_joints))
    text = layout_text(names, tree, centre, findings.units)
    words = f"layout: {file}, a draft; {CHECK} its edges, centre, pairs and units\n{_indented(text)}"
    return Skeleton(_shown(file), text, words)


def _reference(layout: Layout) -> str:
    """Return how a configuration means a layout: by name, or by file where it is not one of ours."""
    return layout.name if layout.file.is_relative_to(ROOT / "dataset") else _shown(layout.file.resolve())


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def config_text(findings: Findings, skeleton: Skeleton, part: str) -> str:
    """Return the numbered yaml: a network and a recipe for hundreds of clips."""
    split, _ = choose_split(findings)
    train_clips = max(1, int(0.75 * len(findings.listing.rows)))
    batch = max(1, min(BATCH, train_clips // 4))
    epochs = _within(EPOCHS, STEPS * batch // train_clips)
    return CONFIG.format(
        part=part,
        clips=len(findings.listing.rows),
        classes=len(findings.classes),
        layout=json.dumps(skeleton.reference, ensure_ascii=False),
        channels={"score": "xys"}.get(findings.channels[-1], "".join(findings.channels)),
        persons=findings.persons,
        variant=choose_variant(findings)[0],
        split=split,
        augment=json.dumps(choose_augmentations(findings)),
        frames=_within(FRAMES, 8 * round(float(np.median(findings.frames)) / 8)),
        epochs=epochs,
        batch=batch,
        warmup=max(1, epochs // 10),
    )


def choose_augmentations(findings: Findings) -> list[dict[str, object]]:
    """Return what differs from take to take: how one faces (turns about the upright), how large one is, and where."""
    unit = (findings.frame_size() or 2) / 2 if choose_variant(findings)[0] == SCALED else 1.0
    shift = float(f"{findings.size / 2 / unit:.2g}") or 1.0  # half a person; 0: a lone joint
    moves: list[dict[str, object]] = [{"name": "scale", "share": 0.1}, {"name": "shift", "distance": shift}]
    if findings.spatial == 3:
        degrees = [30.0 * (axis == findings.upright) for axis in "xyz"]
        moves.insert(0, {"name": "rotate_axes", "degrees": degrees})
    return moves


def choose_variant(findings: Findings) -> tuple[str, str]:
    """Return the variant and what to say of it: pixels are scaled to the picture where its size is known."""
    if findings.units != "pixels":
        return "original", ""
    if findings.frame_size():
        return SCALED, f"variant: {SCALED}, for these are pixels of pictures of known height and width"
    return "original", (
        f"variant: original; {CHECK} a network learns little from raw pixels. With the columns height and width in a "
        f"table, `variant: {SCALED}` scales them to -1 ... 1"
    )


def _within(limits: range, value: int) -> int:
    return min(max(value, limits[0]), limits[-1])


def choose_split(findings: Findings) -> tuple[str, str]:
    """Return the split as yaml and in words: the table's own, else whole subjects, else whole files."""
    if trains := findings.train_values():
        others = ", ".join(str(value) for value in findings.values("split") if value not in trains)
        words = f"by the table's column split: {', '.join(map(str, trains))} trains, {others} evaluates"
        return f"{{column: split, train: {json.dumps(trains)}}}", words
    if len(findings.values("subject")) > 1:
        return "{group: subject, share: 0.25, seed: 1}", "a quarter of the subjects evaluates"
    return "{share: 0.25, seed: 1}", (
        f"a quarter of the files evaluates; {CHECK} one person's clips may be on both sides, which flatters. "
        "A table with a column subject keeps them apart"
    )


def free_number(folder: Path, wanted: str | None) -> Path:
    """Return the file of a new experiment: 9001, or the first number after it that is free."""
    candidates = [wanted] if wanted else [str(number) for number in range(9001, 10_000)]
    free = next((path for path in (folder / f"{number}.yaml" for number in candidates) if not path.exists()), None)
    if free is None:
        raise UserError(f"{folder / candidates[0]}.yaml: exists and is not overwritten; give another --number")
    return free


def choose_part(folder: Path, configs: Path) -> tuple[str, str]:
    """Return a part's name made of a folder's, which no experiment and no store has yet, and what to say of it."""
    wanted = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-._") or "own"
    taken = taken_parts({configs.resolve(), FOLDER}, store_folder())
    names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
    part = next(name for name in names if name not in taken)
    if part == wanted:
        return part, f"part: {part}"
    words = f"for {taken[wanted]} has {wanted}; if it is the same data, `parts: [{wanted}]` shares it"
    return part, f"part: {part}, {words}"


def taken_parts(folders: Collection[Path], store: Path) -> dict[str, str]:
    """Return the parts that there are, or that an experiment reads, and where."""
    taken = {path.name: str(store) for path in store.glob("*") if path.is_dir()}
    patterns = ("[0-9]*.yaml", "base/*.yaml")
    for path in sorted(path for folder in folders for pattern in patterns for path in folder.glob(pattern)):
        try:
            data = (yaml.safe_load(path.read_bytes()) or {}).get("data") or {}
            taken |= {str(name): _shown(path) for name in data.get("parts") or ()}
        except (OSError, AttributeError, TypeError, ValueError, yaml.YAMLError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: no configuration ({reason}); mend or remove it, for it may own a part") from error
    return taken


def _shown(path: Path) -> str:
    """Return a path as it works from the repository's root."""
    path = path.resolve()
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _write(texts: Mapping[Path, str]) -> None:
    """Write all of the files, or none of them."""
    written: list[Path] = []
    for path, text in texts.items():
        try:
            _write_text(path, text)
            written.append(path)
        except OSError as error:
            for each in written:
                each.unlink()
            raise UserError(f"{path}: cannot be written ({error.strerror}); make room, or make it yours") from error


def _write_text(path: Path, text: str) -> None:
    write_atomic(path, lambda file: file.write(text.encode()))


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser("python -m tools.new_experiment", __doc__)
    parser.add_argument("data", type=Path, metavar="FOLDER_OR_TABLE", help="the clips")
    parser.add_argument("--number", metavar="N", help="of the experiment (the first free one from 9001)")
    parser.add_argument(
        "--layout", metavar="NAME|FILE", help="of the joints (FOLDER/layout.yaml, a known one, a draft)"
    )
    parser.add_argument("--persons", type=int, metavar="M", help="the most persons in a clip (as found)")
    parser.add_argument("--configs", type=Path, default=FOLDER, metavar="DIR", help="where the yaml goes (configs)")
    args = parser.parse_args(argv)
    if args.number and not re.fullmatch(r"[0-9]{4,}", args.number):
        raise UserError(f"--number {args.number}: must be a number of four digits; 9001 and up are yours")
    if not args.configs.is_dir():
        raise UserError(f"--configs {args.configs}: no such folder; make it, or leave it out for configs/")
    if args.persons is not None and args.persons < 1:
        raise UserError(f"--persons {args.persons}: must be at least 1")
    return args


def main(argv: list[str] | None = None) -> int:
    """Inspect, draft and write; return the exit code."""
    args = _parse(argv)
    if not args.data.exists():
        raise UserError(f"{args.data}: no such file or folder; give the folder of classes, or the table")
    folder = args.data if args.data.is_dir() else args.data.parent
    drafted = folder / "layout.yaml"
    stated = args.layout or (str(drafted) if drafted.exists() else None)
    layout = load_layout(stated) if stated else None
    file = free_number(args.configs, args.number)
    findings = inspect(args.data, layout, args.persons)
    print("\n".join(report(findings)))
    skeleton = choose_layout(findings, layout, folder)
    print(skeleton.words)
    print(f"split: {choose_split(findings)[1]}")
    part, words = choose_part(folder, args.configs)
    print("\n".join(filter(None, (choose_variant(findings)[1], words))))
    draft = {drafted: skeleton.draft} if skeleton.draft else {}
    _write({**draft, file: config_text(findings, skeleton, part)})
    print(f"wrote {_shown(file)}\n\nGo on with:")
    _print_commands(file, args.data)
    return 0


def _print_commands(file: Path, data: Path) -> None:
    name = file.stem if file.parent.resolve() == FOLDER else shlex.quote(str(file))
    print(f"  python main.py -c {name} -gd --raw {shlex.quote(_shown(data))}")
    print(f"  python main.py -c {name}")
    print(f"  python main.py -c {name} -e")


if __name__ == "__main__":
    sys.exit(guarded(main, ConfigError))
