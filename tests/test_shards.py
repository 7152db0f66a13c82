"""A part made in shards has the bytes of one that a single run makes, and what does not belong together is not joined."""

import pickle
import re
import resource
import shutil
import signal
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
import generator
import main
from dataset.packing import pack
from dataset.store import MANIFEST, open_part
from dataset.writer import JOURNAL, PartWriter, ReadSource, StoredClip
from generator.shards import Shard, parse_shard, shards_of
from utils.errors import UserError

FOUR = [Shard(4, number) for number in (1, 2, 3, 4)]

# The same command, but killed for good as soon as it has written once.
DYING = """
import os, signal, sys
import main
from dataset.writer import PartWriter
from generator import shards

shards.BATCH, add = 7, PartWriter.add

def add_and_die(writer, sources):
    add(writer, sources)
    os.kill(os.getpid(), signal.SIGKILL)

PartWriter.add = add_and_die
main.main(sys.argv[1:])
"""


def start(*arguments, dying=False):
    """Start `python main.py -gd ARGUMENTS` in a process of its own."""
    line = [sys.executable, *(["-c", DYING] if dying else ["main.py"]), *map(str, arguments), "-gd", "-np"]
    return subprocess.Popen(line, cwd=config.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said_by(process):
    said, errors = process.communicate(timeout=100)
    assert (process.returncode, errors) == (0, "")
    return said


def is_killed(process):
    process.communicate(timeout=100)
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def raw(tmp_path_factory, write_raw):
    """90 clips, of which the first, two in the middle and the last cannot be read."""
    folder = write_raw(tmp_path_factory.mktemp("raw"), 90, frames=3)
    paths = sorted(folder.iterdir())
    for n in (0, 30, 31, 89):
        paths[n].write_text("letters\n")
    return folder


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    """One file of 70 clips in 3D, as PYSKL writes it; three cannot be read."""
    rng, items = np.random.default_rng(0), []
    for n in range(70):
        name = f"S001C00{1 + n % 3}P0{1 + n // 3:02}R001A0{1 + n % 60:02}"
        joints = rng.normal(size=(1 + n % 2, 4 + n % 3, 25, 3)).astype(np.float16)
        label = "letters" if n in (3, 40, 41) else n % 60
        items.append({"frame_dir": name, "label": label, "total_frames": joints.shape[1], "keypoint": joints})
    names = [item["frame_dir"] for item in items]
    split = {f"{rule}_{which}": names[which == "val" :: 2] for rule in ("xsub", "xview") for which in ("train", "val")}
    path = tmp_path_factory.mktemp("annotations") / "ntu60_3danno.pkl"
    path.write_bytes(pickle.dumps({"split": split, "annotations": items}))
    return path


@pytest.fixture
def make(tmp_path, generate, raw):
    """Makes shards of experiment 2001 in `tmp_path/store`, in this process."""

    def make(*wanted, number="2001", raw=raw, **request):
        said = []
        for shard in wanted:
            said += generate(number, tmp_path / "store", raw, shard=shard, **request)[1]
        return said

    return make


@pytest.fixture
def merge(tmp_path, generate):
    """Joins the shards in `tmp_path/store`, in this process; returns what was said."""
    return lambda number="2001", **request: generate(number, tmp_path / "store", merge=True, **request)[1]


@pytest.fixture(scope="module")
def single(tmp_path_factory, generate, raw, tree):
    """The files of the store that a single run of 2001 makes."""
    store = tmp_path_factory.mktemp("single")
    generate("2001", store, raw)
    return tree(store)


@given(st.integers(0, 10**6), st.integers(1, 50))
def test_shards_share_the_sources_in_order_and_evenly(sources, count):
    shares = [Shard(count, n + 1).share(sources) for n in range(count)]
    assert (shares[0].start, shares[-1].stop) == (0, sources)
    assert all(left.stop == right.start for left, right in pairwise(shares))
    assert {len(share) for share in shares} <= {sources // count, sources // count + 1}


# --- the same bytes


@pytest.mark.parametrize(("number", "form"), [("2002", "raw"), ("3001", "annotations")])
def test_four_shards_of_as_many_processes_make_the_part_of_a_single_run(
    tmp_path, request, generate, tree, number, form
):
    origin, store = request.getfixturevalue(form), tmp_path / "store"
    generate(number, tmp_path / "single", origin)
    order = ["-c", number, "--store", store]
    reading = [*order, "--raw", origin, "-j", 1, "--shard"]
    first, killed = start(*reading, "1/4"), start(*reading, "2/4", dying=True)
    assert is_killed(killed)
    assert "of them refused; when all 4 shards are there, -gd --merge joins them" in said_by(first)
    second, third = start(*reading, "2/4"), start(*reading, "3/4")
    assert "Going on where an interrupted run stopped: 16 of " in said_by(second)
    said_by(third)
    said_by(start(*reading, "4/4"))

    held = tmp_path / "elsewhere"  # joining needs no raw file, at their place or another
    origin.rename(held)
    try:
        assert is_killed(start(*order, "--merge", dying=True))
        assert not list(store.glob("*/names.npy"))
        said = said_by(start(*order, "--merge"))
    finally:
        held.rename(origin)
    (part,) = (tmp_path / "single").iterdir()
    assert "Going on where an interrupted run stopped: 7 of " in said
    assert f"Part {store / part.name}: joined from 4 shards, which are deleted" in said
    assert len(list(part.glob(f"*/{MANIFEST}"))) == 2  # original, and what the experiment reads
    assert tree(store) == tree(tmp_path / "single")
    assert len(open_part(store / part.name, "original").manifest["refused"]) >= 3


@pytest.mark.parametrize("count", [1, 5, 20])
def test_any_number_of_shards_makes_the_same_part(tmp_path, make, merge, generate, write_raw, tree, count):
    """Of 20 shards of 12 clips some have none, and one only what cannot be read."""
    folder = write_raw(tmp_path / "raw", 12)
    min(folder.iterdir()).write_text("letters\n")
    generate("2001", tmp_path / "single", folder)
    make(*(Shard(count, number) for number in range(count, 0, -1)), raw=folder)
    merge()
    assert tree(tmp_path / "store") == tree(tmp_path / "single")


def test_an_experiment_of_two_parts_has_shards_of_both(tmp_path, make, merge, write_raw, generate, tree):
    write_raw(tmp_path / "raw/a", 9)
    write_raw(tmp_path / "raw/b", 5, setup=18)
    generate("2003", tmp_path / "single", tmp_path / "raw")
    make(Shard(2, 1), Shard(2, 2), number="2003", raw=tmp_path / "raw")
    assert len(list((tmp_path / "store").iterdir())) == 4
    assert "Part ntu120: 5 clips kept of 5 sources read" in merge("2003")
    assert tree(tmp_path / "store") == tree(tmp_path / "single")


def test_shards_may_be_made_in_several_stores_and_copied_into_one(tmp_path, generate, merge, raw, single, tree):
    for shard in FOUR:
        generate("2001", tmp_path / str(shard.number), raw, shard=shard)
        shutil.copytree(tmp_path / str(shard.number), tmp_path / "store", dirs_exist_ok=True)
    merge()
    assert tree(tmp_path / "store") == single


def test_a_variant_that_the_shards_lack_is_derived_when_they_are_joined(tmp_path, make, merge, generate, raw, tree):
    make(*FOUR)
    assert f"Adding variant transformed to {tmp_path}/store/ntu60, from its stored rows" in merge("2002")
    generate("2002", tmp_path / "single", raw)
    assert tree(tmp_path / "store") == tree(tmp_path / "single")


def test_an_interrupted_single_run_is_gone_on_with_by_joining(tmp_path, make, merge, raw, single, tree):
    assert is_killed(start("-c", 2001, "--store", tmp_path / "store", "--raw", raw, "-j", 1, dying=True))
    make(*FOUR)
    assert "Going on where an interrupted run stopped: 16 of 90 sources are done" in merge()
    assert tree(tmp_path / "store") == single


def test_joining_does_not_grow_with_the_data(tmp_path):
    """180 MB of coordinates in two shards; the index of 300 clips is small."""
    variants = {"original": {}}
    plan = {"part": "ntu60", "form": "ntu", "layout": "ntu", "channels": ["x", "y", "z"], "persons": 2, "options": {}}
    plan |= {"split_lists": [], "classes": [], "sources": {"count": 300, "sha256": ""}, "skipped": {}}
    packed = {"original": pack(np.ones((2, 1000, 25, 3), np.float32))}
    for shard in (Shard(2, 1), Shard(2, 2)):
        with PartWriter(shard.folder(tmp_path / "ntu60"), plan, variants) as writer:
            for n in shard.share(300):
                about = {"name": f"clip{n}", "label": 0, "frames": 1000, "splits": {}, "columns": {}}
                writer.add([ReadSource(f"clip{n}", [StoredClip(about, packed)])])
            writer.finish_shard(shard.number, shard.count)
    script = (
        "import sys, main, generator\n"
        "peak = lambda: int(next(line for line in open('/proc/self/status') if 'VmHWM' in line).split()[1]) // 1024\n"
        "before = peak(); code = main.main(sys.argv[1:]); print(peak() - before); sys.exit(code)"
    )
    line = [sys.executable, "-c", script, "-c", "2001", "-gd", "--merge", "-np", "--store", str(tmp_path)]
    done = subprocess.run(line, cwd=config.ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.splitlines()[-1]) < 40


# --- interrupted, repeated, full


def test_a_complete_shard_is_said_and_not_read_again(tmp_path, make, tree):
    make(FOUR[1])
    before = tree(tmp_path / "store")
    said = make(FOUR[1])
    part = tmp_path / "store/ntu60"
    assert said == [f"Shard 2/4 of part {part}: 23 of 90 sources; complete, nothing to read (--force makes it anew)"]
    assert tree(tmp_path / "store") == before


def test_a_kill_before_the_shards_are_deleted_leaves_a_part_and_the_same_command_tidies(
    tmp_path, make, merge, single, tree, monkeypatch
):
    make(*FOUR)
    with monkeypatch.context() as patch:
        patch.setattr(
            generator, "remove_shards", lambda part: (part.with_name("ntu60.shard-2-of-4") / MANIFEST).unlink()
        )
        merge()
    assert len(shards_of(tmp_path / "store/ntu60")) == 4
    said = merge()
    assert said[0] == f"Part {tmp_path}/store/ntu60 is complete: nothing to join (--force joins its shards anew)"
    assert tree(tmp_path / "store") == single
    assert merge()[0] == said[0]


def test_a_shard_that_is_begun_anew_is_not_deleted(tmp_path, make, merge):
    make(*FOUR)
    wanted = FOUR[2].folder(tmp_path / "store/ntu60")
    begun = wanted.with_name(wanted.name + ".partial")
    shutil.copytree(wanted, begun)
    merge()
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"ntu60", wanted.name, begun.name}


def test_a_full_disk_is_one_line_and_joining_goes_on(tmp_path, make, single, command, tree):
    """The limit on a file's size gives the error that a full disk gives."""
    make(*FOUR)
    order = ["-c", 2001, "-gd", "--merge", "--store", tmp_path / "store"]
    full = command(*order, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)))
    assert full.returncode == 2
    assert full.stderr.startswith(f"{tmp_path}/store: no room left to write (File too large); nothing is lost")
    assert full.stderr.count("\n") == 1
    assert len(shards_of(tmp_path / "store/ntu60")) == 4
    assert command(*order).returncode == 0
    assert tree(tmp_path / "store") == single


def test_force_makes_a_shard_anew_and_joins_in_place_of_a_part(
    tmp_path, make, merge, generate, write_raw, single, tree
):
    generate("2001", tmp_path / "store", write_raw(tmp_path / "other", 5))
    make(*FOUR, force=True)
    journal = FOUR[2].folder(tmp_path / "store/ntu60") / JOURNAL
    journal.write_bytes(b"")
    with pytest.raises(UserError, match="journal.jsonl: not what its manifest.json says"):
        merge(force=True)
    assert len(open_part(tmp_path / "store/ntu60", "original")) == 5  # a shard that is damaged costs no part
    make(FOUR[2], force=True)
    merge(force=True)
    assert tree(tmp_path / "store") == single


# --- what is not joined


def test_missing_and_unfinished_shards_are_named(tmp_path, make, merge):
    with pytest.raises(UserError, match=r"ntu60: no shard of it is there; make all, the first of four with: -gd --sh"):
        merge()
    make(FOUR[0], FOUR[2])
    killed = FOUR[2].folder(tmp_path / "store/ntu60")
    killed.rename(killed.with_name(killed.name + ".partial"))
    with pytest.raises(
        UserError, match=r"ntu60: lacks 3 of 4 shards, or they are not complete: 2/4, 3/4, 4/4; .* -gd --shard 2/4"
    ):
        merge()


def test_shards_of_two_counts_are_refused_early_and_when_they_are_joined(tmp_path, make, merge, raw, generate):
    make(FOUR[0])
    message = r"must be of one count, but are of 3 and of 4; delete .*: ntu60.shard-\*-of-3 or ntu60.shard-\*-of-4"
    with pytest.raises(UserError, match=message):
        make(Shard(3, 2))
    generate("2001", tmp_path / "store", raw, shard=Shard(3, 2), force=True)
    with pytest.raises(UserError, match=message):
        merge()


def test_shards_of_other_files_or_variants_are_refused_early_and_when_they_are_joined(tmp_path, make, merge, write_raw):
    make(FOUR[0], FOUR[1])
    other = write_raw(tmp_path / "other", 90, frames=5)
    for wanted, what in (({"raw": other}, "sources"), ({"number": "2002"}, "variants")):
        with pytest.raises(UserError, match=rf"shard-1-of-4: made from other {what} than there are now; --force makes"):
            make(FOUR[2], **wanted)
    make(FOUR[2], raw=other, force=True)
    make(FOUR[3], number="2002", force=True)
    with pytest.raises(
        UserError, match=r"do not belong to shard 1/4: 3/4 \(sources\); 4/4 \(variants\); make those, or that one, anew"
    ):
        merge()
    assert not (tmp_path / "store/ntu60").exists()


def test_a_shard_that_is_begun_goes_on_with_the_same_files_only(tmp_path, make, raw, write_raw):
    order = ["-c", 2001, "--store", tmp_path / "store", "--raw", raw, "-j", 1, "--shard", "1/4"]
    assert is_killed(start(*order, dying=True))
    with pytest.raises(UserError, match="shard-1-of-4.partial: an interrupted generation of other sources or options"):
        make(FOUR[0], raw=write_raw(tmp_path / "other", 90, frames=5))


def test_a_shard_under_the_name_of_another_is_refused(tmp_path, make, merge):
    make(FOUR[0], FOUR[2], FOUR[3])
    part = tmp_path / "store/ntu60"
    shutil.copytree(FOUR[2].folder(part), FOUR[1].folder(part))
    with pytest.raises(UserError, match=r"do not belong to shard 1/4: 2/4 \(number\)"):
        merge()


@pytest.mark.parametrize("name", [JOURNAL, "original/coordinates.npy"])
@pytest.mark.parametrize("damage", ["cut", "altered", "gone"])
def test_a_damaged_shard_is_refused(tmp_path, make, merge, tree, name, damage):
    make(*FOUR)
    path = FOUR[1].folder(tmp_path / "store/ntu60") / name
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[:-1] + (b"" if damage == "cut" else b"!"))
    before = tree(tmp_path / "store")
    with pytest.raises(UserError, match=rf"{name}: not what its manifest.json says .*: -gd --shard 2/4 --force"):
        merge()
    assert tree(tmp_path / "store") == before


def test_shards_are_joined_by_the_experiment_that_made_them(tmp_path, annotations, generate):
    for shard in FOUR:
        generate("3001", tmp_path, annotations, shard=shard)
    with pytest.raises(
        UserError, match=r"shards were made with other persons than this experiment has; give the -c and"
    ):
        generate("3001", tmp_path, merge=True, overrides=["data.persons=1"])


def test_a_part_that_is_there_is_in_the_way(tmp_path, make, merge, generate, write_raw):
    make(*FOUR)
    generate("2001", tmp_path / "store", write_raw(tmp_path / "other", 5))
    with pytest.raises(UserError, match="ntu60: is there already, and needs no shards; --force makes this one"):
        make(FOUR[0])
    with pytest.raises(
        UserError, match=r"ntu60: made from 5 sources of form ntu, but now there are 90 .*; --force repl"
    ):
        merge()
    assert len(shards_of(tmp_path / "store/ntu60")) == 4


def test_what_a_killed_force_leaves_is_in_the_way(tmp_path, make):
    make(FOUR[0])
    folder = FOUR[0].folder(tmp_path / "store/ntu60")
    (folder / MANIFEST).unlink()
    with pytest.raises(UserError, match="shard-1-of-4: in the way, and not a complete"):
        make(FOUR[0])
    make(FOUR[0], force=True)
    assert (folder / MANIFEST).exists()


@pytest.mark.parametrize("text", ["5/4", "0/4", "1/0", "x/y", "2", "", "2/4/6", "1.5/4", "²/4", " 1/4"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(UserError, match=rf"^--shard {re.escape(text)}: give number/count, such as 2/4"):
        parse_shard(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-gd", "--shard", "5/4"], "--shard 5/4: give number/count, such as 2/4: the second of four, counted from 1"),
        (["-gd", "--shard", "1/4", "--merge"], "--merge has no effect with --shard; leave it out"),
        (["-gd", "--shard", "1/4", "--strict"], "--strict has no effect with --shard; leave it out"),
        (["-gd", "--shard", "1/4", "--padded"], "--padded has no effect with --shard; leave it out"),
        (["-gd", "--merge", "--raw", "x"], "--raw has no effect with --merge; leave it out"),
        (["-gd", "--merge", "-j", "2"], "--jobs has no effect with --merge; leave it out"),
        (["--merge"], "--merge has no effect with training; it goes with -gd"),
    ],
)
def test_a_wrong_order_is_one_line(capsys, tmp_path, arguments, message):
    assert main.main(["-c", "2001", "--store", str(tmp_path), *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"


def test_too_many_refusals_are_told_when_the_shards_are_joined(tmp_path, make, write_raw, generate):
    folder = write_raw(tmp_path / "spoiled", 14, frames=2)
    for path in sorted(folder.iterdir())[:11]:
        path.write_text("letters\n")
    said = make(*FOUR, raw=folder)
    assert [line.partition("sources, ")[2][:17] for line in said] == [f"{n} of them refused" for n in (3, 4, 3, 1)]
    good, said = generate("2001", tmp_path / "store", merge=True)
    assert not good
    assert sum(line.startswith("  refused: ") for line in said) == 11
