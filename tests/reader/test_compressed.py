"""PYSKL's Kinetics: what upstream's DecompressPose makes of the skeletons, and where their files are looked for."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader import compressed
from reader.annotations import ABSENT, AnnotationReader
from reader.compressed import MOST, decompress, locate, valid_share
from tests.reader.compressed_form import draw_item, draw_skeletons, save_index, write_compressed
from utils.errors import UserError
from utils.pickles import load_pickle
from utils.recording import ReadError


def test_decompressed_skeletons_are_upstreams_to_the_bit(shared):
    golden = np.load(shared / "goldens/stgcn/pipelines_pyskl.npz")
    found = decompress(golden["decompress/keypoint"], golden["decompress/frame_inds"], most=2)  # of three
    assert found.dtype == np.float16
    assert found.shape[1] == golden["decompress/squeeze1_total_frames"]
    assert np.array_equal(found[..., :2], golden["decompress/squeeze1_keypoint"])
    assert np.array_equal(found[..., 2], golden["decompress/squeeze1_keypoint_score"])


def plain(skeletons, frames, most):
    """Return the same clip, frame by frame."""
    clips = []
    for frame in sorted(set(frames.tolist())):
        present = [skeleton.astype(np.float16) for skeleton, at in zip(skeletons, frames) if at == frame]
        clips.append(present)
    persons = max(map(len, clips))
    if persons > most:
        clips = [sorted(present, key=lambda skeleton: -skeleton[:, 2].sum()) for present in clips]
    clip = np.zeros((persons, len(clips), *skeletons.shape[1:]), np.float16)
    for frame, present in enumerate(clips):
        clip[: len(present), frame] = present
    return clip[:most]


@given(
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any),
    most=st.integers(1, 4),
    dtype=st.sampled_from([np.float16, np.float32]),
    seed=st.integers(0, 99),
)
def test_slots_are_filled_in_order_and_the_best_are_kept_where_there_are_too_many(counts, most, dtype, seed):
    skeletons, frames = draw_skeletons(np.random.default_rng(seed), counts)
    skeletons[:, :, 2] = np.round(skeletons[:, :, 2])  # so that sums are often equal
    found = decompress(skeletons.astype(dtype), frames, most)
    assert found.tobytes() == plain(skeletons, frames, most).tobytes()
    assert found.shape[1] == np.count_nonzero(counts)


def test_ten_persons_are_kept_of_a_frame():
    skeletons, frames = draw_skeletons(np.random.default_rng(0), [12, 3])
    found = decompress(skeletons, frames)
    sums = found[:, 0, :, 2].sum(axis=-1)
    assert len(found) == MOST == 10
    assert (np.diff(sums) <= 0).all()
    assert sums[-1] > np.sort(skeletons[:12, :, 2].sum(axis=-1))[1]


def test_a_share_of_valid_frames_is_of_all_frames():
    assert valid_share({"valid": {0.5: 3, 0.6: 1}, "total_frames": 12}, 0.5) == 0.25


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"total_frames": 5}, "valid is not a dictionary of box thresholds"),
        ({"total_frames": 5, "valid": {"0.5": 3}}, "valid is not a dictionary of box thresholds"),
        (
            {"total_frames": 5, "valid": {0.6: 3, 0.7: 2}},
            "counts no frames for data.box_threshold 0.5, only for 0.6, 0.7",
        ),
        ({"total_frames": 0, "valid": {0.5: 3}}, "total_frames is 0"),
        ({"total_frames": 5, "valid": {0.5: 3.5}}, "0.5 is 3.5, not a whole number"),
    ],
)
def test_a_share_of_valid_frames_that_cannot_be_known_is_said(item, message):
    with pytest.raises(ValueError, match=message):
        valid_share(item, 0.5)


@pytest.fixture
def tree(tmp_path):
    """Makes empty files, by their paths below the folder of an index, and returns the index."""

    def tree(*paths):
        for path in (tmp_path / "set" / each for each in ("index.pkl", *paths)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pickle.dumps({}))
        return tmp_path / "set" / "index.pkl"

    return tree


@pytest.mark.parametrize("place", ["0.pkl", "kpfiles/0.pkl", "../kpfiles/0.pkl"])
def test_files_are_found_beside_the_index_in_a_folder_of_it_or_in_one_beside_it(tree, place):
    index = tree(place)
    assert locate(["0.pkl"], index)["0.pkl"].resolve() == (index.parent / place).resolve()


def test_a_named_folder_counts_first_and_is_searched_whole(tree):
    index = tree("0.pkl", "../far/train/0.pkl", "../far/val/1.pkl")
    far = index.parent.parent / "far"
    assert locate(["0.pkl", "1.pkl"], index, [far]) == {"0.pkl": far / "train/0.pkl", "1.pkl": far / "val/1.pkl"}


def test_two_files_of_one_name_below_a_named_folder_are_refused(tree):
    index = tree("../far/train/0.pkl", "../far/val/0.pkl")
    with pytest.raises(UserError, match=r"far/val/0.pkl: also in .*far/train; give the folder of one of them"):
        locate(["0.pkl"], index, [index.parent.parent / "far"])


def test_files_that_are_nowhere_are_named_with_what_to_type(tree):
    index = tree("0.pkl", "deep/down/2.pkl")
    with pytest.raises(UserError) as caught:
        locate(["0.pkl", "1.pkl", "2.pkl"], index)
    assert str(caught.value) == (
        f"{index}: 2 of 3 files of skeletons are not beside it, such as 1.pkl; "
        f"name the folder they lie in, too: --raw {index} FOLDER"
    )


# --- clips of an index


def read(roots, part="k400-hrnet", **options):
    reader = AnnotationReader(**options)
    roots = roots if isinstance(roots, list) else [roots]
    return [clip for source in reader.scan(roots, part).sources for clip in reader.read(source)]


def draw(*names, files=1, **changes):
    rng = np.random.default_rng(0)
    return [draw_item(rng, name, n, file=f"{n % files}.pkl", **changes) for n, name in enumerate(names)]


SPLIT = {"train": ["a", "b"], "val": ["c"]}


def test_a_clip_is_its_skeletons_with_all_that_the_index_states(tmp_path):
    drawn = draw("a", "b", "c")
    path = save_index(tmp_path / "k400_hrnet.pkl", drawn, SPLIT)
    clips = read(path)
    for clip, (item, skeletons) in zip(clips, drawn, strict=True):
        assert clip.joints.dtype == np.float16
        assert clip.joints.tobytes() == decompress(skeletons, item["frame_inds"]).tobytes()
        assert clip.joints.shape == (2, 3, 17, 3)
    assert [(clip.name, clip.label, clip.splits) for clip in clips] == [
        ("a", 0, {"split": "train"}), ("b", 1, {"split": "train"}), ("c", 2, {"split": "eval"})
    ]  # fmt: skip
    assert {key: clips[0].columns[key] for key in ("height", "width", "persons", "source")} == {
        "height": 256, "width": 340, "persons": 2, "source": str(path)
    }  # fmt: skip


@pytest.mark.parametrize("persons", [1, 2, 5])
def test_the_first_slots_are_kept(tmp_path, persons):
    drawn = draw("a", counts=(3, 1))
    (clip,) = read(save_index(tmp_path / "k400_hrnet.pkl", drawn, {}), persons=persons)
    whole = decompress(drawn[0][1], drawn[0][0]["frame_inds"])
    assert np.array_equal(clip.joints[:3], whole[:persons])
    assert not clip.joints[3:].any()
    assert clip.columns["persons"] == 3


def test_one_file_of_skeletons_is_held_at_a_time(tmp_path, monkeypatch):
    path = save_index(tmp_path / "k400_hrnet.pkl", draw("a", "b", "c", "d", files=2), {})
    loaded = []
    monkeypatch.setattr(
        compressed, "load_pickle", lambda path, **how: loaded.append(path.name) or load_pickle(path, **how)
    )
    assert [clip.name for clip in read(path)] == ["a", "c", "b", "d"]  # by file, then as the index has them
    assert loaded == ["0.pkl", "1.pkl"]


def test_a_folder_holds_the_index_and_a_second_one_the_skeletons(tmp_path):
    drawn = draw("a", "b", files=2)
    index = save_index(tmp_path / "set" / "k400_hrnet.pkl", drawn, {"val": ["a", "gone"]}, tmp_path / "far" / "train")
    roots = [index.parent, tmp_path / "far"]
    assert [clip.name for clip in read(roots)] == ["a", "b"]
    assert AnnotationReader().scan(roots, "k400-hrnet").skipped == {ABSENT: ["gone"]}
    with pytest.raises(UserError, match="2 of 2 files of skeletons are not beside it, such as 0.pkl"):
        read(index.parent)


def test_the_writer_of_other_tests_writes_what_is_read(tmp_path):
    clips = read(write_compressed(tmp_path, np.random.default_rng(0), 400), persons=3)
    assert len(clips) == 8
    assert {clip.splits["split"] for clip in clips} == {"train", "eval"}


def test_a_source_is_another_when_the_index_or_its_skeletons_change(tmp_path):
    sizes = []
    for counts in [(1, 2), (2, 2)]:
        path = save_index(tmp_path / "k400_hrnet.pkl", draw("a", counts=counts), {})
        (source,) = AnnotationReader().scan([path], "k400-hrnet").sources
        sizes.append(source.size)
        assert source.size == path.stat().st_size + (tmp_path / "0.pkl").stat().st_size
    assert sizes[0] != sizes[1]


def test_clips_and_skeletons_below_the_thresholds_are_left_out(tmp_path):
    drawn = draw("a", "b", counts=(2, 1), box_score=np.array([0.75, 0.6, 0.8], np.float16), valid={0.5: 2, 0.75: 1})
    drawn[0][0]["valid"] = {0.5: 2, 0.75: 2}
    path = save_index(tmp_path / "k400_hrnet.pkl", drawn, {})
    reader = AnnotationReader(valid_ratio=0.75, box_threshold=0.75)
    scan = reader.scan([path], "k400-hrnet")
    assert scan.skipped == {"with a box of score 0.75 in less than 0.75 of their frames": ["b"]}
    (clip,) = [clip for source in scan.sources for clip in reader.read(source)]
    assert clip.columns["persons"] == 1
    assert np.array_equal(clip.joints[0], drawn[0][1][[0, 2]])
    assert len(read(path, box_threshold=0.75)) == 2  # no filter without a ratio, as upstream
    with pytest.raises(UserError, match=r"all clips are left out: with a box of score 0.5 in less than 1 of their"):
        read(save_index(tmp_path / "k400_hrnet.pkl", draw("a", valid={0.5: 1}), {}), valid_ratio=1)


def test_an_unknown_threshold_names_the_clip(tmp_path):
    path = save_index(tmp_path / "k400_hrnet.pkl", draw("a"), {})
    with pytest.raises(
        UserError, match=r"clip 0 \(a\): valid counts no frames for data.box_threshold 0.55, only for 0.5,"
    ):
        read(path, valid_ratio=0.5, box_threshold=0.55)


# --- what is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_inds": None}, "frame_inds is absent"),
        ({"frame_inds": np.arange(3)}, "frame_inds is of 3 skeletons, but keypoint has 4"),
        ({"frame_inds": np.arange(4.0)}, r"frame_inds is float64 (4,), but 1 dimension of whole numbers were expected"),
        ({"frame_inds": np.array([0, 2, 1, 3])}, "frame_inds does not ascend"),
        ({"frame_inds": np.array([3, 2, 1, 0], np.uint8)}, "frame_inds does not ascend"),
        ({"frame_inds": np.array([0, 1, 2, 4])}, "frame_inds goes from 0 to 4, but total_frames is 4"),
        ({"frame_inds": np.array([-1, 1, 2, 3])}, "frame_inds goes from -1 to 3, but total_frames is 4"),
        ({"total_frames": None}, "total_frames is 'absent', not a whole number"),
        ({"label": -1}, "label is -1; labels count from 0"),
        ({"img_shape": 256}, "img_shape is not (height, width)"),
    ],
)  # fmt: skip
def test_a_broken_clip_is_refused_alone(tmp_path, changes, message):
    rng = np.random.default_rng(0)
    drawn = [draw_item(rng, "good", 0), draw_item(rng, "bad", 1, **changes)]
    assert refusal(save_index(tmp_path / "k400_hrnet.pkl", drawn, {})) == message


def refusal(path, **options):
    """Read two clips, of which the second is refused, and return the reason."""
    reader = AnnotationReader(**options)
    good, bad = reader.scan([path], "k400-hrnet").sources
    assert len(list(reader.read(good))) == 1
    with pytest.raises(ReadError) as caught:
        list(reader.read(bad))
    start, _, reason = str(caught.value).partition(": clip 1 (bad): ")
    assert start == str(path)
    return reason


@pytest.mark.parametrize(
    ("skeletons", "message"),
    [
        (np.zeros((4, 18, 3), "f2"), "its skeletons are (4, 18, 3), but (S, 17, 3: x y score) was expected"),
        (np.zeros((4, 17, 2), "f2"), "its skeletons are (4, 17, 2), but (S, 17, 3: x y score) was expected"),
        (np.zeros((4, 17, 3), int), "keypoint is int64 (4, 17, 3), but 3 dimensions of floats were expected"),
        (np.full((4, 17, 3), np.nan), "keypoint holds values that are not finite"),
        (np.full((4, 17, 3), 7e4), "its skeletons hold values that float16 cannot hold"),
        (np.zeros((3, 17, 3), "f2"), "frame_inds is of 4 skeletons, but keypoint has 3"),
        ([1.0], "keypoint is a list, not an array"),
    ],
)
def test_broken_skeletons_are_refused_alone(tmp_path, skeletons, message):
    (good, bad) = draw("good", "bad")
    assert refusal(save_index(tmp_path / "k400_hrnet.pkl", [good, (bad[0], skeletons)], {})) == message


def test_a_clip_without_skeletons_is_refused_with_the_reason(tmp_path):
    rng = np.random.default_rng(0)
    empty = draw_item(rng, "bad", 1, counts=(0, 0))
    path = save_index(tmp_path / "k400_hrnet.pkl", [draw_item(rng, "good", 0), empty], {})
    assert refusal(path) == "has no skeleton"
    weak = draw_item(rng, "bad", 1, box_score=np.full(4, 0.4, "f2"), valid={0.5: 4})
    path = save_index(tmp_path / "k400_hrnet.pkl", [draw_item(rng, "good", 0), weak], {})
    assert refusal(path, valid_ratio=0.5) == "has no skeleton with a box_score from 0.5"


@pytest.mark.parametrize("scores", [None, np.ones(3, "f2")])
def test_box_scores_that_do_not_fit_are_refused_where_they_count(tmp_path, scores):
    rng = np.random.default_rng(0)
    drawn = [draw_item(rng, "good", 0), draw_item(rng, "bad", 1, box_score=scores, valid={0.5: 4})]
    path = save_index(tmp_path / "k400_hrnet.pkl", drawn, {})
    reason = "box_score is absent" if scores is None else "box_score is of 3 skeletons, but keypoint has 4"
    assert refusal(path, valid_ratio=0.5) == reason
    assert len(read(path)) == 2


def test_a_clip_that_the_file_of_skeletons_lacks_is_refused_alone(tmp_path):
    path = save_index(tmp_path / "k400_hrnet.pkl", draw("good", "bad"), {})
    content = pickle.loads((tmp_path / "0.pkl").read_bytes())
    (tmp_path / "0.pkl").write_bytes(pickle.dumps({"good": content["good"]}))
    assert refusal(path) == f"{tmp_path / '0.pkl'} has no skeletons of bad"


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_damaged_file_of_skeletons_ends_the_reading_in_one_line(tmp_path):
    path = save_index(tmp_path / "k400_hrnet.pkl", draw("a"), {})
    whole = (tmp_path / "0.pkl").read_bytes()
    harm = tmp_path / "harm"
    for content, message in [
        (whole[:-50], "not a pickle, or a damaged one"),
        (pickle.dumps([1]), "holds a list; expected a pickle of skeletons: frame_dir -> {keypoint}; fetch it again"),
        (pickle.dumps(Malicious(harm)), "which is not allowed in a pickle; expected a pickle of skeletons"),
    ]:
        (tmp_path / "0.pkl").write_bytes(content)
        with pytest.raises(UserError) as caught:
            read(path)
        assert not isinstance(caught.value, ReadError)
        assert str(caught.value).startswith(f"{tmp_path / '0.pkl'}: ")
        assert message in str(caught.value)
    assert not harm.exists()


@pytest.mark.parametrize("stated", [None, 3, "", "/"])
def test_an_item_without_a_file_of_skeletons_is_refused(tmp_path, stated):
    path = save_index(tmp_path / "k400_hrnet.pkl", draw("a", "b"), {})
    content = pickle.loads(path.read_bytes())
    content["annotations"][1]["raw_file"] = stated
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match="annotation 1 has no raw_file, so its skeletons cannot be found"):
        read(path)


def test_an_index_needs_a_layout_with_a_score(tmp_path):
    path = save_index(tmp_path / "k400_hrnet.pkl", draw("a"), {})
    with pytest.raises(UserError, match="an index of 2D skeletons; set data.layout: coco-17 and data.channels: xys"):
        read(path, layout="ntu-pyskl")
