"""Answers over ASGI: whole ones, errors in vivenu's form, and those that are broken on purpose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from messy_migration_vivenu.sandbox.faults import Fault

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_JSON = b"application/json; charset=utf-8"
_PAGE = b"<!doctype html><title>Sign in</title><p>Your session has ended."
_BODY_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out.

    Attributes:
        status, body: of the answer.
        kind: its content type.
        headers: further ones.
        missing: bytes that are promised and never sent.
        silence: seconds to wait before anything is sent.
    """

    status: int
    body: bytes
    kind: bytes = _JSON
    headers: Headers = field(default_factory=list)
    missing: int = 0
    silence: float = 0.0


def as_json(value: object, status: int = 200) -> Answer:
    """A value as JSON."""
    return Answer(status, json.dumps(value).encode())


def error(status: int, message: str, headers: Headers | None = None) -> Answer:
    """An error as the API writes it."""
    about = {
        "statusCode": str(status),
        "error": HTTPStatus(status).phrase,
        "message": message,
    }
    return replace(as_json(about, status), headers=headers or [])


def spoilt(answer: Answer, fault: Fault) -> Answer:
    """What the fault makes of a good answer."""
    body = answer.body
    middle = len(body) // 2
    answers = {
        "hang": replace(answer, silence=fault.seconds),
        "reset": replace(answer, body=body[:middle], missing=len(body) - middle),
        "truncated": replace(answer, body=body[:middle]),
        "html": Answer(200, _PAGE, b"text/html; charset=utf-8"),
        "empty": Answer(200, b""),
        "envelope": as_json({"data": [], "count": 0}),
        "duplicate_key": Answer(200, b'{"total":0,' + body[1:]),
        "not_a_number": Answer(200, b'{"weight":NaN,' + body[1:]),
    }
    if fault.kind == "status":
        return error(fault.status, "told to fail", fault.headers())
    return answers[fault.kind]


async def give(answer: Answer, receive: Receive, send: Send) -> None:
    """Send an answer; of one with missing bytes a server breaks the connection off."""
    if answer.silence and await _leaves(receive, answer.silence):
        return
    headers = [
        (b"content-type", answer.kind),
        (b"content-length", str(len(answer.body) + answer.missing).encode()),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send(
        {"type": "http.response.body", "body": answer.body, "more_body": bool(answer.missing)}
    )


async def _leaves(receive: Receive, seconds: float) -> bool:
    """Whether the client goes away within this time."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), seconds)
    except TimeoutError:
        return False
    return True


async def whole_body(receive: Receive) -> bytes:
    """The body of a call, cut where it gets too long."""
    body = b""
    while len(body) < _BODY_LIMIT:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


async def live(receive: Receive, send: Send) -> None:
    """Start and stop, as a server asks for it."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
