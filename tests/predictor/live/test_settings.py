"""What may be told, and what is taken from the experiment."""

import pytest

from predictor.live import Settings
from tests.predictor.live.fake import Fake
from utils.errors import UserError


@pytest.mark.parametrize(
    ("number", "overrides", "window"),
    [("0001", (), 64), ("2001", (), 150), ("3001", (), 100), ("2002", (), 150), ("3001", ("input.frames=30",), 30)],
)
def test_the_window_is_what_the_network_was_trained_on(number, overrides, window):
    found = Settings().fitted(Fake(number=number, overrides=overrides))
    assert (found.window, found.hop) == (window, window // 8)
    assert found.fitted(Fake(number=number, overrides=overrides)) == found


def test_deeplabcuts_clips_are_windows_already():
    fake = Fake(number="1006")
    fake.config = fake.config.model_copy(update={"data": fake.config.data.model_copy(update={"window": 44})})
    assert fake.config.data.form == "deeplabcut"
    assert Settings().fitted(fake).window == 44


def test_a_short_window_still_has_a_hop():
    assert Settings(window=3).fitted(Fake()).hop == 1


@pytest.mark.parametrize(
    ("number", "window", "most"), [("0001", 65, 64), ("2002", 289, 288), ("3001", 5000, None), ("3001", 41, 40)]
)
def test_a_window_of_which_the_newest_frames_would_not_be_seen_is_refused(number, window, most):
    fake = Fake(number=number)
    fake.longest = 40 if most == 40 else None
    if most is None:
        assert Settings(window=window).fitted(fake).window == window  # sampled from all of it
        return
    with pytest.raises(UserError, match=f"--window {window}: this network sees {most} frames"):
        Settings(window=window).fitted(fake)


@pytest.mark.parametrize(
    "wrong",
    [{"window": 0}, {"hop": -1}, {"max_rate": 0.0}, {"queue": 0}, {"threshold": 1.5}, {"margin": -0.1},
     {"smoothing": 1.0}, {"forget": 0.0}, {"max_line": 0}, {"clients": 0}, {"threshold": float("nan")}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_its_flag(wrong):
    (name,) = wrong
    with pytest.raises(UserError, match=f"--{name} "):
        Settings(**wrong)
