"""The proxy does what it says: each fault fires, and the server's side of it is as told."""

from __future__ import annotations

import time

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration.testing.servers.proxy import proxy


@pytest.fixture
def way(postgres_url):
    """A proxy in front of an empty database."""
    place = make_url(postgres_url)
    with proxy(place.host, place.port) as made:
        yield made


@pytest.fixture
def connect(way, postgres_url):
    """A function that connects through the proxy, or directly."""
    opened = []

    def make(*, direct=False, **options):
        url = make_url(postgres_url)
        port = url.port if direct else way.port
        shown = url.set(drivername="postgresql", port=port).render_as_string(hide_password=False)
        opened.append(psycopg.connect(shown, **options))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()


def copy(connection, rows=3):
    connection.execute("CREATE TABLE IF NOT EXISTS t (a integer)")
    connection.commit()
    with connection.cursor().copy("COPY t FROM STDIN") as stream:
        for row in range(rows):
            stream.write_row((row,))


def count(connect, want, seconds=5.0):
    """Rows of the table, seen directly, once they are what is wanted or time is up."""
    with connect(direct=True, autocommit=True) as connection:
        end = time.monotonic() + seconds
        while True:
            (found,) = connection.execute("SELECT count(*) FROM t").fetchone()
            if found == want or time.monotonic() > end:
                return found
            time.sleep(0.02)


def test_what_is_left_alone_passes(way, connect):
    connection = connect()
    copy(connection, 20_000)
    connection.commit()
    assert count(connect, 20_000) == 20_000
    assert (way.connections, sum(way.fired.values())) == (1, 0)


@pytest.mark.parametrize("moment, rows", [("before", 0), ("after", 3), ("late", 3)])
def test_a_commit_is_cut_and_only_one_that_copied(way, connect, moment, rows):
    connection = connect()
    connection.execute("SELECT 1")
    way.cut_commit(moment, seconds=0.3)
    connection.commit()
    copy(connection)
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        connection.commit()
    if moment == "late":
        assert time.monotonic() - began < 0.25
        assert count(connect, 0) == 0
    assert count(connect, rows) == rows
    assert way.fired == {f"commit_{moment}": 1}


def test_commits_are_counted_over_all_connections(way, connect):
    way.cut_commit("before", times=2, skip=1)
    for lives in (True, False, False, True):
        connection = connect()
        copy(connection)
        if lives:
            connection.commit()
        else:
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
    assert count(connect, 6) == 6
    assert way.fired["commit_before"] == 2


def test_a_reset_ends_what_is_open_and_nothing_later(way, connect):
    connection = connect()
    assert way.reset() == 1
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    assert connect().execute("SELECT 1").fetchone() == (1,)


def test_a_half_close_reaches_the_client_alone(way, connect):
    connection = connect(autocommit=True)
    way.half_close()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("CREATE TABLE t (a integer)")
    assert way.fired["half_close"] == 1
    assert count(connect, 0) == 0  # the statement did arrive


@pytest.mark.parametrize("sender", ["client", "server"])
def test_a_connection_is_cut_after_some_bytes(way, connect, sender):
    connection = connect()
    connection.execute("SELECT 1")
    way.cut_after(1_000_000, sender)
    with pytest.raises(psycopg.OperationalError):
        LARGE[sender](connection)
    assert way.fired["cut_after"] == 1


LARGE = {
    "client": lambda connection: copy(connection, 300_000),
    "server": lambda connection: connection.execute(
        "SELECT repeat('x', 1000) FROM generate_series(1, 2000)"
    ),
}


def test_a_black_hole_answers_nothing_until_it_is_over(way, connect):
    way.black_hole()
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        connect(connect_timeout=2)
    way.black_hole(on=False)
    assert connect().execute("SELECT 1").fetchone() == (1,)
    assert way.fired["black_hole"] == 1


def test_latency_is_added_and_counted(way, connect):
    connection = connect()
    way.latency = 0.1
    began = time.monotonic()
    connection.execute("SELECT 1")
    assert time.monotonic() - began >= 0.2
    assert way.fired["latency"] >= 2


def test_clients_are_turned_away_or_led_elsewhere(way, connect, postgres_server):
    way.refuses = True
    with pytest.raises(psycopg.OperationalError):
        connect()
    assert way.fired["refused"] >= 1
    way.refuses = False
    way.repoint("127.0.0.1", 1)
    with pytest.raises(psycopg.OperationalError):
        connect()
    place = make_url(postgres_server.url)
    way.repoint(place.host, place.port)
    assert connect().execute("SELECT 1").fetchone() == (1,)
    assert way.fired["repoint"] == 2
