"""Processes are started, watched and ended, and of what ended them one line is said."""

import os
import signal
import subprocess
import sys

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
from torch.distributed.launcher import api

import config
import generator
import main
from utils import launch


@pytest.fixture
def failure(tmp_path, monkeypatch):
    """Makes what torch knows of a process that failed: its exit code, after how many seconds, and its last word."""

    def make(exitcode, seconds=0, word=None):
        if word:
            monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
            assert launch.leave_word(word) == 1
        found = ProcessFailure(0, 1, exitcode, str(tmp_path / ("error.json" if word else "none")))
        found.timestamp += seconds
        return found

    return make


@pytest.mark.parametrize(
    ("failures", "outcome"),
    [
        ([(1, 0, "lost"), (-9,)], (1, "process 1 of 2 was killed by SIGKILL")),  # so the first one lost it
        ([(1, 0, "lost"), (-15, 1)], (1, "lost")),  # torch ended the other
        ([(1, 0, "lost"), (-9, 30)], (1, "lost")),  # which did not listen
        ([(1, 0, "lost"), (1, 0, "lost")], (1, "lost")),
        ([(1, 0, "lost"), (2,)], (2, None)),  # who ends with a code has said why
        ([(143,), (-15,)], (143, None)),
        ([(-15,)], (1, "process 0 of 2 was killed by SIGTERM")),
    ],
)
def test_the_cause_is_told_not_what_followed(failure, failures, outcome):
    assert launch._outcome({rank: failure(*each) for rank, each in enumerate(failures)}, 2) == outcome


def test_cores_are_divided_and_processes_have_time_to_save(monkeypatch):
    seen = []
    for name in ("OMP_NUM_THREADS", "TORCH_ELASTIC_SHUTDOWN_TIMEOUT", launch.BY_US):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 4, 5, 6, 7}, raising=False)
    monkeypatch.setattr(api, "elastic_launch", lambda *given: lambda *command: seen.append((*given, command)))
    assert launch.start(2, ["main.py", "-c", "2001"]) == (0, None)
    ((options, program, command),) = seen
    assert (program, command) == (sys.executable, ("main.py", "-c", "2001"))
    assert (options.nproc_per_node, options.shutdown_timeout) == (2, int(launch.SAVING_S))
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_generation_takes_the_cores_that_this_process_may_use(monkeypatch):
    seen = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 7}, raising=False)
    monkeypatch.setattr(generator, "generate_experiment", lambda config, request: seen.append(request.jobs))
    main.main(["-c", "2001", "-gd", "--raw", "x"])
    assert seen == [3]


def test_a_process_gets_a_signal_when_its_launcher_is_killed():
    child = "import time; from utils import launch; launch.end_with_launcher(); print('up', flush=True); time.sleep(60)"
    parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=config.ROOT, stdout=subprocess.PIPE, text=True
    ) as launcher:
        assert launcher.stdout.readline() == "up\n"
        launcher.send_signal(signal.SIGKILL)
        assert launcher.communicate(timeout=20) == ("", None)  # the end of what the child holds open
