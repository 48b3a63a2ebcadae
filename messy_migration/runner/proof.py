"""Reconcile a target, and replay its inputs to name what differs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Connection, select

from messy_migration.errors import MigrationError, PluginError
from messy_migration.fingerprint import row_hashes, row_texts, total
from messy_migration.ledger import quarantine, receipts, runs, states
from messy_migration.ledger.runs import Planned, short
from messy_migration.ledger.states import TableState
from messy_migration.model import RECORD, Stream, Table
from messy_migration.pipeline.commit import batch_id
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.parts import committed_parts
from messy_migration.pipeline.records import numbers, present, without
from messy_migration.pipeline.rules import CRASH, DUPLICATE_KEY, TARGET
from messy_migration.pipeline.stages import prepare
from messy_migration.reconcile.locate import locate
from messy_migration.reconcile.prove import prove
from messy_migration.reconcile.verdict import Findings, TableVerdict
from messy_migration.runner.plan import History, plan_id
from messy_migration.runner.stubs import stub_rows
from messy_migration.runner.work import Job, cuts
from messy_migration.runner.workspace import Workspace

LISTED = 50
"""Differences that are listed by default; all are counted."""


@dataclass(frozen=True)
class Proof:
    """A reconciliation: a verdict per table, and what was found behind each mismatch."""

    verdicts: tuple[TableVerdict, ...]
    findings: tuple[Findings, ...]


def reconcile(
    workspace: Workspace,
    tables: Sequence[tuple[str, receipts.Scope]] | None,
    incomplete: Mapping[str, str],
    limit: int = LISTED,
) -> Proof:
    """Prove tables in one snapshot of the target, and locate what differs.

    Args:
        workspace: with the plugins whose inputs are to be replayed.
        tables: (table, scope) pairs, or None for all that the ledger knows.
        incomplete: label of a stream -> why not all of it was read.
        limit: how many differences of a table to list.
    """
    target = workspace.target
    with target.dialect.reading(target.engine) as connection:
        known = states.all_states(connection, workspace.ledger)
        wanted = [state for key, state in known.items() if tables is None or key in tables]
        sums = receipts.expected(connection, workspace.ledger)
        verdicts = prove(connection, target.dialect, wanted, sums, incomplete)
        findings = [
            _locate(workspace, connection, state, verdict, limit)
            for state, verdict in zip(wanted, verdicts, strict=True)
            if verdict.actual is not None and verdict.actual != verdict.expected
        ]
    return Proof(tuple(verdicts), tuple(findings))


def _locate(
    workspace: Workspace,
    connection: Connection,
    state: TableState,
    verdict: TableVerdict,
    limit: int,
) -> Findings:
    def replay() -> Iterator[pa.Table]:
        return _replayed(workspace, connection, state)

    try:
        stream = _stream_of(workspace, state)
        return locate(
            connection,
            workspace.target.dialect,
            state.table,
            verdict.expected,
            replay,
            limit,
            stream.bookmark,
        )
    except MigrationError as error:
        return Findings(state.table.name, (), 0, (), str(error))


def _stream_of(workspace: Workspace, state: TableState) -> Stream:
    for stream in workspace.streams():
        if (stream.name, stream.tenant) == (state.stream, state.tenant):
            return stream
    raise PluginError(
        "no selected plugin offers the stream of this table",
        f"stream {state.stream}",
        next=f"migrate reconcile --plugins {state.stream.partition('.')[0]}",
    )


def _replayed(
    workspace: Workspace, connection: Connection, state: TableState
) -> Iterator[pa.Table]:
    """The rows that all runs loaded into one table, oldest run first."""
    stream = _stream_of(workspace, state)
    if state.baseline_rows:
        raise PluginError(
            "the table held rows before its first run, and they have no input",
            f"table {state.table.name}",
        )
    yield from _stubs(workspace, connection, state)
    refused = _refused(workspace, connection, stream)
    loaded: dict[str, Planned] = {}
    for item in History.read(connection, workspace.ledger).loaded(stream):
        loaded.setdefault(item.partition.digest, item)
    newest = {item.partition.name: digest for digest, item in loaded.items()}
    for digest, item in loaded.items():
        # With a key a file that changed replaces its rows, and its first content is gone.
        is_there = stream.lands or newest[item.partition.name] == digest
        if is_there or not state.table.key:
            yield from _partition(workspace, connection, stream, state, item, refused)


def _stubs(workspace: Workspace, connection: Connection, state: TableState) -> Iterator[pa.Table]:
    """The rows that stood for missing parents; a real one that came later replaces its stub."""
    children = {
        table.name: table
        for stream in workspace.streams()
        for table in stream.tables
        # Other accounts have tables of the same names, whose stubs say another account.
        if table.scope == state.table.scope
    }
    for reason in receipts.reasons(connection, workspace.ledger, "stub", *state.key):
        written = json.loads(reason)
        child = children.get(written["child"])
        if child is None:
            raise PluginError(
                "no selected plugin offers the table for which stubs were made",
                f"table {written['child']}",
                next="name its plugin in --plugins too",
            )
        for key in child.foreign_keys:
            if key.parent == state.table.name and list(key.columns) == written["columns"]:
                yield stub_rows(state.table, key, written["rows"])


def _partition(
    workspace: Workspace,
    connection: Connection,
    stream: Stream,
    state: TableState,
    item: Planned,
    refused: Mapping[str, frozenset[str]],
) -> Iterator[pa.Table]:
    run = runs.find(connection, workspace.ledger, item.run_id)[0]
    cutting = {name: int(run.options[name]) for name in ("batch_records", "batch_bytes")}
    if plan_id(workspace, stream, cutting) != item.plan_id:
        raise PluginError(
            "the input was loaded by other versions of its plugins",
            f"{item.partition.name}, run {short(item.run_id)}",
            next="install the versions that the run's evidence names",
        )
    job = Job(workspace.request, item.run_id, 0, frozenset(), **cutting)
    done = receipts.of_partition(
        connection, workspace.ledger, stream.name, stream.tenant, item.partition.digest
    )
    # What workers died of would be the end of this process too.
    crashed = quarantine.batches_of(connection, workspace.ledger, CRASH)
    for part in cuts(workspace, job, stream, item.partition):
        identity = batch_id(stream, item.partition, item.plan_id, part)
        for some in committed_parts(part, identity, done - crashed):
            prepared = prepare(
                workspace.registry,
                stream,
                item.partition,
                some,
                workspace.target.dialect.unstorable,
            )
            data = prepared.tables.get(state.table.name)
            if data is not None and data.num_rows:
                yield _as_loaded(state.table, data, some, refused).drop_columns([RECORD])


def _as_loaded(
    table: Table, data: pa.Table, part: Cut, refused: Mapping[str, frozenset[str]]
) -> pa.Table:
    """Without the records that the target refused, which only the ledger knows of."""
    gone = set()
    if refused[DUPLICATE_KEY]:
        hashes = row_hashes(row_texts(data, table.columns))
        for place, record in enumerate(numbers(data)):
            if total(hashes[place : place + 1]).lanes in refused[DUPLICATE_KEY]:
                gone.add(record)
    if refused[TARGET]:
        for record in present([data]):
            origin = part.origin(record)
            if origin and hashlib.sha256(origin.raw).hexdigest() in refused[TARGET]:
                gone.add(record)
    return without(data, gone)


def _refused(
    workspace: Workspace, connection: Connection, stream: Stream
) -> Mapping[str, frozenset[str]]:
    """Rule -> identities of records that passed all hooks, and that the target refused."""
    table = workspace.ledger.quarantine
    return {
        rule: frozenset(
            connection.execute(
                select(table.c.identity).where(
                    table.c.stream == stream.name,
                    table.c.tenant == stream.tenant,
                    table.c.rule == rule,
                )
            ).scalars()
        )
        for rule in (DUPLICATE_KEY, TARGET)
    }
