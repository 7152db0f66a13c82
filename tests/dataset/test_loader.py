"""Batches: what the padded arrays hold, wherever the rows lie; order and randomness that can be taken up again."""

import itertools
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import config
import initializer
from dataset import frame_table
from dataset.augment import fit_into_box
from dataset.augment_linear import Flip, Rotate, RotateAxes, Scale
from dataset.frame_table import FrameTable
from dataset.layouts import load_layout
from dataset.loader import Clips, Loader, Order, Pipeline, TrainLoader, balanced_weights
from dataset.memory import part_of
from dataset.packing import LOOP, pack, unpack
from dataset.sampling import First, Uniform, Window
from dataset.splits import load_benchmark, select
from dataset.store import Part, open_part
from dataset.streams import build_streams
from initializer.data import make_loader, open_data
from utils.errors import UserError

CPU = torch.device("cpu")
FRAMES = 8


@pytest.fixture(scope="module")
def stores(tmp_path_factory, write_raw, generate):
    """A store with parts ntu60 of 11 clips and ntu120 of 7, in both variants."""
    folder = tmp_path_factory.mktemp("loader")
    write_raw(folder / "raw/a", 11)
    write_raw(folder / "raw/b", 7, setup=20)
    generate("2003", folder / "store", folder / "raw", overrides=["data.variant=transformed"])
    return folder / "store"


@pytest.fixture(params=["resident", "mapped"])
def where(request, monkeypatch):
    """Has the rows on the device, or on the disk."""
    if request.param == "mapped":
        monkeypatch.setattr(frame_table, "free_bytes", lambda device: 0)
    return request.param


def open_clips(store, parts=("ntu60",), variant="original", chosen=None, persons=2):
    opened = [open_part(store / name, variant) for name in parts]
    chosen = chosen or [np.arange(len(part)) for part in opened]
    return Clips(FrameTable(opened, CPU), opened, chosen, persons)


def dense(store, part, variant, frames):
    """Return all clips of a part (N, C, T, V, M), the slow way."""
    part = open_part(store / part, variant)
    rows = zip(part.spans, part.frames.tolist())
    return np.stack([unpack(part.coordinates, *each, frames) for each in rows]).transpose(0, 4, 2, 3, 1)


def seen(clips, index, frames):
    """Return joints and lengths of the first `frames` frames."""
    return clips.joints(index, First(frames).test(clips.frames[index], 1)[:, 0])


def plain(clips, batch_size=4):
    """Return a loader whose only stream is the joints."""
    return Loader(clips, Pipeline(First(FRAMES), lambda joints, _: joints[:, None]), batch_size)


def training(clips, batch_size=4, seed=1, **order):
    pipeline = Pipeline(First(FRAMES), lambda joints, _: joints[:, None], augment=[Rotate(30), Rotate(10)])
    return TrainLoader(clips, pipeline, batch_size, seed, Order(len(clips), **order))


# --- joints


@pytest.mark.parametrize(("number", "variant"), [("2001", "original"), ("2002", "transformed")])
@pytest.mark.usefixtures("where")
def test_joints_equal_the_padded_arrays_of_the_original(tmp_path, goldens, generate, number, variant):
    generate(number, tmp_path, goldens / "data/skeletons")
    benchmark = load_benchmark("ntu-xsub")
    part = open_part(tmp_path / "ntu60", variant)
    for split in ("train", "eval"):
        expected = np.load(goldens / f"data/npy_dataset/{variant}/ntu-xsub/{split}_data.npy")[:, :, :288]
        clips = open_clips(tmp_path, variant=variant, chosen=[select(part, benchmark, split)])
        joints, _ = seen(clips, torch.arange(len(clips)), 288)
        assert joints.dtype == torch.float32
        assert joints.numpy().tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize("frames", [3, 5, 8, 310])
@pytest.mark.parametrize("variant", ["original", "transformed"])
@pytest.mark.usefixtures("where")
def test_clips_are_cut_or_padded_to_the_frames_asked_for(stores, variant, frames):
    clips = open_clips(stores, variant=variant)
    found, _ = seen(clips, torch.arange(11), frames)
    assert found.numpy().tobytes() == np.ascontiguousarray(dense(stores, "ntu60", variant, frames)).tobytes()


@pytest.mark.usefixtures("where")
def test_parts_follow_each_other(stores):
    clips = open_clips(stores, ("ntu120", "ntu60"))
    assert [name[:4] for name in clips.names] == ["S020"] * 7 + ["S001"] * 11
    index = torch.tensor([17, 0, 6, 7, 3])
    expected = np.concatenate([dense(stores, part, "original", FRAMES) for part in ("ntu120", "ntu60")])
    assert np.array_equal(seen(clips, index, FRAMES)[0].numpy(), expected[index])
    assert clips.labels[index].tolist() == [int(clips.names[n][-3:]) - 1 for n in index]


@pytest.mark.usefixtures("where")
def test_a_choice_of_clips_keeps_its_order(stores):
    clips = open_clips(stores, ("ntu60", "ntu120"), chosen=[np.array([9, 2]), np.array([5])])
    every = open_clips(stores, ("ntu60", "ntu120"))
    assert clips.names.tolist() == every.names[[9, 2, 16]].tolist()
    expected = seen(every, torch.tensor([9, 2, 16]), FRAMES)
    found = seen(clips, torch.arange(3), FRAMES)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


@pytest.mark.usefixtures("where")
def test_a_part_may_have_no_clip_of_a_split(stores):
    nothing = np.array([], np.int64)
    clips = open_clips(stores, ("ntu60", "ntu120"), chosen=[nothing, np.array([1])])
    assert np.array_equal(seen(clips, torch.tensor([0]), 5)[0], dense(stores, "ntu120", "original", 5)[[1]])


@pytest.mark.usefixtures("where")
def test_fewer_persons_are_the_first_ones(stores):
    clips = open_clips(stores, persons=1)
    joints, lengths = seen(clips, torch.arange(11), FRAMES)
    assert np.array_equal(joints, dense(stores, "ntu60", "original", FRAMES)[..., :1])
    assert lengths.shape == (11, 1)


@pytest.mark.usefixtures("where")
def test_lengths_say_behind_which_frame_a_person_is_padding(stores):
    joints, lengths = seen(open_clips(stores), torch.arange(11), FRAMES)
    there = (joints != 0).any(dim=1).any(dim=2)  # (N, T, M)
    assert torch.equal(lengths, (there * torch.arange(1, FRAMES + 1)[:, None]).amax(dim=1))
    assert (lengths[:, 1] == 0).any()  # absent


@pytest.mark.usefixtures("where")
def test_a_looped_person_is_never_padding_and_an_absent_one_always(stores):
    joints, lengths = seen(open_clips(stores, variant="transformed"), torch.arange(11), FRAMES)
    absent = ~(joints != 0).any(dim=1).any(dim=1).any(dim=1)  # (N, M)
    assert 0 < absent.sum() < 11
    assert torch.equal(lengths, torch.where(absent, 0, FRAMES))


def test_lengths_do_not_go_beyond_the_frames_asked_for(stores):
    _, lengths = seen(open_clips(stores), torch.arange(11), 3)
    assert lengths.max() == 3


def test_an_epoch_from_the_disk_equals_one_from_memory(stores, monkeypatch):
    parts = "ntu60", "ntu120"
    resident = open_clips(stores, parts, "transformed")
    monkeypatch.setattr(frame_table, "free_bytes", lambda device: 0)
    mapped = open_clips(stores, parts, "transformed")
    assert (resident.table.resident is None, mapped.table.resident is None) == (False, True)
    assert_same(epoch(training(resident)), epoch(training(mapped)))


def test_names_are_read_when_they_are_asked_for(stores, monkeypatch):
    clips = open_clips(stores)
    expected = open_part(stores / "ntu60", "original").names
    asked = []
    monkeypatch.setattr(Part, "names", property(lambda part: asked.append(part) or expected))
    epoch(training(clips))
    assert not asked
    assert clips.names.tolist() == clips.names.tolist() == expected.tolist()
    assert len(asked) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.usefixtures("where")
def test_a_gpu_gathers_the_same_joints(stores):
    part = open_part(stores / "ntu60", "transformed")
    clips = Clips(FrameTable([part], torch.device("cuda")), [part], [np.arange(11)], 2)
    joints, _ = seen(clips, torch.arange(11), FRAMES)
    assert joints.device.type == "cuda"
    assert np.array_equal(joints.cpu(), dense(stores, "ntu60", "transformed", FRAMES))


# --- the loader that evaluates


@pytest.mark.parametrize("batch_size", [1, 4, 11, 50])
def test_every_clip_comes_once_in_order(stores, batch_size):
    clips = open_clips(stores)
    batches = plain(clips, batch_size)
    found = list(batches)
    assert len(found) == len(batches) == -(-11 // batch_size)
    assert torch.cat([batch.index for batch in found]).tolist() == list(range(11))
    assert torch.equal(torch.cat([batch.labels for batch in found]), clips.labels)
    joints, lengths = seen(clips, torch.arange(11), FRAMES)
    assert torch.equal(torch.cat([batch.streams for batch in found])[:, 0], joints)
    assert torch.equal(torch.cat([batch.lengths for batch in found]), lengths)
    assert batches.names is clips.names


def test_a_second_pass_gives_the_same(stores):
    batches = plain(open_clips(stores))
    first, second = (torch.cat([batch.streams for batch in batches]) for _ in range(2))
    assert torch.equal(first, second)


# --- the loader that trains


def epoch(batches):
    """Return what is left of the epoch: indices and streams."""
    found = list(batches)
    return [batch.index.tolist() for batch in found], [batch.streams for batch in found]


def assert_same(first, second):
    assert first[0] == second[0]
    assert len(first[1]) == len(second[1])
    assert all(torch.equal(a, b) for a, b in zip(*(each[1] for each in (first, second)), strict=True))


def test_the_last_incomplete_batch_is_dropped(stores):
    batches = training(open_clips(stores))
    index, streams = epoch(batches)
    assert (len(batches), len(index)) == (2, 2)
    assert len({n for each in index for n in each}) == 8
    assert all(len(each) == 4 for each in streams)


def test_each_epoch_has_another_order_and_each_seed_too(stores):
    batches = training(open_clips(stores))
    first = epoch(batches)
    batches.start_epoch()
    second = epoch(batches)
    assert first[0] != second[0]
    assert epoch(training(open_clips(stores), seed=2))[0] not in (first[0], second[0])
    assert_same(first, epoch(training(open_clips(stores))))


def test_over_epochs_every_clip_is_seen(stores):
    batches, seen = training(open_clips(stores)), set()
    for _ in range(10):
        seen |= {n for each in epoch(batches)[0] for n in each}
        batches.start_epoch()
    assert seen == set(range(11))


def test_joints_are_augmented_before_the_streams_each_time_anew(stores):
    clips = open_clips(stores)
    batches = training(clips, 11)
    first = next(iter(batches))
    batches.start_epoch()
    second = next(iter(batches))
    given = seen(clips, first.index, FRAMES)[0]
    assert torch.equal(first.streams[:, 0, 1], given[:, 1])  # heights
    assert not torch.allclose(first.streams[:, 0, 0], given[:, 0])
    back = torch.argsort(first.index), torch.argsort(second.index)
    assert not torch.allclose(first.streams[back[0]], second.streams[back[1]])


@pytest.mark.parametrize("done", [0, 1, 2, 3, 5])
def test_taking_up_an_epoch_gives_the_same_rest_and_the_same_epochs_after_it(stores, done):
    clips = open_clips(stores, ("ntu60", "ntu120"))  # 18 clips: 6 batches of 3
    batches = training(clips, 3)
    epoch(batches)
    batches.start_epoch()
    running = iter(batches)
    for _ in range(done):
        next(running)
    state = {key: value.clone() if torch.is_tensor(value) else value for key, value in batches.state().items()}
    left = list(running)
    rest = [[batch.index.tolist() for batch in left], [batch.streams for batch in left]]
    batches.start_epoch()
    later = epoch(batches)

    resumed = training(clips, 3, seed=99)
    resumed.restore(state)
    assert_same(rest, epoch(resumed))
    assert len(rest[0]) == 6 - done
    resumed.start_epoch()
    assert_same(later, epoch(resumed))


def test_a_state_taken_at_the_end_of_an_epoch_leads_into_the_next(stores):
    clips = open_clips(stores)
    batches = training(clips)
    epoch(batches)
    state = batches.state()
    batches.start_epoch()
    expected = epoch(batches)
    resumed = training(clips, seed=99)
    resumed.restore(state)
    assert epoch(resumed) == ([], [])
    resumed.start_epoch()
    assert_same(expected, epoch(resumed))
    resumed.restore(state)
    resumed.start_epoch()  # a run stopped before its evaluation has nothing left to iterate over
    assert_same(expected, epoch(resumed))


def test_a_state_holds_tensors_and_plain_numbers_only(stores):
    state = training(open_clips(stores)).state()
    assert {type(value) for value in state.values()} == {torch.Tensor, int}


def test_a_split_smaller_than_a_batch_says_what_to_type(stores):
    with pytest.raises(UserError, match=r"train.batch_size: 12 clips a batch, but .* has 11; --set train.batch_size=5"):
        training(open_clips(stores), 12)
    assert len(training(open_clips(stores), 11)) == 1


# --- batches that are made ahead, as where rows travel to a GPU; here without one


@pytest.mark.parametrize("done", [0, 1, 4, 6])
@pytest.mark.usefixtures("where")
def test_batches_made_ahead_are_the_same_and_so_is_the_state_that_is_saved(stores, done):
    clips = open_clips(stores, ("ntu60", "ntu120"))  # 18 clips: 6 batches of 3
    expected, batches = training(clips, 3), training(clips, 3)
    first, state = [], None
    for batch in itertools.islice(expected, done):
        first.append(batch)
    state = expected.state()
    rest = epoch(expected)
    expected.start_epoch()

    clips.table.travels = True
    running = list(itertools.islice(batches, done))
    assert [batch.index.tolist() for batch in running] == [batch.index.tolist() for batch in first]
    assert all(torch.equal(a.streams, b.streams) for a, b in zip(running, first, strict=True))
    found = batches.state()
    assert found["at"] == state["at"] == done
    assert torch.equal(found["order"], state["order"])
    assert torch.equal(found["augment"], state["augment"])
    assert_same(rest, epoch(batches))  # another iterator takes up what the first one left
    batches.start_epoch()
    clips.table.travels = False
    assert_same(epoch(expected), epoch(batches))


@pytest.mark.usefixtures("where")
def test_an_evaluation_ahead_is_the_same(stores):
    clips = open_clips(stores)
    expected = epoch(plain(clips))
    clips.table.travels = True
    assert_same(expected, epoch(plain(clips)))


def test_an_epoch_left_early_is_left_where_it_stood(stores):
    """Whatever was made ahead is made again, with the same draws, and the next epoch begins from there."""
    clips = open_clips(stores, ("ntu60", "ntu120"))
    expected, batches = training(clips, 3), training(clips, 3)
    list(itertools.islice(expected, 2))
    expected.start_epoch()
    clips.table.travels = True
    list(itertools.islice(batches, 2))
    batches.start_epoch()
    assert_same(epoch(expected), epoch(batches))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gets_the_same_batches_one_ahead(stores, monkeypatch):
    part = open_part(stores / "ntu60", "original")
    expected = epoch(training(open_clips(stores), 2))
    monkeypatch.setattr(frame_table, "free_bytes", lambda device: 0)
    clips = Clips(FrameTable([part], torch.device("cuda")), [part], [np.arange(11)], 2)
    assert clips.table.travels
    found = epoch(training(clips, 2))
    assert found[0] == expected[0]
    for theirs, ours in zip(expected[1], found[1], strict=True):
        torch.testing.assert_close(ours.cpu(), theirs)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.usefixtures("where")
def test_a_batch_that_is_kept_stays_as_it_was(stores, ahead):
    clips = open_clips(stores)
    clips.table.travels = ahead
    batches = Loader(clips, Pipeline(First(FRAMES), lambda joints, _: STREAMS(joints, "JVB")), 2)
    kept, copies = [], []
    for batch in batches:
        kept.append(batch.pieces(2)[0].streams)  # part of a batch, as in training
        copies.append(kept[-1].clone())
    assert len(kept) == 6
    assert all(torch.equal(a, b) for a, b in zip(kept, copies, strict=True))
    assert not torch.equal(kept[0], kept[1])


# --- orders


@pytest.mark.parametrize("repeat", [1, 3, 5])
def test_an_epoch_goes_over_every_clip_as_often_as_asked(stores, repeat):
    batches = training(open_clips(stores), 11, repeat=repeat)
    index, streams = epoch(batches)
    assert len(batches) == len(streams) == repeat
    assert sorted(n for each in index for n in each) == sorted(list(range(11)) * repeat)
    assert [sorted(each) for each in index] != [list(range(11))] * repeat or repeat == 1  # one shuffle, not several


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("done", [0, 4, 9])
def test_every_order_is_taken_up_to_the_bit(stores, balanced, done):
    clips = open_clips(stores)
    order = {"weights": balanced_weights(clips.labels)} if balanced else {"repeat": 3}
    batches = training(clips, 1 if balanced else 3, **order)  # 11 batches an epoch
    running = iter(batches)
    for _ in range(done):
        next(running)
    state = {key: value.clone() if torch.is_tensor(value) else value for key, value in batches.state().items()}
    rest = epoch(batches)
    batches.start_epoch()
    resumed = training(clips, 1 if balanced else 3, seed=99, **order)
    resumed.restore(state)
    assert_same(rest, epoch(resumed))
    resumed.start_epoch()
    assert_same(epoch(batches), epoch(resumed))


def test_balanced_draws_take_every_class_that_is_present_equally_often():
    labels = torch.tensor([0] * 90 + [2] * 9 + [5])
    order = Order(100, repeat=300, weights=balanced_weights(labels))
    drawn = labels[order.draw(torch.Generator().manual_seed(0))]
    counts = torch.bincount(drawn, minlength=6)
    assert counts.sum() == len(order) == 30_000
    assert counts[[1, 3, 4]].tolist() == [0, 0, 0]
    assert (counts[[0, 2, 5]] - 10_000).abs().max() < 400  # five standard deviations


# --- frames: test clips, zeros, and the frames behind them


NTU = load_layout("ntu")
STREAMS = partial(build_streams, centre=NTU.centre, parents=torch.tensor(NTU.parents))


def channels(name, sampler, **options):
    """Return a pipeline with one stream of PYSKL's."""
    return Pipeline(sampler, lambda joints, ahead: STREAMS(joints, [name], ahead=ahead), **options)


def full_rate(joints, name):
    """Return a stream of whole clips (N, C, T, V, M), the plain way: computed at the full rate."""
    if "b" in name:
        joints = joints - joints[:, :, :, list(NTU.parents)]
    if "m" in name:
        joints = np.concatenate([np.diff(joints, axis=2), np.zeros_like(joints[:, :, :1])], axis=2)
    return joints


@pytest.fixture(scope="module")
def half_store(tmp_path_factory):
    """A store with a 3D part of four clips of 5, 9, 12 and 30 frames, in float16."""
    folder, rng = tmp_path_factory.mktemp("half"), np.random.default_rng(4)
    clips = {f"S001C001P001R001A{n:03d}": rng.normal(size=(1 + n % 2, n, 25, 3)) for n in (5, 9, 12, 30)}
    write_annotations(folder / "raw.pkl", {name: {"keypoint": joints} for name, joints in clips.items()})
    return folder


def write_annotations(path, items):
    """Write PYSKL's file of these clips, all of them in xsub_train."""
    annotations = [
        {"frame_dir": name, "label": n, "total_frames": item["keypoint"].shape[1]}
        | {key: value if key == "img_shape" else value.astype(np.float16) for key, value in item.items()}
        for n, (name, item) in enumerate(items.items())
    ]
    path.write_bytes(pickle.dumps({"split": {"xsub_train": list(items)}, "annotations": annotations}))


@pytest.mark.parametrize("name", ["j", "b", "jm", "bm"])
@pytest.mark.parametrize("variant", ["original", "transformed"])
@pytest.mark.usefixtures("where")
def test_sampled_streams_are_those_of_the_full_rate(stores, name, variant):
    """Also where a person repeats to the clip's end, and at the last frame, behind which there is none."""
    part, clips = open_part(stores / "ntu60", variant), open_clips(stores, variant=variant)
    assert part.spans[..., LOOP].any() == (variant == "transformed")
    rng, index = np.random.default_rng(0), torch.tensor([3, 10, 4, 0])
    for frames in (5, 300):  # beyond a clip's end, too: zeros
        t = torch.from_numpy(rng.integers(-1, frames, (4, 2, 40)))
        t[:, 0, 0] = clips.frames[index] - 1
        t[:, 1, :2] = torch.tensor([-1, frames])
        batch = channels(name, First(40), looks_ahead="m" in name).run(clips, index, t)
        for n, clip in enumerate(index.tolist()):
            count = int(clips.frames[clip])
            whole = full_rate(dense(stores, "ntu60", variant, count)[[clip]], name)[0]
            padded = np.pad(whole, ((0, 0), (0, frames + 1), (0, 0), (0, 0)))
            expected = padded[:, np.where(t[n] < 0, count, t[n])].transpose(1, 0, 2, 3, 4)  # (S, C, L, V, M)
            found = batch.streams.unflatten(0, (4, 2))[n, :, 0].numpy()
            np.testing.assert_allclose(found, expected, atol=1e-6)
            assert not found.swapaxes(1, 2)[t[n] < 0].any()


@pytest.mark.parametrize("name", ["j", "b", "jm", "bm"])
@pytest.mark.usefixtures("where")
def test_rows_in_float16_give_streams_in_float32(half_store, generate, name):
    generate("3001", half_store / "store", half_store / "raw.pkl", overrides=["data.variant=original"])
    part = open_part(half_store / "store/ntu60-3d", "original")
    assert part.coordinates.dtype == np.float16
    clips = open_clips(half_store / "store", ("ntu60-3d",))
    assert clips.table.resident is None or clips.table.resident.dtype == torch.float16
    batch = next(iter(Loader(clips, channels(name, First(30), looks_ahead="m" in name), 4)))
    assert batch.streams.dtype == torch.float32
    for n, count in enumerate(clips.frames.tolist()):
        whole = dense(half_store / "store", "ntu60-3d", "original", count)[[n]].astype(np.float32)
        np.testing.assert_allclose(batch.streams[n, 0, :, :count], full_rate(whole, name)[0], atol=1e-6)
        assert not batch.streams[n, 0, :, count:].any()


@pytest.mark.parametrize("sampler", [Uniform(6), Window(4)])
@pytest.mark.usefixtures("where")
def test_test_clips_of_a_clip_follow_each_other(stores, sampler):
    clips = open_clips(stores)
    (batch,) = Loader(clips, channels("bm", sampler, looks_ahead=True, clips=3), 11)
    assert (len(batch), len(batch.streams), len(batch.lengths)) == (11, 33, 33)
    t = sampler.test(clips.frames, 3)
    for s in range(3):
        one = channels("bm", sampler, looks_ahead=True).run(clips, torch.arange(11), t[:, [s]])
        assert torch.equal(batch.streams[s::3], one.streams)
        assert torch.equal(batch.lengths[s::3], one.lengths)
    assert not torch.equal(batch.streams[0::3], batch.streams[1::3])


# --- augmentations and the frames behind


@pytest.mark.parametrize("name", ["j", "b", "jm", "bm"])
@pytest.mark.parametrize("augment", [RotateAxes((90, 90, 90)), Scale(0.5), Flip(1.0, pairs=NTU.pairs)])
def test_a_frame_and_the_one_behind_it_are_augmented_alike(stores, name, augment):
    """A linear map of the joints is that of their bones and motions; with two draws it would not be."""
    clips, index = open_clips(stores), torch.arange(11)
    t = Uniform(6).test(clips.frames, 1)
    augmented = channels(name, First(6), looks_ahead="m" in name, augment=[augment])
    found = augmented.run(clips, index, t, torch.Generator().manual_seed(3)).streams[:, 0]
    plain = augmented.run(clips, index, t).streams[:, 0]
    drawn = augment.draw(plain.shape, torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, augment.apply(plain, drawn), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, plain, atol=1e-2)


# --- what follows augmentation


def test_the_box_is_fitted_after_augmentation_and_in_the_test_too(stores):
    clips, index = open_clips(stores), torch.arange(11)
    t = Uniform(6).test(clips.frames, 1)
    boxed = channels("j", First(6), augment=[Scale(0.5)], normalise=partial(fit_into_box, axes=3))
    for generator in (None, torch.Generator().manual_seed(3)):
        reach = boxed.run(clips, index, t, generator).streams.amax(dim=(1, 3, 4, 5))
        torch.testing.assert_close(reach, torch.ones_like(reach))


def test_motions_are_differences_within_one_box(stores):
    clips, index = open_clips(stores), torch.arange(11)
    t = Uniform(6).test(clips.frames, 1)
    joints = channels("j", First(6)).run(clips, index, t).streams
    size = (joints.amax(dim=(3, 4, 5)) - joints.amin(dim=(3, 4, 5)))[:, :, :, None, None, None]
    plain = channels("jm", First(6), looks_ahead=True)
    boxed = replace(plain, normalise=partial(fit_into_box, axes=3))
    found, expected = (each.run(clips, index, t).streams for each in (boxed, plain))
    whole = (joints != 0).any(dim=2).flatten(1).all(dim=1)  # nobody comes or goes, whose place would stay zero
    assert whole.any()
    torch.testing.assert_close(found[whole], (2 * expected / size)[whole], atol=1e-6, rtol=1e-6)


# --- the whole way, against upstream's: reader, generator, store, loader


def first_batch(store, number, split, *overrides, clips=1):
    experiment = config.load(number, overrides)
    data = open_data(experiment, initializer.Machine(store, store, device="cpu"), [split])
    (batch,) = make_loader(experiment, data, split, trains=False, clips=clips)
    return data.splits[split], batch


@pytest.mark.parametrize("stream", ["j", "bm"])
@pytest.mark.parametrize(
    ("number", "file", "variant"),
    [("3005", "hrnet", "prenormalized-2d-0.3"), ("3001", "3danno", "prenormalized")],  # the goldens are by PYSKL 0.3
)
@pytest.mark.usefixtures("where")
def test_annotation_files_give_upstreams_batches(tmp_path, shared, generate, number, file, variant, stream):
    folder, overrides = shared / "goldens/stgcn", (f"data.variant={variant}", f"input.streams={stream}")
    generate(number, tmp_path, folder / f"mini_ntu60_{file}.pkl", overrides=overrides)
    with np.load(folder / "mini_ntu60_expected.npz") as golden:
        for split, subset in (("train", "train"), ("eval", "val")):
            clips, batch = first_batch(tmp_path, number, split, *overrides)
            names, labels, joints = (
                golden[f"{file}/{stream}/xsub_{subset}/{key}"] for key in ("names", "labels", "keypoint")
            )
            assert clips.names.tolist() == names.tolist()
            assert batch.labels.tolist() == labels.tolist()
            assert batch.streams.shape == (len(names), 1, 3, 100, joints.shape[4], 2)
            np.testing.assert_allclose(batch.streams[:, 0], joints[:, 0].transpose(0, 4, 2, 3, 1), atol=1e-6)
            if (file, split) == ("hrnet", "train"):
                assert len(Order(len(clips), repeat=5)) == golden["hrnet/repeat_len"]


@pytest.mark.parametrize("stream", ["j", "b", "jm", "bm"])
@pytest.mark.parametrize(
    ("number", "kind", "cases", "variant"),
    [
        ("3001", "ntu3d", ["two_fp16", "swap_fp16", "one_fp16"], "prenormalized"),
        ("3005", "coco2d", ["two", "one", "three"], "prenormalized-2d-0.3"),
    ],
)
def test_every_stream_and_its_test_clips_are_upstreams(  # noqa: PLR0913
    tmp_path, shared, generate, number, kind, cases, variant, stream
):
    overrides = [f"data.variant={variant}", f"input.streams={stream}"]
    with np.load(shared / "goldens/stgcn/pipelines_pyskl.npz") as golden:
        write_annotations(tmp_path / "raw.pkl", {case: golden_clip(golden, f"{kind}/{case}") for case in cases})
        generate(number, tmp_path / "store", tmp_path / "raw.pkl", overrides=overrides)
        counts = {
            int(key.rpartition("clips")[2]) for key in golden if key.startswith(f"{kind}/{cases[0]}/pipe_{stream}_")
        }
        assert 1 in counts
        for count in counts:
            _, batch = first_batch(tmp_path / "store", number, "train", *overrides, clips=count)
            for n, case in enumerate(cases):
                expected = golden[f"{kind}/{case}/pipe_{stream}_clips{count}"].transpose(0, 4, 2, 3, 1)
                np.testing.assert_allclose(batch.streams[n * count : (n + 1) * count, 0], expected, atol=1e-6)


def golden_clip(golden, case):
    """Return what a file holds of the raw clip of a golden."""
    if f"{case}/raw" in golden:
        return {"keypoint": golden[f"{case}/raw"]}
    height, width = golden[f"{case}/img_shape"].tolist()
    return {
        "keypoint": golden[f"{case}/raw_keypoint"],
        "keypoint_score": golden[f"{case}/raw_score"],
        "img_shape": (height, width),
    }


def test_pose_normalized_files_give_mmactions_batches_to_the_bit(tmp_path, shared, generate):
    folder = shared / "goldens/stgcn"
    overrides = ["data.variant=pose-normalized", "input.frames=300", "input.sampling={name: loop}", "test.clips=1"]
    with np.load(folder / "pipelines_pyskl.npz") as golden:
        write_annotations(
            tmp_path / "raw.pkl", {case: golden_clip(golden, f"coco2d/{case}") for case in ("two", "one")}
        )
    generate("3005", tmp_path / "store", tmp_path / "raw.pkl", overrides=overrides)
    _, batch = first_batch(tmp_path / "store", "3005", "train", *overrides)
    with np.load(folder / "pipelines_mmaction0x.npz") as golden:
        assert np.array_equal(batch.streams[0, 0], golden["coco2d_two/keypoint_out_CTVM"])
    assert (batch.streams[1, ..., 1] == -0.5).all()  # its absent person


# --- person padding


def padded(clips, persons, padding, t):
    """Return the joints of clips (M, T, V, C) at frames `t`, and their lengths."""
    part = part_of([pack(each) for each in clips])
    held = Clips(FrameTable([part], CPU), [part], [np.arange(len(part))], persons, padding)
    return held.joints(torch.arange(len(held)), t.expand(len(held), -1))


@pytest.mark.parametrize("mode", ["zero", "loop"])
@pytest.mark.usefixtures("where")
def test_persons_are_padded_as_upstreams_do(shared, mode):
    """PYSKL's goldens: there `loop` counts persons behind the padding, so that it is `zero`; mmaction2 mended it."""
    with np.load(shared / "goldens/stgcn/pipelines_pyskl.npz") as golden:
        clips = golden["format/raw_one"], golden["format/raw_three"]
        for clip in range(2):
            joints, _ = padded(clips, 2, mode, torch.arange(3) + 3 * clip)
            one, three = (
                golden[f"format/{name}_{mode}_clips2"][clip].transpose(3, 1, 2, 0) for name in ("one", "three")
            )
            assert np.array_equal(joints[1], three)
            assert np.array_equal(joints[0, ..., 0], one[..., 0])
            assert np.array_equal(joints[0, ..., 1], one[..., 0 if mode == "loop" else 1])


@pytest.mark.usefixtures("where")
def test_only_a_person_who_is_alone_is_repeated():
    rng = np.random.default_rng(0)
    alone, pair, second, nobody = (rng.normal(size=(count, 6, 4, 3)).astype(np.float32) for count in (1, 2, 2, 1))
    alone[0, 2] = second[0] = nobody[:] = 0
    joints, lengths = padded([alone, pair, second, nobody, rng.normal(size=(3, 6, 4, 3))], 3, "loop", torch.arange(8))
    assert np.array_equal(joints[0, :, :6, :, 2], alone[0].transpose(2, 0, 1))
    assert torch.equal(joints[0], joints[0, ..., :1].expand(-1, -1, -1, 3))
    assert lengths.tolist() == [[6, 6, 6], [6, 6, 0], [0, 6, 0], [0, 0, 0], [6, 6, 6]]
    assert not joints[1, ..., 2].any()
    assert not joints[2, ..., 0].any()


def test_person_padding_is_an_option_of_the_input(tmp_path, generate):
    clips = {"S001C001P001R001A001": {"keypoint": np.random.default_rng(0).normal(size=(1, 9, 25, 3))}}
    write_annotations(tmp_path / "raw.pkl", clips)
    generate("3001", tmp_path / "store", tmp_path / "raw.pkl")
    batches = [
        first_batch(tmp_path / "store", "3001", "train", *said)[1] for said in ([], ["input.person_padding=loop"])
    ]
    zero, loop = (batch.streams for batch in batches)
    assert not zero[..., 1].any()
    assert torch.equal(loop[..., 1], loop[..., 0])
    assert torch.equal(loop[..., 0], zero[..., 0])


# --- names


def test_a_name_in_two_parts_is_refused(tmp_path, generate):
    shape = (1, 5, 25, 3)
    for part, names in (("a", ("x", "y")), ("b", ("z", "y"))):
        write_annotations(tmp_path / f"{part}.pkl", {name: {"keypoint": np.ones(shape)} for name in names})
        generate("3001", tmp_path / "store", tmp_path / f"{part}.pkl", overrides=[f"data.parts=[{part}]"])
    assert len(first_batch(tmp_path / "store", "3001", "train", "data.parts=[a]")[0]) == 2
    with pytest.raises(
        UserError, match=r"store/b: clip y is in .*store/a, too, and would count twice; leave one"
    ) as no:
        first_batch(tmp_path / "store", "3001", "train", "data.parts=[a, b]")
    assert "\n" not in str(no.value)


NTU60_ARRAYS = "data={form: arrays, parts: [ntu60-arrays], benchmark: ntu-xsub, variant: original}"
GYM = (
    "data={form: annotations, parts: [gym], benchmark: gym, layout: coco-17, channels: xys, variant: prenormalized-2d}"
)


def write_npz(path, count):
    """Write CTR-GCN's file of `count` clips of three frames a split."""
    joints = np.random.default_rng(0).normal(size=(2, count, 3, 150)).astype(np.float32)
    labels = np.eye(60)[:count]
    np.savez(path, x_train=joints[0], y_train=labels, x_test=joints[1], y_test=labels)


def write_gym(path, count):
    """Write PYSKL's file of `count` clips of three frames a split, whose lists have no name."""
    rng, splits = np.random.default_rng(0), {each: [f"{each}{n}" for n in range(count)] for each in ("train", "val")}
    items = [
        {"frame_dir": name, "label": n, "total_frames": 3, "keypoint": rng.random((1, 3, 17, 2)).astype(np.float16)}
        | {"keypoint_score": np.ones((1, 3, 17), np.float16)}
        for names in splits.values()
        for n, name in enumerate(names)
    ]
    path.write_bytes(pickle.dumps({"split": splits, "annotations": items}))


@pytest.mark.parametrize(
    ("number", "write", "data", "joints"), [("5001", write_npz, NTU60_ARRAYS, 25), ("3005", write_gym, GYM, 17)]
)
def test_forms_without_a_number_go_the_whole_way(tmp_path, generate, number, write, data, joints):
    write(tmp_path / "raw.npz", 4)
    good, _ = generate(number, tmp_path / "store", tmp_path / "raw.npz", overrides=[data])
    assert good
    for split in ("train", "eval"):
        clips, batch = first_batch(tmp_path / "store", number, split, data)
        assert len(clips) == 4
        assert batch.labels.tolist() == [0, 1, 2, 3]
        assert batch.streams.shape == (4, 1, 3, 100, joints, 2)
        assert batch.streams.isfinite().all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["j", "b", "jm", "bm"])
def test_behind_its_length_a_stream_of_a_person_is_zero(name, seed):
    """Fast evaluation leaves that out; a motion is there one frame before who moves is."""
    joints = np.random.default_rng(seed).normal(size=(2, 24, 25, 3)).astype(np.float32)
    joints[1, np.arange(24) != 11 + seed] = 0  # is there for one frame, perhaps just behind one that is seen
    part = part_of([pack(joints)])
    clips = Clips(FrameTable([part], CPU), [part], [np.arange(1)], 2)
    (batch,) = Loader(clips, channels(name, Uniform(5), looks_ahead="m" in name, clips=10), 1)
    for stream, lengths in zip(batch.streams, batch.lengths.tolist()):
        for person, length in enumerate(lengths):
            assert not stream[..., length:, :, person].any()
    assert (batch.lengths[:, 1] < 5).any()
