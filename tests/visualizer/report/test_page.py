import base64
import hashlib
import json
import re

import pytest

from utils.errors import UserError
from visualizer.report import write
from visualizer.report.page import TITLES, render


@pytest.fixture(scope="module")
def text(make_findings):
    return render(make_findings())


def test_all_sections_are_there_in_their_order(text):
    ids = re.findall(r'<(?:section|header)\b[^>]* id="([a-z]+)"', text)
    assert ids == list(TITLES)
    assert re.findall(r'<a href="#([a-z]+)">', text.split("<main>")[0]) == ids


def test_the_policy_allows_the_pages_own_scripts_alone(text):
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = {base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts}
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert set(re.findall("'sha256-([^']+)'", policy)) == hashes
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "connect-src" not in policy


def test_nothing_is_fetched_and_plotly_is_there_once(text):
    assert text.count("* plotly.js v") == 1
    own = re.sub(r"<script>\s*/\*\*\s*\* plotly.js.*?</script>", "", text, flags=re.DOTALL)
    assert len(own) < len(text) / 2
    assert not re.search(r"https?://(?!www\.w3\.org/)|@import|url\(|src=|<link", own)


def test_data_is_json_without_markup(text):
    data = re.search(r'<script type="application/json" id="findings">(.*?)</script>', text, re.DOTALL)[1]
    found = json.loads(data)
    assert "<" not in data and found.keys() == {"charts", "player", "body"}
    places = re.findall(r'data-chart="(\w+)"', text)
    assert sorted(places) == sorted(found["charts"])


def test_the_same_findings_give_the_same_bytes(make_findings, text):
    assert render(make_findings()) == text


def test_an_unfinished_report_never_stands_there(make_findings, tmp_path, monkeypatch):
    write(make_findings(), tmp_path / "report.html")
    before = (tmp_path / "report.html").read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UserError, match="no room left"):
        write(make_findings(seed=1), tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_bytes() == before


def test_a_folder_that_is_not_there_is_said(make_findings, tmp_path):
    with pytest.raises(UserError, match="cannot be read or written"):
        write(make_findings(), tmp_path / "nowhere" / "report.html")
