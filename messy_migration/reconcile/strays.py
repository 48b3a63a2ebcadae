"""Rows of a table that belong to no stream: those outside of every scope that the ledger knows.

A table that several streams share is proven scope by scope, so that a row whose scope is spelled
in another case, is NULL, or is of a tenant that nobody ever loaded is in no proof at all. Such a
row was read, and no receipt accounts for it: that is a difference, and no lack of knowledge. So
the word is MISMATCH, and the rows are listed as extra, by the values of their scope.

Where all scopes were read anyway, one count of the whole table tells; rows are looked at only
where it says that there are others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from messy_migration.compare.findings import Difference, Findings
from messy_migration.databases.dialect import Reader, planned
from messy_migration.databases.naming import column_list, scope, scoped
from messy_migration.errors import TargetError
from messy_migration.ledger.known_tables import TableState
from messy_migration.model import Table
from messy_migration.reconcile.verdict import TableVerdict

LISTED = 50
"""Scopes that are listed of a table; the rows of all are counted."""

Result = tuple[TableVerdict, Findings | None]


def with_strays(
    connection: Connection,
    reader: Reader,
    states: Iterable[TableState],
    table_states: Sequence[TableState],
    results: Sequence[Result],
) -> list[Result]:
    """The results; the first of each table says how many of its rows belong to no stream.

    Args:
        connection: in the snapshot of the proof.
        reader: of the database.
        states: every table and scope of the ledger.
        table_states: those that were proven.
        results: of these, in their order.
    """
    tables: dict[str, list[Table]] = {}
    for state in states:
        tables.setdefault(state.table.name, []).append(state.table)
    verdicts = list(results)
    for name, scopes in tables.items():
        indices = [
            index
            for index, state in enumerate(table_states)
            if state.table.name == name and results[index][0].actual is not None
        ]
        if indices and all(table.scope for table in scopes) and not connection.invalidated:
            rows = [results[index][0] for index in indices]
            verdicts[indices[0]] = _looked_at(connection, reader, scopes, rows, results[indices[0]])
    return verdicts


def counted(connection: Connection, reader: Reader, states: Iterable[TableState], name: str) -> int:
    """Rows of a table that belong to no stream; 0 for a table that one stream owns whole."""
    scopes = [state.table for state in states if state.table.name == name]
    if not all(table.scope for table in scopes):
        return 0
    query = f"SELECT {_count(reader)} FROM {_outside(connection, reader, scopes)}"
    return int(connection.exec_driver_sql(query).scalar_one())


def words(rows: int) -> str:
    """The count as a verdict says it."""
    return (
        f"{rows:,} row belongs to no stream" if rows == 1 else f"{rows:,} rows belong to no stream"
    )


def _count(reader: Reader) -> str:
    return reader.spelling.call("count", "*")


def _whole(connection: Connection, reader: Reader, table: Table) -> str:
    return scoped(connection, reader, replace(table, scope=()))


def _outside(connection: Connection, reader: Reader, scopes: Sequence[Table]) -> str:
    """The FROM clause of the rows that are in none of the scopes of a table, alias `t`."""
    inside = " OR ".join(f"({scope(reader.spelling, one)})" for one in scopes)
    return f"{_whole(connection, reader, scopes[0])} WHERE ({inside}) IS NOT TRUE"


def _looked_at(
    connection: Connection,
    reader: Reader,
    scopes: Sequence[Table],
    proven: Sequence[TableVerdict],
    result: Result,
) -> Result:
    def look() -> Findings | None:
        more = _more(connection, reader, scopes, proven)
        if more == 0:
            return None
        findings = _strays(connection, reader, scopes)
        if more and not findings.total:
            raise TargetError(
                f"table {scopes[0].name}",
                why=f"it holds {more:+,} rows beside those that were read, and all are in a scope: "
                "an index of it is damaged",
                next="rebuild its indexes (REINDEX)",
            )
        return findings

    try:
        findings = planned(connection, reader, scopes[0].name, look)
    except TargetError as error:
        verdict, table_findings = result
        if verdict.verdict == "MATCH":
            why = f"rows of no stream could not be looked for: {error.why or error.what}"
            verdict = replace(verdict, verdict="UNKNOWN", reason=why)
        return verdict, table_findings
    return _told(result, findings) if findings and findings.total else result


def _more(
    connection: Connection,
    reader: Reader,
    scopes: Sequence[Table],
    proven: Sequence[TableVerdict],
) -> int | None:
    """How many rows the table holds beside those of the scopes that were read.

    None where a count does not tell, because not all scopes were read, or they overlap.
    """
    is_whole = {verdict.scope for verdict in proven} == {table.scope for table in scopes}
    are_apart = len({tuple(name for name, _ in table.scope) for table in scopes}) == 1
    if not (is_whole and are_apart):
        return None
    query = f"SELECT {_count(reader)} FROM {_whole(connection, reader, scopes[0])}"
    there = int(connection.exec_driver_sql(query).scalar_one())
    return there - sum(verdict.actual.rows for verdict in proven if verdict.actual)


def _strays(connection: Connection, reader: Reader, scopes: Sequence[Table]) -> Findings:
    table = scopes[0]
    names = list(dict.fromkeys(name for one in scopes for name, _ in one.scope))
    rows, columns = _outside(connection, reader, scopes), column_list(names, "t")
    count = _count(reader)
    total = int(connection.exec_driver_sql(f"SELECT {count} FROM {rows}").scalar_one())
    groups = connection.exec_driver_sql(
        f"SELECT {count} AS n, {columns} FROM {rows} GROUP BY {columns}"
        f" ORDER BY n DESC, {columns} LIMIT {LISTED}"
    ).all()
    differences = tuple(
        Difference(
            table.name,
            tuple(
                (name, "NULL" if value is None else str(value))
                for name, value in zip(names, values, strict=True)
            ),
            "extra",
            (),
            int(number),
        )
        for number, *values in groups
    )
    return Findings(table.name, differences, total, ())


def _told(result: Result, strays: Findings) -> Result:
    verdict, findings = result
    why = words(strays.total)
    reasons = [verdict.reason, why] if verdict.verdict != "MATCH" else [why]
    verdict = replace(verdict, verdict="MISMATCH", reason="; ".join(filter(None, reasons)))
    if findings is None:
        return verdict, strays
    return verdict, replace(
        findings,
        differences=(*strays.differences, *findings.differences),
        total=findings.total + strays.total,
    )
