"""The action -v: from a command to a report and pictures, for a run and for a bare checkpoint; mistakes are one line."""

import errno
import os
import shutil
import signal
from dataclasses import replace

import pytest

import config
import initializer
import main
import processor
import visualizer
from utils.errors import UserError
from utils.interrupt import Interrupted


@pytest.fixture(scope="module")
def experiment(small):
    return config.load("2001", [*small, "train.epochs=1", "train.schedule.warmup_epochs=0"])


@pytest.fixture(scope="module")
def trained(small_store, experiment, tmp_path_factory):
    """The folder of a run, and the machine it is on."""
    said = {"show_progress": False, "command": "python main.py -c 2001"}
    machine = initializer.Machine(small_store, tmp_path_factory.mktemp("work"), device="cpu", **said)
    run = initializer.prepare_training(experiment, machine)
    processor.train(run)
    return run.folder.path, machine


@pytest.fixture
def drawn(monkeypatch):
    """Draws nothing; what was to be drawn, by who draws."""
    asked = {}
    monkeypatch.setattr("visualizer.report.write", lambda findings, path: asked.update(report=(findings, path)))
    monkeypatch.setattr(
        "visualizer.paper.write",
        lambda findings, folder, *rest: asked.update(paper=(folder, *rest)) or [folder / "a.png"],
    )
    return asked


@pytest.fixture
def look(experiment, trained):
    """Runs the action on that machine; returns the paths and what was said."""

    def run(weights=None, name=None, machine=trained[1], **request):
        said = []
        paths = visualizer.visualize(experiment, machine, weights, name, visualizer.Request(**request, say=said.append))
        return paths, said

    return run


def test_a_run_becomes_a_report_and_pictures_in_its_folder(look, trained):
    folder = trained[0]
    paths, said = look(class_="drink water", clips=["0"], frames=[0, 3])
    assert paths[-1] == folder / "report.html" and all(path.stat().st_size for path in paths)
    assert {path.parent for path in paths[:-1]} == {folder / "figures"}
    assert {"confusion.png", "confusion.pdf", "per_class.png", "curves.png"} <= {path.name for path in paths}
    assert {path.suffix for path in paths if path.name.startswith("skeleton_S001")} == {".png", ".gif"}
    text = paths[-1].read_text()
    assert "drink water" in text and "chosen on eval, as the field does" in text
    assert said[0].startswith(f"Looking at {folder} (") and said[-1] == f"Report: {paths[-1]}"


def test_of_a_run_the_most_wrong_clip_becomes_a_picture(look, trained, drawn):
    paths, said = look()
    folder, clips, frames, class_ = drawn["paper"]
    findings, path = drawn["report"]
    assert (folder, path) == (trained[0] / "figures", trained[0] / "report.html")
    assert clips == [findings.shown[0].index] and list(frames) == [] and class_ is None
    assert findings.predicted[clips[0]] != findings.labels[clips[0]]
    assert said[1:] == [f"Saved: {folder / 'a.png'}", f"Report: {path}"] and paths == [folder / "a.png", path]


def test_what_is_asked_for_is_drawn(look, drawn):
    look(class_="60", clips=["17", "2"], frames=[0, 11])
    _, clips, frames, class_ = drawn["paper"]
    assert (clips, frames, class_) == ([17, 2], [0, 11], 59)
    shown = {each.index: each for each in drawn["report"][0].shown}
    assert all(59 in shown[clip].activation for clip in clips)
    assert drawn["report"][0].commands[-1].endswith("-v -vc 60 -vs 17 2 -vf 0 11")


def test_a_checkpoint_is_evaluated_into_a_folder_of_its_own_which_is_a_run_to_look_at(
    look, trained, drawn, monkeypatch
):
    weights, handlers = trained[0] / "best.pt", []
    monkeypatch.setattr("signal.signal", lambda number, handler: handlers.append((number, handler)))
    look(weights)
    found, path = drawn["report"]
    assert path.parent.name.endswith("_eval") and path.parent.parent == trained[0].parent
    assert (path.parent / "scores.npz").exists()
    assert (found.chosen, found.weights, found.last) == ("", str(weights), None)
    assert f"-e -pp {weights}" in found.commands[1]
    assert [handler for number, handler in handlers if number == signal.SIGINT][-1] == signal.default_int_handler
    look(name=path.parent.name)
    again, _ = drawn["report"]
    assert (again.logits == found.logits).all() and again.weights == found.weights
    assert all((again.importance[k] == found.importance[k]).all() for k in set(found.labels.tolist()))


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        ({"class_": "drink"}, "-vc drink: no such class; nearest is 1, 'drink water'"),
        ({"clips": ["S001C001P001"]}, "-vs S001C001P001: no such clip; nearest is S001C"),
        ({"clips": ["0"], "frames": [99]}, r"-vf 99: the network saw 1[2-6] frames of S001C\S*; give 0 to 1[1-5]"),
        ({"name": "gone"}, "-v gone: no run's folder, nor a run of 2001 in .*; did you mean 20"),
    ],
)
def test_what_is_not_there_is_one_line_and_nothing_is_drawn(look, drawn, request_, line):
    with pytest.raises(UserError, match=line) as caught:
        look(**request_)
    assert "\n" not in str(caught.value) and not drawn


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        ({"class_": "x"}, "-vc x: no such class"),
        ({"clips": ["x"]}, "-vs x: no such clip"),
        ({"clips": ["0"], "frames": [99]}, "-vf 99: the network saw"),
        ({"frames": [0]}, "-vf: which clip is the most wrong, the evaluation tells first; name .*: -vs CLIP"),
    ],
)
def test_a_wrong_request_is_known_before_a_checkpoint_is_evaluated_and_leaves_nothing(look, trained, request_, line):
    before = sorted(trained[0].parent.iterdir())
    with pytest.raises(UserError, match=line):
        look(trained[0] / "best.pt", **request_)
    assert sorted(trained[0].parent.iterdir()) == before


def test_a_clip_that_is_named_twice_is_drawn_once(look, drawn):
    look(clips=["17", "2", "17"])
    assert drawn["paper"][1] == [17, 2]


def test_a_place_that_cannot_be_written_is_known_before_anything_is_drawn(look, trained, drawn, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / trained[0].name)
    shutil.rmtree(folder / "figures", ignore_errors=True)
    (folder / "figures").write_text("a file")
    with pytest.raises(UserError, match=f"-v {folder}/figures: .* is a file; name a folder"):
        look(name=str(folder))
    assert not drawn


@pytest.mark.usefixtures("drawn")
def test_a_standard_output_that_takes_no_more_is_one_line(experiment, trained, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.print", full)
    with pytest.raises(OSError, match="No space left"):  # utils.command_line.guarded makes it a line
        visualizer.visualize(experiment, trained[1], None, None, visualizer.Request())


@pytest.mark.usefixtures("drawn")
def test_a_signal_while_pictures_are_drawn_ends_it_in_order(look, monkeypatch):
    monkeypatch.setattr("visualizer.report.write", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted) as stopped:
        look()
    assert stopped.value.exit_code == 143


def test_a_number_without_a_run_says_how_to_train_one(look, trained, tmp_path):
    line = "no run of 2001 has a best checkpoint yet; train one with: python main.py -c 2001; or give one with -pp FILE"
    with pytest.raises(UserError, match=line):
        look(machine=replace(trained[1], work_dir=tmp_path))


# --- the command line


@pytest.fixture
def asked(monkeypatch):
    """What -v is asked for, instead of doing it."""
    found = []
    monkeypatch.setattr("visualizer.visualize", lambda *told: found.append(told))
    return found


def test_the_command_line_says_what_is_looked_at(asked, tmp_path):
    assert (
        main.main(["-c", "2001", "-v", "a run", "-w", str(tmp_path), "-vc", "3", "-vs", "x", "7", "-vf", "0", "9"]) == 0
    )
    ((found, machine, weights, run, request),) = asked
    assert (found.number, machine.work_dir, weights, run) == ("2001", tmp_path, None, "a run")
    assert request == visualizer.Request("3", ["x", "7"], [0, 9])
    assert main.main(["-c", "2001", "-v", "-pp", "x.pt"]) == 0
    assert [str(asked[1][2]), asked[1][3], asked[1][4]] == ["x.pt", None, visualizer.Request()]


def test_the_configuration_of_a_run_names_that_run(asked, trained, tmp_path):
    assert main.main(["-c", str(trained[0] / "config.yaml"), "-v"]) == 0
    shutil.copy(trained[0] / "config.yaml", tmp_path / "config.yaml")
    assert main.main(["-c", str(tmp_path / "config.yaml"), "-v"]) == 0
    assert [each[3] for each in asked] == [str(trained[0]), None]
