from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.errors import UserError
from utils.fusion import ClipScores, fuse, join, search_weights
from utils.metrics import score


def scores(source, names, labels, probabilities):
    return ClipScores(source, np.array(names), np.array(labels), np.array(probabilities, np.float64))


def random_scores(source, seed, count=20, classes=6):
    rng = np.random.default_rng(seed)
    names = [f"clip{i:02d}" for i in range(count)]
    return scores(source, names, np.arange(count) % classes, rng.dirichlet(np.ones(classes), count))


def shuffled(each, seed):
    return each.select(np.random.default_rng(seed).permutation(each.names).tolist())


@pytest.mark.parametrize(
    ("key", "weights", "sum_of_weights"), [("two", (1, 1), 2), ("four_2211", (2, 2, 1, 1), 6)], ids=["two", "four"]
)
def test_fusion_is_pyskls(shared, key, weights, sum_of_weights):
    golden = np.load(shared / "goldens/stgcn/misc_pyskl.npz")
    labels = golden["labels"]
    operands = [
        scores(f"score{i}", [f"{n}" for n in range(len(labels))], labels, golden[f"score{i}"])
        for i in range(len(weights))
    ]
    fused = fuse(join(operands), weights)
    assert np.abs(fused.probabilities * sum_of_weights - golden[f"fuse_{key}"]).max() < 1e-6

    found = score(torch.from_numpy(fused.probabilities), torch.from_numpy(labels), torch.zeros(len(labels)))
    figures = [found.accuracy, found.top5 / found.count, found.mean_class_of_pyskl, found.mean_class]
    expected = [
        float(each)
        for each in [
            *golden[f"fuse_{key}_top1_top5"],
            golden[f"fuse_{key}_mean_class"],
            golden[f"fuse_{key}_smp_mean_acc"],
        ]
    ]
    assert figures == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=3, max_size=3), st.lists(st.floats(0.1, 9), min_size=3, max_size=3))
def test_the_order_of_clips_in_a_file_does_not_matter(seeds, weights):
    operands = [random_scores(f"{seed}", seed) for seed in (1, 2, 3)]
    plain = fuse(join(operands), weights)
    other = fuse(join([shuffled(each, seed) for each, seed in zip(operands, seeds)]), weights)
    again = other.select(plain.names.tolist())
    assert np.array_equal(again.probabilities, plain.probabilities)
    assert np.array_equal(again.labels, plain.labels)


def test_a_fusion_is_probabilities_again_and_the_first_operands_order_is_kept():
    operands = [shuffled(random_scores("a", 1), 5), random_scores("b", 2)]
    fused = fuse(join(operands), (2, 1))
    assert np.allclose(fused.probabilities.sum(axis=1), 1)
    assert fused.names.tolist() == operands[0].names.tolist()


def test_different_clips_are_refused_unless_the_common_ones_are_asked_for():
    one, other = random_scores("a", 1), random_scores("b", 2).select(["clip03", "clip01"])
    with pytest.raises(UserError, match=r"a has 20, b 2, and 2 are in both \(clip00 is not\); --intersect"):
        join([one, other])
    joined = join([one, other], intersect=True)
    assert [each.names.tolist() for each in joined] == [["clip01", "clip03"]] * 2


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (scores("b", ["x", "y"], [0, 1], np.full((2, 3), 1 / 3)), "a has 2 classes, b 3"),
        (scores("b", ["x", "y"], [0, 0], np.full((2, 2), 1 / 2)), "y: label 1 in a, 0 in b"),
        (scores("b", ["p", "q"], [0, 1], np.full((2, 2), 1 / 2)), "no clip is in all of them"),
    ],
    ids=["classes", "labels", "nothing in common"],
)
def test_what_cannot_be_joined_is_refused(other, reason):
    one = scores("a", ["x", "y"], [0, 1], np.full((2, 2), 1 / 2))
    with pytest.raises(UserError, match=reason):
        join([one, other], intersect=True)


def test_clips_that_stand_twice_and_labels_of_no_class_are_refused():
    with pytest.raises(UserError, match="a: clip x stands in it 2 times"):
        scores("a", ["x", "x"], [0, 1], np.full((2, 2), 1 / 2))
    for label in (-2, 2):
        with pytest.raises(UserError, match=f"a: the label of y is {label}, with 2 classes"):
            scores("a", ["x", "y"], [0, label], np.full((2, 2), 1 / 2))


def test_clips_whose_label_is_unknown_are_fused_but_find_no_weights():
    operands = [random_scores("a", 1), random_scores("b", 2)]
    hidden = [replace(each, labels=np.full_like(each.labels, -1)) for each in operands]
    fused = fuse(join(hidden), (2, 1))
    assert np.array_equal(fused.probabilities, fuse(join(operands), (2, 1)).probabilities)
    assert set(fused.labels) == {-1}
    some = [replace(each, labels=np.where(each.names == "clip07", -1, each.labels)) for each in operands]
    with pytest.raises(UserError, match="--search: 1 clips, such as clip07, have no label; give labelled ones"):
        search_weights(join(some))
    with pytest.raises(UserError, match="clip00: label 0 in a, -1 in b"):
        join([operands[0], hidden[1]])


@pytest.mark.parametrize("weights", [(0, 0), (1, -1), (1, float("nan")), (1,), (1, 1, 1)])
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(UserError, match="--weights"):
        fuse(join([random_scores("a", 1), random_scores("b", 2)]), weights)


def test_scores_of_different_sets_are_not_offered_an_intersection():
    one, other = (scores(name, [f"{name}1"], [0], np.full((1, 2), 1 / 2)) for name in "ab")
    with pytest.raises(UserError, match=r"0 are in both \(a1 is not\); take what was evaluated on the same clips"):
        join([one, other])


def test_the_search_finds_the_operand_that_is_right_and_ignores_the_order_of_clips():
    noise = random_scores("noise", 3, count=60)
    truth = scores("truth", noise.names, noise.labels, 0.9 * np.eye(6)[noise.labels] + 0.1 / 6)
    wrong = scores("wrong", noise.names, noise.labels, 0.9 * np.eye(6)[(noise.labels + 1) % 6] + 0.1 / 6)
    weights = search_weights(join([wrong, truth, noise]))
    assert weights == (0, 1, 0)
    assert search_weights(join([shuffled(wrong, 1), truth, noise])) == weights


def test_the_search_is_never_worse_than_equal_weights():
    joined = join([random_scores(f"{seed}", seed, count=40) for seed in range(4)])

    def right(weights):
        fused = fuse(joined, weights)
        return (fused.probabilities.argmax(axis=1) == fused.labels).sum()

    assert right(search_weights(joined)) >= max(right((1, 1, 1, 1)), right((2, 2, 1, 1)))
