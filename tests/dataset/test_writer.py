"""Parts grow such that a kill or a power failure at any moment costs nothing but time."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.packing import pack
from dataset.store import open_part
from dataset.writer import (
    JOURNAL,
    PartWriter,
    ReadSource,
    StoredClip,
    add_variant,
    hold,
    partial_of,
    remove_part,
    source_digest,
)
from utils.errors import UserError
from utils.recording import Scan, Source

PLAN = {"part": "ntu60", "layout": "ntu", "split_lists": []}
VARIANTS = {"original": {}}


def source(n, name=None, shape=(2, 3, 25, 3), dtype=np.float32, variants=VARIANTS):
    """Return what was read from the n-th source: one clip."""
    joints = np.random.default_rng(n).normal(size=shape).astype(dtype)
    about = {"name": name or f"clip{n}", "label": n, "frames": shape[1], "splits": {}, "columns": {"subject": n}}
    return ReadSource(f"source{n}", [StoredClip(about, {variant: pack(joints) for variant in variants})])


def write(path, sources):
    """Write a part in one go, or what is lacking of it; return how many sources were there already."""
    with PartWriter(path, PLAN, VARIANTS) as growing:
        done = growing.done
        for n in range(done, len(sources), 2):
            growing.add(sources[n : n + 2])
        growing.finish()
    return done


def start(path, sources):
    """Write sources and stop before the end."""
    with PartWriter(path, PLAN, VARIANTS) as growing:
        growing.add(sources)
    return partial_of(path)


SOURCES = [source(n) for n in range(6)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tree):
    """The files of the part that six sources make."""
    path = tmp_path_factory.mktemp("whole") / "part"
    write(path, SOURCES)
    return tree(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "part"


def test_a_part_is_invisible_until_it_is_complete(path):
    partial = start(path, SOURCES)
    assert not path.exists()
    for folder in (path, partial):
        with pytest.raises(UserError, match="not generated yet"):
            open_part(folder, "original")
    write(path, SOURCES)
    assert not partial.exists()
    assert len(open_part(path, "original")) == 6


def test_a_writer_goes_on_where_another_stopped(path, tree, whole):
    start(path, SOURCES[:2])
    start(path, SOURCES[2:3])
    assert write(path, SOURCES) == 3
    assert tree(path) == whole


@pytest.mark.parametrize(
    "torn", [b'{"source": "source4", "refu', b"\0" * 50, b"\0" * 50 + b'"at": {}}\n', b"\xff\n", b"\n"]
)
def test_a_torn_last_line_of_the_journal_is_cut(path, tree, whole, torn):
    partial = start(path, SOURCES[:4])
    with (partial / JOURNAL).open("ab") as file:
        file.write(torn)
    assert write(path, SOURCES) == 4
    assert tree(path) == whole


def test_a_line_cut_off_anywhere_is_read_again(path, tree, whole):
    partial = start(path, SOURCES[:4])
    content = (partial / JOURNAL).read_bytes()
    (partial / JOURNAL).write_bytes(content[:-1])  # all but the line's end
    assert write(path, SOURCES) == 3
    assert tree(path) == whole


@pytest.mark.parametrize(("lost", "kept"), [(1, 3), (6 * 300, 3), (6 * 300 + 1, 2), (4 * 6 * 300, 0), (10**9, 0)])
def test_coordinates_shorter_than_the_journal_says_are_read_again(path, tree, whole, lost, kept):
    """After a power failure; a source has 6 rows of 300 bytes."""
    partial = start(path, SOURCES[:4])
    coordinates = partial / "original/coordinates.npy"
    content = coordinates.read_bytes()
    coordinates.write_bytes(content[: max(0, len(content) - lost)])
    assert write(path, SOURCES) == kept
    assert tree(path) == whole


def test_coordinates_longer_than_the_journal_says_are_cut(path, tree, whole):
    partial = start(path, SOURCES[:4])
    with (partial / "original/coordinates.npy").open("ab") as file:
        file.write(b"\1" * 5000)
    assert write(path, SOURCES) == 4
    assert tree(path) == whole


def test_a_finished_source_is_on_the_disk_when_add_returns(path):
    with PartWriter(path, PLAN, VARIANTS) as growing:
        growing.add(SOURCES[:1])
        lines = (partial_of(path) / JOURNAL).read_bytes().splitlines()
        assert [json.loads(line)["source"] for line in lines] == ["source0"]
        assert (partial_of(path) / "original/coordinates.npy").stat().st_size == 128 + 6 * 300


def test_an_interrupted_part_of_another_plan_is_refused(path):
    start(path, SOURCES[:1])
    with pytest.raises(UserError, match=r"part\.partial: an interrupted generation of other sources or options; give"):
        PartWriter(path, PLAN | {"layout": "other"}, VARIANTS).__enter__()
    with pytest.raises(UserError, match="or --force to start anew"):
        PartWriter(path, PLAN, {"original": {}, "transformed": {}}).__enter__()
    assert write(path, SOURCES) == 1  # and nothing was lost, nor is it held


def test_a_second_writer_is_refused_while_the_first_lives(path):
    with PartWriter(path, PLAN, VARIANTS) as growing:
        growing.add(SOURCES[:1])
        with pytest.raises(UserError, match=r"part\.partial: another process is generating this part; wait for it"):
            PartWriter(path, PLAN, VARIANTS).__enter__()
        with pytest.raises(UserError, match="another process"):
            remove_part(path)
        growing.add(SOURCES[1:2])
    assert write(path, SOURCES) == 2


def test_names_must_be_unique(path):
    with pytest.raises(UserError, match="clip names must be unique within a part; these are not: same"):
        write(path, [source(0, "same"), source(1), source(2, "same")])
    assert not path.exists()


@pytest.mark.parametrize("other", [{"shape": (2, 3, 20, 3)}, {"shape": (2, 3, 25, 2)}, {"dtype": np.float64}])
def test_clips_of_different_form_are_refused(path, other):
    with pytest.raises(UserError, match="a clip of .* among <f4 .25, 3.; the sources of one part must have the same"):
        write(path, [source(0), source(1, **other)])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_coordinates_keep_their_type_and_are_a_plain_npy(path, dtype):
    write(path, [source(n, dtype=dtype) for n in range(3)])
    found = np.load(path / "original/coordinates.npy")
    assert found.dtype == dtype
    assert found.tobytes() == b"".join(
        source(n, dtype=dtype).clips[0].packed["original"].rows.tobytes() for n in range(3)
    )


def test_foreign_byte_order_is_turned(path):
    write(path, [source(0, dtype=">f4")])
    found = np.load(path / "original/coordinates.npy")
    assert found.dtype == "<f4"
    assert np.array_equal(found, source(0).clips[0].packed["original"].rows)


def test_refused_sources_leave_no_clip_and_are_listed(path):
    write(path, [ReadSource("a", refused="letters"), source(1), ReadSource("b", refused="empty"), source(3)])
    part = open_part(path, "original")
    assert part.names.tolist() == ["clip1", "clip3"]
    assert part.manifest["refused"] == [{"source": "a", "reason": "letters"}, {"source": "b", "reason": "empty"}]


def test_a_part_without_clips_is_a_part(path):
    write(path, [ReadSource("a", refused="letters")])
    part = open_part(path, "original")
    assert (len(part), len(part.coordinates)) == (0, 0)


def test_a_source_may_hold_many_clips(path):
    both = ReadSource("track", [*source(1).clips, *source(2).clips])
    write(path, [source(0), both])
    assert open_part(path, "original").names.tolist() == ["clip0", "clip1", "clip2"]


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 2**40)), max_size=5))
def test_the_number_of_a_list_of_sources_is_that_of_their_keys_as_json(listed):
    sources = [Source(name, Path("x"), size) for name, size in listed]
    keys = json.dumps([[name, size] for name, size in listed])
    assert source_digest(Scan(sources)) == hashlib.sha256(keys.encode()).hexdigest()


def test_removing_a_part_removes_what_was_interrupted_too(path):
    start(path, SOURCES[:1])
    write(path, SOURCES)
    start(path, SOURCES[:1])
    remove_part(path)
    assert not list(path.parent.iterdir())
    remove_part(path)  # nothing is there: nothing to do


# --- a variant added to a complete part


def packed(n):
    return source(n).clips[0].packed["original"]


def test_an_added_variant_equals_the_one_written_with_the_part(path, tree):
    write(path, SOURCES)
    add_variant(path, "again", map(packed, range(6)), {})
    found, expected = tree(path / "again"), tree(path / "original")
    assert found.pop("manifest.json") == expected.pop("manifest.json").replace(b'"original"', b'"again"')
    assert found == expected


def test_an_interrupted_variant_is_invisible_and_starts_anew(path, tree):
    def interrupted():
        yield packed(3)
        raise KeyboardInterrupt

    write(path, SOURCES)
    before = tree(path)
    with pytest.raises(KeyboardInterrupt):
        add_variant(path, "again", interrupted(), {})
    with pytest.raises(UserError, match=r"again: not generated yet \(the part has original\)"):
        open_part(path, "again")
    add_variant(path, "again", map(packed, range(6)), {})
    found = tree(path)
    assert {name: content for name, content in found.items() if not name.startswith("again/")} == before
    assert found["again/coordinates.npy"] == found["original/coordinates.npy"]


def test_two_processes_cannot_add_one_variant_at_once(path):
    write(path, SOURCES)
    with hold(path / "again.partial"), pytest.raises(UserError, match="another process is generating this part"):
        add_variant(path, "again", map(packed, range(6)), {})


# --- killed before every single step

KILLED_EVERYWHERE = """
import os, pathlib, shutil, sys
from pathlib import Path
import config, generator

number, raw, store = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
request = generator.Request(store=store / "resumed", raw=[raw], progress=False, say=lambda text: None)
steps = 0

def counted(function):
    def step(*arguments, **options):
        global steps
        steps += 1
        if steps == die_at:
            os._exit(9)  # like kill -9: what Python buffers is lost
        return function(*arguments, **options)
    return step

def child(action):
    process = os.fork()
    if not process:
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

def doomed():
    os.fsync, os.open = counted(os.fsync), counted(os.open)
    for name in ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "touch"):
        setattr(Path, name, counted(getattr(Path, name)))
    generator.generate_experiment(config.load(number), request)

def whole():
    generator.generate_experiment(config.load(number), request)

def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

expected = files(store / "expected")
for die_at in range(1, 1000):
    shutil.rmtree(store / "resumed", ignore_errors=True)
    if (store / "before").exists():
        shutil.copytree(store / "before", store / "resumed")
    code = child(doomed)
    if code == 0:
        break
    assert code == 9, (die_at, code)
    assert child(whole) == 0, die_at
    assert files(store / "resumed") == expected, die_at
print(die_at)
"""


@pytest.mark.parametrize(("number", "before"), [("2001", None), ("2002", "2001")], ids=["a part", "a variant"])
def test_killed_before_any_step_the_same_command_gives_the_same_bytes(tmp_path, write_raw, generate, number, before):
    raw = write_raw(tmp_path / "raw", 18, frames=2)  # 2 chunks
    if before:
        generate(before, tmp_path / "before", raw)
        generate(before, tmp_path / "expected", raw)
    generate(number, tmp_path / "expected", raw)
    line = [sys.executable, "-c", KILLED_EVERYWHERE, number, str(raw), str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20  # so many steps there were to die at
