"""What PostgreSQL has of its own is in `pg_catalog`, wherever a session's path begins."""

from __future__ import annotations

from messy_migration.databases.naming import Spelling

SPELLING = Spelling("pg_catalog", operators=True)
