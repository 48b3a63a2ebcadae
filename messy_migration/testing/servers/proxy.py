"""A TCP proxy in front of a server, for tests: it delays, cuts, swallows and turns away.

It reads the frames of the Postgres protocol (version 3, without TLS), so that it can act on the
COMMIT of a batch and on nothing else. What it did is in `Proxy.fired`: a test whose fault did
not fire has shown nothing and must fail.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Moment = Literal["before", "after", "late"]
"""A COMMIT that is never sent on; one whose answer is lost; one that arrives after the cut."""

CHUNK = 65536
_PLAIN_REQUESTS = (80877103, 80877104)  # SSLRequest, GSSENCRequest: the startup is still to come


class _Frames:
    """Cuts the client's side of one connection into protocol messages."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The messages that are whole now: (type, or empty for a startup message; all bytes)."""
        self._rest += data
        while True:
            head = 1 if self._started else 0
            if len(self._rest) < head + 8 - 4 * head:
                return
            (length,) = struct.unpack_from("!I", self._rest, head)
            if len(self._rest) < head + length:
                return
            message, self._rest = self._rest[: head + length], self._rest[head + length :]
            if not self._started:
                (code,) = struct.unpack_from("!I", message, 4)
                self._started = code not in _PLAIN_REQUESTS
            yield message[:head], message


def _is_commit(kind: bytes, message: bytes) -> bool:
    text = {b"Q": message[5:], b"P": message[5:].partition(b"\0")[2]}.get(kind, b"")
    return text.strip(b" ;\0").upper().startswith(b"COMMIT")


@dataclass(slots=True)
class _Pair:
    """One client and its way to the server."""

    client: socket.socket
    server: socket.socket
    has_rows: bool = False
    is_deaf: bool = False
    sent: Counter[str] = field(default_factory=Counter)

    def cut(self) -> None:
        """End both sides with RST."""
        self.is_deaf = True
        _reset(self.client)
        _reset(self.server)


class Proxy:
    """A way to a server on which things go wrong when the test says so.

    Attributes:
        port: on 127.0.0.1, where clients connect.
        latency: seconds that each piece of data is held back.
        refuses: end new connections at once.
        connections: how many clients came.
        fired: name of a fault -> how often it happened.
    """

    def __init__(self, host: str, port: int) -> None:
        self.latency = 0.0
        self.refuses = False
        self.connections = 0
        self.fired: Counter[str] = Counter()
        self._to = (host, port)
        self._flow = threading.Event()
        self._flow.set()
        self._cut_after: tuple[str, int] | None = None
        self._commits: list[tuple[Moment, int]] = []
        self._late = 0.0
        self._pairs: list[_Pair] = []
        self._threads: list[threading.Thread] = []
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept)

    def repoint(self, host: str, port: int) -> None:
        """Lead new connections to another server."""
        self._to = (host, port)
        self.fired["repoint"] += 1

    def reset(self) -> int:
        """Cut every open connection with RST; return how many there were."""
        with self._guard:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.cut()
        self.fired["reset"] += len(pairs)
        return len(pairs)

    def half_close(self) -> None:
        """Tell every client that the server said its last word; what clients send still passes."""
        with self._guard:
            pairs = list(self._pairs)
        for pair in pairs:
            pair.is_deaf = True
            with suppress(OSError):
                pair.client.shutdown(socket.SHUT_WR)
        self.fired["half_close"] += len(pairs)

    def black_hole(self, *, on: bool = True) -> None:
        """Hold everything back in both directions while all connections stay open."""
        if on:
            self._flow.clear()
            self.fired["black_hole"] += 1
        else:
            self._flow.set()

    def cut_after(self, count: int, sender: Literal["client", "server"] = "client") -> None:
        """Cut the first connection on which one side has sent so many bytes from now on."""
        with self._guard:
            for pair in self._pairs:
                pair.sent.clear()
            self._cut_after = (sender, count)

    def cut_commit(
        self, moment: Moment, *, times: int = 1, skip: int = 0, seconds: float = 1.0
    ) -> None:
        """Cut connections at the COMMIT of a transaction that copied rows in.

        Args:
            moment: `before`: the server never sees it. `after`: the server commits and its
                answer is lost. `late`: the client is cut, the server sees it `seconds` later.
            times: how many such transactions.
            skip: how many to let pass first.
            seconds: see `late`.
        """
        with self._guard:
            self._late = seconds
            self._commits = [(moment, skip)] + [(moment, 0)] * (times - 1)

    def close(self) -> None:
        """Turn everybody away and wait for the threads."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            pairs = list(self._pairs)
        for pair in pairs:
            for one in (pair.client, pair.server):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._flow.set()
        for thread in list(self._threads):
            thread.join()

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refuses:
                self.fired["refused"] += 1
                client.close()
                continue
            try:
                server = socket.create_connection(self._to, timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = _Pair(client, server)
            with self._guard:
                self._pairs.append(pair)
            self._spawn(self._serve, pair)

    def _serve(self, pair: _Pair) -> None:
        answers = threading.Thread(target=self._answers, args=(pair,), daemon=True)
        answers.start()
        with suppress(OSError):
            self._requests(pair)
        with suppress(OSError):
            pair.server.shutdown(socket.SHUT_WR)
        answers.join()
        if pair.is_deaf:
            _reset(pair.client)
        pair.client.close()
        pair.server.close()
        with self._guard:
            if pair in self._pairs:
                self._pairs.remove(pair)

    def _requests(self, pair: _Pair) -> None:
        frames = _Frames()
        while data := pair.client.recv(CHUNK):
            self._pass(pair, "client", data)
            for kind, message in frames.feed(data):
                pair.has_rows = pair.has_rows or kind == b"d"
                if _is_commit(kind, message):
                    moment = self._due(pair)
                    pair.has_rows = False
                    if moment is not None:
                        self._cut_at_commit(pair, moment, message)
                        return
                pair.server.sendall(message)

    def _answers(self, pair: _Pair) -> None:
        with suppress(OSError):
            while data := pair.server.recv(CHUNK):
                self._pass(pair, "server", data)
                if not pair.is_deaf:
                    pair.client.sendall(data)
        if not pair.is_deaf:
            with suppress(OSError):
                pair.client.shutdown(socket.SHUT_WR)

    def _pass(self, pair: _Pair, sender: str, data: bytes) -> None:
        """Whatever holds for all data, before it goes on."""
        if self.latency:
            time.sleep(self.latency)
            self.fired["latency"] += 1
        self._flow.wait()
        pair.sent[sender] += len(data)
        with self._guard:
            limit = self._cut_after
            is_due = limit is not None and limit[0] == sender and pair.sent[sender] >= limit[1]
            if is_due:
                self._cut_after = None
        if is_due:
            self.fired["cut_after"] += 1
            pair.cut()
            raise ConnectionAbortedError

    def _due(self, pair: _Pair) -> Moment | None:
        if not pair.has_rows:
            return None
        with self._guard:
            if not self._commits:
                return None
            moment, skip = self._commits[0]
            if skip:
                self._commits[0] = (moment, skip - 1)
                return None
            del self._commits[0]
        self.fired[f"commit_{moment}"] += 1
        return moment

    def _cut_at_commit(self, pair: _Pair, moment: Moment, message: bytes) -> None:
        if moment == "before":
            pair.cut()
            return
        pair.is_deaf = True
        if moment == "late":
            _reset(pair.client)
            pair.client.close()
            time.sleep(self._late)
        # The server commits, answers to nobody, and closes because we have; then the client is cut.
        pair.server.sendall(message)


def _reset(one: socket.socket) -> None:
    """Let `close` send RST, and wake whoever reads."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        one.shutdown(socket.SHUT_RD)


@contextmanager
def proxy(host: str, port: int) -> Iterator[Proxy]:
    """A proxy in front of a server, for the time of the context.

    Args:
        host: of the server.
        port: of the server.
    """
    started = Proxy(host, port)
    try:
        yield started
    finally:
        started.close()
