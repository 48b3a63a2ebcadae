"""A run moves all of it and proves it, and a second run has nothing left to do."""

from __future__ import annotations

import json
import time
from collections import Counter
from decimal import Decimal


def total(rows, place):
    return sum((row[place] for row in rows if row[place] is not None), Decimal(0))


def test_a_run_loads_everything_and_ends_with_match(loaded):
    result, data = loaded.first, loaded.data
    assert {item["table"]: item["expected_rows"] for item in result.json["tables"]} == {
        "flights": len(data.rows("flights")),
        "sales": len(data.rows("sales")),
    }
    for stream in ("flights", "sales"):
        counts = result.stream(f"files.{stream}")
        assert counts["extracted"] == counts["loaded"] == len(data.rows(stream))
        assert (counts["quarantined"], counts["filtered"]) == (0, 0)
    loaded.holds_everything()
    assert loaded.sum("flights", "fare", 2) == total(data.rows("flights"), 4)
    assert loaded.sum("sales", "price", 4) == total(data.rows("sales"), 4)


def test_padded_and_empty_text_is_kept_and_null_stays_apart(loaded):
    texts = [row[1] for row in loaded.data.rows("sales")]
    assert {"", " ", "x", "x ", "  padded  ", "NULL", None} <= set(texts), "the data is too tame"
    found = [row[0] for row in loaded.query("SELECT description FROM sales")]
    assert Counter(found) == Counter(texts)
    for condition, text in (
        ("description = '' AND length(description) = 0", ""),
        ("description = '  padded  ' AND length(description) = 10", "  padded  "),
        ("description IS NULL", None),
    ):
        count = f"SELECT count(*) FROM sales WHERE {condition}"
        assert loaded.query(count) == [(texts.count(text),)], condition


def test_exact_repeats_without_a_key_are_all_kept(loaded):
    rows = loaded.data.rows("sales")
    assert len(set(rows)) < len(rows), "the data has no repeats"
    different = "SELECT count(*) FROM (SELECT DISTINCT * FROM sales) AS d"
    assert loaded.query(different) == [(len(set(rows)),)]
    assert loaded.query("SELECT count(*) FROM sales") == [(len(rows),)]


def test_a_second_run_reads_and_writes_nothing_and_proves_again(loaded):
    before = written(loaded)
    second = loaded.run().matched()
    for stream in ("flights", "sales"):
        assert second.stream(f"files.{stream}")["extracted"] == 0
        counts = second.table(stream)
        assert (counts["inserted"], counts["updated"], counts["unchanged"]) == (0, 0, 0)
    assert second.fingerprints == loaded.first.fingerprints
    assert second.json["workers"] == 0, "a run with nothing to read started a worker"
    assert written(loaded) == before


def written(site):
    """What the database itself counts of rows inserted, updated and deleted by the user's tables.

    Postgres hands these figures in when a connection ends, so the test waits for all of ours to
    end; in SQLite the pages of the tables, and so the rows' places in them, tell.
    """
    if site.kind == "sqlite":
        return [site.query(f"SELECT rowid, * FROM {table}") for table in ("flights", "sales")]
    end = time.monotonic() + 30
    ours = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name LIKE 'mm:%' AND datname = current_database()"
    )
    while site.query(ours) != [(0,)] and time.monotonic() < end:
        time.sleep(0.02)
    statistics = (
        "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables"
        " WHERE schemaname = 'public' ORDER BY relname"
    )
    rows = {name: len(site.data.rows(name)) for name in ("flights", "sales")}
    loaded = [(name, count, 0, 0) for name, count in rows.items()]
    found = site.query(statistics)
    while found != loaded and time.monotonic() < end:
        time.sleep(0.02)
        found = site.query(statistics)
    assert found == loaded
    return found


def test_an_empty_target_stays_untouched_by_plan_and_dry_run(site):
    for arguments in (("plan", "--json"), ("run", "--dry-run", "--json")):
        result = site.migrate(*arguments)
        assert result.code == 0, result.err
        assert [len(item["partitions"]) for item in result.json["streams"]] == [3, 2]
        assert {item["table"]: item["exists"] for item in result.json["tables"]} == {
            "flights": False,
            "sales": False,
        }
    if site.kind == "sqlite":
        left = {path.name for path in site.folder.iterdir()}
        assert left == {"flights", "sales", "flights.toml", "sales.toml", "migrate.toml"}
    else:
        made = "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text IN"
        assert site.query(f"{made} ('public', 'messy_migration')") == [(0,)]


def test_plan_and_dry_run_change_nothing_in_a_loaded_target(loaded):
    dump = "SELECT count(*), max(seq) FROM " + loaded.ledger("receipt")
    runs = "SELECT run_id, state FROM " + loaded.ledger("run")
    before = loaded.query(dump), loaded.query(runs)
    for arguments in (("plan", "--json"), ("run", "--dry-run", "--json")):
        result = loaded.migrate(*arguments)
        assert result.code == 0
        assert [len(item["skipped"]) for item in result.json["streams"]] == [3, 2]
    assert (loaded.query(dump), loaded.query(runs)) == before


def test_the_output_on_a_pipe_is_plain_lines_tables_and_one_verdict(loaded):
    # NO_COLOR has to win over what would force colours.
    forced = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "NO_COLOR": "1"}
    result = loaded.migrate("run", **forced)
    assert result.code == 0
    assert "\x1b" not in result.out + result.err
    assert "\r" not in result.out + result.err
    progress = result.err.splitlines()
    assert progress[0].startswith("run ")
    assert "started" in progress[0]
    assert not any(line.startswith(("MATCH", "table", "stream")) for line in progress)
    lines = result.out.splitlines()
    verdicts = [line for line in lines if line.startswith("MATCH")]
    assert len(verdicts) == 1
    assert f"{loaded.data.records:,} rows in 2 tables" in verdicts[0]
    assert any(line.split()[:3] == ["stream", "extracted", "loaded"] for line in lines)
    assert any(line.split()[:2] == ["table", "inserted"] for line in lines)


def test_json_is_one_object_with_the_promised_fields(loaded):
    found = loaded.first.json
    assert found["schema"] == 1
    assert {"run_id", "status", "verdict", "streams", "tables", "report"} <= found.keys()
    assert found["status"] == "done"
    stream = {"stream", "tenant", "extracted", "loaded", "quarantined", "filtered"}
    assert all(stream <= item.keys() for item in found["streams"])
    table = {"table", "inserted", "updated", "unchanged", "expected_rows", "actual_rows"}
    table |= {"fingerprint_expected", "fingerprint_actual", "verdict"}
    assert all(table <= item.keys() for item in found["tables"])
    again = loaded.reconcile().matched()
    assert {"schema", "verdict", "tables", "differences"} <= again.json.keys()
    assert again.fingerprints == loaded.first.fingerprints


def test_the_evidence_file_names_inputs_versions_and_verdicts(loaded):
    found = loaded.first.json
    evidence = json.loads((loaded.folder / found["report"]).read_text(encoding="utf-8"))
    assert evidence["run_id"] == found["run_id"]
    assert evidence["verdict"] == "MATCH"
    assert evidence["tables"] == found["tables"]
    files = loaded.data.files.items()
    names = {f"{stream}/{name}" for stream, of_stream in files for name in of_stream}
    assert {item["partition"] for item in evidence["inputs"]} == names
    assert all(len(item["digest"]) == 64 for item in evidence["inputs"])
    versions = evidence["run"]["versions"]
    assert {"messy-migration", "files", "python", "target"} <= versions.keys()
    server = "SQLite " if loaded.kind == "sqlite" else "PostgreSQL "
    assert versions["target"].startswith(server)
