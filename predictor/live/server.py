"""Live over a socket: every connection is a session of its own; all share the classifier."""

import errno
import ipaddress
import json
import re
import socket
import threading
import time
from collections.abc import Sequence

import numpy as np

from dataset.packing import Packed
from predictor.classifier import Classifier
from predictor.live.mailbox import POLL
from predictor.live.session import PATIENCE, Say, answer, prepare
from predictor.live.settings import Settings
from predictor.live.statistics import Statistics
from utils.errors import UserError
from utils.interrupt import StopRequest


def listen(
    classifier: Classifier, settings: Settings, address: str, log: Say, *, stop: StopRequest | None = None
) -> Statistics:
    """Answer whoever connects to `address` (HOST:PORT; port 0: any free one), until `stop` is requested.

    A connection is sent the decisions on its own frames; ids of several do not mix. Who comes when `settings.clients`
    are connected is told so and sent away. Nobody is asked for a password, so the address has to be this machine's
    own (loopback) unless `settings.open_to_network`.

    Raises:
        UserError: on an address that is wrong, taken, or other machines'; as `prepare`.
    """
    stop = stop or StopRequest()
    with _bind(address, settings) as listener:
        settings = prepare(classifier, settings)
        host, port = listener.getsockname()[:2]
        log(f"listening on {_join(host, port)}")
        server = _Server(_Shared(classifier), settings, log, stop)
        while not stop.due():
            try:
                connection, peer = listener.accept()
            except TimeoutError:  # nobody for a moment
                continue
            except OSError as error:  # one who left before being greeted, or no more files may be open
                log(f"nobody was let in: {error}")
                time.sleep(POLL)
                continue
            server.greet(connection, _join(*peer[:2]))
    return server.finish()


def _bind(address: str, settings: Settings) -> socket.socket:
    """Return a socket that listens and whose `accept` waits for a moment only."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise UserError(f"--listen {address}: expected HOST:PORT, such as 127.0.0.1:8765")
    try:
        family, _, _, _, place = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        if not ipaddress.ip_address(place[0]).is_loopback and not settings.open_to_network:
            raise UserError(
                f"--listen {address}: other machines could connect, and nobody is asked for a password; "
                "listen on 127.0.0.1, or add --open_to_network if you mean it"
            )
        listener = socket.create_server(place[:2], family=family)
    except (OSError, UnicodeError) as error:  # UnicodeError: no host could be called so
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise UserError(f"--listen {address}: port {port} is taken; another port, or 0 for a free one") from error
        why = getattr(error, "strerror", None) or error
        raise UserError(f"--listen {address}: cannot listen there ({why})") from error
    listener.settimeout(POLL)
    return listener


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Shared:
    """A classifier that several threads ask in turn."""

    def __init__(self, classifier: Classifier) -> None:
        self.config, self.classes, self.layout = classifier.config, classifier.classes, classifier.layout
        self.longest = classifier.longest
        self._classifier, self._lock = classifier, threading.Lock()

    def logits(self, clips: Sequence[Packed]) -> np.ndarray:
        """Return (N, K) float32; see `Classifier`."""
        with self._lock:
            return self._classifier.logits(clips)


class _Server:
    def __init__(self, classifier: Classifier, settings: Settings, log: Say, stop: StopRequest) -> None:
        self._classifier, self._settings, self._log, self._stop = classifier, settings, log, stop
        self._sessions: list[threading.Thread] = []
        self._total, self._lock = Statistics(), threading.Lock()

    def greet(self, connection: socket.socket, peer: str) -> None:
        """Begin a session with who has connected, or send them away."""
        connection.settimeout(None)
        self._sessions = [each for each in self._sessions if each.is_alive()]
        if len(self._sessions) >= self._settings.clients:
            self._log(f"{peer}: sent away, {self._settings.clients} are connected already (--clients)")
            _send_away(connection, {"error": f"busy: {self._settings.clients} are connected already; come back later"})
            return
        session = threading.Thread(target=self._serve, args=(connection, peer), daemon=True)
        self._sessions.append(session)
        session.start()

    def _serve(self, connection: socket.socket, peer: str) -> None:
        self._log(f"{peer}: connected")
        with (
            connection,
            connection.makefile("rb", buffering=0) as source,
            connection.makefile("wb", buffering=0) as sink,
        ):
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                statistics = answer(self._classifier, self._settings, source, sink, self._stop)
            except (UserError, OSError) as error:  # OSError: gone already, which macOS says here
                self._log(f"{peer}: {error}")
            else:
                self._log(f"{peer}: {statistics}")
                with self._lock:
                    self._total.add(statistics)
            finally:
                _hang_up(connection)

    def finish(self) -> Statistics:
        """Wait for the sessions to end, say what they counted together, and return it."""
        for session in self._sessions:
            session.join(2 * PATIENCE)
        with self._lock:
            self._log(f"all: {self._total}")
            return self._total


def _send_away(connection: socket.socket, why: dict[str, str]) -> None:
    with connection:
        try:
            connection.setblocking(False)
            connection.send(json.dumps(why).encode() + b"\n")
        except OSError:
            return  # gone already
        _hang_up(connection)


def _hang_up(connection: socket.socket) -> None:
    """End a connection both ways, so that threads that wait for it go on."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was first
