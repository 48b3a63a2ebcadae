"""The length of pauses: random over the whole range, and never past the caps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from messy_migration.http import HttpSettings
from messy_migration.http.retry import pause, retry_after


def test_jitter_spreads_over_the_whole_range():
    settings = HttpSettings(base=1, cap=60)
    for attempt, longest in [(1, 1), (3, 4), (5, 16), (7, 60), (20, 60)]:
        pauses = [pause(attempt, 0, settings) / longest for _ in range(2000)]
        tenths = {int(share * 10) for share in pauses}
        assert tenths == set(range(10))
        assert 0.4 < sum(pauses) / len(pauses) < 0.6


@given(
    attempt=st.integers(1, 10_000),
    asked=st.floats(0, allow_nan=False),
    base=st.floats(0, 60),
    cap=st.floats(0, 600),
    longest=st.floats(0, 3600),
)
def test_a_pause_is_never_longer_than_both_caps_nor_negative(attempt, asked, base, cap, longest):
    settings = HttpSettings(base=base, cap=cap, asked=longest)
    assert min(asked, longest) <= pause(attempt, asked, settings) <= longest + cap + 1e-6


@given(st.text() | st.none())
def test_any_header_gives_a_number_of_seconds(value):
    assert retry_after(value) >= 0


def test_a_date_without_a_zone_is_taken_as_utc():
    assert retry_after("Wed, 21 Oct 2015 07:28:00 -0000") == 0
    assert retry_after("Fri, 31 Dec 9999 23:59:59 -0000") > 1e9
