"""The allocator: memory that is given back is used again, unless the user says otherwise."""

import os
import subprocess
import sys

import pytest

import main
from utils import allocator

SWITCHES = ("GESTA_MALLOC", "GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX")
FAULTS = """
import resource
from utils.allocator import keep_memory
print(keep_memory())
def fill(size):
    b"x" * size  # written, and given back
fill(64 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    fill(64 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(**settings):
    """Return whether memory is kept, and the page faults of using 64 MiB four times more, in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    line = [sys.executable, "-c", FAULTS]
    found = subprocess.run(line, capture_output=True, text=True, check=True, env={**clean, **settings}, timeout=60)
    kept, faults = found.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(allocator.platform.libc_ver()[0] != "glibc", reason="no glibc: its allocator stays as it is")
def test_memory_is_used_again_without_asking_the_system_for_it():
    kept, faults = page_faults()
    default, faults_by_default = page_faults(GESTA_MALLOC="0")
    assert (kept, default) == (True, False)
    assert faults < faults_by_default / 10


@pytest.mark.parametrize(
    "setting",
    [
        {"GESTA_MALLOC": "0"},
        {"MALLOC_TRIM_THRESHOLD_": "1000000"},
        {"MALLOC_ARENA_MAX": "1"},
        {"GLIBC_TUNABLES": "glibc.malloc.top_pad=1"},
    ],
)
def test_the_user_wins(monkeypatch, setting):
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: pytest.fail("the allocator was set"))
    assert not allocator.keep_memory()


@pytest.mark.parametrize(("system", "libc"), [("darwin", ""), ("win32", ""), ("linux", "")])
def test_other_systems_are_left_alone(monkeypatch, system, libc):
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(allocator.sys, "platform", system)
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: (libc, ""))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: pytest.fail("the allocator was set"))
    assert not allocator.keep_memory()


def test_other_settings_of_glibc_do_not_matter(monkeypatch):
    asked = []
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512F")
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("glibc", "2.36"))
    library = type("Library", (), {"mallopt": staticmethod(lambda *pair: asked.append(pair) or 1)})
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: library)
    assert allocator.keep_memory()
    assert dict(asked) == allocator.OPTIONS


@pytest.mark.parametrize(("action", "kept"), [((), 1), (("-e",), 1), (("-gd",), 0), (("-l",), 0)])
def test_memory_is_kept_where_networks_run(tmp_path, monkeypatch, action, kept):
    calls = []
    monkeypatch.setattr(main, "keep_memory", lambda: calls.append(1))
    monkeypatch.setattr(main, "_generate", lambda config, options: 0)
    main.main(["-c", "2001", "--store", str(tmp_path), *action])
    assert len(calls) == kept
