"""The keyed half of a proof: rows read back, hashed here, and held against the keyed sums.

The key never enters SQL, so this reads every row of a table once more than the proof without a
key does. Where the sums without a key differ already there is nothing to add.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from messy_migration.compare.budget import Progress, TimeUp
from messy_migration.databases.dialect import planned
from messy_migration.databases.keyed import ROWS_PER_FETCH, texts
from messy_migration.databases.naming import scoped
from messy_migration.errors import TargetError
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import keys
from messy_migration.ledger.keys import KeyedSum
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.receipts import Scope
from messy_migration.model import Fingerprint
from messy_migration.reconcile.verdict import Keyed, TableVerdict
from messy_migration.workspace import Workspace

KeyedSums = Mapping[tuple[str, Scope, str], KeyedSum]


def forged_rows(key_id: str) -> str:
    """What is said where only the sums without a key are right."""
    return (
        "rows are forged: they add up to the sums that have no key, and not to those under the "
        f"fingerprint_key {key_id}"
    )


class UnderKey:
    """The tables of one target in one snapshot, under the key that counts there."""

    def __init__(self, workspace: Workspace, connection: Connection, progress: Progress) -> None:
        """Read what the receipts add up to under the key; nothing without one."""
        is_under = workspace.key and keys.newest(connection, workspace.ledger)
        self.key = workspace.key if is_under else None
        self._dialect = workspace.target.dialect
        self._connection = connection
        self._progress = progress
        self._sums = keys.expected(connection, workspace.ledger, self.key) if self.key else {}

    def judged(self, state: TableState, verdict: TableVerdict) -> TableVerdict:
        """The verdict with what the key says; MATCH only if the rows are those under it too."""
        if self.key is None:
            return verdict
        keyed = self._keyed(self.key, state, verdict)
        verdict = replace(verdict, keyed=keyed)
        if verdict.verdict != "MATCH" or keyed.verdict == "MATCH":
            return verdict
        if keyed.verdict == "MISMATCH" or keyed.is_unread:
            return replace(verdict, verdict=keyed.verdict, reason=keyed.why)
        return replace(verdict, reason="; ".join(filter(None, (verdict.reason, keyed.why))))

    def _keyed(self, key: Key, state: TableState, verdict: TableVerdict) -> Keyed:
        expected = self._sums.get((*state.key, state.format_id), KeyedSum())
        if state.key_id != key.id or expected.unkeyed:
            return Keyed(key.id, "UNKNOWN", _partly(key, expected, verdict.expected.rows))
        if verdict.verdict != "MATCH":
            return Keyed(key.id, "UNKNOWN", "its rows are not right without a key either")
        if why := self._progress.over():
            return Keyed(key.id, "UNKNOWN", why, is_unread=True)
        try:
            actual = self._read(key, state)
        except TimeUp as error:
            return Keyed(key.id, "UNKNOWN", f"not looked at: {error.what}", is_unread=True)
        except TargetError as error:
            why = f"the rows could not be read back: {error.why or error.what}"
            return Keyed(key.id, "UNKNOWN", why, is_unread=True)
        if actual.lanes == expected.net.lanes:
            return Keyed(key.id, "MATCH")
        why = f"{forged_rows(key.id)}; `migrate reconcile --against landed` names them"
        return Keyed(key.id, "MISMATCH", why)

    def _read(self, key: Key, state: TableState) -> Fingerprint:
        connection, dialect, table = self._connection, self._dialect, state.table

        def summed() -> Fingerprint:
            source = scoped(connection, dialect, table)
            return key.fingerprint(self._in_time(texts(connection, dialect, table, source)))

        return planned(connection, dialect, table.name, summed)

    def _in_time(self, rows: Iterator[bytes]) -> Iterator[bytes]:
        for number, text in enumerate(rows):
            if number % ROWS_PER_FETCH == 0:
                self._progress.check()
            yield text


def _partly(key: Key, expected: KeyedSum, rows: int) -> str:
    keyed = max(min(expected.rows, rows), 0)
    return (
        f"not proven under the fingerprint_key {key.id}: {keyed:,} of {rows:,} rows were loaded"
        " under it; `migrate run --rotate-key` puts all of them under it"
    )


def unkeyed(verdicts: Sequence[TableVerdict]) -> list[str]:
    """Tables that are right, and not proven under the key: `--strict` does not accept them."""
    return [
        f"{verdict.table}: {verdict.keyed.why}"
        for verdict in verdicts
        if verdict.verdict == "MATCH"
        and verdict.keyed is not None
        and verdict.keyed.verdict != "MATCH"
    ]


def keyed_facts(key_id: str, verdicts: Sequence[TableVerdict]) -> dict[str, object] | None:
    """What the whole proof says of the key; None where it has none."""
    if not key_id:
        return None
    proven = [verdict for verdict in verdicts if verdict.keyed and verdict.keyed.verdict == "MATCH"]
    return {"key_id": key_id, "tables": len(proven), "of": len(verdicts)}
