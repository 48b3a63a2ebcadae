"""The server: vivenu's read API as a bare ASGI application, with knobs and an access log."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from messy_migration_vivenu.sandbox import answers
from messy_migration_vivenu.sandbox.admin import Admin
from messy_migration_vivenu.sandbox.answers import Answer
from messy_migration_vivenu.sandbox.data import Account
from messy_migration_vivenu.sandbox.endpoints import (
    DEFAULT_TOP,
    LISTINGS,
    SINGLES,
    Refused,
    read_query,
)
from messy_migration_vivenu.sandbox.state import Call, Knobs, State

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class VivenuSandbox:
    """vivenu's read API over the data of some accounts; `state` is what it remembers."""

    def __init__(
        self, accounts: tuple[Account, ...], manifest: Mapping[str, Any], knobs: Knobs
    ) -> None:
        self.state = State.of(accounts, manifest, knobs)
        self._tenants = {f"Bearer {account.key}": account.profile.name for account in accounts}
        self._admin = Admin(self.state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, as ASGI has it."""
        if scope["type"] == "lifespan":
            await answers.live(receive, send)
            return
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        if path.startswith("/_sandbox/"):
            body = await answers.whole_body(receive)
            await answers.give(self._admin.answer(scope, body), receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        headers = dict(scope["headers"])
        tenant = self._tenants.get(headers.get(b"authorization", b"").decode("latin-1"), "")
        answer = self._answer(method, path, query, tenant)
        self.state.log.append(Call(method, path, query, answer.status, tenant))
        await answers.give(answer, receive, send)

    def _answer(self, method: str, path: str, query: str, tenant: str) -> Answer:
        if method != "GET":
            self.state.writes += method in _WRITES
            return answers.error(405, "this source is only read", [(b"allow", b"GET")])
        try:
            fault = self.state.faults.strike(path, tenant, _top(query)) if tenant else None
            answer = self._read(path, query, tenant)
        except Refused as refused:
            return answers.error(refused.status, refused.message)
        return answer if fault is None else answers.spoilt(answer, fault)

    def _read(self, path: str, query: str, tenant: str) -> Answer:
        if not tenant:
            raise Refused(401, "the key is missing or wrong")
        if path.startswith(tuple(self.state.knobs.restricted.get(tenant, ()))):
            raise Refused(403, "the key may not read this")
        if path in LISTINGS:
            return self._list(path, query, tenant)
        for prefix, name in SINGLES.items():
            record_id = path.removeprefix(prefix)
            if record_id != path and "/" not in record_id:
                return self._single(tenant, name, record_id, query)
        raise Refused(404, "there is nothing here")

    def _single(self, tenant: str, name: str, record_id: str, query: str) -> Answer:
        if query and self.state.knobs.strict:
            raise Refused(400, "no parameter is allowed")
        entry = self.state.collections[tenant, name].find(record_id)
        if entry is None:
            raise Refused(404, "there is no record of this id")
        return Answer(200, entry.body)

    def _list(self, path: str, query: str, tenant: str) -> Answer:
        listing = LISTINGS[path]
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=200, errors="strict")
        except ValueError:
            raise Refused(400, "the query cannot be read") from None
        asked = read_query(listing, pairs, strict=self.state.knobs.strict)
        collection = self.state.collections[tenant, listing.collection]
        rest = sorted(pair for pair in pairs if pair[0] not in {"top", "skip"})
        listed = collection.select(asked, json.dumps([path, rest]))
        page = listed[asked.skip : asked.skip + min(asked.top, self.state.knobs.page_cap)]
        rows = b"[" + b",".join(entry.body for entry in page) + b"]"
        if asked.skip == 0:
            collection.turn_page(listed)
        if not listing.envelope:
            return Answer(200, rows)
        name = listing.envelope.encode()
        return Answer(200, b'{"%b":%b,"total":%d}' % (name, rows, len(listed)))


def _top(query: str) -> int:
    """What a query asks for, as far as it can be read."""
    value = dict(parse_qsl(query)).get("top", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 9 else DEFAULT_TOP
