import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualizer.report.markup import Html, count, join, label, percent, script_json, tag


def test_children_are_escaped_unless_they_are_markup():
    assert tag("p", "<b>", Html("<i></i>"), ["&", ("'",)], None, 3) == "<p>&lt;b&gt;<i></i>&amp;&#x27;3</p>"
    assert tag("td", data_key=0, class_='"x"', hidden=True, title=None, open=False) == (
        '<td data-key="0" class="&quot;x&quot;" hidden></td>'
    )
    assert isinstance(join("<"), Html)


@given(
    st.recursive(st.text() | st.integers() | st.none(), lambda each: st.lists(each) | st.dictionaries(st.text(), each))
)
def test_json_in_a_script_is_the_same_and_ends_no_script(value):
    text = script_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_json_has_no_nan():
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json([float("nan")])


@given(st.text())
def test_labels_hold_nothing_that_plotly_reads(text):
    assert not set("<>$") & set(label(text))


def test_labels_are_shortened_before_they_are_escaped():
    assert label("<<<<", 3) == "&lt;&lt;…"
    assert label("abc", 3) == "abc"


def test_numbers():
    assert (percent(None), percent(0.12345), percent(1, 2)) == ("-", "12.3%", "100.00%")
    assert (count(999), count(16_487)) == ("999", "16\u202f487")
