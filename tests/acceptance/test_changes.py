"""Files that change between runs, and records that contradict each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import permutations


def test_a_changed_file_with_a_key_updates_its_row_and_adds_the_new_one(site):
    site.run().matched()
    rows = site.data.files["flights"]["02.csv"]
    rows[4] = (*rows[4][:7], "changed at the source")
    rows.append((*rows[5][:2], 999_999, *rows[5][3:]))
    site.data.write_file(site.folder, "flights", "02.csv")
    result = site.run().matched()
    counts = result.table("flights")
    assert (counts["inserted"], counts["updated"], counts["unchanged"]) == (1, 1, len(rows) - 2)
    counts = result.stream("files.flights")
    assert (counts["extracted"], counts["loaded"]) == (len(rows), len(rows))
    site.holds_everything()
    site.reconcile().matched()
    # The first version of the file is gone, and still every row can be named.
    site.execute(
        "UPDATE flights SET tail = 'x ' WHERE flight = 0",
        f"UPDATE flights SET note = '' WHERE flight = {rows[4][2]}",
        "DELETE FROM flights WHERE flight = 999999",
    )
    result = site.reconcile()
    assert result.code == 8
    named = {
        (int(item["key"]["flight"]), item["kind"], *item["columns"])
        for item in result.json["differences"]
    }
    assert named == {
        (0, "changed", "tail"),
        (rows[4][2], "changed", "note"),
        (999_999, "missing"),
    }


def test_a_changed_file_without_a_key_is_refused_and_the_rest_is_loaded(site):
    site.run().matched()
    before = Counter(site.rows("sales"))
    changed, new = site.data.files["sales"]["week-1.csv"], site.data.files["flights"]["01.csv"]
    changed[0] = (*changed[0][:2], 4711, *changed[0][3:])
    site.data.write_file(site.folder, "sales", "week-1.csv")
    site.data.files["sales"]["week-3.csv"] = [("600000", *changed[1][1:])]
    site.data.write_file(site.folder, "sales", "week-3.csv")
    site.data.files["flights"]["09.csv"] = [(*row[:2], row[2] + 900, *row[3:]) for row in new]
    site.data.write_file(site.folder, "flights", "09.csv")
    result = site.run()
    assert result.code == 5
    (problem,) = result.json["problems"]
    assert problem["kind"] == "SourceError"
    assert "sales/week-1.csv" in problem["what"]
    assert problem["next"]
    assert Counter(site.rows("sales")) == before + Counter(site.data.files["sales"]["week-3.csv"])
    assert Counter(site.rows("flights")) == Counter(site.data.rows("flights"))
    assert result.table("flights")["verdict"] == "MATCH"
    assert result.table("sales")["verdict"] == "UNKNOWN"
    assert site.run().code == 5


def contradictions(site):
    """Give 24 keys three records each, two variants in every order, over the three files."""
    files = site.data.files["flights"]
    orders = sorted({order for two in ("AAB", "ABB") for order in permutations(two)})
    for number in range(24):
        row = files["01.csv"][10 + number]
        for name, variant in zip(files, orders[number % len(orders)], strict=True):
            files[name][10 + number] = (*row[:7], f"variant {number:02d} {variant}")
    for name in files:
        site.data.write_file(site.folder, "flights", name)


def test_more_contradictions_than_the_limit_fail_the_run_though_it_matches(site):
    contradictions(site)
    result = site.run("--workers", "1")
    assert (result.code, result.json["verdict"]) == (7, "MATCH")
    (problem,) = result.json["problems"]
    assert problem["kind"] == "QualityError"
    counts = result.stream("files.flights")
    assert counts["extracted"] == len(site.data.rows("flights"))
    parts = counts["loaded"] + counts["quarantined"] + counts["filtered"]
    assert counts["extracted"] == parts
    assert len(site.rows("flights")) == counts["loaded"]
    assert len(site.query(f"SELECT id FROM {site.ledger('quarantine')}")) == counts["quarantined"]


def test_the_order_in_which_contradicting_records_arrive_does_not_change_the_counts(site):
    contradictions(site)
    site.run("--workers", "1")
    notes = {row[7] for row in site.rows("flights")}
    payloads = site.query(f"SELECT payload FROM {site.ledger('quarantine')}")
    records = Counter(row[7] for row in site.data.rows("flights"))
    quarantined = defaultdict(set)
    for number in range(24):
        names = {f"variant {number:02d} {variant}" for variant in "AB"}
        (winner,) = names & notes
        (loser,) = names - notes
        assert not any(winner in payload for (payload,) in payloads)
        held = sum(loser in payload for (payload,) in payloads)
        quarantined[records[loser]].add(held)
    assert quarantined.keys() == {1, 2}
    assert quarantined[1] == {1}
    assert len(quarantined[2]) == 1, f"two equal losers cost {quarantined[2]} records"


def test_what_arrived_late_is_located_like_all_else(site):
    """The first file cannot be read at first, so its records meet those of the others."""
    contradictions(site)
    first = site.folder / "flights" / "01.csv"
    whole = first.read_bytes()
    first.write_bytes(whole.replace(b"carrier", b"courier", 1))
    assert site.run("--workers", "1").code == 5
    first.write_bytes(whole)
    result = site.run("--workers", "1")
    assert (result.code, result.json["verdict"], result.json["resumed"]) == (7, "MATCH", True)
    site.execute("UPDATE flights SET tail = 'changed' WHERE flight = 5")
    result = site.reconcile()
    assert result.code == 8
    named = [(item["key"]["flight"], *item["columns"]) for item in result.json["differences"]]
    assert named == [("5", "tail")]
