"""Lists that change while they are read: a walk gives all of them, or an error.

What "all" can mean: every record that was there from the first call to the last; and the list
as it is at the end, where it stood still during the last pass.
"""

from __future__ import annotations

import random

from hypothesis import given, note
from hypothesis import strategies as st

from messy_migration.errors import SourceError
from messy_migration.http import Answer, SourceUnavailable, walk

MOVES = st.dictionaries(
    st.integers(1, 40),
    st.lists(
        st.tuples(st.sampled_from(["insert", "delete"]), st.integers(0, 12)),
        min_size=1,
        max_size=3,
    ),
    max_size=8,
)


class List:
    """A list that is served in pages and moves before the calls that `moves` names.

    `cap` is the longest page whatever is asked for; a `top` above `bearable` is too much for
    it; `total` of False keeps the total back.
    """

    def __init__(self, size, moves=None, *, cap=1000, bearable=1000, total=True, pages=False):
        self.ids = [f"r{n}" for n in range(size)]
        self.ever = set(self.ids)
        self.stayed = set(self.ids)
        self.moves = dict(moves or {})
        self.cap, self.bearable, self.total, self.pages = cap, bearable, total, pages
        self.calls = self.last_move = self.last_start = 0

    def move(self):
        for what, place in self.moves.get(self.calls, ()):
            self.last_move = self.calls
            if what == "insert":
                fresh = f"i{len(self.ever)}"
                self.ids.insert(min(place, len(self.ids)), fresh)
                self.ever.add(fresh)
            elif self.ids:
                self.stayed.discard(self.ids.pop(place % len(self.ids)))

    def __call__(self, at, top, tries):
        self.calls += 1
        self.move()
        if at == 0:
            self.last_start = self.calls
        if top > self.bearable:
            raise SourceUnavailable("busy")
        skip = at * min(top, self.cap) if self.pages else at
        page = self.ids[skip : skip + min(top, self.cap)]
        return Answer([{"_id": key} for key in page], len(self.ids) if self.total else None)


def read(served, top=4, floor=2, **options):
    """The ids of a walk in order, and those that it reports as gone."""
    pages = list(walk(served, top=top, floor=floor, key="_id", **options))
    return [record["_id"] for page in pages for record in page.records], {
        key for page in pages for key in page.gone
    }


def check(served, **options):
    try:
        ids, gone = read(served, **options)
    except SourceError:
        if not served.moves:
            raise
        return
    note(f"{ids} gone {gone}, served {served.ids}, {served.calls} calls")
    assert len(ids) == len(set(ids))
    assert served.stayed <= set(ids) <= served.ever
    if served.last_move <= served.last_start:
        assert set(ids) - gone == set(served.ids)


@given(
    size=st.integers(0, 12),
    moves=MOVES,
    top=st.integers(2, 6),
    cap=st.integers(2, 6),
    total=st.booleans(),
)
def test_nothing_that_stayed_is_missed(size, moves, top, cap, total):
    check(List(size, moves, cap=cap, total=total), top=top)


@given(size=st.integers(0, 12), moves=MOVES, top=st.integers(1, 5), total=st.booleans())
def test_nothing_that_stayed_is_missed_where_pages_are_counted(size, moves, top, total):
    check(List(size, moves, total=total, pages=True), top=top, step="pages")


@given(
    size=st.integers(2, 12),
    pairs=st.dictionaries(
        st.integers(1, 30), st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=8
    ),
    top=st.integers(2, 5),
    pages=st.booleans(),
)
def test_moves_that_leave_the_total_alone_are_seen(size, pairs, top, pages):
    moves = {call: [("delete", a), ("insert", b)] for call, (a, b) in pairs.items()}
    served = List(size, moves, pages=pages)
    check(served, top=top, step="pages" if pages else "records")


# In a list of three, chance alone deals the same wrong order twice; twelve make it unlikely.
@given(size=st.integers(12, 40), top=st.integers(2, 8), seed=st.integers(0, 2**32))
def test_an_order_that_changes_with_each_call_gives_all_or_an_error(size, top, seed):
    served = List(size)
    shuffle = random.Random(seed).shuffle

    def fetch(at, top, tries):
        shuffle(served.ids)
        return served(at, top, tries)

    try:
        ids, gone = read(fetch, top=top)
    except SourceError:
        return
    assert (sorted(ids), gone) == (sorted(served.ids), set())


@given(
    size=st.integers(0, 60),
    top=st.integers(2, 20),
    cap=st.integers(2, 25),
    bearable=st.integers(2, 25),
    total=st.booleans(),
)
def test_a_list_that_stands_still_is_read_once_in_its_order(size, top, cap, bearable, total):
    served = List(size, cap=cap, bearable=bearable, total=total)
    ids, gone = read(served, top=top)
    assert ids == served.ids
    assert gone == set()


def test_without_a_total_only_two_equal_passes_are_believed():
    moves = {2: [("delete", 0)], 5: [("insert", 0)], 6: [("delete", 0)]}  # r2 is hidden twice
    served = List(6, moves, total=False, pages=True)
    ids, gone = read(served, top=2, step="pages")
    assert set(ids) - gone == set(served.ids)
    assert "r2" in ids
