"""Downloads that go on where they stopped, are checked, and are never opened.

A file appears under its name only when it is whole; until then it is `NAME.partial`, with the server's mark of its
version in `NAME.partial.version`: without the same mark the parts of two versions could be put together.
"""

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from utils.errors import UserError
from utils.files import checksum, disk_errors, lock, sync_folder

CHUNK = 1 << 20
TIMEOUT_S = 30.0  # of connecting, and of waiting for the next bytes
ATTEMPTS = 5  # a connection that breaks is taken up again
CUT = (http.client.HTTPException, OSError)  # OSError: of the socket, time-outs and TLS included
AGAIN = "the same command goes on from there"


class _CutOffError(Exception):
    """The connection broke before the end."""


class _NothingMissingError(Exception):
    """All bytes were here already: an earlier call was stopped while it checked them."""


def download(url: str, path: Path, *, size: int | None = None, sha256: str = "", show_progress: bool = False) -> None:
    """Fetch `url` to `path`, or go on with what an earlier call has left; on return the file is whole and checked.

    Args:
        url: http or https.
        path: of the finished file; its folder is made. A file that is there is checked and kept.
        size: in bytes, where known.
        sha256: of the content in hexadecimal, or how it begins; "" where unknown.
        show_progress: on stderr.

    Raises:
        UserError: where the address is dead, the connection stays broken, or the content is not the stated one (then
            nothing is left of it).
    """
    if path.exists():
        _check(path, size, sha256, "remove it and repeat")
        return
    partial = path.with_name(path.name + ".partial")
    with disk_errors(path.parent, "free some space and repeat"):
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, partial, size, show_progress)
        try:
            _check(partial, size, sha256, f"{url} has changed, or was damaged on the way")
        except UserError:
            partial.unlink()  # going on with it is no use
            _version_of(partial).unlink(missing_ok=True)
            raise
        partial.replace(path)
        _version_of(partial).unlink(missing_ok=True)
        sync_folder(path.parent)


def _check(path: Path, size: int | None, sha256: str, remedy: str) -> None:
    found = path.stat().st_size
    if size is not None and found != size:
        raise UserError(f"{path}: {found} bytes, and {size} were published; {remedy}")
    if sha256 and not (digest := checksum(path)).startswith(sha256):
        raise UserError(f"{path}: its SHA-256 begins with {digest[: len(sha256)]}, not {sha256}; {remedy}")


def _version_of(partial: Path) -> Path:
    return partial.with_name(partial.name + ".version")


def _fetch(url: str, partial: Path, size: int | None, show_progress: bool) -> None:
    """Fill `partial`; a broken connection is taken up again as long as each attempt brings something."""
    failed = 0
    while True:
        before = _length(partial)
        try:
            _attempt(url, partial, size, show_progress)
            return
        except _NothingMissingError:
            return
        except _CutOffError as error:
            failed = 0 if _length(partial) > before else failed + 1
            if failed >= ATTEMPTS:
                raise UserError(f"{url}: cut off after {_length(partial)} bytes ({error}); {AGAIN}") from error


def _attempt(url: str, partial: Path, size: int | None, show_progress: bool) -> None:
    with _open(url, partial) as response:
        offset, total = _place(url, response, _length(partial))
        if size is not None and total not in (None, size):
            raise UserError(f"{url}: {total} bytes, and {size} were published: it is another file now")
        bar = tqdm(total=total, initial=offset, unit="B", unit_scale=True, desc=partial.stem, disable=not show_progress)
        with bar, partial.open("ab") as file:
            if not lock(file):
                raise UserError(f"{partial}: another process is fetching it; wait for that one")
            file.truncate(offset)
            _version_of(partial).write_text(_version(response))  # after it: never a new mark on old bytes
            _copy(response, file, bar)
        if total is not None and _length(partial) < total:
            raise _CutOffError(f"{total} were announced")


def _open(url: str, partial: Path) -> Any:
    """Ask for what is missing, on condition that the file is still the one whose beginning is here."""
    headers = {"User-Agent": "gesta", "Accept-Encoding": "identity"}
    offset, version = _length(partial), _version_of(partial)
    if offset and version.exists() and (mark := version.read_text()):
        headers |= {"Range": f"bytes={offset}-", "If-Range": mark}
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # no byte is behind those that are here
                if error.headers.get("Content-Range") == f"bytes */{offset}":
                    raise _NothingMissingError from error
                partial.unlink()
                raise _CutOffError("the server knows no such range") from error
            if error.code >= 500:
                raise _CutOffError(f"the server says {error.code} {error.reason}") from error
            raise UserError(f"{url}: the server says {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise UserError(f"{url}: cannot be reached ({error.reason}); check the network, or the proxy") from error
    except CUT as error:
        raise _CutOffError(error) from error


def _place(url: str, response: Any, have: int) -> tuple[int, int | None]:
    """Return where the answer's bytes belong and how long the whole file is; refuses web pages."""
    if response.headers.get_content_type() == "text/html":
        raise UserError(f"{url}: answers with a web page (a log-in or a notice), not with a file")
    length = response.headers.get("Content-Length")
    total = int(length) if length else None
    if response.status != 206:  # from the start: no range was asked for, or the server knows none
        return 0, total
    first, _, whole = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")
    if first != str(have):
        raise UserError(f"{url}: the server sends another range than asked for; remove the .partial and repeat")
    end = whole.partition("/")[2]
    return have, int(end) if end.isdigit() else None


def _version(response: Any) -> str:
    """Return what the server calls this version; "" if nothing that may be compared byte for byte."""
    mark = response.headers.get("ETag", "")
    return str(mark if mark and not mark.startswith("W/") else response.headers.get("Last-Modified", ""))


def _copy(response: Any, file: IO[bytes], bar: "tqdm[Any]") -> None:
    while True:
        try:
            chunk = response.read(CHUNK)
        except CUT as error:
            raise _CutOffError(error) from error
        if not chunk:
            return
        file.write(chunk)
        bar.update(len(chunk))


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
