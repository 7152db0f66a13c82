"""Listing the files of a folder: order, and links to folders."""

import pytest

from reader.files import files_below
from utils.errors import UserError


@pytest.fixture
def place(tmp_path):
    """A folder of raw files, and one of more of them elsewhere."""
    for name in ("raw/b/2", "raw/b/1", "raw/b.d/1", "raw/a", "elsewhere/x/3", "elsewhere/4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def listed(root):
    return [path.relative_to(root).as_posix() for path in files_below([root])]


def test_files_are_in_the_order_of_paths(place):
    assert listed(place / "raw") == ["a", "b/1", "b/2", "b.d/1"]
    found = files_below([place / "raw"])
    assert found == sorted(found)
    assert files_below([place / "raw/b/2", place / "raw/b"])[0] == place / "raw/b/2"


def test_links_to_folders_are_followed(place):
    (place / "raw/c").symlink_to(place / "elsewhere")
    (place / "elsewhere/x/more").symlink_to("../../third")
    (place / "third").mkdir()
    (place / "third/5").touch()
    assert listed(place / "raw") == ["a", "b/1", "b/2", "b.d/1", "c/4", "c/x/3", "c/x/more/5"]
    (place / "link").symlink_to("raw")
    assert listed(place / "link") == listed(place / "raw")


@pytest.mark.parametrize("target", [".", "raw", "raw/b", "elsewhere/up"])
def test_a_loop_of_links_ends_and_every_file_is_listed_once(place, target):
    (place / "raw/b/loop").symlink_to(place / target)
    (place / "elsewhere/up").symlink_to(place / "raw")
    found = files_below([place / "raw"])
    inside = [path for path in found if path.is_relative_to(place / "raw") and "loop" not in path.parts]
    assert [path.relative_to(place / "raw").as_posix() for path in inside] == ["a", "b/1", "b/2", "b.d/1"]
    assert len({path.resolve() for path in found}) == len(found) == (6 if target == "." else 4)


def test_a_folder_in_two_places_is_listed_where_it_is_or_else_at_the_first_link(place):
    (place / "raw/_of_own").symlink_to("b")  # before and behind it in order
    (place / "raw/z").symlink_to("b")
    assert listed(place / "raw") == ["a", "b/1", "b/2", "b.d/1"]
    for name in ("z2", "m", "z1"):
        (place / "raw" / name).symlink_to(place / "elsewhere/x")
    assert listed(place / "raw") == ["a", "b/1", "b/2", "b.d/1", "m/3"]
    (place / "raw/b/whole").symlink_to(place / "elsewhere")  # the first now, and holds what the others lead to
    assert listed(place / "raw") == ["a", "b/1", "b/2", "b/whole/4", "b/whole/x/3", "b.d/1"]


def test_links_that_lead_nowhere_are_files_to_report(place):
    (place / "raw/self").symlink_to("self")
    (place / "raw/gone").symlink_to("nowhere")
    assert listed(place / "raw") == ["a", "b/1", "b/2", "b.d/1", "gone", "self"]


def test_a_place_that_is_not_there_is_named(place):
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        files_below([place / "nowhere"])
