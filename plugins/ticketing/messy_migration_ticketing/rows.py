"""Gathers the rows of a batch, table by table, and the records that break a rule."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pyarrow as pa

from messy_migration.model import RECORD, Batch, Stream, Table, Transformed, Violation
from messy_migration_ticketing.values import Bad, json_text

_DEFAULTS = {"is_test": False, "is_stub": False, "extra": {}}


class Record:
    """The rows of one record while it is read; they count only if all of it can be read."""

    def __init__(self, number: int, tables: Mapping[str, Table], plugin: str) -> None:
        self.number = number
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.warnings: list[Violation] = []
        self._tables = tables
        self._plugin = plugin

    def add(self, table: str, values: Mapping[str, Any]) -> None:
        """A row. Scope, flags and `extra` fill themselves; what is not given is NULL.

        Raises:
            KeyError: a column that the table does not have.
        """
        declared = self._tables[table]
        names = declared.names
        unknown = [name for name in values if name not in names]
        if unknown:
            raise KeyError(f"{table} has no column {', '.join(unknown)}")
        defaults = {name: value for name, value in _DEFAULTS.items() if name in names}
        self.rows.append((table, {**defaults, **dict(declared.scope), **values}))

    def warn(self, table: str, column: str | None, rule: str, message: str) -> None:
        """Something odd that does not stop the record; the rule without the plugin's name."""
        self.warnings.append(
            Violation(self.number, table, column, f"{self._plugin}.{rule}", message, "warning")
        )


class Rows:
    """The rows of one batch of a stream.

    Violations of a rule raised as `Bad` are named `plugin.rule`.
    """

    def __init__(self, stream: Stream) -> None:
        self._plugin = stream.plugin
        self._tables = {table.name: table for table in stream.tables}
        self._rows: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        self.violations: list[Violation] = []

    @contextmanager
    def record(self, number: int) -> Iterator[Record]:
        """Read one record; a `Bad` from inside takes all its rows out and becomes a violation."""
        record = Record(number, self._tables, self._plugin)
        try:
            yield record
        except Bad as error:
            table = error.table or next(iter(self._tables))
            rule = f"{self._plugin}.{error.rule}"
            self.violations.append(Violation(number, table, error.column, rule, error.message))
            return
        for table, values in record.rows:
            self._rows[table].append((number, values))
        self.violations += record.warnings

    def add(self, record: int, table: str, values: Mapping[str, Any]) -> None:
        """A row of a record that cannot break a rule any more."""
        with self.record(record) as one:
            one.add(table, values)

    def frames(self) -> dict[str, pa.Table]:
        """A frame for every table of the stream, in declared columns and types."""
        return {name: self._frame(table) for name, table in self._tables.items()}

    def transformed(self) -> Transformed:
        """All of it, as the hook `transform` returns it."""
        return Transformed(self.frames(), tuple(self.violations))

    def _frame(self, table: Table) -> pa.Table:
        rows = self._rows.get(table.name, [])
        arrays: list[pa.Array[Any]] = []
        for column in table.columns:
            cells = [values.get(column.name) for _, values in rows]
            if column.type.kind == "json":
                cells = [None if cell is None else json_text(cell) for cell in cells]
            arrays.append(pa.array(cells, column.type.arrow))
        records = pa.array([number for number, _ in rows], pa.int32())
        return pa.Table.from_arrays([*arrays, records], names=[*table.names, RECORD])


def parse(payload: str) -> Any:
    """A parsed payload, numbers exact (int and Decimal); Bad `json` if it is none."""
    try:
        document = json.loads(payload, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError, ArithmeticError):
        raise Bad("json", None, "the payload is no JSON") from None
    if "\\ud" in payload.lower():
        _check_unicode(document)
    return document


def transform(
    stream: Stream, batch: Batch, read: Callable[[dict[str, Any], Record], None]
) -> Transformed:
    """Make the rows of every payload of a batch.

    Args:
        stream: says which tables there are.
        batch: with a column `payload`, one JSON object a record.
        read: adds the rows of one parsed payload to its record; raises `Bad`.
    """
    rows = Rows(stream)
    columns: dict[str, list[Any]] = batch.table.select([RECORD, "payload"]).to_pydict()
    for number, payload in zip(columns[RECORD], columns["payload"], strict=True):
        with rows.record(number) as record:
            document = parse(payload)
            if not isinstance(document, dict):
                raise Bad("shape", None, "the record is no object")
            read(document, record)
    return rows.transformed()


def leftovers(record: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """The fields that nothing was made of and that say something, for the column `extra`."""
    rest = {name: value for name, value in record.items() if name not in set(fields)}
    return {name: value for name, value in rest.items() if value not in (None, "", [], {})}


def _check_unicode(document: object) -> None:
    try:
        json.dumps(document, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise Bad("unicode", None, "a text holds half of a surrogate pair") from None


def _refuse(_: str) -> None:
    raise ValueError
