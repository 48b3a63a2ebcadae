"""One pass over a list that is served in pages: makes the calls and notes what they show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import Any, Literal

from messy_migration.errors import SourceError
from messy_migration.http.exact import dump
from messy_migration.http.failures import SourceUnavailable

Record = Mapping[str, Any]
Key = str | Callable[[Record], object]
Step = Literal["records", "pages"]

_IMPATIENT = 2
_FIRST_CALM = 5
_LONGEST_CALM = 160
_STALLED = 2
_IDLE = 2
_IDLE_COUNTED = 10
"""Pages in a row without a new key that are believed: of a list without a total, and with one.

A list that moves shows one such page, and one that holds records many times may show more. What
is endless shows them for ever: the same page, two pages in turn, a next page that was there.
"""
_ROUND = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """One page as the source gave it: its records, and its total if the source names one."""

    records: Any
    total: Any = None


Fetch = Callable[[int, int, int | None], Answer]
"""skip (or the number of the page, from 0), top, tries -> the page."""


@dataclass(frozen=True, slots=True)
class Item:
    """A record with its key, its JSON text, and a digest of that text."""

    key: str
    digest: bytes
    text: str
    record: Record


@dataclass(slots=True)
class Pass:
    """What one pass over the whole list showed.

    Attributes:
        keys, digests: of the records that came.
        trail: a digest of their keys in the order in which they came.
        repeated: records that came before in this pass with the same content.
        received: how many places of the list were read.
        total: as the source named it last; None unless every answer named one.
        is_constant: all answers named the same total.
        is_linked: each page began with the last record of the one before.
        idle: how many pages in a row brought no key that had not come before.
    """

    keys: set[str] = field(default_factory=set)
    digests: set[bytes] = field(default_factory=set)
    trail: bytes = b""
    repeated: int = 0
    received: int = 0
    total: int | None = None
    is_constant: bool = True
    is_linked: bool = True
    idle: int = 0

    @property
    def is_whole(self) -> bool:
        """Nothing moved, and as many different records came as the source counts."""
        return (
            self.is_linked
            and self.is_constant
            and len(self.keys) == self.received
            and self.total in {None, self.received}
        )

    def confirms(self, other: Pass) -> bool:
        """Whether both passes brought the same, and that is all that the source counts.

        A source that holds a record twice is read whole when every place of it was read, in
        the same order both times.
        """
        if self.total is None:
            return self.trail == other.trail
        if self.received == self.total and self.trail == other.trail:
            return self.is_constant
        return self.is_constant and self.keys == other.keys and len(self.keys) == self.total

    def take(self, items: list[Item]) -> None:
        """Note the records of a page."""
        is_idle = bool(items) and all(item.key in self.keys for item in items)
        self.idle = self.idle + 1 if is_idle else 0
        for item in items:
            self.repeated += item.digest in self.digests
            self.digests.add(item.digest)
            self.keys.add(item.key)
            self.trail = _digest(f"{self.trail.hex()} {item.key}")


class Pager:
    """Makes the calls of all passes, with the page size that the source can bear."""

    def __init__(
        self, fetch: Fetch, key: Key, *, top: int, floor: int, step: Step, most: int, where: str
    ) -> None:
        self._fetch = fetch
        self._key = key
        # The record that a page shares with the one before must leave room for another one.
        self._first = self._top = top if step == "pages" else max(top, 2)
        self._floor = self._top if step == "pages" else min(max(floor, 2), self._top)
        self._by_pages = step == "pages"
        self._most = most
        self._where = where
        self._calm = 0
        self._needed = _FIRST_CALM

    def pages(self, current: Pass) -> Iterator[list[Item]]:
        """The pages of one pass, without the record that each shares with the one before.

        Raises:
            SourceError: the source serves no list of objects, more than was asked for, the
                same page again and again, pages without anything new, or too many pages.
        """
        page: list[Item] = []
        stalled = 0
        is_counted = True
        for number in count():
            if number >= self._most:
                raise SourceError(
                    "a list has more pages than are believed", self._where, f"{number:,} were read"
                )
            shared = 1 if page and not self._by_pages else 0
            before, at = page, number if self._by_pages else current.received - shared
            answer = self._ask(at)
            page = self._items(answer.records)
            is_same = bool(page) and [i.digest for i in page] == [i.digest for i in before]
            stalled = stalled + 1 if is_same and len(page) > shared else 0
            if stalled == _STALLED:
                raise SourceError(
                    "the source serves the same page again and again",
                    self._where,
                    "it may not know the parameters for paging",
                )
            total = _total(answer.total)
            current.is_constant &= number == 0 or total == current.total or not is_counted
            current.received += max(len(page) - shared, 0)
            # A total that is smaller than what came counts something else.
            is_counted &= total is not None and current.received <= total
            current.total = total
            if number and (page or shared or not is_counted):
                current.is_linked &= bool(shared and page and page[0].key == before[-1].key)
            new = page[1:] if shared and page and page[0].digest == before[-1].digest else page
            current.take(new)
            if current.idle == (_IDLE_COUNTED if is_counted else _IDLE):
                raise SourceError(
                    "the source serves pages without end, and nothing new in them",
                    self._where,
                    f"{current.idle} pages in a row held only what came before, "
                    f"{len(current.keys):,} different records in all",
                    "the parameters for paging may be others, or the list goes in a circle",
                )
            yield new
            # Some sources give the length of the page for the total; a first page that was cut
            # has a round length.
            may_be_cut = number == 0 and bool(page) and len(page) % _ROUND == 0
            is_end = is_counted and current.received == total and not may_be_cut
            if len(page) <= shared or is_end:
                break
        if not is_counted:
            current.total = None

    def _ask(self, at: int) -> Answer:
        """One page, smaller ones while the source is too busy for those asked for."""
        while True:
            tries = _IMPATIENT if self._top > self._floor else None
            try:
                answer = self._fetch(at, self._top, tries)
            except SourceUnavailable:
                if self._top <= self._floor:
                    raise
                self._top = max(self._floor, self._top // 2)
                self._needed = min(2 * self._needed, _LONGEST_CALM)
                self._calm = 0
                continue
            return self._checked(answer)

    def _checked(self, answer: Answer) -> Answer:
        records = answer.records
        if not isinstance(records, list) or not all(isinstance(entry, dict) for entry in records):
            raise SourceError("a page is not a list of objects", self._where)
        if len(records) > self._top:
            raise SourceError(
                "a page is longer than it was asked to be",
                self._where,
                f"{len(records):,} records instead of at most {self._top:,}",
            )
        self._calm += 1
        if self._calm >= self._needed and self._top < self._first:
            self._top = min(self._first, 2 * self._top)
            self._calm = 0
        return answer

    def _items(self, records: list[Record]) -> list[Item]:
        items = []
        for record in records:
            text = dump(record)
            digest = _digest(text)
            key = record.get(self._key) if isinstance(self._key, str) else self._key(record)
            # A record without a key is the plugin's to judge; here its content stands for it.
            is_key = isinstance(key, str | int) and key != ""
            items.append(Item(str(key) if is_key else digest.hex(), digest, text, record))
        return items


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _total(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and value >= 0 else None
