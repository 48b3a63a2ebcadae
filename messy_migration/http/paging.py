"""Walks through a list that is served in pages, and proves that nothing of it was missed.

A list that changes between two pages shifts: what is inserted in front shows a record twice,
what is removed in front hides one. So each page begins with the last record of the page before,
the total is compared with what came, and a walk that saw anything move is repeated until it is
quiet or two passes agree. What was there from the first call to the last is then in the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from messy_migration.errors import SourceCountDrift
from messy_migration.http.pager import Fetch, Item, Key, Pager, Pass, Record, Step

_PASSES = 4


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of the list, none of them given before with the same content.

    Attributes:
        records: a key comes twice only with another content.
        texts: the JSON text of each record, as `dump` writes it.
        duplicates: how many records the source holds twice with the same content. Known at
            the end only, so it comes with a last page, which has no records.
        gone: keys of records that were given and are not in the list any more; with that last
            page too.
    """

    records: tuple[Record, ...]
    texts: tuple[str, ...]
    duplicates: int = 0
    gone: tuple[str, ...] = ()


def walk(
    fetch_page: Fetch,
    *,
    top: int,
    floor: int,
    key: Key,
    step: Step = "records",
    max_pages: int = 20_000,
    where: str = "",
) -> Iterator[Page]:
    """The records of a list, page by page.

    `fetch_page(skip, top, tries)` makes one call and gives an `Answer`; its `tries` goes to
    `Client.get_json`. `top` is the page size to begin with, halved down to `floor` while the
    source is too busy for it. `key` is the field, or a function, that identifies a record.
    With `step="pages"` the source counts pages instead of records: `fetch_page` gets the number
    of the page from 0, and `top` stays. `where` is the place that errors name.

    Raises:
        SourceError: the list does not hold still, or is not served as pages of objects.
    """
    pager = Pager(fetch_page, key, top=top, floor=floor, step=step, most=max_pages, where=where)
    keys: set[str] = set()
    digests: set[bytes] = set()
    totals: set[int | None] = set()
    before: Pass | None = None
    for _ in range(_PASSES):
        current = Pass()
        for items in pager.pages(current):
            seen_keys = () if before is None else keys
            fresh = [item for item in items if item.key not in seen_keys]
            yield from _page(fresh, digests)
        keys |= current.keys
        totals.add(current.total if current.is_constant else None)
        if current.is_whole or (before is not None and current.confirms(before)):
            yield from _findings(current, keys)
            return
        # An order that changes from call to call never gives a quiet pass, and needs none
        # where the total stands still and all passes together reach it.
        if before is not None and totals == {len(keys)}:
            return
        before = current
    raise SourceCountDrift(
        "INCOMPLETE: a list did not hold still long enough to be read whole",
        where,
        f"{len(keys):,} records came in {_PASSES} passes that do not agree with its totals",
        "run again when fewer records change, or with smaller windows of time",
    )


def _page(items: list[Item], digests: set[bytes]) -> Iterator[Page]:
    """The page of those records whose content is new; none if there is no such record."""
    fresh = []
    for item in items:
        if item.digest not in digests:
            digests.add(item.digest)
            fresh.append(item)
    if fresh:
        yield Page(tuple(item.record for item in fresh), tuple(item.text for item in fresh))


def _findings(current: Pass, keys: set[str]) -> Iterator[Page]:
    # Where as many different records came as the source counts, a repetition came from paging.
    duplicates = 0 if current.total == len(current.keys) else current.repeated
    gone = tuple(sorted(keys - current.keys))
    if duplicates or gone:
        yield Page((), (), duplicates, gone)
