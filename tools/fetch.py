"""`python -m tools.fetch 3001 --weights`: an experiment's published files, from where their authors keep them.

Whole files come to rest in data/downloads (or --to DIR), where `main.py -gd` looks for data; a download that was cut
off goes on where it stopped. They are checked by size and SHA-256 where those are known, and never opened. What lies
behind a log-in is named with a place to look for it. The addresses are data: configs/published_files.yaml.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import Field

import config
from config import Section
from generator.places import DOWNLOADS, RAW_FOLDERS
from utils.command_line import Parser, guarded, say
from utils.download import download
from utils.errors import UserError
from utils.tables import table

ADDRESSES = config.FOLDER / "published_files.yaml"
HEADER = ("numbers", "kind", "file", "from")


class PublishedFile(Section):
    """A file that its authors published, and which experiments it belongs to."""

    numbers: str = Field(description="of experiments, with ranges: 3001-3004 3041")
    kind: Literal["weights", "data"]
    licence: str
    url: str = Field(default="", pattern="^(https?://.+)?$", description="of the file itself; none: not to be had so")
    page: str = Field(default="", description="to be opened in a browser: a log-in, a folder")
    elsewhere: str = Field(default="", description="where to look if the address is dead or asks for a log-in")
    name: str = Field(default="", description="what it is called, where there is no url")
    size: int | None = Field(default=None, ge=1, description="in bytes")
    sha256: str = Field(default="", pattern="^[0-9a-f]{0,64}$", description="or how it begins")

    @property
    def place(self) -> Path:
        """Its path in the downloads: where -gd looks for a file of that name, else the last two parts of the address.

        Two, for names such as `j.pth` repeat; a folder that the name begins with says nothing more.
        """
        folder, name = ("", *urlsplit(self.url).path.split("/"))[-2:]
        parts = [name] if folder and name.startswith(folder) else [folder, name]
        looked_for = (path for path, _ in RAW_FOLDERS.values() if path.is_relative_to(DOWNLOADS))
        same = (path.relative_to(DOWNLOADS) for path in looked_for if path.name == parts[-1])
        return next(same, Path(*parts))

    @property
    def title(self) -> str:
        """What it is called here."""
        return self.name or str(self.place)

    @property
    def hint(self) -> str:
        """Where else to look."""
        return "; ".join(filter(None, (self.page, self.elsewhere)))

    @property
    def existing(self) -> list[str]:
        """Its experiments that there are; the list of addresses is ahead of configs/."""
        there = set(config.numbers())
        return [number for number in experiments(self.numbers) if number in there]

    def belongs_to(self, number: str) -> bool:
        """Tell whether it is an experiment's."""
        return number in experiments(self.numbers)


def published_files(path: Path = ADDRESSES) -> list[PublishedFile]:
    """Return everything in the list of addresses, in its order; a group's keys hold for all of its files."""
    groups: list[dict[str, Any]] = yaml.safe_load(path.read_bytes())
    shared = [{key: value for key, value in group.items() if key != "files"} for group in groups]
    return [
        PublishedFile(**{**each, **file}) for each, group in zip(shared, groups, strict=True) for file in group["files"]
    ]


def experiments(numbers: str) -> Iterator[str]:
    """Yield the single numbers of a text such as `3001-3004 3041`."""
    for word in numbers.split():
        first, _, last = word.partition("-")
        yield from (f"{number:0{len(first)}d}" for number in range(int(first), int(last or first) + 1))


def ranges(numbers: Sequence[str]) -> str:
    """Return single numbers as a text such as `3001-3004 3041`, the inverse of `experiments`."""
    runs: list[list[str]] = []
    for number in numbers:
        if runs and int(number) == int(runs[-1][-1]) + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code: 2 if something that was asked for is not there."""
    parser = Parser("python -m tools.fetch", __doc__)
    add = parser.add_argument
    add("number", nargs="?", metavar="NUMBER", help="the experiment")
    add("--weights", action="store_true", help="checkpoints only")
    add("--data", action="store_true", help="data only")
    add("--list", action="store_true", help="print what there is, of NUMBER or of all; fetch nothing")
    add("--to", type=Path, default=DOWNLOADS, metavar="DIR", help="instead of data/downloads")
    add("-np", "--no_progress_bar", action="store_true")
    return guarded(lambda: _main(parser.parse_args(arguments)), config.ConfigError)


def _main(options: argparse.Namespace) -> int:
    if options.number is None and not options.list:
        raise UserError("which NUMBER? `python -m tools.fetch --list` shows what there is")
    kinds = [kind for kind in ("weights", "data") if getattr(options, kind)] or ["weights", "data"]
    files = [each for each in published_files() if each.kind in kinds]
    if options.number is not None:
        config.find(options.number)
        files = [each for each in files if each.belongs_to(options.number)]
    if not files:
        raise UserError(f"{options.number}: no published {' or '.join(kinds)} known; `python -m tools.fetch --list`")
    if options.list:
        print("\n\n".join(_about(each, options.number) for each in files) if options.number else _overview(files))
        return 0
    missing = [message for each in files if (message := _fetch(each, options))]
    return say("\n".join(missing), 2) if missing else 0


def _overview(files: Sequence[PublishedFile]) -> str:
    rows = [
        (ranges(existing), each.kind, each.title, urlsplit(each.url).netloc or "by hand")
        for each in files
        if (existing := each.existing)
    ]
    more = "`python -m tools.fetch NUMBER --list` says more: addresses, licences, where to look"
    return f"{table([HEADER, *sorted(rows)])}\n\n{more}"


def _about(each: PublishedFile, number: str) -> str:
    """Return all that is known of a file, a line for each."""
    known = {
        "bytes": str(each.size or ""),
        "licence": each.licence,
        "sha256": each.sha256,
        "address": each.url,
        "look here": each.hint,
        "-gd reads": _looked_for(each, number),
    }
    return "\n".join([f"{each.title} ({each.kind})", *(f"  {key:9}  {text}" for key, text in known.items() if text)])


def _looked_for(each: PublishedFile, number: str) -> str:
    """Return where -gd looks for the data of an experiment, unless it is told otherwise; "" for weights."""
    parts = config.load(number).data.parts if each.kind == "data" else ()
    paths = [RAW_FOLDERS[part][0] for part in parts if part in RAW_FOLDERS]
    own = [path for path in paths if path.name == Path(each.title).stem]  # of a .zip that holds a folder
    return ", ".join(os.path.relpath(path, config.ROOT) for path in own or paths)


def _fetch(each: PublishedFile, options: argparse.Namespace) -> str:
    """Fetch one file and print its path; return why it is not there, else ""."""
    if not each.url:
        return _by_hand(each, options.number)
    path = options.to / each.place
    new = [folder for folder in path.parents if not folder.exists()]  # the deepest first
    try:
        download(each.url, path, size=each.size, sha256=each.sha256, show_progress=not options.no_progress_bar)
    except UserError as error:
        for folder in new:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return f"{error}. Look here, too: {each.hint}"
    checked = "checked" if each.sha256 else "no checksum is published"
    print(f"{path} ({checked}; {each.licence})")
    return ""


def _by_hand(each: PublishedFile, number: str) -> str:
    """Return where to get a file that cannot be fetched, and where to put it."""
    put = _looked_for(each, number)
    there = f". Put it where -gd reads it, {put}, or give it as --raw PATH" if put else ""
    return f"{each.name}: no address of a file, or one behind a log-in. Look here: {each.hint}{there}"


if __name__ == "__main__":
    sys.exit(main())
