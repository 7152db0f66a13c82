"""What is published is listed completely, and fetched from a server in this process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
from generator import places
from tools import fetch
from tools.fetch import PublishedFile, experiments, main, published_files, ranges
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
    published = {number for number in config.numbers() if config.load(number).data.form not in ("deeplabcut", "own")}
    assert published - {"0001"} <= covered


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


def test_the_list_of_a_number_shows_all_that_is_known(tell, capsys):
    tell(
        {"url": "https://host/folder/w", "sha256": "12ab", "size": 500},
        {"name": "all.zip", "kind": "data", "page": "https://page"},
    )
    assert main(["2001", "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "folder/w (weights)",
        "  bytes      500",
        "  licence    theirs",
        "  sha256     12ab",
        "  address    https://host/folder/w",
        "",
        "all.zip (data)",
        "  licence    theirs",
        "  look here  https://page",
        "  -gd reads  data/raw_skeleton/nturgbd_skeletons_s001_to_s017",
    ]


def test_the_whole_list_has_the_numbers_that_there_are_and_fits_a_terminal(capsys):
    assert main(["--list"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["numbers", "kind", "file", "from"]
    shown = {number for line in lines[:-2] for number in experiments(line.split("  ")[0])}
    assert shown <= set(config.numbers())
    assert len(lines) - 2 == sum(bool(each.existing) for each in FILES)
    assert max(map(len, lines)) < 140 and not any("?" in line for line in lines)


@given(st.sets(st.integers(1, 9999)))
def test_ranges_are_the_inverse_of_their_expansion(chosen):
    numbers = [f"{number:04d}" for number in sorted(chosen)]
    assert list(experiments(ranges(numbers))) == numbers


# --- what was fetched, and -gd


@pytest.mark.parametrize("number", ["3001", "3005", "3017", "3021"])
def test_what_is_fetched_lies_where_gd_looks(number, fetched, capsys):
    (part,) = config.load(number).data.parts
    looked_for = places.RAW_FOLDERS[part][0]
    code = main([number, "--data", "-np"])
    if code == 0:
        assert [path for _, path, _ in fetched] == [looked_for]
    else:  # there is no address: it is said where the file belongs
        said = capsys.readouterr().err
        assert f"Put it where -gd reads it, {looked_for.relative_to(config.ROOT)}, or" in said
    assert f"tools.fetch {number} --data" in places.RAW_FOLDERS[part][1]


def test_gd_reads_what_was_fetched(tell, tmp_path, monkeypatch, generate):
    """3005, end to end: the file that `fetch` wrote is found without --raw."""
    monkeypatch.setattr(config.machine, "load_local", config.Local)
    monkeypatch.delenv("GESTA_RAW", raising=False)
    _, how = places.RAW_FOLDERS["ntu60-hrnet"]
    monkeypatch.setattr(fetch, "DOWNLOADS", tmp_path)
    monkeypatch.setitem(places.RAW_FOLDERS, "ntu60-hrnet", (tmp_path / "nturgbd/ntu60_hrnet.pkl", how))
    monkeypatch.setattr(fetch, "download", lambda url, path, **_: path.parent.mkdir() or path.write_bytes(b"no pickle"))
    tell({"url": "https://host/other/ntu60_hrnet.pkl", "kind": "data", "numbers": "3005"})
    assert main(["3005", "--to", str(tmp_path), "-np"]) == 0
    with pytest.raises(UserError, match="nturgbd/ntu60_hrnet.pkl: not a pickle"):
        generate("3005", tmp_path / "store")
    assert not (tmp_path / "store").exists()  # a refused order leaves nothing


def test_a_failed_fetch_leaves_no_empty_folder(tell, tmp_path, monkeypatch):
    def fail(url, path, **_):
        path.parent.mkdir(parents=True)
        if "half" in url:
            path.with_name("half.partial").touch()
        raise UserError(f"{url}: cut off")

    monkeypatch.setattr(fetch, "download", fail)
    tell({"url": "https://host/folder/w", "elsewhere": "there"})
    assert main(["2001", "--to", str(tmp_path / "new/place"), "-np"]) == 2
    assert not list(tmp_path.iterdir())
    tell({"url": "https://host/folder/half", "elsewhere": "there"})
    assert main(["2001", "--to", str(tmp_path), "-np"]) == 2
    assert (tmp_path / "folder/half.partial").exists()  # to go on from


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
