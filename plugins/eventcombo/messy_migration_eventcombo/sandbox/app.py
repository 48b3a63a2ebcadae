"""The service as an ASGI application: a token, the event list, and lists per event.

It speaks the contract that the plugin assumes and is strict about it: an unknown parameter is
400, a write method 405 and counted, a page size that is left out becomes 20 in silence.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from messy_migration_eventcombo.sandbox.knobs import Fault, Knobs
from messy_migration_eventcombo.sandbox.wire import json_text, wrap
from messy_migration_eventcombo.sandbox.world import World

USERNAME = "organiser@sandbox.example"
PASSWORD = "sandbox-password"  # noqa: S105 - of a server that lives for one run on loopback
LOG = "/_sandbox/log"
_TOKEN = "/API/Token"  # noqa: S105 - a path
_EVENTS = "/api/v2/Public/Event/List"
_TYPES = re.compile(r"/api/v2/Public/Event/([^/]+)/Tickets\Z")
_LISTS = {
    "/api/v2/Organizer/Order/List": "orders",
    "/api/v2/Organizer/Attendee/List": "attendees",
    "/api/v2/Organizer/PromoCode/List": "promo_codes",
}
_PAGING = {"page", "perPage"}
_DEFAULT_SIZE = 20
_JSON = "application/json; charset=utf-8"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it was answered; the query without anything secret in it."""

    method: str
    path: str
    query: str
    status: int


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes
    kind: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None


class SandboxApp:
    """Serves one world. Tests read `calls` and `writes`, and may `revoke` tokens and `change`."""

    def __init__(self, world: World, knobs: Knobs) -> None:
        self.world = world
        self.knobs = knobs
        self.calls: list[Call] = []
        self.writes = 0
        self._tokens: dict[str, tuple[float, int]] = {}
        self._issued = 0
        self._met: dict[Fault, int] = {}
        self._given: dict[Fault, int] = {}

    def revoke(self) -> None:
        """Refuse every token that was given so far."""
        self._tokens.clear()

    def change(self, entity: str, record_id: object, **fields: object) -> None:
        """Change a record for all later answers; KeyError if there is no such record."""
        names = {"events": "EventID", "orders": "O_Id", "promo_codes": "PC_id"}
        due = [
            record
            for records in self.world.lists(entity).values()
            for record in records
            if record.get(names.get(entity, "T_Id")) == record_id
        ]
        if not due:
            raise KeyError(record_id)
        for record in due:
            record.update(fields)

    @property
    def token_calls(self) -> int:
        """How often a token was asked for."""
        return sum(call.path == _TOKEN for call in self.calls)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One request, or the start and end of the server."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        method, path = scope["method"], scope["path"]
        query = scope["query_string"].decode("latin-1")
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        body = await _body(receive)
        if (method, path) == ("GET", LOG):
            await _send(send, _Reply(200, self._log()))
            return
        reply = await self._answer(method, path, query, headers, body)
        self.calls.append(Call(method, path, query, reply.status))
        await _send(send, reply)

    def _log(self) -> bytes:
        calls = [[call.method, call.path, call.query, call.status] for call in self.calls]
        return json.dumps({"calls": calls, "writes": self.writes}).encode()

    async def _answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> _Reply:
        if (method, path) == ("POST", _TOKEN):
            return self._token(headers, body)
        if method not in ("GET", "HEAD"):
            self.writes += 1
            return _problem(405, "The requested resource does not support this method.")
        if not self._is_allowed(headers):
            return _problem(401, "Authorization has been denied for this request.")
        if self.knobs.restricted and self.knobs.restricted in path:
            return _problem(403, "This organiser may not read this.")
        fault = self._due(path)
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            fault = None
        if fault and fault.kind in ("429", "500", "503"):
            return _failed(fault)
        reply = self._list(path, query)
        return _broken(reply, fault) if fault and reply.status == 200 else reply

    def _token(self, headers: Mapping[str, str], body: bytes) -> _Reply:
        form = {key: values[0] for key, values in parse_qs(body.decode("latin-1")).items()}
        is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        if not is_form or form.get("grant_type") != "password":
            return _reply(400, {"error": "unsupported_grant_type"})
        right = hmac.compare_digest(form.get("username", ""), USERNAME) and hmac.compare_digest(
            form.get("password", ""), PASSWORD
        )
        if not right:
            why = "The user name or password is incorrect."
            return _reply(400, {"error": "invalid_grant", "error_description": why})
        self._issued += 1
        token = f"sandbox-token-{self._issued:06d}-{id(self):x}"
        self._tokens[token] = (time.monotonic(), 0)
        answer: dict[str, Any] = {"access_token": token, "token_type": "bearer"}
        if self.knobs.says_life:
            answer["expires_in"] = int(self.knobs.token_life)
        return _reply(200, {**answer, "userName": USERNAME})

    def _is_allowed(self, headers: Mapping[str, str]) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token not in self._tokens:
            return False
        issued, used = self._tokens[token]
        limit = self.knobs.token_calls
        if time.monotonic() - issued > self.knobs.token_life or (
            limit is not None and used >= limit
        ):
            del self._tokens[token]
            return False
        self._tokens[token] = (issued, used + 1)
        return True

    def _due(self, path: str) -> Fault | None:
        """The first fault whose turn it is; every call counts for all faults of its path."""
        due = None
        for fault in self.knobs.faults:
            if fault.path not in path:
                continue
            self._met[fault] = self._met.get(fault, 0) + 1
            spent = fault.times is not None and self._given.get(fault, 0) >= fault.times
            if due is None and not spent and self._met[fault] % fault.every == 0:
                self._given[fault] = self._given.get(fault, 0) + 1
                due = fault
        return due

    def _list(self, path: str, query: str) -> _Reply:
        try:
            parameters = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        except ValueError:
            return _problem(400, "The query cannot be read.")
        if path == _EVENTS:
            if parameters:
                return _problem(400, f"Unknown parameter {min(parameters)}.")
            events = [record for records in self.world.events.values() for record in records]
            return self._page("events", events, events)
        types = _TYPES.fullmatch(path)
        if types:
            entity, event, allowed = "ticket_types", types[1], _PAGING
        elif path in _LISTS:
            entity, event = _LISTS[path], parameters.get("eventId")
            allowed = _PAGING | {"eventId"}
        else:
            return _problem(404, "No HTTP resource was found.")
        unknown = sorted(set(parameters) - allowed)
        if unknown or event is None:
            return _problem(400, f"Unknown or missing parameter {(unknown or ['eventId'])[0]}.")
        if event not in self.world.events:
            return _problem(404, "No such event.")
        return self._slice(entity, self.world.lists(entity).get(event, []), parameters)

    def _slice(self, entity: str, records: Sequence[Any], parameters: Mapping[str, str]) -> _Reply:
        page, size = parameters.get("page", "0"), parameters.get("perPage", str(_DEFAULT_SIZE))
        if not page.isdecimal() or not size.isdecimal() or not 1 <= int(size) <= 1_000:
            return _problem(400, "page and perPage are whole numbers, perPage from 1 to 1000.")
        if self.knobs.refuse_above is not None and int(size) > self.knobs.refuse_above:
            return _problem(503, "The service is busy.")
        step = min(int(size), self.knobs.page_cap)
        start = int(page) * step
        return self._page(entity, records[start : start + step], records)

    def _page(self, entity: str, page: Sequence[Any], records: Sequence[Any]) -> _Reply:
        total = self.knobs.totals.get(entity)
        path = self.knobs.envelopes[entity]
        totals = {total: len(records)} if total else {}
        return _reply(200, wrap(list(page), path, totals, self.knobs.case))


def _reply(status: int, document: object) -> _Reply:
    return _Reply(status, json_text(document).encode())


def _problem(status: int, message: str) -> _Reply:
    return _reply(status, {"Message": message})


def _failed(fault: Fault) -> _Reply:
    reply = _problem(int(fault.kind), "Try again later.")
    if fault.retry_after is None:
        return reply
    wait = "1" if fault.retry_after == "seconds" else formatdate(time.time() + 1, usegmt=True)
    return _Reply(reply.status, reply.body, reply.kind, {"retry-after": wait})


def _broken(reply: _Reply, fault: Fault) -> _Reply:
    """An answer of status 200 that is worth nothing."""
    if fault.kind == "reset":
        half = reply.body[: len(reply.body) // 2]
        return _Reply(200, half, promised=len(reply.body))
    bodies = {
        "truncated": reply.body[: len(reply.body) // 2],
        "empty": b"",
        "null": b"null",
        "unknown": b'{"Payload": {"Rows": []}}',
        "not_success": b'{"Success": false, "Result": null}',
        "status_code": b'{"Version": "1", "StatusCode": 500, "Data": []}',
    }
    if fault.kind == "html":
        page = b"<!DOCTYPE html><html><body>Please log in</body></html>"
        return _Reply(200, page, "text/html; charset=utf-8")
    return _Reply(200, bodies[fault.kind])


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, reply: _Reply) -> None:
    """The reply; one that promises more than it holds ends in a closed connection."""
    length = len(reply.body) if reply.promised is None else reply.promised
    headers = {"content-type": reply.kind, "content-length": str(length), **reply.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    broken = reply.promised is not None
    await send({"type": "http.response.body", "body": reply.body, "more_body": broken})
