"""The keyed sum of what a batch did is that of the rows it left minus that of those before."""

from __future__ import annotations

from decimal import Decimal

import pytest

from messy_migration.databases.keyed import sums_of, texts
from messy_migration.databases.merge import add, merge
from messy_migration.databases.naming import scoped
from messy_migration.fingerprint.keyed import Key
from messy_migration.fingerprint.rows import fingerprint_texts
from messy_migration.model import Fingerprint

KEY = Key("a secret of the tests")
KINDS = {"id": "int32", "at": "timestamp", "name": "text", "money": "decimal(12,2)", "doc": "json"}


@pytest.fixture
def table(site, table_of):
    table = table_of("keyed", KINDS, key=("id",))
    site.create(table)
    return table


def rows(site, table, *keys, name="n"):
    return site.data(table, *((one, None, name, Decimal(one), '{"a": 1}') for one in keys))


def stored(site, table):
    with site.begin() as connection:
        source = scoped(connection, site.dialect, table)
        return sums_of(connection, site.dialect, table, source, KEY)


def test_rows_that_are_added_have_the_keyed_sum_of_the_rows_that_stand_there(site, table):
    with site.begin() as connection:
        written = add(connection, site.dialect, table, rows(site, table, 1, 2, 3), None, KEY)
    assert (written.net, written.keyed) == stored(site, table)


def test_a_merge_takes_off_the_keyed_sum_of_the_rows_that_it_replaces(site, table):
    total = keyed = Fingerprint()
    for batch in (
        rows(site, table, 1, 2, 3),
        rows(site, table, 2, 3, 4, name="other"),  # replaces two, adds one
        rows(site, table, 3, 4, name="other"),  # changes nothing
        rows(site, table, 1, 2, 3, 4),
    ):
        with site.begin() as connection:
            how = {"bookmark": None, "is_first": False, "key": KEY}
            written = merge(connection, site.dialect, table, batch, **how)
        total, keyed = total + written.net, keyed + written.keyed
        assert (total, keyed) == stored(site, table)


def test_without_a_key_there_is_no_keyed_sum_and_no_row_is_read_back(site, table, monkeypatch):
    monkeypatch.setattr(
        "messy_migration.databases.keyed.texts", lambda *_: pytest.fail("rows were read back")
    )
    for name in ("a", "b"):
        with site.begin() as connection:
            batch = rows(site, table, 1, 2, name=name)
            written = merge(connection, site.dialect, table, batch, bookmark=None, is_first=False)
        assert written.keyed is None


def test_rows_come_back_in_chunks_as_they_were_sent(site, table):
    batch = rows(site, table, *range(12_000))
    with site.begin() as connection:
        written = add(connection, site.dialect, table, batch, None, KEY)
        source = scoped(connection, site.dialect, table)
        assert fingerprint_texts(texts(connection, site.dialect, table, source)) == written.net
    assert (written.net, written.keyed) == stored(site, table)
