from __future__ import annotations

import pytest
from pydantic import ValidationError

import messy_migration_eventcombo as plugin
from messy_migration_eventcombo.settings import EventComboSettings

ONE = {"username": "organiser", "password": "s3cret-word"}


def settings(**section):
    return EventComboSettings.model_validate(section)


def test_the_public_facts_are_the_defaults():
    found = settings(**ONE)
    assert found.base_url == "https://www.eventcombo.com"
    assert found.token.path == "/API/Token"
    assert found.token.field == "access_token"
    assert (found.events.path, found.events.paging) == ("/api/v2/Public/Event/List", "none")
    assert (found.default_timezone, found.default_currency) == ("America/New_York", "USD")
    assert found.envelope.paths == (
        "", "Result", "Data", "Data.Items", "events", "Events", "Result.Items",
    )  # fmt: skip


def test_a_single_account_is_the_tenant_default():
    assert list(settings(**ONE).accounts) == ["default"]


def test_each_tenant_has_its_own_streams_scope_and_defaults():
    found = settings(
        tenants={
            "east": ONE,
            "berlin": {**ONE, "default_timezone": "Europe/Berlin", "default_currency": "EUR"},
        }
    )
    streams = plugin.streams(settings=found)
    assert {item.tenant for item in streams} == {"east", "berlin"}
    berlin = next(item for item in streams if item.label == "eventcombo.events@berlin")
    assert berlin.tables[0].scope == (
        ("source_system", "eventcombo"),
        ("source_account", "berlin"),
    )
    (partition,) = plugin.partitions(stream=berlin, planned=None, settings=found)
    assert partition.bounds["reading"]["zone"] == "Europe/Berlin"
    assert partition.bounds["reading"]["currency"] == "EUR"


def test_no_account_gives_no_stream():
    assert plugin.streams(settings=settings()) == []


@pytest.mark.parametrize(
    "section",
    [
        {"username": "organiser"},
        {"password": "s3cret-word"},
        {**ONE, "tenants": {"east": ONE}},
        {**ONE, "base_url": "ftp://example.org"},
        {**ONE, "base_url": "https://user:pw@example.org"},
        {**ONE, "base_url": "https://example.org/?key=1"},
        {**ONE, "events": {"path": "/list/{event_id}"}},
        {**ONE, "events": {"path": "list"}},
        {**ONE, "events": {"path": "//elsewhere.example/list"}},
        {**ONE, "orders": {"path": "/orders"}},
        {**ONE, "orders": {"path": "/orders/{event_id}/{secret}"}},
        {**ONE, "default_timezone": "Eastern Standard Time"},
        {**ONE, "default_currency": "usd"},
        {**ONE, "slices": 0},
        {**ONE, "paging": {"size": 0}},
        {**ONE, "envelope": {"paths": []}},
        {**ONE, "tenants": {"Bad Name": ONE}},
        {**ONE, "pasword": "x"},
        {**ONE, "aliases": {"orders": {"O_Email": ["Card_Number"]}}},
        {**ONE, "aliases": {"customers": {"Email": ["Mail"]}}},
    ],
)
def test_a_section_that_cannot_be_meant_is_refused_without_the_password(section):
    with pytest.raises(ValidationError) as caught:
        settings(**section)
    assert "s3cret-word" not in "".join(str(item["msg"]) for item in caught.value.errors())


def test_the_password_is_in_no_repr():
    assert "s3cret-word" not in repr(settings(**ONE))
    assert "s3cret-word" not in repr(settings(tenants={"east": ONE}).accounts)


def test_the_environment_is_not_read_by_the_model_itself(monkeypatch):
    monkeypatch.setenv("BASE_URL", "https://elsewhere.example")
    monkeypatch.setenv("USERNAME", "someone")
    assert settings(**ONE).base_url == "https://www.eventcombo.com"
    assert settings().username is None


@pytest.mark.parametrize("nothing", ["", None])
def test_an_endpoint_without_a_path_is_not_offered_and_nothing_points_at_it(nothing):
    streams = {
        item.name: item
        for item in plugin.streams(settings=settings(**ONE, promo_codes={"path": nothing}))
    }
    assert "eventcombo.promo_codes" not in streams
    orders = streams["eventcombo.orders"]
    assert "eventcombo.promo_codes" not in orders.depends_on
    assert "coupons" not in {key.parent for table in orders.tables for key in table.foreign_keys}


def test_every_assumed_endpoint_is_named_and_the_public_one_is_not():
    streams = plugin.streams(settings=settings(**ONE))
    assumed = {item.name: item.assumed for item in streams}
    assert assumed.pop("eventcombo.events") == ()
    assert all(len(lines) == 1 for lines in assumed.values())
    assert "/api/v2/Organizer/Order/List" in assumed["eventcombo.orders"][0]
    assert all("\n" not in lines[0] for lines in assumed.values())


def test_streams_land_and_deny_and_need_the_events_first():
    for item in plugin.streams(settings=settings(**ONE)):
        assert item.lands
        assert {"Cvv", "Private_Password", "O_PayPal_TokenId"} <= set(item.deny)
        assert item.name == "eventcombo.events" or "eventcombo.events" in item.depends_on


def test_partitions_have_a_closed_end_and_digests_of_their_own():
    found = settings(**ONE, slices=3)
    orders = next(s for s in plugin.streams(settings=found) if s.name == "eventcombo.orders")
    cut = plugin.partitions(stream=orders, planned=None, settings=found)
    assert len({item.digest for item in cut}) == len(cut) == 3
    assert {item.until for item in cut} == {cut[0].bounds["until"]}
    assert cut[0].until is not None
    assert cut[0].until.endswith("Z")


def test_slices_that_a_run_planned_stay_and_are_read_with_the_settings_of_today():
    def slices(planned=None, **changes):
        settings = EventComboSettings.model_validate(
            {"username": "me", "password": "key", **changes}
        )
        orders = next(one for one in plugin.streams(settings) if one.name == "eventcombo.orders")
        return list(plugin.partitions(stream=orders, planned=planned, settings=settings))

    planned = slices()
    assert slices(planned, slices=9) == planned
    other = slices(planned, default_currency="EUR")
    assert [part.name for part in other] == [part.name for part in planned]
    assert [part.until for part in other] == [part.until for part in planned]
    assert not {part.digest for part in other} & {part.digest for part in planned}
    assert slices(other) == planned
