"""Fixtures that several rooms' tests share."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# Small tensors are slower on several threads, and threads that wait for a busy core slow everything down.
# Here, before anything imports torch, so that it holds for the processes that tests start, too.
os.environ["OMP_NUM_THREADS"] = "1"

import config
import generator

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of goldens and facts beside the checkout; skips, in words, where there is none."""
    if not SHARED.is_dir():
        message = f"{SHARED} is absent: the originals' outputs to compare with are not part of the project"
        if os.environ.get("CI") == "true":
            pytest.fail(message + ", and CI=true requires them")
        pytest.skip(message)
    return SHARED


@pytest.fixture(scope="session")
def goldens(shared: Path) -> Path:
    """Outputs of the original EfficientGCN on known inputs (its README lists them)."""
    return shared / "goldens" / "efficientgcn"


# --- raw files, and parts made of them


def skeleton_text(frames, newline="\n", blank=" "):
    """Return the content of a `.skeleton` file; `frames` holds, per frame, the bodies (25, 3) in order of appearance."""
    info, rest = (
        ["72057594037931101", "0", "1", "1", "1", "1", "0", "0.1", "0.2", "2"],
        ["281", "232", "1105", "660", "0", "0", "0", "1", "2"],
    )
    lines = [[str(len(frames))]]
    for bodies in frames:
        lines.append([str(len(bodies))])
        for body in bodies:
            lines += [info, [str(len(body))]]
            lines += [[*map(repr, joint), *rest] for joint in np.asarray(body).tolist()]
    return "".join(blank.join(line) + newline for line in lines)


@pytest.fixture(scope="session")
def write_skeleton():
    """Writes joints (M, T, 25, 3) as a `.skeleton` file; a body that is all zero in a frame is left out of it."""

    def write(path, joints, **style):
        frames = [[body[t] for body in joints if body[t].any()] for t in range(joints.shape[1])]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(skeleton_text(frames, **style).encode())
        return path

    return write


@pytest.fixture(scope="session")
def write_raw(write_skeleton):
    """Writes a folder of `count` small random clips: 8 subjects, 3 cameras, 60 actions, 1 or 2 bodies, gaps."""

    def write(folder, count, frames=4, setup=1):
        rng = np.random.default_rng(count)
        for i in range(count):
            joints = rng.integers(-2000, 2000, (1 + i % 2, frames + i % 3, 25, 3)) / 1024
            joints[0, 1] *= i % 5 > 0  # a gap
            name = f"S{setup:03d}C{i % 3 + 1:03d}P{i % 8 + 1:03d}R{i // 120 + 1:03d}A{i % 60 + 1:03d}"
            write_skeleton(folder / f"{name}.skeleton", joints)
        return folder

    return write


@pytest.fixture(scope="session")
def generate():
    """Runs `-gd` in this process; returns whether few enough sources were refused, and what was said."""

    def run(number, store, *raw, overrides=(), **request):
        said = []
        wanted = generator.Request(store=store, raw=raw, progress=False, say=said.append, **request)
        return generator.generate_experiment(config.load(number, overrides), wanted), said

    return run


@pytest.fixture(scope="session")
def command():
    """Runs `python main.py ARGUMENTS` in a process of its own, without progress bars."""

    def run(*arguments, timeout=100, **options):
        line = [sys.executable, str(ROOT / "main.py"), *map(str, arguments), "-np"]
        return subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False, **options)

    return run


@pytest.fixture(scope="session")
def run_tool():
    """Runs `python -m MODULE ARGUMENTS` in a process of its own."""

    def run(module, *arguments):
        line = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.run(line, capture_output=True, text=True, timeout=100, check=False, cwd=ROOT)

    return run


@pytest.fixture(scope="session")
def tree():
    """Returns the bytes of all files below a folder, by relative path."""

    def read(folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read


# --- a small experiment: 2001 in all but size


@pytest.fixture(scope="session")
def small_store(tmp_path_factory, write_raw, generate):
    """A store with part ntu60 of 48 clips: 30 to train on (subjects 1 2 4 5 8), 18 to evaluate."""
    folder = tmp_path_factory.mktemp("small")
    generate("2001", folder / "store", write_raw(folder / "raw", 48, frames=12))
    return folder / "store"


@pytest.fixture(scope="session")
def small():
    """`--set` overrides that make experiment 2001 a matter of seconds."""
    return (
        "input.frames=16",
        "model.stem_channels=8",
        "model.blocks=[[16,1,0.5],[16,2,1]]",
        "model.fusion_stage=1",
        "train.batch_size=6",
        "train.epochs=3",
        "train.schedule.warmup_epochs=1",
        "test.batch_size=7",
    )


# --- pages in a browser


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium; skips, in words, where it or playwright is absent. With CI=true it has to start if it is there."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is absent: requirements-dev.txt has it")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is absent: nobody looks at the pages (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except playwright.Error as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"chromium does not start here: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Returns `open_page(path, **context) -> page`: a file, in a browser which is told that there is no network.

    Fails at the end if a page asked for anything, or if the browser had something to say: an error, a warning, a
    violation of the page's own policy.
    """
    said, asked, contexts = [], [], []

    def watch(route):
        if route.request.is_navigation_request() and route.request.url.startswith("file:"):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    def open_file(path, **context):
        contexts.append(browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 900}} | context))
        contexts[-1].route("**/*", watch)
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message) or dialog.dismiss())
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert (said, asked) == ([], [])
