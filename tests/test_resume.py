"""Real processes, really killed: what is resumed ends as if nothing had happened."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from utils.checkpoint_import import read_own

MAIN = Path(__file__).resolve().parent.parent / "main.py"


@pytest.fixture(scope="module")
def arguments(small_store, small):
    """The command line of a training of 40 steps, and its environment."""
    overrides = [word for override in (*small, "train.epochs=8") for word in ("--set", override)]
    return [sys.executable, str(MAIN), "-c", "2001", "--store", str(small_store), "-g", "cpu", "-np", *overrides]


@pytest.fixture(scope="module")
def environment():
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def uninterrupted(arguments, environment, tmp_path_factory):
    """The last checkpoint of a training that nobody disturbed."""
    work_dir = tmp_path_factory.mktemp("whole")
    subprocess.run([*arguments, "-w", str(work_dir)], env=environment, check=True, capture_output=True)
    (last,) = work_dir.glob("*/*/last.pt")
    return read_own(last)


def resume_command(arguments, work_dir):
    """Return the same command with -r, without the overrides: the run knows them."""
    end = arguments.index("--set")
    return [*arguments[:end], "-r", "-w", str(work_dir)]


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments_and_resumed_the_weights_are_equal_to_the_bit(
    arguments, environment, uninterrupted, tmp_path, seed
):
    rng, kills = random.Random(seed), 0
    while not finished(tmp_path):
        begun = any(tmp_path.glob("*/*/last.pt"))  # else it was killed before the first checkpoint
        command = resume_command(arguments, tmp_path) if begun else [*arguments, "-w", str(tmp_path)]
        kills += run_until_killed(command, environment, epochs=rng.randint(1, 3), delay=rng.uniform(0, 0.1))
    (last,) = tmp_path.glob("*/*/last.pt")
    assert kills >= 2
    assert_same(read_own(last), uninterrupted)


def finished(work_dir):
    return any(read_own(last)["progress"]["epoch"] == 8 for last in work_dir.glob("*/*/last.pt"))


def run_until_killed(command, environment, epochs, delay):
    """Run a training; kill -9 it so many seconds after so many epochs. Return whether it died of that."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            epochs -= "Training accuracy" in line
            if epochs == 0:
                time.sleep(delay)
                process.kill()
                break
        _, error = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL), error
    return process.returncode != 0


def assert_same(found, expected):
    assert found["progress"]["step"] == expected["progress"]["step"] == 40
    assert all(torch.equal(found["model"][key], value) for key, value in expected["model"].items())
    momenta = expected["optimizer"]["state"]
    assert all(
        torch.equal(found["optimizer"]["state"][key]["momentum_buffer"], value["momentum_buffer"])
        for key, value in momenta.items()
    )
    best = [content["progress"]["best"] for content in (found, expected)]
    assert best[0] == best[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(
    arguments, environment, uninterrupted, tmp_path, number, code
):
    process = subprocess.Popen(
        [*arguments, "-w", str(tmp_path)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if re.search(r"Epoch: \d/8, Training accuracy", line):
            process.send_signal(number)
            break
    _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert re.search(
        r"stopped by SIG\w+; all is saved; go on with: python main.py -c 2001 --store .* -r .*_s1 -g cpu", error
    )
    done = subprocess.run(
        resume_command(arguments, tmp_path), env=environment, capture_output=True, text=True, check=True
    )
    assert "Loading checkpoint" in done.stdout
    (last,) = tmp_path.glob("*/*/last.pt")
    assert_same(read_own(last), uninterrupted)
