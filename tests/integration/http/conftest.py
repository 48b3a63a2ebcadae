"""A server on a free loopback port that misbehaves on demand and counts what it is asked."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from messy_migration.http import Client, HttpSettings


class Call(NamedTuple):
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes


def reply(body=b"{}", *, status=200, kind="application/json", headers=(), length=None, pieces=None):
    """A behaviour: an ordinary answer, or one whose head lies about its body.

    `length` replaces the true Content-Length; `pieces` are sent as chunks instead, and the end
    of the last chunk is left out where the last piece is None.
    """
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()

    def behave(handler):
        handler.send_response_only(status)
        if kind is not None:
            handler.send_header("Content-Type", kind)
        for name, value in headers:
            handler.send_header(name, value)
        if pieces is not None:
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            for piece in pieces:
                if piece is None:
                    handler.close_connection = True
                    return
                handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            handler.wfile.write(b"0\r\n\r\n")
            return
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = length is not None

    return behave


def raw(*pieces, gap=0.0):
    """A behaviour: these bytes, with a pause before each, and then the end of the connection."""

    def behave(handler):
        for piece in pieces:
            if gap and handler.server.over.wait(gap):
                return
            handler.wfile.write(piece)
        handler.close_connection = True

    return behave


def hang(handler):
    """A behaviour: no answer until the test ends."""
    handler.server.over.wait(30)
    handler.close_connection = True


class Server(ThreadingHTTPServer):
    """Serves the behaviours of a path in turn; the last one stays."""

    daemon_threads = True
    reply = staticmethod(reply)
    raw = staticmethod(raw)
    hang = staticmethod(hang)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.over = threading.Event()
        self.calls = []
        self.plan = {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def on(self, path, *behaviours):
        self.plan[path] = list(behaviours)

    def count(self, path, method="GET"):
        return sum(call.path == path and call.method == method for call in self.calls)

    def handle_error(self, request, client_address):
        """A client that hangs up is what some of these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = parse_qs(parts.query, keep_blank_values=True)
        self.server.calls.append(Call(self.command, parts.path, query, dict(self.headers), body))
        behaviours = self.server.plan.get(parts.path)
        if behaviours is None:
            reply({"error": "no such path"}, status=404)(self)
            return
        behave = behaviours[0] if len(behaviours) == 1 else behaviours.pop(0)
        behave(self)
        with contextlib.suppress(OSError):
            self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

    def log_message(self, *args):
        """Nothing to stderr."""


@pytest.fixture
def server():
    """The server, stopped with all its answers at the end of the test."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def client_of(server):
    """A function that opens a client of the server; pauses between tries are left out.

    What it takes beside the arguments of a client are settings.
    """
    fields = set(HttpSettings.model_fields)
    with contextlib.ExitStack() as stack:

        def build(**options):
            chosen = {name: options.pop(name) for name in fields & set(options)}
            settings = HttpSettings(**{"base": 0, "cap": 0, "asked": 0, **chosen})
            return stack.enter_context(Client(server.url, settings=settings, **options))

        yield build
