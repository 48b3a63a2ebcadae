"""A served sandbox, and what the hooks of the plugin make of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import uvicorn

import messy_migration_eventcombo as plugin
from messy_migration.model import (
    RECORD,
    Batch,
    Filtered,
    Frame,
    Partition,
    Rejected,
    Sandbox,
    Stream,
    Violation,
)
from messy_migration_eventcombo.sandbox import Knobs, build
from messy_migration_eventcombo.settings import EventComboSettings

QUICK = {"base": 0, "cap": 0, "asked": 0, "tries": 3, "read": 5}


@dataclass
class Site:
    """A sandbox on a free port of this machine."""

    box: Sandbox
    url: str

    @property
    def app(self) -> Any:
        return self.box.app

    def settings(self, **more: Any) -> EventComboSettings:
        section = {**self.box.section(self.url), "slices": 1, "http": QUICK, **more}
        return EventComboSettings.model_validate(section)


@dataclass
class Extract:
    """What `extract` gave for all partitions of a stream."""

    ids: list[str] = field(default_factory=list)
    payloads: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    filtered: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        return len(self.ids) + len(self.rejected) + self.filtered.total()

    def batch(self, stream: Stream, partition: Partition) -> Batch:
        return as_batch(stream, partition, self.ids, self.payloads)


@dataclass
class Made:
    """The rows of a batch, and what was said about them."""

    rows: dict[str, list[dict[str, Any]]]
    violations: list[Violation]

    @property
    def errors(self) -> list[str]:
        return [item.rule for item in self.violations if item.severity == "error"]

    @property
    def warnings(self) -> list[str]:
        return [item.rule for item in self.violations if item.severity == "warning"]

    def one(self, table: str) -> dict[str, Any]:
        assert not self.errors, self.violations
        (row,) = self.rows[table]
        return row


def as_batch(stream: Stream, partition: Partition, ids: list[str], payloads: list[str]) -> Batch:
    table = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "payload": pa.array(payloads, pa.string()),
            RECORD: pa.array(np.arange(len(ids), dtype=np.int32)),
        }
    )
    return Batch(stream, partition, 0, table)


def transformed(batch: Batch) -> Made:
    """The rows of a batch after both hooks, rows of records in error left out."""
    done = plugin.transform(stream=batch.stream, table=None, batch=batch)
    violations = list(done.violations)
    for name, frame in done.frames.items():
        cut = Batch(batch.stream, batch.partition, 0, frame)
        violations += plugin.validate(stream=batch.stream, table=name, batch=cut)
    bad = {item.record for item in violations if item.severity == "error"}
    rows = {
        name: [row for row in frame.to_pylist() if row[RECORD] not in bad]
        for name, frame in done.frames.items()
    }
    return Made(rows, violations)


def stream_of(settings: EventComboSettings, name: str, tenant: str = "default") -> Stream:
    streams = plugin.streams(settings=settings)
    return next(s for s in streams if (s.name, s.tenant) == (f"eventcombo.{name}", tenant))


def _json(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return json.dumps(value)


@pytest.fixture
def stream() -> Callable[..., Stream]:
    return stream_of


@pytest.fixture
def make() -> Callable[..., Made]:
    """The rows of given records of an entity."""

    def made(name: str, *records: dict[str, Any], **settings: Any) -> Made:
        chosen = EventComboSettings.model_validate({"username": "u", "password": "p", **settings})
        own = stream_of(chosen, name)
        (partition, *_) = plugin.partitions(stream=own, planned=None, settings=chosen)
        ids = [str(place) for place in range(len(records))]
        return transformed(as_batch(own, partition, ids, [_json(item) for item in records]))

    return made


@pytest.fixture
def drain() -> Callable[..., Extract]:
    """Everything that a stream yields, partition after partition."""

    def drained(settings: EventComboSettings, name: str, tenant: str = "default") -> Extract:
        own, found = stream_of(settings, name, tenant), Extract()
        for partition in plugin.partitions(stream=own, planned=None, settings=settings):
            for item in plugin.extract(stream=own, partition=partition, settings=settings):
                if isinstance(item, Frame):
                    found.ids += item.table.column("id").to_pylist()
                    found.payloads += item.table.column("payload").to_pylist()
                    assert item.origin is not None
                    assert item.origin(0).raw
                elif isinstance(item, Filtered):
                    found.filtered[item.rule] += item.records
                else:
                    found.rejected.append(item)
        return found

    return drained


@pytest.fixture
def rows_of(drain: Callable[..., Extract]) -> Callable[..., Made]:
    """The rows of everything that a stream yields."""

    def made(settings: EventComboSettings, name: str) -> Made:
        own = stream_of(settings, name)
        (partition, *_) = plugin.partitions(stream=own, planned=None, settings=settings)
        return transformed(drain(settings, name).batch(own, partition))

    return made


@contextmanager
def _serving(box: Sandbox) -> Iterator[Site]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(box.app, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline, "the sandbox does not start"
            time.sleep(0.005)
        yield Site(box, f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Site]]:
    """Serves a sandbox with the given knobs until the test ends."""
    with ExitStack() as stack:

        def served(seed: int = 1, **knobs: Any) -> Site:
            return stack.enter_context(_serving(build(seed, Knobs(attendees=1_500, **knobs))))

        yield served


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One sandbox for tests that only read."""
    with _serving(build(20_261_121)) as served:
        yield served
