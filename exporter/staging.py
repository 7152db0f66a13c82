"""A set of files that appears whole or not at all."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from utils.errors import UserError
from utils.files import disk_errors, lock, sync_folder

REMEDY = "free some space, or name another folder with --out DIR"


@contextmanager
def staged(out: Path, name: str) -> Iterator[Path]:
    """Yield an empty, hidden folder in `out` (made if need be) that goes afterwards, whatever happens.

    What a killed export left there goes now. Raises `UserError` if another one is at it, or `out` cannot be written.
    """
    folder = out / f".{name}.exporting"
    with disk_errors(out, REMEDY):
        out.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        if not lock(handle):
            raise UserError(f"{folder}: another export of {name} is at work there; wait, or give --save_name NAME")
        _empty(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
    finally:
        os.close(handle)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def move(files: Sequence[Path], out: Path) -> list[Path]:
    """Move files of one folder to `out`, and what they replace away; if one cannot be moved, all is as it was."""
    old = files[0].parent / "old"
    targets = [out / file.name for file in files]
    with disk_errors(out, REMEDY):
        old.mkdir()
        for file in files:
            _sync(file)
        try:
            for file, target in zip(files, targets, strict=True):
                if target.exists():
                    target.rename(old / target.name)
                file.rename(target)
        except BaseException:
            _put_back(files, targets, old)
            raise
        sync_folder(out)
    return targets


def _sync(file: Path) -> None:
    with file.open("rb") as content:
        os.fsync(content.fileno())


def _put_back(files: Sequence[Path], targets: Sequence[Path], old: Path) -> None:
    for file, target in zip(files, targets, strict=True):
        if not file.exists():  # it was moved
            target.unlink()
        if (old / target.name).exists():
            (old / target.name).rename(target)
