"""A target under a `fingerprint_key`: no sum, receipt or link is forged without it (G07, G08)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from .keyed_site import CANARY, NAMED, OTHER, KeyedSite
from .small import SCHEMA


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request, tmp_path, capsys):
    """Three rows in a file, and a target of either kind under a key."""
    site = KeyedSite(tmp_path, capsys)
    if request.param == "postgresql":
        site.target = request.getfixturevalue("postgres_url")
        site.configure()
    site.write_rows("1,1.5", "2,2.5", "3,3.5")
    return site


@pytest.fixture
def lite(tmp_path, capsys):
    """The same on SQLite."""
    site = KeyedSite(tmp_path, capsys)
    site.write_rows("1,1.5", "2,2.5", "3,3.5")
    return site


def keyed_of(result, table="s"):
    return next(item["keyed"] for item in result.json["tables"] if item["table"] == table)


def test_load_and_reconcile_are_a_match_under_the_key_and_say_so(site):
    run = site.run().matched()
    key_id = keyed_of(run)["key_id"]
    assert keyed_of(run) == {"key_id": key_id, "verdict": "MATCH", "why": ""}
    assert run.json["keyed"] == {"key_id": key_id, "tables": 1, "of": 1}
    assert site.keyed() == [("load", key_id, True)]
    again = site.reconcile("--strict").matched()
    assert again.json["keyed"] == run.json["keyed"]
    assert again.json["ledger"]["key_id"] == key_id
    said = site.migrate("reconcile")
    assert f"fingerprint_key {key_id}: 1 of 1 table proven under it" in said.out


def test_updates_echoes_and_deletions_of_a_merge_keep_the_keyed_sum(site):
    site.run().matched()
    site.write_rows("2,22.5", "3,3.5", "4,4.5", name="s2.csv")
    assert site.run().matched().table("s")["updated"] == 1
    site.write_rows("4,44.5", "5,5.5", "5,5.5", "6,6.5", "6,7.5", name="s3.csv")
    result = site.run()
    assert (result.json["verdict"], keyed_of(result)["verdict"]) == ("MATCH", "MATCH")
    assert keyed_of(site.reconcile())["verdict"] == "MATCH"
    assert {kind for kind, key, mac in site.keyed() if not (key and mac)} == set()


def test_rows_that_lose_their_key_after_the_load_leave_the_keyed_sum(site):
    site.write_rows("1,1.5", "2,2.5", "3,3.5", "4,4.5")
    site.write_rows("3,3.5", "4,9.5", "5,5.5", name="s2.csv")
    result = site.run()
    assert (result.json["verdict"], result.json["waiting"]) == ("MATCH", 1)
    assert keyed_of(result)["verdict"] == "MATCH"
    assert keyed_of(site.reconcile())["verdict"] == "MATCH"


def test_quarantined_records_and_their_repair_stay_under_the_key(site):
    site.write_rows("1,1.5", "2,no", "3,3.5")
    assert site.run().json["waiting"] == 1
    site.write_rows("1,1.5", "2,2.5", "3,3.5")
    result = site.run().matched()
    assert result.json["waiting"] == 0
    assert ("superseded", keyed_of(result)["key_id"], True) in site.keyed()
    assert keyed_of(site.reconcile("--strict"))["verdict"] == "MATCH"


def test_a_resumed_run_under_the_key_is_a_match(site):
    site.configure(profile="batch_records = 20\n")
    site.write_rows(*(f"{row},{row}.5" for row in range(1, 4_001)))
    site.killed_after(receipts=3)
    result = site.run().matched()
    assert result.json["resumed"] is True
    assert keyed_of(result)["verdict"] == "MATCH"
    assert keyed_of(site.reconcile("--strict").matched())["verdict"] == "MATCH"


def test_g08_unsealed_receipts_of_a_killed_run_are_sealed_by_their_macs(lite):
    lite.configure(profile="batch_records = 20\n")
    lite.write_rows(*(f"{row},{row}.5" for row in range(1, 4_001)))
    lite.killed_after(receipts=3)
    found = lite.reconcile().json["ledger"]
    assert found["pending_receipts"] >= 3
    assert (found["unsealed"], found["reasons"]) == (0, [])


def test_g07_a_collision_of_the_sums_is_named_as_forged(site):
    site.write_named()
    site.configure(NAMED)
    site.run().matched()
    site.forge()
    result = site.reconcile()
    assert (result.code, result.json["verdict"]) == (8, "MISMATCH")
    (table,) = result.json["tables"]
    assert table["fingerprint_expected"] == table["fingerprint_actual"]
    assert "forged" in table["reason"]
    assert keyed_of(result)["verdict"] == "MISMATCH"
    assert site.run().code == 8
    assert site.migrate("report").code == 8


def test_a_repair_puts_forged_rows_right_under_the_key(lite):
    lite.write_named()
    lite.configure(NAMED)
    lite.run().matched()
    lite.forge()
    lite.migrate("reconcile", "--repair")
    assert keyed_of(lite.reconcile().matched())["verdict"] == "MATCH"


def test_a_repair_of_missing_changed_and_extra_rows_keeps_the_keyed_sum(site):
    site.run().matched()
    site.execute(
        "DELETE FROM s WHERE id = 1",
        "UPDATE s SET amt = 9 WHERE id = 2",
        "INSERT INTO s VALUES (9, 9)",
    )
    site.migrate("reconcile", "--repair=all")
    assert keyed_of(site.reconcile("--strict").matched())["verdict"] == "MATCH"
    assert {"found", "repair"} <= {kind for kind, key, mac in site.keyed() if key and mac}


def test_an_adopted_change_is_under_the_key(lite):
    lite.run().matched()
    lite.execute("DELETE FROM s WHERE id = 1", "UPDATE s SET amt = 9 WHERE id = 2")
    lite.migrate("reconcile", "--accept-foreign", "they meant it")
    assert keyed_of(lite.reconcile().matched())["verdict"] == "MATCH"


def test_g07_a_collision_can_be_adopted_with_a_reason_and_by_nothing_else(lite):
    lite.write_named()
    lite.configure(NAMED)
    lite.run().matched()
    lite.forge()
    assert lite.run().code == 8
    lite.migrate("reconcile", "--accept-foreign", "they meant it")
    found = lite.reconcile().matched()
    assert any("they meant it" in line for line in found.json["allowed"])


def test_a_table_that_was_there_before_the_first_run_is_under_the_key(site):
    site.execute("CREATE TABLE s (id bigint PRIMARY KEY, amt numeric(18,4))") if (
        site.kind == "postgresql"
    ) else site.execute("CREATE TABLE s (id INTEGER PRIMARY KEY, amt TEXT)")
    site.execute("INSERT INTO s VALUES (7, '7.5')")
    result = site.run().matched()
    assert keyed_of(result)["verdict"] == "MATCH"
    assert [kind for kind, *_ in site.keyed()] == ["baseline", "load"]


def test_a_table_that_was_loaded_without_the_key_says_what_is_keyed(site):
    site.under("").run().matched()
    site.under(CANARY)
    site.write_rows("4,4.5", name="s2.csv")
    result = site.run()
    assert (result.code, result.json["verdict"]) == (0, "MATCH")
    assert keyed_of(result)["verdict"] == "UNKNOWN"
    assert "1 of 4 rows were loaded under it" in keyed_of(result)["why"]
    strict = site.reconcile("--strict")
    assert strict.code == 8
    assert any("1 of 4 rows" in line for line in strict.json["allowed"])
    site.run("--rotate-key").matched()
    assert keyed_of(site.reconcile("--strict").matched())["verdict"] == "MATCH"


def test_a_table_of_another_format_is_put_under_the_key_anew(lite):
    lite.run().matched()
    other = SCHEMA.replace("decimal(18,4)", "decimal(20,5)")
    lite.configure(other)
    lite.write_rows("4,4.5", name="s2.csv")
    result = lite.run().matched()
    assert "rebase" in [kind for kind, key, mac in lite.keyed() if key and mac]
    assert keyed_of(result)["verdict"] == "MATCH"
    assert keyed_of(lite.reconcile("--strict").matched())["verdict"] == "MATCH"


def test_a_rotation_where_nothing_was_loaded_is_refused(lite):
    result = lite.migrate("run", "--rotate-key")
    assert result.code == 2
    assert "the target is not there yet" in result.err
    assert not (lite.folder / "m.db").exists()


def test_value_by_value_no_row_is_summed_under_the_key_and_none_is_said_to_be(lite):
    lite.run().matched()
    result = lite.reconcile("--against", "landed").matched()
    assert result.json["keyed"] is None
    assert keyed_of(result) is None
    assert result.json["ledger"]["key_id"]


def test_a_key_over_a_ledger_that_has_none_is_unknown_and_says_the_way_out(site):
    site.under("").run().matched()
    result = site.under(CANARY).migrate("reconcile")
    assert result.code == 8
    assert "UNKNOWN" in result.err
    assert "--rotate-key" in result.err
    site.run("--rotate-key").matched()
    assert keyed_of(site.reconcile("--strict").matched())["verdict"] == "MATCH"


@pytest.mark.parametrize("command", [("reconcile",), ("reconcile", "--quick"), ("run",)])
def test_a_lost_key_is_unknown_in_one_line_with_the_way_out(lite, command):
    key_id = keyed_of(lite.run().matched())["key_id"]
    result = lite.under("").migrate(*command)
    assert result.code == 8
    assert "MATCH" not in result.out
    (line,) = [line for line in result.err.splitlines() if line.startswith("error")]
    assert "UNKNOWN" in line
    assert key_id in line
    assert "--rotate-key --lost-key" in line


@pytest.mark.parametrize("command", ["reconcile", "run"])
def test_a_wrong_key_is_unknown_and_both_ids_are_named(lite, command):
    key_id = keyed_of(lite.run().matched())["key_id"]
    result = lite.under(OTHER).migrate(command)
    assert result.code == 8
    (line,) = [line for line in result.err.splitlines() if line.startswith("error")]
    assert "UNKNOWN" in line
    assert key_id in line
    assert "is set" in line
    lite.under(CANARY).run().matched()


def test_a_rotation_proves_under_the_old_key_and_counts_under_the_new_one(site):
    old = keyed_of(site.run().matched())["key_id"]
    result = site.under(OTHER, CANARY).run("--rotate-key").matched()
    new = keyed_of(result)["key_id"]
    assert new != old
    assert keyed_of(result)["verdict"] == "MATCH"
    assert ("rekey", new, True) in site.keyed()
    site.under(OTHER)
    assert keyed_of(site.reconcile("--strict").matched())["key_id"] == new
    site.write_rows("2,22.5", "4,4.5", name="s2.csv")
    assert keyed_of(site.run().matched())["verdict"] == "MATCH"
    assert site.under(CANARY).reconcile().code == 8
    # And back to the key that was there before.
    assert keyed_of(site.under(CANARY, OTHER).run("--rotate-key").matched())["key_id"] == old
    assert keyed_of(site.under(CANARY).reconcile("--strict").matched())["verdict"] == "MATCH"


@pytest.mark.parametrize("moment", ["put_link", "close_run"])
def test_a_rotation_that_is_killed_is_repeated_and_never_half_trusted(site, moment):
    old = keyed_of(site.run().matched())["key_id"]
    site.under(OTHER, CANARY).dies_at(moment, "run", "--rotate-key")
    ids = {row[0] for row in site.query(f"SELECT key_id FROM {site.ledger('table_state')}")}
    assert (ids == {old}) is (moment == "put_link")
    counts = CANARY if moment == "put_link" else OTHER
    site.under(OTHER if counts == CANARY else CANARY)
    assert site.reconcile().code == 8
    assert keyed_of(site.under(counts).reconcile().matched())["verdict"] == "MATCH"
    site.under(OTHER, CANARY).run("--rotate-key").matched()
    assert keyed_of(site.under(OTHER).reconcile("--strict").matched())["verdict"] == "MATCH"


def test_a_rotation_over_forged_rows_changes_nothing(site):
    site.write_named()
    site.configure(NAMED)
    site.run().matched()
    site.forge()
    before = site.keyed()
    result = site.under(OTHER, CANARY, schema=NAMED).migrate("run", "--rotate-key")
    assert result.code == 8
    assert "forged" in result.err
    assert site.keyed() == before


def test_a_rotation_without_the_key_before_needs_a_reason_that_is_told(lite):
    old = keyed_of(lite.run().matched())["key_id"]
    refused = lite.under(OTHER).migrate("run", "--rotate-key")
    assert refused.code == 8
    assert old in refused.err
    assert "--lost-key" in refused.err
    lite.run("--rotate-key", "--lost-key", "the safe burnt down").matched()
    found = lite.reconcile().matched()
    assert any("the safe burnt down" in line for line in found.json["allowed"])
    assert lite.reconcile("--strict").code == 8


def test_g08_a_receipt_that_fits_the_chain_and_has_no_mac_is_named_as_forged(site):
    key_id = keyed_of(site.run().matched())["key_id"]
    site.execute(f"UPDATE {site.ledger('receipt')} SET key_id = NULL, mac = NULL")
    site.chain_again()
    forged(site, key_id, "receipt 1 is forged", "link 2 is forged")


def test_g08_a_receipt_put_in_while_a_run_goes_on_gets_no_link(lite):
    lite.run().matched()
    lite.write_rows("4,4.5", name="s2.csv")
    lite.sign_otherwise()
    result = lite.migrate_apart("run")
    assert result.code == 8
    assert "is forged" in result.err
    kinds = [kind for (kind,) in lite.query(f"SELECT kind FROM {lite.ledger('chain')}")]
    assert kinds == ["keyed", "run"]


@pytest.mark.parametrize("key", [CANARY, ""])
def test_g08_a_row_and_the_receipt_that_fits_it_are_a_match_without_a_key_only(site, key):
    site.under(key).run().matched()
    site.execute("UPDATE s SET amt = 999 WHERE id = 2")
    found = site.reconcile().json["tables"][0]
    lanes = found["fingerprint_actual"]
    site.execute(f"UPDATE {site.ledger('receipt_table')} SET net_lanes = '{lanes}'")
    site.chain_again()
    result = site.reconcile()
    table = result.json["tables"][0]
    assert table["fingerprint_expected"] == table["fingerprint_actual"]
    if not key:
        result.matched()
        return
    forged(site, keyed_of(result)["key_id"], "receipt 1 is forged")
    assert result.json["verdict"] == "MISMATCH"


def test_g08_a_receipt_with_the_mac_of_another_key_is_named_as_forged(lite):
    key_id = keyed_of(lite.run().matched())["key_id"]
    lite.execute(f"UPDATE {lite.ledger('receipt')} SET mac = '{'0' * 64}'")
    lite.chain_again()
    forged(lite, key_id, "receipt 1 is forged")


def test_g08_a_ledger_without_any_trace_of_the_key_is_no_match(lite):
    lite.run().matched()
    for table in ("receipt", "chain", "table_state"):
        lite.execute(f"UPDATE {lite.ledger(table)} SET key_id = NULL")
    for table in ("receipt", "chain", "change"):
        lite.execute(f"UPDATE {lite.ledger(table)} SET mac = NULL")
    lite.execute(f"UPDATE {lite.ledger('chain')} SET kind = 'adopted' WHERE kind = 'keyed'")
    lite.chain_again()
    result = lite.migrate("reconcile")
    assert result.code == 8
    assert "UNKNOWN" in result.err


def forged(site, key_id, *expected):
    result = site.reconcile()
    assert result.code == 8
    assert result.json["verdict"] in ("UNKNOWN", "MISMATCH")
    said = "; ".join(result.json["ledger"]["reasons"])
    for line in expected:
        assert line in said
    assert key_id in said


def test_the_key_itself_appears_nowhere(site):
    """Not in what is printed, logged or filed, nor in the ledger, nor in what a server logs."""
    log = logged(site)
    site.write_rows("1,1.5", "2,no", "3,3.5")
    texts = [site.run().text]
    site.write_rows("3,33.5", "4,4.5", name="s2.csv")
    commands = ("run --debug", "reconcile --report", "reconcile --json", "report", "status --json")
    commands += ("config show", "plan")
    texts += [site.migrate(*command.split()).text for command in commands]
    texts.append(site.under(OTHER, CANARY).run("--rotate-key").text)
    if site.kind == "postgresql":
        names = "SELECT table_name FROM information_schema.tables WHERE table_schema = '{}'"
        for (name,) in site.query(names.format("messy_migration")):
            texts.append(str(site.query(f"SELECT * FROM messy_migration.{name}")))
    whole = site.everything() + "".join(texts).encode()
    assert b"receipt" in whole
    if log is not None:
        whole += log.read_bytes()
        assert b"INSERT INTO messy_migration.receipt" in whole
    for secret in (CANARY.encode(), OTHER.encode()):
        assert secret not in whole
        assert secret.hex().encode() not in whole
        assert base64.b64encode(secret)[:-4] not in whole


def logged(site):
    """Where the server writes every statement of this database; None where it is not ours."""
    if site.kind != "postgresql":
        return None
    ((database, folder),) = site.query(
        "SELECT current_database(), current_setting('data_directory')"
    )
    site.execute(f"ALTER DATABASE \"{database}\" SET log_statement = 'all'")
    log = Path(folder).parent / "log"
    return log if log.is_file() else None


@pytest.mark.parametrize("where", ["file", "variable"])
def test_a_key_in_plain_is_refused_and_not_printed(lite, where):
    variables = {}
    if where == "file":
        lite.key = ""
        lite.configure(profile=f'fingerprint_key = "{CANARY}"\n')
    else:
        variables["MIGRATE_FINGERPRINT_KEY"] = CANARY
    result = lite.migrate("run", **variables)
    assert result.code == 3
    assert "env://" in result.err
    assert CANARY not in result.text


def test_a_short_key_is_refused_and_not_printed(lite):
    lite.key = "tooshort-1"
    result = lite.run()
    assert result.code == 3
    assert "tooshort-1" not in result.text


def test_the_page_and_the_report_say_what_a_key_claims(lite):
    lite.run().matched()
    evidence, page = lite.evidence
    said = lite.migrate("report")
    assert "without the key" in said.out
    assert "without the key" in page.read_text()
    verified = lite.migrate("report", "verify", str(evidence), str(page))
    assert verified.code == 0
    assert "carries the MAC of the fingerprint_key" in verified.out


def test_evidence_with_a_forged_mac_does_not_verify_where_the_key_is_at_hand(lite):
    lite.run().matched()
    evidence, _ = lite.evidence
    document = json.loads(evidence.read_text())
    document["chain"]["mac"] = "0" * 64
    evidence.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    assert lite.migrate("report", "verify", str(evidence)).code == 8
    away = lite.under("").migrate("report", "verify", str(evidence))
    assert "no key is at hand" in away.out


def test_a_ledger_whose_key_has_no_beginning_is_not_what_runs_have_written(lite):
    lite.run().matched()
    lite.execute(f"UPDATE {lite.ledger('chain')} SET kind = 'lanes' WHERE kind = 'keyed'")
    lite.chain_again()
    found = lite.under("").reconcile()
    assert found.code == 8
    assert any("name a key" in line for line in found.json["ledger"]["reasons"])


def test_status_says_how_much_is_under_the_key(lite):
    key_id = keyed_of(lite.run().matched())["key_id"]
    assert f"fingerprint_key {key_id}: 1 of 1 table" in lite.migrate("status").out
    assert lite.migrate("status", "--json").json["keyed"] == {
        "key_id": key_id,
        "tables": 1,
        "of": 1,
    }


SHOP = """
import pyarrow as pa
from messy_migration.model import *

INT, TEXT = ColumnType("int64"), ColumnType("text")
MISSING = ForeignKey(("owner",), "owners", ("id",), (("id", "=owner"), ("name", "(unknown)")))
OWNERS = Table("owners", (Column("id", INT, True), Column("name", TEXT)), ("id",))
DOGS = Table("dogs", (Column("id", INT, True), Column("owner", INT)), ("id",), (), (MISSING,))

@hookimpl
def streams():
    return [
        Stream("src.owners", (OWNERS,)),
        Stream("src.dogs", (DOGS,), depends_on=("src.owners",)),
    ]

@hookimpl
def extract(stream):
    if stream.name == "src.owners":
        yield Frame(pa.table({"id": [1, 2], "name": ["a", "b"]}))
    else:
        yield Frame(pa.table({"id": [1, 2, 3], "owner": [1, 7, 8]}))
"""
LOADS = """
from messy_migration.fingerprint.rows import fingerprint

@hookimpl
def load(table, batch, connection):
    if table == "owners":
        for row in batch.table.select(["id", "name"]).to_pylist():
            connection.exec_driver_sql(
                f"INSERT INTO owners (id, name) VALUES ({row['id']}, '{row['name']}')"
            )
        {net}
"""
NETS = {
    "its count alone": ("return LoadCounts(2)", "MATCH"),
    "a sum of its own": (
        (
            "twice = fingerprint(batch.table, OWNERS.columns)\n"
            "        row = pa.table({'id': [9], 'name': ['z']})\n"
            "        connection.exec_driver_sql(\"INSERT INTO owners VALUES (9, 'z')\")\n"
            "        return LoadCounts(3, net=twice + fingerprint(row, OWNERS.columns))"
        ),
        "UNKNOWN",
    ),
}


def test_rows_that_stand_for_missing_parents_are_under_the_key(site):
    site.install("src", SHOP, select=False)
    site.plugins = ["src"]
    site.configure_alone()
    result = site.run()
    assert result.json["verdict"] == "MATCH"
    assert site.query("SELECT count(*) FROM owners") == [(4,)]
    assert {keyed_of(result, name)["verdict"] for name in ("owners", "dogs")} == {"MATCH"}
    assert "stub" in [kind for kind, key, mac in site.keyed() if key and mac]
    assert site.reconcile("--strict").json["keyed"]["tables"] == 2


@pytest.mark.parametrize("what", NETS)
def test_what_a_plugin_loads_is_under_the_key_where_all_it_says_is_what_it_was_given(lite, what):
    net, word = NETS[what]
    lite.install("src", SHOP + LOADS.replace("{net}", net), select=False)
    lite.plugins = ["src"]
    lite.configure_alone()
    result = lite.run()
    assert result.json["verdict"] == "MATCH"
    assert keyed_of(result, "owners")["verdict"] == word
    assert lite.reconcile("--strict").code == (0 if word == "MATCH" else 8)
    lite.run("--rotate-key").matched()
    assert keyed_of(lite.reconcile().matched(), "owners")["verdict"] == "MATCH"
