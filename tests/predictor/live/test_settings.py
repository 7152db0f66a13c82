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


def test_the_window_is_no_longer_than_what_the_network_sees():
    fake = Fake(number="3001")
    fake.longest = 40
    assert Settings().fitted(fake).window == 40
    turned = Fake(number="3001", overrides=("data.variant=transformed",))  # which keeps 300 frames of a clip
    assert Settings(window=300).fitted(turned).window == 300
    with pytest.raises(UserError, match="--window 301: this network sees 300 frames"):
        Settings(window=301).fitted(turned)


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
     {"smoothing": 1.0}, {"forget": 0.0}, {"max_line": 0}, {"clients": 0}, {"threshold": float("nan")},
     {"frame_size": (0, 640)}, {"frame_size": (480, -1)}, {"window": 10**12}, {"max_rate": float("nan")}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_its_flag(wrong):
    (name,) = wrong
    with pytest.raises(UserError, match=f"--{name} "):
        Settings(**wrong)


def test_what_has_no_effect_on_the_experiment_is_refused():
    with pytest.raises(UserError, match="--frame_size has no effect: prenormalized data"):
        Settings(frame_size=(1, 1)).fitted(Fake(number="3001"))
    assert Settings(frame_size=(1, 1)).fitted(Fake(number="3005", layout="coco-17")).frame_size == (1, 1)
    with pytest.raises(UserError, match="--together has no effect: this network sees one person"):
        Settings(together=True).fitted(Fake(number="3001", overrides=("input.persons=1",)))
