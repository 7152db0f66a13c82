"""Frame sampling: the originals' indices exactly, and batched draws of the same distribution."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import RandomState
from torch import Generator

from dataset.sampling import (
    SAMPLERS,
    First,
    Loop,
    Spread,
    Uniform,
    UniformMma,
    Window,
    draw_crop,
    draw_sorted,
    draw_uniform,
    test_table,
    uniform_indices,
)

STGCN = "goldens/stgcn"
LENGTHS = (5, 20, 73, 99, 100, 101, 150, 199, 200, 300)


@pytest.fixture(scope="module")
def pyskl(shared):
    return np.load(shared / STGCN / "pipelines_pyskl.npz")


@pytest.fixture(scope="module")
def mmaction(shared):
    return np.load(shared / STGCN / "pipelines_mmaction0x.npz")


def frames(*counts):
    return torch.tensor(counts)


def seeded(seed=0):
    return Generator().manual_seed(seed)


# --- the originals


@pytest.mark.parametrize("count", LENGTHS)
@pytest.mark.parametrize("clips", [1, 10])
def test_test_indices_are_the_originals(pyskl, mmaction, count, clips):
    for sampler, golden in [
        (Uniform(100), pyskl[f"uniform_pyskl_test/T{count}_clips{clips}"]),
        (UniformMma(100), mmaction[f"uniform_mma_test/T{count}_clips{clips}"]),
    ]:
        found = sampler.test(frames(count, 7, count), clips)
        assert found.shape == (3, clips, 100)
        assert found.dtype == torch.int64
        assert np.array_equal(found[0].flatten(), golden)
        assert torch.equal(found[2], found[0])


@pytest.mark.parametrize("count", LENGTHS)
@pytest.mark.parametrize(
    ("key", "seed", "ratio", "pyskl_draws"),
    [
        ("uniform_pyskl_train/T{}_npseed0", 0, (1.0, 1.0), True),
        ("uniform_pyskl_train/T{}_npseed1", 1, (1.0, 1.0), True),
        ("uniform_pyskl_train_p05_1/T{}_npseed3", 3, (0.5, 1.0), True),
        ("uniform_mma_train/T{}_npseed0", 0, (1.0, 1.0), False),
        ("uniform_mma_train/T{}_npseed1", 1, (1.0, 1.0), False),
    ],
)
def test_training_indices_are_the_originals(pyskl, mmaction, count, key, seed, ratio, pyskl_draws):
    found = uniform_indices(count, 100, 1, test=False, state=RandomState(seed), ratio=ratio, pyskl_draws=pyskl_draws)
    assert np.array_equal(found.ravel(), (pyskl if pyskl_draws else mmaction)[key.format(count)])


def test_looping_is_the_original_padding_with_loop(mmaction):
    assert np.array_equal(Loop(300).test(frames(73), 1).flatten(), mmaction["paddingwithloop_T73_clip300"])


def test_padding_is_the_originals_padto(pyskl):
    raw = pyskl["ntu3d/two_fp32/raw"]  # (2, 73, 25, 3)
    padded = np.concatenate((raw, np.zeros_like(raw[:, :1])), axis=1)  # index -1 is a frame of zeros
    for mode, sampler in [("zero", First(120)), ("loop", Loop(120))]:
        assert np.array_equal(padded[:, sampler.test(frames(73), 1).flatten()], pyskl[f"padto/{mode}_120"])


def test_the_table_is_computed_once_per_length():
    assert test_table(123, 100, 10, pyskl_draws=True) is test_table(123, 100, 10, pyskl_draws=True)


def test_pyskls_extra_draws_change_the_test_indices_of_long_clips_only():
    assert torch.equal(Uniform(100).test(frames(5, 99), 10), UniformMma(100).test(frames(5, 99), 10))
    assert not torch.equal(Uniform(100).test(frames(101), 10), UniformMma(100).test(frames(101), 10))


# --- batched draws


MANY = 4000


@pytest.mark.parametrize(
    ("count", "ratio"),  # L = 10: below L, to 2L, from 2L on; and crops
    [(count, (1.0, 1.0)) for count in (1, 3, 9, 10, 11, 14, 19, 20, 27, 45)]
    + [(count, (0.5, 0.9)) for count in (1, 9, 12, 25)],
)
def test_batched_draws_have_the_distribution_of_the_original(count, ratio):
    options = {"test": False, "state": RandomState(1), "pyskl_draws": True, "ratio": ratio}
    one_by_one = np.stack([uniform_indices(count, 10, 1, **options)[0] for _ in range(MANY)])
    batched = Uniform(10, ratio).draw(torch.full((MANY,), count), seeded())[:, 0].numpy()
    limit = 5 * (2 * 0.25 / MANY) ** 0.5  # five deviations of a difference of two shares
    for position in range(10):
        assert np.abs(shares(one_by_one[:, position], count) - shares(batched[:, position], count)).max() < limit
        steps = [np.roll(each, 1, axis=1)[:, position] - each[:, position] for each in (one_by_one, batched)]
        assert np.abs(shares(steps[0] % count, count) - shares(steps[1] % count, count)).max() < limit


def shares(values, count):
    """Return how often each of 0 to `count` - 1 occurs."""
    return np.bincount(values, minlength=count) / len(values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 70), min_size=1, max_size=6), st.integers(1, 20), st.integers(0, 2**31))
def test_batched_draws_are_in_range_and_in_order(counts, length, seed):
    found = draw_uniform(torch.tensor(counts), length, seeded(seed))
    assert found.shape == (len(counts), length)
    for count, indices in zip(counts, found, strict=True):
        assert indices.min() >= 0
        assert indices.max() < count
        steps = indices.diff()
        if count < length:
            assert (steps == torch.where(indices[:-1] == count - 1, 1 - count, 1)).all()
        else:
            assert (steps > 0).all()  # nothing is seen twice
        if length <= count < 2 * length:
            assert (steps <= count - length + 1).all()
        if count >= 2 * length:
            borders = torch.arange(length + 1) * count // length
            assert (indices >= borders[:-1]).all()
            assert (indices < borders[1:]).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.sampled_from(sorted(SAMPLERS)), st.integers(1, 5))
def test_every_sampler_returns_frames_of_the_clip(counts, name, clips):
    sampler, given_frames = SAMPLERS[name](frames=30), torch.tensor(counts)
    for found, width in [(sampler.test(given_frames, clips), clips), (sampler.draw(given_frames, seeded()), 1)]:
        assert (found.shape, found.dtype) == ((len(counts), width, 30), torch.int64)
        assert (found < given_frames[:, None, None]).all()
        assert (found >= -1).all()
        if name not in ("first", "window"):
            assert (found >= 0).all()
        assert (found >= 0).any(dim=-1).all()


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_a_clips_test_indices_do_not_depend_on_the_batch_and_draws_on_nothing_but_the_generator(name):
    sampler, counts = SAMPLERS[name](frames=12), frames(5, 12, 17, 60)
    together = sampler.test(counts, 3)
    for n in range(4):
        assert torch.equal(sampler.test(counts[n : n + 1], 3)[0], together[n])
    np_state, torch_state = np.random.get_state()[1].tobytes(), torch.get_rng_state()  # noqa: NPY002
    assert torch.equal(sampler.draw(counts, seeded(4)), sampler.draw(counts, seeded(4)))
    assert np.random.get_state()[1].tobytes() == np_state  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


# --- one by one


def test_first_and_loop_of_a_short_and_a_long_clip():
    assert First(4).test(frames(3, 9), 1).tolist() == [[[0, 1, 2, -1]], [[0, 1, 2, 3]]]
    assert Loop(4).test(frames(3, 9), 1).tolist() == [[[0, 1, 2, 0]], [[0, 1, 2, 3]]]
    assert torch.equal(First(4).draw(frames(3, 9), seeded()), First(4).test(frames(3, 9), 1))
    assert torch.equal(Loop(4).draw(frames(3, 9), seeded()), Loop(4).test(frames(3, 9), 1))


def test_windows_of_a_test_go_from_start_to_end_and_a_single_one_is_in_the_middle():
    assert Window(4).test(frames(10), 3)[0].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert Window(4).test(frames(10), 1)[0].tolist() == [[3, 4, 5, 6]]
    assert Window(4).test(frames(2), 2)[0].tolist() == [[0, 1, -1, -1]] * 2
    assert Window(4, "loop").test(frames(3), 1)[0].tolist() == [[0, 1, 2, 0]]


def test_a_drawn_window_begins_anywhere_and_a_short_clip_lies_anywhere_among_zeros():
    long = Window(4).draw(torch.full((500,), 6), seeded())[:, 0]
    assert set(long[:, 0].tolist()) == {0, 1, 2}
    assert (long.diff(dim=1) == 1).all()
    short = {tuple(row) for row in Window(4).draw(torch.full((500,), 2), seeded())[:, 0].tolist()}
    assert short == {(0, 1, -1, -1), (-1, 0, 1, -1), (-1, -1, 0, 1)}
    looped = {tuple(row) for row in Window(4, "loop").draw(torch.full((500,), 3), seeded())[:, 0].tolist()}
    assert looped == {(0, 1, 2, 0), (1, 2, 0, 1), (2, 0, 1, 2)}


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_drawn_window_is_as_likely_as_in_random_choose(count, length):
    n = 300 * (abs(count - length) + 1)
    drawn = Window(length).draw(torch.full((n,), count), seeded())[:, 0]
    if count < length:  # the clip lies at b among zeros, b from 0 to L - T
        padded = [[-1] * b + list(range(count)) + [-1] * (length - count - b) for b in range(length - count + 1)]
        expected = torch.tensor(padded)
    else:  # a crop from b, b from 0 to T - L
        expected = torch.arange(count - length + 1)[:, None] + torch.arange(length)
    found, counts = drawn.unique(dim=0, return_counts=True)
    assert sorted(found.tolist()) == sorted(expected.tolist())
    assert ((counts - 300).abs() < 6 * 300**0.5).all()


def test_spread_tests_on_the_originals_rounding():
    """`linspace` meets values just below an integer, which it cuts: exact fractions give other frames."""
    found = Spread(52).test(torch.arange(1, 300), 1)[:, 0].numpy()
    for count, indices in enumerate(found, start=1):
        assert np.array_equal(indices, np.linspace(0, count - 1, 52).astype(int))
    exact = np.arange(52) * (np.arange(1, 300)[:, None] - 1) // 51
    assert 0 < (found != exact).sum() < 0.01 * found.size


def test_spreads_further_test_clips_are_fixed_draws():
    found = Spread(8).test(frames(40), 3)[0]
    assert torch.equal(found[0], Spread(8).test(frames(40), 1)[0, 0])
    assert torch.equal(found, Spread(8).test(frames(9, 40), 3)[1])
    assert (found.diff(dim=1) >= 0).all()
    assert not torch.equal(found[1], found[2])


def test_spread_draws_from_a_crop():
    found = Spread(200, crop=(0.5, 0.5)).draw(torch.full((300,), 40), seeded())[:, 0]
    assert (found.diff(dim=1) >= 0).all()
    assert (found[:, -1] - found[:, 0]).max() < 20
    assert set(found[:, 0].tolist()) >= set(range(21))


def test_crops_have_the_share_and_lie_inside():
    first, count = draw_crop(torch.full((MANY,), 100), (0.75, 1.0), seeded())
    assert count.min() == 75
    assert count.max() == 99  # a whole clip has probability 0
    assert ((first >= 0) & (first + count <= 100)).all()
    first, count = draw_crop(torch.full((9,), 100), (1.0, 1.0), seeded())
    assert (first == 0).all()
    assert (count == 100).all()
    assert (draw_crop(torch.ones(9, dtype=torch.int64), (0.1, 0.2), seeded())[1] == 1).all()


def test_sorted_draws_reach_every_frame():
    assert set(draw_sorted(torch.full((50,), 6), 20, seeded()).flatten().tolist()) == set(range(6))
