"""Paging over real connections: caps, moves between pages, and a server that is too busy."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messy_migration.errors import SourceError
from messy_migration.http import Answer, SourceUnavailable, walk

MOVES = st.dictionaries(
    st.integers(2, 12), st.tuples(st.booleans(), st.integers(0, 20)), max_size=5
)


def _list(server, ids, *, cap=1000, bearable=1000, before=lambda call: None):
    """A behaviour: the page of `ids` that the query asks for."""
    calls = [0]

    def behave(handler):
        calls[0] += 1
        before(calls[0])
        query = server.calls[-1].query
        skip, top = int(query["skip"][0]), int(query["top"][0])
        if top > bearable:
            server.reply(status=503)(handler)
            return
        rows = [{"_id": key, "price": 1.5} for key in ids[skip : skip + min(top, cap)]]
        server.reply({"rows": rows, "total": len(ids)})(handler)

    server.on("/api/tickets", behave)


def _read(client, top=500, floor=10):
    def fetch(skip, top, tries):
        answer = client.get_json("api/tickets", {"skip": skip, "top": top}, tries=tries)
        return Answer(answer.get("rows"), answer.get("total"))

    pages = list(walk(fetch, top=top, floor=floor, key="_id", where="api/tickets"))
    gone = {key for page in pages for key in page.gone}
    return [record["_id"] for page in pages for record in page.records], gone


@pytest.mark.parametrize("cap", [25, 100, 1000])
def test_every_record_arrives_whatever_the_cap_of_the_server(server, client_of, cap):
    ids = [f"t{n}" for n in range(1234)]
    _list(server, ids, cap=cap)
    assert _read(client_of()) == (ids, set())


def test_503_for_large_pages_halves_them(server, client_of):
    ids = [f"t{n}" for n in range(300)]
    _list(server, ids, bearable=60)
    assert _read(client_of()) == (ids, set())
    asked = [int(call.query["top"][0]) for call in server.calls]
    assert asked[:9] == [500, 500, 250, 250, 125, 125, 62, 62, 31]


def test_a_server_that_is_always_busy_ends_the_walk(server, client_of):
    server.on("/api/tickets", server.reply(status=503))
    with pytest.raises(SourceUnavailable, match="api/tickets"):
        _read(client_of(tries=4))
    assert len(server.calls) == 6 * 2 + 4


def test_H02_an_error_in_place_of_a_list_is_no_empty_page(server, client_of):  # noqa: N802
    server.on("/api/tickets", server.reply({"error": "no", "total": 0}))
    with pytest.raises(SourceError, match=r"not a list of objects \[api/tickets\]"):
        _read(client_of())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(size=st.integers(0, 20), moves=MOVES, top=st.integers(2, 7), newest_first=st.booleans())
def test_moves_between_pages_lose_nothing(server, client_of, size, moves, top, newest_first):
    ids = [f"t{n}" for n in range(size)]
    stayed, ever, last_move = set(ids), set(ids), [0]

    def move(call):
        if call not in moves:
            return
        last_move[0] = len(server.calls) - 1
        inserts, place = moves[call]
        if inserts:
            ever.add(f"n{call}")
            ids.insert(0 if newest_first else min(place, len(ids)), f"n{call}")
        elif ids:
            stayed.discard(ids.pop(place % len(ids)))

    server.calls.clear()
    _list(server, ids, before=move)
    try:
        found, gone = _read(client_of(), top=top, floor=2)
    except SourceError:
        assert moves
        return
    assert len(found) == len(set(found))
    assert stayed <= set(found) <= ever
    starts = [n for n, call in enumerate(server.calls) if call.query["skip"] == ["0"]]
    if last_move[0] <= starts[-1]:
        assert set(found) - gone == set(ids)
