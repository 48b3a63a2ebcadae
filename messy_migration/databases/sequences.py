"""What gives the next row its number: sequences, identity columns, AUTOINCREMENT.

A load that brings its own numbers does not move them, and the first row that the application
adds after the cutover is then refused. The whole table counts, not only one scope of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from messy_migration.databases.dialect import Reader
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import literal, quote
from messy_migration.model import Table

_BIGGEST = (1 << 63) - 1

# A default that calls nextval depends on its sequence; an identity's sequence on its column.
_SEQUENCES = """
    SELECT a.attname::pg_catalog.text, pg_catalog.format('%I.%I', n.nspname, s.relname),
           q.seqincrement, q.seqmin, q.seqmax, q.seqcycle,
           pg_catalog.has_table_privilege(s.oid, 'SELECT')
           AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    FROM pg_catalog.pg_attribute a
    JOIN LATERAL (
        SELECT d.refobjid AS sequence
          FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_depend d
            ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass
           AND d.objid OPERATOR(pg_catalog.=) f.oid
           AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
         WHERE f.adrelid OPERATOR(pg_catalog.=) a.attrelid
           AND f.adnum OPERATOR(pg_catalog.=) a.attnum
        UNION
        SELECT d.objid FROM pg_catalog.pg_depend d
         WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
           AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
           AND d.refobjid OPERATOR(pg_catalog.=) a.attrelid
           AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum
           AND d.deptype OPERATOR(pg_catalog.=) ANY ('{a,i}'::"pg_catalog"."char"[])
    ) found ON true
    JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) found.sequence
     AND s.relkind OPERATOR(pg_catalog.=) 'S'
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.relnamespace
    JOIN pg_catalog.pg_sequence q ON q.seqrelid OPERATOR(pg_catalog.=) s.oid
    WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)
      AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    ORDER BY a.attnum, 2
"""


@dataclass(frozen=True)
class Counter:
    """One source of numbers of a table.

    Attributes:
        name: of the sequence, or of the table for AUTOINCREMENT.
        column: the column that it numbers.
        following: the number that the next row gets; None if it has run out, or is not known.
        furthest: the number in the data that it has to be ahead of; None in an empty table.
        problem: why it is not ahead of the data; empty if it is.
        mend: the statement that puts it right, or what has to be done.
        is_known: False if this role may not look at it.
    """

    name: str
    column: str
    following: int | None
    furthest: int | None
    problem: str = ""
    mend: str = ""
    is_known: bool = True


def counters(connection: Connection, reader: Reader, table: Table) -> list[Counter]:
    """The counters of a table, held against the numbers in its rows.

    Args:
        connection: in a snapshot.
        reader: of the database; kinds whose counters cannot fall behind have none.
        table: any of its scopes.
    """
    with driver_errors_as_ours(f"counters of table {table.name}"):
        if reader.name == "postgresql":
            return _sequences(connection, reader, table)
        if reader.name == "sqlite":
            return _autoincrement(connection, table)
    return []


def _sequences(connection: Connection, reader: Reader, table: Table) -> list[Counter]:
    counters_read = []
    rows = connection.execute(
        text(_SEQUENCES), {"name": reader.place(connection, table.name)}
    ).all()
    for column, sequence, step, least, most, cycles, may_read in rows:
        if not may_read:
            grant = f"GRANT SELECT ON SEQUENCE {sequence} TO CURRENT_USER"
            counters_read.append(
                Counter(
                    sequence, column, None, None, "this role may not read it", grant, is_known=False
                )
            )
            continue
        last, is_called = connection.exec_driver_sql(
            f"SELECT last_value, is_called FROM {sequence}"
        ).one()
        extreme = reader.spelling.call("max" if step > 0 else "min", quote(column))
        query = f"SELECT {extreme} FROM {reader.rows_of(connection, table.name)}"
        furthest = connection.exec_driver_sql(query).scalar_one()
        following = last + step if is_called else last
        problem = mend = ""
        if not least <= following <= most and not cycles:
            problem, following = "it has run out of numbers", None
            mend = f"ALTER SEQUENCE {sequence} with another range"
        elif furthest is not None and (furthest - following) * step >= 0:
            problem = f"the next number is {following}, and {column} goes to {furthest} already"
            mend = f"SELECT pg_catalog.setval({literal(sequence)}, ({query}))"
        counters_read.append(
            Counter(
                sequence,
                column,
                None if following is None else int(following),
                None if furthest is None else int(furthest),
                problem,
                mend,
            )
        )
    return counters_read


def _autoincrement(connection: Connection, table: Table) -> list[Counter]:
    """SQLite itself numbers past the largest rowid; what it may lose is its memory of more."""
    declared = connection.execute(
        text("SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = :name"),
        {"name": table.name},
    ).scalar_one_or_none()
    if not declared or "AUTOINCREMENT" not in declared.upper():
        return []
    column = connection.execute(
        text("SELECT name FROM pragma_table_info(:name, 'main') WHERE pk > 0"), {"name": table.name}
    ).scalar_one_or_none()
    if column is None:
        return []
    last = connection.execute(
        text("SELECT seq FROM main.sqlite_sequence WHERE name = :name"), {"name": table.name}
    ).scalar()
    furthest = connection.exec_driver_sql(
        f"SELECT max(rowid) FROM main.{quote(table.name)}"
    ).scalar_one()
    top = max(int(last or 0), int(furthest or 0))
    problem = mend = ""
    if top == _BIGGEST:
        problem, mend = "it has run out of numbers", "give the rows smaller numbers"
    elif furthest is not None and int(last or 0) < furthest:
        problem = f"it stands at {last or 0}, and {column} goes to {furthest} already"
        value = f"(SELECT max(rowid) FROM {quote(table.name)})"
        name = literal(table.name)
        mend = (
            f"UPDATE sqlite_sequence SET seq = {value} WHERE name = {name}"
            if last is not None
            else f"INSERT INTO sqlite_sequence (name, seq) VALUES ({name}, {value})"
        )
    following = None if top == _BIGGEST else top + 1
    return [Counter(table.name, column, following, furthest, problem, mend)]
