from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from messy_migration_eventcombo.timezones import WINDOWS, iana, iana_of_windows


def test_all_98_ids_have_a_zone_that_exists():
    assert sorted(WINDOWS) == list(range(1, 99))
    for _, name in WINDOWS.values():
        assert ZoneInfo(name).key == name


@pytest.mark.parametrize(
    "identifier, name",
    [
        (1, "Asia/Kabul"),
        (31, "America/New_York"),
        (46, "Asia/Kamchatka"),
        (50, "Etc/GMT+2"),
        (60, "Pacific/Auckland"),
        (85, "America/Indianapolis"),
        (98, "Asia/Yakutsk"),
    ],
)
def test_ids_mean_what_the_platform_means(identifier, name):
    assert iana(identifier) == name


@pytest.mark.parametrize("identifier", [0, 99, -1])
def test_other_ids_mean_nothing(identifier):
    assert iana(identifier) is None


def test_windows_names_are_known_in_any_case():
    assert iana_of_windows(" eastern STANDARD time ") == "America/New_York"
    assert iana_of_windows("Middle Earth Standard Time") is None
