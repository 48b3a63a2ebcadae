"""Keys that come after the load, and the rows that turn out to have the same one.

A table that a run creates for one stream alone is loaded without its key, which is faster, and
gets it when the stream is complete. Until then the ledger calls it `key_pending`: a run that is
resumed goes on without the key, a reconciliation proves what was loaded, and any other run that
is about to write there adds the key first.

Rows that lose against another one with their key leave by the rules of the merge, through a
receipt of the run that loaded them: equal and older ones count as filtered, others go to
quarantine. All that is one transaction, and what it has done once it finds done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from messy_migration.databases.dialect import LateKeys
from messy_migration.databases.errors import KeyTaken, driver_errors_as_ours
from messy_migration.databases.keyed import sums_of
from messy_migration.errors import TargetError
from messy_migration.fingerprint.keyed import Sums
from messy_migration.ledger import fence, known_tables, quarantine, receipts
from messy_migration.ledger.chain import Row
from messy_migration.ledger.known_tables import TableState
from messy_migration.model import Fingerprint, Stream, TableReceipt, stream_label
from messy_migration.pipeline.entries import displaced_entry
from messy_migration.pipeline.rules import DUPLICATE
from messy_migration.run.prepare import Site
from messy_migration.run.state import RunState


def add_keys(state: RunState) -> None:
    """Add the keys that this run left for later, of tables whose stream is complete.

    Raises:
        TargetError: a key cannot be added; the next run does it.
        Locked: a newer run took the target over.
    """
    target, ledger = state.workspace.target, state.workspace.ledger
    with target.dialect.reading(target.engine) as connection:
        table_states = known_tables.all_states(connection, ledger).values()
    for table_state in table_states:
        label = stream_label(table_state.stream, table_state.tenant)
        is_ours = table_state.key_pending and table_state.first_run == state.run.run_id
        if is_ours and label not in state.unfinished:
            where = f"key of table {table_state.table.name}"
            with driver_errors_as_ours(where), target.engine.begin() as connection:
                site = Site(connection, target.dialect, ledger, state.signature())
                _complete(site, table_state)


def add_earlier_keys(site: Site, streams: Sequence[Stream]) -> None:
    """Add the keys that other runs never came to add, of tables that this run writes.

    Args:
        site: inside a transaction.
        streams: the streams of this run.
    """
    names = {table.name for stream in streams for table in stream.tables}
    for state in known_tables.all_states(site.connection, site.ledger).values():
        is_left = state.key_pending and state.first_run != site.signature.run_id
        if is_left and state.table.name in names:
            _complete(site, state)


def _complete(site: Site, state: TableState) -> None:
    """Remove what stands in the way of the key, add it, and remember it."""
    late = site.dialect.late_keys
    if late is not None and state.table.key:
        late.lock(site.connection, state.table)
        try:
            with site.connection.begin_nested():
                late.add(site.connection, state.table)
        except KeyTaken:
            _settle(site, late, state)
            late.add(site.connection, state.table)
    known_tables.make_ready(site.connection, site.ledger, site.signature, state.table)
    fence.check(site.connection, site.ledger, site.signature.epoch)


def _settle(site: Site, late: LateKeys, state: TableState) -> None:
    """Take the losers out, and sign for it in the name of the run that loaded them."""
    announced = late.find(site.connection, state.table, state.bookmark)
    removed, removed_keyed = _removed(site, late, state)
    text = f"late\n{state.first_run}\n{state.table.name}\n{state.table.scope}"
    identity = hashlib.sha256(text.encode()).hexdigest()[:32]
    held = _quarantine(site, late, state, identity)
    refused = len(held)
    if late.remove(site.connection, state.table) != announced or removed.rows != announced:
        raise TargetError(
            "the target removed a different number of rows than it announced",
            f"table {state.table.name}",
            f"announced {announced}",
            "look for a trigger or rule on the table",
        )
    # A record with other rows in the table is still there when one of them repeats another's.
    is_exact = receipts.has_one_row_a_record(
        site.connection, site.ledger, state.table.name, state.table.scope
    )
    filtered = announced - refused if is_exact else 0
    part = TableReceipt(
        state.table.name,
        state.table.scope,
        state.format_id,
        -announced,
        0,
        0,
        Fingerprint() - removed,
        keyed=Fingerprint() - removed_keyed if removed_keyed else None,
    )
    receipts.write(
        site.connection,
        site.ledger,
        replace(site.signature, run_id=state.first_run),
        replace(
            receipts.receipt_of_table(identity, state.stream, state.tenant, part),
            loaded=-(refused + filtered),
            quarantined=refused,
            filtered={DUPLICATE: filtered} if filtered else {},
        ),
        kind="late",
        quarantined=held,
    )


def _removed(site: Site, late: LateKeys, state: TableState) -> Sums:
    """The sums of the rows that were set apart."""
    if site.signature.key is None:
        return late.fingerprint(site.connection, state.table), None
    source = late.source(site.connection, state.table)
    return sums_of(site.connection, site.dialect, state.table, source, site.signature.key)


def _quarantine(site: Site, late: LateKeys, state: TableState, identity: str) -> list[Row]:
    """Put away what contradicts a winner, but what the run put away before; as it is sealed."""
    held: list[Row] = []
    origin = (state.first_run, state.stream, state.tenant)
    for chunk in late.contradictions(site.connection, state.table):
        lanes = [one for one, _ in chunk]
        identities = quarantine.known(site.connection, site.ledger, *origin, lanes)
        entries = [displaced_entry(state.table, *one) for one in chunk if one[0] not in identities]
        held += quarantine.write(
            site.connection, site.ledger, state.first_run, identity, *origin[1:], entries
        )
    return held
