from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from messy_migration.errors import UsageProblem
from messy_migration.run.options import RunOptions


@pytest.mark.parametrize("name", ["selection", "tenants"])
def test_one_text_in_place_of_several_is_refused(name):
    with pytest.raises(UsageProblem, match=f"{name} is a tuple of texts"):
        RunOptions(**{name: "shop.orders"})
    assert getattr(RunOptions(**{name: ("shop.orders",)}), name) == ("shop.orders",)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(UsageProblem, match="since has no time zone"):
        RunOptions(since=datetime(2026, 11, 1))  # noqa: DTZ001
    for zone in (UTC, timezone(timedelta(hours=-3))):
        assert RunOptions(since=datetime(2026, 11, 1, tzinfo=zone)).since is not None
