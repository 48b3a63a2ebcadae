"""What the ledger keeps: receipts that balance, runs, quarantine, and the sums of tables."""

from __future__ import annotations

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from messy_migration.errors import TargetError
from messy_migration.fingerprint.rows import format_id
from messy_migration.ledger import fence, known_tables, quarantine, receipts, runs
from messy_migration.ledger.fence import Holder
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.quarantine import Entry
from messy_migration.ledger.runs import Kept, Run, short
from messy_migration.ledger.totals import StreamTotals, stream_totals, table_totals
from messy_migration.model import (
    Column,
    ColumnType,
    Fingerprint,
    ForeignKey,
    Partition,
    Receipt,
    Stream,
    Table,
    TableReceipt,
)

SIGNATURE = Signature("run", 1, 7, "2026-01-01T00:00:00+00:00")
FIRST = Signature("1", 1, 7, "2026-01-01T00:00:00+00:00")


def receipt(name, ordinal=0, **changes):
    values = {
        "batch_id": name,
        "stream": "shop.s",
        "tenant": "",
        "partition": "digest",
        "ordinal": ordinal,
        "last": False,
        "extracted": 3,
        "loaded": 3,
        "quarantined": 0,
        "filtered": {},
        "tables": (),
    }
    return Receipt(**{**values, **changes})


def part(net, table="t", scope=(), form="form", **counts):
    values = {"inserted": 1, "updated": 2, "unchanged": 3, **counts}
    return TableReceipt(table=table, scope=scope, format_id=form, net=net, **values)


def run(name, **changes):
    values = {
        "run_id": name,
        "profile": "default",
        "plugins": ("b", "a"),
        "selection": (),
        "state": "open",
        "options": {"batch_records": 10},
        "versions": {"python": "3"},
        "host": "here",
        "pid": 7,
        "actor": "me",
        "started_at": f"2026-01-01T00:00:00+00:00{name}",
    }
    return Run(**{**values, **changes})


def write(site, *found, **how):
    with site.begin() as connection:
        for one in found:
            receipts.write(connection, site.ledger, SIGNATURE, one, **how)


def read(site, function, *arguments):
    with site.reading() as connection:
        return function(connection, site.ledger, *arguments)


@pytest.mark.parametrize(
    "counts",
    [
        {"loaded": 2},
        {"loaded": 4},
        {"quarantined": 1},
        {"filtered": {"shop.old": 1}},
        {"extracted": 0},
    ],
)
def test_the_database_refuses_a_receipt_that_does_not_balance(site, counts):
    with pytest.raises(IntegrityError, match="receipt_balance"):
        write(site, receipt("one", **counts))
    assert site.entries("receipt", "batch_id") == []


def test_one_batch_has_one_receipt(site):
    write(site, receipt("one"))
    with pytest.raises(IntegrityError):
        write(site, receipt("one", partition="other"))


@pytest.mark.parametrize(
    "name, values",
    [
        ("run", {"run_id": "r", "state": "lost"}),
        ("quarantine", {"payload_encoding": "latin-1"}),
    ],
)
def test_the_database_refuses_words_that_nobody_knows(site, name, values):
    table = getattr(site.ledger, name)
    full = {
        column.name: 0 if column.type.python_type is int else ""
        for column in table.columns
        if not column.nullable and column.name not in ("id", "seq")
    }
    with pytest.raises(IntegrityError), site.begin() as connection:
        connection.execute(insert(table).values({**full, **values}))


def test_the_expected_state_of_a_table_is_the_sum_of_all_its_receipts(site):
    one, two, removed = (
        Fingerprint(3, 2**64 - 1, 5),
        Fingerprint(2, 2, 2**64 - 1),
        Fingerprint(-1, 7),
    )
    scope = (("shop", "oslo 'é\""),)
    write(site, receipt("a", tables=(part(one), part(two, table="u"))))
    write(site, receipt("b", tables=(part(two), part(removed, scope=scope))))
    write(site, receipt("c", tables=(part(removed, form="other"),)), kind="foreign", reason="why")
    assert read(site, receipts.expected) == {
        ("t", (), "form"): one + two,
        ("u", (), "form"): two,
        ("t", scope, "form"): removed,
        ("t", (), "other"): removed,
    }


def test_totals_are_of_the_run_and_leave_out_what_moved_no_record(site):
    write(site, receipt("a", extracted=9, loaded=4, quarantined=2, filtered={"x": 2, "y": 1}))
    write(site, receipt("b", extracted=4, loaded=3, filtered={"x": 1}), warnings=5)
    write(site, receipt("b.lost", extracted=0, loaded=-1, quarantined=1), kind="displaced")
    write(
        site,
        receipt("base", loaded=0, extracted=0, tables=(part(Fingerprint(5)),)),
        kind="baseline",
    )
    write(site, receipt("other", stream="shop.u", tenant="oslo"))
    assert read(site, stream_totals, "run") == [
        StreamTotals("shop.s", "", 13, 6, 3, 4, 5, 3, {"x": 3, "y": 1}),
        StreamTotals("shop.u", "oslo", 3, 3, 0, 0, 0, 1, {}),
    ]
    assert read(site, table_totals, "run") == []
    assert read(site, stream_totals, "another run") == []


def test_a_partition_is_complete_with_its_last_batch_only(site):
    write(site, receipt("a"), receipt("b", 1, partition="done", last=True))
    write(site, receipt("base", partition="base", last=True), kind="baseline")
    assert read(site, receipts.complete) == {("shop.s", "", "done")}
    assert read(site, receipts.of_partition, "shop.s", "", "done") == {"b": (1, None)}
    assert read(site, receipts.committed, ["b", "c"]) == {"b"}


def test_a_partition_is_begun_with_its_first_batch_whatever_its_plan(site):
    first = receipts.batch_id("shop.s", "", "old plan", "digest", 0)
    write(site, receipt(f"{first}.0-5"), receipt("of another plan", 1))
    write(site, receipt("base", partition="base"), kind="baseline")
    assert read(site, receipts.begun) == {("shop.s", "", "digest")}
    identities_of = {0: {first}, 1: {"of another plan"}}
    assert read(site, receipts.batches, "shop.s", "", "digest") == identities_of


def test_what_a_run_loads_under_is_kept_once_and_the_newest_comes_first(site):
    older, first, second = (
        Kept({"shop": "1"}, sections) for sections in (None, {"shop": {"a": 1}}, {"shop": {"a": 2}})
    )
    begun = run("0001", versions={"shop": "1"})
    assert begun.kept == (older,)
    begun = begun.keeping(first)
    with site.begin() as connection:
        runs.add(connection, site.ledger, SIGNATURE, begun)
        resumed = begun.keeping(second).keeping(first)
        runs.keep(connection, site.ledger, SIGNATURE, resumed)
    (found,) = read(site, runs.history, None)
    assert found == resumed
    assert runs.kept([found, found]) == [second, first, older]


def test_runs_come_back_as_they_were_written(site):
    first, second = run("0001"), run("0002", selection=("files.*",))
    with site.begin() as connection:
        for one in (first, second):
            runs.add(connection, site.ledger, SIGNATURE, one)
    assert read(site, runs.history) == [second, first]
    assert read(site, runs.history, 1) == [second]
    assert read(site, runs.find, "0001") == [first]
    assert read(site, runs.find, "000") == [first, second]
    assert read(site, runs.find, "%") == []


def test_only_the_same_work_is_resumed_and_of_that_the_newest(site):
    with site.begin() as connection:
        for one in (run("1"), run("2"), run("3", state="done"), run("4", plugins=("a", "b"))):
            runs.add(connection, site.ledger, SIGNATURE, one)
    assert read(site, runs.find_open, "default", ("b", "a"), ()).run_id == "2"
    assert read(site, runs.find_open, "default", ("a", "b"), ()).run_id == "4"
    assert read(site, runs.find_open, "other", ("b", "a"), ()) is None
    assert read(site, runs.find_open, "default", ("b", "a"), ("x",)) is None


def test_a_finished_run_says_how_it_ended(site):
    with site.begin() as connection:
        runs.add(connection, site.ledger, SIGNATURE, run("1"))
        runs.add(connection, site.ledger, SIGNATURE, run("2"))
        runs.finish(
            connection, site.ledger, FIRST, state="done", verdict="MATCH", exit_code=0, report="r"
        )
    one, two = (read(site, runs.find, name)[0] for name in "12")
    assert (one.state, one.verdict, one.exit_code, one.report) == ("done", "MATCH", 0, "r")
    assert one.finished_at is not None
    assert (two.state, two.finished_at) == ("open", None)


def test_planned_partitions_keep_their_bounds_and_are_planned_once(site, table_of):
    stream = Stream("shop.s", (table_of("t", {"a": "text"}),), tenant="oslo")
    parts = [Partition("é", "d1", {"from": 1, "to": [None, "ö"]}, 7), Partition("b", "d2")]
    with site.begin() as connection:
        runs.add(connection, site.ledger, SIGNATURE, run("1"))
        runs.plan(connection, site.ledger, FIRST, stream, "plan", parts[:1])
        runs.plan(connection, site.ledger, FIRST, stream, "plan", parts)
        runs.plan(connection, site.ledger, FIRST, stream, "plan", parts)
    found = read(site, runs.planned)
    assert [(item.stream, item.tenant, item.plan_id) for item in found] == [
        ("shop.s", "oslo", "plan")
    ] * 2
    assert [item.partition for item in found] == parts


@pytest.mark.parametrize(
    "raw, payload, encoding",
    [
        (b"plain", "plain", "utf-8"),
        ("é\n".encode(), "é\n", "utf-8"),
        (b"", "", "utf-8"),
        (b"\xff", "/w==", "base64"),
        (b"a\0b", "YQBi", "base64"),
    ],
)
def test_a_raw_record_is_kept_whatever_its_bytes(site, raw, payload, encoding):
    entry = Entry("file:1", "shop.rule", "why", raw, "t", "v")
    with site.begin() as connection:
        quarantine.write(connection, site.ledger, "run", "batch", "shop.s", "", [entry])
    assert site.entries("quarantine", "payload", "payload_encoding", "place", "state") == [
        (payload, encoding, "file:1", "open")
    ]
    ((identity,),) = site.entries("quarantine", "identity")
    assert len(identity) == 64


def test_reasons_are_counted_most_first(site):
    entries = [Entry("", rule, "", b"x", None, column) for rule, column in
               [("a.b", None), ("c.d", "v"), ("c.d", "v"), ("c.d", "w")]]  # fmt: skip
    with site.begin() as connection:
        quarantine.write(connection, site.ledger, "run", "batch", "shop.s", "oslo", entries)
        quarantine.write(connection, site.ledger, "other", "batch", "shop.s", "oslo", entries)
    found = read(site, quarantine.reasons, "run")
    assert found[0] == ("shop.s", "oslo", "c.d", "v", 2)
    assert sorted(count for *_, count in found) == [1, 1, 2]


def test_a_table_comes_back_as_it_was_declared(site, table_of, state_of):
    kinds = {"a": "decimal(12,2)", "b": "timestamp", "shop": "text"}
    plain = table_of("t", kinds, ("a",), (("shop", "o'slo"),))
    key = ForeignKey(("a",), "parents", ("id",), (("id", "=a"), ("name", "lost")))
    pointing = type(plain)("u", plain.columns, ("a",), (), (key,))
    with site.begin() as connection:
        for table in (plain, pointing):
            known_tables.add(connection, site.ledger, SIGNATURE, state_of(table))
    table_states = read(site, known_tables.all_states)
    assert [state.table for state in table_states.values()] == [plain, pointing]
    assert [state.format_id for state in table_states.values()] == [
        format_id(plain),
        format_id(pointing),
    ]
    with site.begin() as connection:
        known_tables.redefine(
            connection, site.ledger, SIGNATURE, table_of("u", {"z": "int32"}), "new"
        )
    assert read(site, known_tables.all_states)["u", ()].table == table_of("u", {"z": "int32"})


def test_the_newest_heartbeat_is_the_only_one(site):
    assert read(site, fence.holder) is None
    with site.begin() as connection:
        for pid in (1, 2):
            fence.beat(connection, site.ledger, Holder("run", "here", pid, "then", ""))
    found = read(site, fence.holder)
    assert (found.run_id, found.host, found.pid, found.started_at) == ("run", "here", 2, "then")
    assert found.beat_at > "2020"


def test_the_short_name_of_a_run_is_its_time():
    assert short("01976f3c-2b1a-7abc-8def-0123456789ab") == "01976f3c-2b1a"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {receipt_table} SET net_lanes = 'junk'",
        "UPDATE {partition} SET bounds = 'junk'",
        "UPDATE {table_state} SET definition = 'xx'",
        "UPDATE {table_state} SET definition = '[1]'",
    ],
)
def test_a_ledger_that_somebody_wrote_into_is_no_defect_of_ours(site, statement):
    table = Table("t", (Column("id", ColumnType("int64")),), ("id",))
    state = TableState(table, "shop.s", "", format_id(table), True, "run", 0, None, False)
    stream = Stream("shop.s", (table,))
    names = ("receipt_table", "partition", "table_state")
    write(site, receipt("b", tables=(part(Fingerprint(1, 2, 3)),)))
    with site.begin() as connection:
        runs.add(connection, site.ledger, SIGNATURE, run("run"))
        runs.plan(connection, site.ledger, SIGNATURE, stream, "p", [Partition("f", "d")])
        known_tables.add(connection, site.ledger, SIGNATURE, state)
        places = {name: getattr(site.ledger, name).fullname for name in names}
        connection.exec_driver_sql(statement.format(**places))

    def everything():
        return [
            read(site, one) for one in (receipts.expected, runs.planned, known_tables.all_states)
        ]

    with pytest.raises(TargetError, match="edited by hand"):
        everything()
