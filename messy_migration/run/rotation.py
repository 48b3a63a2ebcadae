"""Change the `fingerprint_key` of a target, as a run that reads no source.

All tables are proven: by their sums without a key, and by those under the key that counts. Each
is then summed anew under the new key, in the same reading of its rows, and signed by a receipt of
the kind `rekey`; a link under the new key closes it. All that is one transaction: a rotation that
is killed before it commits has changed nothing, and after that the same command finds it done.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.keyed import texts
from messy_migration.databases.naming import scoped
from messy_migration.errors import ProofError
from messy_migration.fingerprint.keyed import Key, sums_of_texts
from messy_migration.ledger import keys, known_tables, receipts
from messy_migration.ledger.keys import KeyedSum
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.lanes import Lane, Signature
from messy_migration.ledger.receipts import Scope
from messy_migration.model import Fingerprint, TableReceipt
from messy_migration.reconcile.keyed import forged_rows
from messy_migration.reconcile.prove import prove
from messy_migration.run.anchors import check_ledger
from messy_migration.run.close import close_run
from messy_migration.run.events import RunEvents
from messy_migration.run.keying import note_link, put_link
from messy_migration.run.lock import RunLock
from messy_migration.run.open import locked, open_run, say_begun
from messy_migration.run.options import RunOptions
from messy_migration.run.outcome import Observer, Outcome
from messy_migration.run.signals import StopSignals
from messy_migration.run.state import RunState
from messy_migration.workspace import Workspace

ROTATE = "run --rotate-key"
"""What stands as the selection of such a run in the ledger; no stream is named like that."""

KeyedSums = Mapping[tuple[str, Scope, str], KeyedSum]


def rotate(
    workspace: Workspace, observer: Observer, options: RunOptions, events: RunEvents
) -> Outcome:
    """Prove all tables under the key that counts, and put them under the one that is set.

    Args:
        workspace: of a target with a ledger.
        observer: told of its steps.
        options: the reason for which the key before is lost, if it is.
        events: what is said of the run.

    Raises:
        ProofError: a table is not what was loaded, or the key that counts is not at hand.
        Locked: another run holds the target.
    """
    began, target, run_id = time.monotonic(), workspace.target, workspace.request.run_id
    options = replace(options, selection=(ROTATE,), tenants=())
    with (
        StopSignals() as stop,
        driver_errors_as_ours(f"target {target.label}"),
        RunLock(target, workspace.ledger) as lock,
    ):
        retry = workspace.retry(lambda: stop.requested)
        if not lock.take():
            raise locked(workspace, retry)
        streams = workspace.streams()
        state = retry.call(
            lambda: open_run(workspace, run_id, streams, options, lock, retry, events)
        )
        say_begun(state)
        state.patiently(lambda: check_ledger(state))
        state.patiently(lambda: _change(state))
        state.is_settled = True
        observer.proving()
        return close_run(state, stop, began)


def _change(state: RunState) -> None:
    """All of it in one transaction; what was changed once is found so."""
    workspace, new = state.workspace, state.workspace.key
    if new is None:
        return
    ledger, link = workspace.ledger, None
    with state.writing() as connection:
        before = keys.newest(connection, ledger)
        is_new = before is None or before.key_id != new.id
        under_new = keys.expected(connection, ledger, new)
        tables = [
            one
            for one in known_tables.all_states(connection, ledger).values()
            if is_new or not _is_whole(one, under_new, new)
        ]
        _prove(connection, state, tables)
        old = state.key if is_new and before is not None else None
        under_old = keys.expected(connection, ledger, old) if old else {}
        signature = replace(state.signature(), key=new)
        for one in tables:
            keyed = _summed(connection, state, one, new, old, under_old)
            _sign(connection, state, signature, one, keyed)
        if is_new:
            link = put_link(connection, state, new)
    state.key = new
    if link is not None:
        state.lane = Lane()
        note_link(state, link)


def _is_whole(one: TableState, sums: KeyedSums, key: Key) -> bool:
    keyed = sums.get((*one.key, one.format_id), KeyedSum())
    return one.key_id == key.id and not keyed.unkeyed


def _prove(connection: Connection, state: RunState, tables: Sequence[TableState]) -> None:
    """Each table is the one that was loaded, and adds up to its receipts."""
    workspace = state.workspace
    sums = receipts.expected(connection, workspace.ledger)
    for verdict in prove(connection, workspace.target.dialect, tables, sums, {}, rows_only=True):
        if verdict.verdict != "MATCH":
            raise _refused(verdict.table, verdict.reason)


def _summed(
    connection: Connection,
    state: RunState,
    one: TableState,
    new: Key,
    old: Key | None,
    under_old: KeyedSums,
) -> Fingerprint:
    """The sum of a table under the new key, of the very rows that are proven under the old one."""
    dialect = state.workspace.target.dialect
    source = scoped(connection, dialect, one.table)
    both = (new,) if old is None else (new, old)
    plain, keyed, *rest = sums_of_texts(texts(connection, dialect, one.table, source), *both)
    sums = receipts.expected(connection, state.workspace.ledger)
    if plain != sums.get((*one.key, one.format_id), Fingerprint()):
        raise _refused(one.table.name, "rows changed while they were being read")
    key = (*one.key, one.format_id)
    if old and _is_whole(one, under_old, old):
        expected = under_old.get(key, KeyedSum()).net
        if rest[0].lanes != expected.lanes:
            raise _refused(one.table.name, forged_rows(old.id))
    return keyed


def _refused(table: str, why: str) -> ProofError:
    return ProofError(
        "the key is not changed: the target is not as earlier runs left it",
        f"table {table}",
        why,
        "`migrate reconcile --against landed` names the rows; put them right, then type"
        " the same command again",
    )


def _sign(
    connection: Connection,
    state: RunState,
    signature: Signature,
    one: TableState,
    keyed: Fingerprint,
) -> None:
    """Say under the new key what the whole table adds up to; no row comes in or goes."""
    ledger, table = state.workspace.ledger, one.table
    text = f"rekey\n{signature.run_id}\n{signature.key_id}\n{table.name}\n{table.scope}"
    identity = hashlib.sha256(text.encode()).hexdigest()[:32]
    part = TableReceipt(table.name, table.scope, one.format_id, 0, 0, 0, Fingerprint(), keyed=keyed)
    receipt = receipts.receipt_of_table(identity, one.stream, one.tenant, part)
    reason = state.options.lost_key
    receipts.write(connection, ledger, signature, receipt, kind=keys.REKEY, reason=reason)
    known_tables.rekey(connection, ledger, signature, table, str(signature.key_id))
