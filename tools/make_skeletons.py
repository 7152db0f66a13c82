"""Write a small data set of synthetic performances in the text form of NTU RGB+D: Gesta without a download.

    python -m tools.make_skeletons data/raw_skeleton/demo

Twelve actions (`dataset/classes/demo.txt`), done by subjects of different size, speed, style and handedness
somewhere in a room, each take seen by three cameras: files `SsssCcccPpppRrrrAaaa.skeleton`.
The same seed gives the same bytes, and a file does not depend on which others are written.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tools.skeletons.actions import ACTIONS
from tools.skeletons.sensor import CAMERA_YAWS, look, record
from tools.skeletons.stage import perform
from tools.skeletons.writer import FIRST_BODY_ID, to_text
from utils.command_line import Parser, guarded
from utils.errors import UserError

CAMERAS = range(1, len(CAMERA_YAWS) + 1)
_UNFINISHED = "unfinished.tmp"  # what a killed run may leave behind; the next one overwrites it


@dataclass(frozen=True)
class Take:
    """One performance, which every camera records; all numbers count from 1."""

    subject: int
    action: int
    repeat: int

    def file_name(self, camera: int) -> str:
        return f"S001C{camera:03d}P{self.subject:03d}R{self.repeat:03d}A{self.action:03d}.skeleton"


def plan(num_subjects: int, num_repeats: int) -> list[Take]:
    """Return all takes of the data set: every subject does every action `num_repeats` times."""
    counts = (num_subjects, len(ACTIONS), num_repeats)
    return [Take(*numbers) for numbers in itertools.product(*(range(1, count + 1) for count in counts))]


def render(seed: int, take: Take) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each camera's file of one take."""
    motions = perform(seed, take.subject, take.action, take.repeat)
    for camera in CAMERAS:
        rng = np.random.default_rng([seed, 3, take.subject, take.action, take.repeat, camera])
        view = record(look(motions, camera), rng)
        ids = FIRST_BODY_ID + rng.integers(0, 10_000, len(motions))
        yield take.file_name(camera), to_text(view, ids.tolist())


def write(folder: Path, seed: int, takes: list[Take]) -> int:
    """Write the files of `takes` that `folder` lacks and return their number.

    Raises:
        UserError: before anything is written, if the folder holds anything but these very files.
    """
    refuse_strangers(folder, seed, takes)
    folder.mkdir(parents=True, exist_ok=True)
    present = _present(folder)
    todo = [take for take in takes if not present.issuperset(map(take.file_name, CAMERAS))]
    num_written = 0
    for take in tqdm(todo, desc="skeletons", unit="take", disable=None):
        missing = {name: text for name, text in render(seed, take) if name not in present}
        for name, text in missing.items():
            _replace(folder / name, text)
        num_written += len(missing)
    return num_written


def refuse_strangers(folder: Path, seed: int, takes: list[Take]) -> None:
    """Raise UserError if `folder` holds anything but files that `write` would write, whole or interrupted."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a new folder")
    present = _present(folder)
    owners = {take.file_name(camera): take for take in takes for camera in CAMERAS}
    strangers = sorted(present - owners.keys())
    for take in dict.fromkeys(owners[name] for name in present if name in owners):
        strangers += [name for name, text in render(seed, take) if name in present and _differs(folder / name, text)]
    if strangers:
        raise UserError(
            f"{folder}: {len(strangers)} of its files are not what this would write, such as {strangers[0]}; "
            "name a new folder, or empty this one yourself"
        )


def _present(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {_UNFINISHED}


def _differs(path: Path, text: str) -> bool:
    return path.read_bytes() != text.encode()


def _replace(path: Path, text: str) -> None:
    """Put `text` at `path`, such that a killed run never leaves half a file under a good name."""
    unfinished = path.with_name(_UNFINISHED)
    unfinished.write_bytes(text.encode())
    unfinished.replace(path)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser("python -m tools.make_skeletons", __doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write into: new, empty, or of the same seed")
    parser.add_argument("--subjects", type=_count(1, 999), default=12, help="how many persons, P001 on (default 12)")
    parser.add_argument("--repeats", type=_count(1, 999), default=1, help="takes of each action, R001 on (default 1)")
    parser.add_argument("--seed", type=_count(0, 2**32 - 1), default=1, help="another seed, other people (default 1)")
    return parser.parse_args(argv)


def _count(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, got '{text}'")
        return int(text)

    return parse


def main(argv: list[str] | None = None) -> int:
    """Write the data set that the arguments describe; return the exit code."""
    args = _parse(argv)
    takes = plan(args.subjects, args.repeats)
    try:
        num_written = write(args.out, args.seed, takes)
    except OSError as error:
        raise UserError(f"{error.filename or args.out}: cannot be read or written ({error.strerror})") from error
    num_clips = len(takes) * len(CAMERAS)
    print(
        f"{args.out}: {num_clips} clips, {len(ACTIONS)} actions, {args.subjects} subjects, "
        f"{len(CAMERAS)} cameras ({num_written} written, {num_clips - num_written} already there)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
