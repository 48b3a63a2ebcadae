"""The sandbox by itself, through a client that is not the plugin's."""

from __future__ import annotations

import httpx2
import pytest
from jsonschema import Draft202012Validator

from messy_migration_eventcombo.sandbox import LOG, PASSWORD, USERNAME, Knobs, build

NUMBER = {"type": "number"}
WORD = {"type": ["string", "null"]}
WHOLE = {"type": "integer"}
DATE = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$"}
FLAG = {"enum": ["Y", "N", "y", "Y   ", "0", "1", None]}
LINE = {
    "type": "object",
    "required": ["TPD_Id", "TPD_Event_Id", "TPD_Purchased_Qty", "TPD_Amount", "TPD_Donate"],
    "properties": {
        "TPD_Id": WHOLE,
        "TPD_Purchased_Qty": WHOLE,
        "TPD_Amount": NUMBER,
        "TPD_Donate": WHOLE,
        "TicketPrice": NUMBER,
        "TPD_PromoCodeID": WHOLE,
    },
}
RECORDS = {
    "events": {
        "required": ["EventID", "EventTitle", "EventStatus", "TimeZone", "EventVenue", "Address"],
        "properties": {
            "EventID": WHOLE,
            "EventTitle": WORD,
            "EventPrivacy": WORD,
            "EventCancel": FLAG,
            "IsMultipleEvent": FLAG,
            "Parent_EventID": WHOLE,
            "TimeZone": WORD,
            "CreateDate": DATE,
            "EventVenue": {
                "type": "object",
                "properties": {
                    "E_Startdate": DATE,
                    "E_Enddate": DATE,
                    "EventStartDate": {"pattern": r"^\d\d/\d\d/\d{4}$"},
                    "EventStartTime": {"pattern": r"^\d\d:\d\d [AP]M$"},
                },
            },
        },
    },
    "ticket_types": {
        "required": ["T_Id", "E_Id", "T_name", "Price", "TicketTypeID", "T_Disable"],
        "properties": {
            "T_Id": WHOLE,
            "E_Id": WHOLE,
            "Price": NUMBER,
            "TicketTypeID": {"enum": [1, 2, 3]},
            "T_Disable": FLAG,
        },
    },
    "promo_codes": {
        "required": ["PC_id", "PC_Code", "PC_Amount", "PC_Percentage", "PC_Uses", "PC_Eventid"],
        "properties": {
            "PC_id": WHOLE,
            "PC_Amount": {"type": ["number", "null"]},
            "PC_Percentage": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
            "PC_Uses": {"type": "string", "minLength": 10, "maxLength": 10},
        },
    },
    "orders": {
        "required": ["O_Id", "O_Order_Id", "O_OrderDateTime", "O_TotalAmount", "OrderStateId"],
        "properties": {
            "O_Id": WHOLE,
            "O_Order_Id": {"pattern": r"^(T\d{9})?$"},
            "O_OrderDateTime": DATE,
            "O_OrderAmount": NUMBER,
            "O_TotalAmount": {"type": ["number", "string"]},
            "OrderStateId": {"type": ["integer", "null"]},
            "Lines": {"type": "array", "items": LINE},
        },
    },
    "attendees": {
        "required": ["T_Id", "T_Order_Id", "O_Id", "TQD_Event_Id", "TQD_Ticket_Id", "Name"],
        "properties": {
            "T_Id": WORD,
            "TQD_Event_Id": {"type": ["integer", "null"]},
            "OrderStateId": {"type": ["integer", "null"]},
            "TPD_Amount": NUMBER,
            "TPD_Purchased_Qty": WHOLE,
        },
    },
}
PATHS = {
    "events": "/api/v2/Public/Event/List",
    "ticket_types": "/api/v2/Public/Event/{event}/Tickets",
    "promo_codes": "/api/v2/Organizer/PromoCode/List?eventId={event}",
    "orders": "/api/v2/Organizer/Order/List?eventId={event}",
    "attendees": "/api/v2/Organizer/Attendee/List?eventId={event}",
}


def wrapped(entity, inner):
    """The schema of a whole answer, in the wrapper that the sandbox is known to use."""
    rows = {"type": "array", "items": {"type": "object", **inner}}

    def keys(**named):
        return {"type": "object", "required": list(named), "properties": named,
                "additionalProperties": False}  # fmt: skip

    count = {"type": "integer", "minimum": 0}
    return {
        "events": keys(events=rows),
        "ticket_types": rows,
        "promo_codes": keys(Success={"const": True}, Result=rows, Total=count),
        "orders": keys(Version=WORD, StatusCode={"const": 200},
                       Data=keys(Items=rows, TotalCount=count)),
        "attendees": keys(Success={"const": True}, Result=keys(Items=rows)),
    }[entity]  # fmt: skip


@pytest.fixture
def http(site):
    with httpx2.Client(base_url=site.url, trust_env=False) as client:
        yield client


@pytest.fixture
def token(http):
    form = {"grant_type": "password", "username": USERNAME, "password": PASSWORD}
    return {"Authorization": f"Bearer {http.post('/API/Token', data=form).json()['access_token']}"}


@pytest.mark.parametrize("entity", RECORDS)
def test_every_answer_fits_its_schema(site, http, token, entity):
    check = Draft202012Validator(wrapped(entity, RECORDS[entity]))
    answers = 0
    for event in site.app.world.events if entity != "events" else [""]:
        records = site.app.world.lists(entity).get(event, [])
        for page in range(1 if entity == "events" else len(records) // 100 + 2):
            more = {} if entity == "events" else {"page": page, "perPage": 100}
            path = httpx2.URL(PATHS[entity].format(event=event)).copy_merge_params(more)
            answer = http.get(path, headers=token)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("application/json")
            errors = list(check.iter_errors(answer.json()))
            assert not errors, errors[0].message[:200]
            answers += 1
    assert answers >= (1 if entity == "events" else 16)


def test_the_token_answer_is_the_classic_one(http):
    form = {"grant_type": "password", "username": USERNAME, "password": PASSWORD}
    answer = http.post("/API/Token", data=form).json()
    schema = {
        "required": ["access_token", "token_type", "expires_in", "userName"],
        "properties": {"token_type": {"const": "bearer"}, "expires_in": WHOLE},
    }
    Draft202012Validator(schema).validate(answer)


@pytest.mark.parametrize(
    "form, error",
    [
        ({"grant_type": "password", "username": USERNAME, "password": "x"}, "invalid_grant"),
        ({"grant_type": "password"}, "invalid_grant"),
        ({"username": USERNAME, "password": PASSWORD}, "unsupported_grant_type"),
    ],
)
def test_a_wrong_login_is_400(http, form, error):
    answer = http.post("/API/Token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nope"}, {"Authorization": "x"}])
def test_without_a_token_it_is_401(http, header):
    assert http.get(PATHS["events"], headers=header).status_code == 401


@pytest.mark.parametrize(
    "path, status",
    [
        ("/api/v2/Public/Event/List?page=0", 400),
        ("/api/v2/Organizer/Order/List", 400),
        ("/api/v2/Organizer/Order/List?eventId=31001&top=5", 400),
        ("/api/v2/Organizer/Order/List?eventId=31001&perPage=0", 400),
        ("/api/v2/Organizer/Order/List?eventId=31001&perPage=x", 400),
        ("/api/v2/Organizer/Order/List?eventId=1", 404),
        ("/api/v2/Public/Event/1/Tickets", 404),
        ("/coupons", 404),
    ],
)
def test_it_is_strict(http, token, path, status):
    answer = http.get(path, headers=token)
    assert answer.status_code == status
    assert list(answer.json()) == ["Message"]


def test_a_page_size_that_is_left_out_cuts_in_silence(http, token):
    answer = http.get(PATHS["orders"].format(event=31_001), headers=token).json()
    assert len(answer["Data"]["Items"]) == 20
    assert answer["Data"]["TotalCount"] > 20


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_write_methods_are_refused_and_counted_and_told(serve, method):
    site = serve()
    with httpx2.Client(base_url=site.url, trust_env=False) as http:
        assert http.request(method, PATHS["events"]).status_code == 405
        assert site.app.writes == 1
        told = http.get(LOG).json()
    assert told == {"calls": [[method, PATHS["events"], "", 405]], "writes": 1}


def test_the_same_seed_is_the_same_world_and_another_is_another():
    first, second, other = build(5), build(5), build(6)
    assert first.manifest == second.manifest
    assert first.app.world.entities == second.app.world.entities
    assert first.app.world.entities != other.app.world.entities


@pytest.mark.parametrize("seed", [1, 2, 3, 20_261_121])
def test_there_is_enough_of_it_and_less_than_one_percent_is_bad(seed):
    manifest = build(seed).manifest
    streams = manifest["streams"]
    assert streams["eventcombo.attendees"]["extracted"] >= 1_500
    assert streams["eventcombo.events"]["extracted"] >= 4
    for counts in streams.values():
        assert (
            sum(counts["quarantined"].values()) < 0.01 * counts["extracted"]
            or not counts["quarantined"]
        )
    quarantined = {rule for counts in streams.values() for rule in counts["quarantined"]}
    assert len(quarantined) >= 7
    assert set(manifest["stubs"]) == {"coupons", "events", "orders", "ticket_types"}


def test_the_mess_that_the_platform_has_is_all_there():
    cases = build(1).manifest["cases"]
    shown = {f"M{number}" for number in (*range(1, 18), 19, 20, 22, 23)}
    assert shown <= set(cases)


def test_too_small_a_world_is_refused():
    with pytest.raises(ValueError, match="1,500"):
        build(1, Knobs(attendees=400))


def test_the_section_is_one_that_the_plugin_takes(site):
    settings = site.settings()
    assert settings.base_url == site.url
    assert list(settings.accounts) == ["default"]
