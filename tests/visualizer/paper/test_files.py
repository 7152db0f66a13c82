"""The files for papers, from findings to disk."""

import csv
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from utils.errors import UserError
from visualizer import paper
from visualizer.paper.files import plain

ALWAYS = ["confusion.png", "confusion.pdf", "per_class.png", "calibration.png", "wrong.csv"]


@pytest.fixture
def write(make_findings, tmp_path):
    """Writes the files of made-up findings; returns their names."""

    def write(clips=(), frames=(), class_=None, **changes):
        findings = make_findings(**({"shown": 0} | changes))
        paths = paper.write(findings, tmp_path / "figures", clips, frames, class_)
        assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(path.name for path in paths)
        return [path.name for path in paths]

    return write


def test_all_files_of_a_clip_and_a_class(make_findings, write, tmp_path):
    index = make_findings(shown=1).shown[0].index
    name = str(make_findings().names[index])
    true = int(make_findings().labels[index])
    found = write([index], [3, 0], true, shown=1)
    pictures = [f"skeleton_{name}.png", f"skeleton_{name}.gif"]
    class_name = make_findings().classes[true].replace(" ", "_")
    own = f"importance_{true + 1}_{class_name}.png" if "_" in class_name else f"importance_{class_name}.png"
    assert found == [*ALWAYS, "curves.png", "importance.png", own, *pictures]
    for each in found:
        if each.endswith((".png", ".gif")):
            with Image.open(tmp_path / "figures" / each) as image:
                assert len(np.unique(np.asarray(image.convert("L")))) > 20, each  # no empty sheet
    assert (tmp_path / "figures" / "confusion.pdf").read_bytes().startswith(b"%PDF")


def test_what_is_not_known_has_no_file(write):
    unlabelled = {"labels": np.full(40, -1), "metrics": []}
    assert write(**unlabelled, importance=np.full((5, 25), np.nan), importance_clips=np.zeros(5, int)) == []


def test_a_bare_checkpoint_has_no_curves(make_findings, tmp_path):
    findings = make_findings(classes=1, clips=1, shown=0, metrics=[])
    found = paper.write(findings, tmp_path, [], [], None)
    assert [path.name for path in found] == [*ALWAYS, "importance.png"]


def test_wrong_clips_are_a_table(write, make_findings, tmp_path):
    names = np.array([f'clip, "{n}"' for n in range(40)])
    write(names=names)
    findings = make_findings()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "figures" / "wrong.csv").read_text(encoding="utf-8"))))
    assert {row["name"] for row in rows} == set(names[findings.predicted != findings.labels].tolist())
    for row in rows:
        n = int(row["index"])
        assert row["true"] == findings.classes[findings.labels[n]]
        share = findings.probabilities[n, findings.labels[n]]
        assert float(row["true_probability"]) == pytest.approx(share, rel=1e-4)


def test_the_same_findings_give_the_same_bytes(make_findings, tmp_path):
    findings = make_findings(classes=2, clips=6, shown=1, metrics=[])
    clip = findings.shown[0]
    brief = {k: values[:, :3] for k, values in clip.activation.items()}
    clip = dataclasses.replace(clip, joints=clip.joints[:, :3], frames=clip.frames[:3], activation=brief)
    findings = dataclasses.replace(findings, shown=[clip])
    first, second = (paper.write(findings, tmp_path / each, [clip.index], [0], None) for each in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


@pytest.mark.parametrize(
    ("name", "expected"),
    [("S001C001", "S001C001"), ("a b/../c", "7_a_b_.._c"), ("<script>", "7_script"), ("..", "7_"), ("日本", "7_"),
     ("x" * 300, "7_" + "x" * 80), ("CON.", "7_CON"), ("-rf", "7_rf")],
)  # fmt: skip
def test_names_are_harmless_in_a_path(name, expected):
    assert plain(name, 7) == expected


def test_clips_whose_names_become_alike_have_their_own_files():
    assert plain("a/b", 0) != plain("a b", 1)


def test_a_folder_that_cannot_be_written_is_said(make_findings, tmp_path):
    (tmp_path / "figures").write_text("a file")
    with pytest.raises(UserError, match="figures: cannot be read or written"):
        paper.write(make_findings(shown=0), tmp_path / "figures", [], [], None)
