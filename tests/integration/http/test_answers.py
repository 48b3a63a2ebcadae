"""Answers that are no answers, over real connections: what is refused, what is asked again."""

from __future__ import annotations

import gzip
import logging
import tracemalloc
from decimal import Decimal

import pytest

from messy_migration.errors import SourceError
from messy_migration.http import SourceRefused, SourceUnavailable

SECRET = "canary-4f1c"  # in every body and every query here, and in no error
_OK = b'{"rows": []}'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _json(text):
    return lambda server: server.reply(text.encode() if isinstance(text, str) else text)


REFUSED = {
    "H01-html": lambda s: s.reply(f"<html>{SECRET}</html>".encode(), kind="text/html"),
    "H01-html-that-says-json": _json(f"<html>{SECRET}</html>"),
    "H01-no-content-type": lambda s: s.reply(_OK, kind=None),
    "H03-empty": _json(""),
    "H03-blank": _json(" \n"),
    "H03-204": lambda s: s.raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "H04-null": _json("null"),
    "H04-string": _json(f'"{SECRET}"'),
    "H04-number": _json("12"),
    "H06-nan": _json(f'{{"{SECRET}": NaN}}'),
    "H06-infinity": _json("[-Infinity]"),
    "H07-key-twice": _json(f'[{{"id": 1, "{SECRET}": 2, "{SECRET}": 3}}]'),
    "H08-exponent-beyond-any": _json("[1e99999999999999999999]"),
    "H10-deep": _json("[" * 100_000),
    "H10-deep-and-whole": _json('{"a":' * 65 + "1" + "}" * 65),
    "H11-latin1": lambda s: s.reply('["Zoë"]'.encode("latin-1")),
    "H11-utf16": lambda s: s.reply('["a"]'.encode("utf-16")),
    "H11-declared-latin1": lambda s: s.reply(_OK, kind="application/json; charset=iso-8859-1"),
    "H13-large": lambda s: s.reply(b'["' + b"a" * 70_000 + b'"]'),
    "H13-says-it-is-large": lambda s: s.raw(_HEAD + b"Content-Length: 5000000000\r\n\r\n["),
    "H13-gzip-bomb": lambda s: s.reply(
        gzip.compress(b" " * 60_000_000), headers=[("Content-Encoding", "gzip")]
    ),
    "H13-unasked-packing": lambda s: s.reply(_OK, headers=[("Content-Encoding", "br")]),
}

TRIED_AGAIN = {
    "H05-truncated": _json('{"rows": [{"id": 1'),
    "H05-trailing": _json("[1] x"),
    "H05-two-documents": _json("[1][2]"),
    "H14-chunks-end-early": lambda s: s.reply(pieces=[b'{"rows": ', None]),
    "H14-length-too-large": lambda s: s.reply(_OK, length=500),
    # On a connection that stays open the rest would be taken for the next answer.
    "H14-length-too-small": lambda s: s.reply(_OK, length=5, headers=[("Connection", "close")]),
    "H14-gzip-ends-early": lambda s: s.reply(
        gzip.compress(_OK)[:-9], headers=[("Content-Encoding", "gzip")]
    ),
    "H14-gzip-damaged": lambda s: s.reply(b"\x1f\x8bxxx", headers=[("Content-Encoding", "gzip")]),
    "H30-header-of-a-megabyte": lambda s: s.raw(_HEAD + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n"),
    "H30-no-http": lambda s: s.raw(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "H30-connection-closed": lambda s: s.raw(),
}


def _quiet_about(error, caplog):
    assert SECRET not in "".join([str(error), repr(error), caplog.text, str(error.as_dict())])


@pytest.mark.parametrize("case", REFUSED)
def test_an_answer_that_cannot_be_trusted_ends_at_once(server, client_of, caplog, case):
    caplog.set_level(logging.DEBUG)
    server.on("/api/list", REFUSED[case](server))
    with pytest.raises(SourceRefused) as caught:
        client_of(body=65_536).get_json("api/list", {"email": SECRET})
    assert server.count("/api/list") == 1
    assert "127.0.0.1/api/list" in str(caught.value)
    _quiet_about(caught.value, caplog)


@pytest.mark.parametrize("case", TRIED_AGAIN)
def test_an_answer_that_broke_on_its_way_is_asked_for_again(server, client_of, caplog, case):
    caplog.set_level(logging.DEBUG)
    server.on("/api/list", TRIED_AGAIN[case](server), server.reply(_OK))
    client = client_of(tries=2, read=5)
    assert client.get_json("api/list", {"email": SECRET}) == {"rows": []}
    assert server.count("/api/list") == 2

    server.on("/api/list", TRIED_AGAIN[case](server))
    with pytest.raises(SourceUnavailable) as caught:
        client.get_json("api/list", {"email": SECRET})
    assert server.count("/api/list") == 4
    assert "tries: 2" in str(caught.value)
    _quiet_about(caught.value, caplog)


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 418, 422, 501])
def test_a_refusal_is_not_asked_again_and_says_its_status(server, client_of, status):
    server.on("/api/list", server.reply({"error": SECRET, "message": SECRET}, status=status))
    with pytest.raises(SourceRefused) as caught:
        client_of().get_json("/api/list")
    assert server.count("/api/list") == 1
    assert caught.value.status == status
    assert caught.value.exit_code == 5
    assert SECRET not in str(caught.value)


def test_H04_an_empty_list_and_an_empty_object_are_answers(server, client_of):  # noqa: N802
    server.on("/list", server.reply([]))
    server.on("/object", server.reply({}))
    client = client_of()
    assert client.get_json("list") == []
    assert client.get_json("object") == {}


def test_H08_H09_numbers_arrive_as_they_were_written(server, client_of):  # noqa: N802
    text = "[19.999999999999999999, 1e400, 12345678901234567890123, 0.10, -0.0, %s]" % ("7" * 5000)
    server.on("/list", server.reply(text.encode()))
    exact, huge, whole, padded, negative, longest = client_of().get_json("list")
    assert str(exact) == "19.999999999999999999"
    assert huge == Decimal("1e400")
    assert whole == 12345678901234567890123
    assert type(whole) is int
    assert str(padded) == "0.10"
    assert str(negative) == "-0.0"
    assert str(longest) == "7" * 5000


def test_H11_a_byte_order_mark_is_no_part_of_the_document(server, client_of):  # noqa: N802
    server.on("/list", server.reply(b"\xef\xbb\xbf[1]", kind="application/json; charset=UTF-8"))
    assert client_of().get_json("list") == [1]


def test_H13_a_bomb_is_never_unpacked_as_a_whole(server, client_of):  # noqa: N802
    bomb = gzip.compress(b" " * 300_000_000)
    server.on("/list", server.reply(bomb, headers=[("Content-Encoding", "gzip")]))
    client = client_of(body=1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(SourceRefused, match="larger than 1,000,000"):
            client.get_json("list")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_a_packed_answer_is_unpacked(server, client_of):
    body = gzip.compress(b"[1, 2]")
    server.on("/list", server.reply(body, headers=[("Content-Encoding", "gzip")]))
    assert client_of().get_json("list") == [1, 2]


def test_denied_keys_are_dropped_wherever_they_stand(server, client_of):
    body = {"secret": 1, "rows": [{"id": 1, "Secret": "x", "in": {"hmacKey": "y", "kept": 2}}]}
    server.on("/list", server.reply(body))
    found = client_of(deny={"secret", "HMACKEY"}).get_json("list")
    assert found == {"rows": [{"id": 1, "in": {"kept": 2}}]}


def test_H30_cookies_are_not_sent_back(server, client_of):  # noqa: N802
    server.on("/list", server.reply([], headers=[("Set-Cookie", f"a={'b' * 3000}; Path=/")]))
    client = client_of()
    client.get_json("list")
    client.get_json("list")
    assert [call.headers.get("Cookie") for call in server.calls] == [None, None]


def test_parameters_arrive_as_they_were_given(server, client_of):
    server.on("/list", server.reply([]))
    client = client_of()
    client.get_json("list", {"updatedAt[$gte]": "2026-01-01T00:00:00.000Z", "top": 5, "none": None})
    client.get_json("list", [("key[]", "a & b"), ("key[]", "ü+/?")])
    assert server.calls[0].query == {"updatedAt[$gte]": ["2026-01-01T00:00:00.000Z"], "top": ["5"]}
    assert server.calls[1].query == {"key[]": ["a & b", "ü+/?"]}


def test_the_connection_is_kept_between_calls(server, client_of):
    server.on("/list", server.reply([]))
    accepted = []
    verify = server.verify_request
    server.verify_request = lambda *about: accepted.append(about[1]) or verify(*about)
    client = client_of()
    for _ in range(5):
        client.get_json("list")
    assert len(accepted) == 1


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND"]
)
def test_a_method_that_could_write_never_leaves(server, client_of, method):
    client = client_of()
    with pytest.raises(SourceError, match="only read"):
        client._http.request(method, f"{server.url}/list")
    assert server.calls == []
