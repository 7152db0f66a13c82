"""A set of files that appears whole or not at all."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.errors import UserError
from utils.files import disk_errors, lock, sync_folder

OLD = "old"  # in the hidden folder: what is being replaced
REMEDY = "free some space, or name another folder with --out DIR"


@contextmanager
def staged(out: Path, name: str) -> Iterator[Path]:
    """Yield an empty, hidden folder in `out` that goes afterwards, whatever happens; so does an `out` left empty.

    What a killed export left there goes now, after what it had replaced is back. Raises `UserError` if another one is
    at it, or `out` cannot be written.
    """
    folder, made = out / f".{name}.exporting", [each for each in (out, *out.parents) if not each.exists()]
    with disk_errors(out, REMEDY):
        out.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        if not lock(handle):
            raise UserError(f"{folder}: another export of {name} is at work there; wait, or give --save_name NAME")
        try:
            with disk_errors(out, REMEDY):
                _put_back(folder / OLD, out)
                _empty(folder)
            yield folder
        finally:
            shutil.rmtree(folder)
    finally:
        os.close(handle)
        for each in made:
            with suppress(OSError):  # it holds the files
                each.rmdir()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def move(files: Sequence[Path], out: Path) -> list[Path]:
    """Move files of one folder to `out`, and what they replace away; if one cannot be moved, all is as it was.

    The last is moved first: a json before the programs that it describes, so that none is ever without one.
    """
    old, moved = files[0].parent / OLD, list[Path]()
    with disk_errors(out, REMEDY):
        old.mkdir()
        for file in files:
            _sync(file)
        try:
            for file in reversed(files):
                target = out / file.name
                if target.exists():
                    target.rename(old / target.name)
                moved.append(target)
                file.rename(target)
            sync_folder(out)
            old.rename(old.with_name("done"))  # from here on the new ones stay, whatever happens
        except BaseException:
            for target in moved:
                target.unlink(missing_ok=True)
            _put_back(old, out)
            raise
    return [out / file.name for file in files]


def _put_back(old: Path, out: Path) -> None:
    """Move files in `old`, if there is such a folder, to `out`."""
    for path in old.iterdir() if old.is_dir() else ():
        path.replace(out / path.name)


def _sync(file: Path) -> None:
    with file.open("rb") as content:
        os.fsync(content.fileno())
