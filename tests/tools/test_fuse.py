"""Fusing runs, numbers and files from the command line."""

import json
import pickle

import numpy as np
import pytest

import config
from tools.fuse import main
from utils.outputs import read_probabilities, read_scores, score_writer, softmax
from utils.run_folder import VALIDATION_SCORES

CLIPS, CLASSES = 30, 6


def columns(seed, prefix="eval", order=None):
    """Random scores of 30 clips that are right about two times of three."""
    rng = np.random.default_rng(seed)
    labels = np.arange(CLIPS) % CLASSES
    logits = rng.normal(size=(CLIPS, CLASSES)) + 2 * np.eye(CLASSES)[labels]
    names = np.array([f"{prefix}{i:02d}" for i in range(CLIPS)])
    rows = np.arange(CLIPS) if order is None else np.random.default_rng(order).permutation(CLIPS)
    return {"names": names[rows], "labels": labels[rows], "logits": logits[rows].astype(np.float32)}


@pytest.fixture
def write(tmp_path):
    def write(name, seed, **how):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        score_writer(path)(columns(seed, **how))
        return str(path)

    return write


@pytest.fixture
def run(tmp_path, write):
    """Writes a run folder of 2001 as training leaves it; returns its path."""

    def make(stamp, seed, number="2001", held_out=None):
        experiment = config.load(number)
        folder = tmp_path / "workdir" / experiment.title / f"2026-11-20_14-03-{stamp}_s1"
        write(str(folder / "scores.npz"), seed)
        write(str(folder / "scores_last.npz"), seed + 100)
        (folder / "config.yaml").write_text(experiment.to_yaml())
        line = {"epoch": 1, "eval": {"top1": 0.5, "top5": 0.9}}
        (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        if held_out is not None:
            write(str(folder / VALIDATION_SCORES), held_out, prefix="train")
        return folder

    return make


def said(capsys, *arguments, code=0):
    """Run the tool; return its lines, of stderr where it fails."""
    found = main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    assert found == code, err
    lines = (err if code else out).splitlines()
    assert not code or len(lines) == 1
    return lines


def fusion_row(lines):
    return next(line for line in lines if line.startswith("fusion"))


def test_files_are_fused_by_name_whatever_their_order(write, capsys):
    plain = said(capsys, write("a.npz", 1), write("b.npz", 2), "--weights", 2, 1)
    mixed = said(capsys, write("a.npz", 1, order=7), write("b.npz", 2, order=8), "--weights", 2, 1)
    assert plain == mixed
    header, first, *_ = plain
    assert header.split("  ")[0] == "operand" and "PYSKL's mean class" in header
    assert first.split()[1] == "2"


def test_the_figures_are_those_of_the_weighted_sum(write, capsys):
    one, other = columns(1), columns(2)
    total = 2 * softmax(one["logits"]) + 2 * softmax(other["logits"])
    expected = (total.argmax(axis=1) == one["labels"]).mean()
    row = fusion_row(said(capsys, write("a.npz", 1), write("b.npz", 2, order=3), "--weights", "two-stream"))
    assert row.split()[1] == f"{expected:.2%}"


@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
def test_the_fused_scores_are_written_such_that_softmax_gives_the_probabilities(write, tmp_path, capsys, suffix):
    out = tmp_path / f"fused{suffix}"
    said(capsys, write("a.npz", 1), write("b.npz", 2), "--weights", 3, 1, "--out", out)
    expected = (3 * softmax(columns(1)["logits"]) + softmax(columns(2)["logits"])) / 4
    found = softmax(read_scores(out)["logits"]) if suffix == ".npz" else read_probabilities(out)
    assert np.allclose(found, expected, atol=1e-6)


def test_a_run_folder_and_a_number_are_operands(run, tmp_path, capsys):
    run("01", 1)
    newest = run("02", 2)
    lines = said(capsys, "2001", newest, "--work_dir", tmp_path / "workdir")
    assert lines[0] == f"2001: {newest}, the newest run with scores"
    assert lines[2].startswith(str(newest)) and lines[2].endswith("90.2 (Song et al. 2022)")


def test_an_unfinished_run_without_figures_on_eval_does_not_stand_for_its_number(run, tmp_path, capsys):
    older, newer = run("01", 1), run("02", 2)
    (newer / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "validation": {"top1": 0.5}}) + "\n")
    assert said(capsys, "2001", older, "-w", tmp_path / "workdir")[0].startswith(f"2001: {older}")


def test_the_published_fused_figure_stands_beside_ours(run, capsys):
    streams = [run(f"0{i}", i, number=f"300{i}") for i in (1, 2, 3, 4)]
    joint, bone, *_ = streams

    def figure(*arguments):
        return fusion_row(said(capsys, *arguments)).split("  ")[-1].split(" ")[0]

    assert figure(joint, bone, "--weights", "two-stream") == "91.4"
    assert figure(joint, bone) == "91.4"
    assert figure(*streams, "--weights", "four-stream") == "92.1"
    assert figure(*streams) == "-"  # another fusion
    assert figure(bone, joint) == "-"  # the joint stream's experiment states it, and stands first
    assert figure(joint, joint) == "-"  # the same stream twice
    assert figure(joint, streams[2]) == figure(joint, streams[3]) == "-"  # motions are no bones
    mmaction2 = [streams[place] for place in (0, 2, 1, 3)]  # j jm b bm, which these weights do not mean
    assert figure(*mmaction2, "--weights", "four-stream") == "-"
    assert figure(joint, run("05", 5, number="3006")) == "-"  # bones of other skeletons


def test_the_fields_pickles_need_names(write, tmp_path, capsys):
    npz, pkl = write("a.npz", 1), write("b.pkl", 2)
    assert "holds no clip names; say whose they are, in its order: --names FILE" in said(capsys, npz, pkl, code=2)[0]
    by_names = said(capsys, npz, pkl, "--names", npz)
    assert fusion_row(by_names) == fusion_row(said(capsys, npz, write("b.npz", 2)))

    listed = tmp_path / "names.txt"
    clips = columns(1)
    listed.write_text("".join(f"{name}, {label}\n" for name, label in zip(clips["names"], clips["labels"])))
    assert said(capsys, npz, pkl, "--names", listed) == by_names


@pytest.fixture
def hide(tmp_path):
    """Writes scores in which the labels of some clips are unknown; returns the path."""

    def hide(name, seed, hidden):
        found = columns(seed)
        score_writer(tmp_path / name)({**found, "labels": np.where(hidden, -1, found["labels"])})
        return tmp_path / name

    return hide


def test_figures_are_of_the_labelled_clips(hide, tmp_path, capsys):
    hidden = np.arange(CLIPS) % 3 == 0
    one, other = ({key: each[~hidden] for key, each in columns(seed).items()} for seed in (1, 2))
    for name, found in (("c.npz", one), ("d.npz", other)):
        score_writer(tmp_path / name)(found)
    partly = said(capsys, hide("a.npz", 1, hidden), hide("b.npz", 2, hidden))
    known = said(capsys, tmp_path / "c.npz", tmp_path / "d.npz")
    assert [line.split()[1:] for line in partly] == [line.split()[1:] for line in known]


def test_unlabelled_clips_are_fused_without_figures(write, hide, tmp_path, capsys):
    for name, seed in (("a.npz", 1), ("b.npz", 2)):
        hide(name, seed, np.ones(CLIPS, bool))
    out = tmp_path / "fused.npz"
    row = fusion_row(said(capsys, tmp_path / "a.npz", tmp_path / "b.npz", "--out", out))
    assert row.split() == ["fusion", *"-----"]
    said(capsys, write("c.npz", 1), write("d.npz", 2), "--out", tmp_path / "known.npz")
    found, known = read_scores(out), read_scores(tmp_path / "known.npz")
    assert np.array_equal(found["logits"], known["logits"]) and set(found["labels"]) == {-1}

    listed = tmp_path / "names.txt"
    listed.write_text("".join(f"{name} -1\n" for name in columns(1)["names"]))
    pickles = [write("a.pkl", 1), write("b.pkl", 2)]
    assert fusion_row(said(capsys, *pickles, "--names", listed)).split() == ["fusion", *"-----"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a 0\nb\n", "line 2: expected a clip's name and its label"),
        ("a -2\n", "line 1: expected a clip's name and its label from 0 (or -1)"),
        ("", "is empty"),
        ("a 0\n", "names 1"),
    ],
)
def test_a_list_of_names_that_does_not_fit_is_refused(write, tmp_path, capsys, text, reason):
    (tmp_path / "names.txt").write_text(text)
    assert reason in said(capsys, write("b.pkl", 2), "--names", tmp_path / "names.txt", code=2)[0]


def test_different_clips_are_refused_unless_intersected(write, tmp_path, capsys):
    one = write("a.npz", 1)
    fewer = {key: each[:10] for key, each in columns(2).items()}
    score_writer(tmp_path / "b.npz")(fewer)
    assert "--intersect fuses those" in said(capsys, one, tmp_path / "b.npz", code=2)[0]
    assert said(capsys, one, tmp_path / "b.npz", "--intersect")[0] == "clips in all operands: 10 of 30"


def test_weights_are_searched_on_held_out_training_clips(run, write, capsys):
    one, other = run("01", 1, held_out=3), run("02", 2, held_out=4)
    by_run = said(capsys, one, other, "--search")
    assert by_run[0].startswith("weights found on 30 held-out clips: ")
    files = [write("c.npz", 3, prefix="train", order=1), write("d.npz", 4, prefix="train", order=2)]
    assert said(capsys, one, other, "--search-on", *files) == by_run


def test_weights_are_never_searched_on_evaluated_clips(run, write, capsys):
    one, other = run("01", 1), run("02", 2)
    files = [write("c.npz", 3), write("d.npz", 4)]
    assert (
        "30 clips, such as eval00, are evaluated here, too"
        in said(capsys, one, other, "--search-on", *files, code=2)[0]
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--search"], "no scores of held-out training clips (scores_validation.npz)"),
        (["--search-on", "x.npz"], "1 files for 2 operands"),
        (["--search-on", "x.pkl", "y.pkl"], "a .pkl holds no clip names"),
        (["--search", "--weights", "1", "1"], "give one of the two"),
        (["--weights", "1"], "1 weights for 2 operands"),
        (["--weights", "four-stream"], "4 weights for 2 operands"),
        (["--weights", "much", "little"], "give a number per operand, or one of two-stream, four-stream"),
        (["--out", "fused.csv"], "must end in"),
        (["nonsense"], "nonsense: neither a number"),
        (["2002"], "2002: no run with scores.npz in"),
    ],
)
def test_a_mistake_is_one_line_with_the_remedy(write, tmp_path, capsys, arguments, reason):
    operands = [write("a.npz", 1), write("b.npz", 2)]
    assert reason in said(capsys, *operands, *arguments, "-w", tmp_path, code=2)[0]


def test_a_folder_without_scores_is_refused(tmp_path, capsys):
    assert "holds no scores.npz; a run has it once it was evaluated" in said(capsys, tmp_path, code=2)[0]
    last = said(capsys, tmp_path, "--last", code=2)
    assert "holds no scores_last.npz; a run has it at the end of its training" in last[0]


def test_last_epochs_are_fused_where_asked_for(run, write, tmp_path, capsys):
    runs = [run(stamp, seed) for stamp, seed in (("10", 1), ("20", 2))]
    for option, seeds in ([], (1, 2)), (["--last"], (101, 102)):
        found = said(capsys, *runs, *option)[-1]
        expected = said(capsys, *(write(f"{seed}.npz", seed) for seed in seeds))[-1]
        assert found.split() == expected.split()  # columns are as wide as what is in them
    named = said(capsys, "2001", "--last", "-w", tmp_path / "workdir")
    assert "20_s1" in named[0]
    assert named[-1].split()[2:] == said(capsys, write("only.npz", 102))[-1].split()[2:]


def test_a_pickle_with_code_in_it_is_refused(write, tmp_path, capsys):
    (tmp_path / "b.pkl").write_bytes(pickle.dumps([print]))
    assert "not allowed" in said(capsys, tmp_path / "b.pkl", "--names", write("a.npz", 1), code=2)[0]
