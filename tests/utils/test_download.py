"""Downloads against a server in this process, whose manners each test chooses."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from utils import download as module
from utils.download import download
from utils.errors import UserError
from utils.files import lock

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What the handler does and has seen."""

    def __init__(self, **manners):
        self.content, self.etag = CONTENT, '"v1"'
        self.ranges, self.page, self.status, self.announced, self.shift = True, False, 200, True, 0
        self.cuts = []  # bytes after which the next answers break off
        self.seen = []  # Range headers
        vars(self).update(manners)

    def answer(self, handler):
        asked = handler.headers.get("Range")
        self.seen.append(asked)
        if self.status != 200:
            handler.send_error(self.status)
            return
        if not self.ranges or handler.headers.get("If-Range") != self.etag:
            asked = None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            handler.end_headers()
            return
        body = self.content[start:]
        handler.send_response(206 if asked else 200)
        handler.send_header("Content-Type", "text/html" if self.page else "application/octet-stream")
        if self.etag:
            handler.send_header("ETag", self.etag)
        if asked:
            whole = len(self.content)
            handler.send_header("Content-Range", f"bytes {start + self.shift}-{whole - 1}/{whole}")
        if self.announced:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)


@contextmanager
def serving(**manners):
    server = Server(**manners)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_port}/folder/file.pth"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "downloads" / "file.pth"


def left(path):
    return sorted(each.name for each in path.parent.iterdir()) if path.parent.exists() else []


def test_a_file_arrives_whole_and_alone(path):
    with serving() as server:
        download(server.url, path, size=len(CONTENT), sha256=SHA256)
        assert path.read_bytes() == CONTENT
        assert left(path) == ["file.pth"]
        download(server.url, path, sha256=SHA256[:8])  # it is there: nothing is asked for
        assert server.seen == [None]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(path):
    with serving(cuts=[1000, 70_000]) as server:
        download(server.url, path, sha256=SHA256)
        assert server.seen == [None, "bytes=1000-", "bytes=71000-"]
    assert path.read_bytes() == CONTENT


def test_the_same_command_goes_on_after_giving_up(path, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    with serving(cuts=[5000, 0]) as server:
        with pytest.raises(UserError, match="cut off after 5000 bytes .*the same command goes on from there"):
            download(server.url, path)
        assert left(path) == ["file.pth.partial", "file.pth.partial.version"]
        download(server.url, path, sha256=SHA256)
        assert server.seen[-1] == "bytes=5000-"
    assert left(path) == ["file.pth"]


def test_a_server_without_ranges_starts_anew(path):
    with serving(ranges=False, cuts=[1000]) as server:
        download(server.url, path, sha256=SHA256)
        assert server.seen == [None, "bytes=1000-"]
    assert path.read_bytes() == CONTENT


def test_a_server_that_marks_no_version_is_never_asked_to_go_on(path):
    with serving(etag="", cuts=[1000]) as server:
        download(server.url, path, sha256=SHA256)
        assert server.seen == [None, None]


def test_a_new_version_on_the_server_is_fetched_from_the_start(path, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    with serving(cuts=[5000, 0]) as server:
        with pytest.raises(UserError, match="cut off"):
            download(server.url, path)
        server.etag, server.content = '"v2"', CONTENT[::-1]
        download(server.url, path)
        assert server.seen[-1] == "bytes=5000-"
    assert path.read_bytes() == CONTENT[::-1]


def test_too_long_a_beginning_is_dropped(path):
    with serving() as server:
        path.parent.mkdir()
        path.with_name("file.pth.partial").write_bytes(CONTENT + b"more")
        path.with_name("file.pth.partial.version").write_text(server.etag)
        download(server.url, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT


def test_what_was_stopped_while_it_was_checked_is_not_fetched_again(path):
    with serving() as server:
        path.parent.mkdir()
        path.with_name("file.pth.partial").write_bytes(CONTENT)
        path.with_name("file.pth.partial.version").write_text(server.etag)
        download(server.url, path, sha256=SHA256)
        assert server.seen == [f"bytes={len(CONTENT)}-"]
    assert left(path) == ["file.pth"]


def test_a_length_that_is_not_announced_is_no_hindrance(path):
    with serving(announced=False) as server:
        download(server.url, path, size=len(CONTENT), sha256=SHA256)


def test_a_wrong_checksum_leaves_nothing(path):
    with serving() as server, pytest.raises(UserError, match="SHA-256 begins with .*, not 0123abcd; .* has changed"):
        download(server.url, path, sha256="0123abcd")
    assert left(path) == []


def test_another_size_is_refused_before_anything_is_written(path):
    with serving() as server, pytest.raises(UserError, match=f"{len(CONTENT)} bytes, and 7 were published"):
        download(server.url, path, size=7)
    assert left(path) == []


def test_another_size_that_was_not_announced_leaves_nothing(path):
    with serving(announced=False) as server, pytest.raises(UserError, match="and 7 were published"):
        download(server.url, path, size=7)
    assert left(path) == []


def test_a_file_that_is_there_and_wrong_is_refused_and_kept(path):
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match="4 bytes, and 7 were published; remove it and repeat"):
        download("http://127.0.0.1:1/x", path, size=7)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("manners", "reason"),
    [
        ({"status": 404}, "the server says 404 Not Found"),
        ({"status": 403}, "the server says 403 Forbidden"),
        ({"status": 503}, "cut off after 0 bytes .the server says 503"),
        ({"page": True}, r"answers with a web page \(a log-in or a notice\)"),
        ({"cuts": [1000], "shift": 1}, "sends another range than asked for"),
        ({"cuts": [0] * 9}, "cut off after 0 bytes"),
    ],
    ids=["404", "403", "503", "page", "range", "nothing comes"],
)
def test_what_brings_no_file_is_said_in_one_line(path, manners, reason):
    with serving(**manners) as server, pytest.raises(UserError, match=reason) as refusal:
        download(server.url, path)
    assert "\n" not in str(refusal.value)
    assert not path.exists()


def test_a_server_that_is_not_there_is_said_in_one_line(path):
    with serving() as server:
        url = server.url
    with pytest.raises(UserError, match="cannot be reached"):
        download(url, path)


def test_two_processes_do_not_write_one_file(path):
    path.parent.mkdir()
    with path.with_name("file.pth.partial").open("ab") as other, serving() as server:
        lock(other)
        with pytest.raises(UserError, match="another process is fetching it"):
            download(server.url, path)
