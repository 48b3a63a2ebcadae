"""What the ledger is asked, on a ledger in a file that a test has written by itself."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from messy_migration.ledger import audit as auditing
from messy_migration.ledger import chain, quarantine, receipts, schema
from messy_migration.ledger.chain import Link
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.quarantine import Entry
from messy_migration.ledger.tables import ledger
from messy_migration.model import Fingerprint, Partition, Receipt, TableReceipt

from ..sqlite_site import site_in

LEDGER = ledger("sqlite")
SIGNATURE = Signature("run", 1, 1, "2026-01-01T00:00:00+00:00")
ONE, TWO = Partition("one.csv", "digest of one"), Partition("two.csv", "digest of two")


@pytest.fixture
def site(tmp_path):
    site = site_in(tmp_path)
    with site.begin() as connection:
        schema.upgrade(connection)
    return site


def batch(
    site, identity="a batch", kind="load", signature=SIGNATURE, inserted=2, entries=(), **more
):
    """Write one receipt."""
    part = TableReceipt("t", (), "f" * 16, inserted, 0, 0, Fingerprint(inserted, 1, 2))
    counts = {"extracted": 2 + len(entries), "loaded": 2, "quarantined": len(entries), **more}
    receipt = Receipt(
        **{
            "batch_id": identity, "stream": "shop.s", "tenant": "", "partition": ONE.digest,
            "ordinal": 0, "last": False, "filtered": {}, "tables": (part,), **counts,
        }
    )  # fmt: skip
    with site.begin() as connection:
        held = quarantine.write(connection, LEDGER, "run", identity, "shop.s", "", entries)
        receipts.write(connection, LEDGER, signature, receipt, kind=kind, quarantined=held)


def asked(site, question, *arguments):
    with site.reading() as connection:
        return question(connection, LEDGER, *arguments)


def test_a_partition_is_complete_with_its_last_batch_alone(site):
    batch(site, "one", ordinal=0)
    assert asked(site, receipts.complete) == set()
    batch(site, "two", ordinal=1, last=True)
    assert asked(site, receipts.complete) == {("shop.s", "", ONE.digest)}
    batch(site, "three", kind="stub", last=True, partition=TWO.digest)
    assert asked(site, receipts.complete) == {("shop.s", "", ONE.digest)}


@pytest.mark.parametrize("part", ["", ".0-5"])
def test_a_partition_is_begun_with_its_first_batch_or_with_a_part_of_it(site, part):
    """Whatever its plan is, it must be known to be half loaded."""
    assert asked(site, receipts.begun) == set()
    second = receipts.batch_id("shop.s", "", "other", TWO.digest, 1)
    batch(site, second, partition=TWO.digest, ordinal=1)
    first = receipts.batch_id("shop.s", "", "plan", ONE.digest, 0)
    batch(site, f"{first}{part}")
    assert asked(site, receipts.begun) == {("shop.s", "", ONE.digest)}
    assert asked(site, receipts.batches, "shop.s", "", ONE.digest) == {0: {first}}
    assert asked(site, receipts.batches, "shop.s", "", TWO.digest) == {1: {second}}


@pytest.mark.parametrize("inserted, is_so", [(2, True), (1, False), (0, False), (3, False)])
def test_a_record_that_made_no_row_or_several_is_not_one_row(site, inserted, is_so):
    batch(site, "one", inserted=inserted)
    assert asked(site, receipts.has_one_row_a_record, "t", ()) is is_so
    assert asked(site, receipts.has_one_row_a_record, "other", ()) is True


def link(**changes):
    values = {
        field.name: 1 if field.type in ("int", int) else f"the {field.name}"
        for field in fields(Link)
    }
    return Link(**values | {"head": "", **changes}).sealed()


@pytest.mark.parametrize(
    "name", [one.name for one in fields(Link) if one.name not in ("head", "mac")]
)
def test_a_head_depends_on_every_field_of_its_link(name):
    before = link()
    other = 2 if isinstance(getattr(before, name), int) else "another"
    assert chain.head_of(replace(before, **{name: other})) != before.head
    assert chain.head_of(replace(before, head="")) == before.head


def test_links_follow_from_each_other_without_a_gap():
    one = link()
    two = link(ordinal=2, previous=one.head)
    three = link(ordinal=3, previous=two.head)
    assert list(auditing._linked([one, two, three])) == []
    (gap,) = auditing._linked([one, three])
    assert "link 2 of the chain is missing" in gap
    other = link(ordinal=2, previous="another head")
    (stranger,) = auditing._linked([one, other])
    assert "does not follow" in stranger
    (edited,) = auditing._linked([one, replace(two, verdict="MATCH"), three])
    assert "was changed" in edited


EDITS = [
    "UPDATE messy_migration_quarantine SET payload = 'another'",
    "UPDATE messy_migration_quarantine SET reason = 'another'",
    "UPDATE messy_migration_quarantine SET identity = 'another'",
    "DELETE FROM messy_migration_quarantine",
    "UPDATE messy_migration_receipt SET pid = 99",
    "UPDATE messy_migration_receipt SET reason = 'by hand'",
    "UPDATE messy_migration_receipt_table SET net_lanes = 'ff' || substr(net_lanes, 3)",
    "UPDATE messy_migration_receipt_table SET inserted = 3",
]


@pytest.mark.parametrize("edit", EDITS)
def test_whatever_is_edited_in_the_ledger_changes_a_digest(site, edit):
    entry = Entry("line 3", "core.type", "it does not fit", b"raw", "t", "v")
    batch(site, "one", entries=(entry,))
    before = asked(site, chain.covered, None)
    assert (before.receipts, before.last_seq) == (1, 1)
    # Triggers may keep the ledger from being edited; somebody who owns it takes them away.
    with site.begin() as connection:
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).scalars()
        for name in names.all():
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        connection.exec_driver_sql(edit)
    after = asked(site, chain.covered, None)
    assert (after.receipts_digest, after.quarantine_digest) != (
        before.receipts_digest,
        before.quarantine_digest,
    )
