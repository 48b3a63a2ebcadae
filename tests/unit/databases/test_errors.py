"""What a database says decides what is done: again, halved, or stopped."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from psycopg import errors as states

from messy_migration.databases.errors import (
    KeyTaken,
    RowsRefused,
    Unplanned,
    driver_errors_as_ours,
    translate,
)
from messy_migration.databases.retry import Retry
from messy_migration.errors import (
    AccessRefused,
    TargetBusy,
    TargetError,
    TargetFull,
    TargetUnavailable,
)

STATES = {
    TargetUnavailable: ["08006", "08P01", "57P01", "57P02", "57P03", "57P05", "53300", "25P03"],
    TargetBusy: ["40001", "40P01", "55P03", "57014"],
    TargetFull: ["53100", "53200"],
    RowsRefused: ["22001", "22003", "22P05", "23502", "23503", "23514", "54000", "P0001"],
    KeyTaken: ["23505"],
    AccessRefused: ["28000", "28P01", "3D000"],
    Unplanned: ["42P01", "42883", "42704"],
    TargetError: ["42501", "25006", "0A000", "XX000", "58030"],
}


def given_up(ending, complaint):
    """What a driver does with an exception that gets in while it waits."""
    try:
        raise ending
    finally:
        raise psycopg.OperationalError(complaint)


def test_a_signal_is_not_hidden_by_what_the_driver_says_of_giving_up():
    with pytest.raises(KeyboardInterrupt), driver_errors_as_ours("heartbeat"):
        given_up(KeyboardInterrupt(), "another command is already in progress")


def test_an_error_on_the_way_out_of_another_error_is_told():
    with pytest.raises(TargetError), driver_errors_as_ours("heartbeat"):
        given_up(ValueError(), "the connection is closed")


@pytest.mark.parametrize(
    "kind, state", [(kind, state) for kind, found in STATES.items() for state in found]
)
def test_a_state_of_postgres_has_its_class(kind, state):
    error = type("Made", (psycopg.Error,), {"sqlstate": state})("secret row")
    found = translate(error, "table t")
    assert type(found) is kind
    assert "secret row" not in str(found)


CONNECTING = 'connection failed: connection to server at "db", port 5432 failed: '
LINES = {
    CONNECTING + "Connection refused": TargetUnavailable,
    CONNECTING + "timeout expired": TargetUnavailable,
    "could not translate host name": TargetUnavailable,
    "consuming input failed: server closed the connection unexpectedly": TargetUnavailable,
    "the connection is lost": TargetUnavailable,
    CONNECTING + "FATAL:  the database system is starting up": TargetUnavailable,
    CONNECTING + "FATAL:  the database system is shutting down": TargetUnavailable,
    CONNECTING + "FATAL:  sorry, too many clients already": TargetUnavailable,
    CONNECTING + 'FATAL:  too many connections for role "r"': TargetUnavailable,
    CONNECTING + 'FATAL:  password authentication failed for user "r"': AccessRefused,
    # A server may speak any language; what is not known to pass is not tried again.
    CONNECTING + 'ВАЖНО:  пользователь "r" не прошёл проверку подлинности': AccessRefused,
    CONNECTING + 'FATAL:  role "r" does not exist': AccessRefused,
    CONNECTING + "fe_sendauth: no password supplied": AccessRefused,
    CONNECTING + "server does not support SSL, but SSL was required": AccessRefused,
    CONNECTING + "SSL error: certificate verify failed": AccessRefused,
}


@pytest.mark.parametrize("line", LINES)
def test_a_connection_that_cannot_be_made_has_its_class(line):
    assert type(translate(psycopg.OperationalError(line), "target")) is LINES[line]
    assert type(translate(psycopg.InterfaceError(line), "target")) is LINES[line]


def test_errors_of_psycopg_itself_have_their_states():
    assert type(translate(states.DiskFull("x"), "t")) is TargetFull
    assert type(translate(states.LockNotAvailable("x"), "t")) is TargetBusy


@pytest.mark.parametrize(
    "name, kind",
    [
        ("SQLITE_BUSY", TargetBusy),
        ("SQLITE_BUSY_SNAPSHOT", TargetBusy),
        ("SQLITE_FULL", TargetFull),
        ("SQLITE_CORRUPT", TargetError),
        ("SQLITE_NOTADB", TargetError),
        ("SQLITE_READONLY", TargetError),
        ("SQLITE_IOERR_WRITE", TargetError),
        ("SQLITE_TOOBIG", RowsRefused),
        ("", TargetError),
    ],
)
def test_an_error_of_sqlite_has_its_class(name, kind):
    error = sqlite3.OperationalError("words of the driver")
    if name:
        error.sqlite_errorname = name
    assert type(translate(error, "t")) is kind


class Flaky:
    """Raises these errors, one at each call, then returns."""

    def __init__(self, *found):
        self.left = list(found)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.left:
            raise self.left.pop(0)
        return "done"


def test_what_may_pass_is_done_again_until_it_works():
    act = Flaky(TargetUnavailable("a"), TargetBusy("b"), TargetFull("c"))
    assert Retry(outage=30).call(act) == "done"
    assert act.calls == 4


@pytest.mark.parametrize("error", [AccessRefused("no"), TargetError("no"), RowsRefused("no")])
def test_what_cannot_pass_is_done_once(error):
    act = Flaky(error)
    with pytest.raises(type(error)):
        Retry().call(act)
    assert act.calls == 1


@pytest.mark.parametrize(
    "retry, error",
    [
        (Retry(outage=0.3, full=600), TargetUnavailable),
        (Retry(outage=600, full=0.3), TargetFull),
        (Retry(outage=0), TargetBusy),
    ],
)
def test_each_kind_of_outage_has_its_deadline(retry, error):
    act = Flaky(*(error("away") for _ in range(1000)))
    with pytest.raises(error):
        retry.call(act)
    assert (act.calls == 1) == (retry.outage == 0)


def test_who_was_told_to_stop_waits_for_nothing():
    told = []
    act = Flaky(*(TargetUnavailable("away") for _ in range(1000)))

    def is_stopped():
        told.append(True)
        return len(told) > 3

    with pytest.raises(TargetUnavailable):
        Retry(outage=600, is_stopped=is_stopped).call(act)
    assert act.calls < 4
