"""`python -m tools.fetch 3001 --weights`: an experiment's published files, from where their authors keep them.

Whole files come to rest in data/downloads (or --to DIR); a download that was cut off goes on where it stopped. They are
checked by size and SHA-256 where those are known, and never opened. What lies behind a log-in is named with a place to
look for it. The addresses are data: configs/published_files.yaml.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import Field

import config
from config import Section
from utils.command_line import Parser, guarded, say
from utils.download import download
from utils.errors import UserError
from utils.tables import table

ADDRESSES = config.FOLDER / "published_files.yaml"
DOWNLOADS = config.ROOT / "data/downloads"
HEADER = ("numbers", "kind", "bytes", "licence", "sha256", "address")


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
        """Folder and name below the downloads: the last two parts of the address (names alone, `j.pth`, repeat)."""
        return Path(*urlsplit(self.url).path.split("/")[-2:])

    @property
    def hint(self) -> str:
        """Where else to look."""
        return "; ".join(filter(None, (self.page, self.elsewhere)))

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
        print(table([HEADER, *map(_row, sorted(files, key=lambda each: each.numbers))]))
        return 0
    missing = [message for each in files if (message := _fetch(each, options.to, not options.no_progress_bar))]
    return say("\n".join(missing), 2) if missing else 0


def _row(each: PublishedFile) -> tuple[str, ...]:
    address = each.url or f"{each.name}: {each.hint}"
    return (each.numbers, each.kind, str(each.size or "?"), each.licence, each.sha256 or "?", address)


def _fetch(each: PublishedFile, folder: Path, show_progress: bool) -> str:
    """Fetch one file and print its path; return why it is not there, else ""."""
    if not each.url:
        return f"{each.name}: no address of a file, or one behind a log-in. Look here: {each.hint}"
    path = folder / each.place
    try:
        download(each.url, path, size=each.size, sha256=each.sha256, show_progress=show_progress)
    except UserError as error:
        return f"{error}. Look here, too: {each.hint}"
    checked = "checked" if each.sha256 else "no checksum is published"
    print(f"{path} ({checked}; {each.licence})")
    return ""


if __name__ == "__main__":
    sys.exit(main())
