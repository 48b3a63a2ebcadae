"""What the sources offer now, beside what was carried: a MATCH says nothing of what nobody loaded.

A proof goes over the tables that the ledger knows. A table, a column or a tenant that the source
has gained since is in none of them, and one that it has lost is held against nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.errors import MigrationError
from messy_migration.ledger import receipts, runs
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.runs import Run
from messy_migration.model import Fingerprint, Stream, Table
from messy_migration.reconcile.options import Form, ReconcileOptions
from messy_migration.reconcile.verdict import TableVerdict
from messy_migration.registry import Registry
from messy_migration.streams import is_chosen
from messy_migration.workspace import Workspace

_NAMED = 5


def beside_offered(
    workspace: Workspace,
    table_states: Sequence[TableState],
    verdicts: Sequence[TableVerdict],
    options: ReconcileOptions,
    *,
    is_whole: bool,
) -> tuple[list[TableVerdict], list[str]]:
    """Verdicts with what the sources offer and nobody carried, and what is left out on purpose.

    Args:
        workspace: with the plugins of the sources.
        table_states: the tables that were held against their sources.
        verdicts: one for each of them.
        options: what was asked; nobody asks the sources but for a proof against them.
        is_whole: these are all tables that the ledger knows, so that others were never loaded.
    """
    if options.against != "source":
        return list(verdicts), []
    try:
        streams = workspace.streams()
        lines = left_out(workspace.registry, streams)
    except MigrationError:
        # No source can be asked, and each verdict says so already.
        return list(verdicts), []
    offered = {
        (stream.label, table.name, table.scope): table
        for stream in streams
        for table in stream.tables
    }
    judged = [
        _beside_columns(verdict, state.table, offered.get((verdict.stream, *state.key)))
        for verdict, state in zip(verdicts, table_states, strict=True)
    ]
    if is_whole:
        unloaded = _unloaded(streams, table_states)
        earlier = _runs(workspace) if unloaded else []
        for stream, tables in unloaded:
            if any(is_chosen(stream, run.patterns, run.tenants) for run in earlier):
                judged += [_never_loaded(stream, table) for table in tables]
            else:
                lines.append(_on_purpose(stream.label, ["no run selected it"]))
    return judged, lines


def _runs(workspace: Workspace) -> list[Run]:
    target = workspace.target
    with (
        driver_errors_as_ours(f"target {target.label}"),
        target.dialect.reading(target.engine) as connection,
    ):
        return runs.history(connection, workspace.ledger, None)


def _unloaded(
    streams: Iterable[Stream], table_states: Iterable[TableState]
) -> list[tuple[Stream, list[Table]]]:
    """The streams with tables that no run has ever met, and these tables."""
    met = {state.key for state in table_states}
    unmet = [
        (stream, [table for table in stream.tables if (table.name, table.scope) not in met])
        for stream in streams
    ]
    return [(stream, tables) for stream, tables in unmet if tables]


def _never_loaded(stream: Stream, table: Table) -> TableVerdict:
    why = "the source offers it, and no run ever loaded it"
    return TableVerdict(table.name, table.scope, stream.label, Fingerprint(), None, "UNKNOWN", why)


def _beside_columns(verdict: TableVerdict, carried: Table, offered: Table | None) -> TableVerdict:
    """Lower a MATCH where the source has other columns now than were carried."""
    reasons = list(_other_columns(carried, offered))
    if not reasons:
        return verdict
    words = "; ".join(filter(None, (verdict.reason, *reasons)))
    word = "UNKNOWN" if verdict.verdict == "MATCH" else verdict.verdict
    return replace(verdict, reason=words, verdict=word)


def taken_over(
    workspace: Workspace, connection: Connection, table_states: Iterable[TableState], form: Form
) -> list[str]:
    """Columns that came or went after rows were loaded, a line for each table and way.

    Where a column came, the source was read again from its beginning; rows that it no longer had
    keep what stood there, on which only the sums of the ledger rely. Where one went, nobody
    compares what the target still has in it.
    """
    lines = []
    for state in table_states:
        names = state.table.names
        changed = [
            word
            for reason in receipts.reasons(connection, workspace.ledger, "rebase", *state.key)
            for word in reason.split(" ")[1:]
        ]
        came = dict.fromkeys(word for word in changed if word in names)
        went = dict.fromkeys(
            word[1:] for word in changed if word.startswith("-") and word[1:] not in names
        )
        if came and form == "ledger":
            lines.append(
                f"{state.table.name}: {_columns(list(came))} came after rows were loaded; what the"
                " target held in rows that no later run wrote is expected as it stood"
            )
        if went:
            lines.append(
                f"{state.table.name}: {_columns(list(went))} went from the source after rows were"
                " loaded; nothing is held against what the target has there"
            )
    return lines


def left_out(registry: Registry, streams: Iterable[Stream]) -> list[str]:
    """What is left out on purpose, a line for each stream and plugin.

    Fields that a stream denies, columns that a plugin has reshaped away, and what the hook
    `omitted` names.
    """
    lines = []
    for stream in streams:
        kept = {name for table in stream.tables for name in table.names}
        dropped = (name for table in stream.as_offered.tables for name in table.names)
        names = dict.fromkeys((*stream.deny, *(name for name in dropped if name not in kept)))
        if names:
            lines.append(_on_purpose(stream.label, names))
    for plugin, answer in registry.call_each("omitted"):
        with registry.guard(plugin, "omitted"):
            names = dict.fromkeys(str(name) for name in answer or ())
        if names:
            lines.append(_on_purpose(plugin, names))
    return lines


def _on_purpose(label: str, names: Iterable[str]) -> str:
    return f"{label}: left out on purpose: {', '.join(names)}"


def _other_columns(carried: Table, offered: Table | None) -> Iterable[str]:
    if offered is None:
        return
    gained = [name for name in offered.names if name not in carried.names]
    if gained:
        yield f"the source has {_columns(gained)}, which no run carried"
    lost = [name for name in carried.names if name not in offered.names]
    if lost:
        yield f"the source no longer has {_columns(lost)}, so nothing is held against it"


def _columns(names: Sequence[str]) -> str:
    noun = "the column" if len(names) == 1 else "the columns"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{noun} {', '.join(names[:_NAMED])}{more}"
