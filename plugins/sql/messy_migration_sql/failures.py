"""What a database says when it cannot be read, as one line for the user."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from messy_migration.errors import (
    MigrationError,
    SourceError,
    SourceMissing,
    SourceSchemaDrift,
    SourceUnreachable,
)

__all__ = ["reading"]

_AGAIN = "type the same command again, it resumes"
_CONNECT = "check the URL and whether the server runs"
# SQLSTATE -> (what, next); the longest prefix counts.
_STATES = {
    "28": ("the source refuses the login", "check the user, the password and pg_hba.conf"),
    "3D000": ("there is no such database at the source", "check the URL"),
    "42501": ("the role may not read a table of the source", "GRANT SELECT to it, or `exclude` it"),
    "42P01": ("a table of the source is gone", "if that was meant, type the same command again"),
    "42703": ("a column of the source is gone", "if that was meant, type the same command again"),
    "3F000": ("there is no such schema at the source", "check `schema`"),
    "55P03": ("a table of the source stays locked", _AGAIN),
    "08": ("the source went away", _AGAIN),
    "57": ("the source went away", _AGAIN),
    "53": ("the source has no room for another connection", "use fewer --workers"),
    "40": ("the source broke the reading off", _AGAIN),
}
_KINDS = {
    "3D000": SourceMissing,
    "42P01": SourceSchemaDrift,
    "42703": SourceSchemaDrift,
    "3F000": SourceMissing,
    "08": SourceUnreachable,
    "57": SourceUnreachable,
    "53": SourceUnreachable,
}
_ROWS = "22"  # what is wrong with a value quotes it
_NO_SNAPSHOT = "22023"


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn whatever the driver raises inside the block into a SourceError.

    Args:
        where: what is read: the source, and the table if there is one.
    """
    try:
        yield
    except MigrationError:
        raise
    except (psycopg.Error, sqlite3.Error, SQLAlchemyError, OSError) as error:
        raise _told(error, where) from error


def _told(error: Exception, where: str) -> SourceError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(cause, psycopg.Error):
        return _postgres(cause, where)
    if isinstance(cause, sqlite3.Error):
        return _sqlite(cause, where)
    return SourceError("the source cannot be read", where, _first_line(cause))


def _postgres(error: psycopg.Error, where: str) -> SourceError:
    state = error.sqlstate
    if state is None:
        # libpq has no state for what happens before there is a session.
        why = _first_line(error)
        if "password" in why or "authentication" in why:
            return _line("28", where, "the login failed")
        if "does not exist" in why and "database" in why:
            return _line("3D000", where, "")
        if isinstance(error, psycopg.OperationalError):
            next_step = f"{_CONNECT}; {_AGAIN}"
            return SourceUnreachable("the source cannot be reached", where, why, next_step)
        return SourceError("the source cannot be read", where, type(error).__name__)
    if state == _NO_SNAPSHOT and "snapshot" in (error.diag.message_primary or ""):
        return SourceError(
            "the snapshot of the source is gone",
            where,
            "the connection that held it for all workers has ended",
            f"{_AGAIN} with a snapshot of its own",
        )
    kind = type(error).__name__
    said = kind if state.startswith(_ROWS) else error.diag.message_primary or kind
    state_known = next((key for key in (state, state[:2]) if key in _STATES), None)
    if state_known is None:
        return SourceError("the source refused", where, f"{said} (state {state})")
    return _line(state_known, where, f"{said} (state {state})")


def _line(state: str, where: str, why: str) -> SourceError:
    what, advice = _STATES[state]
    return _KINDS.get(state, SourceError)(what, where, why, advice)


def _sqlite(error: sqlite3.Error, where: str) -> SourceError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return SourceError(
            "the file is locked", where, text, f"end the program that writes it; {_AGAIN}"
        )
    if "not a database" in text:
        return SourceError(
            "the file is no SQLite database", where, text, "check the URL; it may be encrypted"
        )
    if "malformed" in text:
        return SourceError(
            "the file is damaged", where, text, "PRAGMA integrity_check tells more; use a backup"
        )
    if "no such" in text:
        return SourceSchemaDrift("a table or column of the source is gone", where, text, _AGAIN)
    return SourceError("the source cannot be read", where, text, "check the file and its rights")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
