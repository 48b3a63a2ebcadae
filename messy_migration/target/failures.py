"""What a database says when it refuses, in words that hold no row data and no secret.

Postgres puts keys and whole rows into DETAIL and CONTEXT, and values into cast errors, so only
the state, the constraint, the table and the column are taken from an error, and the primary
message only where it can hold nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError

from messy_migration.errors import MigrationError, TargetError, TargetUnavailable
from messy_migration.target.foreign import refused

_GONE = ("08", "57P", "53300", "40001", "40P01", "55P03")
_ADVICE = {
    "42501": "grant the right to the role of the target URL, or use another role",
    "25006": "use a target that can be written; this one is read-only",
    "53100": "make space on the target's disk and type the same command again",
    "28P01": "correct the password of the target",
    "28000": "correct the role of the target, or let the server accept it",
    "3D000": "create the database, or correct its name in the target URL",
}


class RowsRefused(TargetError):
    """The database refused the values of some row of a batch (states 22, 23 and P0)."""


class KeyTaken(RowsRefused):
    """A row with this key is in the table already."""


@contextmanager
def refusals(where: str) -> Iterator[None]:
    """Turn errors of the drivers into ours.

    Raises:
        KeyTaken, RowsRefused: some row of the statement cannot be stored.
        TargetUnavailable: the connection or the server went away.
        TargetError: anything else that the database refused.
    """
    try:
        yield
    except MigrationError:
        raise
    except (DBAPIError, psycopg.Error, sqlite3.Error) as error:
        raise translate(error, where) from error


def translate(error: Exception, where: str) -> TargetError:
    """Our error for a driver's error; never quotes a value."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.Error):
        return _postgres(cause, where)
    if isinstance(cause, sqlite3.Error):
        return _sqlite(cause, where)
    return refused(cause, where) or TargetError(
        "the target refused a statement", where, type(cause).__name__
    )


def _postgres(error: psycopg.Error, where: str) -> TargetError:
    state = error.sqlstate
    diag = error.diag
    if state is None:
        if isinstance(error, psycopg.OperationalError):
            return TargetUnavailable(
                "the target cannot be reached",
                where,
                _first_line(error),
                "check the target URL and the server, then type the same command again",
            )
        return TargetError("the target refused a statement", where, type(error).__name__)
    place = ", ".join(part for part in (diag.table_name, diag.column_name) if part) or where
    if state == "23505":
        return KeyTaken("a key is taken already", place, f"constraint {diag.constraint_name}")
    if state.startswith(("22", "23", "P0")):  # P0: a trigger's own words, which may hold the row
        name = f" ({diag.constraint_name})" if diag.constraint_name else ""
        kind = type(error).__name__
        return RowsRefused("the target refused a row", place, f"{kind}{name}, state {state}")
    advice = _ADVICE.get(state, "")
    why = f"{diag.message_primary or type(error).__name__} (state {state})"
    if state.startswith(_GONE):
        return TargetUnavailable("the target went away", where, why, advice)
    return TargetError("the target refused", where, why, advice)


def _sqlite(error: sqlite3.Error, where: str) -> TargetError:
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        if "UNIQUE" in text or "PRIMARY KEY" in text:
            return KeyTaken("a key is taken already", where, text)
        return RowsRefused("the target refused a row", where, text)
    if isinstance(error, sqlite3.DataError):
        return RowsRefused("the target refused a row", where, type(error).__name__)
    if "locked" in text:
        return TargetUnavailable(
            "the target is locked", where, text, "end the program that holds the file open"
        )
    advice = (
        "check the path, its folder and its rights" if "open" in text or "readonly" in text else ""
    )
    if "full" in text:
        advice = "make space on the disk and type the same command again"
    return TargetError("the target refused", where, text, advice)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
