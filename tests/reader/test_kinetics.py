"""Kinetics-skeleton: what is listed, the rows that the original's rules make of them, and what is refused."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.packing import unpack
from dataset.store import open_part
from reader.kinetics import KineticsReader, files
from reader.kinetics.files import Poses
from reader.kinetics.persons import follow, lay_out, pick_best
from tests.reader.kinetics_form import CLASSES, entry, record, write_kinetics, write_openpose, write_split
from utils.errors import UserError
from utils.recording import ReadError

V = 18
RNG = np.random.default_rng(0)
PERSON = RNG.integers(1, 1000, (V, 3)) / 1000
RECORDS = [record(1, PERSON, PERSON / 2), record(3, PERSON)]


def reader(**options):
    return KineticsReader(**{"frames": 12, **options})


def read(root, **options):
    """Return all recordings by name, and the scan."""
    chosen = reader(**options)
    scan = chosen.scan([root], "toy")
    return {clip.name: clip for source in scan.sources for clip in chosen.read(source)}, scan


def one(folder, records=RECORDS, **options):
    """Return the joints of a single clip with these records."""
    return read(write_split(folder, "train", {"clip": (0, records)}), **options)[0]["clip"].joints


def refusal(call, *arguments, kind=UserError, **options):
    with pytest.raises(kind) as error:
        call(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(params=["orjson", "json"])
def parser(request, monkeypatch):
    """Both parsers, where both are installed."""
    monkeypatch.setattr(files, "loads", pytest.importorskip(request.param).loads)


@pytest.fixture
def folder(tmp_path):
    return write_kinetics(tmp_path, np.random.default_rng(1), 9, frames=11)


# --- what is listed


def test_a_set(folder):
    clips, scan = read(folder)
    trains = [f"clip{n:06d}" for n in (0, 1, 2, 4, 5, 6, 8)]
    assert [source.name for source in scan.sources] == [*trains, "clip000003", "clip000007"]
    assert (scan.classes, scan.split_lists, scan.skipped) == (CLASSES, ("kinetics", "own"), {})
    file = folder / "kinetics_val" / "clip000007.json"
    source = scan.sources[-1]
    assert source.key() == ["clip000007", file.stat().st_size, 1, "eval"]
    clip = clips["clip000007"]
    assert (clip.label, clip.splits) == (1, {"kinetics": "eval", "own": "eval"})
    assert clip.columns == {"persons": 2, "source": str(file)}
    assert (clip.joints.shape, clip.joints.dtype) == ((2, 12, V, 3), np.float32)


def test_a_source_travels(folder):
    source = reader().scan([folder], "toy").sources[0]
    assert pickle.loads(pickle.dumps(source)) == source


def test_what_is_left_out_is_said(tmp_path):
    clips = dict.fromkeys(("a", "b", "c"), (0, RECORDS))
    write_split(tmp_path, "val", clips)
    labels = {"a": entry(0), "gone": entry(0), "b": entry(1, has_skeleton=False), "d": entry(1, has_skeleton=False)}
    (tmp_path / "kinetics_val_label.json").write_text(json.dumps(labels))
    (tmp_path / "kinetics_val" / "notes.txt").touch()
    (tmp_path / "kinetics_val" / "away.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "readme").touch()
    scan = reader().scan([tmp_path], "toy")
    assert [source.name for source in scan.sources] == ["a"]
    assert scan.skipped == {
        "neither a label file nor its folder": ["readme"],
        "not <clip>.json, nor a folder": ["notes.txt"],
        "a link to a file that is not there": ["away.json"],
        "not in the label file, so without a class": ["c.json"],
        "in the label file, but not in its folder": ["gone"],
        "without a skeleton (has_skeleton: false)": ["b", "d"],
    }


def test_a_clip_is_called_as_its_file_up_to_the_first_dot(tmp_path):
    write_split(tmp_path, "train", {"a.b": (0, RECORDS)}, prefix="my_own")
    (tmp_path / "my_own_train_label.json").write_text(json.dumps({"a": entry(0)}))
    assert list(read(tmp_path)[0]) == ["a"]


def test_classes_between_are_filled(tmp_path):
    names = ("zero", "one", "two", "three")
    write_split(tmp_path, "train", {"a": (3, RECORDS), "b": (1, RECORDS)}, names)
    assert reader().scan([tmp_path], "toy").classes == ("class 0", "one", "class 2", "three")


def test_several_folders_are_one_part(tmp_path):
    roots = [write_split(tmp_path / name, "train", {name: (0, RECORDS)}) for name in ("b", "a")]
    assert [source.name for source in reader().scan(roots, "toy").sources] == ["a", "b"]


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        (["kinetics_train_label.json"], "kinetics_train: no kinetics_train_label.json beside it"),
        (["kinetics_val"], "kinetics_val_label.json: no folder kinetics_val beside it"),
        (
            ["kinetics_train", "kinetics_train_label.json", "kinetics_val", "kinetics_val_label.json"],
            ": no <name>_train_label.json or <name>_val_label.json, each beside its folder",
        ),
    ],
)
def test_a_label_file_or_a_folder_alone_is_refused(folder, remove, message):
    for name in remove:
        (folder / name).rename(folder.parent / f"{folder.name}-{name}")
    assert message in refusal(reader().scan, [folder], "toy")


def test_nothing_there_is_refused(tmp_path):
    assert "gone: no such folder; give that of <name>_train" in refusal(reader().scan, [tmp_path / "gone"], "toy")
    write_split(tmp_path, "val", {"a": (0, RECORDS)})
    (tmp_path / "kinetics_val_label.json").write_text('{"b": {"has_skeleton":true,"label":"yoga","label_index":2}}')
    message = refusal(reader().scan, [tmp_path], "toy")
    assert "no clips (1 not in the label file, so without a class; 1 in the label file, but not in its" in message


def test_two_clips_of_one_name_are_refused(folder):
    file = folder / "kinetics_train" / "clip000000.json"
    (file.parent / "clip000000.old.json").write_bytes(file.read_bytes())
    assert "a clip called clip000000 is also" in refusal(reader().scan, [folder], "toy")
    (file.parent / "clip000000.old.json").unlink()
    write_split(folder, "val", {"clip000000": (0, RECORDS)})
    message = refusal(reader().scan, [folder], "toy")
    assert f"kinetics_val/clip000000.json: a clip called clip000000 is also {file}; remove one of the two" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": ', "line 1: no JSON from here on (truncated?)"),
        ("[1]", "must be a mapping from clips to"),
        (
            '{"a": {"has_skeleton": true, "label_index": 1}}',
            'clip \'a\' has {"has_skeleton": true, "label_index": 1}; an',
        ),
        ('{"a": {"has_skeleton": true, "label": "", "label_index": 1}}', "clip 'a' has"),
        ('{"a": {"has_skeleton": true, "label": "x", "label_index": -1}}', "clip 'a' has"),
        ('{"a": {"has_skeleton": true, "label": "x", "label_index": 9999999}}', "clip 'a' has"),
        ('{"a": {"has_skeleton": true, "label": "x", "label_index": "1"}}', "clip 'a' has"),
        ('{"a": {"has_skeleton": 1, "label": "x", "label_index": 1}}', "clip 'a' has"),
        ('{"a": {"has_skeleton": true, "label": "x", "label_index": 1}, "a": 2}', "'a' is stated twice; remove one"),
        (json.dumps({"a": entry(0), "b": entry(0, "x")}), "label_index 0 is both 'juggling' and 'x'"),
        (json.dumps({"a": entry(0, "xx"), "b": entry(1, "xx")}), "'x' has label_index 0 and 1; a class has one index"),
    ],
)
def test_a_label_file_that_is_not_right_is_refused(tmp_path, text, message):
    write_split(tmp_path, "train", {"a": (0, RECORDS)})
    (tmp_path / "kinetics_train_label.json").write_text(text)
    found = refusal(reader().scan, [tmp_path], "toy")
    assert found.startswith(f"{tmp_path}/kinetics_train_label.json")
    assert message in found


def test_label_files_agree_on_classes(tmp_path):
    write_split(tmp_path, "train", {"a": (0, RECORDS)})
    write_split(tmp_path, "val", {"b": (0, RECORDS)}, ("skiing",))
    assert "label_index 0 is both 'juggling' and 'skiing'" in refusal(reader().scan, [tmp_path], "toy")


# --- what is read


def plain(records, frames, persons, matching=False):
    """Return (persons, T, V, 3) float32 by the rules of the original's generator, a number at a time."""
    x, y, score = clip = np.zeros((3, frames, V, 5))
    for each in records:
        for m, person in list(enumerate(each["skeleton"]))[:5]:
            for v in range(V):
                at = (each["frame_index"], v, m)
                x[at], y[at], score[at] = person["pose"][2 * v], person["pose"][2 * v + 1], person["score"][v]
    for at in np.ndindex(score.shape):
        x[at], y[at] = (x[at] - 0.5, y[at] - 0.5) if score[at] != 0 else (0, 0)
    for t in range(frames):
        totals = [added(score[t, :, m]) for m in range(5)]
        clip[:, t] = clip[:, t][..., sorted(range(5), key=lambda m: -totals[m])]
    clip = clip[..., :persons]
    if matching:
        clip = plain_follow(clip)
    return clip.transpose(3, 1, 2, 0).astype(np.float32)


def added(values):
    total = 0.0
    for value in values:
        total += value
    return total


def plain_follow(clip):
    """Return (3, T, V, M) with each person where it began; the place of who was at m in the frame before is `now[m]`."""
    _, frames, _, persons = clip.shape
    tracks = clip.copy()
    now = list(range(persons))
    for t in range(1, frames):
        free, nearest = list(range(persons)), {}
        for m in range(persons):
            before, after = clip[:2, t - 1, :, m], clip[:2, t]
            squares = [[added((after[c, :, k] - before[c]) ** 2) for c in range(2)] for k in range(persons)]
            nearest[m] = min(free, key=lambda k: squares[k][0] + squares[k][1])
            free.remove(nearest[m])
        now = [nearest[place] for place in now]
        tracks[:, t] = clip[:, t][..., now]
    totals = [added([added(tracks[2, t, :, m]) for t in range(frames)]) for m in range(persons)]
    return tracks[..., sorted(range(persons), key=lambda m: -totals[m])]


def draw_scores(rng, kind, persons):
    """Return (persons, V): any; of few values, so that sums are equal; the same ones in another order, nearly equal."""
    if kind == "few":
        return rng.choice([0, 0.1, 0.3], (persons, 1)).repeat(V, axis=1)
    return (
        rng.permuted(rng.random((1, V)).repeat(persons, axis=0), axis=1) if kind == "same" else rng.random((persons, V))
    )


@st.composite
def clips(draw, frames=6):
    """Records of up to six persons a frame, in any order; somebody is there in the first."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    records = []
    for t in draw(st.permutations(range(frames)))[: draw(st.integers(1, frames))]:
        persons = rng.random((draw(st.integers(0, 6)), V, 3))
        persons[..., 2] = draw_scores(rng, draw(st.sampled_from(["any", "few", "same"])), len(persons))
        persons[rng.random(persons.shape[:2]) < draw(st.sampled_from([0, 0.2])), 2] = 0  # their place is stated still
        records.append(record(t, *persons))
    records[0]["skeleton"][:0] = record(0, PERSON)["skeleton"]
    return records


@given(records=clips(), persons=st.integers(1, 5), matching=st.booleans())
@settings(max_examples=100, deadline=None)
def test_rows_are_those_of_the_plain_rules_to_the_bit(tmp_path_factory, records, persons, matching):
    joints = one(tmp_path_factory.mktemp("clip"), records, persons=persons, matching=matching, frames=6)
    np.testing.assert_array_equal(joints.view(np.uint32), plain(records, 6, persons, matching).view(np.uint32))


def test_the_example_of_the_facts(tmp_path):
    """Three joints; frame 1, person 0: x 0.0, 0.01, 0; y -0.3, -0.15, 0; the joint without a score is 0."""
    persons = [
        np.array([[0.50, 0.20, 0.9], [0.51, 0.35, 0.8], [0, 0, 0]]),
        np.array([[0.10, 0.25, 0.5], [0.11, 0.40, 0.6], [0.12, 0.6, 0.4]]),
    ]
    joints = one(tmp_path, [record(1, *persons), record(2)], num_joints=3, frames=300)
    expected = np.zeros((2, 300, 3, 3), np.float32)
    expected[0, 1] = [[0, -0.3, 0.9], [0.01, -0.15, 0.8], [0, 0, 0]]
    expected[1, 1] = [[-0.4, -0.25, 0.5], [-0.39, -0.1, 0.6], [-0.38, 0.1, 0.4]]
    np.testing.assert_allclose(joints, expected, atol=1e-7)
    assert not joints[:, [0, 2]].any()


def test_the_best_of_five_persons_are_kept_and_the_sixth_is_not_read(tmp_path):
    scores = (0.2, 0.5, 0.3, 0.5, 0.1, 0.9)
    persons = [np.full((V, 3), score) for score in scores]
    joints = one(tmp_path / "two", [record(0, *persons)])
    assert joints[:, 0, 0, 2].tolist() == pytest.approx([0.5, 0.5])
    joints = one(tmp_path / "five", [record(0, *persons)], persons=5)
    assert joints[:, 0, 0, 2].tolist() == pytest.approx([0.5, 0.5, 0.3, 0.2, 0.1])


def test_persons_keep_their_place_where_they_are_followed(tmp_path):
    """The left one is at first the better one, then the worse one; in sum the right one is the better."""
    left, right = (np.full((V, 3), x) for x in (0.2, 0.8))
    records = [record(t, left, right) for t in range(4)]
    for t, (one_score, other_score) in enumerate([(0.9, 0.8), (0.1, 0.9), (0.9, 0.8), (0.1, 0.9)]):
        records[t]["skeleton"][0]["score"] = [one_score] * V
        records[t]["skeleton"][1]["score"] = [other_score] * V
    joints = one(tmp_path / "a", records, frames=4)
    assert joints[0, :, 0, 0].tolist() == pytest.approx([-0.3, 0.3, -0.3, 0.3])
    joints = one(tmp_path / "b", records, frames=4, matching=True)
    assert joints[:, :, 0, 0].tolist() == [pytest.approx([0.3] * 4), pytest.approx([-0.3] * 4)]


def test_a_single_frame_is_followed_nowhere():
    clip = pick_best(lay_out(Poses(np.zeros(1, int), np.zeros(1, int), PERSON[None].copy()), 1), 2)
    np.testing.assert_array_equal(follow(clip), clip)


def test_of_two_records_of_a_frame_the_later_persons_replace_the_former(tmp_path):
    joints = one(tmp_path, [record(2, PERSON, PERSON / 2), record(2, PERSON / 4)])
    np.testing.assert_array_equal(joints, plain([record(2, PERSON / 4, PERSON / 2)], 12, 2))


def test_an_empty_frame_beyond_the_clip_is_none(tmp_path):
    """The original reads it, too."""
    np.testing.assert_array_equal(one(tmp_path, [*RECORDS, record(12), record(300)]), plain(RECORDS, 12, 2))


def test_float16_is_a_choice(tmp_path):
    joints = one(tmp_path / "half", dtype="float16")
    assert joints.dtype == np.float16
    np.testing.assert_array_equal(joints, plain(RECORDS, 12, 2).astype(np.float16))
    records = changed([0, "skeleton", 0, "pose", 0], 1e5)
    message = refusal(one, tmp_path, records, dtype="float16", kind=ReadError)
    assert "numbers beyond 65504, the largest of float16" in message


@pytest.mark.parametrize("joints", [18, 25])
def test_openpose_frames(tmp_path, joints):
    """Pixels become the same rows as a clip's file with parts of the frame; a frame's number is its place."""
    persons = {t: RNG.integers(1, 300, (1 + t % 2, joints, 3)).astype(float) for t in (0, 3, 11)}
    for pixels in persons.values():
        pixels[..., 2] /= 300
        pixels[0, 4] = 0  # not found
    labels = write_split(tmp_path, "train", {}) / "kinetics_train_label.json"
    labels.write_text(json.dumps({"clip": entry(2)}))
    place = write_openpose(tmp_path / "kinetics_train" / "clip", persons)
    found, scan = read(tmp_path, num_joints=joints, frame_size=(320, 240))
    records = [record(t, *pixels / (320, 240, 1)) for t, pixels in persons.items()]
    expected = one(tmp_path / "file", records, num_joints=joints)
    np.testing.assert_array_equal(found["clip"].joints, expected)
    assert found["clip"].label == 2
    assert scan.sources[0].size == sum(path.stat().st_size for path in place.iterdir())


# --- what is refused


def changed(at, value):
    """Return the records with one value replaced; `at` is a path into them."""
    records = json.loads(json.dumps(RECORDS))
    inner = records
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return records


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("records", "message"),
    [
        (changed([1, "frame_index"], 12), "frame_index 12 is beyond the clip's 12 frames (0 to 11); set data.frames"),
        (changed([1, "frame_index"], 2**63), "is beyond the clip's 12 frames"),
        (changed([1, "frame_index"], -1), "record 1 of 'data': frame_index must be a frame, a whole number from 0, not -1"),
        (changed([1, "frame_index"], 2.5), "whole number from 0, not 2.5"),
        (changed([1, "frame_index"], True), "whole number from 0, not True"),
        ([{"skeleton": []}], "record 0 of 'data': frame_index must be a frame, a whole number from 0, not None"),
        ([7], "record 0 of 'data': frame_index must be"),
        (changed([0, "skeleton"], 7), "frame_index 1: no list of persons"),
        (changed([0, "skeleton", 1], 7), "frame_index 1, person 1: no numbers in 'pose', but the layout's joints take 36"),
        (changed([0, "skeleton", 1, "pose"], [0.1] * 50), "person 1: 50 numbers in 'pose', but the layout's joints take 36"),
        (changed([0, "skeleton", 1, "score"], [0.1] * 17), "17 numbers in 'score', but the layout's joints take 18"),
        (changed([0, "skeleton", 1, "score", 3], None), "frame 1, person 1: None is no coordinate or score"),
        (changed([0, "skeleton", 1, "score", 3], "0.5"), "frame 1, person 1: '0.5' is no coordinate or score"),
        (changed([1, "skeleton", 0, "pose", 3], [1]), "frame 3, person 0: [1] is no coordinate or score"),
        (changed([0, "skeleton", 1, "score", 3], 10**30), "is no coordinate or score"),
        (changed([0, "skeleton", 1, "score", 3], float("nan")), " a joint that was not found is 0 0 with score 0"),
        (changed([0, "skeleton", 1, "score", 3], float("-inf")), " a joint that was not found is 0 0 with score 0"),
        (changed([0, "skeleton", 1, "score", 3], 1e300), "1e+300 is no coordinate or score"),
        (changed([0, "skeleton", 1, "pose", 3], True), "true or false stands among numbers; a joint that was not found"),
        (changed([0, "skeleton", 1, "score"], [False] * 18), "true or false stands among numbers; a joint"),
        (changed([1, "skeleton", 0, "score", 3], -1), "frame 3, person 0: a score of -1; scores are 0 to 1"),
        (changed([0, "skeleton", 1, "score", 3], 5), "frame 1, person 1: a score of 5; scores are 0 to 1"),
        ([record(1, PERSON * (300, 300, 1))], "% of its joints lie far outside the frame (x up to "),
        ([record(1, PERSON * (300, 300, 1))], "; pixels? divide by the frame's width and height"),
        ([record(1), record(2)], "nobody is in any frame, so there is nothing to learn from"),
        ([], "nobody is in any frame, so there is nothing to learn from"),
        ([record(1, PERSON * (1, 1, 0))], "nobody is in any frame, so there is nothing to learn from"),
    ],
)  # fmt: skip
def test_a_clip_that_is_not_right_is_refused(tmp_path, records, message):
    found = refusal(one, tmp_path, records, kind=ReadError)
    assert found.startswith(f"{tmp_path}/kinetics_train/clip.json")
    assert message in found


@pytest.mark.usefixtures("parser")
def test_a_few_joints_far_outside_and_scores_a_little_above_1_are_kept(tmp_path):
    person = np.full((20, 3), 0.5)
    person[:2, 0] = [1.51, -7]  # a tenth
    person[2:, 1] = [1.5, -0.5] * 9
    person[3, 2] = 1.5
    assert one(tmp_path / "few", [record(0, person)], num_joints=20)[0, 0, 3, 2] == 1.5
    person[:2] = (30, 30, 0), (0.5, 0.5, 1)  # not found, and within
    assert one(tmp_path / "absent", [record(0, person)], num_joints=20).any()
    person[:3] = 30, 30, 0.1
    message = refusal(one, tmp_path / "many", [record(0, person)], num_joints=20, kind=ReadError)
    assert "clip.json: 15% of its joints lie far outside the frame (x up to 30, y up to 30); pixels?" in message


@pytest.mark.usefixtures("parser")
def test_a_word_in_a_text_is_no_number(tmp_path):
    classes = ("a [true, false] story",)
    folder = write_split(tmp_path, "train", {"clip": (0, RECORDS)}, classes)
    path = tmp_path / "kinetics_train" / "clip.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"has_skeleton": True}))
    assert len(read(folder)[0]) == 1


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"data": [', "clip.json, line 1: no JSON from here on (truncated?)"),
        (b"", "no JSON from here on (truncated?)"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no list of frames under the key 'data'"),
        (b'{"data": 7}', "no list of frames under the key 'data'"),
        (b'{"data": [], "label_index": 1}', "label_index is 1, but 0 in the label file; mend one"),
        (b'{"data": [], "label": "yoga"}', "label is 'yoga', but 'juggling' in the label file; mend one"),
    ],
)
def test_a_file_that_is_not_right_is_refused(tmp_path, content, message):
    write_split(tmp_path, "train", {"clip": (0, RECORDS)})
    (tmp_path / "kinetics_train" / "clip.json").write_bytes(content)
    assert message in refusal(read, tmp_path, kind=ReadError)


@pytest.mark.parametrize("module", ["orjson", "json"])
@given(
    at=st.integers(0, 2000), piece=st.sampled_from([b"", b"9", b"-", b'"', b"{}", b"[", b"]", b",", b"null", b"1e999"])
)
@settings(max_examples=150, deadline=None)
def test_damage_is_refused_or_harmless(tmp_path_factory, module, at, piece):
    """Whatever is written over a byte of a file: finite joints of the right shape, or a refusal."""
    folder = write_split(tmp_path_factory.mktemp("clip"), "train", {"clip": (0, RECORDS)})
    file = folder / "kinetics_train" / "clip.json"
    content = file.read_bytes()
    at %= len(content)
    file.write_bytes(content[:at] + piece + content[at + 1 :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "loads", pytest.importorskip(module).loads)
        try:
            joints = read(folder)[0]["clip"].joints
        except ReadError as error:
            assert "\n" not in str(error)
        else:
            assert joints.shape == (2, 12, V, 3)
            assert np.isfinite(joints).all()


@pytest.mark.usefixtures("parser")
def test_both_parsers_read_the_same(tmp_path):
    np.testing.assert_array_equal(one(tmp_path), plain(RECORDS, 12, 2))


@pytest.mark.usefixtures("parser")
def test_a_byte_order_mark_is_skipped(tmp_path):
    expected = one(tmp_path)
    path = tmp_path / "kinetics_train" / "clip.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    np.testing.assert_array_equal(read(tmp_path)[0]["clip"].joints, expected)


def test_what_orjson_says_of_nan(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "loads", pytest.importorskip("orjson").loads)
    message = refusal(one, tmp_path, changed([0, "skeleton", 0, "score", 3], float("nan")), kind=ReadError)
    assert "clip.json, line 1: holds NaN, which is no JSON; a joint that was not found is 0 0 with score 0" in message


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda place: (place / "notes.txt").touch(), "holds notes.txt; the folder of a clip holds its frames only"),
        (lambda place: next(place.iterdir()).write_text("[]"), "film_000000000001_keypoints.json: no list of persons"),
        (lambda place: next(place.iterdir()).write_text("{"), "no JSON from here on"),
        (
            lambda place: next(place.iterdir()).rename(place / "film_12_keypoints.json"),
            "film_12_keypoints.json is beyond the clip's 12",
        ),
        (lambda place: next(place.iterdir()).unlink(), "nobody is in any frame"),
        (
            lambda place: (place / "a_1_keypoints.json").write_text('{"people": []}'),
            "holds one frame twice: a_1_keypoints.json and film_000000000001_keypoints.json; remove one",
        ),
    ],
)
def test_openpose_frames_that_are_not_right_are_refused(tmp_path, spoil, message):
    write_split(tmp_path, "train", {"clip": (0, RECORDS)})
    (tmp_path / "kinetics_train" / "clip.json").unlink()
    spoil(write_openpose(tmp_path / "kinetics_train" / "clip", {1: [PERSON]}))
    assert message in refusal(read, tmp_path, kind=ReadError, frame_size=(320, 240))


def test_openpose_frames_of_another_size_are_refused(tmp_path):
    write_split(tmp_path, "train", {"clip": (0, RECORDS)})
    (tmp_path / "kinetics_train" / "clip.json").unlink()
    write_openpose(tmp_path / "kinetics_train" / "clip", {1: [PERSON * (1920, 1080, 1)]})
    message = refusal(read, tmp_path, kind=ReadError, frame_size=(320, 240))
    assert message.endswith("; is data.frame_size, 320x240, that of the video?")


def test_openpose_frames_need_the_size_of_the_frame(tmp_path):
    write_split(tmp_path, "train", {"clip": (0, RECORDS)})
    (tmp_path / "kinetics_train" / "clip.json").unlink()
    write_openpose(tmp_path / "kinetics_train" / "clip", {1: [PERSON]})
    message = refusal(reader().scan, [tmp_path], "toy")
    assert message.endswith("clip: OpenPose's frames are in pixels; set data.frame_size: [width, height]")


@pytest.mark.parametrize("persons", [0, 6])
def test_up_to_five_persons(persons):
    assert f"data.persons {persons}: must be 1 to 5" in refusal(reader, persons=persons)


# --- a part of the store


def test_generated(tmp_path, generate):
    """What -gd stores are the original's 300 frames, of which only those with persons take room."""
    raw = write_kinetics(tmp_path / "raw", np.random.default_rng(1), 20)
    (raw / "kinetics_train" / "clip000001.json").write_text("{")
    (raw / "kinetics_val" / "stray.json").write_text("{}")
    fine, said = generate("1003", tmp_path / "store", raw)
    assert fine
    assert "Part kinetics-skeleton: 19 clips kept of 20 sources read" in said
    assert "  left out: 1 not in the label file, so without a class (stray.json)" in said
    assert any("clip000001.json, line 1: no JSON from here on (truncated?)" in line for line in said)
    part = open_part(tmp_path / "store" / "kinetics-skeleton", "original")
    assert part.stated_split("kinetics").tolist() == ["train"] * 14 + ["eval"] * 5
    assert len(part.coordinates) <= 19 * 2 * 12
    for n, name in enumerate(part.names.tolist()):
        split = "train" if part.stated_split("own")[n] == "train" else "val"
        content = json.loads((raw / f"kinetics_{split}" / f"{name}.json").read_text())
        joints = unpack(part.coordinates, part.spans[n], part.frames[n])
        np.testing.assert_array_equal(joints, plain(content["data"], 300, 2))
        assert part.labels[n] == content["label_index"]
