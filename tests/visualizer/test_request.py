"""Classes, clips and frames by name or number, and what is said where there is no such thing."""

import pytest

from utils.errors import UserError
from visualizer.request import Request, find_class, find_clip, refuse_frames

CLASSES = ("drink water", "Sit_Down", "42", "stand up")
NAMES = ["S001A001", "S001A002", "7", "0"]


@pytest.mark.parametrize(
    ("text", "place"),
    [(None, None), ("0", None), ("drink water", 0), ("Drink_Water", 0), ("sit down", 1), ("42", 2), ("4", 3), ("1", 0)],
)
def test_a_class_is_a_name_or_a_number_from_1(text, place):
    assert find_class(text, CLASSES) == place


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("drink", r"-vc drink: no such class; nearest is 1, 'drink water' \(1 to 4\)"),
        ("up", r"nearest is 4, 'stand up'"),
        ("sitting", r"nearest is 2, 'Sit_Down'"),
        ("5", r"-vc 5: no such class"),
        ("-1", r"-vc -1: no such class"),
        ("²", r"-vc ²: no such class"),
        ("<script>", r"-vc <script>: no such class"),
    ],
)
def test_an_unknown_class_names_the_nearest(text, line):
    with pytest.raises(UserError, match=line):
        find_class(text, CLASSES)


@pytest.mark.parametrize(("text", "place"), [("S001A002", 1), ("0", 3), ("7", 2), ("1", 1), ("3", 3)])
def test_a_clip_is_a_name_or_a_place_from_0(text, place):
    assert find_clip(text, NAMES) == place


@pytest.mark.parametrize("text", ["S001A003", "4", "-1", ""])
def test_an_unknown_clip_names_the_nearest(text):
    with pytest.raises(UserError, match=rf"-vs {text}: no such clip; nearest is \S+; or a number from 0 to 3"):
        find_clip(text, NAMES)


@pytest.mark.parametrize("frame", [-1, 40])
def test_a_frame_outside_the_clip_is_refused(frame):
    refuse_frames([0, 39], "a", 40)
    with pytest.raises(UserError, match=f"-vf {frame}: the network saw 40 frames of a; give 0 to 39"):
        refuse_frames([3, frame], "a", 40)


def test_a_request_is_the_words_that_ask_for_it():
    assert Request().words() == []
    assert Request("7", ["a", "b"], [0]).words() == ["-vc", "7", "-vs", "a", "b", "-vf", "0"]
