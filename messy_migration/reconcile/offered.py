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
from messy_migration.model import Fingerprint, Stream, Table, stream_label
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
    judged = [
        with_offered(verdict, state, streams)
        for verdict, state in zip(verdicts, table_states, strict=True)
    ]
    if is_whole:
        chosen, others = _chosen(workspace, streams)
        judged += never_loaded(chosen, table_states)
        unloaded = {verdict.stream for verdict in never_loaded(others, table_states)}
        lines += [f"{label}: left out on purpose: no run selected it" for label in sorted(unloaded)]
    return judged, lines


def _chosen(workspace: Workspace, streams: Iterable[Stream]) -> tuple[list[Stream], list[Stream]]:
    """The streams that some run was to read, and those that no run ever selected."""
    target = workspace.target
    with (
        driver_errors_as_ours(f"target {target.label}"),
        target.dialect.reading(target.engine) as connection,
    ):
        selections = {run.selection for run in runs.history(connection, workspace.ledger, None)}
    chosen: list[Stream] = []
    others: list[Stream] = []
    for stream in streams:
        is_wanted = any(is_chosen(stream, selection) for selection in selections)
        (chosen if is_wanted else others).append(stream)
    return chosen, others


def never_loaded(
    streams: Iterable[Stream], table_states: Iterable[TableState]
) -> list[TableVerdict]:
    """Tables that the sources offer and no run has ever met; each is UNKNOWN.

    Args:
        streams: what the selected plugins offer now.
        table_states: all that the ledger knows.
    """
    met = {(state.table.name, state.table.scope) for state in table_states}
    return [
        TableVerdict(
            table.name,
            table.scope,
            stream.label,
            Fingerprint(),
            None,
            "UNKNOWN",
            "the source offers it, and no run ever loaded it",
        )
        for stream in streams
        for table in stream.tables
        if (table.name, table.scope) not in met
    ]


def with_offered(
    verdict: TableVerdict, state: TableState, streams: Sequence[Stream]
) -> TableVerdict:
    """Lower a MATCH where the source has other columns now than were carried.

    Args:
        verdict: on a table that was held against its source.
        state: what the ledger knows of the table.
        streams: what the selected plugins offer now.
    """
    reasons = list(_other_columns(state.table, _offered(state, streams)))
    if not reasons:
        return verdict
    words = "; ".join(filter(None, (verdict.reason, *reasons)))
    return replace(
        verdict, reason=words, verdict="UNKNOWN" if verdict.verdict == "MATCH" else verdict.verdict
    )


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
            lines.append(f"{stream.label}: left out on purpose: {', '.join(names)}")
    for plugin, answer in registry.call_each("omitted"):
        with registry.guard(plugin, "omitted"):
            names = dict.fromkeys(str(name) for name in answer or ())
        if names:
            lines.append(f"{plugin}: left out on purpose: {', '.join(names)}")
    return lines


def _offered(state: TableState, streams: Sequence[Stream]) -> Table | None:
    for stream in streams:
        if stream.label == stream_label(state.stream, state.tenant):
            for table in stream.tables:
                if (table.name, table.scope) == state.key:
                    return table
    return None


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
