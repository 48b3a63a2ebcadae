"""Lanes: what one process writes into the ledger, numbered, each item holding the one before.

A row that all processes share would make every batch wait for every other one. So each process
has a lane of its own: its receipts, and the rows of `change`, carry a number from 1 and the
digest of the item before them in the lane. The newest item of each lane that a link of the chain
names holds fast all items before it; what lies behind the newest link is unsealed until the next.

No clock takes part. After a transaction that did not commit, or of which nobody knows whether it
did, a new lane begins, so that no number is ever missing in one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger.chain import Row, sha256_of
from messy_migration.ledger.schema import HEAD
from messy_migration.model import Fingerprint


@dataclass(frozen=True)
class Slot:
    """The place of one item: its lane, its number there, and the digest of the item before."""

    lane: str
    lane_number: int
    previous: str

    def as_row(self) -> dict[str, Any]:
        """The columns of the item that hold it."""
        return {"lane": self.lane, "lane_number": self.lane_number, "previous": self.previous}


def _new_lane() -> str:
    return f"{HEAD}-{secrets.token_hex(8)}"


Heads = dict[str, tuple[int, str]]
"""Lane -> number and digest of the newest item that a link, or the lane's process, names."""


@dataclass
class Lane:
    """The lane of one process; `settle` says that its transaction has committed.

    Attributes:
        heads: the lanes that it has written in, and what it committed last into each. The
            process knows it from what it sent; the database had no part in it.
    """

    heads: Heads = field(default_factory=dict)
    _name: str = field(default_factory=_new_lane)
    _number: int = 0
    _newest: str = ""
    _open: object = None

    @property
    def name(self) -> str:
        """The lane that it writes in now."""
        return self._name

    def slot(self, connection: Connection) -> Slot:
        """The place of the next item."""
        if self._open is not None and self._open is not connection.get_transaction():
            self._name, self._number, self._newest = _new_lane(), 0, ""
        self._open = connection.get_transaction()
        return Slot(self._name, self._number + 1, self._newest)

    def wrote(self, slot: Slot, digest: str) -> None:
        """The item with that digest stands there now."""
        self._number, self._newest = slot.lane_number, digest

    def settle(self) -> None:
        """What was written is committed."""
        self._open = None
        if self._number:
            self.heads[self._name] = (self._number, self._newest)


@dataclass(frozen=True)
class Signature:
    """The process that writes into the ledger: its run, its epoch, its lane and its key."""

    run_id: str
    epoch: int
    pid: int
    started_at: str
    lane: Lane = field(default_factory=Lane, compare=False)
    key: Key | None = field(default=None, compare=False)

    @property
    def key_id(self) -> str | None:
        """The public id of the key."""
        return self.key.id if self.key else None

    def masked(self, keyed: Fingerprint | None, identity: tuple[str, ...]) -> str | None:
        """A keyed sum as the ledger may hold it; None where it is not known."""
        return self.key.masked(keyed, identity) if self.key and keyed is not None else None

    def mac(self, kind: str, digest: str) -> str | None:
        """What the key makes of the digest of a receipt or change; None without one."""
        return self.key.mac(kind, digest) if self.key else None


def revision_of(lane: str) -> str:
    """The revision whose columns the items of a lane hold fast."""
    return lane.partition("-")[0]


def receipt_digest(receipt: Row, quarantined: Sequence[Row]) -> str:
    """The digest of a receipt with its parts and the records that it left out."""
    return sha256_of(["receipt", receipt, sorted(quarantined, key=str)])


def change_digest(change: Row) -> str:
    """The digest of a change of current state."""
    return sha256_of(["change", change])


@dataclass(frozen=True)
class Item:
    """An item of a lane as it is read back.

    Attributes:
        number: in its lane.
        previous: the digest that it holds of the item before it.
        digest: its own.
        kind: `receipt` or `change`.
        seq: the number of its row.
        what: in words.
        mac, key_id: what the key of its run made of the digest; None without one. Changes name
            no key.
    """

    number: int
    previous: str
    digest: str
    kind: str
    seq: int
    what: str
    mac: str | None = None
    key_id: str | None = None

    def is_under(self, key: Key) -> bool:
        """Did a process write it that had the key?"""
        names_it = self.key_id == key.id or self.kind == "change"
        return names_it and key.is_mac(self.kind, self.digest, self.mac)


def broken(lane: Sequence[Item]) -> str:
    """Why the items of one lane, in order, are not what a process wrote; empty if they are."""
    before = ""
    for number, item in enumerate(lane, start=1):
        if item.number != number:
            return (
                f"{item.what} is number {item.number} of its lane, and number {number} is missing"
            )
        if item.previous != before:
            return f"{item.what} does not follow from the item before it in its lane"
        before = item.digest
    return ""
