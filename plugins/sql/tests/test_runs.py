"""The whole way: `migrate run` from a database to a database, proven, twice, and after a kill."""

from __future__ import annotations

import signal
import time
from decimal import Decimal

import pytest

SHOP = [
    """CREATE TABLE customers (id integer PRIMARY KEY, email varchar(80), born date,
        changed timestamp NOT NULL)""",
    """CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL
        REFERENCES customers (id), total numeric(12,2), note text, at timestamp)""",
    "CREATE TABLE log (at timestamp, line text)",
]
PAIRS = [("postgresql", "postgresql"), ("sqlite", "postgresql"), ("sqlite", "sqlite")]


def moment(number):
    return f"2024-01-{1 + number % 28:02d} {number % 24:02d}:30:15.{number % 1000:03d}001"


def fill(base, customers=400, orders=3000):
    base.run(*SHOP)
    mark = "?" if base.kind == "sqlite" else "%s"
    emails = [None, "", "O'Hara@example.org", "zoë@example.org", " padded "]
    for n in range(1, customers + 1):
        base_row = (n, emails[n % 5], f"19{n % 100:02d}-02-28", moment(n))
        base.pending.append((f"INSERT INTO customers VALUES ({', '.join([mark] * 4)})", base_row))
    for n in range(1, orders + 1):
        total = None if n % 17 == 0 else str(Decimal(n * n % 999_999) / 100 - 50)
        row = (n * 3, 1 + n % customers, total, ["", None, "x\ny", "ü"][n % 4], moment(n))
        base.pending.append((f"INSERT INTO orders VALUES ({', '.join([mark] * 5)})", row))
    for n in (1, 1, 2):
        base.pending.append((f"INSERT INTO log VALUES ({mark}, {mark})", (moment(n), f"line {n}")))
    base.flush()


CANONICAL = {
    "customers": {
        "postgresql": "SELECT id, email, born::text, to_char(changed, '{}') FROM customers",
        "sqlite": "SELECT id, email, born, changed FROM customers",
        "target": "SELECT id, email, born, replace(rtrim(changed, 'Z'), 'T', ' ') FROM customers",
    },
    "orders": {
        "postgresql": "SELECT id, customer, trim_scale(total)::text, note, to_char(at, '{}')"
        " FROM orders",
        "sqlite": "SELECT id, customer, total, note, at FROM orders",
        "target": "SELECT id, customer, total, note, replace(rtrim(at, 'Z'), 'T', ' ') FROM orders",
    },
}


def values(base, table, *, is_target=False):
    """The rows of a table as plain values that are the same for both kinds."""
    form = "target" if is_target and base.kind == "sqlite" else base.kind
    query = CANONICAL[table][form].format("YYYY-MM-DD HH24:MI:SS.US") + " ORDER BY 1"
    rows = base.rows(query)
    if table == "orders":
        rows = [(*row[:2], row[2] and Decimal(str(row[2])), *row[3:]) for row in rows]
    return [tuple(row) for row in rows]


def equal(source, target):
    for table in CANONICAL:
        assert values(target, table, is_target=True) == values(source, table)


@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
def test_two_databases_end_equal_and_a_second_run_merges_what_changed(make_base, project, kinds):
    source, target = map(make_base, kinds)
    fill(source)
    section = f'url = "{source.plain}"\ntables.customers.bookmark = "changed"'
    project.configure(section, target, profile="batch_records = 1000")
    first = project.run().matched()
    assert first.table("orders")["inserted"] == 3000
    assert first.stream("sql.log")["loaded"] == 3
    equal(source, target)
    source.run(
        "UPDATE orders SET total = total + 1 WHERE id % 10 = 0",
        "INSERT INTO orders VALUES (1, 1, 0.10, 'new', '2024-05-05 05:05:05.000005')",
        "UPDATE customers SET email = 'new@example.org', changed = '2024-03-01 00:00:00.000007'"
        " WHERE id = 7",
    )
    second = project.run().matched()
    assert (second.table("orders")["inserted"], second.table("orders")["updated"]) == (1, 283)
    # The bookmark says that nobody else changed for more than its overlap.
    assert second.stream("sql.customers")["extracted"] < 50
    assert second.table("customers")["updated"] == 1
    assert second.table("log")["actual_rows"] == 3
    equal(source, target)


def test_what_has_no_exact_place_costs_its_record(make_base, project):
    source, target = make_base("postgresql"), make_base("sqlite")
    source.run(
        "CREATE TABLE t (id int PRIMARY KEY, price numeric, at timestamptz)",
        "INSERT INTO t SELECT i, i / 4.0, '2024-01-01' FROM generate_series(1, 300) i",
        "INSERT INTO t VALUES (301, 'NaN', NULL), (302, 1, 'infinity')",
    )
    project.configure(f'url = "{source.plain}"', target)
    done = project.run().matched()
    assert done.stream("sql.t")["quarantined"] == 2
    assert done.table("t")["actual_rows"] == 300


def test_a_difference_is_named_by_its_key(make_base, project):
    source, target = make_base("postgresql"), make_base("postgresql")
    fill(source, 20, 60)
    project.configure(f'url = "{source.plain}"', target)
    project.run().matched()
    target.run("UPDATE orders SET total = total + 0.01 WHERE id = 30")
    done = project.migrate("reconcile", "--json")
    assert done.code == 8
    (difference,) = done.json["differences"]
    assert difference["key"] == {"id": "30"}
    assert (difference["kind"], difference["columns"]) == ("changed", ["total"])


def test_a_run_that_is_killed_is_resumed_in_a_new_snapshot(make_base, project):
    source, target = make_base("postgresql"), make_base("postgresql")
    fill(source, 400, 100)
    source.run(
        "INSERT INTO orders SELECT i, 1 + i % 400, i, repeat('x', 200), now()"
        " FROM generate_series(1000, 60000) i",
        "ANALYZE",
    )
    project.configure(f'url = "{source.plain}"', target, profile="batch_records = 2000")
    run = project.start("run")
    end = time.monotonic() + 60
    while time.monotonic() < end and not committed(target):
        time.sleep(0.05)
    run.signal(signal.SIGKILL, group=True)
    run.wait()
    assert 0 < committed(target) < 59_501
    source.run("INSERT INTO orders VALUES (1, 1, 1, 'later', now())")
    done = project.migrate("run")
    assert done.code == 0, done.err
    assert "a new snapshot of sql: what is left of" in done.err
    assert "MATCH" in done.out
    count = "SELECT count(*), sum(total) FROM orders WHERE id > 1"
    assert target.rows(count) == source.rows(count)
    (run_count,) = target.rows("SELECT count(*) FROM messy_migration.run")
    assert run_count == (1,)


def committed(target):
    """Records of orders that are in the target's ledger."""
    (exists,) = target.rows("SELECT to_regclass('messy_migration.receipt') IS NOT NULL")
    if not exists[0]:
        return 0
    query = (
        "SELECT coalesce(sum(loaded), 0) FROM messy_migration.receipt WHERE stream = 'sql.orders'"
    )
    return int(target.rows(query)[0][0])


def test_tenants_share_tables_and_one_that_is_broken_stops_no_other(make_base, project):
    oslo, bergen, target = make_base("sqlite"), make_base("sqlite"), make_base("postgresql")
    fill(oslo, 10, 20)
    fill(bergen, 10, 30)
    section = f"""
tenant_column = "shop"
exclude = ["log"]
[sql.databases.oslo]
url = "{oslo.plain}"
[sql.databases.bergen]
url = "{bergen.plain}"
"""
    project.configure(section, target)
    project.run().matched()
    assert target.rows("SELECT shop, count(*) FROM orders GROUP BY 1 ORDER BY 1") == [
        ("bergen", 30),
        ("oslo", 20),
    ]
    oslo.path.write_bytes(b"broken" * 100)
    bergen.run("INSERT INTO orders VALUES (1, 1, 1, 'new', '2024-05-05')")
    done = project.run()
    assert done.code == 5
    assert done.stream("sql.orders", "bergen")["loaded"] == 31
    assert any("no SQLite database" in problem["what"] for problem in done.json["problems"])
    verdicts = {(item["table"], item["verdict"]) for item in done.json["tables"]}
    assert ("orders", "MATCH") in verdicts


def test_a_table_without_a_key_that_changed_is_not_loaded_twice(make_base, project):
    source, target = make_base("sqlite"), make_base("sqlite")
    source.run("CREATE TABLE t (a integer)", "INSERT INTO t VALUES (1), (1)")
    project.configure(f'url = "{source.plain}"', target)
    project.run().matched()
    assert project.run().matched().stream("sql.t")["extracted"] == 0
    source.run("INSERT INTO t VALUES (2)")
    done = project.run()
    assert done.code == 5
    assert "declare a key" in done.out + done.err
    assert target.rows("SELECT count(*) FROM t") == [(2,)]


def test_the_plan_says_what_would_be_read_and_the_password_stays_secret(make_base, project):
    source, target = make_base("postgresql"), make_base("sqlite")
    fill(source, 10, 20)
    password = source.plain.partition("//")[2].partition("@")[0].partition(":")[2]
    bare = source.plain.replace(f":{password}@", "@")
    project.configure(f'url = "{bare}"\npassword = "env://SHOP_WORD"', target)
    done = project.migrate("plan", SHOP_WORD=password)
    assert done.code == 0, done.err
    assert "sql.orders" in done.out
    wrong = project.migrate("run", SHOP_WORD="not-the-word")
    assert wrong.code == 5
    assert wrong.err.count("refuses the login") == 1
    assert "not-the-word" not in wrong.out + wrong.err
    far = bare.replace("@127.0.0.1", ":not-the-word@db.example.org")
    project.configure(f'url = "{far}"', target)
    refused = project.migrate("plan")
    assert refused.code == 3
    assert "url holds a password" in refused.err
    assert "not-the-word" not in refused.out + refused.err
