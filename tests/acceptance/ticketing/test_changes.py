"""What later runs do: changes at the source, parents that come late, and rows edited by hand.

The tests follow one target from run to run, each from where the one before left it.
"""

from __future__ import annotations

from collections import Counter

import pytest

from messy_migration_ticketing import uid

AUCKLAND = {"source_system": "vivenu", "source_account": "auckland"}
IN_AUCKLAND = "source_system = 'vivenu' AND source_account = 'auckland'"


@pytest.fixture(scope="module")
def ticket(loaded):
    """The source id and the key of a plain ticket."""
    _, sources = loaded
    found = sources.records("auckland", "tickets")
    ids = Counter(record["_id"] for _, record in found)
    chosen = next(it["_id"] for case, it in found if not case and ids[it["_id"]] == 1)
    return chosen, uid("vivenu", "auckland", "tickets", chosen)


def touched(result):
    """(table, account) -> (inserted, updated), where there was something."""
    return {
        (it["table"], it["scope"]["source_account"]): (it["inserted"], it["updated"])
        for it in result.json["tables"]
        if it["inserted"] or it["updated"]
    }


@pytest.fixture(scope="module")
def changed(loaded, ticket):
    """One ticket is changed at the source, and the command is typed again."""
    site, sources = loaded
    before = site.bookmark("vivenu.tickets", "auckland")
    sources.change("auckland", "tickets", ticket[0], name="Renamed At The Source")
    return before, site.run()


def test_stubs_stand_for_deleted_parents_and_the_verdict_is_match(loaded, undisturbed):
    site, sources = loaded
    _, result, _, _ = undisturbed
    for table, counts in sources.manifest["tables"].items():
        if table != "custom_field_values":
            stubs = counts["tenants"]["auckland"]["stubs"]
            assert site.count(table, f"{IN_AUCKLAND} AND is_stub") == stubs, table
    events = {record["_id"] for _, record in sources.records("auckland", "events")}
    asked = {it.get("eventId") for _, it in sources.records("auckland", "tickets")}
    gone = asked - events - {None}
    assert gone, "the sandbox has deleted no event"
    for source_id in gone:
        key = uid("vivenu", "auckland", "events", source_id)
        assert site.count("events", f"id = '{key}' AND is_stub AND name IS NULL") == 1
    stubbed = f"SELECT DISTINCT stream FROM {site.ledger('receipt')} WHERE kind = 'stub'"
    assert {"vivenu.events", "vivenu.orders", "eventcombo.orders"} <= {
        name for (name,) in site.query(stubbed)
    }
    assert {count for it in result.json["tables"] for count in it["orphans"].values()} == {0}


def test_a_changed_ticket_is_the_only_row_that_is_updated(loaded, ticket, changed):
    site, _ = loaded
    _, result = changed
    result.matched()
    assert touched(result) == {("tickets", "auckland"): (0, 1)}
    ((name,),) = site.query(f"SELECT holder_name FROM tickets WHERE id = '{ticket[1]}'")
    assert name == "Renamed At The Source"


def test_after_a_change_the_bookmark_has_moved_and_the_sums_are_right(loaded, changed):
    site, _ = loaded
    before, result = changed
    assert site.bookmark("vivenu.tickets", "auckland") > before
    table = result.table("tickets", **AUCKLAND)
    assert table["expected_rows"] == table["actual_rows"] == site.count("tickets", IN_AUCKLAND)
    assert site.reconcile().matched().fingerprints == result.fingerprints


@pytest.fixture(scope="module")
def repaired(loaded, changed):
    """Two orders that were in quarantine, with stubs in their place, are put right."""
    site, sources = loaded
    orders = sources.records("auckland", "orders")
    tickets = {it["transactionId"] for case, it in sources.records("auckland", "tickets")}
    bad = next(it for case, it in orders if case == "unknown_value" and it["_id"] in tickets)
    before = site.count("orders", "is_stub")
    sources.change("auckland", "orders", bad["_id"], status="COMPLETE", paymentStatus="RECEIVED")
    sources.eventcombo.change("orders", 790_000, O_OrderDateTime="2026-03-01T10:00:00.000")
    keys = (
        uid("vivenu", "auckland", "orders", bad["_id"]),
        uid("eventcombo", "default", "orders", "790000"),
    )
    return before, keys, site.run()


def test_a_parent_that_comes_late_replaces_its_stub(loaded, repaired):
    site, _ = loaded
    before, keys, result = repaired
    result.matched()
    found = touched(result)
    assert found["orders", "auckland"] == found["orders", "default"] == (0, 1)
    assert found["order_items", "auckland"][0] >= 1
    assert {table for table, _ in found} <= {
        "orders", "order_items", "order_discounts", "custom_field_values"
    }  # fmt: skip
    assert site.count("orders", "is_stub") == before - 2
    for key in keys:
        assert site.count("orders", f"id = '{key}' AND NOT is_stub AND ordered_at > ''") == 1


@pytest.fixture(scope="module")
def edited(loaded, ticket, repaired):
    """Rows of both sources are edited by hand, and one is added that points at nothing."""
    site, sources = loaded
    keys = {"tickets": ticket[1], "orders": repaired[1][1]}
    site.execute(f"UPDATE tickets SET holder_name = 'Edited' WHERE id = '{keys['tickets']}'")
    site.execute(f"UPDATE orders SET billing_city = 'Edited' WHERE id = '{keys['orders']}'")
    names = [row[1] for row in site.query("PRAGMA table_info(tickets)")]
    new = {"id": uid("x", "x", "x", "1"), "event_id": uid("x", "x", "events", "nowhere")}
    cells = ", ".join(f"'{new[name]}'" if name in new else f'"{name}"' for name in names)
    site.execute(f"INSERT INTO tickets SELECT {cells} FROM tickets WHERE id = '{keys['tickets']}'")
    calls = len(sources.calls)
    return {**keys, "new": new["id"]}, site.run(), site.reconcile(), len(sources.calls) - calls


def test_a_run_over_edited_rows_stops_with_8_and_says_what_to_do(edited):
    _, result, _, _ = edited
    assert result.code == 8, result.text
    error = result.json["error"]
    assert {"table tickets", "table orders"} == set(error["where"].split(", "))
    for hint in ("migrate reconcile", "--accept-foreign"):
        assert hint in error["next"]


def test_reconcile_names_table_key_and_column_without_asking_the_source(edited):
    keys, _, found, calls = edited
    found.ended(8, "MISMATCH")
    assert calls == 0
    differences = {(it["key"]["id"], it["table"]): it for it in found.json["differences"]}
    assert set(differences) == {
        (keys["tickets"], "tickets"),
        (keys["orders"], "orders"),
        (keys["new"], "tickets"),
    }
    ticket, order, new = (
        differences[keys["tickets"], "tickets"],
        differences[keys["orders"], "orders"],
        differences[keys["new"], "tickets"],
    )
    assert (ticket["kind"], ticket["columns"]) == ("changed", ["holder_name"])
    assert (order["kind"], order["columns"]) == ("changed", ["billing_city"])
    assert new["kind"] == "extra"
    assert {it["note"] for it in found.json["located"]} == {""}
    words = Counter(it["verdict"] for it in found.json["tables"])
    assert words["MISMATCH"] == 2


def test_a_row_that_points_at_nothing_is_reported_as_an_orphan(edited):
    _, _, found, _ = edited
    lost = {
        (it["table"], it["scope"]["source_account"], label): count
        for it in found.json["tables"]
        for label, count in it["orphans"].items()
        if count
    }
    assert lost == {("tickets", "auckland", "event_id -> events"): 1}


def test_rows_put_right_by_hand_match_again(loaded, edited):
    site, _ = loaded
    keys, *_ = edited
    site.execute(f"DELETE FROM tickets WHERE id = '{keys['new']}'")
    site.execute(
        f"UPDATE tickets SET holder_name = 'Renamed At The Source' WHERE id = '{keys['tickets']}'"
    )
    site.execute(f"UPDATE orders SET billing_city = 'Boston' WHERE id = '{keys['orders']}'")
    site.reconcile().matched()
