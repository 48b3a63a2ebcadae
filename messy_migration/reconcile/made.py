"""The rows of derived tables: made from their bases, in one way or in another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, nullcontext
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.compare.decode import decoded
from messy_migration.config.row_settings import digest_of_rows
from messy_migration.databases.dialect import Dialect
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import column_list
from messy_migration.errors import PluginError
from messy_migration.fingerprint.rows import format_id
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.receipts import Scope, scope_text
from messy_migration.model import RECORD, Column, Derived, Fingerprint, Table
from messy_migration.model.conversion import date_of, instant_of, uuid_of
from messy_migration.pipeline.conform import as_table, conform
from messy_migration.pipeline.rules import check
from messy_migration.registry import Registry
from messy_migration.workspace import Workspace

KIND = "derived"
"""Of the receipt of a derived table."""

_ROWS = 5_000
_EXACT = Context(prec=76)

States = Mapping[tuple[str, Scope], TableState]
Sums = Mapping[tuple[str, Scope, str], Fingerprint]


def basis(registry: Registry, derived: Derived, states: States, sums: Sums) -> dict[str, Any]:
    """What the rows of a derived table follow from: its definition, and its bases by receipts.

    Args:
        registry: with its plugin.
        derived: which.
        states: what the ledger knows of all tables.
        sums: the receipts, by table, scope and format id.
    """
    definition = [
        registry.versions[derived.plugin],
        digest_of_rows(registry.sections.get(derived.plugin), registry.secrets),
        format_id(derived.table),
        derived.table.key,
        derived.sql,
    ]
    return {
        "plugin": derived.plugin,
        "definition": hashlib.sha256(json.dumps(definition).encode()).hexdigest()[:16],
        "bases": [
            [*_named(state), state.format_id, *_summed(sums, state)]
            for state in sorted(states.values(), key=_named)
            if state.table.name in derived.bases
        ],
    }


def _named(state: TableState) -> tuple[str, str]:
    return state.table.name, scope_text(state.table.scope)


def _summed(sums: Sums, state: TableState) -> tuple[int, str]:
    fingerprint = sums.get((*state.key, state.format_id), Fingerprint())
    return fingerprint.rows, fingerprint.lanes


def made(
    workspace: Workspace,
    connection: Connection,
    derived: Derived,
    states: States,
    *,
    otherwise: bool = False,
) -> Generator[pa.Table]:
    """The rows of a derived table, in its declared types, in chunks.

    Args:
        workspace: with its plugin.
        connection: of the target, where names are looked up along the role's own path.
        derived: which.
        states: what the ledger knows of all tables.
        otherwise: plan it in another way, and read the bases in another order.

    Raises:
        PluginError: it gives rows that the table cannot hold.
        TargetError: the query fails.
    """
    dialect = workspace.target.dialect
    where = f"plugin {derived.plugin}, derived table {derived.table.name}"
    way = dialect.otherwise(connection) if otherwise else nullcontext()
    if derived.function is None:
        chunks = _by_sql(connection, derived, where)
    else:
        chunks = _by_function(workspace, connection, derived, states, where, otherwise=otherwise)
    with way, closing(chunks):
        for chunk in chunks:
            yield _checked(dialect, derived.table, chunk, where)


def _by_sql(connection: Connection, derived: Derived, where: str) -> Generator[pa.Table]:
    columns = derived.table.columns
    with driver_errors_as_ours(where):
        result = connection.exec_driver_sql(
            f"SELECT {column_list(derived.table.names, 'q')} FROM ({derived.sql}) AS q",
            execution_options={"stream_results": True, "max_row_buffer": _ROWS},
        )
        with result:
            for rows in result.partitions(_ROWS):
                cells = list(zip(*rows, strict=True))
                arrays = [
                    _column(column, values, where)
                    for column, values in zip(columns, cells, strict=True)
                ]
                yield pa.Table.from_arrays(arrays, schema=derived.table.arrow_schema())


def _by_function(
    workspace: Workspace,
    connection: Connection,
    derived: Derived,
    states: States,
    where: str,
    *,
    otherwise: bool,
) -> Generator[pa.Table]:
    dialect, bases = workspace.target.dialect, {}
    for name in derived.bases:
        table = next(state.table for state in states.values() if state.table.name == name)
        source = f"{dialect.rows_of(connection, name)} t"
        chunks = dialect.row_fields(connection, table, source)
        rows = [row for chunk in chunks for row in chunk]
        bases[name] = decoded(table, rows[::-1] if otherwise else rows)
    if derived.function is None:
        return
    with workspace.registry.guard(derived.plugin, "derive"):
        answer: Any = derived.function(bases)
        count = answer.num_rows if isinstance(answer, pa.Table) else 0
    if isinstance(answer, pa.Table):
        answer = answer.append_column(RECORD, pa.array(np.arange(count, dtype=np.int32)))
    frame = as_table(answer, where)
    data, misfits = conform(frame, derived.table.columns, derived.table.name, where)
    if misfits:
        raise _unfit(where, str(misfits[0].column), misfits[0].message)
    yield data.drop_columns([RECORD])


def _checked(dialect: Dialect, table: Table, data: pa.Table, where: str) -> pa.Table:
    numbered = data.append_column(RECORD, pa.array(np.arange(data.num_rows, dtype=np.int32)))
    rows, violations = check(table, numbered, dialect.unstorable)
    if violations:
        raise _unfit(where, str(violations[0].column), violations[0].message)
    return rows.drop_columns([RECORD])


def _unfit(where: str, column: str, why: str) -> PluginError:
    return PluginError(
        "a derived table has values that its columns cannot hold", where, f"{column}: {why}"
    )


def _column(column: Column, values: Sequence[Any], where: str) -> pa.Array[Any]:
    try:
        with localcontext(_EXACT):
            cells = [None if value is None else _cell(column, value) for value in values]
        return pa.array(cells, column.type.arrow)
    except (ValueError, TypeError, ArithmeticError, pa.ArrowException) as error:
        why = f"the query gives a value that is no {column.type} ({type(error).__name__})"
        raise _unfit(where, column.name, why) from None


def _cell(column: Column, value: Any) -> Any:
    """A value of a query as one of the declared type; it is never guessed."""
    kind = column.type.kind
    if kind == "decimal":
        # The one place where a float becomes a number that is proven: rounded as declared.
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        return number.quantize(Decimal(1).scaleb(-column.type.scale), ROUND_HALF_EVEN)
    answer = _READERS[kind](value)
    if answer is None:
        raise ValueError(kind)
    return answer


def _integer(value: Any) -> int | None:
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _bool(value: Any) -> bool | None:
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _date(value: Any) -> date | None:
    if isinstance(value, str):
        return date_of(value)
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _instant(value: Any) -> datetime | None:
    if isinstance(value, str):
        return instant_of(value)
    is_instant = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC) if is_instant else None


def _uuid(value: Any) -> str | None:
    return uuid_of(str(value))


_READERS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "int16": _integer,
    "int32": _integer,
    "int64": _integer,
    "bool": _bool,
    "date": _date,
    "timestamp": _instant,
    "uuid": _uuid,
    "bytes": bytes,
}
