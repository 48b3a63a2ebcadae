"""What a database says when it refuses, in words that hold no row data and no secret.

Postgres puts keys and whole rows into DETAIL and CONTEXT, and values into cast errors, so only
the state, the constraint, the table and the column are taken from an error, and the primary
message only where it can hold nothing else.

The class of an error decides what is done about it, and `KINDS` is the only table of that.
`TargetUnavailable`, `TargetBusy` and `TargetFull` are tried again until a deadline (see
`messy_migration.databases.retry`), `RowsRefused` is halved until the row is found, and
everything else ends the stream or the run: a wrong password is tried once.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from messy_migration.errors import (
    AccessRefused,
    MigrationError,
    TargetBusy,
    TargetError,
    TargetFull,
    TargetUnavailable,
)

_AGAIN = "type the same command again, it resumes"
_ADVICE = {
    "40P01": _AGAIN,
    "53200": "give the server more memory, then type the same command again",
    "53300": "end connections or allow more of them, then type the same command again",
    "55P03": "end the transaction that holds the lock, then type the same command again",
    "57014": "look for a statement_timeout of this role or database",
    "42501": "grant the right to the role of the target URL, or use another role",
    "25006": "use a target that can be written; this one is read-only",
    "53100": "make space on the target's disk and type the same command again",
    "28P01": "correct the password of the target",
    "28000": "correct the role of the target, or let the server accept it",
    "3D000": "create the database, or correct its name in the target URL",
}


class RowsRefused(TargetError):
    """The database refused the values of some row of a batch (states 22, 23, 54000 and P0)."""


class KeyTaken(RowsRefused):
    """A row with this key is in the table already."""


class Unplanned(TargetError):
    """A name in a statement, or in an index or a view that it meets, is not found."""


KINDS: tuple[tuple[type[TargetError], str, tuple[str, ...]], ...] = (
    # A key comes before the other violations of class 23.
    (KeyTaken, "a key is taken already", ("23505",)),
    # P0 is a trigger's own words; 54000 is a value that no page, index or buffer can hold.
    (RowsRefused, "the target refused a row", ("22", "23", "P0", "54000")),
    (TargetFull, "the target is full", ("53100", "53200")),
    # Also a session that the server itself ended because it was idle, or took too long.
    (TargetUnavailable, "the target went away", ("08", "57P", "53300", "25P03", "25P04")),
    (TargetBusy, "the target is busy", ("40001", "40P01", "55P03", "57014")),
    (AccessRefused, "the target refused the connection", ("28", "3D000")),
    (Unplanned, "the target refused", ("42883", "42704", "42P01")),
)
"""Error of ours, its words, beginnings of the states of Postgres that it stands for.

A state that is not here is a `TargetError` (42501, 25006, ...): it stops.
"""

_REFUSED_BY_SERVER = re.compile(r"failed: [^\s:]+:  (?P<words>.*)")
"""What libpq makes of a refusal while it connects: there is no state, and FATAL is translated."""

_PASSING = (
    "the database system is",
    "too many",
    "remaining connection slots",
    "terminating connection",
    "no more connections allowed",
    "query_wait_timeout",
    "server conn crashed",
    "server_login_retry",
)
"""Of what a server, or a pooler before it, says to a client that connects, what will pass."""

_HOPELESS = ("no password supplied", "certificate", "does not support SSL", "authentication method")
"""Of what libpq itself finds while it connects, what will not pass."""


@contextmanager
def driver_errors_as_ours(where: str) -> Iterator[None]:
    """Turn errors of the drivers into ours.

    Raises:
        KeyTaken, RowsRefused: some row of the statement cannot be stored.
        TargetUnavailable: the connection or the server went away, now or before.
        TargetFull: it has no space left.
        TargetBusy: somebody else's transaction was in the way.
        AccessRefused: it does not let this role in.
        TargetError: anything else that the database refused.
    """
    try:
        yield
    except MigrationError:
        raise
    except PendingRollbackError as error:
        # The connection was lost before this statement, and whoever met it first went on.
        raise TargetUnavailable("the target went away", where, "the connection was lost") from error
    except (DBAPIError, psycopg.Error, sqlite3.Error) as error:
        if (ending := _ending(error)) is not None:
            raise ending from None
        raise translate(error, where) from error


def _ending(error: BaseException | None) -> BaseException | None:
    """What ends the process, where giving a statement up for it made the driver complain.

    A rollback while the statement is under way fails, and its error would hide a signal.
    """
    while isinstance(error, Exception):
        error = error.__cause__ or error.__context__
    return error


def translate(error: Exception, where: str) -> TargetError:
    """Our error for a driver's error; never quotes a value."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.Error):
        return _postgres(cause, where)
    if isinstance(cause, sqlite3.Error):
        return _sqlite(cause, where)
    return _optional(cause, where) or TargetError(
        "the target refused a statement", where, type(cause).__name__
    )


def _postgres(error: psycopg.Error, where: str) -> TargetError:
    state = error.sqlstate
    diag = error.diag
    if state is None:
        return _stateless(error, where)
    kind, what = next(
        ((kind, what) for kind, what, states in KINDS if state.startswith(states)),
        (TargetError, "the target refused"),
    )
    subject = ", ".join(part for part in (diag.table_name, diag.column_name) if part) or where
    if kind is KeyTaken:
        return KeyTaken(what, subject, f"constraint {diag.constraint_name}")
    if kind is RowsRefused:
        name = f" ({diag.constraint_name})" if diag.constraint_name else ""
        return RowsRefused(what, subject, f"{type(error).__name__}{name}, state {state}")
    why = f"{diag.message_primary or type(error).__name__} (state {state})"
    return kind(what, where, why, _ADVICE.get(state, ""))


def _stateless(error: psycopg.Error, where: str) -> TargetError:
    """No state: the connection could not be made, or ended without a word."""
    if not isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return TargetError("the target refused a statement", where, type(error).__name__)
    line = _first_line(error)
    refusal = _REFUSED_BY_SERVER.search(line)
    if refusal and not any(words in refusal["words"] for words in _PASSING):
        kind, what = AccessRefused, "the target refused the connection"
    elif any(words in line for words in _HOPELESS):
        kind, what = AccessRefused, "the target cannot be connected to"
    else:
        return TargetUnavailable(
            "the target cannot be reached",
            where,
            line,
            "check the target URL and the server, then type the same command again",
        )
    return kind(what, where, line, "correct the target URL, its role or its password")


_SQLITE: tuple[tuple[str, type[TargetError], str, str], ...] = (
    ("SQLITE_BUSY", TargetBusy, "the target is locked", "end the program that holds the file open"),
    ("SQLITE_LOCKED", TargetBusy, "the target is locked", "end the program that holds it open"),
    ("SQLITE_FULL", TargetFull, "the target is full", _ADVICE["53100"]),
    ("SQLITE_CORRUPT", TargetError, "the target is damaged", "restore the file from a backup"),
    ("SQLITE_NOTADB", TargetError, "the target is no SQLite database", "correct the target URL"),
    ("SQLITE_READONLY", TargetError, "the target refused", "check the rights of file and folder"),
    ("SQLITE_CANTOPEN", TargetError, "the target refused", "check the path, its folder and rights"),
    ("SQLITE_IOERR", TargetError, "the target refused", "check the disk and its limits"),
)
"""Beginning of SQLite's name of an error, error of ours, its words, advice."""


def _sqlite(error: sqlite3.Error, where: str) -> TargetError:
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        if "UNIQUE" in text or "PRIMARY KEY" in text:
            return KeyTaken("a key is taken already", where, text)
        return RowsRefused("the target refused a row", where, text)
    name = getattr(error, "sqlite_errorname", "")
    if not name and "locked" in text:
        name = "SQLITE_BUSY"  # said by the driver itself
    if isinstance(error, sqlite3.DataError) or name == "SQLITE_TOOBIG":
        return RowsRefused("the target refused a row", where, type(error).__name__)
    for beginning, kind, what, advice in _SQLITE:
        if name.startswith(beginning):
            return kind(what, where, text, advice)
    return TargetError("the target refused", where, text)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


# Of MySQL only the number of an error is taken: its texts quote keys and values.
# Gone or busy: no connection, too many of them, killed, deadlock, waited too long.
_GONE = frozenset({1040, 1053, 1203, 1205, 1213, 1317, 1927, 2002, 2003, 2006, 2013, 4031})
_MYSQL = {
    1044: ("the role may not use the database", "grant it the right, or use another role"),
    1045: ("the role or its password is refused", "correct the password in the URL"),
    1049: ("there is no such database", "correct its name in the URL"),
    1142: ("the role may not read the table", "grant it SELECT"),
    1143: ("the role may not read a column", "grant it SELECT"),
    1146: ("there is no such table", "correct its name"),
    1153: ("a row is longer than max_allowed_packet", "raise it on the server"),
    2002: ("nobody answers", "check the URL and the server"),
    2003: ("nobody answers", "check the URL and the server"),
    2006: ("the connection was lost", ""),
    2013: ("the connection was lost", ""),
}


def _optional(error: BaseException | None, where: str) -> TargetError | None:
    """Our error for one of PyMySQL or DuckDB; None for one of somebody else."""
    driver = type(error).__module__.partition(".")[0].lstrip("_")
    if error is None or driver not in ("duckdb", "pymysql"):
        return None
    return _mysql(error, where) if driver == "pymysql" else _duckdb(error, where)


def _mysql(error: BaseException, where: str) -> TargetError:
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    words, advice = _MYSQL.get(number, ("", ""))
    why = f"{words} (error {number})" if words else f"{type(error).__name__}, error {number}"
    # A connection that was closed under PyMySQL is an InterfaceError of number 0.
    if number in _GONE or type(error).__name__ == "InterfaceError":
        return TargetUnavailable("the database went away or cannot be reached", where, why, advice)
    return TargetError("the database refused", where, why, advice)


def _duckdb(error: BaseException, where: str) -> TargetError:
    kind = type(error).__name__
    text = str(error)
    if "Could not set lock" in text:
        return TargetUnavailable(
            "the database is locked", where, kind, "end the program that holds the file open"
        )
    # These speak of files and names; a ConversionException quotes the value.
    is_safe = kind in ("BinderException", "CatalogException", "IOException")
    why = text.splitlines()[0] if is_safe else kind
    return TargetError("the database refused", where, why)
