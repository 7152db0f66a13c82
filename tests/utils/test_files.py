"""Files are written whole or not at all, and a full disk is said in words."""

import errno
import hashlib
import json
import os

import numpy as np
import pytest

from utils.errors import UserError
from utils.files import (
    checksum,
    disk_errors,
    lock,
    refuse_folder,
    refuse_place,
    sync_folder,
    write_array,
    write_atomic,
    write_json,
)


def test_a_reader_sees_the_old_content_until_the_new_is_whole(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")

    def write(file):
        file.write(b"ne")
        assert path.read_text() == "old"
        file.write(b"w")

    write_atomic(path, write)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_content_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")

    def write(file):
        file.write(b"ne")
        raise error

    with pytest.raises(type(error)):
        write_atomic(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    path, seen = tmp_path / "a", []
    monkeypatch.setattr("os.fsync", lambda _: seen.append(((tmp_path / "a.tmp").read_bytes(), path.exists())))
    write_atomic(path, lambda file: file.write(b"new"))
    assert seen == [(b"new", False)]


def test_json_and_arrays_come_back(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, "x"]})
    write_array(tmp_path / "a.npy", np.arange(3))
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": [1, "x"]}
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]


def test_objects_are_never_pickled(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle=False"):
        write_array(tmp_path / "a.npy", np.array([{}], object))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_with_place_and_remedy(tmp_path, code):
    message = rf"{tmp_path}: no room left to write \(so it is\); do that"
    with pytest.raises(UserError, match=message), disk_errors(tmp_path, "do that"):
        raise OSError(code, "so it is")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_place_that_is_closed_is_said(tmp_path, code):
    message = r"/x/y: cannot be read or written \(closed\); name another place"
    with pytest.raises(UserError, match=message), disk_errors(tmp_path, "do that"):
        raise OSError(code, "closed", "/x/y")


def test_a_file_in_place_of_a_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    message = r"file/deeper: cannot be read or written \(Not a directory\)"
    with pytest.raises(UserError, match=message), disk_errors(tmp_path, "do that"):
        (tmp_path / "file/deeper").mkdir()


def test_a_place_that_is_no_file_is_not_taken(tmp_path):
    pipe = tmp_path / "pipe"  # as a device would be
    os.mkfifo(pipe)
    with pytest.raises(UserError, match=r"pipe: .*is there, and no file"), disk_errors(tmp_path, "do that"):
        write_atomic(pipe, lambda file: file.write(b"all"))
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_other_errors_of_the_system_pass(tmp_path):
    with pytest.raises(OSError, match="broken"), disk_errors(tmp_path, "do that"):
        raise OSError(errno.EIO, "broken")


def test_the_checksum_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 10**6)
    assert checksum(tmp_path / "a") == hashlib.sha256(b"abc" * 10**6).hexdigest()


def test_a_folder_can_be_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", synced.append)
    sync_folder(tmp_path)
    assert len(synced) == 1


def test_a_lock_is_held_until_its_file_is_closed(tmp_path):
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        assert lock(first)
        assert not lock(second)
        first.close()
        assert lock(second)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_holds_nobody_up(tmp_path, monkeypatch, code):
    def flock(*_):
        raise OSError(code, "no locks here")

    monkeypatch.setattr("fcntl.flock", flock)
    with (tmp_path / "lock").open("w") as file:
        assert lock(file)


def test_a_disk_that_fails_is_no_disk_without_locks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("fcntl.flock", flock)
    with (tmp_path / "lock").open("w") as file, pytest.raises(OSError, match="broken"):
        lock(file)


def test_a_place_that_cannot_be_written_is_refused_by_its_flag_and_never_by_a_temporary_name(tmp_path, monkeypatch):
    refuse_place("--json", tmp_path / "new.jsonl")
    refuse_folder("--out", tmp_path / "new/deeper")
    (tmp_path / "file").touch()
    monkeypatch.setattr("os.access", lambda *told: False)
    for path, line in [
        (tmp_path, f"--json {tmp_path}: is a folder; name a file in it"),
        (tmp_path / "no/a", f"--json {tmp_path}/no/a: no such folder {tmp_path}/no"),
        (tmp_path / "a", f"--json {tmp_path}/a: the folder {tmp_path} cannot be written; name a file in another one"),
    ]:
        with pytest.raises(UserError) as said:
            refuse_place("--json", path)
        assert str(said.value) == line
    with pytest.raises(UserError, match=f"--out .*file/a: {tmp_path}/file is a file; name a folder"):
        refuse_folder("--out", tmp_path / "file/a")
    with pytest.raises(UserError, match=f"--out .*/new: the folder {tmp_path} cannot be written"):
        refuse_folder("--out", tmp_path / "new")
    with pytest.raises(UserError, match=f"{tmp_path}/no/a: cannot be read or written"), disk_errors(tmp_path, ""):
        write_atomic(tmp_path / "no/a", lambda file: file.write(b""))
