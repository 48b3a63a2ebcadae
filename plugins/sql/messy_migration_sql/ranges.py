"""Which rows of a PostgreSQL table a partition is: conditions on its key.

The key is compared by the operators of its own index, which the catalogue names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import sql

from messy_migration.errors import SourceError
from messy_migration_sql.sessions import Session

# How the unique indexes of a table order their columns, primary key last; 2 is <=, 3 is =, 5 is >.
_ORDER = """
    SELECT a.attname, m.amopstrategy, n.nspname, o.oprname
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) i.indrelid
        AND t.relname OPERATOR(pg_catalog.=) %s
    JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) t.relnamespace
        AND s.nspname OPERATOR(pg_catalog.=) %s
    CROSS JOIN LATERAL ROWS FROM (
        pg_catalog.unnest(i.indkey::pg_catalog.int2[]),
        pg_catalog.unnest(i.indclass::pg_catalog.oid[])
    ) AS k(number, class)
    JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.oid
        AND a.attnum OPERATOR(pg_catalog.=) k.number
    JOIN pg_catalog.pg_opclass c ON c.oid OPERATOR(pg_catalog.=) k.class
    JOIN pg_catalog.pg_amop m ON m.amopfamily OPERATOR(pg_catalog.=) c.opcfamily
        AND m.amoplefttype OPERATOR(pg_catalog.=) c.opcintype
        AND m.amoprighttype OPERATOR(pg_catalog.=) c.opcintype
        AND m.amopstrategy OPERATOR(pg_catalog.=) ANY ('{2,3,5}'::pg_catalog.int2[])
    JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) m.amopopr
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
    WHERE i.indisunique AND i.indisvalid
    ORDER BY i.indisprimary
"""


_AT_MOST = 2


_EQUAL = 3


_ABOVE = 5


_OWN = {_AT_MOST: "<=", _EQUAL: "=", _ABOVE: ">"}


_SIGN = re.compile(r"[-+*/<>=~!@#%^&|`?]+")


def from_clause(opened: Session, bounds: Mapping[str, Any]) -> sql.Composed:
    """The table of a partition, without those that inherit from it where it has rows of its own."""
    parts = [bounds["schema"] or opened.home, bounds["table"]]
    return sql.SQL("{}{}").format(
        sql.SQL("ONLY ") if bounds["only"] else sql.SQL(""), sql.Identifier(*parts)
    )


def condition(opened: Session, bounds: Mapping[str, Any]) -> sql.Composed:
    """The rows of a partition. Literals without a type take that of the column beside them."""
    parts: list[sql.Composable] = []
    ends = [(word, bounds[word]) for word in ("after", "through") if bounds[word] is not None]
    if ends:
        order = _order(opened, bounds)
        parts += [_beyond(bounds["key"], values, order, word) for word, values in ends]
    if bounds["since"] is not None:
        column = sql.Identifier(bounds["bookmark"])
        since = sql.Literal(
            datetime.fromisoformat(bounds["since"]).strftime("%Y-%m-%d %H:%M:%S.%f")
        )
        parts.append(
            sql.SQL("({0} OPERATOR(pg_catalog.>=) {1} OR {0} IS NULL)").format(column, since)
        )
    if not parts:
        return sql.SQL("{}").format(sql.SQL(""))
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(parts))


_Order = Mapping[tuple[str, int], tuple[str, str]]
"""(column, strategy of a btree) -> schema and sign of the operator."""


def _order(opened: Session, bounds: Mapping[str, Any]) -> _Order:
    """The operators by which the key's own index orders its columns.

    Those of another type would call other keys equal, and find no index.
    """
    table = (bounds["schema"] or opened.home, bounds["table"])
    if table not in opened.orders:
        rows = opened.connection.execute(_ORDER, [table[1], table[0]]).fetchall()
        opened.orders[table] = {
            (column, strategy): (schema, sign) for column, strategy, schema, sign in rows
        }
    return opened.orders[table]


def _beyond(keys: Sequence[str], values: Sequence[str], order: _Order, word: str) -> sql.Composable:
    """That a key comes after the given one, or that it does not."""
    strategy = _ABOVE if word == "after" else _AT_MOST
    signs = {_operator(name, order, strategy).as_string() for name in keys}
    if len(signs) == 1:
        # One scan of the index knows both ends of a range that is written as rows.
        return sql.SQL("({}) {} ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, keys)),
            sql.SQL(signs.pop()),
            sql.SQL(", ").join(map(sql.Literal, values)),
        )
    columns = list(zip(keys, values, strict=True))
    query = _compared(*columns[-1], order, strategy)
    for name, value in reversed(columns[:-1]):
        equal = _compared(name, value, order, _EQUAL)
        reach = _compared(name, value, order, strategy)
        template = "({0} OR ({1} AND {2}))" if word == "after" else "({0} AND (NOT {1} OR {2}))"
        query = sql.SQL(template).format(reach, equal, query)
    return query


def _compared(name: str, value: str, order: _Order, strategy: int) -> sql.Composed:
    return sql.SQL("({} {} {})").format(
        sql.Identifier(name), _operator(name, order, strategy), sql.Literal(value)
    )


def _operator(name: str, order: _Order, strategy: int) -> sql.Composed:
    schema, sign = order.get((name, strategy), ("pg_catalog", _OWN[strategy]))
    if not _SIGN.fullmatch(sign):
        raise SourceError("the source has an operator that is none", name, sign)
    return sql.SQL("OPERATOR({}.{})").format(sql.Identifier(schema), sql.SQL(sign))
