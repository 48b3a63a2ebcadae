"""Names and texts of ours inside an SQL statement, quoted."""

from __future__ import annotations

from collections.abc import Sequence

from messy_migration.model import Table


def quote(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def column_list(names: Sequence[str], alias: str = "") -> str:
    """Quoted names, comma-separated, each behind the alias of a table."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(prefix + quote(name) for name in names)


def scoped(table: Table) -> str:
    """The FROM clause of a table's scope, alias `t`."""
    condition = scope(table)
    return f"{quote(table.name)} t" + (f" WHERE {condition}" if condition else "")


def scope(table: Table) -> str:
    """The condition on `t` that a row is in the table's scope; empty where there is none.

    The values of a scope come from plugins, so they are escaped as SQL literals.
    """
    return " AND ".join(f"t.{quote(name)} = {literal(value)}" for name, value in table.scope)


def told_apart(table: Table) -> list[str]:
    """Names of the text columns by which rows are told apart: of the key and of the scope."""
    names = dict.fromkeys([*table.key, *(name for name, _ in table.scope)])
    return [name for name in names if table.column(name).type.kind == "text"]


def literal(value: str) -> str:
    """A text as an SQL literal; colons and percent signs are not special on our path."""
    return "'" + value.replace("'", "''") + "'"
