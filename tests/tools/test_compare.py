"""Two networks on the same clips: counts, tests, and the page."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.conftest import columns, epochs
from tools.compare.__main__ import main
from tools.compare.comparison import compare, joined, mean_class
from tools.compare.page import Names, Side, write
from utils.errors import UserError
from utils.fusion import ClipScores
from utils.outputs import score_writer

HOSTILE = '</script><script>alert("1")</script>'


def scores(answers, labels, source="a", names=None, classes=4):
    """Return scores of networks that are sure of these answers."""
    probabilities = np.full((len(answers), classes), 0.1)
    probabilities[np.arange(len(answers)), answers] = np.linspace(0.6, 0.9, len(answers))
    names = np.array(names or [f"clip{n}" for n in range(len(answers))])
    return ClipScores(source, names, np.array(labels), probabilities)


# --- what differs


def test_counts_by_hand():
    labels = [0, 0, 0, 1, 1, 2]
    found = compare(scores([0, 0, 1, 1, 2, 3], labels), scores([0, 1, 0, 1, 1, 3], labels))
    assert (found.clips, found.both, found.neither) == (6, 2, 1)
    assert (found.first, found.second, found.delta) == (3 / 6, 4 / 6, 1 / 6)
    assert [flip.name for flip in found.gained] == ["clip4", "clip2"]  # the second is surer of clip4
    (lost,) = found.lost
    assert (lost.name, lost.label, lost.first, lost.second) == ("clip1", 0, 0, 1)
    assert (lost.first_confidence, lost.second_confidence) == (pytest.approx(0.66), pytest.approx(0.66))
    assert found.p == 1.0  # two against one: as one-sided as can be expected
    assert [(each.label, each.clips, each.both, each.lost, each.gained) for each in found.classes] == [
        (0, 3, 1, 1, 1), (1, 2, 1, 0, 1), (2, 1, 0, 0, 0),
    ]  # fmt: skip
    assert [(each.first, each.second, each.delta) for each in found.classes[:2]] == [(2 / 3, 2 / 3, 0), (0.5, 1, 0.5)]


def test_a_large_difference_is_told_from_chance():
    labels = np.zeros(40, int)
    better = compare(scores(np.repeat([0, 1], 20), labels), scores(np.zeros(40, int), labels))
    assert better.p == pytest.approx(2 * 0.5**20) and better.interval[0] > 0.3
    (only,) = better.classes
    assert only.p == only.q == better.p


def test_p_values_of_classes_are_adjusted_for_their_number():
    labels = np.repeat([0, 1, 2, 3], 6)
    found = compare(scores(np.where(labels == 0, 1, labels), labels), scores(labels, labels))
    assert [each.p for each in found.classes] == [2 * 0.5**6, 1, 1, 1]
    assert [each.q for each in found.classes] == [4 * 2 * 0.5**6, 1, 1, 1]


answers = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(answers)
def test_comparing_the_other_way_round_turns_everything_round(rows):
    labels, one, two = (list(column) for column in zip(*rows))
    there, back = (
        compare(*pair)
        for pair in ((scores(one, labels), scores(two, labels)), (scores(two, labels), scores(one, labels)))
    )
    assert there.delta == -back.delta and there.p == back.p
    assert {flip.name for flip in there.gained} == {flip.name for flip in back.lost}
    assert there.both + there.neither + len(there.gained) + len(there.lost) == there.clips == len(rows)
    for count in ("clips", "both", "gained", "lost"):
        total = getattr(there, count)
        assert sum(getattr(each, count) for each in there.classes) == (total if isinstance(total, int) else len(total))
    assert there.interval[0] <= there.delta <= there.interval[1]
    assert all(each.p <= each.q for each in there.classes)
    shares = [(np.array(one)[np.array(labels) == k] == k).mean() for k in set(labels)]
    assert mean_class(scores(one, labels)) == pytest.approx(np.mean(shares))


# --- which clips


def test_clips_are_joined_by_name_and_unlabelled_ones_left_out():
    one = scores([0, 1, 2, 3], [0, 1, -1, 3], names=["a", "b", "c", "d"])
    other = scores([3, 2, 1, 0], [3, -1, 1, 0], names=["d", "c", "b", "a"])
    together = joined([one, other])
    assert [each.names.tolist() for each in together] == [["a", "b", "d"]] * 2
    assert compare(*together).both == 3


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (
            scores([0, 1, 2], [0, 1, 2], "b", ["a", "x", "y"]),
            "different clips: 3 differ: 1 only in a (such as b), 2 only in b (such as x); compare what was evaluated",
        ),
        (scores([0], [0], "b", ["a"]), "different clips: 1 differ: 1 only in a (such as b); compare"),
        (scores([0, 1], [0, 1], "b", ["a", "b"], classes=5), "a has 4 classes, b 5"),
        (scores([0, 1], [0, 2], "b", ["a", "b"]), "b: label 1 in a, 2 in b"),
    ],
)
def test_what_cannot_be_compared_is_refused(other, reason):
    with pytest.raises(UserError) as error:
        joined([scores([0, 1], [0, 1], "a", ["a", "b"]), other])
    assert reason in str(error.value)


def test_clips_without_any_label_cannot_be_compared():
    with pytest.raises(UserError, match="no clip has a label"):
        joined([scores([0, 1], [-1, -1])] * 2)


# --- the page


def written(path, *networks, names=(), titles="ABC", epochs="best epochs"):
    """Write the page of networks; return its text."""
    together = joined(networks)
    sides = [Side("ABC"[n], titles[n], f"runs/{n}", 0.5, 0.5) for n in range(len(together))]
    write(path, sides, [compare(together[0], each) for each in together[1:]], Names(tuple(names)), epochs)
    return path.read_text(encoding="utf-8")


def test_the_page_shows_both_directions_of_every_flip(tmp_path):
    text = written(
        tmp_path / "c.html", scores([0, 1, 0], [0, 1, 2]), scores([3, 1, 2], [0, 1, 2]), names=["w", "x", "y", "z"]
    )
    assert 'id="gained-B"' in text and 'id="lost-B"' in text
    assert text.count("clip0<") == 1 and text.count("clip2<") == 1 and "clip1<" not in text
    assert "only B right 1" in text and "only A right 1" in text and "both right 1" in text


def test_several_runs_are_compared_with_the_first(tmp_path):
    labels = [0, 1, 2, 3]
    text = written(
        tmp_path / "c.html", scores([0, 1, 2, 0], labels), scores([0, 1, 0, 0], labels), scores(labels, labels)
    )
    assert "B less A" in text and "C less A" in text and "C less B" not in text
    assert "\u221225.00" in text and "+25.00" in text


def test_networks_that_are_alike_and_a_single_clip_have_a_page(tmp_path):
    text = written(tmp_path / "c.html", scores([0], [0]), scores([0], [0]))
    assert "Both get the very same clips right." in text and "There is none." in text
    content = text.partition("<main>")[2].partition("</main>")[0]  # the policy's hashes may hold any letters
    assert content and "nan" not in content.lower()


def test_no_name_is_ever_markup(tmp_path):
    labels, hostile = [0, 1], [HOSTILE, "<img src=x onerror=alert(1)>"]
    text = written(
        tmp_path / "c.html",
        scores([0, 0], labels, names=hostile, classes=2),
        scores([1, 1], labels, names=hostile, classes=2),
        names=[HOSTILE, "<b>"],
        titles=[HOSTILE, "<i>"],
    )
    assert HOSTILE not in text and "<img" not in text and "<b>" not in text and "<i>" not in text
    assert "&lt;img src=x" in text


def test_the_page_asks_for_nothing(tmp_path):
    text = written(tmp_path / "c.html", scores([0, 1], [0, 1]), scores([0, 0], [0, 1]))
    assert "default-src 'none'" in text
    assert not any(word in text for word in ("https://", "src=", "@import", "url("))


# --- the command


@pytest.fixture
def run(on_runs):
    return on_runs(main)


@pytest.fixture
def two(add_run, add_scores):
    whole = epochs(0.5, 0.5, 0.5)
    return [add_scores(add_run(whole, stamp=f"0{seed}", seed=seed, overrides=()), seed) for seed in (1, 2)]


def test_runs_are_compared_in_words_and_on_a_page(two, run, work_dir):
    text = run(*two)
    one, other = (columns(seed) for seed in (1, 2))
    share = [(each["logits"].argmax(axis=1) == each["labels"]).mean() for each in (one, other)]
    first, second = text.splitlines()[3:5]
    assert first.split()[:2] == ["A", f"{share[0]:.2%}"] and first.endswith(str(two[0]))
    assert second.split()[:2] == ["B", f"{share[1]:.2%}"] and f"{100 * (share[1] - share[0]):+.2f}" in second
    assert text.splitlines()[-1] == f"Page: {work_dir / 'compare.html'}"
    page = (work_dir / "compare.html").read_text(encoding="utf-8")
    assert "2001 EfficientGCN-B0 SG, ntu-xsub JVB, seed 2" in page and "best epochs" in page


def test_classes_have_their_names_where_the_run_knows_them(add_run, add_scores, run):
    runs = [
        add_scores(add_run(epochs(0.5), number="6001", seed=seed, overrides=()), seed, classes=10) for seed in (1, 2)
    ]
    assert "pick up with one hand" in run(*runs)


def test_a_damaged_checkpoint_only_costs_the_names(add_run, add_scores, run):
    own = ["data={form: own, parts: [mine], layout: coco-17, channels: xyz, variant: original}", "train.epochs=3"]
    one, two = (add_scores(add_run(epochs(0.5), number="3001", seed=n, overrides=own), n) for n in (1, 2))
    (one / "best.pt").write_bytes(b"damaged")
    text = run(one, two)
    assert text.startswith(str(one / "best.pt")) and "its names of the classes are not shown\n" in text
    assert "\nclass 1 " in text


def test_last_epochs_numbers_and_files(two, run, tmp_path):
    out = tmp_path / "c.html"
    files = []
    for seed in (101, 102):
        score_writer(tmp_path / f"{seed}.npz")(columns(seed))
        files.append(tmp_path / f"{seed}.npz")
    of_files, of_runs = run(*files, "--out", out), run(*two, "--last", "--out", out)
    figures = [[line.split()[:-1] for line in text.splitlines()[3:5]] for text in (of_files, of_runs)]
    assert figures[0] == figures[1] and "last epochs" in out.read_text(encoding="utf-8")
    assert run("2001", two[0], "--out", out).startswith(f"2001: {two[1]}, the newest run with scores")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["x.npz"], "give 2 to 26 runs"),
        (["nonsense", "nonsense"], "nonsense: neither a number"),
        (["--out", "page.pdf", "a", "b"], "--out page.pdf: the page is an .html"),
        (["2002", "2002"], "2002: no run with scores.npz in"),
        (["", "2002"], "'': empty; is a shell variable unset?"),
    ],
)
def test_a_mistake_is_one_line_with_the_remedy(run, arguments, reason):
    assert reason in run(*arguments, code=2)


def test_what_is_named_twice_is_refused(two, run):
    assert f"{two[1] / 'scores.npz'}: named twice" in run("2001", two[1], code=2)


def test_scores_that_are_no_numbers_and_other_forms_are_refused(two, run, tmp_path):
    found = columns(2)
    found["logits"][3, 1] = np.nan
    score_writer(tmp_path / "a.npz")(found)
    wrong = f"a.npz: clip {found['names'][3]} has a score that is not finite"
    assert wrong in run(two[0], tmp_path / "a.npz", code=2)
    score_writer(tmp_path / "a.json")(columns(2))
    assert "a.json: no .npz or .pkl of scores; `-e --out scores.npz`" in run(two[0], tmp_path / "a.json", code=2)


def test_files_without_names_and_folders_without_scores_are_refused(add_run, two, run, tmp_path):
    score_writer(tmp_path / "a.pkl")(columns(1))
    assert "a.pkl: holds no clip names, by which clips are joined" in run(two[0], tmp_path / "a.pkl", code=2)
    bare = add_run([], stamp="09")
    assert "holds no scores.npz; a run has it once it was evaluated" in run(two[0], bare, code=2)
    (bare / "scores.npz").write_bytes((two[0] / "scores.npz").read_bytes()[:500])
    assert f"{bare / 'scores.npz'}: not an .npz with names, labels, logits" in run(two[0], bare, code=2)
