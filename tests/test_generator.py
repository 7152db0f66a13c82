"""`-gd` as users type it: the originals' bytes, whatever happens on the way."""

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
import generator
from dataset.store import MANIFEST, open_part
from dataset.writer import JOURNAL, PartWriter, ReadSource, StoredClip, hold
from generator import parcels, places, pool
from reader import ntu
from tests.reader.kinetics_form import write_kinetics
from utils.errors import UserError
from utils.pickles import load_pickle
from utils.recording import Source


@pytest.fixture(scope="module")
def raw(tmp_path_factory, write_raw):
    """110 small clips: more chunks than two processes have in flight."""
    return write_raw(tmp_path_factory.mktemp("raw"), 110, frames=2)


def spoil(folder, count):
    """Make the first `count` files of a folder unreadable."""
    for path in sorted(folder.iterdir())[:count]:
        path.write_text("letters\n")


# --- the originals' arrays


def assert_golden(found, expected):
    """Compare a folder of padded arrays with the original's, file by file."""
    assert {path.name for path in found.iterdir()} == {path.name for path in expected.iterdir()}
    for split in ("train", "eval"):
        data, golden = (np.load(folder / f"{split}_data.npy") for folder in (found, expected))
        assert (data.dtype, data.shape) == (golden.dtype, golden.shape)
        assert data.tobytes() == golden.tobytes()
        mine, theirs = (load_pickle(folder / f"{split}_label.pkl") for folder in (found, expected))
        assert [path.rpartition("/")[2] for path in mine[0]] == [path.rpartition("/")[2] for path in theirs[0]]
        assert mine[1:] == theirs[1:]


@pytest.mark.parametrize(("number", "kind"), [("2001", "original/ntu-xsub"), ("2002", "transformed/ntu-xview")])
def test_the_command_writes_the_originals_padded_arrays(tmp_path, goldens, command, number, kind):
    skeletons = goldens / "data/skeletons"
    done = command("-c", number, "-gd", "--raw", skeletons, "--store", tmp_path, "--padded", "-j", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Part ntu60: 16 clips kept of 16 sources read" in done.stdout
    assert "left out: 1 on the list of clips with missing skeletons (S001C002P005R002A008.skeleton)" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"Next: python main.py -c {number}")
    assert_golden(tmp_path / kind, goldens / "data/npy_dataset" / kind)


def test_the_odd_folder_gives_readings_and_refusals(tmp_path, goldens, generate):
    good, said = generate("2002", tmp_path, goldens / "data/skeletons_odd", padded=True)
    assert good
    assert "Part ntu60: 2 clips kept of 8 sources read" in said
    assert sum(line.startswith("  refused: ") for line in said) == 6
    assert any(line.startswith("  longer than 300 frames: 1 (") for line in said)
    assert open_part(tmp_path / "ntu60", "original").frames.tolist() == [310, 30]


# --- the same bytes, whatever happens


def test_one_and_two_processes_give_the_same_bytes(tmp_path, raw, generate, tree):
    spoiled = shutil.copytree(raw, tmp_path / "raw")
    spoil(spoiled, 3)
    for jobs in (1, 2):
        generate("2002", tmp_path / f"store{jobs}", spoiled, jobs=jobs)
    assert tree(tmp_path / "store1") == tree(tmp_path / "store2")
    assert len(open_part(tmp_path / "store1/ntu60", "transformed")) == 107


def test_a_variant_added_later_equals_one_made_at_once(tmp_path, raw, generate, tree):
    generate("2001", tmp_path / "later", raw)
    _, said = generate("2002", tmp_path / "later", raw)
    assert f"Part {tmp_path}/later/ntu60 is complete: nothing to read (--force makes it anew)" in said
    assert f"Adding variant transformed to {tmp_path}/later/ntu60, from its stored rows" in said
    generate("2002", tmp_path / "at once", raw)
    assert tree(tmp_path / "later") == tree(tmp_path / "at once")


@pytest.fixture(scope="module")
def many(tmp_path_factory, write_raw, generate):
    """A folder of 400 clips, and the store that an uninterrupted run makes of them."""
    folder = tmp_path_factory.mktemp("many")
    write_raw(folder / "raw", 400, frames=9)
    generate("0001", folder / "store", folder / "raw")
    return folder


def start(store, raw, number="0001"):
    """Start a generation in a process of its own."""
    line = [sys.executable, "main.py", "-c", number, "-gd", "-np", "-j", "2", "--store", store, "--raw", raw]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(line, cwd=config.ROOT, **pipes, text=True, start_new_session=True)


def wait_for(process, journal, lines):
    """Wait until a journal has so many lines, or the process ends."""
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= lines):
        time.sleep(0.001)


def test_killed_at_random_moments_the_same_command_ends_with_the_same_bytes(tmp_path, many, tree):
    journal, resumed, moment = tmp_path / "demo.partial" / JOURNAL, [], random.SystemRandom()
    for lines in (1, 100, 200, 300):
        process = start(tmp_path, many / "raw")
        wait_for(process, journal, lines)
        time.sleep(moment.uniform(0, 0.02))
        process.kill()
        resumed.append("Going on where an interrupted run stopped" in process.communicate(timeout=60)[0])
    last = start(tmp_path, many / "raw")
    said, errors = last.communicate(timeout=60)
    assert (last.returncode, errors) == (0, "")
    assert any(resumed[1:]) or "Going on" in said  # what was done is not done again
    assert tree(tmp_path) == tree(many / "store")


def test_many_clips_in_the_form_of_kinetics_go_on_after_a_kill(tmp_path, generate, tree):
    """Kinetics has 130 times as many."""
    raw = write_kinetics(tmp_path / "raw", np.random.default_rng(4), 2000, frames=4)
    _, said = generate("1003", tmp_path / "whole", raw)
    assert "Part kinetics-skeleton: 2000 clips kept of 2000 sources read" in said
    process = start(tmp_path / "killed", raw, "1003")
    wait_for(process, tmp_path / "killed/kinetics-skeleton.partial" / JOURNAL, 100)
    process.kill()
    process.communicate(timeout=60)
    again = start(tmp_path / "killed", raw, "1003")
    assert "Going on where an interrupted run stopped" in again.communicate(timeout=60)[0]
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def workers_of(process):
    """Return the processes that `process` started."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def ignores_ctrl_c(pid):
    (mask,) = re.findall(r"^SigIgn:\t(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) & 1 << signal.SIGINT - 1)


def stop_when_workers_are_ready(process, store):
    """Halt a process that has begun a part, and wait until its worker has: with few clips it would be done before."""
    wait_for(process, store / "demo.partial" / JOURNAL, 16)
    process.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 20
    while not all(map(ignores_ctrl_c, workers_of(process))) or not shelves():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def shelves():
    return set(parcels.SHARED.glob("gesta-*"))


needs_proc = pytest.mark.skipif(not (shutil.which("ps") and Path("/proc/self").exists()), reason="needs ps and /proc")


@needs_proc
def test_ctrl_c_stops_with_130_and_the_same_command_goes_on(tmp_path, many, tree):
    process = start(tmp_path, many / "raw")
    stop_when_workers_are_ready(process, tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # a terminal signals the workers as well
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted; what was complete is saved, and the same command goes on\n"
    again = start(tmp_path, many / "raw")
    assert "Going on where an interrupted run stopped: " in again.communicate(timeout=60)[0]
    assert tree(tmp_path) == tree(many / "store")


@needs_proc
def test_workers_end_with_a_killed_parent_and_leave_nothing_in_shared_memory(tmp_path, many):
    process = start(tmp_path, many / "raw")
    stop_when_workers_are_ready(process, tmp_path)
    workers, held = workers_of(process), shelves()
    process.kill()
    process.communicate(timeout=60)  # ends when nobody holds its pipes any more
    assert len(workers) >= 2
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/exe").exists() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert held - shelves()


def test_a_full_disk_is_said_and_the_same_command_goes_on(tmp_path, many, command, tree):
    """The limit on a file's size gives the error that a full disk gives, at the same place."""
    order = ["-c", "0001", "-gd", "-j", 2, "--store", tmp_path, "--raw", many / "raw"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))  # noqa: E731
    full = command(*order, preexec_fn=limit)
    assert full.returncode == 2
    assert full.stderr == (
        f"{tmp_path}: no room left to write (File too large); "
        "nothing is lost: free some space and give the same command again\n"
    )
    assert not (tmp_path / "demo").exists()
    again = command(*order)
    assert again.returncode == 0
    assert "Going on where an interrupted run stopped" in again.stdout
    assert tree(tmp_path) == tree(many / "store")


# --- readers of our own: what files cannot show

OWN_READER = """
import os, resource, sys, time
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
import numpy as np
import generator
from utils.recording import Recording, Scan, Source

def peak():  # MB that this process held at most; not its ru_maxrss, which begins with what its parent holds
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

def workers_peak():
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024

@dataclass(frozen=True)
class Own:
    count: int
    frames: int
    deadly: str = ""
    form: str = "ntu"
    layout: str = "ntu"
    channels: tuple = ("x", "y", "z")
    persons: int = 2
    variants: tuple = ("original",)
    parallel: bool = True

    def scan(self, roots, part):
        return Scan([Source(f"clip{n}", Path("x"), 1, n) for n in range(self.count)])

    def read(self, source):
        if self.deadly and parent_process() and not os.path.exists(self.deadly):
            open(self.deadly, "w").close()
            os._exit(1)
        while self.deadly and source.item == 20 and not os.path.exists(self.deadly):
            time.sleep(0.01)  # in the main process, which goes on alone until then
        if self.deadly and source.item >= 20:
            time.sleep(0.02)
        joints = np.full((2, self.frames, 25, 3), source.item, np.float32)
        yield Recording(source.name, joints, 0, {"subject": 1})

def make(store, reader):
    order = generator.Order("ntu60", reader, [], "original", generator.Request(Path(store), jobs=2, progress=False))
    return generator.generate(order)
"""


@pytest.fixture
def own(tmp_path):
    """Runs a script that has readers of its own, in a process of its own."""

    def run(lines):
        script = tmp_path / "script.py"
        script.write_text(f"{OWN_READER}\nif __name__ == '__main__':\n    {lines}\n")
        environment = os.environ | {"PYTHONPATH": str(config.ROOT)}
        line = [sys.executable, str(script), str(tmp_path / "store")]
        return subprocess.run(line, capture_output=True, text=True, check=False, env=environment)

    return run


def test_generating_does_not_load_torch():
    """It would cost seconds and hundreds of megabytes, in every worker."""
    line = [sys.executable, "-c", "import main, generator, sys; sys.exit('torch' in sys.modules)"]
    assert subprocess.run(line, cwd=config.ROOT, check=False).returncode == 0


@needs_proc
def test_memory_does_not_grow_with_the_data(own):
    """600 clips of 0.6 MB, 360 MB in all, written slower than read; in flight are a few chunks of 16 clips, 10 MB each."""
    done = own(
        "add = generator.PartWriter.add;"
        "generator.PartWriter.add = lambda *arguments: (time.sleep(0.05), add(*arguments));"
        "before = peak(); make(sys.argv[1], Own(600, 1000)); print(max(peak(), workers_peak()) - before)"
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) < 150


def test_a_task_reads_few_sources_and_one_large_file_at_a_time():
    def tasks(sizes, file="{}"):
        sources = [Source(f"{n}", Path(file.format(n)), size, n) for n, size in enumerate(sizes)]
        return [[source.size for source in chunk] for chunk in pool.chunks_of(sources)]

    large = pool.CHUNK_BYTES
    assert tasks([]) == []
    assert tasks([1] * 33) == [[1] * 16, [1] * 16, [1]]
    assert tasks([large, 1, 2, large - 2, 2 * large, 5]) == [[large], [1, 2], [large - 2], [2 * large], [5]]
    assert tasks([large * 9] * 17, file="of many clips") == [[large * 9] * 16, [large * 9]]


VALUE = [{"rows": np.arange(6, dtype=np.float32).reshape(2, 3), "spans": np.zeros((0, 4), np.int64)}, "refused"]


def test_a_parcel_holds_what_was_wrapped_and_leaves_nothing_behind(tmp_path):
    parcel = parcels.wrap(VALUE, tmp_path)
    assert isinstance(parcel, parcels.Parcel)
    np.testing.assert_equal(parcels.unwrap(parcel), VALUE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [["refused"], []])
def test_without_arrays_there_is_no_parcel(tmp_path, value):
    assert parcels.unwrap(parcels.wrap(value, tmp_path)) is value
    assert not list(tmp_path.iterdir())


def test_without_shared_memory_or_room_in_it_results_go_through_the_pipe(tmp_path, monkeypatch):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))  # gives the error that a full place gives
    try:
        assert parcels.wrap(VALUE, tmp_path) is VALUE
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(parcels, "SHARED", tmp_path / "none")
    with parcels.shelf() as folder:
        assert parcels.wrap(VALUE, folder) is VALUE


class Lazy(Future):
    """What a worker will have read of a chunk, at the latest when it is asked for."""

    def __init__(self, chunk):
        super().__init__()
        self.chunk = chunk

    def finish(self):
        if not self.done():
            self.set_result(self.chunk)

    def result(self, timeout=None):
        self.finish()
        return super().result(timeout)


@given(st.integers(1, 4), st.integers(0, 80), st.lists(st.integers(0, 9), min_size=1, max_size=5), st.randoms())
def test_results_come_in_order_whoever_reads_them(workers, count, speeds, draw):
    """`speeds`: how many chunks the workers read, in any order, while this process reads one."""
    begun, own, taken, outstanding = [], [], [], []

    def read(chunk):
        own.append(chunk)
        for future in draw.sample(begun, min(speeds[len(own) % len(speeds)], len(begun))):
            future.finish()
        return chunk

    def submit(chunk):
        begun.append(Lazy(chunk))
        return begun[-1]

    chunks = (taken.append([n]) or [n] for n in range(count))
    results = []
    for result in pool._share(submit, workers, chunks, read):
        outstanding.append(len(taken) - len(results))
        results.append(result)
    assert results == [[n] for n in range(count)]
    assert max(outstanding, default=0) <= pool.MOST_PENDING * workers + 1
    assert [future.chunk for future in begun[:workers]] == results[:1] * min(workers, len(results) * workers)
    assert sorted([*own, *(future.chunk for future in begun[workers:])]) == results


def test_this_process_reads_nothing_where_the_workers_are_faster():
    def submit(chunk):
        future = Lazy(chunk)
        future.finish()
        return future

    chunks = [[n] for n in range(50)]
    assert list(pool._share(submit, 1, chunks, lambda chunk: pytest.fail())) == chunks


def test_this_process_goes_on_alone_until_the_workers_are_ready():
    own, started = [], Lazy([0])
    chunks = pool._share(lambda _: started, 1, ([n] for n in range(50)), lambda c: own.append(c) or c)
    assert [next(chunks) for _ in range(20)] == own == [[n] for n in range(20)]


def gathered(clock, monkeypatch, reading, writing, rows=1):
    """Return how many chunks come together where reading one and writing take so long (seconds)."""
    monkeypatch.setattr(pool.time, "monotonic", lambda: clock[0])

    def chunks():
        for _ in range(100):
            clock[0] += reading
            packed = SimpleNamespace(rows=np.zeros(rows, np.uint8))
            yield [ReadSource("", [StoredClip({}, {"original": packed})])]

    sizes = []
    for results in pool._gather(chunks()):
        sizes.append(len(results))
        clock[0] += writing
    assert sum(sizes) == 100
    return sizes


def test_results_are_written_as_they_come_unless_that_takes_long_or_memory(monkeypatch):
    share, held = pool.WRITING_SHARE, pool.GATHERED_BYTES
    assert gathered([0.0], monkeypatch, 1.0, 0.0) == [1] * 100
    assert gathered([0.0], monkeypatch, 1.0, 10.5 * share) == [1, *[11] * 9]
    assert gathered([0.0], monkeypatch, 1.0, 1e9, rows=held // 4) == [1, *[4] * 24, 3]


def test_the_list_of_sources_is_let_go_before_the_part_is_finished(tmp_path, monkeypatch, write_raw, generate):
    """It would lie beside the index, which is as large."""
    scanned, left = [], []
    list_clips, finish = ntu.list_clips, generator.PartWriter.finish
    monkeypatch.setattr(ntu, "list_clips", lambda *given: scanned.append(list_clips(*given)) or scanned[-1])
    monkeypatch.setattr(
        generator.PartWriter, "finish", lambda part: left.append(len(scanned[0].sources)) or finish(part)
    )
    generate("2001", tmp_path / "store", write_raw(tmp_path / "raw", 5))
    assert left == [0]


def test_a_worker_that_dies_is_said_and_the_same_command_goes_on(own):
    once = "make(sys.argv[1], Own(100, 2, sys.argv[1] + '.died'))"
    first, second = own(once), own(once)
    assert (
        "UserError: a worker process died (out of memory?); the same command goes on where it stopped" in first.stderr
    )
    assert second.returncode == 0
    assert "Part ntu60: 100 clips kept of 100 sources read" in second.stdout


# --- what is there already


def test_a_complete_part_is_said_and_not_read_again(tmp_path, write_raw, generate, tree):
    folder = write_raw(tmp_path / "raw", 5)
    generate("2001", tmp_path / "store", folder)
    before = tree(tmp_path / "store")
    for path in folder.iterdir():
        path.write_bytes(b"x" * path.stat().st_size)  # would be refused
    good, said = generate("2001", tmp_path / "store", folder)
    assert good
    assert said[0] == f"Part {tmp_path}/store/ntu60 is complete: nothing to read (--force makes it anew)"
    assert tree(tmp_path / "store") == before


@pytest.mark.parametrize("change", ["a file more", "a file less", "another size"])
def test_other_sources_under_the_same_name_are_refused_with_what_to_type(tmp_path, write_raw, generate, tree, change):
    folder = write_raw(tmp_path / "raw", 5)
    generate("2001", tmp_path / "store", folder)
    before, first = tree(tmp_path / "store"), min(folder.iterdir())
    if change == "a file more":
        shutil.copy(first, folder / "S001C003P040R002A060.skeleton")
    elif change == "a file less":
        first.unlink()
    else:
        first.write_bytes(first.read_bytes() + b"\n")
    with pytest.raises(
        UserError,
        match=r"ntu60: made from 5 sources of form ntu, but now there are \d sources of form ntu, of other names, sizes or order; --force replaces it, --store DIR keeps both",
    ):
        generate("2001", tmp_path / "store", folder)
    assert tree(tmp_path / "store") == before


def test_force_replaces_a_part(tmp_path, write_raw, generate, tree):
    generate("2001", tmp_path / "store", write_raw(tmp_path / "few", 5))
    more = write_raw(tmp_path / "more", 6)
    generate("2001", tmp_path / "store", more, force=True)
    generate("2001", tmp_path / "new", more)
    assert tree(tmp_path / "store") == tree(tmp_path / "new")


def test_force_replaces_a_damaged_part(tmp_path, write_raw, generate):
    folder = write_raw(tmp_path / "raw", 5)
    generate("2001", tmp_path / "store", folder)
    (tmp_path / "store/ntu60" / MANIFEST).write_text("{")
    with pytest.raises(UserError, match=r"manifest.json: not a manifest .*; run -gd --force"):
        generate("2001", tmp_path / "store", folder)
    generate("2001", tmp_path / "store", folder, force=True)
    assert len(open_part(tmp_path / "store/ntu60", "original")) == 5


def test_a_folder_that_is_no_part_is_not_overwritten(tmp_path, write_raw, generate, tree):
    """Such as what a killed --force leaves."""
    folder, path = write_raw(tmp_path / "raw", 5), tmp_path / "store/ntu60"
    path.mkdir(parents=True)
    (path / "names.npy").write_text("mine")
    with pytest.raises(
        UserError, match=r"ntu60: in the way, and not a complete part \(no manifest.json\); --force repl"
    ):
        generate("2001", tmp_path / "store", folder)
    assert tree(path) == {"names.npy": b"mine"}
    generate("2001", tmp_path / "store", folder, force=True)
    assert len(open_part(path, "original")) == 5


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_second_generator_is_refused_while_another_works_on_the_part(tmp_path, raw, command, force):
    with hold(tmp_path / "ntu60.partial"):
        done = command("-c", 2001, "-gd", "--store", tmp_path, "--raw", raw, *force)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path}/ntu60.partial: another process is generating this part; wait for it\n"
    assert (tmp_path / "ntu60.partial/lock").exists()


def test_each_raw_file_is_read_into_its_part(tmp_path, write_raw, generate):
    write_raw(tmp_path / "raw/a", 5)
    write_raw(tmp_path / "raw/b", 4, setup=18)
    _, said = generate("2004", tmp_path / "store", tmp_path / "raw")
    assert [line for line in said if line.startswith("Part")] == [
        "Part ntu60: 5 clips kept of 5 sources read",
        "Part ntu120: 4 clips kept of 4 sources read",
    ]
    _, said = generate("2001", tmp_path / "store", tmp_path / "raw")  # another benchmark of the same part
    assert said[0].startswith(f"Part {tmp_path}/store/ntu60 is complete")


# --- refusals and exit codes


def test_refusals_are_in_the_summary_and_in_the_manifest(tmp_path, write_raw, generate):
    folder = write_raw(tmp_path / "raw", 30)
    spoil(folder, 22)
    _, said = generate("2001", tmp_path / "store", folder)
    first = min(folder.iterdir())
    reason = f"{first}, line 1: expected the number of frames, found 'letters'"
    manifest = json.loads((tmp_path / "store/ntu60" / MANIFEST).read_text())
    assert len(manifest["refused"]) == 22
    assert manifest["refused"][0] == {"source": first.stem, "reason": reason}
    assert "Part ntu60: 8 clips kept of 30 sources read" in said
    assert f"  refused: {reason}" in said
    assert sum(": expected the number of frames" in line for line in said) == 20
    assert "  refused: 2 more, listed in the part's manifest.json" in said


@pytest.mark.parametrize(
    ("spoiled", "strict", "code"), [(0, True, 0), (1, False, 0), (1, True, 1), (10, False, 0), (11, False, 1)]
)
def test_too_many_refusals_are_told_each_time(tmp_path, write_raw, generate, spoiled, strict, code):
    folder = write_raw(tmp_path / "raw", 14, frames=2)
    spoil(folder, spoiled)
    for _ in range(2):  # when the part is complete, too
        good, _ = generate("2001", tmp_path / "store", folder, strict=strict)
        assert good == (code == 0)


def test_the_exit_code_tells_of_too_many_refusals(tmp_path, write_raw, command):
    folder = write_raw(tmp_path / "raw", 3, frames=2)
    spoil(folder, 1)
    order = ["-c", 2001, "-gd", "--store", tmp_path / "store", "--raw", folder]
    assert command(*order).returncode == 0
    strict = command(*order, "--strict")
    assert (strict.returncode, strict.stderr) == (1, "")
    assert "  refused: " in strict.stdout


@pytest.mark.parametrize(("refused", "of", "too_many"), [(11, 1099, True), (11, 1100, False), (10, 20, False)])
def test_more_than_10_and_more_than_one_in_a_hundred_are_too_many(refused, of, too_many):
    manifest = {"refused": [{}] * refused, "sources": {"count": of}, "clips": of - refused}
    assert generator.too_many_refused(manifest, strict=False) == too_many


def test_a_folder_of_which_nothing_can_be_read_makes_no_part_and_costs_none(tmp_path, write_raw, generate, tree):
    store, good, bad = tmp_path / "store", write_raw(tmp_path / "good", 5), write_raw(tmp_path / "bad", 3)
    spoil(bad, 3)
    with pytest.raises(UserError, match="ntu60: all 3 sources are refused, so there would be no clips$"):
        generate("2002", store, bad)
    assert not any(store.iterdir())
    generate("2002", store, good)  # not in the way of the next attempt
    before = tree(store)
    with pytest.raises(UserError, match="so there would be no clips; the part that is there stays"):
        generate("2002", store, bad, force=True)
    assert tree(store) == before


def test_a_part_stays_until_the_one_that_force_makes_is_complete(tmp_path, write_raw, generate, tree, monkeypatch):
    store, folder = tmp_path / "store", write_raw(tmp_path / "raw", 5)
    generate("2001", store, folder)
    before = tree(store / "ntu60")
    monkeypatch.setattr(PartWriter, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        generate("2001", store, folder, force=True)
    assert tree(store / "ntu60") == before


@pytest.mark.parametrize(
    ("setting", "words"),
    [("data.persons=5", "data.persons was 2, is 5"), ("data.frames=200", "data.frames was 300, is 200")],
)
def test_a_setting_that_changed_is_named(tmp_path, generate, setting, words):
    folder = write_kinetics(tmp_path / "k", np.random.default_rng(3), 4)
    generate("1003", tmp_path / "store", folder)
    with pytest.raises(UserError, match=f"kinetics-skeleton: made with other settings: {words}; --force replaces it"):
        generate("1003", tmp_path / "store", folder, overrides=[setting])


def test_what_to_type_next_has_the_settings_that_were_given(tmp_path, command):
    folder = write_kinetics(tmp_path / "k", np.random.default_rng(3), 4)
    done = command("-c", 1003, "-gd", "--raw", folder, "--store", tmp_path / "s", "--set", "data.persons=3")
    assert done.stdout.splitlines()[-1] == f"Next: python main.py -c 1003 --store {tmp_path}/s --set data.persons=3"


def test_one_clip_in_two_raw_folders_is_refused(tmp_path, write_raw, command):
    a, b = write_raw(tmp_path / "a", 3), write_raw(tmp_path / "b", 4)
    done = command("-c", 2001, "-gd", "--store", tmp_path / "store", "--raw", a, b)
    assert done.returncode == 2
    assert "is also in" in done.stderr
    assert done.stderr.count("\n") == 1


# --- wrong orders


def test_a_missing_default_folder_says_what_to_download_and_how_to_name_it(tmp_path, monkeypatch, generate):
    monkeypatch.delenv("GESTA_RAW", raising=False)
    monkeypatch.setattr(config.machine, "load_local", config.Local)
    for part, name in (("ntu60", "s001_to_s017"), ("ntu120", "s018_to_s032")):
        _, how = places.RAW_FOLDERS[part]
        assert f"nturgbd_skeletons_{name}.zip" in how
        monkeypatch.setitem(places.RAW_FOLDERS, part, (tmp_path / name, how))
    expected = (
        r"s001_to_s017: no such file or folder; download nturgbd_skeletons_s001_to_s017.zip \(NTU RGB\+D\) from https://rose1.*, "
        r"or say where it is: --raw PATH, GESTA_RAW, or ntu60_path in configs/local.yaml"
    )
    with pytest.raises(UserError, match=expected):
        generate("2001", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--raw", "/nowhere"], "/nowhere: no such file or folder; give the one with the raw files as --raw FOLDER\n"),
        (["--from-padded", "/nowhere"], "--raw and --from-padded: give one of the two\n"),
        (["--store", "/dev/null/x"], "/dev/null/x: cannot be read or written (Not a directory); name another place\n"),
        (["-j", "-1"], "-j -1: give at least 1 process, or leave it out to use all cores\n"),
        (["-j", "0"], "-j 0: give at least 1 process"),
    ],
)
def test_a_wrong_order_gives_one_line(tmp_path, raw, command, arguments, message):
    order = ["-c", 2001, "-gd", "--store", tmp_path, "--raw", raw, *arguments]
    done = command(*order)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "overrides", "request_", "message"),
    [
        (
            "3001",
            [],
            {"padded": True},
            "data.form annotations: older code has padded arrays of NTU's raw skeletons only",
        ),
        ("3001", [], {"from_padded": Path("x")}, "data.form annotations: older code"),
        (
            "2001",
            ["data.variant=prenormalized"],
            {"from_padded": Path("x")},
            "padded arrays hold original or transformed",
        ),
    ],
)
def test_padded_arrays_are_not_taken_for_what_they_are_not(tmp_path, generate, number, overrides, request_, message):
    with pytest.raises(UserError, match=message):
        generate(number, tmp_path, tmp_path, overrides=overrides, **request_)


def test_a_wrong_raw_folder_does_not_cost_the_part_that_force_would_replace(tmp_path, write_raw, generate, tree):
    generate("2001", tmp_path / "store", write_raw(tmp_path / "raw", 5))
    before = tree(tmp_path / "store")
    with pytest.raises(UserError, match="no such file or folder"):
        generate("2001", tmp_path / "store", tmp_path / "typo", force=True)
    assert tree(tmp_path / "store") == before
