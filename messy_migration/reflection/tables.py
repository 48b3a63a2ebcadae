"""What a table of a foreign database looks like in our words.

`reflect` reads names, columns, types, the key and the foreign keys of a table, from the catalogue
of PostgreSQL and DuckDB, of others through SQLAlchemy; plugins, and whoever compares two
databases, see only `Table` and `ColumnType`. How the type of a column is spelled is always asked
of the catalogue, because SQLAlchemy resolves what it does not know to something similar.

    PostgreSQL, SQLite, MySQL, MariaDB, DuckDB          here
    ------------------------------------------------   -------------
    smallint, integer, bigint (a size up if unsigned)   int16, int32, int64
    bigint unsigned, ubigint; hugeint                   decimal(20,0); decimal(38,0)
    boolean; tinyint(1) of MySQL                        bool
    real, float, double                                 float64
    numeric(p,s), decimal(p,s), p <= 38                 decimal(p,s)
    numeric without a size                              decimal(38,18)
    char, varchar, text, enum, citext, name             text
    date                                                date
    timestamp, datetime, with a time zone or without    timestamp
    uuid                                                uuid
    bytea, blob, binary, varbinary                      bytes
    json, jsonb                                         json

A time without a zone is read as UTC. A numeric without a size may hold numbers of any length;
decimal(38,18) holds those of up to 20 digits before and 18 after the point, and whoever reads
has to refuse the others: they must never be rounded. In SQLite a declared type binds nobody, so
whoever reads it has to look at each value; all its integers are int64. Everything else (arrays,
ranges, interval, time, money, geometry, numeric of more than 38 digits, columns of SQLite
without a type) is listed as unsupported. JSON of MariaDB is its longtext, and so is text.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import NoSuchTableError, SAWarning

from messy_migration.errors import SourceError
from messy_migration.model import Column, ForeignKey, Table
from messy_migration.reflection.types import KNOWN, UNSIZED, column_type

__all__ = ["UNSIZED", "Reflected", "column_type", "reflect", "table_names"]

_OWN = "messy_migration_"

_TYPES = {
    "mysql": "SELECT column_name, column_type FROM information_schema.columns"
    " WHERE table_schema = :schema AND table_name = :name",
    "mariadb": "SELECT column_name, column_type FROM information_schema.columns"
    " WHERE table_schema = :schema AND table_name = :name",
    "sqlite": "SELECT name, type FROM pragma_table_xinfo(:name, :schema)",
}
# A partition is read through its parent.
_POSTGRES_TABLES = """
    SELECT c.relname FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) coalesce(:schema, pg_catalog.current_schema())
    AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[])
    AND NOT c.relispartition
"""
_DUCKDB_TABLES = """
    SELECT table_name FROM system.main.duckdb_tables() WHERE NOT internal AND NOT temporary
    AND database_name = system.main.current_database()
    AND schema_name = coalesce(:schema, system.main.current_schema())
"""
# Column, type, and whether NULL is refused, in order.
_COLUMNS = {
    # The base type of a domain decides, however deep; an enum has a name of its own. A type of
    # somebody's own schema must not read like one of the server's, but citext is the extension's.
    "postgresql": """
        SELECT a.attname, b.spelled, a.attnotnull OR b.not_null
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        CROSS JOIN LATERAL (
            WITH RECURSIVE base(oid, modifier, not_null) AS (
                SELECT a.atttypid, a.atttypmod, false
                UNION ALL
                SELECT t.typbasetype, t.typtypmod, base.not_null OR t.typnotnull
                FROM base JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) base.oid
                WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
            )
            SELECT CASE
                WHEN t.typtype OPERATOR(pg_catalog.=) 'e' THEN 'enum'
                WHEN s.nspname OPERATOR(pg_catalog.=) 'pg_catalog'
                THEN pg_catalog.format_type(base.oid, base.modifier)
                WHEN x.extname IS NOT NULL
                THEN pg_catalog.quote_ident(t.typname::pg_catalog.text)
                WHEN e.oid IS NOT NULL
                THEN pg_catalog.format('%I.%I[]', s.nspname, e.typname)
                ELSE pg_catalog.format('%I.%I', s.nspname, t.typname) END AS spelled, base.not_null
            FROM base JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) base.oid
            JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) t.typnamespace
            LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem
                AND t.typlen OPERATOR(pg_catalog.=) -1
            LEFT JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) t.oid
                AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
                AND d.deptype OPERATOR(pg_catalog.=) 'e'
            LEFT JOIN pg_catalog.pg_extension x ON x.oid OPERATOR(pg_catalog.=) d.refobjid
                AND x.extname OPERATOR(pg_catalog.=) t.typname
            WHERE t.typtype OPERATOR(pg_catalog.<>) 'd'
        ) b
        WHERE n.nspname OPERATOR(pg_catalog.=) coalesce(:schema, pg_catalog.current_schema())
        AND c.relname OPERATOR(pg_catalog.=) :name
        AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog."char"[])
        AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    """,
    "duckdb": """
        SELECT column_name, data_type, NOT is_nullable FROM system.main.duckdb_columns()
        WHERE database_name = system.main.current_database()
        AND schema_name = coalesce(:schema, system.main.current_schema()) AND table_name = :name
        ORDER BY column_index
    """,
}
# Kind, columns; of a foreign key the parent in the same schema, and its columns.
_CONSTRAINTS = {
    # Unique is what an index without a condition holds for all rows, declared so or not.
    "postgresql": """
        WITH child AS (
            SELECT c.oid, c.relnamespace FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
            WHERE n.nspname OPERATOR(pg_catalog.=) coalesce(:schema, pg_catalog.current_schema())
            AND c.relname OPERATOR(pg_catalog.=) :name
        )
        SELECT CASE WHEN i.indisprimary THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, k.names, NULL, NULL
        FROM child JOIN pg_catalog.pg_index i ON i.indrelid OPERATOR(pg_catalog.=) child.oid
        CROSS JOIN LATERAL (
            SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY u.place) AS names
            FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[])
                 WITH ORDINALITY AS u(number, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) child.oid
                AND a.attnum OPERATOR(pg_catalog.=) u.number
            WHERE u.place OPERATOR(pg_catalog.<=) i.indnkeyatts
        ) k
        WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
        UNION ALL
        (SELECT 'FOREIGN KEY', k.names, p.relname, k.parent_names
        FROM child JOIN pg_catalog.pg_constraint f ON f.conrelid OPERATOR(pg_catalog.=) child.oid
            AND f.contype OPERATOR(pg_catalog.=) 'f'
        JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) f.confrelid
            AND p.relnamespace OPERATOR(pg_catalog.=) child.relnamespace
        CROSS JOIN LATERAL (
            SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY u.place) AS names,
                   pg_catalog.array_agg(b.attname::pg_catalog.text ORDER BY u.place)
                       AS parent_names
            FROM ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey))
                 WITH ORDINALITY AS u(number, other, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) child.oid
                AND a.attnum OPERATOR(pg_catalog.=) u.number
            JOIN pg_catalog.pg_attribute b ON b.attrelid OPERATOR(pg_catalog.=) p.oid
                AND b.attnum OPERATOR(pg_catalog.=) u.other
        ) k
        ORDER BY f.conname)
    """,
    "duckdb": """
        SELECT constraint_type, constraint_column_names, referenced_table, referenced_column_names
        FROM system.main.duckdb_constraints()
        WHERE database_name = system.main.current_database()
        AND schema_name = coalesce(:schema, system.main.current_schema()) AND table_name = :name
        ORDER BY constraint_index
    """,
}


@dataclass(frozen=True, slots=True)
class Reflected:
    """A table as it was found.

    Attributes:
        table: its columns of supported types in their order; its key is the primary key, or
            else the smallest unique key of which no column may be NULL, if all columns of that
            are supported; its foreign keys are those into the same schema.
        unsupported: column -> type, as the database spells it, of the columns left out.
        types: column -> type, as the database spells it, of all columns.
    """

    table: Table
    unsupported: Mapping[str, str]
    types: Mapping[str, str]


@dataclass(frozen=True)
class _Found:
    """What a database says of a table: (name, type, required), keys, foreign keys."""

    columns: list[tuple[str, str, bool]]
    primary: tuple[str, ...]
    unique: list[tuple[str, ...]]
    foreign: list[ForeignKey]


def table_names(connection: Connection, schema: str | None = None) -> list[str]:
    """The tables of a schema (the default one if None), sorted.

    Views are left out, and so are partitions, whose rows their parent has, and tables of our
    own ledger.
    """
    kind = connection.dialect.name
    if kind == "postgresql":
        names = list(connection.execute(sa.text(_POSTGRES_TABLES), {"schema": schema}).scalars())
    elif kind == "duckdb":
        names = list(connection.execute(sa.text(_DUCKDB_TABLES), {"schema": schema}).scalars())
    else:
        names = sa.inspect(connection).get_table_names(schema)
    return sorted(name for name in names if not name.startswith(_OWN))


def reflect(connection: Connection, name: str, schema: str | None = None) -> Reflected:
    """What is known of a table.

    Args:
        connection: to the database; nothing is written.
        name: of the table, as the database spells it.
        schema: where it is; None for the default one.

    Raises:
        SourceError: there is no such table, no column of it is supported, or types of this
            kind of database are not known.
    """
    kind = connection.dialect.name
    if kind not in KNOWN:
        raise SourceError(
            f"the types of a {kind} database are not known",
            f"table {name}",
            f"known are {', '.join(KNOWN)}",
        )
    read = _catalogued if kind in _COLUMNS else _inspected
    description = read(connection, name, schema)
    types = {column: spelled for column, spelled, _ in description.columns}
    kinds = {column: column_type(kind, spelled) for column, spelled in types.items()}
    columns = tuple(
        Column(column, type_, required or column in description.primary)
        for column, _, required in description.columns
        if (type_ := kinds[column]) is not None
    )
    unsupported = {column: types[column] for column in types if kinds[column] is None}
    if not columns:
        raise SourceError(
            "no column of a table has a supported type",
            f"table {name}",
            ", ".join(f"{column} is {spelled}" for column, spelled in unsupported.items()),
        )
    usable = {column.name for column in columns}
    foreign = tuple(key for key in description.foreign if usable.issuperset(key.columns))
    table = Table(name, columns, _key(description, columns), foreign_keys=foreign)
    return Reflected(table, unsupported, types)


def _key(description: _Found, columns: Iterable[Column]) -> tuple[str, ...]:
    required = {column.name for column in columns if column.required}
    candidates = [
        description.primary,
        *sorted(description.unique, key=lambda names: (len(names), names)),
    ]
    return next((names for names in candidates if names and required.issuperset(names)), ())


def _inspected(connection: Connection, name: str, schema: str | None) -> _Found:
    inspector = sa.inspect(connection)
    kind = connection.dialect.name
    default = "main" if kind == "sqlite" else inspector.default_schema_name
    values = {"name": name, "schema": schema or default}
    with warnings.catch_warnings():
        # "Did not recognize type": that is what the catalogue is asked for below.
        warnings.simplefilter("ignore", SAWarning)
        try:
            columns = inspector.get_columns(name, schema)
        except NoSuchTableError:
            raise _missing(name) from None
        primary = inspector.get_pk_constraint(name, schema)["constrained_columns"]
        unique = _unique_keys(inspector, name, schema)
        foreign = _foreign_keys(inspector, inspector.get_foreign_keys(name, schema), schema)
    spelled = {row[0]: row[1] for row in connection.execute(sa.text(_TYPES[kind]), values)}
    return _Found(
        [(column["name"], spelled[column["name"]], not column["nullable"]) for column in columns],
        tuple(primary),
        unique,
        foreign,
    )


def _unique_keys(inspector: sa.Inspector, name: str, schema: str | None) -> list[tuple[str, ...]]:
    """The columns of unique constraints and indexes that hold for all rows."""
    keys = {
        tuple(constraint["column_names"])
        for constraint in inspector.get_unique_constraints(name, schema)
    }
    for index in inspector.get_indexes(name, schema):
        names = index["column_names"]
        options = index.get("dialect_options", {})
        is_partial = any(
            option.endswith("_where") and condition is not None
            for option, condition in options.items()
        )
        if index["unique"] and not is_partial and not index.get("expressions"):
            keys.add(tuple(one for one in names if one is not None))
    return list(keys)


def _foreign_keys(
    inspector: sa.Inspector, entries: Sequence[Any], schema: str | None
) -> list[ForeignKey]:
    local = [entry for entry in entries if entry["referred_schema"] in (None, schema)]
    respelled = _sqlite_parent if inspector.dialect.name == "sqlite" else _as_said
    references = (respelled(inspector, entry, schema) for entry in local)
    return [key for key in references if len(key.columns) == len(key.parent_columns)]


def _as_said(inspector: sa.Inspector, entry: Mapping[str, Any], schema: str | None) -> ForeignKey:
    del inspector, schema
    columns, parent_columns = entry["constrained_columns"], entry["referred_columns"]
    return ForeignKey(tuple(columns), entry["referred_table"], tuple(parent_columns))


def _sqlite_parent(
    inspector: sa.Inspector, entry: Mapping[str, Any], schema: str | None
) -> ForeignKey:
    """SQLite lets a foreign key spell its parent in any case, leave out its key, or miss it."""
    names = {one.lower(): one for one in inspector.get_table_names(schema)}
    parent = names.get(entry["referred_table"].lower())
    if parent is None:
        return _as_said(inspector, entry, schema)
    key = inspector.get_pk_constraint(parent, schema)["constrained_columns"]
    spelled = {one["name"].lower(): one["name"] for one in inspector.get_columns(parent, schema)}
    said = entry["referred_columns"] or key
    columns = tuple(spelled.get(one.lower(), one) for one in said)
    return ForeignKey(tuple(entry["constrained_columns"]), parent, columns)


def _catalogued(connection: Connection, name: str, schema: str | None) -> _Found:
    """From its own catalogue.

    SQLAlchemy's inspector asks PostgreSQL nine questions, and DuckDB for tables that it has not.
    """
    kind, values = connection.dialect.name, {"name": name, "schema": schema}
    columns = [tuple(row) for row in connection.execute(sa.text(_COLUMNS[kind]), values)]
    if not columns:
        raise _missing(name)
    keys: dict[str, list[Any]] = {"PRIMARY KEY": [], "UNIQUE": [], "FOREIGN KEY": []}
    rows = connection.execute(sa.text(_CONSTRAINTS[kind]), values)
    for what, names, parent, parent_names in rows:
        keys.setdefault(what, []).append((tuple(names), parent, tuple(parent_names or ())))
    return _Found(
        [(column, spelled, bool(required)) for column, spelled, required in columns],
        next((names for names, _, _ in keys["PRIMARY KEY"]), ()),
        [names for names, _, _ in keys["UNIQUE"]],
        [ForeignKey(*key) for key in keys["FOREIGN KEY"]],
    )


def _missing(name: str) -> SourceError:
    return SourceError(
        "there is no such table, or it has no column",
        f"table {name}",
        next="check its name, the schema and your rights",
    )
