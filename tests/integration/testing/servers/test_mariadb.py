"""The MariaDB server of the tests: where it comes from, and what it leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import make_url

from messy_migration.errors import ConfigurationError, TargetError
from messy_migration.testing.servers import mariadb, throwaway

pytest_plugins = ["pytester"]


def connected(text):
    url = make_url(text)
    return pymysql.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        database=url.database,
    )


def test_each_database_is_new_and_goes_away(mariadb_server):
    with mariadb_server.database() as url:
        with connected(url) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (a int)")
            cursor.execute("SELECT @@character_set_database")
            assert cursor.fetchone() == ("utf8mb4",)
        with mariadb_server.database() as other:
            assert other != url
    with pytest.raises(pymysql.err.OperationalError):
        connected(url)


def test_an_open_transaction_does_not_keep_a_database(mariadb_server):
    with mariadb_server.database() as url:
        connection = connected(url)
        connection.cursor().execute("CREATE TABLE t (a int)")
        connection.begin()
        connection.cursor().execute("SELECT * FROM t")
    with pytest.raises(pymysql.err.Error), connection:
        connection.cursor().execute("SELECT * FROM t")


def test_it_takes_nobody_without_its_password(mariadb_server):
    url = make_url(mariadb_server.url)
    if mariadb_server.provider != "local":
        pytest.skip("only a server of our own has the user that the tests made")
    for user in ("root", url.username):
        with pytest.raises(pymysql.err.OperationalError):
            connected(url.set(username=user, password="").render_as_string(hide_password=False))


@pytest.mark.skipif(mariadb._programs() is None, reason="no mariadbd installed: see the summary")
def test_a_killed_test_run_leaves_no_server_and_its_folder_is_swept(is_alive, until, own_temporary):
    program = textwrap.dedent(
        """
        import pathlib, time
        from messy_migration.testing.servers import mariadb, throwaway
        with mariadb._local(*mariadb._programs()):
            for home in throwaway.temporary().glob(mariadb._PREFIX + "*"):
                print(home, (home / "pid").read_text().strip(), flush=True)
            print("ready", flush=True)
            time.sleep(60)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    lines = iter(process.stdout.readline, "ready\n")
    servers = dict(line.split() for line in lines)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    ((home, pid),) = servers.items()
    until(lambda: not is_alive(int(pid)))
    assert Path(home).parent == own_temporary
    throwaway._sweep(mariadb._PREFIX)
    assert list(own_temporary.iterdir()) == []


def test_a_url_of_something_else_is_refused(monkeypatch):
    monkeypatch.setenv(mariadb.URL_VARIABLE, "postgresql://somebody:secret@127.0.0.1/x")
    with pytest.raises(ConfigurationError) as caught, mariadb.server():
        pass
    assert "secret" not in str(caught.value)


def test_a_named_server_that_is_not_there_is_an_error(monkeypatch):
    port = throwaway.free_port()
    monkeypatch.setenv(mariadb.URL_VARIABLE, f"mysql://somebody:secret@127.0.0.1:{port}")
    with pytest.raises(TargetError, match="cannot be reached") as caught, mariadb.server():
        pass
    assert "secret" not in str(caught.value)


INNER = "def test_one(mariadb_url):\n    assert mariadb_url\n"


def without_a_server(pytester, monkeypatch, required):
    """A session in which neither variable, nor Docker, nor a binary gives a server."""
    monkeypatch.delenv(mariadb.URL_VARIABLE, raising=False)
    monkeypatch.setenv("MESSY_TEST_MARIADB_REQUIRED", required)
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{throwaway.free_port()}")
    monkeypatch.setenv("PATH", str(pytester.path))
    pytester.makepyfile(INNER)
    pytester.makeconftest(
        "from messy_migration.testing.servers import mariadb\nmariadb._PLACES = ''\n"
    )
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "ignore")


def test_without_a_server_the_summary_says_so(pytester, monkeypatch):
    result = without_a_server(pytester, monkeypatch, "0")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["mariadb: NOT EXERCISED, 1 tests did not run (*"])


def test_a_server_that_is_required_and_missing_fails_the_tests(pytester, monkeypatch):
    result = without_a_server(pytester, monkeypatch, "1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["mariadb: NO SERVER for 1 tests that need one"])
