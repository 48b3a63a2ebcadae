"""Reconcile by value: against what landed, or against what the source holds now.

No fingerprint decides here. The rows that should be there go through the same rules as in a run,
and every value of them is held against the target, in buckets on disk. Where the source is read
again, what was loaded stands between the two, so that a change is told from its side.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from messy_migration.compare.buckets import Buckets
from messy_migration.compare.budget import Progress, TimeUp
from messy_migration.compare.findings import Findings
from messy_migration.compare.values import (
    EXPECTED,
    LOADED,
    STUBS,
    TARGET,
    Compared,
    LoadedRows,
    compare,
)
from messy_migration.databases.dialect import Dialect, planned
from messy_migration.databases.naming import scoped
from messy_migration.errors import MigrationError, SourceError
from messy_migration.ledger.history import History
from messy_migration.ledger.known_tables import TableState
from messy_migration.model import Extracted, Partition, Stream, Table
from messy_migration.model.derived import is_derived
from messy_migration.pipeline import landing
from messy_migration.pipeline.cut import cut
from messy_migration.pipeline.extract import extracted_items
from messy_migration.pipeline.partitions import partitions, whole
from messy_migration.pipeline.prepare import prepare_batch
from messy_migration.reconcile.prove import beside
from messy_migration.reconcile.replay import loaded, rejected_by_target, rows_of, stream_of, stubs
from messy_migration.reconcile.verdict import TableVerdict
from messy_migration.workspace import Workspace


@dataclass(frozen=True)
class ByValue:
    """A comparison of tables by value.

    Attributes:
        verdicts: in the order of the states.
        findings: behind each table that differs.
        compared: the comparison behind each of the findings, with its rows; None if it failed.
        notes: what is to be said of the inputs, one line each.
    """

    verdicts: tuple[TableVerdict, ...]
    findings: tuple[Findings | None, ...]
    compared: tuple[Compared | None, ...]
    notes: tuple[str, ...]


def by_value(
    workspace: Workspace,
    connection: Connection,
    states: Sequence[TableState],
    verdicts: Sequence[TableVerdict],
    progress: Progress | None = None,
    *,
    from_source: bool,
) -> ByValue:
    """Compare tables value by value.

    Args:
        workspace: with the plugins of the streams.
        connection: in the snapshot of the target in which the verdicts were found.
        states: the tables.
        verdicts: of the same tables by the ledger.
        progress: what is left of a budget, and whether values are listed.
        from_source: read the sources again, instead of what landed.
    """
    progress = progress or Progress()
    groups: dict[tuple[str, str], list[int]] = {}
    # A derived table has no input: its bases are compared, and it is made again.
    for number in (index for index, one in enumerate(states) if not is_derived(one.stream)):
        state = states[number]
        groups.setdefault((state.stream, state.tenant), []).append(number)
    table_verdicts = list(verdicts)
    findings: list[Findings | None] = [None] * len(states)
    compared: list[Compared | None] = [None] * len(states)
    notes: list[str] = []
    for indices in groups.values():
        chosen = [index for index in indices if verdicts[index].actual is not None]
        group = [(states[index], verdicts[index]) for index in chosen]
        results: list[Compared | None] = [None] * len(group)
        try:
            if not progress.over():
                results = _stream(
                    workspace, connection, group, notes, progress, from_source=from_source
                )
        except TimeUp:
            pass
        except MigrationError as error:
            if connection.invalidated:
                why = f"the connection to the target was lost: {error.why or error.what}"
            else:
                what = "the source" if from_source else "the input"
                why = f"{what} cannot be read again: {error}"
            for index in chosen:
                table_verdicts[index] = replace(verdicts[index], verdict="UNKNOWN", reason=why)
            continue
        for index, (state, verdict), result in zip(chosen, group, results, strict=True):
            if result is None:
                table_verdicts[index] = _unseen(verdict, progress.over())
                continue
            judged = _judged(state, verdict, result, from_source=from_source)
            table_verdicts[index], findings[index] = judged
            compared[index] = result
    return ByValue(tuple(table_verdicts), tuple(findings), tuple(compared), tuple(notes))


def _stream(
    workspace: Workspace,
    connection: Connection,
    group: Sequence[tuple[TableState, TableVerdict]],
    notes: list[str],
    progress: Progress,
    *,
    from_source: bool,
) -> list[Compared | None]:
    """Compare all tables of one stream, whose input is read once for all of them."""
    if not group:
        return []
    stream = stream_of(workspace, group[0][0])
    dialect = workspace.target.dialect
    with tempfile.TemporaryDirectory(prefix="migrate-") as folder, ExitStack() as stack:
        all_buckets: dict[str, Buckets] = {}
        for number, (state, verdict) in enumerate(group):
            directory = Path(folder) / str(number)
            directory.mkdir()
            rows = max(verdict.expected.rows, verdict.actual.rows if verdict.actual else 0)
            all_buckets[state.table.name] = stack.enter_context(
                closing(Buckets(directory, state.table, rows))
            )
        thirds: Mapping[str, LoadedRows] = {}
        if from_source:
            _refuse_lost(stream, [state.table for state, _ in group])
            _read_again(workspace, connection, stream, all_buckets, notes, Path(folder), progress)
            thirds = _loaded_side(
                workspace, connection, stream, group, all_buckets, notes, progress
            )
        else:
            _replay(workspace, connection, stream, group, all_buckets, EXPECTED, progress)
        results: list[Compared | None] = [None] * len(group)
        for number, (state, _) in enumerate(group):
            if progress.over():
                break
            buckets = all_buckets[state.table.name]
            bookmark = stream.bookmark if stream.bookmark in state.table.names else None
            third = thirds.get(state.table.name)
            with suppress(TimeUp):
                _add_stored(connection, dialect, state.table, buckets, progress)
                buckets.close()
                comparison = compare(
                    buckets,
                    bookmark=bookmark,
                    is_one_read=from_source,
                    third=third,
                    progress=progress,
                )
                progress.found += comparison.total
                results[number] = comparison
        return results


def _add_stored(
    connection: Connection, dialect: Dialect, table: Table, buckets: Buckets, progress: Progress
) -> None:
    """The rows that are in the target; a verdict has said along which path they were planned."""

    def add() -> None:
        there = dialect.row_fields(connection, table, scoped(connection, dialect, table))
        buckets.add_rows(TARGET, progress.watched(there))

    # Planning fails before the first row is given.
    planned(connection, dialect, table.name, add)


def _replay(
    workspace: Workspace,
    connection: Connection,
    stream: Stream,
    group: Sequence[tuple[TableState, TableVerdict]],
    buckets: Mapping[str, Buckets],
    side: str,
    progress: Progress,
) -> None:
    """The rows as all runs loaded them, stubs first."""
    for state, _ in group:
        if state.baseline_rows:
            raise SourceError(
                "the table held rows before its first run, and they have no input",
                f"table {state.table.name}",
            )
        for data in stubs(workspace, connection, state):
            buckets[state.table.name].add(side, data)
    tables = [state.table for state, _ in group]
    for name, data in progress.watched(loaded(workspace, connection, stream, tables)):
        buckets[name].add(side, data)


def _loaded_side(
    workspace: Workspace,
    connection: Connection,
    stream: Stream,
    group: Sequence[tuple[TableState, TableVerdict]],
    buckets: Mapping[str, Buckets],
    notes: list[str],
    progress: Progress,
) -> Mapping[str, LoadedRows]:
    """What was loaded: by proof the target itself, else the input read again, if it is there."""
    for state, _ in group:
        # Rows that stood for missing parents are no source's.
        for data in stubs(workspace, connection, state):
            buckets[state.table.name].add(STUBS, data)
    if all(verdict.actual == verdict.expected for _, verdict in group):
        return {state.table.name: LoadedRows(is_target=True) for state, _ in group}
    try:
        _replay(workspace, connection, stream, group, buckets, LOADED, progress)
    except MigrationError as error:
        if connection.invalidated or isinstance(error, TimeUp):
            raise
        notes.append(
            f"{stream.label}: what was loaded cannot be read again ({error.what}), so it"
            " cannot be told on which side a row changed"
        )
        return {}
    return {state.table.name: LoadedRows(is_known=True) for state, _ in group}


def _read_again(
    workspace: Workspace,
    connection: Connection,
    stream: Stream,
    buckets: Mapping[str, Buckets],
    notes: list[str],
    folder: Path,
    progress: Progress,
) -> None:
    """Every record that the source has now, through the rules of a run."""
    core = workspace.settings.core
    limit = min(core.batch_records, workspace.target.dialect.batch_records)
    offered = (
        partitions(workspace, stream, None, None, limit)
        if workspace.registry.implements(stream.plugin, "partitions")
        else [whole(stream, "")]
    )
    notes += _digests(workspace, connection, stream, offered)
    refusing = rejected_by_target(workspace, connection, stream).now
    tables = [bucket.table for bucket in buckets.values()]
    for number, partition in enumerate(offered):
        records = 0
        pieces = _items(workspace, stream, partition, folder / f"landed.{number}")
        for part in progress.watched(cut(pieces, limit, core.batch_bytes)):
            records += part.records
            prepared = prepare_batch(
                workspace.registry, stream, partition, part, workspace.target.dialect.unstorable
            )
            for name, data in rows_of(tables, prepared.tables, part, refusing):
                buckets[name].add(EXPECTED, data)
        notes += _counted(workspace, stream, partition, records)


def _refuse_lost(stream: Stream, tables: Sequence[Table]) -> None:
    """Nothing can be held against a column that the source no longer has.

    Raises:
        SourceError: a table or a column is gone.
    """
    for table in tables:
        offered = {name for one in stream.tables if one.name == table.name for name in one.names}
        gone = [name for name in table.names if name not in offered]
        if gone:
            raise SourceError(
                "the source has fewer columns than were loaded",
                f"table {table.name}",
                f"{', '.join(gone)} went",
                "`migrate run`, after which nothing is held against them",
            )


def _items(
    workspace: Workspace, stream: Stream, partition: Partition, path: Path
) -> Iterator[Extracted]:
    """The records of a partition; an API's answers land in a temporary file first."""
    pieces = extracted_items(workspace, stream, partition)
    if not stream.lands:
        return pieces
    file, _ = landing.write(path, stream, pieces)
    return landing.read(file, stream)


def _counted(workspace: Workspace, stream: Stream, partition: Partition, records: int) -> list[str]:
    """What the source itself says of how much it has.

    Raises:
        SourceError: it says that it has more than it gave.
    """
    said = workspace.registry.call_one(
        stream.plugin,
        "count",
        stream=stream,
        partition=partition,
    )
    if said is None:
        return []
    if said > records:
        raise SourceError(
            "the source gave fewer records than it says it has",
            f"stream {stream.label}, {partition.name}",
            f"it says {said:,}, read were {records:,}",
        )
    return [f"{stream.label}, {partition.name}: the source says {said:,} records, as were read"]


def _digests(
    workspace: Workspace, connection: Connection, stream: Stream, offered: Sequence[Partition]
) -> list[str]:
    """Which inputs are others than those that were loaded; windows and snapshots always are."""
    if stream.lands or any(partition.held for partition in offered):
        return []
    history = History.read(connection, workspace.ledger).loaded(stream)
    digests = {read.partition.digest.partition("~")[0] for read in history}
    names = {read.partition.input for read in history}
    notes = []
    for partition in offered:
        if partition.digest in digests or not names:
            continue
        how = (
            "has other content than was loaded" if partition.input in names else "was never loaded"
        )
        notes.append(f"{stream.label}, {partition.input}: {how}")
    gone = names - {partition.input for partition in offered}
    notes += [f"{stream.label}, {name}: is no longer there" for name in sorted(gone)]
    return list(dict.fromkeys(notes))


def _unseen(verdict: TableVerdict, over: str) -> TableVerdict:
    """What the ledger says of a table whose values were not looked at; never that they match."""
    if verdict.verdict == "MISMATCH":
        return replace(verdict, reason=f"{verdict.reason}; {over}")
    return replace(verdict, verdict="UNKNOWN", reason=over)


def _judged(
    state: TableState, verdict: TableVerdict, comparison: Compared, *, from_source: bool
) -> tuple[TableVerdict, Findings | None]:
    """The verdict by value; parents, counters and keys of the ledger's verdict still count."""
    is_by_ledger = verdict.actual == verdict.expected
    result = replace(
        verdict,
        expected=comparison.expected,
        actual=comparison.actual,
        tolerated=comparison.tolerated,
    )
    if comparison.total:
        why = f"{comparison.total:,} rows differ by value"
        if comparison.since:
            sides = {"source": "in the source", "target": "in the target", "both": "on both sides"}
            parts = [f"{comparison.since[side]:,} {words}" for side, words in sides.items()]
            why = f"changed since the load: {', '.join(parts)}"
        if verdict.verdict != "UNKNOWN":
            result = replace(result, verdict="MISMATCH", reason=why)
        return result, comparison.findings(state.table)
    if verdict.verdict == "UNKNOWN" or is_by_ledger:
        return result, None
    if from_source or comparison.tolerated:
        # The target holds what it should, however it came there.
        word, why = beside(verdict.orphans, verdict.checks)
        return replace(result, verdict=word, reason=why or "the receipts say otherwise"), None
    why = "every value is as it landed, but the receipts add up to something else"
    return replace(result, verdict="MISMATCH", reason=why), None
