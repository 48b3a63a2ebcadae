"""What is served: records as encoded JSON, in the order and the windows that are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from messy_migration_vivenu.sandbox.endpoints import COMPARISONS, Query
from messy_migration_vivenu.sandbox.values import decode, encode, iso

Order = Literal["newest", "oldest", "id"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as it is served.

    Attributes:
        record_id: its `_id`; several entries may share it.
        at: when it was changed, in milliseconds.
        body: its JSON.
        case: the case that decides where it ends, or empty.
        deviates: paths at which it breaks the published contract.
    """

    record_id: str
    at: int
    body: bytes
    case: str = ""
    deviates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """What happens to a list after its first page went out.

    Attributes:
        insert: so many new records come in front.
        delete: so many records in front are gone.
        turns: how many times.
    """

    insert: int = 0
    delete: int = 0
    turns: int = 1


class Collection:
    """All records of one kind of a tenant."""

    def __init__(
        self, entries: list[Entry], order: Order = "newest", drift: Drift | None = None
    ) -> None:
        self._entries = entries
        self._order = order
        self._drift = drift or Drift(turns=0)
        self._turns = self._drift.turns
        self._lists: dict[str, list[Entry]] = {}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that is served, in no order."""
        return tuple(self._entries)

    def select(self, query: Query, text: str) -> list[Entry]:
        """The whole list that a query means.

        Args:
            query: what is asked for.
            text: the same as text, without top and skip; lists are kept under it.
        """
        entries = self._lists.get(text)
        if entries is None:
            if len(self._lists) >= 64:
                self._lists.clear()
            entries = self._lists[text] = self._ordered(query)
        return entries

    def _ordered(self, query: Query) -> list[Entry]:
        entries = self._entries
        for word, bound in query.window:
            compare = COMPARISONS[word]
            entries = [entry for entry in entries if compare(entry.at, bound)]
        if query.matches:
            entries = [entry for entry in entries if _fits(entry, query)]
        if query.oldest_first is None and self._order == "id":
            return sorted(entries, key=lambda entry: entry.record_id)
        newest = self._order == "newest" if query.oldest_first is None else not query.oldest_first
        return sorted(entries, key=lambda entry: (entry.at, entry.record_id), reverse=newest)

    def find(self, record_id: str) -> Entry | None:
        """The newest record of that id."""
        entries = [entry for entry in self._entries if entry.record_id == record_id]
        return max(entries, key=lambda entry: entry.at, default=None)

    def turn_page(self, listed: list[Entry]) -> None:
        """The first page of a list went out: let it drift, if it is to."""
        if self._turns <= 0 or not listed:
            return
        self._turns -= 1
        gone = {id(entry) for entry in listed[: self._drift.delete]}
        first = listed[0]
        new = [_copy(first, self._turns * 1000 + number) for number in range(self._drift.insert)]
        self._entries = [entry for entry in self._entries if id(entry) not in gone] + new
        self._lists.clear()

    def change(self, record_id: str, fields: Mapping[str, Any], at: int) -> Entry:
        """Change the fields of a record; all its other entries are dropped.

        Raises:
            KeyError: there is no record of that id.
        """
        stored = self.find(record_id)
        if stored is None:
            raise KeyError(record_id)
        body = encode({**decode(stored.body), **fields, "updatedAt": iso(at)})
        changed = Entry(record_id, at, body, stored.case, stored.deviates)
        kept = [entry for entry in self._entries if entry.record_id != record_id]
        self._entries = [*kept, changed]
        self._lists.clear()
        return changed


def _fits(entry: Entry, query: Query) -> bool:
    record = decode(entry.body)
    return all(matches(record) for matches in query.matches)


def _copy(entry: Entry, number: int) -> Entry:
    """A new record like another one, sorted before it in any order but by age upwards."""
    record_id = f"ffffffff{number:016x}"
    record = {**decode(entry.body), "_id": record_id}
    if "barcode" in record:
        record["barcode"] = f"NEW{number:09d}"
    return Entry(record_id, entry.at, encode(record))
