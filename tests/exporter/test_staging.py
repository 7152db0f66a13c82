"""A set of files appears whole or not at all, whatever happens meanwhile."""

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config import ROOT
from exporter.staging import move, staged
from utils.errors import UserError

SET = ("x.onnx", "x.pt2", "x.json")


def write(folder, content, names=SET):
    paths = [folder / name for name in names]
    for path in paths:
        path.write_text(content)
    return paths


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("old", [(), SET, ("x.json",)], ids=len)
def test_a_set_replaces_another_one(tmp_path, old):
    write(tmp_path, "old", old)
    with staged(tmp_path, "x") as folder:
        assert move(write(folder, "new"), tmp_path) == [tmp_path / name for name in SET]
    assert contents(tmp_path) == dict.fromkeys(SET, "new")


def test_folders_that_were_made_go_with_what_failed(tmp_path):
    out = tmp_path / "a" / "b"
    with pytest.raises(ZeroDivisionError), staged(out, "x") as folder:
        write(folder, "half")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with staged(out, "x") as folder:
        move(write(folder, "new"), out)
    assert contents(out) == dict.fromkeys(SET, "new")


def test_a_folder_that_was_there_stays(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "a", "x"):
        raise ZeroDivisionError
    assert (tmp_path / "a").is_dir()


@pytest.mark.parametrize("renames", range(4))  # the last says that it is done
@pytest.mark.parametrize("old", [(), SET, ("x.json",)], ids=len)
def test_a_file_that_cannot_be_moved_leaves_all_as_it_was(tmp_path, monkeypatch, old, renames):
    rename, left = Path.rename, [None] * renames

    def rename_or_fail(path, target):
        if path.parent == tmp_path or left:
            left[:1] = []
            return rename(path, target)
        raise OSError(errno.ENOSPC, "No space left on device")

    write(tmp_path, "old", old)
    monkeypatch.setattr(Path, "rename", rename_or_fail)
    with pytest.raises(UserError, match="no room left to write"), staged(tmp_path, "x") as folder:
        move(write(folder, "new"), tmp_path)
    assert contents(tmp_path) == dict.fromkeys(old, "old")


KILLED = """
import importlib.util, os, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("staging", "exporter/staging.py")  # without torch, which takes seconds
staging = importlib.util.module_from_spec(spec)
spec.loader.exec_module(staging)
out, left, rename = Path(sys.argv[1]), int(sys.argv[2]), Path.rename

def rename_or_die(path, target):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return rename(path, target)

Path.rename = rename_or_die
with staging.staged(out, "x") as folder:
    files = [folder / name for name in sys.argv[3:]]
    for file in files:
        file.write_text("new")
    staging.move(files, out)
"""


def kill(out, renames):
    """Be killed after so many renames of a set to `out`."""
    line = [sys.executable, "-c", KILLED, str(out), str(renames), *SET]
    killed = subprocess.run(line, cwd=ROOT, check=False, timeout=60, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


@pytest.mark.parametrize("renames", range(7))
def test_the_old_set_comes_back_after_a_kill_between_two_files(tmp_path, renames):
    write(tmp_path, "old")
    kill(tmp_path, renames)
    with pytest.raises(ZeroDivisionError), staged(tmp_path, "x") as folder:
        assert not list(folder.iterdir())
        raise ZeroDivisionError
    assert contents(tmp_path) == dict.fromkeys(SET, "old")


@pytest.mark.parametrize("renames", range(4))
def test_a_kill_leaves_no_program_without_its_json(tmp_path, renames):
    kill(tmp_path, renames)
    found = [path.name for path in tmp_path.iterdir() if path.is_file()]
    assert len(found) == renames
    assert not found or "x.json" in found


def test_a_set_that_is_complete_stays(tmp_path):
    write(tmp_path, "old")
    with pytest.raises(ZeroDivisionError), staged(tmp_path, "x") as folder:
        move(write(folder, "new"), tmp_path)
        raise ZeroDivisionError
    with staged(tmp_path, "x"):
        pass
    assert contents(tmp_path) == dict.fromkeys(SET, "new")


def test_two_at_once_do_not_meet(tmp_path):
    with staged(tmp_path, "x") as folder:
        write(folder, "mine")
        with pytest.raises(UserError, match="another export of x is at work"), staged(tmp_path, "x"):
            pass
        with staged(tmp_path, "y"):
            pass
        assert contents(folder) == dict.fromkeys(SET, "mine")
