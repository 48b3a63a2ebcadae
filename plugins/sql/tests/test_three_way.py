"""Source = sent = stored: what a database says of its rows, what is extracted, what is there."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from messy_migration.testing.servers.cluster import standby
from messy_migration.testing.servers.postgres import server

BROKEN = str(Path(__file__).with_name("broken"))
ORDERS = """CREATE TABLE orders (id integer PRIMARY KEY, customer integer, total numeric(12,2),
    note varchar(40), changed timestamp NOT NULL)"""
ROWS = 3_000
THROUGH = "source = sent = stored"


def fill(base, first=1, last=ROWS):
    mark = "?" if base.kind == "sqlite" else "%s"
    notes = ["", None, " padded ", " Zoë from Málaga ", "x|~y"]
    for n in range(first, last + 1):
        changed = f"2024-01-{1 + n % 28:02d} {n % 24:02d}:30:15.000{n % 1000:03d}"
        row = (n, n % 97, f"{(n - 1500) * 7 / 4:.2f}", notes[n % 5], changed)
        base.pending.append((f"INSERT INTO orders VALUES ({', '.join([mark] * 5)})", row))
    base.flush()


@pytest.fixture
def pair(make_base, project):
    """A source of 3,000 orders in some ranges, and an empty target; `pair(kind)`."""

    def make(kind="postgresql", section="", profile=""):
        source, target = make_base(kind), make_base("postgresql")
        source.run(ORDERS)
        fill(source)
        if kind == "postgresql":
            source.run("ANALYZE orders")
        configure(project, source, target, section, profile)
        return source, target

    return make


def configure(project, source, target, section="", profile=""):
    profile = f"batch_records = 1000\n{profile}"
    project.configure(f'url = "{source.plain}"\n{section}', target, profile=profile)


def orders(result):
    """What the sources say, of the one stream."""
    (found,) = result.json["sources"]
    assert found["stream"] == "sql.orders"
    return found


def equal(result, rows=ROWS):
    """Every partition is what its source says, and all of that is stored."""
    found = orders(result.matched())
    assert found["verdict"] == "MATCH"
    assert found["rows"] == rows
    for part in found["partitions"]:
        assert (part["source_rows"], part["source_lanes"]) == (
            part["read_rows"],
            part["read_lanes"],
        )
    return found


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_an_undisturbed_run_says_source_sent_stored_on_screen_in_json_and_on_its_page(
    pair, project, kind
):
    pair(kind)
    done = project.run()
    found = equal(done)
    assert found["is_through"]
    assert len(found["partitions"]) >= 3
    page = Path(project.folder / done.json["report_page"]).read_text(encoding="utf-8")
    assert "Source = sent = stored: 3" in page
    verified = project.migrate("report", "verify", done.json["report"])
    assert verified.code == 0, verified.out + verified.err
    text = project.migrate("reconcile")
    assert f"{THROUGH}: 3,000 rows in" in text.out
    assert project.migrate("reconcile", "--strict").code == 0


@pytest.mark.parametrize(
    ("kind", "loss", "column"),
    [("postgresql", "sign", "total"), ("sqlite", "instant", "changed")],
)
def test_a_value_that_is_altered_on_the_way_is_a_mismatch_of_its_partition_and_column(
    pair, project, kind, loss, column
):
    pair(kind)
    done = project.run(BROKEN_SOURCE=f"{kind}:{loss}", PYTHONPATH=BROKEN)
    assert (done.code, done.json["verdict"]) == (8, "MISMATCH"), done.out
    found = orders(done)
    wrong = [part["partition"] for part in found["partitions"] if part["verdict"] == "MISMATCH"]
    assert f"source \u2260 extracted: {wrong[0]} (" in done.table("orders")["reason"]
    differences = done.json["differences"]
    assert {(item["kind"], *item["columns"]) for item in differences} == {("changed", column)}
    assert all(set(item["key"]) == {"id"} for item in differences)
    # What was sent is stored: without the source nobody would know.
    table = done.table("orders")
    assert table["expected_rows"] == table["actual_rows"] == ROWS
    assert table["fingerprint_expected"] == table["fingerprint_actual"]
    verified = project.migrate("report", "verify", done.json["report"])
    assert verified.code == 0, verified.out
    again = project.migrate("reconcile")
    assert again.code == 8
    assert f"source \u2260 extracted: sql.orders: {wrong[0]} (" in again.out
    # A reader that was mended reads all of it again.
    assert equal(project.run())["is_through"]


def test_a_row_that_is_lost_and_another_that_is_doubled_are_a_mismatch(pair, project):
    """The count of the source cannot tell; the doubled row goes as a duplicate."""
    _, target = pair()
    done = project.run(BROKEN_SOURCE="postgresql:doubled", PYTHONPATH=BROKEN)
    assert (done.code, done.json["verdict"]) == (8, "MISMATCH")
    parts = orders(done)["partitions"]
    assert all(part["verdict"] == "MISMATCH" for part in parts)
    missing = [item["key"]["id"] for item in done.json["differences"] if item["kind"] == "missing"]
    stored = {str(row[0]) for row in target.rows("SELECT id FROM orders")}
    assert len(missing) == len(parts)
    assert not stored.intersection(missing)


def test_a_bookmark_does_not_hide_what_an_earlier_run_altered(pair, project):
    source, target = pair(section='tables.orders.bookmark = "changed"')
    broken = project.run(BROKEN_SOURCE="postgresql:sign", PYTHONPATH=BROKEN)
    assert broken.json["verdict"] == "MISMATCH"
    again = project.run()
    equal(again)
    total = "SELECT sum(total), sum(abs(total)) FROM orders"
    assert target.rows(total) == source.rows(total)


def test_a_delta_with_deletions_at_the_source_is_proven_for_itself(pair, project):
    source, _ = pair(section='tables.orders.bookmark = "changed"\ntables.orders.overlap = 0')
    assert equal(project.run())["is_through"]
    source.run(
        "DELETE FROM orders WHERE id % 10 = 0",
        "UPDATE orders SET total = total + 1, changed = '2024-02-01' WHERE id IN (7, 11)",
        "INSERT INTO orders VALUES (9001, 1, 1, 'new', '2024-02-02')",
    )
    done = project.run()
    found = orders(done.matched())
    assert found["verdict"] == "MATCH"
    assert done.stream("sql.orders")["extracted"] < 10
    # Rows are there that the source has no more: that is no claim of source = stored.
    assert not found["is_through"]
    text = project.migrate("reconcile").out
    assert "source = extracted, sent = stored: " in text
    assert THROUGH not in text


def test_deletions_before_a_run_that_reads_all_again_are_no_mismatch(pair, project):
    source, _ = pair()
    assert equal(project.run())["is_through"]
    source.run("DELETE FROM orders WHERE id % 2 = 0")
    done = project.run()
    found = equal(done, ROWS // 2)
    assert not found["is_through"]
    assert done.table("orders")["actual_rows"] == ROWS


RULES = """
import pyarrow.compute as pc

from messy_migration.hookspecs import hookimpl
from messy_migration.model import Transformed, Violation


@hookimpl
def transform(stream, table, batch):
    if MODE == "change":
        place = batch.table.schema.get_field_index("note")
        return batch.table.set_column(place, "note", pc.utf8_upper(batch.table.column("note")))
    if MODE == "filter":
        rows = batch.table.select(["id", "_record"]).to_pylist()
        gone = tuple(row["_record"] for row in rows if row["id"] % 10 == 0)
        kept = batch.table.filter(pc.invert(pc.is_in(
            batch.table.column("_record"), value_set=__import__("pyarrow").array(gone, "int32"))))
        return Transformed(kept, filtered={"shop.tens": gone})
    return None


@hookimpl
def validate(stream, table, batch):
    if MODE != "filter":
        return None
    rows = batch.table.select(["id", "_record"]).to_pylist()
    return [Violation(row["_record"], table, "id", "shop.seven", "it ends in 77")
            for row in rows if row["id"] % 100 == 77]
"""


def add_rules(project, mode):
    """A plugin of two rules, installed as a distribution on the path; what to put on it."""
    folder = project.folder / "rules"
    info = folder / "shop_rules-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[messy_migration]\nshoprules = shop_rules\n")
    (folder / "shop_rules.py").write_text(f"MODE = {mode!r}\n{RULES}")
    config = project.folder / "migrate.toml"
    config.write_text(config.read_text().replace('["sql"]', '["sql", "shoprules"]'))
    return str(folder)


def test_a_run_with_quarantine_and_a_filter_is_proven_before_both(pair, project):
    pair(profile="quarantine_limit = 5")
    path = add_rules(project, "filter")
    done = project.run(PYTHONPATH=path)
    found = equal(done)
    assert (done.stream("sql.orders")["filtered"], done.stream("sql.orders")["quarantined"]) == (
        300,
        30,
    )
    assert done.table("orders")["actual_rows"] == ROWS - 330
    assert not found["is_through"]
    text = project.migrate("reconcile", PYTHONPATH=path).out
    assert "source = extracted, sent = stored: 3,000 rows" in text
    broken = project.run(BROKEN_SOURCE="postgresql:sign", PYTHONPATH=f"{BROKEN}{os.pathsep}{path}")
    assert broken.json["verdict"] == "MISMATCH"


def test_a_run_with_a_transform_is_proven_before_it(pair, project):
    pair()
    path = add_rules(project, "change")
    found = equal(project.run(PYTHONPATH=path))
    assert not found["is_through"]


def test_a_record_that_has_no_exact_place_is_outside_of_both_sides(make_base, project):
    source, target = make_base("postgresql"), make_base("postgresql")
    source.run(
        "CREATE TABLE orders (id int PRIMARY KEY, total numeric, at timestamptz)",
        "INSERT INTO orders SELECT i, i / 4.0, '2024-01-01' FROM generate_series(1, 500) i",
        "INSERT INTO orders VALUES (501, 'NaN', NULL), (502, 1, 'infinity'), (503, 1e30, NULL)",
    )
    configure(project, source, target)
    found = equal(project.run(), 500)
    assert found["is_through"]  # everything that has a place is stored as it was


def committed(target):
    """Batches of orders that are in the target's ledger."""
    (exists,) = target.rows("SELECT to_regclass('messy_migration.receipt') IS NOT NULL")
    query = "SELECT count(*) FROM messy_migration.receipt WHERE stream = 'sql.orders'"
    return int(target.rows(query)[0][0]) if exists[0] else 0


def killed(project, target, batches=1):
    """A run that is killed, all of it, when some batches are committed."""
    run = subprocess.Popen(
        [*project.command, "run"],
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and committed(target) < batches:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    return committed(target)


@pytest.mark.parametrize("key", ["own", "declared"])
@pytest.mark.parametrize("is_changed", [False, True])
def test_a_resumed_run_is_no_mismatch_and_its_sources_are_equal(
    make_base, project, key, is_changed
):
    """`declared`: one partition of many batches, of which some are committed."""
    source, target = make_base("postgresql"), make_base("postgresql")
    source.run(ORDERS if key == "own" else ORDERS.replace(" PRIMARY KEY", " NOT NULL"))
    fill(source)
    source.run(
        "INSERT INTO orders SELECT i, i, i, repeat('x', 40), now()"
        " FROM generate_series(3001, 60000) i",
        "ANALYZE orders",
    )
    section = 'tables.orders.key = ["id"]' if key == "declared" else ""
    configure(project, source, target, section)
    batches = killed(project, target, 3)
    if is_changed:
        source.run("UPDATE orders SET total = 0 WHERE id % 1000 = 1")
    assert 0 < batches < 60
    done = project.run()
    found = orders(done)
    assert found["verdict"] == "MATCH", done.out
    assert done.json["resumed"]
    if not is_changed:
        assert found["is_through"]
        equal(done, 60_000)


def test_source_proof_off_is_said_and_costs_the_strict_verdict(pair, project):
    pair(profile="source_proof = false")
    done = project.run().matched()
    (found,) = done.json["sources"]
    assert {part["source_rows"] for part in found["partitions"]} == {None}
    text = project.migrate("reconcile").out
    assert "not held against the source: sql.orders (" in text
    assert "source_proof = false" in text
    strict = project.migrate("reconcile", "--strict")
    assert strict.code == 8
    assert "source_proof = false" in strict.out
    # The setting is no part of the plan: a second run with it reads all anew, and proves it.
    config = project.folder / "migrate.toml"
    config.write_text(config.read_text().replace("source_proof = false", ""))
    assert equal(project.run())["is_through"]


def test_files_say_nothing_of_what_they_cannot_know(make_base, project):
    target = make_base("postgresql")
    project.configure("", target)
    config = project.folder / "migrate.toml"
    text = config.read_text().replace('["sql"]', '["files"]').replace("[sql]", "")
    config.write_text(text + '\n[files.streams.t]\npath = "t.csv"\nschema = "t.toml"\n')
    (project.folder / "t.csv").write_text("id\n1\n2\n")
    (project.folder / "t.toml").write_text(
        'table = "t"\nkey = ["id"]\n[format]\nkind = "csv"\nencoding = "utf-8"\n'
        'delimiter = ","\nnull = [""]\n[columns]\n'
        'id = { from = "id", type = "int32" }\n'
    )
    done = project.run().matched()
    assert done.json["sources"] == []
    assert "source" not in project.migrate("reconcile").out.replace("source = files", "")


@pytest.fixture
def standing_by(make_base, project):
    """(primary, its hot standby, target), loaded from the standby once."""
    settings = {"wal_level": "replica", "max_wal_senders": "4", "max_standby_streaming_delay": "0"}
    with server(**settings) as primary, primary.database() as url:
        if primary.cluster is None:
            pytest.skip("NOT EXERCISED: a server of this provider has no standby")
        target = make_base("postgresql")
        source = replace(target, url=url)
        source.run(ORDERS)
        fill(source)
        source.run("ANALYZE orders")
        with standby(primary.cluster) as second:
            there = replace(target, url=url.replace(str(primary.cluster.port), str(second.port)))
            assert there.rows("SELECT pg_is_in_recovery()") == [(True,)]
            configure(project, there, target)
            assert equal(project.run())["is_through"]
            yield source, there, target


def until(base, query, seconds=60):
    """Come back when a query gives true."""
    end = time.monotonic() + seconds
    while base.rows(query) != [(True,)]:
        assert time.monotonic() < end, query
        time.sleep(0.02)


def test_a_hot_standby_is_a_source_and_a_snapshot_that_it_cancels_costs_no_mismatch(
    standing_by, project
):
    source, _, _ = standing_by
    # Rows that only the standby's snapshot still sees are vacuumed away under it.
    source.run("UPDATE orders SET total = total + 1", "VACUUM orders")
    for _ in range(4):
        done = project.run()
        if done.code != 5:
            break
        assert done.json["verdict"] == "UNKNOWN"
    assert orders(done)["verdict"] == "MATCH"


def test_a_snapshot_that_is_cancelled_in_the_middle_of_a_run_costs_only_what_is_left(
    standing_by, project
):
    source, there, target = standing_by
    fill(source, ROWS + 1, 2 * ROWS)
    until(there, f"SELECT count(*) = {2 * ROWS} FROM orders")
    with psycopg.connect(target.plain) as blocker:
        # It keeps the first batches from being written, and nobody from reading.
        blocker.execute("LOCK TABLE orders IN SHARE MODE")
        running = project.start("run", "--json")
        until(target, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
        source.run("UPDATE orders SET total = total + 1", "VACUUM orders")
        conflicts = "SELECT confl_snapshot > 0 FROM pg_stat_database_conflicts"
        until(there, f"{conflicts} WHERE datname = current_database()")
        blocker.rollback()
        done = running.wait()
    assert (done.code, done.json["verdict"]) == (5, "UNKNOWN"), done.text
    until(there, "SELECT min(total) = (1 - 1500) * 7 / 4.0 + 1 FROM orders")
    done = project.run()
    assert (done.code, done.json["verdict"]) == (0, "MATCH"), done.text
    assert orders(done)["verdict"] == "MATCH"
    assert target.rows("SELECT count(*) FROM orders") == [(2 * ROWS,)]
