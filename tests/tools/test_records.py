"""What run folders say of their runs, whole, half-written and damaged."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.conftest import epochs
from tools.records import read_record, read_records, spent
from utils.run_folder import RunFolder, eval_figures


def test_a_whole_folder_says_everything(add_run):
    record = read_record(add_run(epochs(0.25, 0.75, 0.5), seed=7))
    assert (record.kind, record.number, record.network, record.data) == (
        "training", "2001", "EfficientGCN-B0 SG", "ntu-xsub",
    )  # fmt: skip
    assert (record.state, record.epoch, record.best["top1"], record.last["top1"]) == ("finished", 3, 0.75, 0.5)
    assert (record.parameters, record.multiply_adds, record.seconds) == (292326, 0.23e9, 3661)
    assert (record.device, record.started, record.damage) == ("CPU (x86_64)", "2026-11-20 14:03", ())
    assert record.name == "2001_EfficientGCN-B0_ntu-xsub/2026-11-20_14-03-01_s7"


def test_a_run_is_finished_with_its_last_epoch(add_run):
    assert read_record(add_run(epochs(0.25, 0.75))).state == "interrupted"
    assert read_record(add_run([], stamp="02")).state == "interrupted"


def test_a_run_is_running_while_a_process_trains_into_its_folder(add_run):
    run = RunFolder(add_run(epochs(0.25, 0.75)))
    run.hold()
    assert read_record(run.path).state == "running"
    run.release()
    assert read_record(run.path).state == "interrupted"


CLOSING = [{"epoch": 3, "checkpoint": name, "eval": {"top1": top1}} for name, top1 in (("last", 0.5), ("best", 0.4))]


@pytest.mark.parametrize("override", ["test.clips=2", "data.validation={column: subject, values: [1]}"])
def test_where_best_and_last_are_scored_in_the_end_a_run_is_finished_then(add_run, override):
    lines = epochs(0.25, 0.75, 0.6)
    overrides = ["train.epochs=3", override, "input.sampling={name: uniform}"]
    record = read_record(add_run([*lines, *CLOSING], overrides=overrides))
    assert (record.state, record.best["top1"], record.last["top1"]) == ("finished", 0.4, 0.5)
    assert read_record(add_run([*lines, CLOSING[0]], stamp="02", overrides=overrides)).state == "interrupted"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([None, 0.0, 0.25, 0.5, 1.0]), max_size=6),
    st.lists(st.sampled_from(["best", "last"]), max_size=3),
)
def test_best_and_last_are_those_of_eval_figures(tmp_path_factory, top1, closing):
    folder = tmp_path_factory.mktemp("run")
    lines = [{"epoch": n, **({} if each is None else {"eval": {"top1": each}})} for n, each in enumerate(top1)]
    lines += [{"epoch": 6, "checkpoint": name, "eval": {"top1": 0.125}} for name in closing]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    record, expected = read_record(folder), eval_figures(RunFolder(folder))
    assert (record.best and (record.best["top1"], record.last["top1"])) == expected


# --- damage


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def append(text):
    return lambda path: path.write_bytes(path.read_bytes() + text)


@pytest.mark.parametrize(
    ("file", "harm", "said"),
    [
        ("config.yaml", lambda path: path.unlink(), "no config.yaml"),
        ("config.yaml", append(b"nonsense: 1\n"), "config.yaml: unknown key 'nonsense'"),
        ("config.yaml", lambda path: path.write_bytes(path.read_bytes()[:300]), "config.yaml: "),
        ("metrics.jsonl", lambda path: path.unlink(), "no metrics.jsonl"),
        ("metrics.jsonl", cut, "metrics.jsonl, line 3, is cut off"),
        ("metrics.jsonl", append(b"[]\n"), "metrics.jsonl, line 4, is no figures"),
        ("metrics.jsonl", append(b"\xff\n"), "metrics.jsonl, line 4, is no figures"),
        ("metrics.jsonl", append(b'{"step": 1}\n'), "metrics.jsonl, line 4, is no figures"),
        ("metrics.jsonl", append(b"[" * 10**5 + b"\n"), "metrics.jsonl, line 4, is no figures"),
        ("log.txt", lambda path: path.unlink(), "no log.txt"),
        ("environment.json", lambda path: path.unlink(), "no environment.json"),
        ("environment.json", cut, "environment.json is damaged"),
        ("environment.json", lambda path: path.write_text("[]"), "environment.json is damaged"),
    ],
)
def test_what_is_wrong_is_said_and_the_rest_is_read(add_run, file, harm, said):
    folder = add_run(epochs(0.25, 0.75, 0.5))
    harm(folder / file)
    record = read_record(folder)
    assert [damage[: len(said)] for damage in record.damage] == [said]
    assert record.number == "2001" and "EfficientGCN-B0" in record.network
    if file != "metrics.jsonl":
        assert record.best["top1"] == 0.75
    elif harm is not cut and (folder / file).exists():
        assert record.state == "finished"


def test_a_run_whose_configuration_cannot_be_read_is_in_an_unknown_state(add_run):
    folder = add_run(epochs(0.25, 0.75, 0.5))
    (folder / "config.yaml").unlink()
    assert read_record(folder).state == "unknown"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["config.yaml", "metrics.jsonl", "log.txt", "environment.json"]), st.binary(max_size=60))
def test_no_content_is_fatal(tmp_path_factory, file, content):
    folder = tmp_path_factory.mktemp("2001_a_b")
    (folder / file).write_bytes(content)
    assert read_record(folder).damage


def test_figures_that_are_no_numbers_are_no_figures(add_run):
    lines = epochs(0.25, 0.75, 0.5)
    lines[1]["eval"]["top1"] = float("nan")
    lines[2]["eval"] = {"clips": 0, "unlabelled": 9}
    lines.append({"epoch": 4, "eval": {"top1": 10**400}})
    record = read_record(add_run(lines))
    assert record.best == record.last == {"top1": 0.25, "mean_class": 0.125}


# --- other folders


def test_evaluations_have_the_figures_of_their_split(add_run):
    folder = add_run([{"epoch": 0, "checkpoint": "x.pt", "train": {"top1": 0.5}}], name="2026-11-20_14-03-09_eval")
    record = read_record(folder)
    assert (record.kind, record.state, record.best["top1"], record.last) == ("evaluation", "finished", 0.5, None)


def test_an_extraction_is_finished_with_its_last_words(add_run):
    folder = add_run([], name="2026-11-20_14-03-09_eval")
    (folder / "metrics.jsonl").unlink()
    record = read_record(folder)
    assert (record.state, record.damage) == ("unknown", ("neither figures nor features came of it",))
    append(b"[ 2026-11-20 14:06:22,801 ] Features: f.npz\n")(folder / "log.txt")
    record = read_record(folder)
    assert (record.state, record.damage) == ("finished", ())


def test_folders_that_hold_no_run_are_told_apart(add_run, work_dir):
    folder = add_run(epochs(0.5))
    (work_dir / "notes" / "old").mkdir(parents=True)
    (work_dir / "debug_2001_EfficientGCN-B0_ntu-xsub" / "2026-11-20_14-03-01_s1").mkdir(parents=True)
    found, others = read_records(work_dir)
    assert [(record.folder, record.kind, record.number) for record in found] == [
        (folder, "training", "2001"),
        (work_dir / "debug_2001_EfficientGCN-B0_ntu-xsub" / "2026-11-20_14-03-01_s1", "debug", "2001"),
    ]
    assert others == [work_dir / "notes" / "old"]


def test_times_have_the_digits_that_count():
    assert [spent(each) for each in (0, 89, 90, 3600, 5400, 360000)] == [
        "0 s",
        "89 s",
        "2 min",
        "60 min",
        "1.5 h",
        "100.0 h",
    ]
