"""The tool that draws a layout."""

import pytest
from PIL import Image

from tools.show_layout import main


def test_a_layout_is_drawn_here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["ntu"]) == 0
    assert capsys.readouterr().out == ("ntu: 25 joints, 24 edges, centre spine_middle\nWritten: layout_ntu.png\n")
    with Image.open(tmp_path / "layout_ntu.png") as image:
        assert image.width > 800


def test_a_file_of_ones_own_is_drawn_where_one_says(tmp_path, capsys):
    own, out = tmp_path / "maze.yaml", tmp_path / "maze.pdf"
    own.write_text("joints: [a, b, c]\nedges: [[b, a], [c, a]]\n")
    assert main([str(own), "--out", str(out)]) == 0
    assert "3 joints, 2 edges, centre a; not stated: pairs, parts, spine, shoulders, units" in capsys.readouterr().out
    assert out.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ntv"], "layout 'ntv': no such layout; nearest are ntu"),
        (["no.yaml"], "no.yaml: cannot be read"),
        (["ntu", "--out", "x.jpg"], "--out x.jpg: the name must end in .png or .pdf"),
        (["ntu", "--out", "no/x.png"], "--out no/x.png: no such folder no"),
        ([], "the following arguments are required: NAME|FILE"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert not list(tmp_path.iterdir())
