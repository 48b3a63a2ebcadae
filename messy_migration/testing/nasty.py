"""The name under which `messy_migration.testing.nasty_rows` was published first."""

from __future__ import annotations

from messy_migration.testing.nasty_rows import nasty, nasty_table

__all__ = ["nasty", "nasty_table"]
