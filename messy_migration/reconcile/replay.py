"""Read again what was loaded: the landed files, or the inputs under their digest."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.compare.stored_rows import BATCH
from messy_migration.discovery import installed_names
from messy_migration.errors import PluginError
from messy_migration.fingerprint.rows import row_hashes, row_texts, total
from messy_migration.ledger import quarantine, receipts, runs
from messy_migration.ledger.history import History
from messy_migration.ledger.known_tables import TableState, all_states
from messy_migration.ledger.quarantine import CONTENT, Refused
from messy_migration.ledger.runs import Planned, short
from messy_migration.ledger.tables import legible
from messy_migration.ledger.xids import Signed
from messy_migration.model import RECORD, Stream, Table
from messy_migration.model.derived import is_derived
from messy_migration.pipeline.cut import Cut, Cutting
from messy_migration.pipeline.earlier_plans import Batch, EarlierPlans, Made
from messy_migration.pipeline.extract import as_landed, cuts, declared_stream
from messy_migration.pipeline.halves import committed_parts, part_id
from messy_migration.pipeline.prepare import prepare_batch
from messy_migration.pipeline.records import numbers, present, without
from messy_migration.pipeline.rules import CRASH, DUPLICATE_KEY, TARGET
from messy_migration.pipeline.stubs import stub_rows
from messy_migration.reconcile.derived import made_again
from messy_migration.workspace import Workspace

Refusals = Mapping[str, frozenset[str]]
"""Rule -> identities of records, or of rows, that the target refused."""

_NONE: Refusals = {DUPLICATE_KEY: frozenset(), TARGET: frozenset()}


def stream_of(workspace: Workspace, state: TableState) -> Stream:
    """The stream that owns a table: as its plugin offers it, else as what landed of it says.

    Raises:
        PluginError: no selected plugin offers it, and nothing of it landed.
        SourceError: what landed of it cannot be read.
    """
    for stream in workspace.streams():
        if (stream.name, stream.tenant) == (state.stream, state.tenant):
            return stream
    declared = declared_stream(workspace, state.stream, state.tenant)
    if declared is not None:
        return declared
    plugin = state.stream.partition(".")[0]
    if plugin in workspace.registry.names:
        raise PluginError(
            "the source no longer offers the stream of this table",
            f"stream {state.stream}",
            next="`migrate reconcile`, which holds the table against what was loaded",
        )
    if plugin in installed_names():
        advice = f"`migrate reconcile --plugins {plugin}`"
    else:
        advice = f"install the plugin {plugin}, then type the same command again"
    raise PluginError(
        "no selected plugin offers the stream of this table",
        f"stream {state.stream}",
        next=advice,
    )


def replayed(
    workspace: Workspace,
    connection: Connection,
    state: TableState,
    only: Sequence[Signed] | None = None,
) -> Iterator[pa.Table]:
    """The rows that all runs loaded into one table, oldest run first.

    Args:
        workspace: with the plugins of the streams.
        connection: of the target.
        state: the table.
        only: receipts of the batches that are wanted, or None for all.

    Raises:
        MigrationError: some of it cannot be read again.
    """
    if is_derived(state.stream):
        yield from made_again(workspace, connection, state)
        return
    stream = stream_of(workspace, state)
    if state.baseline_rows:
        raise PluginError(
            "the table held rows before its first run, and they have no input",
            f"table {state.table.name}",
        )
    if only is None or any(signed.kind == "stub" for signed in only):
        yield from stubs(workspace, connection, state)
    chosen = None if only is None else {signed.batch_id for signed in only}
    for _, data in loaded(workspace, connection, stream, [state.table], chosen):
        yield data


def loaded(
    workspace: Workspace,
    connection: Connection,
    stream: Stream,
    tables: Sequence[Table],
    only: AbstractSet[str] | None = None,
) -> Iterator[tuple[str, pa.Table]]:
    """(table, rows) as all runs loaded them from one stream, oldest first, stubs left out.

    Args:
        workspace: with the plugins of the streams.
        connection: of the target.
        stream: whose records became the rows.
        tables: those of the stream that are wanted.
        only: identities of the batches that are wanted, or None for all; a partition is read no
            further than the last of them.

    Raises:
        MigrationError: some of it cannot be read again.
    """
    refusing = rejected_by_target(workspace, connection, stream)
    earlier = EarlierPlans.of(workspace, connection)
    history = History.read(connection, workspace.ledger)
    inputs: dict[str, Planned] = {}
    for planned in history.loaded(stream):
        inputs.setdefault(planned.partition.digest, planned)
    standing = {planned.partition.digest for planned in history.standing(stream)}
    for digest, planned in inputs.items():
        # With a key a file that changed replaces its rows, and its first content is gone.
        is_there = stream.lands or digest in standing
        tables_read = [table for table in tables if is_there or not table.key]
        if tables_read:
            yield from _partition(earlier, connection, stream, tables_read, planned, refusing, only)


def stubs(workspace: Workspace, connection: Connection, state: TableState) -> Iterator[pa.Table]:
    """The rows that stood for missing parents; a real one that came later replaces its stub."""
    tables = [
        *(table_state.table for table_state in all_states(connection, workspace.ledger).values()),
        *(table for stream in workspace.streams() for table in stream.tables),
    ]
    # Other accounts have tables of the same names, whose stubs say another account.
    children = {table.name: table for table in tables if table.scope == state.table.scope}
    for reason in receipts.reasons(connection, workspace.ledger, "stub", *state.key):
        with legible("table receipt"):
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
    earlier: EarlierPlans,
    connection: Connection,
    stream: Stream,
    tables: Sequence[Table],
    planned: Planned,
    refusing: Refusing,
    only: AbstractSet[str] | None,
) -> Iterator[tuple[str, pa.Table]]:
    workspace = earlier.workspace
    place = (stream.name, stream.tenant, planned.partition.digest)
    committed_by = receipts.committed_by(connection, workspace.ledger, *place)
    done = set(committed_by)
    if only is not None:
        done &= only
        if not done:
            return
    if stream.plugin in workspace.registry.unset:
        stream = as_landed(workspace, stream, planned.partition)
    # All batches of a partition are cut alike, whoever committed them.
    run = runs.find(connection, workspace.ledger, committed_by[min(done)])[0]
    cutting = Cutting.of_options(run.options)
    made = _made(earlier, connection, stream, cutting, planned, done)
    # What workers died of would be the end of this process too.
    done -= quarantine.batches_of(connection, workspace.ledger, CRASH)
    unseen = set(done)
    first = next(iter(made.values()))
    for part in cuts(first.workspace, cutting, first.stream, planned.partition):
        pieces = [
            (identity, some)
            for identity in made
            if identity.ordinal == part.ordinal
            for some in committed_parts(part, identity.identity, done)
        ]
        for batch, some in sorted(pieces, key=lambda piece: piece[1].span or (0, 0)):
            identity = part_id(batch.identity, some)
            unseen.discard(identity)
            gone = refusing.in_batch(identity, committed_by[identity])
            prepared = prepare_batch(
                made[batch].workspace.registry,
                made[batch].stream,
                planned.partition,
                some,
                workspace.target.dialect.unstorable,
            )
            label = f"{planned.partition.name} batch {part.ordinal + 1}".encode()
            for name, data in rows_of(tables, prepared.tables, some, gone):
                yield name, data.replace_schema_metadata({BATCH: label})
        if only is not None and not unseen:
            return


def _made(
    earlier: EarlierPlans,
    connection: Connection,
    stream: Stream,
    cutting: Cutting,
    planned: Planned,
    done: AbstractSet[str],
) -> dict[Batch, Made]:
    """How each of the wanted batches of a partition was made.

    Raises:
        PluginError: the plugins of today, under any settings that were kept, make others.
    """
    digest = planned.partition.digest
    committed = receipts.batches(
        connection, earlier.workspace.ledger, stream.name, stream.tenant, digest
    )
    wanted = {identity.partition(".")[0] for identity in done}
    batches = [
        Batch(digest, ordinal, identity)
        for ordinal, identities in sorted(committed.items())
        for identity in sorted(identities & wanted)
    ]
    made: dict[Batch, Made] = {}
    for batch in batches:
        plan = earlier.made(stream, cutting, batch)
        if plan is None:
            raise PluginError(
                "the input was loaded by other versions of its plugins, or under other settings",
                f"{planned.partition.name}, run {short(planned.run_id)}",
                earlier.unlike(stream, cutting, batch),
                "install the versions, and set what the run's evidence names",
            )
        made[batch] = plan
    return made


def rows_of(
    tables: Sequence[Table],
    prepared: Mapping[str, pa.Table],
    part: Cut,
    refusing: Refusals,
) -> Iterator[tuple[str, pa.Table]]:
    """(table, rows) of a prepared batch, without what the target refused."""
    for table in tables:
        data = prepared.get(table.name)
        if data is not None and data.num_rows:
            yield table.name, _as_loaded(table, data, part, refusing).drop_columns([RECORD])


def _as_loaded(table: Table, data: pa.Table, part: Cut, refusing: Refusals) -> pa.Table:
    """Without the records that the target refused, which only the ledger knows of."""
    gone = set()
    if refusing[DUPLICATE_KEY]:
        hashes = row_hashes(row_texts(data, table.columns))
        for index, record in enumerate(numbers(data)):
            if total(hashes[index : index + 1]).lanes in refusing[DUPLICATE_KEY]:
                gone.add(record)
    if refusing[TARGET]:
        for record in present([data]):
            origin = part.origin(record)
            if origin and hashlib.sha256(origin.raw).hexdigest()[:CONTENT] in refusing[TARGET]:
                gone.add(record)
    return without(data, gone)


@dataclass(frozen=True)
class Refusing:
    """What the target refused of one stream; each refusal holds for what it was met in alone.

    Attributes:
        batches: batch -> identities that were refused in it, by rule.
        runs: run -> identities of rows that contradict another row of it; such a row may have
            been met in any of its batches.
        now: what was not set right by anything that was read since.
    """

    batches: Mapping[str, Refusals]
    runs: Mapping[str, Refusals]
    now: Refusals

    def in_batch(self, batch_id: str, run_id: str) -> Refusals:
        """What is to be taken off a batch as it was loaded."""
        return {**self.batches.get(batch_id, _NONE), **self.runs.get(run_id, {})}


def rejected_by_target(workspace: Workspace, connection: Connection, stream: Stream) -> Refusing:
    """The records of a stream that passed all hooks, and that the target refused."""
    ledger = workspace.ledger
    places = History.read(connection, ledger).standing_places()
    entries = quarantine.refused(
        connection, ledger, stream.name, stream.tenant, (DUPLICATE_KEY, TARGET), places
    )
    batches: dict[str, list[Refused]] = defaultdict(list)
    runs: dict[str, list[Refused]] = defaultdict(list)
    for entry in entries:
        batches[entry.batch_id].append(entry)
        if entry.rule == DUPLICATE_KEY:
            runs[entry.run_id].append(entry)
    return Refusing(
        {name: {**_NONE, **_by_rule(group)} for name, group in batches.items()},
        {name: _by_rule(group) for name, group in runs.items()},
        {**_NONE, **_by_rule(entry for entry in entries if entry.is_open)},
    )


def _by_rule(entries: Iterable[Refused]) -> Refusals:
    identities_of: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        identities_of[entry.rule].add(entry.identity)
    return {rule: frozenset(identities) for rule, identities in identities_of.items()}
