"""Targets that cannot be used, and targets that go bad under a run: exit 6 and one clear line."""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import sqlite3
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pyarrow as pa
import pytest
from sqlalchemy import make_url

from messy_migration.databases.errors import RowsRefused
from messy_migration.databases.open import open_target
from messy_migration.databases.postgresql import dialect as postgresql
from messy_migration.model import Column, ColumnType, Table
from messy_migration.testing.servers.cluster import standby
from messy_migration.testing.servers.postgres import server

GOOD = "id,name\n1,a\n2,b\n"
PASSWORD = "Canary-Pw-" + secrets.token_hex(6)


@pytest.fixture
def impatient(monkeypatch):
    """Give up soon on what may pass."""
    for name, seconds in (("LOCK", "0.5"), ("OUTAGE", "1"), ("DISK_FULL", "1")):
        monkeypatch.setenv(f"MIGRATE_{name}_SECONDS", seconds)


def is_refused(result, *words):
    """Exit 6, one line, and these words in it."""
    assert result.code == 6, result.err
    for word in words:
        assert word in result.error


def test_E19_a_database_that_is_read_only(on_postgres):  # noqa: N802
    on_postgres.stream("shop", GOOD)
    name = make_url(on_postgres.target).database
    on_postgres.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    is_refused(on_postgres.migrate("run"), "read-only", name)


@pytest.fixture
def role(on_postgres):
    """A function that makes the project's role: `role(options)` gives its name."""
    strong, made = on_postgres.target, []
    on_postgres.stream("shop", GOOD)

    def make(options):
        name = f"mm_bad_{secrets.token_hex(4)}"
        made.append(name)
        place = make_url(strong)
        on_postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {options}", url=strong)
        on_postgres.execute(f'GRANT ALL ON DATABASE "{place.database}" TO {name}', url=strong)
        on_postgres.execute(f"GRANT ALL ON SCHEMA public TO {name}", url=strong)
        on_postgres.target = f"postgresql://{name}@{place.host}:{place.port}/{place.database}"
        on_postgres.configure()
        on_postgres.strong = strong
        return name

    yield make
    for name in made:
        on_postgres.execute(f"DROP OWNED BY {name}", url=strong)
        on_postgres.execute(f"DROP ROLE {name}", url=strong)


def test_E19_a_role_that_may_only_read(on_postgres, role, monkeypatch):  # noqa: N802
    monkeypatch.setenv("MIGRATE_TARGET_PASSWORD", PASSWORD)
    name = role("")
    on_postgres.execute(
        f"ALTER ROLE {name} SET default_transaction_read_only = on", url=on_postgres.strong
    )
    is_refused(on_postgres.migrate("run"), "read-only")


def test_T44_a_role_with_too_few_connections(on_postgres, role, impatient, monkeypatch):  # noqa: N802
    monkeypatch.setenv("MIGRATE_TARGET_PASSWORD", PASSWORD)
    name = role("CONNECTION LIMIT 1")
    is_refused(on_postgres.migrate("run"), "too many connections")
    on_postgres.execute(f"ALTER ROLE {name} CONNECTION LIMIT 20", url=on_postgres.strong)
    assert on_postgres.migrate("run").code == 0


CHANGES_PASSWORD = """
import os, time
import psycopg
from messy_migration.model import Column, ColumnType, Frame, Origin, Partition, Stream, Table
import pyarrow as pa

TABLE = Table("late", (Column("id", ColumnType.parse("int64")),), ("id",))

@hookimpl
def streams():
    return [Stream("turncoat.late", (TABLE,))]

@hookimpl
def partitions():
    return [Partition("one", "one")]

@hookimpl
def extract():
    with psycopg.connect(os.environ["STRONG"], autocommit=True) as connection:
        connection.execute(os.environ["CHANGE"])
    time.sleep(3)
    yield Frame(pa.table({"id": pa.array([1], pa.int64())}), lambda row: Origin(b"1", "one"))
"""


def test_T44_a_password_that_is_changed_under_a_run_is_not_tried_again(  # noqa: N802
    on_postgres, role, install, monkeypatch
):
    monkeypatch.setenv("MIGRATE_TARGET_PASSWORD", PASSWORD)
    name = role("")
    plain = make_url(on_postgres.strong).set(drivername="postgresql")
    monkeypatch.setenv("STRONG", plain.render_as_string(hide_password=False))
    # Connections that are open go on under the old one, so they are ended too.
    change = f"ALTER ROLE {name} PASSWORD '{PASSWORD}-new'"
    ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"
    monkeypatch.setenv("CHANGE", f"{change}; {ends}")
    install("turncoat", CHANGES_PASSWORD)
    began = time.monotonic()
    result = on_postgres.migrate_apart("run", "--plugins", "turncoat")
    assert time.monotonic() - began < 50
    assert result.code == 6, result.err
    assert "password authentication failed" in result.err
    assert "waiting up to" not in result.err
    assert PASSWORD not in result.out + result.err
    monkeypatch.setenv("MIGRATE_TARGET_PASSWORD", f"{PASSWORD}-new")
    monkeypatch.setenv("CHANGE", "SELECT 1")
    assert on_postgres.migrate_apart("run", "--plugins", "turncoat").code == 0


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_E19_a_database_of_another_encoding(on_postgres, encoding):  # noqa: N802
    on_postgres.stream("shop", GOOD)
    name, strong = f"mm_bad_{secrets.token_hex(4)}", on_postgres.target
    place = make_url(strong)
    with outside(place) as execute:
        execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    try:
        there = place.set(database=name).render_as_string(hide_password=False)
        result = on_postgres.migrate("run", "--target", there)
        is_refused(result, f"its encoding is {encoding}", "UTF8")
    finally:
        with outside(place) as execute:
            execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def outside(url):
    """A function that executes outside of any transaction."""
    import psycopg

    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        yield connection.execute


def test_E20_a_server_that_is_too_old(on_postgres, monkeypatch):  # noqa: N802
    """No such server is at hand, so the bound is raised over the one that is."""
    on_postgres.stream("shop", GOOD)
    monkeypatch.setattr(postgresql, "MINIMUM_VERSION", 990000)
    is_refused(on_postgres.migrate("run"), "the oldest supported is 15")


def test_E19_a_standby(project):  # noqa: N802
    project.stream("shop", GOOD)
    with server(wal_level="replica", max_wal_senders="4") as running:
        if running.cluster is None:
            pytest.skip("NOT EXERCISED: a server of this provider has no standby")
        with standby(running.cluster) as second:
            there = make_url(running.url).set(port=second.port)
            shown = there.render_as_string(hide_password=False)
            is_refused(project.migrate("run", "--target", shown), "standby")


DEFERRED = "name text REFERENCES parents (name) DEFERRABLE INITIALLY DEFERRED"


def test_T36_a_constraint_that_fails_at_commit_costs_its_row(anywhere):  # noqa: N802
    rows = dict.fromkeys(range(1, 13), "known") | {7: "unknown"}
    anywhere.stream("shop", "id,name\n" + "".join(f"{n},{v}\n" for n, v in rows.items()))
    anywhere.configure("quarantine_limit = 100")
    kind = "integer" if anywhere.target.startswith("sqlite") else "bigint"
    anywhere.execute("CREATE TABLE parents (name text PRIMARY KEY)")
    anywhere.execute("INSERT INTO parents VALUES ('known')")
    anywhere.execute(f"CREATE TABLE shop (id {kind} PRIMARY KEY, {DEFERRED})")
    result = anywhere.migrate("run", "--json")
    assert result.code == 0, result.err
    assert [place for place, *_ in anywhere.quarantine()] == ["shop_1.csv:8"]
    assert anywhere.query("SELECT count(*) FROM shop") == [(11,)]
    anywhere.assert_balanced()


DROPPING = """
CREATE FUNCTION dropping() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER dropping BEFORE INSERT ON shop FOR EACH ROW EXECUTE FUNCTION dropping()
"""


def test_D17_a_trigger_that_drops_rows_in_silence(on_postgres):  # noqa: N802
    on_postgres.stream("shop", GOOD)
    on_postgres.execute("CREATE TABLE shop (id bigint PRIMARY KEY, name text)")
    on_postgres.execute(DROPPING)
    is_refused(on_postgres.migrate("run"), "different number of rows", "trigger")
    assert on_postgres.query("SELECT count(*) FROM shop") == [(0,)]


def test_D21_a_key_that_no_index_can_hold_costs_its_row(on_postgres):  # noqa: N802
    long = secrets.token_hex(20_000)  # does not compress below a third of a page
    on_postgres.stream("shop", f"id,name\na,1\n{long},2\nc,3\n", columns=TEXT_KEY)
    on_postgres.configure("quarantine_limit = 100")
    on_postgres.execute("CREATE TABLE shop (id text PRIMARY KEY, name text)")
    result = on_postgres.migrate("run")
    assert result.code == 0, result.err
    assert [place for place, *_ in on_postgres.quarantine()] == ["shop_1.csv:3"]
    assert long[:100] not in result.out + result.err
    on_postgres.assert_balanced()


@pytest.mark.sweep
def test_D21_a_text_that_no_row_can_hold_is_refused_as_a_row(postgres_url):  # noqa: N802
    """A gigabyte takes four of memory, so not beside other tests."""
    table = Table("t", (Column("v", ColumnType.parse("text")),))
    target = open_target(make_url(postgres_url), "mm:run")
    with target.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (v text)")
    data = pa.table({"v": pa.array(["x" * ((1 << 30) + 10)])})
    with pytest.raises(RowsRefused, match="54000"), target.engine.begin() as connection:
        target.dialect.insert(connection, table, data)


TEXT_KEY = 'id = { type = "text", required = true }\nname = { type = "text" }'


def test_D13_a_nul_in_a_text_costs_its_row(anywhere):  # noqa: N802
    anywhere.stream("shop", b"id,name\n1,a\n2,b\x00b\n3,c\n".decode())
    anywhere.configure("quarantine_limit = 100")
    assert anywhere.migrate("run").code == 0
    assert [place for place, *_ in anywhere.quarantine()] == ["shop_1.csv:3"]
    anywhere.assert_balanced()


def test_D24_a_table_that_somebody_locked_is_waited_for_and_they_are_named(  # noqa: N802
    on_postgres, impatient
):
    import psycopg

    on_postgres.stream("shop", GOOD)
    on_postgres.execute("CREATE TABLE shop (id bigint PRIMARY KEY, name text)")
    plain = make_url(on_postgres.target).set(drivername="postgresql")
    shown = plain.render_as_string(hide_password=False)
    with psycopg.connect(shown, application_name="nightly report") as other:
        other.execute("LOCK TABLE shop IN SHARE MODE")
        pid = other.info.backend_pid
        is_refused(on_postgres.migrate("run"), "lock timeout", f"process {pid} (nightly report)")
        other.rollback()
    assert on_postgres.migrate("run").code == 0


# Disks that fill up.


@contextmanager
def small_disk(folder, size):
    """A file system of that size, and a function that resizes it."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("NOT EXERCISED: a disk of a given size needs the right to mount one")
    try:
        yield lambda new: subprocess.run(
            ["mount", "-o", f"remount,size={new}", str(folder)], check=True
        )
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def cramped(project):
    """A project on a Postgres database whose disk is small, and a function that resizes it."""
    rows = "".join(f"{number},{secrets.token_hex(500)}\n" for number in range(12_000))
    project.stream("shop", "id,name\n" + rows)
    project.configure("batch_records = 1000")
    with server() as running, running.database() as url:
        if running.cluster is None:
            pytest.skip("NOT EXERCISED: the disk of a server of this provider is its own")
        place, name = running.cluster.home / "tablespace", f"mm_small_{secrets.token_hex(4)}"
        with small_disk(place, "6m") as resize:
            owner = (running.cluster.home / "data").stat()
            os.chown(place, owner.st_uid, owner.st_gid)
            with outside(make_url(url)) as execute:
                execute(f"CREATE TABLESPACE {name} LOCATION '{place}'")
                execute(f"ALTER DATABASE {make_url(url).database} SET default_tablespace = {name}")
            project.target = url
            project.path_of_disk = place
            project.configure("batch_records = 1000")
            yield project, resize
            running.stop()
            running.start()
            with outside(make_url(url)) as execute, suppress(Exception):
                execute("DROP SCHEMA public CASCADE")
                execute("DROP SCHEMA messy_migration CASCADE")
                execute(f"ALTER DATABASE {make_url(url).database} RESET default_tablespace")
                execute(f"DROP TABLESPACE {name}")


def test_T17_a_full_disk_is_exit_6_and_resumed_once_there_is_space(cramped, impatient):  # noqa: N802
    project, resize = cramped
    result = project.migrate("run")
    assert result.code == 6, result.err
    assert "53100" in result.err
    assert "make space" in result.err
    resize("200m")
    loaded = project.query("SELECT count(*) FROM shop")
    assert loaded == project.query(f"SELECT sum(loaded) FROM {project.ledger('receipt')}")
    result = project.migrate("run", "--json")
    assert result.code == 0, result.err
    assert result.json["resumed"] is True
    assert result.table("shop")["actual_rows"] == 12_000


@pytest.mark.sweep
def test_T17_a_full_disk_is_waited_for(cramped):  # noqa: N802
    project, resize = cramped

    def make_space():
        place, end = project.path_of_disk, time.monotonic() + 100
        while shutil.disk_usage(place).free > 100_000 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(2)
        resize("200m")

    helper = threading.Thread(target=make_space)
    helper.start()
    result = project.migrate_apart("run", "--json")
    helper.join()
    assert "waiting up to 600 s" in result.err
    assert "53100" in result.err
    assert result.code == 0, result.err
    assert result.table("shop")["actual_rows"] == 12_000


# SQLite.


def test_a_sqlite_file_that_somebody_locked(project, impatient):
    project.stream("shop", GOOD)
    assert project.migrate("run").code == 0
    project.write("shop_2.csv", "id,name\n3,c\n")
    holder = sqlite3.connect(project.folder / "m.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        is_refused(project.migrate("run"), "locked", "end the program")
    finally:
        holder.close()
    assert project.migrate("run").code == 0


def test_a_file_that_is_no_database(project):
    project.stream("shop", GOOD)
    project.write("m.db", "this is a letter to the bank, and no database at all\n" * 40)
    before = (project.folder / "m.db").read_bytes()
    is_refused(project.migrate("run"), "not a database")
    assert (project.folder / "m.db").read_bytes() == before


def few_bytes():
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))


@pytest.mark.sweep
def test_a_sqlite_file_that_may_not_grow(project, impatient):
    rows = "".join(f"{number},{secrets.token_hex(100)}\n" for number in range(5000))
    project.stream("shop", "id,name\n" + rows)
    project.configure("batch_records = 500")
    result = project.migrate_apart("run", preexec_fn=few_bytes)
    assert result.code == 6, result.err
    assert "full" in result.err or "disk" in result.err
    result = project.migrate("run", "--json")
    assert result.code == 0, result.err
    assert result.table("shop")["actual_rows"] == 5000


def test_a_sqlite_file_on_a_full_disk(project, impatient):
    rows = "".join(f"{number},{secrets.token_hex(100)}\n" for number in range(8000))
    project.stream("shop", "id,name\n" + rows)
    with small_disk(project.folder / "disk", "1m") as resize:
        project.target = f"sqlite:///{project.folder / 'disk' / 'm.db'}"
        project.configure("batch_records = 500")
        result = project.migrate("run")
        assert result.code == 6, result.err
        assert "full" in result.err
        resize("100m")
        result = project.migrate("run", "--json")
        assert result.code == 0, result.err
        assert result.table("shop")["actual_rows"] == 8000


def test_a_damaged_page_is_never_a_match(project):
    rows = "".join(f"{number},{secrets.token_hex(100)}\n" for number in range(3000))
    project.stream("shop", "id,name\n" + rows)
    assert project.migrate("run").code == 0
    path = project.folder / "m.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((page,),) = connection.execute("PRAGMA page_size").fetchall()
        query = "SELECT pageno FROM dbstat WHERE name = 'shop' AND pagetype = 'leaf'"
        try:
            pages = [number for (number,) in connection.execute(query)]
        except sqlite3.OperationalError:  # a library without that table: the root will do
            root = "SELECT rootpage FROM sqlite_master WHERE name = 'shop'"
            pages = [number for (number,) in connection.execute(root)]
    connection.close()
    with path.open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * page)
        file.write(b"\xff" * 200)
    for argv in (["reconcile", "--json"], ["run", "--json"]):
        result = project.migrate(*argv)
        assert result.code in (6, 8), result.err
        assert '"MATCH"' not in result.out


REPLACES = """
import os
import pyarrow as pa
from messy_migration.model import Column, ColumnType, Frame, Origin, Partition, Stream, Table

TABLE = Table("late", (Column("id", ColumnType.parse("int64")),), ("id",))

@hookimpl
def streams():
    return [Stream("thief.late", (TABLE,))]

@hookimpl
def partitions():
    return [Partition("one", "one")]

@hookimpl
def extract():
    if os.environ.get("STEAL"):
        os.unlink("m.db")
        open("m.db", "wb").close()
    yield Frame(pa.table({"id": pa.array([1], pa.int64())}), lambda row: Origin(b"1", "one"))
"""


def test_a_sqlite_file_that_is_replaced_under_a_run(project, install, monkeypatch):
    install("thief", REPLACES)
    monkeypatch.setenv("STEAL", "1")
    result = project.migrate_apart("run", "--plugins", "thief", "--json")
    assert result.code in (6, 8), result.err
    assert '"MATCH"' not in result.out
    for path in project.folder.glob("m.db*"):
        path.unlink()
    monkeypatch.delenv("STEAL")
    result = project.migrate_apart("run", "--plugins", "thief", "--json")
    assert result.code == 0, result.err
    assert result.table("late")["actual_rows"] == 1
