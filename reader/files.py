"""Scanning for raw forms of one clip a file, whose name says what the clip is."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from utils.errors import UserError
from utils.recording import Bare, Scan, Source, refuse_twins

NO_ACTION = "of an action that the data set does not have"
DANGLING = "a link to a file that is not there"


def files_below(roots: Sequence[Path]) -> list[Path]:
    """Return the files that `roots` are or hold, with everything below them, in order of root, folder and name.

    Links to folders are followed, but a folder is listed once: under its own path, or else at the first link to it.
    """
    return [path for root in roots for path in ([root] if root.is_file() else _files_in(root))]


def list_clips(roots: Sequence[Path], part: str, form: str, reason: Callable[[Path], str | None]) -> Scan:
    """List the clips below `roots`, a file each; what else lies there is left out, with the reason.

    Args:
        roots: files or folders.
        part: the part that they are for.
        form: what the files are called, in words, such as `aXX_sXX.json`.
        reason: why a file is left out; None: it is a clip.

    Raises:
        UserError: if there is no clip at all, or if two files have one name.
    """
    sources, skipped = [], dict[str, list[str]]()
    for path in files_below(roots):
        why = reason(path)
        if why is None and (size := _size(path)) is not None:
            sources.append(Source(path.stem, path, size))
        else:
            skipped.setdefault(why or DANGLING, []).append(path.name)
    if not sources:
        left_out = "; ".join(f"{len(names)} {why}" for why, names in skipped.items()) or "no files at all"
        places = ", ".join(map(str, roots))
        raise UserError(f"{places}: no clips of part {part} ({left_out}); give the folder of {form} as --raw FOLDER")
    refuse_twins(sources)
    return Scan(sources, skipped)


def one_clip(path: Path) -> Scan:
    """List a file that is one clip, whatever it is called."""
    return Scan([Bare(path.stem, path, path.stat().st_size)])


def by_name(form: str, name: re.Pattern[str], has: Callable[[str], bool]) -> Callable[[Path], str | None]:
    """Return why files are left out that are to match `name`, and whose group `action` is to be in the data set."""

    def reason(path: Path) -> str | None:
        match = name.fullmatch(path.name)
        if match is None:
            return f"not named {form}"
        return None if has(match["action"]) else NO_ACTION

    return reason


def _files_in(root: Path) -> list[Path]:
    if not root.is_dir():
        raise UserError(f"{root}: no such file or folder; give the one with the raw files as --raw FOLDER")
    found = [(above.parts, name, above) for above, names in _folders_in(root) for name in names]
    found.sort(key=lambda each: (*each[0], each[1]))  # as paths compare, but many of them in a tenth of the time
    return [above / name for _, name, above in found]


def _folders_in(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield `root` and every folder below it, each once, with the names of its files."""
    listed, places = set[str](), [root]
    while places:  # first what is below the root itself, then behind the links found there, then behind theirs
        links = list[Path]()
        for place in places:
            real = str(place.resolve())
            for folder, below, names in os.walk(place, onerror=_refuse_closed, followlinks=True):
                own, above = real + folder.removeprefix(str(place)), Path(folder)
                if own in listed:
                    below.clear()
                    continue
                listed.add(own)
                linked = {name for name in below if (above / name).is_symlink()}
                below[:] = [name for name in below if name not in linked]
                links += [above / name for name in linked]
                yield above, names
        places = sorted(links)


def _size(path: Path) -> int | None:
    """Return the bytes of a file; None for a link to nowhere."""
    try:
        return path.stat().st_size
    except OSError:
        if path.exists():
            raise
        return None


def _refuse_closed(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror}); its clips would be missing") from error
