"""Equal sums are no silent MATCH where others wrote the rows (G07)."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from messy_migration import api
from messy_migration.workspace import Request

ROWS = 1_024
FORGED = Path(__file__).parents[2] / "data" / "forged_sums.csv"
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
name = { type = "text" }
amt = { type = "decimal(18,4)" }
"""


class Site:
    """A table of 1,024 rows in PostgreSQL that one run has loaded."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        body = "".join(f"{row},name {row},{row * 1.25:.4f}\n" for row in range(1, ROWS + 1))
        (folder / "s.csv").write_text(f"id,name,amt\n{body}")
        (folder / "s.toml").write_text(SCHEMA)
        (folder / "migrate.toml").write_text(
            f'[profiles.default]\ntarget = "{url}"\nplugins = ["files"]\nworkers = 1\n'
            '[files.streams.s]\npath = "s*.csv"\nschema = "s.toml"\n'
        )

    @property
    def request(self):
        return Request(config=self.folder / "migrate.toml")

    def run(self, **options):
        return api.run(self.request, options=api.RunOptions(**options))

    def reconcile(self, **asked):
        return api.reconcile(self.request, options=api.ReconcileOptions(**asked))

    def execute(self, *statements, level=None):
        engine = create_engine(
            self.url, poolclass=NullPool, isolation_level=level or "READ COMMITTED"
        )
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def forge(self):
        """Other amounts in all rows, with the sums of hashes that were there before."""
        rows = list(csv.reader(FORGED.read_text().splitlines()))
        values = ", ".join(f"({row}, {amount})" for row, _, amount in rows)
        self.execute(
            f"UPDATE s SET amt = f.amt FROM (VALUES {values}) f(id, amt) WHERE f.id = s.id"
        )


@pytest.fixture
def site(tmp_path, postgres_url):
    site = Site(tmp_path, postgres_url)
    assert site.run().exit_code == 0
    return site


def verdict_of(result):
    (verdict,) = result.proof.verdicts
    return verdict


def test_g07_what_nobody_touched_is_a_plain_match_under_strict_too(site):
    result = site.reconcile(strict=True)
    assert (result.verdict, result.exit_code) == ("MATCH", 0)
    found = verdict_of(result)
    assert (found.reason, found.authors.ours, found.authors.others) == ("", ROWS, 0)


def test_g07_forged_sums_are_equal_and_the_match_says_that_others_wrote_the_rows(site):
    site.forge()
    result = site.reconcile()
    found = verdict_of(result)
    assert found.expected == found.actual  # the sums alone tell nothing
    assert result.verdict == "MATCH"
    assert found.reason == f"{ROWS:,} rows were written by others since the load"
    assert found.authors.others == ROWS
    strict = site.reconcile(strict=True)
    assert strict.exit_code == 8
    assert any("written by others" in line for line in strict.proof.allowed)
    assert site.reconcile(against="landed").verdict == "MISMATCH"


def test_g07_the_command_says_it_in_text_and_as_json(site):
    site.forge()
    command = [sys.executable, "-m", "messy_migration", "reconcile"]
    said = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, check=False)
    assert said.returncode == 0
    assert f"MATCH: {ROWS:,} rows were written by others since the load" in said.stdout
    told = subprocess.run(
        [*command, "--json"], cwd=site.folder, capture_output=True, text=True, check=False
    )
    (table,) = json.loads(told.stdout)["tables"]
    assert table["authors"]["others"] == ROWS


def test_g07_a_run_on_a_forged_table_says_it_at_its_end(site):
    site.forge()
    (site.folder / "s2.csv").write_text("id,name,amt\n2000,late,1\n")
    outcome = site.run()
    (found,) = outcome.proof.verdicts
    assert found.authors.others == ROWS
    assert f"{ROWS:,} rows were written by others" in found.reason


def test_g07_one_row_put_back_as_it_was_is_said_too(site):
    site.execute(*(f"UPDATE s SET amt = amt {sign} 1 WHERE id = 7" for sign in "+-"))
    found = verdict_of(site.reconcile())
    assert (found.verdict, found.authors.others) == ("MATCH", 1)


def test_g07_rows_that_were_adopted_are_told_apart_from_those_that_came_later(site):
    site.execute("UPDATE s SET name = 'x' WHERE id <= 10")
    assert site.run(accept_foreign="agreed").exit_code == 0
    found = verdict_of(site.reconcile())
    assert (found.authors.adopted, found.authors.others, found.reason) == (10, 0, "")
    site.execute("UPDATE s SET name = name WHERE id BETWEEN 6 AND 12")
    found = verdict_of(site.reconcile())
    assert (found.verdict, found.authors.adopted, found.authors.others) == ("MATCH", 5, 7)


def test_g07_vacuum_full_gives_the_table_another_file_and_its_rows_no_other_author(site):
    site.execute("VACUUM (FULL, FREEZE) s", level="AUTOCOMMIT")
    found = verdict_of(site.reconcile(strict=True))
    assert (found.verdict, found.reason, found.authors.ours) == ("MATCH", "", ROWS)


def test_g07_rows_of_a_rewritten_table_are_one_group_before_the_move(site):
    site.execute(
        "ALTER TABLE s ALTER amt TYPE numeric(18,4) USING amt + 0, ADD c int DEFAULT random()*9"
    )
    site.execute("ALTER TABLE s DROP c")
    site.execute("UPDATE s SET name = name WHERE id = 3")
    result = site.reconcile()
    found = verdict_of(result)
    assert (found.verdict, found.authors.moved, found.authors.others) == ("MATCH", ROWS, 0)
    assert "before the table or its server was moved" in found.reason
    assert site.reconcile(strict=True).exit_code == 8


@pytest.mark.parametrize("server", ["7/1", "{identifier}/7"], ids=["server", "timeline"])
def test_g07_on_another_server_or_timeline_all_earlier_rows_are_one_group(site, server):
    site.execute(
        "UPDATE messy_migration.receipt SET server ="
        f" replace('{server}', '{{identifier}}', split_part(server, '/', 1))"
    )
    with create_engine(site.url, poolclass=NullPool).connect() as connection:
        assert (
            "/"
            in connection.execute(
                text("SELECT DISTINCT server FROM messy_migration.receipt")
            ).scalar_one()
        )
    found = verdict_of(site.reconcile())
    assert (found.authors.ours, found.authors.moved, found.authors.others) == (0, ROWS, 0)
