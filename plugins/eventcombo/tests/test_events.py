from __future__ import annotations

from datetime import UTC, datetime

import pytest

from messy_migration_ticketing import uid

EVENT = {
    "EventID": 31_001,
    "EventTitle": "Gala ",
    "EventPrivacy": "Public",
    "EventStatus": "Live",
    "EventCancel": "N",
    "IsMultipleEvent": "N",
    "Parent_EventID": 0,
    "TimeZone": "31",
    "AddressStatus": "Single",
    "EventDescription": "<p>Fun</p>",
    "CreateDate": "2026-01-02T03:04:05",
    "ModifyDate": "2026-01-03T03:04:05.678",
    "EventVenue": {
        "EventStartDate": "05/14/2026",
        "EventStartTime": "07:30 PM",
        "EventEndDate": "05/14/2026",
        "EventEndTime": "10:30 PM",
        "E_Startdate": "2026-05-14T23:30:00",
        "E_Enddate": "2026-05-15T02:30:00",
    },
    "Address": {
        "VenueName": "Hall",
        "Address1": "1 Main",
        "Address2": " ",
        "City": "Boston",
        "State": "MA",
        "Zip": "02108",
        "Latitude": "42.36",
        "Longitude": "-71.06",
    },
}
START = datetime(2026, 5, 14, 23, 30, tzinfo=UTC)


def event(**changes):
    return {**EVENT, **changes}


def venue(**changes):
    return event(EventVenue={**EVENT["EventVenue"], **changes})


def test_a_plain_event_whole(make):
    made = make("events", EVENT)
    row = made.one("events")
    assert row["id"] == uid("eventcombo", "default", "events", "31001")
    expected = {
        "source_id": "31001",
        "source_system": "eventcombo",
        "source_account": "default",
        "name": "Gala",
        "kind": "single",
        "status": "live",
        "parent_event_id": None,
        "starts_at": START,
        "ends_at": datetime(2026, 5, 15, 2, 30, tzinfo=UTC),
        "timezone": "America/New_York",
        "venue_name": "Hall",
        "street": "1 Main",
        "postal_code": "02108",
        "city": "Boston",
        "region": "MA",
        "country": None,
        "is_private": False,
        "is_online": False,
        "is_test": False,
        "is_stub": False,
        "description": "<p>Fun</p>",
        "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "source_updated_at": datetime(2026, 1, 3, 3, 4, 5, 678_000, tzinfo=UTC),
        "extra": "{}",
    }
    assert {name: row[name] for name in expected} == expected
    assert (str(row["lat"]), str(row["lon"])) == ("42.360000", "-71.060000")
    assert made.violations == []


def test_m1_without_utc_the_local_text_counts_in_the_events_zone(make):
    record = venue(E_Startdate=None, E_Enddate=None)
    assert make("events", record).one("events")["starts_at"] == START
    west = make("events", {**record, "TimeZone": "65"}).one("events")
    assert west["starts_at"] == datetime(2026, 5, 15, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", [None, "", "0", 0, " 31 ", 31, "Eastern Standard Time"])
def test_m1_a_missing_zone_is_the_default_and_ids_come_in_many_forms(make, zone):
    row = make("events", venue(E_Startdate=None) | {"TimeZone": zone}).one("events")
    assert (row["timezone"], row["starts_at"]) == ("America/New_York", START)


@pytest.mark.parametrize("zone", ["99", "Nowhere", "America/Atlantis", "9" * 40])
def test_m1_an_unknown_zone_goes_to_quarantine(make, zone):
    assert make("events", event(TimeZone=zone)).errors == ["eventcombo.zone"]


def test_m1_utc_wins_over_local_text_and_the_difference_is_warned_of(make):
    made = make("events", event(TimeZone="23"))
    assert made.one("events")["starts_at"] == START
    assert made.warnings == ["eventcombo.times_differ"] * 2
    assert "+60 minutes" in made.violations[0].message


def test_m1_a_minute_of_difference_is_none(make):
    assert make("events", venue(E_Startdate="2026-05-14T23:31:00")).warnings == []
    assert make("events", venue(E_Startdate="2026-05-14T23:31:01")).warnings != []


@pytest.mark.parametrize("day, clock", [("03/08/2026", "02:30 AM"), ("11/01/2026", "01:30 AM")])
def test_m1_a_wall_clock_in_a_change_of_time_is_refused_alone_and_warned_of_beside_utc(
    make, day, clock
):
    local = {"EventStartDate": day, "EventStartTime": clock}
    ends = {"EventEndDate": None, "E_Enddate": None}
    assert make("events", venue(E_Startdate=None, **local, **ends)).errors == [
        "eventcombo.local_time"
    ]
    assert make("events", venue(**local, **ends)).warnings == ["eventcombo.local_time"]


@pytest.mark.parametrize("flag", ["Y", "y", "Y   ", 1, "1", True, "true"])
def test_m6_flags_come_in_many_forms(make, flag):
    assert make("events", event(EventCancel=flag)).one("events")["status"] == "cancelled"
    assert make("events", event(IsMultipleEvent=flag)).one("events")["kind"] == "root"


@pytest.mark.parametrize("flag", [None, "", "N", "n ", 0, "0", False])
def test_m6_and_so_does_no(make, flag):
    row = make("events", event(EventCancel=flag, IsMultipleEvent=flag)).one("events")
    assert (row["status"], row["kind"]) == ("live", "single")


def test_m6_an_unknown_flag_goes_to_quarantine(make):
    assert make("events", event(EventCancel="A")).errors == ["eventcombo.flag"]


@pytest.mark.parametrize("parent", [0, "0", None, "", "  "])
def test_m7_no_parent_has_many_forms(make, parent):
    assert make("events", event(Parent_EventID=parent)).one("events")["parent_event_id"] is None


def test_m7_year_one_is_no_date(make):
    row = make(
        "events", venue(E_Enddate="0001-01-01T00:00:00", EventEndDate="01/01/0001")
    ).one("events")  # fmt: skip
    assert row["ends_at"] is None
    made = make("events", venue(E_Startdate="0001-01-01T00:00:00Z", EventStartDate=None))
    assert made.errors == ["eventcombo.required"]


@pytest.mark.parametrize(
    "written", ["2026-05-14T23:30:00Z", "2026-05-14T19:30:00-04:00", "/Date(1778801400000)/"]
)
def test_utc_columns_come_in_the_forms_of_both_generations(make, written):
    assert make("events", venue(E_Startdate=written)).one("events")["starts_at"] == START


@pytest.mark.parametrize("title", [None, "", "   "])
def test_m8_an_event_without_a_title_goes_to_quarantine(make, title):
    made = make("events", event(EventTitle=title))
    assert made.errors == ["eventcombo.required"]
    assert made.violations[0].column == "name"


def test_m13_a_parent_is_linked_whether_it_is_there_or_not(make):
    row = make("events", event(Parent_EventID=30_999)).one("events")
    assert row["parent_event_id"] == uid("eventcombo", "default", "events", "30999")


def test_m14_a_test_prefix_marks_test_data_and_is_a_setting(make):
    record = event(EventTitle="zztest run")
    assert make("events", record).one("events")["is_test"]
    assert not make("events", record, test_prefixes=[]).one("events")["is_test"]


def test_m17_counters_are_not_loaded_and_other_fields_stay(make):
    row = make("events", event(T_Sold_Qty=5, CountryID=1, New2027="x")).one("events")
    assert row["extra"] == '{"CountryID": 1, "New2027": "x"}'


@pytest.mark.parametrize(
    "status, expected",
    [("Save", "draft"), ("EXPIRED", "expired"), (" live ", "live")],
)
def test_statuses_come_in_any_case(make, status, expected):
    assert make("events", event(EventStatus=status)).one("events")["status"] == expected


@pytest.mark.parametrize("status", ["Paused", None, ""])
def test_m20_an_unknown_status_is_unknown_with_a_warning(make, status):
    made = make("events", event(EventStatus=status))
    assert made.one("events")["status"] == "unknown"
    assert made.warnings == ["eventcombo.unknown_status"]


def test_a_coordinate_that_cannot_be_read_is_left_out_with_a_warning(make):
    made = make("events", event(Address={"Latitude": "north", "Longitude": "999"}))
    row = made.one("events")
    assert (row["lat"], row["lon"]) == (None, None)
    assert made.warnings == ["eventcombo.number"] * 2


def test_m20_the_names_of_2025_are_read_too(make):
    made = make(
        "events",
        {
            "eventId": 31_001,
            "name": "Gala",
            "timeZoneId": 31,
            "eventStartDateUtc": "2026-05-14T23:30:00Z",
            "status": "Live",
        },
    )
    row = made.one("events")
    assert (row["source_id"], row["name"], row["starts_at"]) == ("31001", "Gala", START)


def test_a_recurring_event_is_a_root_and_takes_the_start_of_its_series(make):
    record = event(EventVenue=None, MultipleEvent={"Frequency": "Weekly",
                   "M_Startfrom": "2026-05-14T23:30:00", "M_StartTo": None})  # fmt: skip
    row = make("events", record).one("events")
    assert (row["kind"], row["starts_at"], row["ends_at"]) == ("root", START, None)


def test_one_bad_record_costs_one_record(make):
    made = make("events", EVENT, event(EventID=2, TimeZone="99"), event(EventID=3))
    assert [row["source_id"] for row in made.rows["events"]] == ["31001", "3"]
    assert made.errors == ["eventcombo.zone"]


def test_no_message_holds_a_value_of_the_record(make):
    made = make("events", event(TimeZone="my-secret-zone", EventTitle="SECRET-NAME"))
    assert all("secret" not in item.message.lower() for item in made.violations)
