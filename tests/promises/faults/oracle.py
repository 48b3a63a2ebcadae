"""What has to be true of a target at the end, asked in plain SQL and of the operating system.

Nothing of the package is used here: no fingerprint, no reading of the ledger by its own code.
Every function gives what is wrong, in words; nothing wrong is an empty list.
"""

from __future__ import annotations

import copy
import hashlib
import json
import sqlite3
import time
from collections import Counter, defaultdict
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from .inject.points import POINTS
from .site import COLUMNS, TABLES, processes, until

LEAVING_SECONDS = 10.0
"""How long what a dead process leaves may take to vanish by itself."""


def findings(site, golden, result):
    """All that is wrong after the last run, which ended with `result`."""
    return [
        *_ending(site, result),
        *_rows(site, golden),
        *_ledger(site),
        *_accounts(site, golden),
        *_landings(site),
        *_left_behind(site),
    ]


class Golden:
    """What an undisturbed run leaves: the rows, kept beside the target, and the figures."""

    def __init__(self, site):
        self.totals = _totals(site)
        self.quarantine = _quarantine(site)
        self.bookmarks = _bookmarks(site)
        self.hits = {point: site.hits(point) for point in POINTS}
        self.place = self._keep(site)

    def but(self, totals, quarantine):
        """The same with other figures."""
        other = copy.copy(self)
        other.totals = {**self.totals, **totals}
        other.quarantine = {**self.quarantine, **quarantine}
        return other

    def _keep(self, site):
        if site.kind == "sqlite":
            path = site.folder.parent / "golden.db"
            with site.connect() as connection, closing(sqlite3.connect(path)) as kept:
                connection.backup(kept)
            return path
        with site.connect() as connection:
            connection.execute("DROP SCHEMA IF EXISTS golden CASCADE")
            connection.execute("CREATE SCHEMA golden")
            for table in TABLES:
                connection.execute(f"CREATE TABLE golden.{table} AS SELECT * FROM public.{table}")
        return None

    def problems(self, site):
        """Whether the undisturbed run itself brought what the source has."""
        source = site.source.records
        customers = {row["id"]: row for part in source["customers"] for row in part}
        for part in source["customers"]:
            for row in part:
                if row["changed"] > customers[row["id"]]["changed"]:
                    customers[row["id"]] = row
        paid = [
            row
            for part in source["orders"]
            for row in part
            if row["state"] == "paid" and not row["total"].startswith("-")
        ]
        stubs = {row["customer"] for row in paid} - set(customers)
        events = [row for part in source["events"] for row in part if isinstance(row, dict)]
        items = {row["id"] for part in source["items"] for row in part}
        expected = {
            "customers": Counter(
                [(number, row["name"]) for number, row in customers.items()]
                + [(number, "(unknown)") for number in stubs]
            ),
            "orders": Counter((row["id"], row["customer"]) for row in paid),
            "order_lines": Counter(
                (row["id"], article) for row in paid for article in json.loads(row["lines"])
            ),
            "events": Counter((row["kind"], row["note"]) for row in events),
            "items": Counter((number, "north") for number in items),
        }
        columns = {
            "customers": "id, name",
            "orders": "id, customer",
            "order_lines": "order_id, article",
            "events": "kind, note",
            "items": "id, shop",
        }
        return [
            f"{table}: the undisturbed run is not what the source has"
            for table in TABLES
            if Counter(site.query(f"SELECT {columns[table]} FROM {table}")) != expected[table]
        ]


def _ending(site, result):
    """Exit code, verdict, ledger and evidence file say the same."""
    if result.code != 0:
        return [f"the last command ended with {result.code}: {result.err.strip()}"]
    told = result.json
    found = []
    if (told["verdict"], told["exit_code"]) != ("MATCH", 0):
        found.append(f"exit 0, but it says {told['verdict']} and {told['exit_code']}")
    rows = site.query(
        f"SELECT verdict, exit_code, report FROM {site.ledger('run')} ORDER BY started_at DESC"
    )
    if rows[0][:2] != ("MATCH", 0):
        found.append(f"exit 0, but the ledger says {rows[0][:2]}")
    evidence = json.loads(Path(told["report"]).read_text())
    if evidence["verdict"] != "MATCH":
        found.append(f"exit 0, but the evidence says {evidence['verdict']}")
    return found


def _rows(site, golden):
    """Every table holds the multiset of rows that an undisturbed run leaves."""
    found = []
    with site.connect() as connection:
        if site.kind == "sqlite":
            connection.execute("ATTACH ? AS golden", [str(golden.place)])
        ours = {"sqlite": "main", "postgresql": "public"}[site.kind]
        for table in TABLES:
            names = ", ".join(COLUMNS[table])
            here, there = (
                f"SELECT {names}, count(*) AS n FROM {schema}.{table} GROUP BY {names}"
                for schema in (ours, "golden")
            )
            for what, one, other in (("extra", here, there), ("lost", there, here)):
                difference = f"({one} EXCEPT {other}) AS difference"
                query = f"SELECT count(*), coalesce(sum(n), 0) FROM {difference}"
                kinds, rows = connection.execute(query).fetchone()
                if kinds:
                    found.append(f"{table}: {rows} rows in {kinds} kinds are {what}")
    return found


def _ledger(site):
    """No receipt twice, none of an older epoch after a newer one, nothing left undone."""
    receipt, parts = site.ledger("receipt"), site.ledger("receipt_table")
    doubled = f"SELECT batch_id FROM {receipt} GROUP BY batch_id HAVING count(*) > 1"
    late = f"SELECT a.seq FROM {receipt} a JOIN {receipt} b ON a.seq < b.seq AND a.epoch > b.epoch"
    orphaned = f"SELECT batch_id FROM {parts} EXCEPT SELECT batch_id FROM {receipt}"
    undone = f"SELECT run_id FROM {site.ledger('run')} WHERE state <> 'done'"
    pending = f"SELECT table_name FROM {site.ledger('table_state')} WHERE state <> 'ready'"
    checks = {
        "receipts are there twice": doubled,
        "receipts of an older epoch came after a newer one": late,
        "parts of receipts have no receipt": orphaned,
        "runs are open": undone,
        "tables have no key yet": pending,
    }
    found = [f"{len(rows)} {what}" for what, query in checks.items() if (rows := site.query(query))]
    found += _batches(site)
    sums = dict(site.query(f"SELECT table_name, sum(net_rows) FROM {parts} GROUP BY table_name"))
    for table in TABLES:
        ((rows,),) = site.query(f"SELECT count(*) FROM {table}")
        if sums.get(table, 0) != rows:
            found.append(f"{table}: the receipts say {sums.get(table, 0)} rows, there are {rows}")
    return found


def _batches(site):
    """The batches of every partition are there once, whole or in parts, and the last is marked."""
    places = defaultdict(lambda: defaultdict(list))
    query = f"SELECT stream, partition, ordinal, last, batch_id FROM {site.ledger('receipt')}"
    for stream, partition, ordinal, last, batch in site.query(f"{query} WHERE kind = 'load'"):
        places[stream, partition][ordinal].append((last, batch.partition(".")))
    found = []
    for place, batches in places.items():
        for ordinal, receipts in sorted(batches.items()):
            spans = sorted(
                tuple(int(number) for number in span.split("-"))
                for _, (_, _, span) in receipts
                if span
            )
            is_cut = len(spans) == len(receipts) and spans[0][0] == 0
            is_cut &= all(one[1] == other[0] for one, other in pairwise(spans))
            if len({name for _, (name, _, _) in receipts}) > 1 or not (
                len(receipts) == 1 or is_cut
            ):
                found.append(f"{place}: batch {ordinal} is committed twice: {receipts}")
        last = {ordinal for ordinal, receipts in batches.items() if any(one for one, _ in receipts)}
        if (sorted(batches), last) != (list(range(len(batches))), {len(batches) - 1}):
            found.append(f"{place}: there are the batches {sorted(batches)}, the last is {last}")
    return found


def _accounts(site, golden):
    """Extracted = loaded + quarantined + filtered, and each as in an undisturbed run."""
    found = []
    totals = _totals(site)
    for stream, count in site.source.extracted().items():
        extracted, loaded, quarantined, filtered = totals.get(stream, (0, 0, 0, 0))
        if extracted != count:
            found.append(f"{stream}: {extracted} records extracted, the source has {count}")
        if extracted != loaded + quarantined + filtered:
            found.append(f"{stream}: the account is {totals[stream]}")
    if totals != golden.totals:
        found.append(f"the accounts are {totals}, undisturbed {golden.totals}")
    if _quarantine(site) != golden.quarantine:
        found.append(f"quarantine is {_quarantine(site)}, undisturbed {golden.quarantine}")
    told = dict(
        site.query(
            f"SELECT batch_id, quarantined FROM {site.ledger('receipt')} WHERE quarantined <> 0"
        )
    )
    held = dict(
        site.query(f"SELECT batch_id, count(*) FROM {site.ledger('quarantine')} GROUP BY batch_id")
    )
    if told != held:
        found.append("the quarantine does not hold what the receipts say")
    if _bookmarks(site) != golden.bookmarks:
        found.append(f"the bookmarks are {_bookmarks(site)}, undisturbed {golden.bookmarks}")
    if site.source.current_digest() != site.source.digest:
        found.append("the source was written")
    return found


def _landings(site):
    """What has landed is whole, was not asked for again, and nothing lies beside it."""
    found = []
    landed = {}
    query = f"SELECT stream, partition, path, sha256, landed_at FROM {site.ledger('landing')}"
    for stream, partition, path, digest, at in site.query(query):
        landed[stream, partition] = datetime.fromisoformat(at).timestamp()
        file = Path(path)
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            found.append(f"{stream}, {partition}: its landed file is not what landed")
    places = {(item["stream"], item["partition"]) for item in site.asked()}
    if places != set(landed):
        found.append(f"asked for were {sorted(places)}, landed have {sorted(landed)}")
    again = Counter(
        (item["stream"], item["partition"])
        for item in site.asked()
        if item["at"] > landed.get((item["stream"], item["partition"]), 0)
    )
    found += [
        f"{place} was asked for {count} times after it landed" for place, count in again.items()
    ]
    folder = site.folder / ".migrate" / "landing"
    stray = {str(path) for path in folder.iterdir()} - {row[2] for row in site.query(query)}
    found += [f"a stray file: {Path(path).name}" for path in stray]
    found += [f"a stray file: {path.name}" for path in site.folder.glob(".migration-*")]
    return found


def _left_behind(site):
    """No process, no lock, no open transaction, no table of a merge."""

    def no_process():
        return not any(group in site.groups for _, _, group in processes())

    checks = {"processes are left": no_process, "the lock is held": lambda: not site.is_locked()}
    if site.kind == "sqlite":
        temporary = "SELECT name FROM sqlite_master WHERE name LIKE 'mm\\_%' ESCAPE '\\'"
        checks["tables of a merge are left"] = lambda: not site.query(temporary)
        checks["the file is damaged"] = lambda: site.query("PRAGMA integrity_check") == [("ok",)]
    else:
        # A server that crashed leaves the catalog entries of temporary tables, owned by nobody,
        # until their schema is used again or vacuumed: those of a live backend are what counts.
        temporary = (
            "SELECT c.relname FROM pg_class c JOIN pg_stat_activity a"
            " ON c.relnamespace = to_regnamespace('pg_temp_' || a.pid)::oid"
            " WHERE c.relname LIKE 'mm\\_%'"
        )
        open_ones = (
            "SELECT pid FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
            " OR application_name LIKE 'mm:%'"
        )
        named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        checks["tables of a merge are left"] = lambda: not site.query(temporary)
        checks["connections of a run are left"] = lambda: not site.query(open_ones)
        checks["other tables are left"] = lambda: (
            {name for (name,) in site.query(named)} <= set(TABLES)
        )
    end = time.monotonic() + LEAVING_SECONDS
    return [what for what, is_so in checks.items() if until(is_so, end - time.monotonic()) is None]


def _totals(site):
    rows = site.query(
        "SELECT stream, sum(extracted), sum(loaded), sum(quarantined), sum(filtered)"
        f" FROM {site.ledger('receipt')} WHERE kind IN ('load', 'displaced', 'late')"
        " GROUP BY stream"
    )
    return {row[0]: tuple(int(value) for value in row[1:]) for row in rows}


def _quarantine(site):
    query = f"SELECT stream, rule, count(*) FROM {site.ledger('quarantine')} GROUP BY stream, rule"
    return {(stream, rule): count for stream, rule, count in site.query(query)}


def _bookmarks(site):
    query = f"SELECT stream, tenant, position FROM {site.ledger('bookmark')}"
    return sorted(site.query(query))
