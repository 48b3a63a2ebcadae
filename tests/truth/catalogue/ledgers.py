"""The ledger edited by hand, forged, restored, or gone: what it proves is worth no more then."""

from __future__ import annotations

import shutil

from messy_migration import api

from ..entries import (
    ERROR_6,
    LANDED,
    LEDGER,
    MATCH,
    MISMATCH,
    POSTGRESQL,
    QUICK,
    REFUSED,
    RUN,
    SOURCE,
    SQLITE,
    UNKNOWN,
    Entry,
    on,
    on_targets,
)

FORMS = (LEDGER, LANDED, SOURCE, QUICK, RUN)
"""What is done to the ledger between a run's last commit and its proof is the next one's to find:
the run holds what it wrote itself."""
ONE = {QUICK: REFUSED}
WHY_QUICK = "the quick form does not begin on a ledger that runs have not written"


def _forged(site):
    """A cell is changed, and the receipt of its batch made to add up with it."""
    site.execute("UPDATE orders SET name = 'another' WHERE id = 7")
    found = api.reconcile(site.request)
    orders = next(item for item in found.proof.verdicts if item.table == "orders")
    assert orders.actual != orders.expected
    site.execute(
        site.spelled(
            f"UPDATE $ledger.receipt_table SET net_lanes = '{orders.actual.lanes}'"
            " WHERE table_name = 'orders'"
        )
    )


def _forged_whole(site):
    """The same, and every link of the chain is taken away."""
    _forged(site)
    site.execute(site.spelled("DELETE FROM $ledger.chain"))


def _restored(site):
    """A later run brings rows; then the database is put back as it was before."""
    site.bring_more()
    done = api.run(site.request)
    assert done.exit_code == 0
    site.put_back()


def _anchors_gone(site):
    """The heads that were kept outside of the database are deleted with their folder."""
    shutil.rmtree(site.folder / ".migrate")


EDITS = {
    "receipt-deleted": (
        "somebody deletes the receipt of a batch",
        ("DELETE FROM $ledger.receipt WHERE seq = (SELECT max(seq) FROM $ledger.receipt)",),
    ),
    "receipt-of-another-process": (
        "somebody edits who wrote a receipt",
        ("UPDATE $ledger.receipt SET pid = 4",),
    ),
    "counts-edited": (
        "somebody moves a record from quarantined to filtered, so that the sum still holds",
        ("UPDATE $ledger.receipt SET quarantined = 0, filtered = 1 WHERE quarantined = 1",),
    ),
    "receipt-made-by-hand": (
        "somebody writes a receipt by hand, of no row at all",
        (
            (
                "INSERT INTO $ledger.receipt SELECT seq + 100, 'made', kind, run_id, stream,"
                " tenant, 'made', ordinal, last, 0, 0, 0, 0, filters, warnings, reason, epoch, pid,"
                " started_at, committed_at, xid, lane, lane_number + 9, previous, server, salt,"
                " reason_digest, key_id, mac, 0, read_lanes, source_rows, source_lanes, source_note"
                " FROM $ledger.receipt WHERE seq = (SELECT max(seq) FROM $ledger.receipt)"
            ),
        ),
    ),
    "link-cut": (
        "somebody deletes the newest link of the chain",
        ("DELETE FROM $ledger.chain WHERE ordinal = (SELECT max(ordinal) FROM $ledger.chain)",),
    ),
    "link-edited": (
        "somebody edits the verdict in a link of the chain",
        ("UPDATE $ledger.chain SET verdict = 'UNKNOWN'",),
    ),
    "baseline-edited": (
        "somebody says in the ledger that rows were there before the first run",
        ("UPDATE $ledger.table_state SET baseline_rows = 1 WHERE table_name = 'orders'",),
    ),
    "key-called-pending": (
        "somebody says in the ledger that the key is still to come",
        ("UPDATE $ledger.table_state SET state = 'key_pending' WHERE table_name = 'orders'",),
    ),
    "bookmark-made": (
        "somebody writes a bookmark that is years ahead",
        ("INSERT INTO $ledger.bookmark VALUES ('files.orders', '', '2030-01-01', 'x')",),
    ),
    "landing-made": (
        "somebody writes into the ledger that a file landed",
        ("INSERT INTO $ledger.landing VALUES ('files.orders', '', 'd', 'x', '/x', 'x', 1, 'x')",),
    ),
    "change-gone": (
        "somebody deletes a change from which the current state follows",
        ("DELETE FROM $ledger.change WHERE seq = (SELECT min(seq) FROM $ledger.change)",),
    ),
    "exit-code-edited": (
        "somebody edits the exit code of a run",
        ("UPDATE $ledger.run SET exit_code = 7",),
    ),
    "report-edited": (
        "somebody lets a run name another report",
        ("UPDATE $ledger.run SET report = '/tmp/other.json'",),
    ),
}

ENTRIES = [
    *(
        Entry(
            name,
            tells,
            on_targets(*statements),
            UNKNOWN,
            forms=FORMS,
            but={**ONE, **({LANDED: MISMATCH} if name == "receipt-deleted" else {})},
            why_but=WHY_QUICK + "; what a receipt that is gone brought is not read again",
            is_sampled=name == "link-cut",
        )
        for name, (tells, statements) in EDITS.items()
    ),
    Entry(
        "sums-edited",
        "somebody edits the sums of a receipt, so that the rows differ from them",
        on_targets(
            "UPDATE $ledger.receipt_table SET net_lanes = '00000000000000010000000000000001'"
            " WHERE table_name = 'notes'"
        ),
        MISMATCH,
        forms=FORMS,
        but={**ONE, SOURCE: UNKNOWN},
        why_but=WHY_QUICK + "; the source and the target are equal",
    ),
    Entry(
        "name-and-receipt-forged",
        "somebody changes a name and edits the receipt so that it adds up",
        on(POSTGRESQL, SQLITE, act=_forged),
        UNKNOWN,
        forms=FORMS,
        but={**ONE, LANDED: MISMATCH, SOURCE: MISMATCH},
        why_but="what landed and the source still hold the true name, and name the row",
        is_sampled=True,
    ),
    Entry(
        "name-receipt-and-chain-forged",
        "somebody changes a name, edits the receipt, and deletes the chain that holds it",
        on(POSTGRESQL, SQLITE, act=_forged_whole),
        UNKNOWN,
        forms=FORMS,
        but={**ONE, LANDED: MISMATCH, SOURCE: MISMATCH},
        why_but="what landed and the source still hold the true name, and name the row",
    ),
    Entry(
        "quarantine-row-deleted",
        "somebody deletes a record from quarantine",
        on_targets("DELETE FROM $ledger.quarantine"),
        UNKNOWN,
        forms=FORMS,
        but=ONE,
        why_but=WHY_QUICK,
    ),
    Entry(
        "quarantine-row-edited",
        "somebody edits what a record in quarantine holds",
        on_targets("UPDATE $ledger.quarantine SET payload = 'nothing of interest'"),
        UNKNOWN,
        forms=FORMS,
        but=ONE,
        why_but=WHY_QUICK,
    ),
    Entry(
        "database-restored",
        "a run brings rows, and the whole database is put back from a backup of before it",
        on(POSTGRESQL, SQLITE, act=_restored),
        UNKNOWN,
        forms=FORMS,
        but={**ONE, SOURCE: MISMATCH},
        why_but=WHY_QUICK + "; the source still holds the newer rows",
    ),
    Entry(
        "anchors-gone",
        "somebody deletes the heads that were kept outside of the database",
        on(POSTGRESQL, SQLITE, act=_anchors_gone),
        MATCH,
        forms=FORMS,
    ),
    Entry(
        "ledger-gone",
        "somebody drops the newest part of the ledger, its chain",
        on_targets("DROP TABLE $ledger.chain"),
        REFUSED,
        forms=FORMS,
        but=dict.fromkeys(FORMS, f"{ERROR_6}|{REFUSED}"),
        why_but="without it there is nothing to hold a verdict against",
    ),
    Entry(
        "view-over-the-ledger",
        "somebody makes a view over the ledger, to look at it",
        on_targets("CREATE VIEW looked AS SELECT run_id FROM $ledger.receipt"),
        MATCH,
        forms=FORMS,
    ),
]
