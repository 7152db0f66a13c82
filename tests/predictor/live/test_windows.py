"""Windows hold the last frames of everybody, and nothing else."""

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.live.frames import Frame
from predictor.live.settings import Settings
from predictor.live.windows import Windows
from tests.predictor.live.fake import crowd

CROWDS = st.lists(st.sets(st.integers(0, 4)), max_size=60)  # who is there, frame by frame


def windows(window=5, hop=2, forget=1e9, **more):
    return Windows(Settings(window=window, hop=hop, forget=forget, **more))


def add(held, number, people, t=None):
    """Add a frame in which everybody's one joint says the frame's number and who they are."""
    persons = {who: np.array([[number + 1, who + 1]], np.float32) for who in people}
    return held.add(Frame(float(number) if t is None else t, persons))


@given(CROWDS, st.integers(1, 7), st.integers(1, 4))
@settings(deadline=None)
def test_a_window_is_the_last_frames_from_the_first_one_with_the_person(crowds, window, hop):
    held = windows(window, hop)
    for number, people in enumerate(crowds):
        add(held, number, people)
        recent = range(max(0, number - window + 1), number + 1)
        for who in people:
            (clip,), persons = held.clip(who, slots=1)  # (T, V, C)
            seen = [t for t in recent if who in crowds[t]]
            assert persons == 1
            assert clip[:, 0, 0].tolist() == [t + 1 if t in seen else 0 for t in range(seen[0], number + 1)]
            assert set(clip[:, 0, 1].tolist()) <= {0, who + 1}
        known = {who for t in recent for who in crowds[t]}
        assert len(held) == len(known)  # the others are forgotten


@given(CROWDS, st.integers(1, 4))
@settings(deadline=None)
def test_decisions_are_due_every_hop_from_the_first_frame_on(crowds, hop):
    held, due, here = windows(100, hop), {}, {}
    for number, people in enumerate(crowds):
        add(held, number, people)
        expected = []
        for who in sorted(people):
            due.setdefault(who, number + hop - 1)
            if number >= due[who]:
                expected.append(who)
                due[who] = number + hop
            here[who] = who not in expected
        assert sorted(held.take_due()) == expected
        assert held.take_due() == []
    assert sorted(held.take_rest()) == sorted(who for who, is_news in here.items() if is_news)
    assert held.take_rest() == []


def test_decisions_may_be_put_off():
    held, taken = windows(hop=3), []
    for number in range(14):
        add(held, number, [1])
        taken.append(bool(held.take_due(4)))
    assert [number for number, is_due in enumerate(taken) if is_due] == [6, 13]


def test_ids_that_come_back_later_are_somebody_new():
    held = windows(window=50, hop=1, forget=2)
    for number in range(6):
        add(held, number, [1, 2] if number in (0, 5) else [1], t=number * 0.5)
    votes = held[1].votes
    assert held.clip(2, 1)[0].shape[1] == 1  # 2 was away for 2.5 s
    assert held.clip(1, 1)[0].shape[1] == 6
    add(held, 6, [1, 2], t=4.5)
    assert held[1].votes is votes
    assert held.clip(2, 1)[0].shape[1] == 2


def test_time_may_stand_still_but_not_jump():
    held = windows(forget=2)
    said = [add(held, number, [1], t=t) for number, t in enumerate([5.0, 5.0, 7.0, 6.9, 6.9, 9.0, 9.1])]
    assert [bool(each) for each in said] == [False, False, False, True, False, True, False]
    assert "went back from 7 to 6.9 s" in said[3]
    assert "no frame from 6.9 to 9 s" in said[5]
    assert held.clip(1, 1)[0].shape[1] == 2


def test_a_jump_can_be_told_in_seconds_since_1970():
    held = windows(forget=2)
    said = [add(held, number, [1], t=t) for number, t in enumerate([1700000000.25, 1700000000.125, 1700000003.5])]
    assert "went back from 1700000000.25 to 1700000000.125 s" in said[1]
    assert "no frame from 1700000000.125 to 1700000003.5 s" in said[2]


def test_together_the_others_of_the_window_follow_the_most_seen_first():
    held = windows(window=3, hop=1, together=True)
    for number, people in enumerate([[9], [9], [1, 3], [1, 2, 3], [1, 3]]):
        add(held, number, people)
    clip, persons = held.clip(1, slots=3)
    assert persons == 3
    assert clip[:, :, 0, 1].tolist() == [[2, 2, 2], [4, 4, 4], [0, 3, 0]]
    assert held.clip(2, slots=2)[0][:, :, 0, 1].tolist() == [[3], [2]]
    assert windows(together=False)._settings.together is False


def test_who_is_alone_leaves_the_other_slots_empty():
    held = windows()
    add(held, 0, [4, 5])
    clip, persons = held.clip(4, slots=3)
    assert persons == 1
    assert clip.shape == (3, 1, 1, 2)
    assert not clip[1:].any()


def test_an_hour_takes_no_more_memory_than_a_minute():
    """3600 persons come for a second each, ten take turns under ids that are used again, one stays."""
    held, sizes = windows(window=90, hop=30, forget=2.0), []
    tracemalloc.start()
    try:
        for number in range(108_000):
            add(held, number, crowd(number), t=number / 30)
            for who in held.take_due():
                held[who].votes.add(np.full(60, 1 / 60))
            if not number % 1800:
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(sizes[2:]) < sizes[1] + 30_000, sizes  # bytes
    assert len(held) <= 1 + 3 + 3


def test_a_sender_of_new_ids_without_end_does_not_make_it_grow():
    held = windows(window=20, forget=1e9)
    for number in range(500):
        add(held, number, range(number * 16, number * 16 + 16), t=0.0)
    assert len(held) == 20 * 16
