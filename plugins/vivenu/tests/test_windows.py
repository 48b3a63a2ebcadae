from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import messy_migration_vivenu as plugin
from messy_migration_vivenu.catalogue import ENDPOINTS
from messy_migration_vivenu.settings import Tenant, VivenuSettings
from messy_migration_vivenu.windows import again, snapshot, windows

NOW = datetime(2026, 7, 1, 12, 0, 0, 123456, UTC)


def tenant(**values):
    return Tenant(token="key", **{"begin": "2026-01-01", "window_days": 60, **values})


def bounds(found):
    return [(part.bounds["from"], part.bounds["to"]) for part in found]


def test_the_first_run_reads_everything_in_windows_that_touch(stream_of):
    found = windows(stream_of("tickets"), tenant(), None, NOW)
    assert bounds(found) == [
        (None, "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z"),
        ("2026-03-02T00:00:00.000Z", "2026-05-01T00:00:00.000Z"),
        ("2026-05-01T00:00:00.000Z", "2026-06-30T00:00:00.000Z"),
        ("2026-06-30T00:00:00.000Z", "2026-07-01T11:58:00.123Z"),
    ]
    assert [part.until for part in found] == [end for _, end in bounds(found)]


def test_a_later_run_begins_at_the_bookmark(stream_of):
    since = NOW - timedelta(days=61)
    assert bounds(windows(stream_of("tickets"), tenant(), since, NOW)) == [
        ("2026-05-01T12:00:00.123Z", "2026-06-30T12:00:00.123Z"),
        ("2026-06-30T12:00:00.123Z", "2026-07-01T11:58:00.123Z"),
    ]


def test_there_is_nothing_to_ask_for_before_the_bookmark(stream_of):
    assert windows(stream_of("tickets"), tenant(), NOW, NOW) == []


def test_a_beginning_in_the_future_leaves_one_window(stream_of):
    found = windows(stream_of("tickets"), tenant(begin="2030-01-01"), None, NOW)
    assert bounds(found) == [(None, "2026-07-01T11:58:00.123Z")]


def test_a_window_ends_so_long_before_now_as_the_lag_says(stream_of):
    (found,) = snapshot(stream_of("coupons"), tenant(lag=0), NOW)
    assert found.until == "2026-07-01T12:00:00.123Z"
    assert found.bounds["from"] is None


def test_the_same_window_has_the_same_digest_and_any_other_has_not(stream_of):
    first = windows(stream_of("tickets"), tenant(), None, NOW)
    assert first == windows(stream_of("tickets"), tenant(), None, NOW)
    others = [
        windows(stream_of("orders"), tenant(), None, NOW),
        windows(stream_of("tickets", "frankfurt"), tenant(), None, NOW),
        windows(stream_of("tickets"), tenant(currency="NZD"), None, NOW),
        windows(stream_of("tickets"), tenant(), None, NOW + timedelta(seconds=1)),
    ]
    assert len({part.digest for found in [first, *others] for part in found[-1:]}) == 5


def test_a_digest_knows_neither_url_nor_page_size_nor_key(stream_of):
    first = windows(stream_of("tickets"), tenant(), None, NOW)
    other = tenant(base_url="http://127.0.0.1:8080/api", top=7)
    assert first == windows(stream_of("tickets"), other, None, NOW)
    assert "key" not in str(first)


def test_windows_that_a_run_planned_stay_and_are_read_with_the_settings_of_today(stream_of):
    planned = windows(stream_of("tickets"), tenant(), None, NOW)
    assert again(stream_of("tickets"), tenant(window_days=7, lag=0), planned) == planned
    other = again(stream_of("tickets"), tenant(currency="NZD"), planned)
    assert bounds(other) == bounds(planned)
    assert not {part.digest for part in other} & {part.digest for part in planned}
    assert {part.bounds["currency"] for part in other} == {"NZD"}
    assert again(stream_of("tickets"), tenant(), other) == planned


@pytest.mark.parametrize("name", list(ENDPOINTS))
def test_planning_asks_nobody(name):
    # Nothing listens there: a call would fail.
    section = {"tenants": {"a": {"token": "key", "base_url": "http://127.0.0.1:9"}}}
    settings = VivenuSettings.model_validate(section)
    stream = next(stream for stream in plugin.streams(settings) if stream.name == name)
    offered = plugin.partitions(stream, None, None, settings)
    ends = [part.until for part in offered]
    assert ends == sorted(ends)
    assert len(offered) == 1 or ENDPOINTS[name].windowed
