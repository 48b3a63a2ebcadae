"""Hold the ledger against its chain, and the chain against heads kept outside of the database.

The whole of it is read by `reconcile`. A run that begins reads what its last predecessor
committed and counts the rest, so that its cost does not grow with the history of a target.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection, func, select

from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import chain, changes, keys, known_tables, receipts, runs
from messy_migration.ledger.anchors import Anchor
from messy_migration.ledger.chain import Link
from messy_migration.ledger.pending import Pending, pending
from messy_migration.ledger.sealed import columns_digest
from messy_migration.ledger.tables import Ledger, legible

_ROWS_COME_IN = ("load", "stub", "late", "first")


@dataclass(frozen=True)
class Audit:
    """What became of it.

    Attributes:
        newest: the link with the head that counts; None where no run was closed yet.
        ledger: `previous` of the first link.
        anchor: in words, which head from outside of the database the chain was held against.
        is_anchored: there was one.
        reasons: why the ledger is not what runs have written; empty if it is.
        is_full: all of it was read.
        pending: receipts of runs that were not closed, which no link covers by a range yet.
        unsealed: receipts and changes of these behind the newest link, which nothing holds fast.
        notes: what is to be said of an older part of the ledger.
        key_id: of the `fingerprint_key` whose MACs were held against it; empty without one.
    """

    newest: Link | None
    ledger: str
    anchor: str
    is_anchored: bool
    reasons: tuple[str, ...]
    is_full: bool
    pending: int = 0
    unsealed: int = 0
    notes: tuple[str, ...] = ()
    key_id: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """What is to be said beside the reasons, one line each."""
        return (*self.notes, self.behind) if self.unsealed else self.notes

    @property
    def behind(self) -> str:
        """What is to be said of what nothing holds fast."""
        since = f"behind link {self.newest.ordinal}" if self.newest else "before the first link"
        what = f"{self.unsealed:,} receipts and changes of state {since} are unsealed"
        return f"{what}: nothing shows that a run wrote them"


def audit(
    connection: Connection,
    ledger: Ledger,
    anchors: Sequence[Anchor],
    head: str | None = None,
    *,
    full: bool,
    ours: str = "",
    key: Key | None = None,
) -> Audit:
    """Verify the ledger.

    Args:
        connection: in a snapshot, or holding the run lock.
        ledger: of the target.
        anchors: the heads of this target that were written down here, oldest first.
        head: the beginning of a head that was given by hand; it counts instead of them.
        full: read all receipts, not only those of the newest link.
        ours: the lane of the run that asks.
        key: the `fingerprint_key` that counts, where it is at hand.
    """
    links = chain.links(connection, ledger)
    reasons = [*_linked(links)]
    words, is_anchored, wrong = _anchored(links, anchors, head)
    reasons += wrong
    with legible("table receipt"):
        reasons += _content(connection, ledger, links if full else _last(links), links)
        reasons += _strays(connection, ledger, links)
        key = key if keys.began(links) else None
        behind = pending(connection, ledger, links, ours, key)
        reasons += behind.reasons
        reasons += _state(connection, ledger, links, behind, full=full)
        reasons += keys.torn(connection, ledger, links, full=full)
        if key is not None:
            after = 0 if full else links[-1].ordinal
            reasons += keys.forged(connection, ledger, links, key, after)
        if full:
            reasons += _closed(connection, ledger, links)
        if full and not reasons:
            # What was written into it by hand may not even be legible.
            reasons += _parts(connection, ledger)
    newest = links[-1] if links else None
    return Audit(
        newest=newest,
        ledger=links[0].previous if links else "",
        anchor=words,
        is_anchored=is_anchored,
        reasons=tuple(dict.fromkeys(reasons)),
        is_full=full,
        pending=behind.receipts,
        unsealed=behind.unsealed,
        notes=tuple(_notes(links)),
        key_id=key.id if key else "",
    )


def _last(links: Sequence[Link]) -> list[Link]:
    """The newest link that covers a range."""
    return [link for link in links if link.is_range][-1:]


def _notes(links: Sequence[Link]) -> Iterator[str]:
    for link in links:
        if link.kind == "adopted":
            what = "an older program wrote what came before, and sealed "
            what += "only receipts and plans" if link.ordinal > 1 else "none of it"
            yield f"{_name(link)} was written when the ledger was upgraded: {what}"
    if links and all(link.revision is None for link in links):
        yield "the links of this ledger hold fast receipts and plans only"


def _state(
    connection: Connection, ledger: Ledger, links: Sequence[Link], behind: Pending, *, full: bool
) -> Iterator[str]:
    """Current state against the newest link, or else against the changes that it follows from."""
    newest = links[-1] if links else None
    if newest is not None and newest.revision is None:
        return
    found_none = True
    if full or newest is None or behind.changes:
        for reason in changes.departures(connection, ledger):
            found_none = False
            yield reason
    if newest is not None and not behind.changes and found_none:
        salted = newest.state_digest or ""
        # Who adopts an older ledger does so before its own run is one.
        run_id = "" if newest.kind == "adopted" else newest.run_id
        if changes.state_digest(connection, ledger, run_id, salted) != salted:
            yield f"the current state of the ledger is not what {_name(newest)} sealed"


def _name(link: Link) -> str:
    return f"link {link.ordinal} (run {runs.short(link.run_id)})"


def _linked(links: Sequence[Link]) -> Iterator[str]:
    """Ordinals without a gap, each head from its own fields, each link behind the one before."""
    before: Link | None = None
    for link in links:
        ordinal = before.ordinal + 1 if before else 1
        if link.ordinal != ordinal:
            yield f"link {ordinal} of the chain is missing"
        elif chain.head_of(link) != link.head:
            yield f"{_name(link)} of the chain was changed"
        elif before is not None and link.previous != before.head:
            yield f"{_name(link)} does not follow from the link before it"
        before = link


def _anchored(
    links: Sequence[Link], anchors: Sequence[Anchor], head: str | None
) -> tuple[str, bool, list[str]]:
    """In words; whether there was a head to hold it against; and what is wrong."""
    if head is not None:
        for link in links:
            if link.head.startswith(head.lower()):
                return f"{_name(link)} has the head that was given", True, []
        return (
            "the head that was given is not in the chain",
            True,
            ["the chain does not hold the head that was given with --anchor"],
        )
    if not anchors or not anchors[-1].ordinal:
        return "no anchor here: no head of this ledger was written down on this machine", False, []
    anchor = anchors[-1]
    link_name = f"link {anchor.ordinal} (run {runs.short(anchor.run_id)})"
    same = (anchor.ledger, anchor.ordinal, anchor.head)
    first = next(one for one in anchors if (one.ledger, one.ordinal, one.head) == same)
    since = f"anchored here since {first.at[:19]}Z"
    heads = {link.ordinal: link.head for link in links}
    if anchor.ordinal not in heads:
        why = "is missing: ledger and data were set back to an older state"
    elif heads[anchor.ordinal] != anchor.head:
        why = "has another head: this is not the ledger that was left here"
    else:
        return f"{link_name} is {since}", True, []
    return f"{link_name} was {since}", True, [f"{link_name}, {since}, {why}"]


def _content(
    connection: Connection, ledger: Ledger, chosen: Sequence[Link], links: Sequence[Link]
) -> Iterator[str]:
    """The receipts and quarantined records of some links; of all others, how many there are."""
    begins = {link.ordinal: before for before, link in pairwise(links)}
    for link in chosen:
        if link.is_range:
            yield from _range(connection, ledger, begins.get(link.ordinal), link)
    if links:
        seq = ledger.receipt.c.seq
        query = select(func.count()).select_from(ledger.receipt).where(seq <= links[-1].last_seq)
        count, written = connection.execute(query).scalar_one(), sum(one.receipts for one in links)
        if count != written:
            yield f"the chain covers {written:,} receipts, {count:,} are there"
        seq, end = ledger.change.c.seq, links[-1].last_change or 0
        query = select(func.count()).select_from(ledger.change).where(seq <= end)
        there, held = connection.execute(query).scalar_one(), sum(one.changes or 0 for one in links)
        if there != held:
            yield f"the chain covers {held:,} changes of state, {there:,} are there"


def _range(
    connection: Connection, ledger: Ledger, before: Link | None, link: Link
) -> Iterator[str]:
    """What one link covers by a range is what it covered when it was written."""
    if link.revision is not None and link.columns_digest != columns_digest(link.revision):
        yield f"{_name(link)} was made under columns that this program does not know"
        return
    now = chain.covered(connection, ledger, before, link)
    if now.receipts != link.receipts:
        yield f"{_name(link)} covers {link.receipts:,} receipts, {now.receipts:,} are there"
    elif now.receipts_digest != link.receipts_digest:
        yield f"the receipts of {_name(link)} were changed"
    elif now.quarantine_digest != link.quarantine_digest:
        yield f"the records in quarantine of {_name(link)} were changed"
    elif link.revision is not None and now.changes_digest != link.changes_digest:
        yield f"the changes of state of {_name(link)} were changed"


def _strays(connection: Connection, ledger: Ledger, links: Sequence[Link]) -> list[str]:
    """Receipts that no link covers yet; they may come from runs that are not closed, only."""
    head, run = ledger.receipt, ledger.run
    last = links[-1].last_seq if links else 0
    query = (
        select(head.c.run_id, run.c.state, func.count())
        .select_from(head.outerjoin(run, run.c.run_id == head.c.run_id))
        .where(head.c.seq > last)
        .group_by(head.c.run_id, run.c.state)
        .order_by(head.c.run_id)
    )
    rows = connection.execute(query).all()
    return [
        f"{count:,} receipts of run {runs.short(run_id)}, which is "
        f"{'closed' if state else 'not in the ledger'}, are in no link of the chain"
        for run_id, state, count in rows
        if state != "open"
    ]


def _closed(connection: Connection, ledger: Ledger, links: Sequence[Link]) -> Iterator[str]:
    """Runs against their last links: both are there, with one verdict, over one plan."""
    table = ledger.run
    rows = connection.execute(select(table.c.run_id, table.c.state, table.c.verdict)).all()
    last = {link.run_id: link for link in links if link.kind == "run"}
    earlier = _unchained(connection, ledger, links)
    for run_id, state, verdict in rows:
        link = last.pop(run_id, None)
        if state != "done":
            continue
        if link is None:
            if run_id not in earlier:
                yield f"run {runs.short(run_id)} is closed, and no link of the chain is of it"
        elif link.verdict != verdict:
            yield f"the verdict of run {runs.short(run_id)} was changed"
        elif link.plans_digest != chain.plans_digest(chain.plans(connection, ledger, run_id)):
            yield f"what run {runs.short(run_id)} planned was changed"
    for link in last.values():
        yield f"{_name(link)} is of a run that is not in the ledger"


def _unchained(connection: Connection, ledger: Ledger, links: Sequence[Link]) -> set[str]:
    """Runs that were closed before there was a chain, by what adopted them; no clock is asked."""
    adopted = next((link for link in links if link.kind == "adopted" and link.ordinal == 1), None)
    if adopted is None:
        return set()
    known = changes.runs_of(connection, ledger, adopted.last_change or 0)
    head = ledger.receipt
    query = select(head.c.run_id).where(head.c.seq <= adopted.last_seq).distinct()
    return known | set(connection.execute(query).scalars())


def _parts(connection: Connection, ledger: Ledger) -> Iterator[str]:
    """Receipts that contradict themselves, and tables that only receipts know."""
    yield from _contradictions(connection, ledger)
    yield from _closings(connection, ledger)
    table_states = known_tables.all_states(connection, ledger)
    for name, scope in sorted({key[:2] for key in receipts.expected(connection, ledger)}):
        if (name, scope) not in table_states:
            yield f"receipts speak of table {name}, and the ledger does not know it any more"
    ids = set(connection.execute(select(ledger.run.c.run_id)).scalars())
    for state in table_states.values():
        if state.first_run not in ids:
            yield (
                f"run {runs.short(state.first_run)}, which met table {state.table.name} first, "
                "is not in the ledger"
            )


def _contradictions(connection: Connection, ledger: Ledger) -> list[str]:
    """Receipts or parts of them that are gone, or do not add up, in words.

    The CHECK constraints of the ledger may have been dropped, so they are held again here.

    Raises:
        TargetError: what is written there cannot be read.
    """
    with legible("table receipt"):
        problems = {
            "{} parts of receipts have no receipt": _headless(connection, ledger),
            "the counts of {} receipts do not add up": _unbalanced(connection, ledger),
            "{} receipts say other rows than they inserted": _contradicting(connection, ledger),
            "batches are missing in {} partitions": _gaps(connection, ledger),
        }
    return [text.format(count) for text, count in problems.items() if count]


def _closings(connection: Connection, ledger: Ledger) -> Iterator[str]:
    """Records left the quarantine by receipts, and by nothing else."""
    head, table = ledger.receipt, ledger.quarantine
    query = select(head.c.reason).where(head.c.kind == "superseded")
    with legible("table receipt"):
        said = [json.loads(reason)["entries"] for reason in connection.execute(query).scalars()]
    closed = set(connection.execute(select(table.c.id).where(table.c.state != "open")).scalars())
    if closed != {number for numbers in said for number in numbers}:
        yield "records in quarantine are in another state than receipts say"


def _headless(connection: Connection, ledger: Ledger) -> int:
    """Parts of receipts whose head is gone: somebody edited the ledger."""
    part, head = ledger.receipt_table, ledger.receipt
    query = (
        select(func.count())
        .select_from(part.outerjoin(head, head.c.batch_id == part.c.batch_id))
        .where(head.c.batch_id.is_(None))
    )
    return int(connection.execute(query).scalar_one())


def _unbalanced(connection: Connection, ledger: Ledger) -> int:
    table = ledger.receipt
    counted = table.c.loaded + table.c.quarantined + table.c.filtered
    query = select(func.count()).select_from(table).where(table.c.extracted != counted)
    return int(connection.execute(query).scalar_one())


def _contradicting(connection: Connection, ledger: Ledger) -> int:
    """A batch adds exactly the rows that it inserts; an update replaces one by one."""
    head, part = ledger.receipt, ledger.receipt_table
    query = (
        select(func.count())
        .select_from(part.join(head, head.c.batch_id == part.c.batch_id))
        .where(head.c.kind.in_(_ROWS_COME_IN), part.c.net_rows != part.c.inserted)
    )
    return int(connection.execute(query).scalar_one())


def _gaps(connection: Connection, ledger: Ledger) -> int:
    """Partitions whose last batch is committed, and one before it is not."""
    table = ledger.receipt
    query = select(
        table.c.stream, table.c.tenant, table.c.partition, table.c.ordinal, table.c.last
    ).where(table.c.kind == "load")
    ordinals: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    ends: dict[tuple[str, str, str], int] = {}
    for stream, tenant, partition, ordinal, last in connection.execute(query):
        partition_key = (stream, tenant, partition)
        ordinals[partition_key].add(int(ordinal))
        if last:
            ends[partition_key] = max(ends.get(partition_key, 0), int(ordinal))
    return sum(1 for partition_key, end in ends.items() if len(ordinals[partition_key]) <= end)
