"""G42: a list whose pages are full and bring nothing new is refused, soon and in little memory."""

from __future__ import annotations

import tracemalloc
from itertools import count

import pytest

from messy_migration.errors import SourceError
from messy_migration.http import Answer, walk

SIZE = 100
ENOUGH = 20


def page_of(*numbers, version=0):
    return [{"_id": number, "v": version} for number in numbers]


def block(number):
    """A full page of keys of its own."""
    return range(number * SIZE, (number + 1) * SIZE)


def circle(length):
    """Pages in turn, whatever is asked for: a cursor or a next link that leads back."""
    return lambda call: page_of(*block(call % length))


ENDLESS = {
    "the_same_page": circle(1),
    "two_in_turn": circle(2),
    "three_in_turn": circle(3),
    "a_loop_after_a_start": lambda call: page_of(*block(call if call < 3 else 3 + call % 2)),
    "the_same_keys_with_new_content": lambda call: page_of(*block(0), version=call),
    "two_in_turn_with_new_content": lambda call: page_of(*block(call % 2), version=call),
    "another_order_each_time": lambda call: page_of(
        *((number * 7 + call) % SIZE for number in range(SIZE))
    ),
    "the_same_page_and_a_shorter_one": lambda call: page_of(*list(block(0))[call % 2 :]),
}
TOTALS = {
    "no_total": lambda call: None,
    "a_total_far_off": lambda call: 10_000_000,
    "a_total_that_grows": lambda call: (call + 2) * SIZE,
    "a_total_that_was_passed": lambda call: SIZE + 1,
}


@pytest.mark.parametrize("step", ["records", "pages"])
@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("pages", ENDLESS)
def test_g42_pages_without_end_and_nothing_new_are_refused(pages, total, step):
    calls = count()

    def fetch(at, top, tries):
        call = next(calls)
        assert call < 4 * ENOUGH, "it does not end"
        return Answer(ENDLESS[pages](call), TOTALS[total](call))

    with pytest.raises(SourceError) as error:
        list(walk(fetch, top=SIZE, floor=SIZE, key="_id", step=step, where="api/list"))
    assert error.value.exit_code == 5
    assert error.value.where == "api/list"
    assert "\n" not in str(error.value)
    if total in ("no_total", "a_total_far_off"):
        assert next(calls) <= ENOUGH


@pytest.mark.parametrize("pages", ["two_in_turn", "the_same_keys_with_new_content"])
def test_g42_memory_stays_flat(pages):
    calls = count()
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="nothing new"):
            for _ in walk(
                lambda at, top, tries: Answer(ENDLESS[pages](next(calls)), None),
                top=SIZE,
                floor=SIZE,
                key="_id",
                step="pages",
            ):
                pass
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("step", ["records", "pages"])
def test_g42_a_list_that_holds_a_record_many_times_is_still_read(step):
    records = page_of(*range(10), *(list(range(3, 10)) * 6), *range(10, 15))

    def fetch(at, top, tries):
        at = at if step == "records" else at * top
        return Answer(records[at : at + top], len(records))

    pages = list(walk(fetch, top=10, floor=10, key="_id", step=step))
    assert sorted(record["_id"] for page in pages for record in page.records) == [*range(15)]
    assert sum(page.duplicates for page in pages) == 42


def test_spg2_new_content_of_the_record_at_the_border_of_two_pages_comes_too():
    """The record that two pages share changed between the two calls: it is given twice."""

    def fetch(at, top, tries):
        records = page_of(1, 2, 3, 4, version=int(at > 0))
        return Answer(records[at : at + 2], 4)

    given = [
        (record["_id"], record["v"])
        for page in walk(fetch, top=2, floor=2, key="_id")
        for record in page.records
    ]
    assert given == [(1, 0), (2, 0), (2, 1), (3, 1), (4, 1)]
