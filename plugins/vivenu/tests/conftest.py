"""A tenant, its streams, and a source that answers from a list."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import pyarrow as pa
import pytest

import messy_migration_vivenu as plugin
from messy_migration.model import RECORD, Batch, Partition, Stream
from messy_migration_vivenu.context import bounds_of
from messy_migration_vivenu.settings import VivenuSettings

SECTION = {
    "tenants": {
        "auckland": {
            "token": "key-of-auckland",
            "base_url": "http://127.0.0.1:9/api",
            "currency": "NZD",
            "timezone": "Pacific/Auckland",
            "test_shops": ["staff-only"],
            "top": 2,
            "floor": 2,
            "http": {"base": 0, "cap": 0, "asked": 0, "tries": 2},
        },
        "frankfurt": {"token": "key-of-frankfurt"},
    }
}


@dataclass
class Made:
    """What the transform hook made of some records."""

    rows: dict[str, list[dict[str, Any]]]
    errors: list[tuple[int, str, str | None, str]]
    warnings: list[tuple[int, str, str | None, str]]

    def one(self, table: str) -> dict[str, Any]:
        """The only row of a table."""
        (row,) = self.rows[table]
        return row


@dataclass
class Source(httpx2.BaseTransport):
    """Answers every GET; keeps path and parameters of the calls."""

    answer: Callable[[str, dict[str, str]], Any]
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert request.method == "GET"
        params = dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))
        self.calls.append((request.url.path, params))
        self.headers.append(dict(request.headers))
        found = self.answer(request.url.path, params)
        status, body = found if isinstance(found, tuple) else (200, found)
        text = body if isinstance(body, str) else json.dumps(body)
        return httpx2.Response(
            status,
            headers={"content-type": "application/json"},
            stream=httpx2.ByteStream(text.encode()),
        )


@pytest.fixture
def settings() -> VivenuSettings:
    return VivenuSettings.model_validate(SECTION)


@pytest.fixture
def stream_of(settings) -> Callable[..., Stream]:
    def find(name: str, tenant: str = "auckland") -> Stream:
        streams = plugin.streams(settings)
        return next(s for s in streams if (s.name, s.tenant) == (f"vivenu.{name}", tenant))

    return find


@pytest.fixture
def partition_of(settings) -> Callable[..., Partition]:
    def make(start: str | None = None, end: str = "2026-07-01T00:00:00.000Z") -> Partition:
        bounds = {"from": start, "to": end, **bounds_of(settings.tenants["auckland"])}
        return Partition("window", "digest", bounds, until=end)

    return make


@pytest.fixture
def make(stream_of, partition_of) -> Callable[..., Made]:
    """Transform records of a stream; they are given as objects, or as JSON text."""

    def transform(name: str, *records: dict[str, Any] | str) -> Made:
        stream = stream_of(name)
        payloads = [item if isinstance(item, str) else json.dumps(item) for item in records]
        columns = {
            "id": pa.array([None] * len(payloads), pa.string()),
            "updated_at": pa.array([None] * len(payloads), pa.string()),
            "payload": pa.array(payloads, pa.string()),
            RECORD: pa.array(range(len(payloads)), pa.int32()),
        }
        batch = Batch(stream, partition_of(), 0, pa.table(columns))
        found = plugin.transform(stream, None, batch)
        marked = {"error": [], "warning": []}
        for item in found.violations:
            marked[item.severity].append((item.record, item.rule, item.column, item.message))
        rows = {table: frame.to_pylist() for table, frame in found.frames.items()}
        for row in (row for table in rows.values() for row in table if "extra" in row):
            row["extra"] = json.loads(row["extra"])
        return Made(rows, marked["error"], marked["warning"])

    return transform


@pytest.fixture
def serve() -> type[Source]:
    """A source made of a function: path, parameters -> body, or status and body."""
    return Source
