"""Fourteen broken variants of the proof: each is caught, and what is not broken passes the same.

A scenario makes something that a verdict has to say, and gives what is wrong with it, in words.
Together with the variants of the load (`tests/promises/test_variants.py`) they are twenty-two.
"""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from messy_migration.api.reconciliations import concluded
from messy_migration.compare.locate import Replayable, locate
from messy_migration.errors import TargetError
from messy_migration.fingerprint.rows import fingerprint
from messy_migration.model import ForeignKey
from messy_migration.reconcile import money, prove
from messy_migration.reconcile.options import ReconcileOptions
from messy_migration.reconcile.reconcile import Proof

from ...promises.faults.inject.proof import PROOF
from ...unit.sqlite_site import data_of, site_in, state_of, table_of
from ..shop import _golden, _restored, lines, shop_of

CHANGED = "UPDATE orders SET name = 'other' WHERE id = 3"


def said(result, verdict, code):
    """What is wrong with a verdict and an exit code."""
    if (result.verdict, result.exit_code) == (verdict, code):
        return []
    return [f"{result.verdict} and {result.exit_code} instead of {verdict} and {code}"]


def changed_row(ground):
    shop = ground("loaded")
    shop.execute(CHANGED)
    return said(shop.reconcile(), "MISMATCH", 8)


def records_in_quarantine(ground):
    shop = ground("empty")
    shop.write_orders(*lines(), "no number,a,1,EUR,,")
    return said(shop.run(), "MATCH", 7)


def open_run(ground):
    """A run that was killed when all was loaded: what it loaded is expected.

    The word is UNKNOWN, since a state was edited here; the sums do not depend on it.
    """
    shop = ground("loaded")
    shop.execute(f"UPDATE {shop.ledger('run')} SET state = 'open'")
    (found,) = shop.reconcile().proof.verdicts
    is_expected = found.actual == found.expected
    return [] if is_expected else ["the rows of a run that is not closed are not expected"]


def edited_ledger(ground):
    shop = ground("loaded")
    shop.execute(f"UPDATE {shop.ledger('receipt')} SET pid = pid + 1")
    return said(shop.reconcile(), "UNKNOWN", 8)


def adopted_change(ground):
    shop = ground("loaded")
    shop.execute(CHANGED)
    adopted = shop.reconcile(accept_foreign="by hand")
    return [*said(adopted, "MATCH", 0), *said(shop.reconcile(strict=True), "MATCH", 8)]


def others_row(ground):
    shop = ground("on_postgres")
    shop.execute(CHANGED)
    (verdict,) = shop.reconcile(repair="corrupted").proof.verdicts
    left = shop.query("SELECT name FROM orders WHERE id = 3")
    is_told = verdict.drift is not None and verdict.drift.others == 1
    return [
        *([] if left == [("other",)] else [f"the row of somebody else became {left}"]),
        *([] if is_told else ["nobody says that somebody else wrote it"]),
    ]


def unread_money(ground):
    shop = ground("loaded")

    def refuse(*_):
        raise TargetError("the target refused", "table orders", "permission denied")

    ground.monkeypatch.setattr(money, "of_source", refuse)
    return said(shop.reconcile(), "UNKNOWN", 8)


def another_input(ground):
    """The input, read again, gives other rows than the receipts add up to."""
    table = table_of("t", {"id": "int32", "v": "text"}, ("id",))
    site = site_in(ground.tmp_path)
    site.create(table, (1, "changed"), (2, "b"))
    loaded = fingerprint(data_of(table, (1, "a"), (2, "b")), table.columns)
    part = Replayable(loaded, lambda: [data_of(table, (1, "a"), (2, "c"))])
    with site.reading() as connection:
        note = locate(connection, site.dialect, table, part, 50).note
    is_said = "does not give the rows that were loaded" in note
    return [] if is_said else ["nobody says that the input is another one"]


def nothing_compared(_):
    return said(concluded("target", Proof((), ()), ReconcileOptions()), "UNKNOWN", 8)


def proven(ground, table, *rows, stranger=(), spoil=(), incomplete=None):
    """The verdict on a table with these rows of its scope, and rows of others."""
    site = site_in(ground.tmp_path)
    site.run(*spoil)
    if not spoil:
        site.create(table)
    site.fill(table, *rows, *stranger)
    state = state_of(table)
    sums = {(*state.key, state.format_id): fingerprint(data_of(table, *rows), table.columns)}
    with site.reading() as connection:
        found = list(prove.prove(connection, site.dialect, [state], sums, incomplete or {}))
    return SimpleNamespace(verdict=found[0].verdict, exit_code=None)


def two_scopes(ground):
    kinds = {"id": "int32", "shop": "text"}
    table = table_of("t", kinds, ("id",), (("shop", "oslo"),))
    found = proven(ground, table, (1, "oslo"), stranger=[(2, "rome")])
    return said(found, "MATCH", None)


def gone_parents(ground):
    key = ForeignKey(("parent",), "parents", ("id",))
    kinds = {"id": "int32", "parent": "int32"}
    return said(
        proven(ground, table_of("t", kinds, ("id",), foreign_keys=(key,)), (1, 7)), "UNKNOWN", None
    )


def half_a_stream(ground):
    table = table_of("t", {"id": "int32"}, ("id",))
    found = proven(ground, table, (1,), incomplete={"shop.s": "a page is missing"})
    return said(found, "UNKNOWN", None)


def key_that_nobody_keeps(ground):
    table = table_of("t", {"id": "int32"}, ("id",))
    found = proven(ground, table, (1,), spoil=["CREATE TABLE t (id INTEGER)"])
    return said(found, "MISMATCH", None)


SCENARIOS = {
    "sums-read-back": changed_row,
    "counts-only": changed_row,
    "scope-ignored": two_scopes,
    "quarantine-counted": records_in_quarantine,
    "open-run-left-out": open_run,
    "audit-skipped": edited_ledger,
    "strict-ignored": adopted_change,
    "authors-ignored": others_row,
    "parents-unread": gone_parents,
    "money-unread": unread_money,
    "part-taken-for-whole": half_a_stream,
    "input-not-compared": another_input,
    "nothing-is-match": nothing_compared,
    "key-not-checked": key_that_nobody_keeps,
}
"""Variant -> what brings it to light."""


@pytest.fixture(scope="session")
def golden_sqlite(request, tmp_path_factory):
    yield from _golden("sqlite", tmp_path_factory, request)


@pytest.fixture
def ground(request, monkeypatch, tmp_path):
    """A function that gives a shop: `loaded`, `empty`, or `on_postgres`, loaded there."""

    def give(name):
        if name == "on_postgres":
            return request.getfixturevalue(name)
        if name == "loaded":
            return _restored(request.getfixturevalue("golden_sqlite"), monkeypatch)
        monkeypatch.chdir(tmp_path)
        return shop_of("sqlite", tmp_path, request)

    give.monkeypatch, give.tmp_path = monkeypatch, tmp_path
    return give


def test_every_variant_has_its_scenario():
    assert SCENARIOS.keys() == PROOF.keys()


@pytest.mark.parametrize("scenario", dict.fromkeys(SCENARIOS.values()))
def test_what_is_not_broken_passes(ground, scenario):
    assert scenario(ground) == []


@pytest.mark.parametrize("variant", SCENARIOS)
def test_a_broken_variant_is_caught(ground, variant):
    for place, make in PROOF[variant].items():
        module, name = place.split(":")
        owner = importlib.import_module(f"messy_migration.{module}")
        ground.monkeypatch.setattr(owner, name, make(owner, getattr(owner, name)))
    assert SCENARIOS[variant](ground) != []
