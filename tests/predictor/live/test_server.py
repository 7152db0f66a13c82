"""Over real sockets: several clients, those who vanish, those who are one too many."""

import json
import signal
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from predictor.live import Settings, listen
from tests.predictor.live.fake import Fake, frame, stream
from utils.errors import UserError
from utils.interrupt import StopRequest


@contextmanager
def serving(fake=None, address="127.0.0.1:0", **told):
    """Yield the address where a server listens, what it says, and in the end its statistics."""
    stop, said, found = StopRequest(), [], []
    settings = Settings(**{"window": 8, "hop": 4, **told})
    work = threading.Thread(
        target=lambda: found.append(listen(fake or Fake(), settings, address, said.append, stop=stop))
    )
    work.start()
    while not said:
        assert work.is_alive()
        time.sleep(0.01)
    host, _, port = said[0].removeprefix("listening on ").rpartition(":")
    try:
        yield (host.strip("[]"), int(port)), said, found
    finally:
        stop.number = signal.SIGTERM
        work.join(20)
        assert not work.is_alive()


def talk(place, *lines):
    """Send lines, say that this is all, and return all answers; who is sent away may be so before or meanwhile."""
    found = []
    with socket.create_connection(place, timeout=10) as client:
        with suppress(OSError):
            client.sendall(b"".join(lines))
            client.shutdown(socket.SHUT_WR)
        answers = client.makefile("rb")
        with suppress(ConnectionError):
            while line := answers.readline():
                found.append(json.loads(line))
    return found


def test_clients_have_sessions_of_their_own():
    with serving() as (place, said, found):
        assert [each["decision"] for each in talk(place, *stream(8, {1: 1}))] == ["squat"] * 2
        assert [each["decision"] for each in talk(place, *stream(4, {1: 2}))] == ["jump"]
        with socket.create_connection(place, timeout=10) as one, socket.create_connection(place, timeout=10) as two:
            for client, thought in ((one, 1), (two, 2)):
                client.sendall(b"".join(stream(4, {1: thought})))
            names = [json.loads(client.makefile("rb").readline())["decision"] for client in (one, two)]
    assert names == ["squat", "jump"]
    assert (found[0].frames, found[0].decisions, found[0].errors) == (20, 5, 0)
    assert said[-1] == f"all: {found[0]}"
    assert sum("connected" in line for line in said) == 4


def test_a_client_who_vanishes_does_not_end_the_server():
    with serving() as (place, _, found):
        for half in (b"", frame(0, {1: 1})[:30], b"".join(stream(20, {1: 1}))):
            client = socket.create_connection(place, timeout=10)
            client.sendall(half)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not good-bye
            client.close()
        assert talk(place, *stream(4, {1: 2}))[0]["decision"] == "jump"
        assert talk(place, b"\xff\n", b"half a line")[1]["line"] == 2
    assert found[0].errors >= 2


def test_one_client_too_many_is_told_so():
    with serving(clients=1) as (place, said, _):
        with socket.create_connection(place, timeout=10) as first:
            first.sendall(b"".join(stream(4, {1: 1})))
            assert first.makefile("rb").readline()
            (refusal,) = talk(place)
            assert refusal == {"error": "busy: 1 are connected already; come back later"}
        assert any("sent away" in line for line in said)
        deadline = time.monotonic() + 10
        while "decision" not in (answers := talk(place, *stream(4, {1: 2})) or [{}])[0]:  # until the first one has left
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert answers[0]["decision"] == "jump"


def test_a_client_who_does_not_read_holds_nobody_up():
    with serving(hop=1, clients=2, max_rate=1e6, forget=1e6) as (place, _, _), socket.create_connection(place) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"".join(stream(300, {1: 1, 2: 2, 3: 1})))
        assert talk(place, *stream(2, {1: 2}))[0]["decision"] == "jump"


def test_a_server_that_stops_lets_its_clients_go():
    with serving() as (place, _, _):
        client = socket.create_connection(place, timeout=10)
        client.sendall(b"".join(stream(4, {1: 1})))
        answers = client.makefile("rb")
        assert answers.readline()
    assert answers.read() == b""
    client.close()


def test_a_defect_of_one_session_is_not_the_others():
    class Moody(Fake):
        def logits(self, clips):
            if clips[0].rows[-1, 0, 0] == 2:
                raise UserError("not this one")
            return super().logits(clips)

    with serving(Moody()) as (place, said, _):
        assert talk(place, *stream(4, {1: 2})) == []
        assert talk(place, *stream(4, {1: 1}))[0]["decision"] == "squat"
    assert any(line.endswith(": not this one") for line in said)


def test_version_6_and_names_are_addresses_too():
    with serving(address="localhost:0") as (place, _, _):
        assert talk(place, *stream(4, {1: 1}))
    if socket.has_ipv6:
        with serving(address="[::1]:0") as (place, said, _):
            assert said[0].startswith("listening on [::1]:")
            assert talk(place, *stream(4, {1: 1}))


@pytest.mark.parametrize(
    "address",
    ["8765", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", ":80", "127.0.0.1:-1", "", "127.0.0.1:" + "9" * 5000, "::1:\u0661"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UserError, match="expected HOST:PORT, such as 127.0.0.1:8765"):
        listen(Fake(), Settings(), address, print)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.7:0"])
def test_an_address_of_other_machines_has_to_be_meant(address):
    with pytest.raises(UserError, match="--open_to_network if you mean it"):
        listen(Fake(), Settings(), address, print)
    if address == "0.0.0.0:0":
        with serving(address=address, open_to_network=True) as (place, _, _):
            assert talk(("127.0.0.1", place[1]), *stream(4, {1: 1}))


def test_a_port_that_is_taken_and_a_host_that_is_not_there_are_refused():
    with serving() as (place, _, _), pytest.raises(UserError, match=f"port {place[1]} is taken; another port, or 0"):
        listen(Fake(), Settings(), f"127.0.0.1:{place[1]}", print)
    with pytest.raises(UserError, match="cannot listen there"):
        listen(Fake(), Settings(open_to_network=True), "192.0.2.7:8765", print)
    with pytest.raises(UserError, match="cannot listen there"):
        listen(Fake(), Settings(), "a" * 80 + ":8765", print)
