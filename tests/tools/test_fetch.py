"""What is published is listed completely, and fetched from a server in this process."""

import pytest

import config
from tools import fetch
from tools.fetch import PublishedFile, experiments, main, published_files
from utils.errors import UserError

FILES = published_files()


@pytest.fixture
def tell(monkeypatch):
    """Replaces the list of addresses."""

    def tell(*files):
        common = {"numbers": "2001", "kind": "weights", "licence": "theirs"}
        monkeypatch.setattr(fetch, "published_files", lambda: [PublishedFile(**{**common, **each}) for each in files])

    return tell


@pytest.fixture
def fetched(monkeypatch):
    """Replaces the network; returns what was asked for."""
    asked = []

    def pretend(url, path, **about):
        if "dead" in url:
            raise UserError(f"{url}: the server says 404 Not Found")
        asked.append((url, path, about))

    monkeypatch.setattr(fetch, "download", pretend)
    return asked


def test_numbers_expand():
    assert list(experiments("0001 3005-3007 3041")) == ["0001", "3005", "3006", "3007", "3041"]


def test_every_numbered_experiment_on_published_data_says_where_the_data_is():
    covered = {number for each in FILES if each.kind == "data" for number in experiments(each.numbers)}
    assert {number for number in config.numbers() if number[0] in "123456"} <= covered


def test_the_rows_and_streams_of_pyskls_table_are_3001_to_3032():
    names = [
        f"{rows}_{pose}"
        for rows in ("ntu60_xsub", "ntu60_xview", "ntu120_xsub", "ntu120_xset")
        for pose in ("3dkp", "hrnet")
    ]
    expected = [f"stgcnpp_{name}/{stream}.pth" for name in names for stream in ("j", "b", "jm", "bm")]
    found = {each.numbers: str(each.place) for each in FILES if "stgcnpp" in each.url}
    assert [found[str(3001 + row)] for row in range(32)] == expected


def test_every_entry_has_an_address_or_a_hint_and_no_two_share_a_place():
    assert all(each.url or (each.name and each.hint) for each in FILES)
    assert all(each.hint for each in FILES)
    places = [each.place for each in FILES if each.url]
    assert len(set(places)) == len(places)
    assert not any(part.startswith(".") for place in places for part in place.parts)


def test_addresses_are_the_seeds(shared):
    """Every address of a file stands in a seed, but for the scheme, and for GitHub's page of a file."""
    pages = "".join(path.read_text(encoding="utf-8") for path in (shared / "seeds").glob("00[0-4]*"))
    pages = pages.replace("http://", "https://").replace("/blob/main/", "/raw/main/")
    assert [each.url for each in FILES if each.url not in pages] == []


@pytest.mark.parametrize(("flags", "names"), [([], ["w", "d"]), (["--weights"], ["w"]), (["--data"], ["d"])])
def test_only_what_is_asked_for_is_fetched(tell, fetched, tmp_path, flags, names, capsys):
    tell(
        {"url": "https://host/folder/w", "sha256": "12ab", "size": 5},
        {"url": "https://host/folder/d", "kind": "data"},
        {"url": "https://host/folder/x", "numbers": "2002"},
    )
    assert main(["2001", "--to", str(tmp_path), "-np", *flags]) == 0
    assert [path for _, path, _ in fetched] == [tmp_path / "folder" / name for name in names]
    if "w" in names:
        assert fetched[0][2] == {"size": 5, "sha256": "12ab", "show_progress": False}
    assert "theirs" in capsys.readouterr().out


def test_dead_and_log_in_links_say_where_else_to_look_and_the_rest_is_fetched(tell, fetched, tmp_path, capsys):
    tell(
        {"url": "https://host/dead", "elsewhere": "the authors' table"},
        {"name": "weights.pdparams", "page": "https://baidu/1", "elsewhere": "3013"},
        {"url": "https://host/folder/w"},
    )
    assert main(["2001", "--to", str(tmp_path), "-np"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "https://host/dead: the server says 404 Not Found. Look here, too: the authors' table"
    assert second.startswith("weights.pdparams: no address") and second.endswith("https://baidu/1; 3013")
    assert len(fetched) == 1


def test_the_list_shows_size_licence_and_checksum(tell, capsys):
    tell({"url": "https://host/folder/w", "sha256": "12ab", "size": 500})
    assert main(["2001", "--list"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["numbers", "kind", "bytes", "licence", "sha256", "address"]
    assert row.split() == ["2001", "weights", "500", "theirs", "12ab", "https://host/folder/w"]


def test_the_whole_list_is_shown_without_a_number(capsys):
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(FILES) + 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "which NUMBER?"),
        (["0001"], "0001: no published weights or data known"),
        (["2", "--weights"], "no such experiment"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, arguments, reason):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert reason in said and said.count("\n") == 1
