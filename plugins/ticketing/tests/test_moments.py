from __future__ import annotations

from datetime import UTC, datetime

import pytest

from messy_migration_ticketing import Bad, instant, local_instant, zone


@pytest.mark.parametrize(
    "value, read",
    [
        ("2026-03-05T10:00:00.123Z", datetime(2026, 3, 5, 10, 0, 0, 123000, UTC)),
        ("2026-03-05T10:00:00+13:00", datetime(2026, 3, 4, 21, tzinfo=UTC)),
        ("2016-01-01T00:00:00.1234567Z", datetime(2016, 1, 1, 0, 0, 0, 123456, UTC)),
        ("2026-03-05 10:00Z", datetime(2026, 3, 5, 10, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_an_instant_is_utc_to_the_microsecond(value, read):
    assert instant(value, "column") == read


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30T18:00:00.000Z",
        "2026-01-05T25:10:00.000Z",
        "2026-01-05T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "2026-03-05T10:00:00",
        "2026-03-05",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-10:00",
        "tomorrow",
        1_772_704_800,
        1_772_704_800_000,
        True,
    ],
)
def test_what_is_no_instant_in_one_way_only_is_refused(value):
    with pytest.raises(Bad) as caught:
        instant(value, "starts_at")
    assert (caught.value.rule, caught.value.column) == ("instant", "starts_at")
    assert str(value) not in caught.value.message


@pytest.mark.parametrize(
    "day, clock, name, read",
    [
        ("03/01/2016", "07:30 PM", "America/New_York", datetime(2016, 3, 2, 0, 30, tzinfo=UTC)),
        ("3/1/2016", "12:00 am", "America/New_York", datetime(2016, 3, 1, 5, tzinfo=UTC)),
        ("2016-07-01", "16:00", "Pacific/Auckland", datetime(2016, 7, 1, 4, tzinfo=UTC)),
        ("2016-07-01T16:00:00", None, "Europe/Berlin", datetime(2016, 7, 1, 14, tzinfo=UTC)),
        ("2016-07-01", None, "UTC", datetime(2016, 7, 1, tzinfo=UTC)),
        ("01/01/0001", "00:00", "UTC", None),
        (None, "10:00", "UTC", None),
    ],
)
def test_a_wall_clock_becomes_an_instant(day, clock, name, read):
    assert local_instant(day, clock, name, "column") == read


@pytest.mark.parametrize(
    "day, clock, word",
    [("2016-10-30", "02:30", "comes twice"), ("2016-03-27", "02:30", "is skipped")],
)
def test_a_wall_clock_that_is_not_one_instant_is_refused(day, clock, word):
    with pytest.raises(Bad, match=word) as caught:
        local_instant(day, clock, "Europe/Berlin", "column")
    assert caught.value.rule == "local_time"


@pytest.mark.parametrize(
    "day, clock",
    [("2016-02-30", "10:00"), ("13/01/2016", "10:00"), ("1.2.2016", "10:00"),
     ("2016-01-01", "25:00"), ("2016-01-01", "13:00 PM"), ("2016-01-01", "noon")],
)  # fmt: skip
def test_a_wall_clock_that_is_none_is_refused(day, clock):
    with pytest.raises(Bad) as caught:
        local_instant(day, clock, "UTC", "column")
    assert caught.value.rule == "instant"


def test_zones_are_iana_names():
    assert zone(" Pacific/Auckland ", "column") == "Pacific/Auckland"
    assert zone("", "column") is None
    for wrong in ("Eastern Standard Time", "../etc/passwd", "Europe", "GMT+25", "a" * 300):
        with pytest.raises(Bad) as caught:
            zone(wrong, "column")
        assert caught.value.rule == "zone"
