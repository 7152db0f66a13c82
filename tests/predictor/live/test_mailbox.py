"""A bounded queue: it drops the oldest, or makes who puts wait."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from predictor.live.mailbox import Mailbox


def everything(mailbox):
    found = []
    while not mailbox.is_finished:
        item = mailbox.take()
        if item is not None:
            found.append(item)
    return found


@given(st.lists(st.integers()), st.integers(1, 6))
def test_the_newest_are_kept_in_order(items, capacity):
    mailbox = Mailbox(capacity)
    dropped = sum(mailbox.put(item) for item in items)
    mailbox.close()
    assert everything(mailbox) == items[-capacity:][: len(items)]
    assert dropped == max(0, len(items) - capacity)


def test_who_waits_loses_nothing():
    mailbox = Mailbox(2, gives_up=lambda: False)
    sender = threading.Thread(target=lambda: [mailbox.put(n) for n in range(500)] and mailbox.close())
    sender.start()
    assert everything(mailbox) == list(range(500))
    sender.join(5)


def test_who_waits_gives_up():
    mailbox, asked = Mailbox(1, gives_up=lambda: bool(asked)), []
    mailbox.put(1)
    asked.append(True)
    assert mailbox.put(2) == 1
    assert mailbox.take() == 2


def test_closing_ends_all_waiting():
    mailbox, lost = Mailbox(1, gives_up=lambda: False), []
    mailbox.put(1)
    sender = threading.Thread(target=lambda: lost.append(mailbox.put(2)))
    sender.start()
    assert mailbox.close(discard=True) == 1
    sender.join(5)
    assert lost == [1]
    assert mailbox.is_finished
    assert mailbox.take() is None


def test_a_moment_without_anything_is_none():
    assert Mailbox(1).take() is None
