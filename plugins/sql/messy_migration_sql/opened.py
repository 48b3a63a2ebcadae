"""An SQLite file, opened so that nothing of it or beside it can change by us."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote as url_quote

from messy_migration.errors import SourceError, SourceMissing
from messy_migration_sql.settings import Source

__all__ = ["connected", "is_alone", "path_of", "transaction"]

_BUSY_SECONDS = 10
_MAGIC = b"SQLite format 3\0"
_WAL_MODE = 2


@contextmanager
def transaction(source: Source, expected: str | None) -> Iterator[tuple[sqlite3.Connection, str]]:
    """A connection in a transaction, and the state of the file, which has to be the wanted one."""
    path = path_of(source)
    alone = is_alone(path)
    with closing(connected(source)) as connection:
        connection.execute("BEGIN")
        # A transaction begins to see one state with its first reading.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        state = _state(path)
        _refuse_changed(source, state, expected)
        yield connection, state
        if alone:
            # SQLite took it that nobody would write meanwhile, and did not look.
            _refuse_changed(source, _state(path), state)


def _refuse_changed(source: Source, state: str, expected: str | None) -> None:
    if expected is not None and state != expected:
        raise SourceError(
            "the file was written to while it was read",
            str(path_of(source)),
            "its tables would not be of one moment",
            "type the same command again, it goes on with the file as it is then; or read a copy",
        )


def connected(source: Source) -> sqlite3.Connection:
    """A read-only connection.

    Raises:
        SourceError: there is no such file, or it is no database.
    """
    path = path_of(source)
    try:
        with path.open("rb") as file:
            begin = file.read(len(_MAGIC))
    except OSError as error:
        raise SourceMissing(
            "the file cannot be opened", str(path), error.strerror or "", "check the URL"
        ) from error
    if begin and begin != _MAGIC:
        raise SourceError(
            "the file is no SQLite database", str(path), next="check the URL; it may be encrypted"
        )
    # Without a log nobody has the file open, and SQLite must not make one beside it to look in.
    alone = "&immutable=1" if is_alone(path) else ""
    connection = sqlite3.connect(
        f"file:{url_quote(str(path))}?mode=ro{alone}",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_SECONDS,
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def _state(path: Path) -> str:
    """What changes whenever somebody commits to the file, directly or to its log."""
    with path.open("rb") as file:
        header = file.read(100)
    status = path.stat()
    parts: list[object] = [header[24:28].hex(), status.st_size, status.st_mtime_ns]
    log = _log(path)
    if log.exists():
        status = log.stat()
        parts += [status.st_size, status.st_mtime_ns]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def is_alone(path: Path) -> bool:
    """Does the file keep a log, and has none now, so that no program has it open?"""
    with path.open("rb") as file:
        header = file.read(20)
    return len(header) == 20 and header[18] == _WAL_MODE and not _log(path).exists()


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def path_of(source: Source) -> Path:
    """Where the file is."""
    return Path(str(source.url.database))
