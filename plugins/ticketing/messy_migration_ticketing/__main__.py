"""Prints the schema as the README holds it: `python -m messy_migration_ticketing`."""

from __future__ import annotations

import sys

from messy_migration_ticketing.schema import CUSTOM_FIELDS, FIELDS, Field

_COMMON = ("id", "source_system", "source_account", "source_id", "source_updated_at", "is_test",
           "is_stub", "extra")  # fmt: skip


def schema_markdown() -> str:
    """All tables in Markdown, the columns that they share first."""
    shared = [field for field in FIELDS["events"] if field.name in _COMMON]
    parts = [_section("Columns of every table but `custom_field_values`", shared)]
    for name, fields in FIELDS.items():
        own = fields if name == CUSTOM_FIELDS else [f for f in fields if f.name not in _COMMON]
        parts.append(_section(f"`{name}`", own))
    return "\n".join(parts)


def _section(title: str, fields: tuple[Field, ...] | list[Field]) -> str:
    lines = [f"### {title}", "", "| column | type | needed | about |", "|---|---|---|---|"]
    for field in fields:
        points = f"-> `{field.parent}`" if field.parent else ""
        about = ", ".join(part for part in (points, field.about) if part)
        lines.append(f"| {field.name} | {field.type} | {'yes' if field.needed else ''} | {about} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(schema_markdown())
