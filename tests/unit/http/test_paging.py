"""Pages as sources serve them: capped, repeated, empty, too long, without a usable total."""

from __future__ import annotations

import pytest

from messy_migration.errors import SourceError
from messy_migration.http import Answer, SourceUnavailable, dump, walk
from messy_migration.http.exact import parse


def _records(*ids):
    return [{"_id": key} for key in ids]


def _serve(records, total=..., *, cap=1000):
    """A fetch over a list that stands still, and the calls that it was asked."""
    calls = []

    def fetch(skip, top, tries):
        calls.append((skip, top, tries))
        known = len(records) if total is ... else total
        return Answer(records[skip : skip + min(top, cap)], known)

    return fetch, calls


def _walk(fetch, **options):
    return list(walk(fetch, **{"top": 500, "floor": 10, "key": "_id", **options}))


def _ids(pages):
    return [record["_id"] for page in pages for record in page.records]


def test_a_list_that_fits_one_page_costs_one_call():
    fetch, calls = _serve(_records(*range(499)))
    assert len(_ids(_walk(fetch))) == 499
    assert calls == [(0, 500, 2)]


@pytest.mark.parametrize("step", ["records", "pages"])
@pytest.mark.parametrize("cap", [10, 25, 100, 500])
def test_a_total_that_is_the_length_of_the_page_is_found_out(cap, step):
    def fetch(at, top, tries):
        skip = at * cap if step == "pages" else at
        page = _records(*range(skip, min(skip + min(top, cap), 1234)))
        return Answer(page, len(page))

    assert _ids(_walk(fetch, step=step)) == list(range(1234))


@pytest.mark.parametrize("step", ["records", "pages"])
def test_a_single_page_of_round_length_costs_one_call_more(step):
    calls = []

    def fetch(at, top, tries):
        calls.append(at)
        return Answer(_records(*range(25))[at * (top if step == "pages" else 1) :][:top], 25)

    assert _ids(_walk(fetch, step=step)) == list(range(25))
    assert calls == [0, 1 if step == "pages" else 24]


def test_an_empty_list_costs_one_call_and_has_no_page():
    fetch, calls = _serve([])
    assert _walk(fetch) == []
    assert len(calls) == 1


def test_each_page_begins_with_the_last_record_of_the_one_before():
    fetch, calls = _serve(_records(*range(1200)))
    assert _ids(_walk(fetch)) == list(range(1200))
    assert [skip for skip, _, _ in calls] == [0, 499, 998]


@pytest.mark.parametrize("cap", [25, 100])
def test_a_cap_of_the_source_below_the_page_size_is_no_end(cap):
    fetch, _ = _serve(_records(*range(333)), cap=cap)
    assert _ids(_walk(fetch)) == list(range(333))


def test_a_page_comes_with_the_text_of_its_records():
    records = [{"_id": "a", "price": parse(b"[1.10]")[0], "b": None}]
    fetch, _ = _serve(records)
    (page,) = _walk(fetch)
    assert page.texts == (dump(records[0]),) == ('{"_id":"a","b":null,"price":1.10}',)
    assert page.records == tuple(records)


@pytest.mark.parametrize("total", [None, -1, "7", True, 7.0, 2, {}])
def test_H24_a_total_that_is_none_is_not_believed(total):  # noqa: N802
    fetch, _ = _serve(_records(*range(7)), total, cap=3)
    assert _ids(_walk(fetch)) == list(range(7))


def test_H24_a_total_that_is_never_reached_is_an_error():  # noqa: N802
    fetch, _ = _serve(_records(*range(7)), 9, cap=3)
    with pytest.raises(SourceError, match=r"INCOMPLETE.*api/tickets.*7 records"):
        _walk(fetch, where="api/tickets")


def test_H22_an_empty_page_in_the_middle_is_no_quiet_end():  # noqa: N802
    records = _records(*range(30))
    empty = [True]

    def fetch(skip, top, tries):
        if skip and empty:
            return Answer([], len(records) if empty.pop() else 0)
        return Answer(records[skip : skip + min(10, top)], len(records))

    assert sorted(_ids(_walk(fetch))) == list(range(30))


def test_H21_the_same_record_twice_is_counted_once_the_source_counts_it_too():  # noqa: N802
    fetch, _ = _serve(_records("a", "b", "a", "c", "a"), cap=2)
    pages = _walk(fetch)
    assert _ids(pages) == ["a", "b", "c"]
    assert [page.duplicates for page in pages][-1] == 2
    assert sum(page.duplicates for page in pages) == 2


def test_H21_another_content_under_the_same_id_is_given_too():  # noqa: N802
    versions = [{"_id": "a", "v": 1}, {"_id": "b"}, {"_id": "a", "v": 2}]
    fetch, _ = _serve(versions, cap=2)
    records = [record for page in _walk(fetch) for record in page.records]
    assert records == versions


@pytest.mark.parametrize("step", ["records", "pages"])
def test_duplicates_in_a_source_that_counts_pages_are_found(step):
    records = _records("a", "b", "c", "a", "d")

    def fetch(at, top, tries):
        at = at if step == "records" else at * top
        return Answer(records[at : at + top], 5)

    pages = _walk(fetch, top=2, step=step)
    assert _ids(pages) == ["a", "b", "c", "d"]
    assert sum(page.duplicates for page in pages) == 1


@pytest.mark.parametrize("record", [{}, {"_id": None}, {"_id": ""}, {"_id": ["x"]}, {"_id": {}}])
def test_a_record_without_a_key_is_not_lost(record):
    record = {**record, "name": "x"}
    fetch, _ = _serve([{"_id": "a"}, record], cap=2)
    records = [found for page in _walk(fetch) for found in page.records]
    assert records == [{"_id": "a"}, record]


def test_a_key_may_be_made_of_several_fields():
    records = [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}]
    fetch, _ = _serve(records, cap=2)
    pages = _walk(fetch, key=lambda record: f"{record['a']}/{record['b']}")
    assert sum(len(page.records) for page in pages) == 3


@pytest.mark.parametrize("records", [None, {}, "abc", {"docs": []}, [1], [["a"]], [{"_id": 1}, 2]])
def test_H02_H04_H16_what_is_no_list_of_objects_is_no_page(records):  # noqa: N802
    with pytest.raises(SourceError, match=r"not a list of objects \[api/list\]"):
        _walk(lambda skip, top, tries: Answer(records, 0), where="api/list")


def test_a_page_longer_than_asked_for_is_refused():
    with pytest.raises(SourceError, match="11 records instead of at most 10"):
        _walk(lambda skip, top, tries: Answer(_records(*range(11)), 11), top=10)


@pytest.mark.parametrize("total", [None, 100_000])
def test_a_source_that_does_not_know_the_paging_parameters_is_found_out(total):
    calls = []

    def fetch(skip, top, tries):
        calls.append(skip)
        return Answer(_records(*range(20)), total)

    with pytest.raises(SourceError, match="same page again and again"):
        _walk(fetch, top=20)
    assert len(calls) == 3


def test_a_list_without_end_ends():
    def fetch(skip, top, tries):
        return Answer(_records(*range(skip, skip + top)), None)

    with pytest.raises(SourceError, match=r"more pages than are believed.*25"):
        _walk(fetch, top=2, max_pages=25)


def _busy_above(bearable, size, calls):
    def fetch(skip, top, tries):
        calls.append((top, tries))
        if top > bearable:
            raise SourceUnavailable("status 503")
        return Answer(_records(*range(skip, min(skip + top, size))), size)

    return fetch


def test_the_page_size_is_halved_down_to_the_floor():
    calls = []
    assert len(_ids(_walk(_busy_above(12, 30, calls)))) == 30
    tops = [top for top, _ in calls]
    assert tops[:7] == [500, 250, 125, 62, 31, 15, 10]
    assert {tries for top, tries in calls if top > 10} == {2}
    assert {tries for top, tries in calls if top == 10} == {None}


def test_below_the_floor_the_failure_is_final():
    calls = []
    with pytest.raises(SourceUnavailable, match="503"):
        _walk(_busy_above(9, 30, calls))
    assert [top for top, _ in calls][-1] == 10
    assert len(calls) == 7


def test_the_page_size_grows_back_when_the_source_is_well_again():
    tops = []
    busy = [True] * 2

    def fetch(skip, top, tries):
        tops.append(top)
        if busy:
            busy.pop()
            raise SourceUnavailable("status 503")
        return Answer(_records(*range(skip, min(skip + top, 20_000))), 20_000)

    assert len(_ids(_walk(fetch))) == 20_000
    assert tops[:3] == [500, 250, 125]
    assert tops[-1] == 500


def test_growing_into_failures_becomes_rare():
    calls = []
    assert len(_ids(_walk(_busy_above(130, 40_000, calls)))) == 40_000
    failed = sum(top > 130 for top, _ in calls)
    assert failed < 12


def test_a_record_that_vanishes_is_reported_as_gone():
    served = [f"r{n}" for n in range(9)]
    calls = []

    def fetch(skip, top, tries):
        calls.append(skip)
        if len(calls) == 2:
            served.remove("r0")
        return Answer(_records(*served[skip : skip + top]), len(served))

    pages = _walk(fetch, top=5)
    assert sorted(_ids(pages)) == [f"r{n}" for n in range(9)]
    assert pages[-1].gone == ("r0",)
    assert calls == [0, 4, 0, 4]
