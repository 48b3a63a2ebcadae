"""The chain: links that hold fast what was committed until then.

A link's head is a SHA-256 over the head before it and digests of everything that came since:
receipts, quarantined records, changes of current state, the plan of the run, its verdict and its
evidence. Whoever knows a head can tell whether the ledger is still the one that it was made of;
heads are therefore kept outside of the database (`messy_migration.ledger.anchors`, evidence
files, printed lines).

Receipts are never changed and their numbers only grow, so that the link of a run that ends
covers a range of them: all above the last number of such a link before it, those of killed runs
included. While a run goes on, transactions commit in another order than they took their numbers;
links of kind `lanes` name instead how far each lane has come (`messy_migration.ledger.lanes`).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import sealed
from messy_migration.ledger.schema import HEAD
from messy_migration.ledger.tables import Ledger, legible

RECEIPT = sealed.columns("receipt", HEAD)
"""What a link holds fast of a receipt, beside its number, its reason and its parts."""

PART = sealed.columns("receipt_table", HEAD)
"""What it holds fast of a receipt's part for one table."""

PROOF = "proof"
"""The kind of a link that holds fast the evidence of a reconciliation, and nothing else."""

_CHUNK = 2_000

Values = Mapping[str, Any] | RowMapping
Row = list[object]
"""A receipt as a link holds it fast: number, `RECEIPT`, digest of its reason, list of `PART`."""


@dataclass(frozen=True)
class Link:
    """One link. Digests and heads are 64 hexadecimal characters; `written_at` is in UTC.

    Attributes:
        ordinal: from 1.
        run_id: who wrote it.
        kind: `run`; `lanes` for one that was written while a run went on; `proof` for the
            evidence of a reconciliation, under the id of the newest run; `adopted` for what an
            older program had committed without a seal; `keyed` for the one from which on all is
            under its key.
        previous: the head before it; of the first link a random number that names the ledger.
        last_seq: the highest number of a receipt that it covers.
        receipts: how many it covers.
        receipts_digest, quarantine_digest: of these and of the records they left out.
        plans_digest: of the partitions that the run planned.
        evidence_digest: of the content of its evidence file; empty where there is none.
        verdict: of the run; empty while it goes on.
        head: over all of the others but `mac`.
        revision, columns_digest: of the ledger, and what it held fast then; None before 0003.
        lanes: JSON of lane -> [number, digest] of the newest item of each lane that went on
            since the link before it.
        last_change, changes, changes_digest: as `last_seq`, of rows of the table `change`.
        state_digest: of all rows of current state that runs of this target share.
        key_id, mac: of the `fingerprint_key`, and what it makes of the head.
    """

    ordinal: int
    run_id: str
    kind: str
    previous: str
    last_seq: int
    receipts: int
    receipts_digest: str
    quarantine_digest: str
    plans_digest: str
    evidence_digest: str
    verdict: str
    written_at: str
    head: str = ""
    revision: str | None = None
    columns_digest: str | None = None
    lanes: str | None = None
    last_change: int | None = None
    changes: int | None = None
    changes_digest: str | None = None
    state_digest: str | None = None
    key_id: str | None = None
    mac: str | None = None

    def sealed(self) -> Link:
        """The link with its head."""
        return replace(self, head=head_of(self))

    @property
    def is_range(self) -> bool:
        """It covers all receipts since the last such link; the others cover none by a range."""
        return self.kind not in ("lanes", PROOF)

    @property
    def columns(self) -> str:
        """The revision that says which columns it holds fast."""
        return self.revision or sealed.FIRST


@dataclass(frozen=True)
class Covered:
    """What a link covers: its receipts, and the digests over them and their records."""

    last_seq: int
    receipts: int
    receipts_digest: str
    quarantine_digest: str
    last_change: int
    changes: int
    changes_digest: str


_FIRST_FIELDS = (
    *("ordinal", "run_id", "kind", "previous", "last_seq", "receipts", "receipts_digest"),
    *("quarantine_digest", "plans_digest", "evidence_digest", "verdict", "written_at"),
)


def head_of(link: Link) -> str:
    """The head that follows from a link's other fields."""
    if link.revision is None:
        values = [getattr(link, name) for name in _FIRST_FIELDS]
        return sha256_of(["messy_migration chain 1", *values])
    outside = ("head", "mac")
    values = [getattr(link, field.name) for field in fields(link) if field.name not in outside]
    return sha256_of(["messy_migration chain 2", *values])


def links(connection: Connection, ledger: Ledger, first: int = 1) -> list[Link]:
    """The links from one ordinal on."""
    table = ledger.chain
    names = [field.name for field in fields(Link)]
    query = select(*(table.c[name] for name in names)).where(table.c.ordinal >= first)
    return [Link(*row) for row in connection.execute(query.order_by(table.c.ordinal))]


def newest(connection: Connection, ledger: Ledger) -> Link | None:
    """The link with the head that counts."""
    table = ledger.chain
    names = [field.name for field in fields(Link)]
    query = select(*(table.c[name] for name in names)).order_by(table.c.ordinal.desc()).limit(1)
    row = connection.execute(query).first()
    return Link(*row) if row else None


def append(connection: Connection, ledger: Ledger, link: Link) -> None:
    """Write a link; two writers of one ordinal exclude each other by its key."""
    values = {field.name: getattr(link, field.name) for field in fields(link)}
    connection.execute(insert(ledger.chain).values(values))


def new_ledger() -> str:
    """What the first link has in the place of a head before it: no other ledger has it."""
    return secrets.token_hex(32)


def following(
    before: Link | None, covered: Covered, *, key: Key | None = None, **rest: str
) -> Link:
    """The link after another one, or the first.

    Args:
        before: the newest link, or None.
        covered: what came since.
        key: that it is written under.
        rest: the fields of `Link` that neither of them gives; `previous` for the first.
    """
    link = Link(
        ordinal=before.ordinal + 1 if before else 1,
        **({"previous": before.head} if before else {}),
        last_seq=covered.last_seq,
        receipts=covered.receipts,
        receipts_digest=covered.receipts_digest,
        quarantine_digest=covered.quarantine_digest,
        last_change=covered.last_change,
        changes=covered.changes,
        changes_digest=covered.changes_digest,
        revision=HEAD,
        columns_digest=sealed.columns_digest(HEAD),
        key_id=key.id if key else None,
        **rest,
    ).sealed()
    return replace(link, mac=key.mac("link", link.head)) if key else link


def receipts(
    connection: Connection,
    ledger: Ledger,
    after: int,
    until: int | None = None,
    revision: str = HEAD,
) -> Iterator[Row]:
    """The receipts with numbers above `after` and up to `until`, by their numbers."""
    head, part = ledger.receipt, ledger.receipt_table
    names = sealed.columns("receipt", revision)
    part_names = sealed.columns("receipt_table", revision)
    while True:
        query = (
            select(
                head.c.seq,
                *(head.c[name] for name in names),
                *(head.c.reason, head.c.salt, head.c.reason_digest),
            )
            .where(head.c.seq > after, *([head.c.seq <= until] if until is not None else []))
            .order_by(head.c.seq)
            .limit(_CHUNK)
        )
        rows = connection.execute(query).all()
        if not rows:
            return
        last = rows[-1][0]
        parts: dict[str, list[Row]] = {}
        query = (
            select(part.c.batch_id, *(part.c[name] for name in part_names))
            .join(head, head.c.batch_id == part.c.batch_id)
            .where(head.c.seq > after, head.c.seq <= last)
        )
        for batch, *values in connection.execute(query):
            parts.setdefault(batch, []).append(list(values))
        for seq, *values, reason, salt, written in rows:
            own = parts.get(values[0], [])
            yield [int(seq), *values, reason_digest(reason, salt, written), _in_order(own)]
        after = last


def first_of(connection: Connection, ledger: Ledger, run_id: str) -> int:
    """The lowest number of a receipt of a run; above all that there are if it has none."""
    table = ledger.receipt
    query = select(func.min(table.c.seq)).where(table.c.run_id == run_id)
    seq = connection.execute(query).scalar_one()
    return int(seq) if seq is not None else 1 << 62


def receipt_row(receipt: Values, parts: Sequence[Values]) -> Row:
    """A receipt that is being written, as `receipts` reads it back."""
    values = [receipt[name] for name in RECEIPT]
    own: list[Row] = [[part[name] for name in PART] for part in parts]
    return [int(receipt["seq"]), *values, receipt["reason_digest"], _in_order(own)]


def _in_order(parts: Iterable[Row]) -> list[Row]:
    # In the order of code points: databases sort text each in their own way.
    return sorted(parts, key=lambda row: (str(row[0]), str(row[1])))


def reason_digest(reason: str | None, salt: str | None, written: str | None = None) -> str | None:
    """How the reason of a receipt enters; one that was erased with its salt, as it was written."""
    if reason is None:
        return written
    return sha256_of(reason if salt is None else [salt, reason])


def payload_digest(row: Values) -> str:
    """How the personal part of a quarantined record enters; erased with its salt, as written."""
    written: str | None = row["payload_digest"]
    if row["salt"] is None:
        return written if written and not row["payload"] else sha256_of(row["payload"])
    return sha256_of([row["salt"], row["identity"], row["payload_encoding"], row["payload"]])


def receipts_digest(rows: Iterable[Row]) -> tuple[int, int, str]:
    """How many receipts, the highest number (0 without any), and the digest over them."""
    digest = hashlib.sha256()
    count = last = 0
    for row in rows:
        digest.update(canonical(row) + b"\n")
        count, last = count + 1, int(str(row[0]))
    return count, last, digest.hexdigest()


def covered(
    connection: Connection, ledger: Ledger, before: Link | None, until: Link | None = None
) -> Covered:
    """What came after one link, up to another one or all that is there.

    Args:
        connection: where nothing else is committed meanwhile, if it is for a new link.
        ledger: of the target.
        before: the link before; None for the first.
        until: the link that covers it, in the columns of its revision; None for a new one.
    """
    receipts_after = before.last_seq if before else 0
    changes_after = (before.last_change or 0) if before else 0
    receipts_until = until.last_seq if until else None
    changes_until = (until.last_change or 0) if until else None
    revision = until.columns if until else HEAD
    with legible("table receipt"):
        count, last, digest = receipts_digest(
            receipts(connection, ledger, receipts_after, receipts_until, revision)
        )
        rows = [
            change_row(row) for row in changes(connection, ledger, changes_after, changes_until)
        ]
    end = max(last, receipts_after) if receipts_until is None else receipts_until
    last_change = max([changes_after, *(int(str(row[0])) for row in rows)])
    end_change = last_change if changes_until is None else changes_until
    return Covered(
        end,
        count,
        digest,
        quarantine_digest(connection, ledger, receipts_after, end, revision),
        end_change,
        len(rows),
        sha256_of(list(rows)),
    )


def changes(
    connection: Connection, ledger: Ledger, after: int, until: int | None = None
) -> list[RowMapping]:
    """The changes of current state in a range of their numbers."""
    table = ledger.change
    query = select(table).where(table.c.seq > after).order_by(table.c.seq)
    if until is not None:
        query = query.where(table.c.seq <= until)
    return list(connection.execute(query).mappings())


def change_row(row: Values) -> Row:
    """A change as a link holds it fast."""
    return [int(row["seq"]), *(row[name] for name in sealed.columns("change", HEAD))]


def quarantine_digest(
    connection: Connection, ledger: Ledger, after: int, until: int, revision: str = HEAD
) -> str:
    """Of the records that the receipts of a range left out; their payloads enter as digests."""
    digest = hashlib.sha256()
    for _, row in quarantined(connection, ledger, after, until, revision):
        digest.update(canonical(row) + b"\n")
    return digest.hexdigest()


def quarantined(
    connection: Connection, ledger: Ledger, after: int, until: int, revision: str = HEAD
) -> Iterator[tuple[str, Row]]:
    """(batch id, record as a link holds it fast) for the receipts of a range."""
    table, head = ledger.quarantine, ledger.receipt
    query = (
        select(table)
        .join(head, head.c.batch_id == table.c.batch_id)
        .where(head.c.seq > after, head.c.seq <= until)
        .order_by(head.c.seq, table.c.id)
    )
    options = {"stream_results": True, "max_row_buffer": 1_000}
    for row in connection.execute(query, execution_options=options).mappings():
        yield row["batch_id"], quarantine_row(row, revision)


def quarantine_row(row: Values, revision: str = HEAD) -> Row:
    """A quarantined record as a link of a revision holds it fast."""
    values = [row[name] for name in sealed.columns("quarantine", revision)]
    return [*values, payload_digest(row)]


def plans(connection: Connection, ledger: Ledger, run_id: str) -> list[Row]:
    """What a run planned: stream, tenant, digest, plan id, and a digest of the rest, in order."""
    table = ledger.partition
    names = ("stream", "tenant", "digest", "plan_id")
    rest = ("name", "bounds", "ordinal", "records", "until")
    query = select(*(table.c[name] for name in (*names, *rest))).where(table.c.run_id == run_id)
    rows = [[*row[:4], sha256_of(list(row[4:]))] for row in connection.execute(query)]
    return sorted(rows, key=lambda row: [str(value) for value in row])


def plans_digest(rows: Sequence[Row]) -> str:
    """Over the rows of `plans`."""
    return sha256_of(list(rows))


def canonical(value: object) -> bytes:
    """JSON in one form: keys in order, no blanks, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def sha256_of(value: object) -> str:
    """SHA-256 of a value in its canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()
