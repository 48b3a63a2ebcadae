"""A table is proven only if it is the very one that was loaded (G06)."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from messy_migration import api
from messy_migration.errors import MigrationError

from .test_authors import ROWS, Site, verdict_of


@pytest.fixture
def site(tmp_path, postgres_url):
    """Loaded by a role that looks into a schema of its own name first, as is the default."""
    site = Site(tmp_path, postgres_url)
    assert site.run().exit_code == 0
    return site


@pytest.fixture
def shadowed(site):
    """The input of the fault: another `s` where the loader looks first; the first is edited."""
    role = make_url(site.url).username
    site.execute(
        f'CREATE SCHEMA "{role}"',
        f'CREATE TABLE "{role}".s (LIKE public.s INCLUDING ALL)',
        f'INSERT INTO "{role}".s SELECT * FROM public.s',
        "UPDATE public.s SET amt = 0",
    )
    return site, role


@pytest.mark.parametrize(
    "asked", [{}, {"strict": True}, {"against": "landed"}, {"against": "source"}], ids=str
)
def test_g06_a_table_in_another_schema_is_unknown_in_every_form(shadowed, asked):
    site, role = shadowed
    result = site.reconcile(**asked)
    found = verdict_of(result)
    assert (found.verdict, result.exit_code) in (("UNKNOWN", 8), ("MISMATCH", 8))
    if found.verdict == "UNKNOWN":
        assert found.reason.startswith(f"was public.s, is {role}.s")


def test_g06_the_quick_form_and_a_run_say_it_too(shadowed):
    site, _ = shadowed
    (found,) = site.reconcile(quick=True).untouched
    assert found.verdict in ("UNKNOWN", "TOUCHED")
    with pytest.raises(MigrationError) as caught:
        site.run()
    assert caught.value.exit_code == 8


def test_g06_a_table_made_again_with_the_same_rows_is_proven_and_told_in_one_line(site):
    site.execute(
        "CREATE TABLE kept AS SELECT * FROM s",
        "DROP TABLE s",
        "CREATE TABLE s (id bigint PRIMARY KEY, name text, amt numeric(18,4))",
        "INSERT INTO s SELECT * FROM kept",
    )
    result = site.reconcile()
    found = verdict_of(result)
    assert (found.verdict, result.exit_code) == ("MATCH", 0)
    assert "dropped and made again since it was loaded (oid " in found.reason
    assert found.authors.moved == ROWS


def test_g06_a_table_that_was_renamed_and_replaced_is_not_the_one_that_was_loaded(site):
    site.execute(
        "ALTER TABLE s RENAME TO t",
        "CREATE VIEW s AS SELECT * FROM t",
    )
    found = verdict_of(site.reconcile())
    assert (found.verdict, found.actual) == ("UNKNOWN", None)
    assert "s is a view now" in found.reason
    assert site.reconcile(strict=True).exit_code == 8


def test_g06_the_ledger_keeps_schema_and_oid_and_a_second_run_leaves_them(site):
    query = text("SELECT schema_name, object_id FROM messy_migration.table_state")
    oid = text("SELECT 'public.s'::regclass::oid::text")
    engine = create_engine(site.url, poolclass=NullPool)
    with engine.begin() as connection:
        assert connection.execute(query).one() == ("public", connection.execute(oid).scalar_one())
    (site.folder / "s2.csv").write_text("id,name,amt\n2000,late,1\n")
    site.run()
    with engine.begin() as connection:
        assert connection.execute(query).one() == ("public", connection.execute(oid).scalar_one())
    engine.dispose()


def test_g06_in_sqlite_a_table_is_in_the_main_schema_and_has_no_number(tmp_path):
    site = Site(tmp_path, f"sqlite:///{tmp_path / 'target.db'}")
    site.run()
    engine = create_engine(site.url, poolclass=NullPool)
    with engine.begin() as connection:
        query = text("SELECT schema_name, object_id FROM messy_migration_table_state")
        assert connection.execute(query).one() == ("main", None)
    engine.dispose()
    assert api.reconcile(site.request).exit_code == 0
