"""Scanning for raw forms of one clip a file, whose name says what the clip is."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from utils.errors import UserError
from utils.recording import Scan, Source, refuse_twins

NO_ACTION = "of an action that the data set does not have"
DANGLING = "a link to a file that is not there"


def files_below(roots: Sequence[Path]) -> list[Path]:
    """Return the files that `roots` are or hold, with everything below them, in order of root, folder and name."""
    return [path for root in roots for path in ([root] if root.is_file() else _files_in(root))]


def scan_clips(roots: Sequence[Path], part: str, form: str, name: re.Pattern[str], has: Callable[[str], bool]) -> Scan:
    """List the clips below `roots`, files or folders; what else lies there is left out, with the reason.

    Args:
        roots: files or folders.
        part: the part that they are for.
        form: what the files are called, in words, such as `aXX_sXX.json`.
        name: what matches the whole of a clip's file name, suffix and all.
        has: whether the data set has the action (of this text) that the group `action` of `name` matched.

    Raises:
        UserError: if there is no clip at all, or if two files have one name.
    """
    sources, skipped = [], dict[str, list[str]]()
    for path in files_below(roots):
        match = name.fullmatch(path.name)
        if match and has(match["action"]) and path.exists():
            sources.append(Source(path.stem, path, path.stat().st_size))
        else:
            reason = f"not named {form}" if match is None else DANGLING if has(match["action"]) else NO_ACTION
            skipped.setdefault(reason, []).append(path.name)
    if not sources:
        left_out = "; ".join(f"{len(names)} {reason}" for reason, names in skipped.items()) or "no files at all"
        places = ", ".join(map(str, roots))
        raise UserError(f"{places}: no clips of part {part} ({left_out}); give the folder of {form} as --raw FOLDER")
    refuse_twins(sources)
    return Scan(sources, skipped)


def _files_in(root: Path) -> list[Path]:
    if not root.is_dir():
        raise UserError(f"{root}: no such file or folder; give the one with the raw files as --raw FOLDER")
    return sorted(Path(folder) / name for folder, _, names in os.walk(root, onerror=_refuse_closed) for name in names)


def _refuse_closed(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror}); its clips would be missing") from error
