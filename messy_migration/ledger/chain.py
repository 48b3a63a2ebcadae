"""The chain: each closed run adds a link that holds fast what was committed until then.

A link's head is a SHA-256 over the head before it and digests of everything that came since:
receipts, quarantined records, the plan of the run, its verdict and its evidence. Whoever knows
a head can tell whether the ledger is still the one that it was made of; heads are therefore
kept outside of the database (`messy_migration.ledger.anchors`, evidence files, printed lines).

Receipts are never changed and their numbers only grow, so that a link covers a range of them:
all above the last number of the link before it, those of killed runs included.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, insert, select

from messy_migration.ledger.tables import Ledger, legible

RECEIPT = (
    *("batch_id", "kind", "run_id", "stream", "tenant", "partition", "ordinal", "last"),
    *("extracted", "loaded", "quarantined", "filtered", "filters", "warnings", "epoch", "pid"),
    *("started_at", "committed_at", "xid"),
)
"""What a link holds fast of a receipt, beside its number, its reason and its parts."""

PART = (
    *("table_name", "scope", "format_id", "inserted", "updated", "unchanged"),
    *("net_rows", "net_lanes", "amounts", "losses"),
)
"""What it holds fast of a receipt's part for one table."""

_QUARANTINE = (
    *("batch_id", "run_id", "stream", "tenant", "identity", "place", "table_name", "column_name"),
    *("rule", "reason", "payload_encoding", "created_at"),
)
_CHUNK = 2_000

Row = list[object]
"""A receipt as a link holds it fast: number, `RECEIPT`, digest of its reason, list of `PART`."""


@dataclass(frozen=True)
class Link:
    """One link. Digests and heads are 64 hexadecimal characters; `written_at` is in UTC.

    Attributes:
        ordinal: from 1.
        run_id: who wrote it.
        kind: `run`, or `adopted` for what an older program had committed without a chain.
        previous: the head before it; of the first link a random number that names the ledger.
        last_seq: the highest number of a receipt that it covers.
        receipts: how many it covers.
        receipts_digest, quarantine_digest: of these and of the records they left out.
        plans_digest: of the partitions that the run planned.
        evidence_digest: of the content of its evidence file; empty where there is none.
        verdict: of the run.
        head: over all of the above.
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

    def sealed(self) -> Link:
        """The link with its head."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["head"] = head_of(self)
        return Link(**values)


@dataclass(frozen=True)
class Covered:
    """What a link covers: its receipts, and the digests over them and their records."""

    last_seq: int
    receipts: int
    receipts_digest: str
    quarantine_digest: str


def head_of(link: Link) -> str:
    """The head that follows from a link's other fields."""
    values = [getattr(link, field.name) for field in fields(link) if field.name != "head"]
    return _sha256(["messy_migration chain 1", *values])


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


def following(before: Link | None, covered: Covered, **rest: str) -> Link:
    """The link after another one, or the first.

    Args:
        before: the newest link, or None.
        covered: what came since.
        rest: the fields of `Link` that neither of them gives; `previous` for the first.
    """
    return Link(
        ordinal=before.ordinal + 1 if before else 1,
        **({"previous": before.head} if before else {}),
        last_seq=covered.last_seq,
        receipts=covered.receipts,
        receipts_digest=covered.receipts_digest,
        quarantine_digest=covered.quarantine_digest,
        **rest,
    ).sealed()


def receipts(
    connection: Connection, ledger: Ledger, after: int, until: int | None = None
) -> Iterator[Row]:
    """The receipts with numbers above `after` and up to `until`, by their numbers."""
    head, part = ledger.receipt, ledger.receipt_table
    while True:
        query = (
            select(head.c.seq, *(head.c[name] for name in RECEIPT), head.c.reason)
            .where(head.c.seq > after, *([head.c.seq <= until] if until is not None else []))
            .order_by(head.c.seq)
            .limit(_CHUNK)
        )
        found = connection.execute(query).all()
        if not found:
            return
        last = found[-1][0]
        parts: dict[str, list[Row]] = {}
        query = (
            select(part.c.batch_id, *(part.c[name] for name in PART))
            .join(head, head.c.batch_id == part.c.batch_id)
            .where(head.c.seq > after, head.c.seq <= last)
        )
        for batch, *values in connection.execute(query):
            parts.setdefault(batch, []).append(list(values))
        for seq, *values, reason in found:
            # In the order of code points: databases sort text each in their own way.
            own = sorted(parts.get(values[0], []), key=lambda row: (str(row[0]), str(row[1])))
            yield [int(seq), *values, _sha256(reason) if reason is not None else None, own]
        after = last


def receipts_digest(rows: Iterable[Row]) -> tuple[int, int, str]:
    """How many receipts, the highest number (0 without any), and the digest over them."""
    digest = hashlib.sha256()
    count = last = 0
    for row in rows:
        digest.update(canonical(row) + b"\n")
        count, last = count + 1, int(str(row[0]))
    return count, last, digest.hexdigest()


def covered(
    connection: Connection, ledger: Ledger, after: int, until: int | None = None
) -> Covered:
    """What is above one number, up to another or the end."""
    with legible("table receipt"):
        count, last, digest = receipts_digest(receipts(connection, ledger, after, until))
    end = max(last, after) if until is None else until
    return Covered(end, count, digest, quarantine_digest(connection, ledger, after, end))


def quarantine_digest(connection: Connection, ledger: Ledger, after: int, until: int) -> str:
    """Of the records that the receipts of a range left out; their payloads enter as digests."""
    table, head = ledger.quarantine, ledger.receipt
    query = (
        select(*(table.c[name] for name in _QUARANTINE), table.c.payload)
        .join(head, head.c.batch_id == table.c.batch_id)
        .where(head.c.seq > after, head.c.seq <= until)
        .order_by(head.c.seq, table.c.id)
    )
    digest = hashlib.sha256()
    options = {"stream_results": True, "max_row_buffer": 1_000}
    for *values, payload in connection.execute(query, execution_options=options):
        digest.update(canonical([*values, _sha256(payload)]) + b"\n")
    return digest.hexdigest()


def plans(connection: Connection, ledger: Ledger, run_id: str) -> list[Row]:
    """What a run planned: stream, tenant, digest, plan id, and a digest of the rest, in order."""
    table = ledger.partition
    names = ("stream", "tenant", "digest", "plan_id")
    rest = ("name", "bounds", "ordinal", "records", "until")
    query = select(*(table.c[name] for name in (*names, *rest))).where(table.c.run_id == run_id)
    rows = [[*row[:4], _sha256(list(row[4:]))] for row in connection.execute(query)]
    return sorted(rows, key=lambda row: [str(value) for value in row])


def plans_digest(rows: Sequence[Row]) -> str:
    """Over the rows of `plans`."""
    return _sha256(list(rows))


def canonical(value: object) -> bytes:
    """JSON in one form: keys in order, no blanks, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _sha256(value: object) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
