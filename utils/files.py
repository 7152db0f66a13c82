"""Writing files such that a reader sees either the old content or the whole new one."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np

from utils.errors import UserError

TEMPORARY = ".tmp"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT}
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}  # of Lustre and NFS, as they are mounted


@contextmanager
def disk_errors(place: Path, remedy: str) -> Iterator[None]:
    """Turn "the disk is full" and "not yours to write" into a message that says where, and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in CLOSED:
            where = str(error.filename or place).removesuffix(TEMPORARY)  # who reads this knows the file's own name
            raise UserError(f"{where}: cannot be read or written ({error.strerror}); name another place") from error
        if error.errno not in FULL:
            raise
        raise UserError(f"{place}: no room left to write ({error.strerror}); {remedy}") from error


def refuse_place(flag: str, path: Path) -> None:
    """Refuse, before hours of work, a `path` behind `flag` that `write_atomic` could not write; raises `UserError`."""
    if path.is_dir():
        raise UserError(f"{flag} {path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UserError(f"{flag} {path}: no such folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{flag} {path}: the folder {path.parent} cannot be written; name a file in another one")


def refuse_folder(flag: str, folder: Path) -> None:
    """Refuse, before the work, a `folder` behind `flag` that cannot be made or written in; raises `UserError`."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise UserError(f"{flag} {folder}: {there} is a file; name a folder")
    if not os.access(there, os.W_OK):
        raise UserError(f"{flag} {folder}: the folder {there} cannot be written; name another one")


def write_atomic(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write` with a temporary file beside `path`, sync it, and rename it to `path`.

    Raises:
        OSError: if it cannot be written, or if `path` is no file: a device's place, such as /dev/null, is not taken.
    """
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "is there, and no file", str(path))
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically, and never all of its text at once."""
    pieces = json.JSONEncoder(indent=1).iterencode(value)
    write_atomic(path, lambda file: file.writelines(piece.encode() for piece in chain(pieces, "\n")))


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a plain (never pickled) `.npy`, atomically."""
    write_atomic(path, lambda file: np.save(file, array, allow_pickle=False))


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power failure (a no-op where folders cannot be opened)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lock(file: IO[Any] | int) -> bool:
    """Lock an open file (or its descriptor) until it is closed or the process ends; False if another process holds it.

    Always True where there are no advisory locks, on Windows or on some network disks: two processes at once are the
    user's to avoid there.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True
