"""Pairs of databases for every test of the room."""

from __future__ import annotations

from .pairs import file_and_postgres, listed, postgres_pair, two, two_files, two_postgres

__all__ = ["file_and_postgres", "listed", "postgres_pair", "two", "two_files", "two_postgres"]
