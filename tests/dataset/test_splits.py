"""Benchmarks as data: the rules, the classes and the counts, against the fact sheet and the originals' lists."""

import re

import numpy as np
import pytest

from dataset.packing import pack
from dataset.splits import OWN, benchmark_names, benchmark_of, load_benchmark, select
from dataset.store import open_part
from dataset.writer import PartWriter, ReadSource, StoredClip
from utils.errors import UserError

NTU = ["ntu-xsub", "ntu-xview", "ntu-xsub120", "ntu-xset120"]


@pytest.fixture
def part(tmp_path):
    """Makes a part of clips with the given columns, whose source states a split where `splits` are given."""

    def make(splits=None, split_list=None, name="part", **columns):
        path = tmp_path / name
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


@pytest.mark.parametrize("benchmark", ["ntu-xsub", "ntu-xsub120"])
def test_a_list_under_its_name_in_annotation_files_wins_too(part, benchmark):
    clips = part(["eval", "train", "eval", "other"], "xsub", subject=[1, 3, 38, 40], camera=[1, 2, 3, 1])
    assert select(clips, load_benchmark(benchmark), "train").tolist() == [1]
    assert select(clips, load_benchmark(benchmark), "eval").tolist() == [0, 2]
    assert select(clips, load_benchmark("ntu-xview"), "train").tolist() == [1, 2]  # states no list xview


LISTED = pytest.mark.parametrize("name", ["gym", "diving48", "ucf101-2", "hmdb51-3"])  # no column divides these


@LISTED
def test_a_benchmark_without_a_rule_needs_its_list(part, name):
    benchmark = load_benchmark(name)
    with pytest.raises(UserError, match=f"part: {name} needs the list '{benchmark.stated}'; the part has: none"):
        select(part(subject=[-1]), benchmark, "train")


@LISTED
def test_a_benchmark_without_a_rule_is_its_list(part, name):
    benchmark = load_benchmark(name)
    clips = part(["train", "eval", "val"], benchmark.stated, subject=[-1, -1, -1])
    assert [select(clips, benchmark, split).tolist() for split in ("train", "eval")] == [[0], [1]]


def test_the_small_sets_split_by_camera_and_by_subject(part):
    clips = part(subject=[1, 2, 8, 7], camera=[1, 2, 3, 1])
    assert select(clips, load_benchmark("ucla-xview"), "train").tolist() == [0, 1, 3]
    assert select(clips, load_benchmark("utd-xsub"), "train").tolist() == [0, 3]
    assert select(clips, load_benchmark("utd-xsub"), "eval").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "folder", "group"),
    [("ucla-xview", "nw-ucla", r"a\d+_s\d+_e\d+_v(\d+)\.json"), ("utd-xsub", "utd-mhad", r"a\d+_s(\d+)_t\d+_skeleton")],
)
def test_the_real_small_sets_have_the_expected_counts(shared, name, folder, group):
    benchmark, paths = load_benchmark(name), (shared / "data" / folder).rglob("*")
    values = [int(match[1]) for path in paths if (match := re.match(group, path.name))]
    train = sum(value in benchmark.train for value in values)
    assert benchmark.expected == {"train": train, "eval": len(values) - train}


def test_pyskls_cross_subject_rule_is_ours(shared):
    """Section 7 of the fact sheet: `subject id after 'P' in {1,2,4,...,52–59,...}`; of both NTU-60 and NTU-120."""
    text = (shared / "facts/stgcn_family.md").read_text()
    listed = re.search(r"subject id after 'P' in \{(.*?)\}", text)[1]
    ranges = [[int(each) for each in item.split("\N{EN DASH}")] for item in listed.split(",")]
    subjects = {subject for first, *last in ranges for subject in range(first, (last or [first])[0] + 1)}
    assert load_benchmark("ntu-xsub120").train == subjects
    assert load_benchmark("ntu-xsub").train == {subject for subject in subjects if subject <= 40}


@pytest.mark.parametrize(
    ("name", "count"),
    [("ucla-xview", 10), ("utd-xsub", 27), ("gym", 99), ("diving48", 48), ("ucf101-1", 101), ("hmdb51-1", 51)],
)
def test_every_set_of_the_field_has_its_classes(name, count):
    classes = load_benchmark(name).classes
    assert len(classes) == count
    assert len(set(classes)) == count - (name == "gym")  # FineGym calls two of its elements by one name


def test_the_benchmark_of_own_data_is_what_its_part_states(part):
    clips = part(["train", "eval"], OWN, subject=[1, 2])
    clips.manifest["classes"] = ["wave", "clap"]
    benchmark = benchmark_of(OWN, [clips])
    assert benchmark.classes == ("wave", "clap")
    assert [select(clips, benchmark, split).tolist() for split in ("train", "eval")] == [[0], [1]]
    assert benchmark_of("ntu-xsub", [clips]) is load_benchmark("ntu-xsub")


def test_parts_of_own_data_that_number_other_classes_are_refused(part):
    one, two = (part(["train"], OWN, name=name, subject=[1]) for name in ("one", "two"))
    one.manifest["classes"], two.manifest["classes"] = ["clap", "wave"], ["bow", "clap"]
    with pytest.raises(UserError, match="two: other classes than .*one has, such as bow; parts of one experiment"):
        benchmark_of(OWN, [one, two])
    two.manifest["classes"] = ["clap", "wave"]
    assert benchmark_of(OWN, [one, two]).classes == ("clap", "wave")
