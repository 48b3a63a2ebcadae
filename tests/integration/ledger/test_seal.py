"""The ledger under its seal: lanes, links while a run goes on, and current state (G08, G09)."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from messy_migration import api
from messy_migration.errors import MigrationError, ProofError
from messy_migration.ledger import chain, clock, lanes, schema, sealed
from messy_migration.ledger.chain import sha256_of
from messy_migration.ledger.tables import ledger
from messy_migration.run import run as running
from messy_migration.run import sealing
from messy_migration.run.anchors import ANCHORS
from messy_migration.workspace import Request

SCHEMA = """
table = "s"
key = ["id"]
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = [""]
[columns]
id = { type = "int64", required = true }
amt = { type = "decimal(18,4)" }
"""
BROKEN = "the ledger is not what runs have written"


class Site:
    """A folder and a target, with means to write into its ledger by hand."""

    def __init__(self, folder, url, kind):
        self.folder, self.url, self.kind = folder, url, kind
        self.ledger = ledger(kind)
        (folder / "s.toml").write_text(SCHEMA)
        (folder / "migrate.toml").write_text(
            f'[profiles.default]\ntarget = "{url}"\nplugins = ["files"]\nworkers = 1\n'
            "batch_records = 10\nquarantine_limit = 90.0\n"
            '[files.streams.s]\npath = "s*.csv"\nschema = "s.toml"\n'
        )
        self.write("s1.csv", range(1, 41))

    def write(self, name, numbers):
        rows = "".join(f"{number},{number}.5\n" for number in numbers)
        (self.folder / name).write_text(f"id,amt\n{rows}x,bad\n")

    @property
    def request(self):
        return Request(config=self.folder / "migrate.toml")

    def run(self, **options):
        return api.run(self.request, options=api.RunOptions(**options))

    def reconcile(self, **asked):
        return api.reconcile(self.request, options=api.ReconcileOptions(**asked))

    def refused(self):
        with pytest.raises(ProofError) as caught:
            self.run()
        assert caught.value.what == BROKEN
        return caught.value.why

    def execute(self, *statements):
        """Write by hand; `{receipt}` is a table of the ledger."""
        names = {name: getattr(self.ledger, name).fullname for name in self.tables}
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            found = [connection.execute(text(one.format(**names))) for one in statements]
            rows = found[-1].all() if found[-1].returns_rows else []
        engine.dispose()
        return rows

    @property
    def tables(self):
        return [name for name in self.ledger.__dataclass_fields__ if name != "metadata"]

    def kill(self):
        """Leave everything as it is where the newest run is killed before it can close."""
        self.execute(
            "DELETE FROM {change} WHERE seq = (SELECT max(seq) FROM {change})",
            "DELETE FROM {chain} WHERE ordinal = (SELECT max(ordinal) FROM {chain})",
            "UPDATE {run} SET state = 'open', verdict = NULL, exit_code = NULL, report = NULL,"
            " finished_at = NULL WHERE started_at = (SELECT max(started_at) FROM {run})",
        )
        anchors = self.folder / ANCHORS
        lines = anchors.read_text().splitlines(keepends=True)
        anchors.write_text("".join(lines[:-1]))

    def columns(self):
        """Of the receipts; the first is their number."""
        return list(self.ledger.receipt.columns.keys())

    def load(self):
        assert self.run().exit_code == 0
        self.write("s2.csv", range(41, 71))
        assert self.run().exit_code == 0
        return self


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with a SQLite target that two runs have loaded, and a copy of it."""
    folder = tmp_path_factory.mktemp("seal") / "site"
    folder.mkdir()
    site = Site(folder, f"sqlite:///{folder / 'target.db'}", "sqlite").load()
    shutil.copytree(folder, folder.parent / "copy")
    return site


@pytest.fixture
def loaded(kept):
    """As the second run left it."""
    shutil.rmtree(kept.folder)
    shutil.copytree(kept.folder.parent / "copy", kept.folder)
    return kept


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request, tmp_path):
    """Nothing is loaded yet."""
    url = f"sqlite:///{tmp_path / 'target.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    return Site(tmp_path, url, request.param)


@pytest.fixture
def killed(loaded):
    """The second run was killed after its rows, before its link."""
    loaded.kill()
    return loaded


@pytest.fixture
def eager(monkeypatch):
    """A run that writes a link at every occasion."""
    monkeypatch.setattr(sealing, "SEAL_SECONDS", 0.0)
    monkeypatch.setattr(running, "BEAT_SECONDS", 0.0)


def reasons(result):
    assert (result.verdict, result.exit_code) != ("MATCH", 0)
    return " / ".join(result.audit.reasons)


def test_every_table_and_column_of_the_ledger_is_declared():
    for kind in ("sqlite", "postgresql"):
        tables = ledger(kind)
        for name in tables.__dataclass_fields__:
            if name in ("metadata", *sealed.CURRENT, *sealed.LEFT_OUT):
                continue
            columns = set(getattr(tables, name).c.keys())
            held = set(sealed.columns(name, chain.HEAD)) | set(sealed.OTHERWISE[name])
            assert columns == held, f"{name}: declare what differs in ledger/sealed.py"
    declared = {*sealed.CURRENT, *sealed.LEFT_OUT, *sealed.OTHERWISE, "metadata"}
    assert declared == set(tables.__dataclass_fields__)


def test_what_links_of_older_revisions_hold_fast_does_not_change():
    """Their digests stand in ledgers: columns that come later come under a later revision."""
    assert [sealed.columns_digest(revision)[:16] for revision in ("0002", "0003", "0004")] == [
        *DIGESTS
    ]


DIGESTS = ("cb15c011b1e375e7", "d25730ee40a2bf8e", "678c4d8f4ae10ec2")


def test_two_runs_that_nobody_touched_are_whole_under_strict(site):
    result = site.load().reconcile(strict=True)
    found = result.audit
    assert (result.verdict, found.reasons, found.unsealed, found.words) == ("MATCH", (), 0, ())


def test_g08_an_open_run_and_a_receipt_put_in_by_hand_are_found(loaded):
    """The input of the fault: the difference of an amount, signed for by a made-up receipt."""
    names = loaded.columns()[1:]
    made = {"batch_id": "'made'", "run_id": "'made'"}
    values = ", ".join(made.get(name, name) for name in names)
    head = loaded.execute("SELECT head FROM {chain} ORDER BY ordinal DESC LIMIT 1")[0][0]
    loaded.execute(
        "INSERT INTO {run} SELECT 'made', profile, plugins, selection, 'open', options, versions,"
        " host, pid, actor, started_at, NULL, NULL, NULL, NULL FROM {run} LIMIT 1",
        f"INSERT INTO {{receipt}} ({', '.join(names)}) SELECT {values} FROM {{receipt}} LIMIT 1",
        "UPDATE {receipt} SET lane = NULL, lane_number = NULL WHERE batch_id = 'made'",
        "UPDATE s SET amt = '99.5' WHERE id = 7",
    )
    result = loaded.reconcile(anchor=head, strict=True)
    assert (result.exit_code, result.audit.is_anchored) == (8, True)
    assert "is in the lane of no process" in reasons(result)
    assert "a row of run was written by hand: run_id made" in reasons(result)
    assert "in the lane of no process" in loaded.refused()


def test_g08_receipts_of_a_killed_run_are_unsealed_until_another_one_seals_them(killed):
    result = killed.reconcile()
    assert (result.verdict, result.exit_code) == ("MATCH", 0)
    assert result.audit.unsealed > 0
    assert "are unsealed" in result.audit.words[-1]
    assert "behind link 1" in result.audit.words[-1]
    strict = killed.reconcile(strict=True)
    assert strict.exit_code == 8
    assert any("are unsealed" in line for line in strict.proof.allowed)
    assert killed.run().exit_code == 0
    again = killed.reconcile(strict=True)
    assert (again.exit_code, again.audit.unsealed) == (0, 0)


def test_g08_a_receipt_with_a_lane_of_its_own_is_unsealed_and_no_match_under_strict(killed):
    """Without a key anybody can make a lane; it is never sealed, and that is said."""
    before = killed.reconcile().audit.unsealed
    names = killed.columns()[1:]
    made = {"batch_id": "'made'", "lane": "'0004-made'", "lane_number": "1", "previous": "''"}
    values = ", ".join(made.get(name, name) for name in names)
    last = "WHERE seq = (SELECT max(seq) FROM {receipt})"
    insert = f"INSERT INTO {{receipt}} ({', '.join(names)}) SELECT {values} FROM {{receipt}} "
    killed.execute(insert + last)
    result = killed.reconcile(strict=True)
    assert result.audit.unsealed == before + 1
    assert result.exit_code == 8


EDITS = {
    "its counts": "UPDATE {receipt} SET loaded = loaded - 1, filtered = filtered + 1",
    "its transaction": "UPDATE {receipt} SET xid = '4'",
    "its server": "UPDATE {receipt} SET server = '1/1'",
    "its parts": "UPDATE {receipt_table} SET net_rows = net_rows + 1, inserted = inserted + 1",
    "its place": "UPDATE {receipt} SET lane_number = lane_number + 1",
}


@pytest.mark.parametrize("statement", EDITS.values(), ids=EDITS)
def test_g08_an_edit_of_an_unsealed_receipt_breaks_its_lane(killed, statement):
    """All but the newest item of a lane are held fast by the item behind them."""
    where = " WHERE batch_id IN (SELECT batch_id FROM {receipt} ORDER BY seq DESC LIMIT 3)"
    killed.execute(statement + where)
    assert "lane" in reasons(killed.reconcile()) or "follow" in reasons(killed.reconcile())
    assert killed.refused()


def test_g08_a_run_names_its_lanes_in_links_while_it_goes_on(site, eager):
    outcome = site.run()
    links = site.execute("SELECT kind, lanes FROM {chain} ORDER BY ordinal")
    assert [kind for kind, _ in links][-1] == "run"
    assert [kind for kind, _ in links].count("run") == 1
    assert any(json.loads(named or "{}") for kind, named in links if kind == "lanes")
    document = json.loads(Path(outcome.report).read_text(encoding="utf-8"))
    assert len(document["links"]) == len(links) - 1
    assert all(
        found.is_verified for found in api.verify_reports([Path(outcome.report)], site.folder)
    )
    anchored = (site.folder / ANCHORS).read_text().splitlines()
    assert [json.loads(line)["ordinal"] for line in anchored] == list(range(1, len(links) + 1))
    assert site.reconcile(strict=True).exit_code == 0


def test_g08_what_a_link_named_is_sealed_in_a_killed_run_too(site, eager):
    site.run()
    site.kill()
    first = site.reconcile().audit
    assert first.newest.kind == "lanes"
    assert first.pending > 0
    named = json.loads(first.newest.lanes)
    lane, (number, _) = next(iter(named.items()))
    site.execute(f"UPDATE {{change}} SET written_at = 'x' WHERE lane = '{lane}'")
    site.execute(f"UPDATE {{receipt}} SET pid = 4 WHERE lane = '{lane}'")
    assert "sealed" in reasons(site.reconcile()) or "follow" in reasons(site.reconcile())
    site.execute(
        f"DELETE FROM {{receipt}} WHERE lane = '{lane}'",
        f"DELETE FROM {{change}} WHERE lane = '{lane}'",
    )
    assert "that a link of the chain sealed are gone" in reasons(site.reconcile())
    assert number > 0


LARGER = (
    """replace(definition, '"amt", "decimal(18,4)", false',"""
    """ '"amt", "decimal(18,4)", false, null, "100000"')"""
)
STATE = {
    "a tolerance": f"UPDATE {{table_state}} SET definition = {LARGER}",
    "key_pending": "UPDATE {table_state} SET state = 'key_pending'",
    "rows of before": "UPDATE {table_state} SET baseline_rows = 5",
    "an identity": "UPDATE {table_state} SET schema_name = 'other'",
    "a table": "INSERT INTO {table_state} SELECT 't', scope, stream, tenant, format_id,"
    " definition, created, first_run, baseline_rows, bookmark, state, schema_name, object_id,"
    " key_id FROM {table_state}",
    "an exit code": "UPDATE {run} SET exit_code = 7",
    "a report": "UPDATE {run} SET report = '/tmp/other.json'",
    "options": "UPDATE {run} SET options = '{{}}'",
    "an actor": "UPDATE {run} SET actor = 'somebody'",
    "a partition": "UPDATE {partition} SET records = 1",
    "a bookmark": "INSERT INTO {bookmark} VALUES ('files.s', '', '2030-01-01', 'x')",
    "a landing": "INSERT INTO {landing} VALUES ('files.s', '', 'd', 'x', '/x', 'x', 1, 'x')",
    "a stamp": "UPDATE {stamp} SET kind = 'sandbox'",
    "a stamp gone": "DELETE FROM {stamp}",
    "a change": "UPDATE {change} SET row_digest = 'x:y'"
    " WHERE seq = (SELECT min(seq) FROM {change})",
    "a change gone": "DELETE FROM {change} WHERE seq = (SELECT min(seq) FROM {change})",
}
AT_ONCE = (
    *("a tolerance", "key_pending", "rows of before", "an identity", "a table", "an exit code"),
    *("a report", "a bookmark", "a landing", "a change gone"),
)


@pytest.mark.parametrize("name", STATE)
def test_g09_what_was_edited_by_hand_is_found(loaded, name):
    loaded.execute(STATE[name])
    for against in ("ledger", "landed"):
        result = loaded.reconcile(against=against)
        assert reasons(result)
        assert all(item.verdict != "MATCH" for item in result.proof.verdicts)


@pytest.mark.parametrize("name", AT_ONCE)
def test_g09_no_run_begins_on_it(loaded, name):
    loaded.execute(STATE[name])
    assert loaded.refused()


@pytest.mark.parametrize("name", ["a stamp", "a stamp gone"])
def test_g09_a_stamp_that_was_edited_lets_no_run_begin(loaded, name):
    loaded.execute(STATE[name])
    with pytest.raises(MigrationError):
        loaded.run()


def test_g09_state_and_its_change_edited_together_are_found(loaded):
    loaded.execute(STATE["key_pending"])
    ((key, rows),) = _rows(loaded, "table_state")
    digest = f"salt:{sha256_of(['salt', rows])}"
    loaded.execute(
        f"UPDATE {{change}} SET row_digest = '{digest}' WHERE table_name = 'table_state'"
    )
    assert key[0] == "s"
    assert "the current state of the ledger is not what link 2" in reasons(loaded.reconcile())
    assert loaded.refused()


def _rows(site, name):
    from messy_migration.ledger import changes

    engine = create_engine(site.url, poolclass=NullPool)
    with engine.begin() as connection:
        found = list(changes._rows(connection, site.ledger, name))
    engine.dispose()
    return found


def test_clocks_that_jump_break_no_lane_and_no_link(site, monkeypatch, eager):
    moments = iter(f"{year}-06-01T00:00:00.000000+00:00" for year in [2031, 2019] * 10_000)
    for module in ("changes", "receipts", "runs", "quarantine", "fence"):
        monkeypatch.setattr(f"messy_migration.ledger.{module}.now", lambda: next(moments))
    monkeypatch.setattr(clock, "now", lambda: next(moments))
    assert site.run().exit_code == 0
    site.write("s2.csv", range(41, 71))
    assert site.run().exit_code == 0
    result = site.reconcile(strict=True)
    assert (result.exit_code, result.audit.reasons) == (0, ())


def test_s_u2_a_closed_run_needs_a_link_though_nothing_else_is_wrong(loaded):
    """A run without receipts, with a change in a lane of its own as a run would write it."""
    made = "'0199-made'"
    loaded.execute(
        f"INSERT INTO {{run}} SELECT {made}, profile, plugins, selection, 'done', options,"
        " versions, host, pid, actor, started_at, '2000-01-01', 'MATCH', 0, NULL FROM {run}"
        " LIMIT 1"
    )
    rows = dict(_rows(loaded, "run"))["0199-made",]
    digest = f"salt:{sha256_of(['salt', rows])}"
    loaded.execute(
        "INSERT INTO {change} (run_id, table_name, row_key, row_digest, lane, lane_number,"
        f" previous, written_at) VALUES ({made}, 'run', '[\"0199-made\"]', '{digest}', '0004-x', 1,"
        " '', '')"
    )
    found = loaded.reconcile()
    assert found.audit.reasons == ("run 0199-made is closed, and no link of the chain is of it",)
    assert found.exit_code == 8


def test_s_u3_a_receipt_smuggled_into_a_covered_range_stops_a_run(loaded):
    names = loaded.columns()
    made = {"batch_id": "'made'", "seq": "0"}
    values = ", ".join(made.get(name, name) for name in names)
    loaded.execute(
        f"INSERT INTO {{receipt}} ({', '.join(names)}) SELECT {values} FROM {{receipt}}"
        " ORDER BY seq LIMIT 1"
    )
    assert "receipts, " in loaded.refused()
    assert "the chain covers" in loaded.refused()


def test_a_lane_goes_on_over_commits_and_ends_with_a_transaction_that_did_not(site):
    engine = create_engine(site.url, poolclass=NullPool)
    lane = lanes.Lane()
    with engine.begin() as connection:
        first = lane.slot(connection)
        lane.wrote(first, "one")
        second = lane.slot(connection)
        lane.wrote(second, "two")
    lane.settle()
    assert (first.lane_number, first.previous) == (1, "")
    assert (second.lane_number, second.previous, second.lane) == (2, "one", first.lane)
    with engine.connect() as connection, connection.begin() as transaction:
        third = lane.slot(connection)
        lane.wrote(third, "three")
        transaction.rollback()
    with engine.begin() as connection:
        fourth = lane.slot(connection)
    assert (third.lane, third.lane_number) == (first.lane, 3)
    assert (fourth.lane_number, fourth.previous) == (1, "")
    assert fourth.lane != first.lane
    engine.dispose()


def made_older(site):
    """Set the ledger back to revision 0002, with the links that a program of then wrote."""
    engine = create_engine(site.url, poolclass=NullPool)
    tables = site.ledger
    with engine.begin() as connection:
        connection.execute(tables.quarantine.update().values(salt=None, payload_digest=None))
        connection.execute(tables.receipt.update().values(salt=None, reason_digest=None))
        before = None
        for link in chain.links(connection, tables):
            newer = ("revision", "columns_digest", "lanes", "last_change", "changes")
            newer += ("changes_digest", "state_digest", "key_id", "mac")
            older = replace(link, **dict.fromkeys(newer))
            held = chain.covered(connection, tables, before, older)
            before = replace(
                older,
                previous=before.head if before else link.previous,
                receipts_digest=held.receipts_digest,
                quarantine_digest=held.quarantine_digest,
            ).sealed()
            connection.execute(
                tables.chain.update()
                .where(tables.chain.c.ordinal == link.ordinal)
                .values(**{field.name: getattr(before, field.name) for field in fields(before)})
            )
        config = Config()
        config.set_main_option("script_location", str(schema.revisions()))
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    engine.dispose()
    (site.folder / ANCHORS).unlink()


def test_a_ledger_from_before_is_upgraded_and_its_unchained_past_is_said(loaded):
    made_older(loaded)
    loaded.write("s3.csv", range(71, 75))
    assert loaded.run().exit_code == 0
    result = loaded.reconcile(strict=True)
    assert (result.verdict, result.exit_code, result.audit.reasons) == ("MATCH", 0, ())
    (note,) = result.audit.words
    assert "link 3" in note
    assert "an older program wrote what came before, and sealed only receipts and plans" in note
    assert loaded.execute("SELECT schema_name FROM {table_state}") == [("main",)]
    assert loaded.execute("SELECT kind FROM {chain} ORDER BY ordinal")[2:] == [
        ("adopted",),
        ("run",),
    ]


def test_an_older_ledger_that_was_edited_is_not_adopted(loaded):
    made_older(loaded)
    loaded.execute("UPDATE {receipt} SET pid = 4 WHERE seq = (SELECT max(seq) FROM {receipt})")
    assert "the receipts of link 2" in loaded.refused()
    assert loaded.execute("SELECT max(ordinal) FROM {chain}") == [(2,)]
