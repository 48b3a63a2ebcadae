"""Make a target ready for a run: its tables, what the ledger knows of them, and old proof."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from messy_migration.databases.ddl import Misfit, create_table
from messy_migration.databases.dialect import Dialect
from messy_migration.databases.keyed import sums_of
from messy_migration.databases.met import beside
from messy_migration.databases.money import less, of_source
from messy_migration.databases.naming import scoped
from messy_migration.errors import ConfigurationError, ProofError, TargetError, TargetUnavailable
from messy_migration.fingerprint.keyed import Sums
from messy_migration.fingerprint.rows import format_id
from messy_migration.ledger import bookmarks, keys, known_tables, receipts
from messy_migration.ledger import money as amounts
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.receipts import Scope
from messy_migration.ledger.tables import Ledger
from messy_migration.model import Fingerprint, Stream, Table, TableReceipt, Totals
from messy_migration.model.evolution import gained
from messy_migration.reconcile.prove import prove
from messy_migration.reconcile.verdict import TableVerdict

_LOG = logging.getLogger(__name__)


Misfits = list[tuple[Stream, Misfit]]
"""Streams of which a table of the target does not fit, and why."""


@dataclass(frozen=True)
class Site:
    """The target on one connection, and who writes there."""

    connection: Connection
    dialect: Dialect
    ledger: Ledger
    signature: Signature


def prove_earlier(site: Site, streams: Sequence[Stream], accept: str | None) -> list[TableVerdict]:
    """Prove what earlier runs loaded, before anything is added to it.

    Args:
        site: inside a transaction.
        streams: the streams of this run.
        accept: a reason; changes of somebody else are then adopted as receipts with it.

    Raises:
        ProofError: somebody else changed a table, or it cannot be read.
    """
    table_states = known_tables.all_states(site.connection, site.ledger)
    examined = [
        table_states[table.name, table.scope]
        for stream in streams
        for table in stream.tables
        if (table.name, table.scope) in table_states
    ]
    sums = receipts.expected(site.connection, site.ledger)
    # A run that was killed has added no stubs, so that rows miss parents: nobody's change.
    verdicts = list(prove(site.connection, site.dialect, examined, sums, {}, rows_only=True))
    if site.connection.invalidated:
        raise TargetUnavailable("the target went away", why=verdicts[-1].reason)
    wrong = [verdict for verdict in verdicts if verdict.verdict != "MATCH"]
    if accept is not None:
        # Rows that add up to the sums without a key are adopted too, where the keyed ones differ.
        wrong += [
            one for one in verdicts if one not in wrong and _is_forged(site, table_states, one)
        ]
    if not wrong:
        return []
    hiding = {
        verdict.table: hidden
        for verdict in wrong
        if (hidden := site.dialect.policies(site.connection, verdict.table))
    }
    if accept is None or hiding or any(verdict.actual is None for verdict in wrong):
        raise ProofError(
            "the target is not as earlier runs left it",
            ", ".join(f"table {verdict.table}" for verdict in wrong),
            "; ".join(dict.fromkeys([*(verdict.reason for verdict in wrong), *hiding.values()])),
            "`migrate reconcile` names the rows; put them right, or adopt the changes with "
            '`migrate run --accept-foreign "reason"`',
        )
    for verdict in wrong:
        _adopt(site, table_states[verdict.table, verdict.scope], verdict, accept)
    return wrong


def prepare_tables(
    site: Site,
    streams: Sequence[Stream],
    *,
    keys_later: bool = False,
    misfits: Misfits | None = None,
) -> frozenset[tuple[str, Scope]]:
    """Create missing tables, and meet new ones; gives those that this run found empty.

    Args:
        site: inside a transaction.
        streams: the streams of this run.
        keys_later: leave keys for after the load where that is possible.
        misfits: gets each stream of which a table does not fit; without it that is an error.

    Raises:
        TargetError: a table cannot be created, or does not fit its stream.
        ConfigurationError: a table belongs to another stream.
    """
    table_states = known_tables.all_states(site.connection, site.ledger)
    for stream in streams:
        late = {
            table.name
            for table in stream.tables
            if keys_later
            and not table.amounts
            and _key_comes_later(site.dialect, streams, stream, table)
        }
        try:
            for table in stream.tables:
                state = table_states.get((table.name, table.scope))
                _prepare(site, stream, table, state, is_late=table.name in late)
        except Misfit as error:
            if misfits is None:
                raise
            misfits.append((stream, error))
    run_id = site.signature.run_id
    return frozenset(
        key
        for key, state in known_tables.all_states(site.connection, site.ledger).items()
        if state.first_run == run_id and state.baseline_rows == 0
    )


def _prepare(
    site: Site, stream: Stream, table: Table, state: TableState | None, *, is_late: bool
) -> None:
    """Create one table if it is missing, and meet it."""
    is_there = site.dialect.columns(site.connection, table.name) is not None
    if is_there:
        _tell_of_policies(site, table)
    lacks_key = state.key_pending if state else is_late and not is_there
    created = create_table(site.connection, site.dialect, table, with_key=not lacks_key)
    if table.conflict == "first":
        create_table(site.connection, site.dialect, beside(table))
    if state is None:
        _meet(site, stream, table, created=created, key_pending=created and is_late)
    else:
        _meet_again(site, stream, table, state)


def _tell_of_policies(site: Site, table: Table) -> None:
    """A batch keeps the role's row security, since triggers rely on it; the proof will stop."""
    hidden = site.dialect.policies(site.connection, table.name)
    if hidden:
        _LOG.warning(
            "table %s: %s, and what it hides cannot be proven; load as its owner, or as a role"
            " with BYPASSRLS",
            table.name,
            hidden,
        )


def _key_comes_later(
    dialect: Dialect, streams: Sequence[Stream], stream: Stream, table: Table
) -> bool:
    """May the key of a table come after the load?

    Only where one stream writes the table and no other: if a record has rows in several tables,
    the duplicate of one row says nothing of the record.
    """
    writers = [owner for owner in streams for other in owner.tables if other.name == table.name]
    is_alone = len(writers) == 1 and len(stream.tables) == 1 and not table.scope
    # What leaves with a late key is not counted as money.
    is_usual = table.conflict in ("", "newest")
    return bool(dialect.late_keys and table.key and is_alone and is_usual and not table.amounts)


def _meet(site: Site, stream: Stream, table: Table, *, created: bool, key_pending: bool) -> None:
    """Remember a table; what it holds already becomes its baseline."""
    fingerprint = Fingerprint()
    keyed: Fingerprint | None = None
    money: Totals = {}
    if not created:
        fingerprint, keyed = _sums(site, table)
        money = of_source(site.connection, site.dialect, table, _rows(site, table))
    run_id = site.signature.run_id
    state = TableState(
        table,
        stream.name,
        stream.tenant,
        format_id(table),
        created,
        run_id,
        fingerprint.rows,
        stream.bookmark if stream.bookmark in table.names else None,
        key_pending,
        site.dialect.identity(site.connection, table),
        site.signature.key_id,
    )
    known_tables.add(site.connection, site.ledger, site.signature, state)
    if fingerprint.rows:
        stream_key = (stream.name, stream.tenant)
        _receipt(site, stream_key, table, (fingerprint, keyed), money, "baseline", None)


def _meet_again(site: Site, stream: Stream, table: Table, state: TableState) -> None:
    if (state.stream, state.tenant) != (stream.name, stream.tenant):
        raise ConfigurationError(
            f"the table {table.name} belongs to another stream",
            f"stream {stream.label}",
            f"{state.stream} was loaded into it before",
            "give this stream another table, or a scope",
        )
    new = format_id(table)
    if table == state.table:
        return
    if unread := gained(state.table, table):
        # The source is read from its beginning, so that nobody has to trust what stands there.
        bookmarks.move(
            site.connection,
            site.ledger,
            site.signature,
            stream.name,
            stream.tenant,
            bookmarks.NOWHERE,
        )
    if new != state.format_id:
        # Proven under the old format a moment ago; from here on the new one counts.
        sums = receipts.expected(site.connection, site.ledger)
        under_new = sums.get((table.name, table.scope, new), Fingerprint())
        actual, keyed = _sums(site, table)
        change = (actual - under_new, _keyed_since(site, state, keyed, new))
        stream_key = (stream.name, stream.tenant)
        money = _money_since(site, table)
        gone = [f"-{name}" for name in state.table.names if name not in table.names]
        reason = " ".join([state.format_id, *unread, *gone])
        _receipt(site, stream_key, table, change, money, "rebase", reason)
    known_tables.redefine(site.connection, site.ledger, site.signature, table, new)


def _adopt(site: Site, state: TableState, verdict: TableVerdict, reason: str) -> None:
    if verdict.actual is None:
        return
    keyed: Fingerprint | None = None
    if site.signature.key is not None:
        actual, keyed = _sums(site, state.table)
        if actual != verdict.actual:
            raise TargetError(
                "rows changed while they were being adopted",
                f"table {state.table.name}",
                "somebody else writes to the table",
                "type the same command again",
            )
    change = (
        verdict.actual - verdict.expected,
        _keyed_since(site, state, keyed, state.format_id),
    )
    money = _money_since(site, state.table)
    _receipt(site, (state.stream, state.tenant), state.table, change, money, "foreign", reason)


def _is_forged(
    site: Site, table_states: Mapping[tuple[str, Scope], TableState], one: TableVerdict
) -> bool:
    """Do the rows of a table add up to its sums, and not to the one under the key?"""
    state, key = table_states[one.table, one.scope], site.signature.key
    if key is None:
        return False
    _, keyed = _sums(site, state.table)
    return _keyed_since(site, state, keyed, state.format_id) not in (None, Fingerprint())


def _sums(site: Site, table: Table) -> Sums:
    source, key = _rows(site, table), site.signature.key
    return sums_of(site.connection, site.dialect, table, source, key)


def _keyed_since(
    site: Site, state: TableState, actual: Fingerprint | None, format_id: str
) -> Fingerprint | None:
    """The keyed sum of a table minus what its receipts say, without rows; None if not all have."""
    key = site.signature.key
    if key is None or actual is None or state.key_id != key.id:
        return None
    before = keys.expected(site.connection, site.ledger, key)
    net = before.get((*state.key, format_id), keys.KeyedSum()).net
    return Fingerprint(0, actual.lane0, actual.lane1) - net


def _money_since(site: Site, table: Table) -> Totals | None:
    """What the totals of a table are now, minus what its receipts say."""
    if not table.amounts:
        return None
    actual = of_source(site.connection, site.dialect, table, _rows(site, table))
    return less(actual, amounts.expected(site.connection, site.ledger, table))


def _rows(site: Site, table: Table) -> str:
    return scoped(site.connection, site.dialect, table)


def _receipt(
    site: Site,
    stream_key: tuple[str, str],
    table: Table,
    change: Sums,
    money: Totals | None,
    kind: str,
    reason: str | None,
) -> None:
    net, keyed = change
    new = format_id(table)
    parts = (
        kind,
        site.signature.run_id,
        str(site.signature.epoch),
        table.name,
        str(table.scope),
        new,
    )
    identity = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    kept = money if table.amounts else None
    part = TableReceipt(table.name, table.scope, new, 0, 0, 0, net, kept, keyed=keyed)
    receipts.write(
        site.connection,
        site.ledger,
        site.signature,
        receipts.receipt_of_table(identity, *stream_key, part),
        kind=kind,
        reason=reason,
    )
