"""Benchmarks as data: the rules, the classes and the counts, against the fact sheet and the originals' lists."""

import re

import numpy as np
import pytest

from dataset.packing import pack
from dataset.splits import benchmark_names, load_benchmark, select
from dataset.store import open_part
from dataset.writer import PartWriter, ReadSource, StoredClip
from utils.errors import UserError

NTU = ["ntu-xsub", "ntu-xview", "ntu-xsub120", "ntu-xset120"]


@pytest.fixture
def part(tmp_path):
    """Makes a part of clips with the given columns, whose source states a split where `splits` are given."""

    def make(splits=None, split_list=None, **columns):
        path = tmp_path / "part"
        with PartWriter(path, {"split_lists": [split_list] if split_list else []}, {"original": {}}) as writer:
            for n, values in enumerate(zip(*columns.values(), strict=True)):
                about = {
                    "name": f"clip{n}",
                    "label": 0,
                    "frames": 1,
                    "splits": {split_list: splits[n]} if splits else {},
                }
                about["columns"] = dict(zip(columns, values, strict=True))
                packed = {"original": pack(np.ones((1, 1, 2, 3), np.float32))}
                writer.add([ReadSource(f"{n}", [StoredClip(about, packed)])])
            writer.finish()
        return open_part(path, "original")

    return make


def test_the_facts_say_who_trains(shared):
    """The table of section 2.3, `| ntu-xsub | P in 1 2 4 ... |`, against benchmarks.yaml."""
    text = (shared / "facts/efficientgcn.md").read_text()
    cell = {name: re.search(rf"^\| {name} \| (.*) \|$", text, re.MULTILINE)[1] for name in NTU}
    numbers = {
        name: {int(each) for each in re.findall(r"\d+", re.sub(r"\(.*\)|those 20", "", cell[name]))} for name in NTU
    }
    assert load_benchmark("ntu-xsub").train == numbers["ntu-xsub"]
    assert load_benchmark("ntu-xview").train == numbers["ntu-xview"]
    assert load_benchmark("ntu-xsub120").train == numbers["ntu-xsub120"] | numbers["ntu-xsub"]
    assert cell["ntu-xset120"] == "S even (2..32)"
    assert load_benchmark("ntu-xset120").train == set(range(2, 33, 2))


def test_20_subjects_train_of_40_and_53_of_106():
    few, many = load_benchmark("ntu-xsub").train, load_benchmark("ntu-xsub120").train
    assert (len(few), len(many)) == (20, 53)
    assert few < many
    assert max(few) <= 40 < max(many) <= 106


@pytest.mark.parametrize(
    ("name", "column", "train", "total"),
    [
        ("ntu-xsub", "subject", 40_091, 56_578),
        ("ntu-xview", "camera", 37_646, 56_578),
        ("ntu-xsub120", "subject", 63_026, 113_945),
        ("ntu-xset120", "setup", 54_468, 113_945),
    ],
)
def test_the_expected_counts_add_up(name, column, train, total):
    benchmark = load_benchmark(name)
    assert benchmark.column == column
    assert benchmark.expected == {"train": train, "eval": total - train}


@pytest.mark.parametrize(
    ("name", "count"), [("ntu-xsub", 60), ("ntu-xview", 60), ("ntu-xsub120", 120), ("demo-xsub", 12)]
)
def test_a_benchmark_has_its_classes(name, count):
    classes = load_benchmark(name).classes
    assert len(classes) == len(set(classes)) == count
    assert all(each == each.strip() for each in classes)


def test_the_classes_are_in_label_order(goldens):
    classes = load_benchmark("ntu-xset120").classes
    assert classes[:60] == load_benchmark("ntu-xsub").classes
    assert (classes[0], classes[42], classes[60], classes[119]) == (
        "drink water", "falling", "put on headphone", "finger-guessing game (playing rock-paper-scissors)"
    )  # fmt: skip
    theirs = (goldens / "ntu60_action_names.txt").read_text().splitlines()
    words = [[set(re.findall(r"\w{3,}", name)) for name in names] for names in (classes[:60], theirs)]
    apart = [action for action, (mine, other) in enumerate(zip(*words, strict=True), start=1) if not mine & other]
    assert apart == [25]  # "reach into pocket", there "put/take out sth"


def test_every_benchmark_names_its_source():
    assert {*NTU, "demo-xsub", "ucla-xview", "utd-xsub", "gym", "ucf101-3"} < set(benchmark_names())
    assert all(load_benchmark(name).source for name in benchmark_names())


def test_an_unknown_benchmark_gets_the_known_ones():
    with pytest.raises(UserError, match="data.benchmark: 'ntu' is not one of ntu-xsub, ntu-xview, ntu-xsub120"):
        load_benchmark("ntu")


def test_the_rule_splits_by_its_column(part):
    clips = part(subject=[1, 3, 38, 40], camera=[1, 2, 3, 1])
    assert select(clips, load_benchmark("ntu-xsub"), "train").tolist() == [0, 2]
    assert select(clips, load_benchmark("ntu-xsub"), "eval").tolist() == [1, 3]
    assert select(clips, load_benchmark("ntu-xview"), "train").tolist() == [1, 2]
    assert select(clips, load_benchmark("ntu-xview"), "eval").tolist() == [0, 3]


def test_a_stated_split_wins_over_the_rule_of_its_benchmark_only(part):
    clips = part(["eval", "train", "eval", "other"], "ntu-xsub", subject=[1, 3, 38, 40], camera=[1, 2, 3, 1])
    assert select(clips, load_benchmark("ntu-xsub"), "train").tolist() == [1]
    assert select(clips, load_benchmark("ntu-xsub"), "eval").tolist() == [0, 2]
    assert select(clips, load_benchmark("ntu-xview"), "train").tolist() == [1, 2]


def test_a_clip_that_the_rule_cannot_place_is_refused(part):
    clips = part(subject=[1, -1, -1], camera=[1, 2, 3])
    with pytest.raises(
        UserError, match="part: the subject of 2 clips, such as clip1, is not known; ntu-xsub splits by it"
    ):
        select(clips, load_benchmark("ntu-xsub"), "eval")
    assert select(clips, load_benchmark("ntu-xview"), "train").tolist() == [1, 2]


def test_a_part_without_the_column_is_refused(part):
    with pytest.raises(UserError, match="no column 'camera'; its clips have subject"):
        select(part(subject=[1]), load_benchmark("ntu-xview"), "train")
