"""Targets that cannot be reached, written or trusted: exit 6 or 8, one line, nothing made up."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import sqlite3
import threading

import psycopg
import pytest
from sqlalchemy import make_url

GOOD = "id,name\n1,a\n2,b\n"
PASSWORD = "Canary-Pw-" + secrets.token_hex(6)


@pytest.fixture
def shop(project):
    project.stream("shop", GOOD)
    return project


@pytest.fixture
def closed_port():
    """A loopback port that nobody listens on, and that nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_an_unreachable_server_is_exit_6_and_its_password_is_nowhere(
    shop, closed_port, monkeypatch
):
    monkeypatch.setenv("MIGRATE_TARGET_PASSWORD", PASSWORD)
    for argv in (["run"], ["run", "--json"], ["reconcile"], ["status"], ["plan"]):
        result = shop.migrate(*argv, "--target", f"postgresql://u@127.0.0.1:{closed_port}/d")
        assert result.code == 6
        assert "the target cannot be reached" in result.error
        assert str(closed_port) in result.error
        assert PASSWORD not in result.out + result.err


@pytest.mark.parametrize("target", ["sqlite:///missing/m.db", "sqlite:///folder"])
def test_a_sqlite_file_that_cannot_be_is_exit_6(shop, target):
    (shop.folder / "folder").mkdir()
    result = shop.migrate("run", "--target", target)
    assert result.code == 6
    assert target.rpartition("/")[2] in result.error
    assert not (shop.folder / "missing").exists()


def test_a_sqlite_file_in_utf_16_is_exit_6_and_left_alone(shop):
    file = shop.folder / "m.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA encoding = 'UTF-16'")
        connection.execute("CREATE TABLE theirs (n)")
    result = shop.migrate("run")
    assert result.code == 6
    assert "its encoding is UTF-16le, it has to be UTF-8" in result.error
    assert shop.query("SELECT name FROM sqlite_master") == [("theirs",)]


def drop_the_rights_of_root():
    """After exec root is bound by permissions as everybody is (capabilities 1 and 2)."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


def test_a_folder_that_cannot_be_written_is_exit_6(shop):
    folder = shop.folder / "folder"
    folder.mkdir()
    folder.chmod(0o555)
    how = {"preexec_fn": drop_the_rights_of_root} if os.geteuid() == 0 else {}
    result = shop.migrate_apart("run", "--target", "sqlite:///folder/m.db", **how)
    assert result.code == 6, result.err
    assert "folder/m.db" in result.error
    assert "Permission denied" in result.error
    assert list(folder.iterdir()) == []


@pytest.fixture
def weak_role(on_postgres):
    """A role of the test database that may log in and nothing else: (project, name)."""
    name = f"mm_weak_{secrets.token_hex(4)}"
    strong = on_postgres.target
    on_postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'", url=strong)
    on_postgres.strong = strong
    place = make_url(strong)
    on_postgres.target = f"postgresql://{name}@{place.host}:{place.port}/{place.database}"
    on_postgres.stream("shop", GOOD)
    yield on_postgres, name
    on_postgres.execute(f"DROP OWNED BY {name}", url=strong)
    on_postgres.execute(f"DROP ROLE {name}", url=strong)


@pytest.mark.parametrize(
    "grant, words",
    [
        ("SELECT 1", ["permission denied for database", "grant the right"]),
        (
            "CREATE SCHEMA messy_migration AUTHORIZATION {role}",
            ["permission denied for schema public", "grant the right", "shop"],
        ),
    ],
    ids=["D23-ledger", "D23-schema"],
)
def test_a_role_without_rights_is_exit_6_and_told_what_to_grant(
    weak_role, monkeypatch, grant, words
):
    project, role = weak_role
    monkeypatch.setenv("MIGRATE_TARGET_PASSWORD", PASSWORD)
    project.execute(grant.format(role=role), url=project.strong)
    result = project.migrate("run")
    assert result.code == 6
    for word in words:
        assert word in result.error
    assert PASSWORD not in result.out + result.err
    assert project.query("SELECT to_regclass('shop')", project.strong) == [(None,)]
    # Granted what was missing, the same command goes on.
    project.execute(f"GRANT CREATE ON SCHEMA public TO {role}", url=project.strong)
    database = make_url(project.strong).database
    project.execute(f'GRANT CREATE ON DATABASE "{database}" TO {role}', url=project.strong)
    assert project.migrate("run").code == 0


def test_a_table_that_may_not_be_written_is_exit_6_with_one_line(weak_role, monkeypatch):
    project, role = weak_role
    monkeypatch.setenv("MIGRATE_TARGET_PASSWORD", PASSWORD)
    project.execute(f"CREATE SCHEMA messy_migration AUTHORIZATION {role}", url=project.strong)
    project.execute("CREATE TABLE shop (id bigint PRIMARY KEY, name text)", url=project.strong)
    project.execute(f"GRANT SELECT ON shop TO {role}", url=project.strong)
    result = project.migrate("run")
    assert result.code == 6
    assert "permission denied for table shop" in result.error
    assert project.query("SELECT count(*) FROM shop", project.strong) == [(0,)]


@contextlib.contextmanager
def counting_proxy(url):
    """A way to the server that counts who comes: (port, list of connections)."""
    place = make_url(url)
    seen: list[int] = []

    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                seen.append(1)
                server = socket.create_connection((place.host, place.port or 5432))
                sockets.extend([client, server])
                for pair in ((client, server), (server, client)):
                    threads.append(threading.Thread(target=pump, args=pair))
                    threads[-1].start()

    sockets: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        yield listener.getsockname()[1], seen
        listener.shutdown(socket.SHUT_RDWR)
    threads[0].join()
    for thread in threads[1:]:
        thread.join()
    for one in sockets:
        one.close()


def test_a_wrong_password_is_refused_once_and_never_tried_again(weak_role, monkeypatch):
    project, role = weak_role
    wrong = PASSWORD + "-wrong"
    monkeypatch.setenv("MIGRATE_TARGET_PASSWORD", wrong)
    database = make_url(project.strong).database
    with counting_proxy(project.strong) as (port, seen):
        # libpq itself may come twice, with and without encryption.
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, user=role, password=wrong, dbname=database)
        usual = len(seen)
        target = f"postgresql://{role}@127.0.0.1:{port}/{database}"
        result = project.migrate("run", "--target", target)
        assert len(seen) - usual == usual
    assert result.code == 6
    assert "password authentication failed" in result.error
    assert wrong not in result.out + result.err


TABLES = {
    "missing-column": ("CREATE TABLE shop (id bigint PRIMARY KEY)", ["column name is missing"]),
    "other-type": (
        "CREATE TABLE shop (id bigint PRIMARY KEY, name varchar(3))",
        ["column name is", "the schema needs"],
    ),
    "narrower": ("CREATE TABLE shop (id smallint PRIMARY KEY, name text)", ["column id is"]),
}


@pytest.mark.parametrize("ddl, words", TABLES.values(), ids=TABLES)
def test_a_table_that_differs_from_the_schema_is_exit_6_and_left_alone(anywhere, ddl, words):
    anywhere.stream("shop", GOOD)
    anywhere.execute(ddl)
    planned = anywhere.migrate("plan")
    result = anywhere.migrate("run")
    assert (planned.code, result.code) == (6, 6)
    for word in ["table shop", *words]:
        assert word in result.error
    assert anywhere.query("SELECT count(*) FROM shop") == [(0,)]


def test_a_ledger_of_a_newer_version_is_exit_6_and_not_touched(anywhere):
    anywhere.stream("shop", GOOD)
    assert anywhere.migrate("run").code == 0
    anywhere.execute(f"UPDATE {anywhere.ledger('version')} SET version_num = '9999'")
    for command in ("run", "reconcile", "status", "plan"):
        result = anywhere.migrate(command)
        assert result.code == 6, command
        assert "newer version" in result.error
        assert "9999" in result.error
    assert anywhere.query(f"SELECT count(*) FROM {anywhere.ledger('run')}") == [(1,)]


def test_D25_a_receipt_changed_by_hand_is_a_mismatch(anywhere):  # noqa: N802
    anywhere.stream("shop", GOOD)
    anywhere.stream("other", GOOD)
    assert anywhere.migrate("run").code == 0
    assert anywhere.migrate("reconcile").code == 0
    anywhere.execute(
        f"UPDATE {anywhere.ledger('receipt_table')} SET net_lanes = '{'0' * 31}1'"
        " WHERE table_name = 'shop'"
    )
    result = anywhere.migrate("reconcile", "--json")
    assert result.code == 8
    assert result.table("shop")["verdict"] == "MISMATCH"
    # Whoever wrote into one receipt may have written into others.
    assert result.table("other")["verdict"] == "UNKNOWN"
    assert "the receipts of link 1" in result.json["ledger"]["reasons"][0]
    run = anywhere.migrate("run")
    assert run.code == 8
    assert "the receipts of link 1" in run.error
    assert "restore ledger and data" in run.error


NARROWER = {
    "code": ("text", "varchar(10)"),
    "flag": ("text", "char(1)"),
    "price": ("decimal(12,4)", "numeric(12,2)"),
    "total": ("decimal(12,2)", "numeric(10,2)"),
    "amount": ("decimal(12,2)", "integer"),
    "number": ("int32", "smallint"),
    "big": ("int64", "integer"),
    "ratio": ("float64", "real"),
    "sold_at": ("timestamp", "timestamp(3) with time zone"),
    "used_at": ("timestamp", "timestamp without time zone"),
    "day": ("timestamp", "date"),
    "document": ("json", "varchar(20)"),
    "token": ("uuid", "char(32)"),
    "raw": ("bytes", "text"),
}


def test_d_a_column_too_narrow_for_what_is_declared_is_refused_by_name_before_anything(on_postgres):
    """Some of these the database would round, cut or shift without a word."""
    columns = ['id = { type = "int64", required = true }']
    extra = {"bytes": ', encoding = "hex"'}
    columns += [
        f'{name} = {{ type = "{kind}"{extra.get(kind, "")} }}'
        for name, (kind, _) in NARROWER.items()
    ]
    header = ",".join(["id", *NARROWER])
    on_postgres.stream("shop", f"{header}\n1{',' * len(NARROWER)}\n", columns="\n".join(columns))
    there = ", ".join(f"{name} {narrow}" for name, (_, narrow) in NARROWER.items())
    on_postgres.execute(f"CREATE TABLE shop (id bigint PRIMARY KEY, {there})")
    planned = on_postgres.migrate("plan", "--json")
    (table,) = planned.json["tables"]
    ran = on_postgres.migrate("run")
    assert (planned.code, ran.code) == (6, 6)
    for name in NARROWER:
        assert sum(f"column {name} is " in problem for problem in table["problems"]) == 1
        assert f"column {name} is " in ran.error
    assert on_postgres.query("SELECT count(*) FROM shop") == [(0,)]
