"""What drivers that need not be installed say when they refuse, in words without row data.

Told by the module that an error's class comes from, so that no driver is imported for it. Of
MySQL only the number of an error is taken: its texts quote keys and values.
"""

from __future__ import annotations

from messy_migration.errors import TargetError, TargetUnavailable

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


def refused(error: BaseException | None, where: str) -> TargetError | None:
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
