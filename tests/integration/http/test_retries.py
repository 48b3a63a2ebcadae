"""How often and when the client asks again; the server counts."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from messy_migration.errors import SourceError
from messy_migration.http import Client, HttpSettings, SourceUnavailable, retry

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were asked for; none is taken."""
    taken = []
    monkeypatch.setattr(retry.time, "sleep", taken.append)
    return taken


def _http_date(seconds):
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def _whole(pauses, base, before=0.0):
    """Whether each pause is what was asked for plus at most its share of jitter."""
    return all(before <= pause <= before + base * 2**i for i, pause in enumerate(pauses))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_can_pass_is_asked_until_it_did(server, client_of, status):
    server.on("/list", *[server.reply(status=status)] * 2, server.reply([1]))
    assert client_of().get_json("list") == [1]
    assert server.count("/list") == 3


def test_the_tries_end(server, client_of):
    server.on("/list", server.reply(status=503))
    with pytest.raises(SourceUnavailable, match=r"tries: 6.*status 503.*resumes"):
        client_of().get_json("list")
    assert server.count("/list") == 6


def test_a_caller_that_can_ask_for_less_gives_up_sooner(server, client_of):
    server.on("/list", server.reply(status=503))
    with pytest.raises(SourceUnavailable, match="tries: 2"):
        client_of().get_json("list", tries=2)
    assert server.count("/list") == 2


def test_pauses_grow_to_the_cap_and_are_random(server, client_of, pauses):
    server.on("/list", server.reply(status=500))
    with pytest.raises(SourceUnavailable):
        client_of(tries=8, base=1, cap=16, budget=10_000).get_json("list")
    assert len(pauses) == 7
    assert _whole(pauses[:5], 1)
    assert max(pauses) <= 16
    assert len(set(pauses)) == 7


@pytest.mark.parametrize(
    "value, expected",
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("", 0),
        ("²", 0),
        ("99999", 600),
        ("9" * 400, 600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_H28_the_source_may_ask_for_a_pause_within_reason(  # noqa: N802
    server, client_of, pauses, value, expected
):
    header = [("Retry-After", value)]
    if not value.isascii():
        header = []
    server.on("/list", server.reply(status=429, headers=header), server.reply([]))
    client_of(base=0.25, cap=60, asked=600).get_json("list")
    assert len(pauses) == 1
    assert _whole(pauses, 0.25, before=expected)


def test_H28_a_date_means_the_time_until_then(server, client_of, pauses):  # noqa: N802
    header = [("Retry-After", _http_date(90))]
    server.on("/list", server.reply(status=503, headers=header), server.reply([]))
    client_of(asked=600).get_json("list")
    assert 80 < pauses[0] <= 90


def test_H28_a_pause_beyond_the_budget_ends_the_call(server, client_of, pauses):  # noqa: N802
    server.on("/list", server.reply(status=429, headers=[("Retry-After", "500")]))
    with pytest.raises(SourceUnavailable, match="tries: 1"):
        client_of(asked=600, budget=300).get_json("list")
    assert server.count("/list") == 1
    assert pauses == []


def test_a_hang_is_a_timeout_within_the_budget(server, client_of):
    server.on("/list", server.hang)
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match="no whole answer in time"):
        client_of(tries=2, read=0.3).get_json("list")
    assert server.count("/list") == 2
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("part", ["head", "body", "chunks"])
def test_a_slow_drip_ends_at_the_deadline_of_the_answer(server, client_of, part):
    drips = [b" "] * 200
    pieces = {
        "head": [_HEAD + b"X: ", *[b"a"] * 200],
        "body": [_HEAD + b"Content-Length: 1000\r\n\r\n", *drips],
        "chunks": [_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 200],
    }[part]
    server.on("/list", server.raw(*pieces, gap=0.1))
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match="in time"):
        client_of(tries=1, read=5, answer=0.6).get_json("list")
    assert time.monotonic() - began < 5


def test_nobody_at_the_address(server, client_of):
    server.server_close()
    with pytest.raises(SourceUnavailable, match=r"tries: 3.*connection refused"):
        client_of(tries=3).get_json("list")


def test_after_too_many_failures_in_a_row_nothing_more_is_sent(server, client_of):
    server.on("/bad", server.reply(status=503))
    server.on("/good", server.reply([]))
    client = client_of(tries=3, breaker=7)
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            client.get_json("bad")
    client.get_json("good")  # starts the count anew
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            client.get_json("bad")
    for path in ("bad", "good"):
        with pytest.raises(SourceUnavailable, match="keeps failing"):
            client.get_json(path)
    assert server.count("/bad") == 13
    assert server.count("/good") == 1


def test_the_rate_spreads_the_calls(server):
    server.on("/list", server.reply([]))
    began = time.monotonic()
    with Client(server.url, rate=20) as client:
        for _ in range(5):
            client.get_json("list")
    assert time.monotonic() - began >= 4 / 20


def test_the_switch_for_tests_takes_no_pauses(server, pauses):
    header = [("Retry-After", "600")]
    server.on("/list", server.reply(status=429, headers=header), server.reply([]))
    with Client(server.url, settings=HttpSettings().instant()) as client:
        client.get_json("list")
    assert pauses == [0.0]


@pytest.mark.parametrize("path", ["a?b=c", "a#b", "../a", "a/../b", "a\\b"])
def test_a_path_cannot_lead_elsewhere(server, client_of, path):
    with pytest.raises(SourceError, match="lead elsewhere"):
        client_of().get_json(path)
    assert server.calls == []
