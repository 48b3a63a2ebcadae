from __future__ import annotations

import asyncio
import http.client
import time
from collections import Counter
from email.utils import parsedate_to_datetime
from itertools import pairwise
from urllib.parse import urlsplit

import httpx2
import pytest

from messy_migration_vivenu.sandbox import Drift, Fault
from messy_migration_vivenu.sandbox.faults import Faults

WEEK = {"updatedAt[$gte]": "2025-12-01T00:00:00.000Z", "updatedAt[$lt]": "2025-12-08T00:00:00Z"}


def admin(one, method, act, key="let-me-in", **body):
    headers = {"authorization": f"Bearer {key}"}
    content = body.get("json")
    return httpx2.request(method, f"{one.url}/_sandbox/{act}", headers=headers, json=content)


def test_no_key_and_a_wrong_key_are_refused(plain):
    for headers in ({}, {"authorization": "Bearer nobody"}, {"authorization": "Basic eA=="}):
        answer = httpx2.get(f"{plain.url}/api/events", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["message"] == "the key is missing or wrong"


def test_a_tenant_sees_its_own_data_only(plain):
    here = {event["_id"] for event in plain.walk("/api/events", "auckland")}
    there = {event["_id"] for event in plain.walk("/api/events", "frankfurt")}
    assert here
    assert not here & there


def test_a_restricted_key(serve):
    one = serve(restricted={"auckland": ("/api/customers",)})
    assert one.get("/api/customers/rich").status_code == 403
    assert one.get("/api/customers/rich", "frankfurt").status_code == 200
    assert one.get("/api/events").status_code == 200


@pytest.mark.parametrize("path", ["/", "/api", "/api/coupons", "/api/tickets/", "/api/events/1/2"])
def test_what_is_not_there(plain, path):
    assert plain.get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_writing_is_refused_and_counted(serve, method):
    one = serve()
    headers = {"authorization": f"Bearer {one.key('auckland')}"}
    answer = httpx2.request(method, f"{one.url}/api/tickets", headers=headers)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert one.state.writes == (method not in {"HEAD", "OPTIONS"})
    assert one.state.log[-1].method == method


def test_the_default_page_has_25_records_and_a_cap_beats_top(serve):
    one = serve(page_cap=40)
    assert len(one.get("/api/tickets").json()["rows"]) == 25
    assert len(one.get("/api/tickets", top=500).json()["rows"]) == 40
    assert len(one.get("/api/coupon/series", top=2).json()) == 2


@pytest.mark.parametrize("order", ["newest", "oldest", "id"])
def test_orders(serve, order):
    one = serve(order=order)
    records = one.get("/api/tickets", top=100).json()["rows"]
    name = "_id" if order == "id" else "updatedAt"
    values = [record[name] for record in records]
    assert values == sorted(values, reverse=order == "newest")
    events = one.get("/api/events", sortDir="1", top=100).json()["rows"]
    assert [event["updatedAt"] for event in events] == sorted(e["updatedAt"] for e in events)


def test_windows_are_closed_below_and_open_above_and_add_up(plain):
    edges = ["2025-07-01T00:00:00.000Z", "2025-11-05T12:00:00.123Z", "2026-08-01T00:00:00.000Z"]
    parts = [
        plain.walk("/api/tickets", **{"updatedAt[$gte]": start, "updatedAt[$lt]": end})
        for start, end in pairwise(edges)
    ]
    whole = plain.walk("/api/tickets")
    assert all(parts)
    together = Counter(record["_id"] for part in parts for record in part)
    assert together == Counter(record["_id"] for record in whole)
    one = plain.get("/api/tickets", top=1).json()["rows"][0]["updatedAt"]
    at = plain.get("/api/tickets", **{"updatedAt[$gte]": one, "updatedAt[$lte]": one}).json()
    assert at["total"] >= 1
    below = plain.get("/api/tickets", **{"updatedAt[$gte]": one, "updatedAt[$lt]": one}).json()
    assert below == {"rows": [], "total": 0}


def test_an_offset_in_a_bound_is_understood(plain):
    utc = plain.get("/api/tickets", **WEEK).json()["total"]
    bounds = {
        "updatedAt[$gte]": "2025-12-01T13:00:00+13:00",
        "updatedAt[$lt]": "2025-12-08T13:00:00+13:00",
    }
    assert plain.get("/api/tickets", **bounds).json()["total"] == utc > 0


@pytest.mark.parametrize(
    ("path", "params", "fits"),
    [
        (
            "/api/tickets",
            {"status": "INVALID,BLANK"},
            lambda r: r["status"] in {"INVALID", "BLANK"},
        ),
        ("/api/tickets", {"type": "MULTI"}, lambda r: r["type"] == "MULTI"),
        ("/api/tickets", {"rowName": "7"}, lambda r: r["seatingInfo"]["rowName"] == "7"),
        ("/api/tickets", {"name": "BECK"}, lambda r: "beck" in r["name"].lower()),
        (
            "/api/tickets",
            {"start": "2026-01-01T00:00:00Z", "end": "2026-01-03T00:00:00Z"},
            lambda r: "2026-01-01" <= r["createdAt"] <= "2026-01-03",
        ),
        (
            "/api/transactions",
            {"paymentStatus": "REFUND"},
            lambda r: r["paymentStatus"] == "REFUND",
        ),
        ("/api/events", {"type": "ROOT"}, lambda r: r["eventType"] == "ROOT"),
        ("/api/events", {"start[$lt]": "2025-12-01T00:00:00Z"}, lambda r: r["start"] < "2025-12"),
        ("/api/coupon/rich", {"active": "false"}, lambda r: r["active"] is False),
        ("/api/customers/rich", {"tags": "newsletter"}, lambda r: "newsletter" in r["tags"]),
    ],
)
def test_filters_leave_what_they_should(plain, path, params, fits):
    whole = plain.walk(path, "frankfurt")
    found = plain.walk(path, "frankfurt", **params)
    assert 0 < len(found) < len(whole)
    assert all(map(fits, found))


def test_lists_drift_between_pages(serve):
    one = serve(page_cap=100, drift={"tickets": Drift(insert=3), "orders": Drift(delete=2)})
    first = one.get("/api/tickets", top=100).json()
    second = one.get("/api/tickets", top=100, skip=100).json()
    assert second["total"] == first["total"] + 3
    ids = [record["_id"] for record in first["rows"]]
    assert [record["_id"] for record in second["rows"]][:3] == ids[-3:]
    again = one.get("/api/tickets", top=100).json()
    assert again["rows"][0]["barcode"].startswith("NEW")
    assert again["total"] == second["total"]
    before = one.get("/api/transactions", top=100).json()
    after = one.get("/api/transactions", top=100).json()
    assert after["total"] == before["total"] - 2
    assert after["docs"][0] == before["docs"][2]


def test_faults_strike_where_they_are_told_to(serve):
    one = serve(
        faults=(
            Fault(status=429, every=3, path="/api/events", retry_after=2),
            Fault(status=503, above_top=50, path="/api/tickets"),
            Fault(status=500, tenant="frankfurt", times=1),
        )
    )
    events = [one.get("/api/events", top=1) for _ in range(6)]
    assert [answer.status_code for answer in events] == [200, 200, 429] * 2
    assert events[2].headers["retry-after"] == "2"
    assert one.get("/api/tickets", top=51).status_code == 503
    assert one.get("/api/tickets", top=50).status_code == 200
    codes = [one.get("/api/coupon/rich", "frankfurt").status_code for _ in range(2)]
    assert codes == [500, 200]


def test_a_date_to_come_again(serve):
    one = serve(faults=(Fault(status=503, calls=(1,), retry_after=30, as_date=True),))
    answer = one.get("/api/events")
    moment = parsedate_to_datetime(answer.headers["retry-after"])
    assert 25 < moment.timestamp() - time.time() <= 31
    assert one.get("/api/events").status_code == 200


def test_a_limit_per_minute():
    now = 0.0
    faults = Faults((Fault(status=429, per_minute=2),), lambda: now)
    assert [bool(faults.strike("/", "a", 1)) for _ in range(3)] == [False, False, True]
    now = 61.0
    assert faults.strike("/", "a", 1) is None


@pytest.mark.parametrize("kind", ["truncated", "html", "empty", "envelope", "not_a_number"])
def test_broken_answers_are_whole_for_the_transport(serve, kind):
    one = serve(faults=(Fault(kind, calls=(1,)),))
    good, bad = one.get("/api/events", top=2), None
    good, bad = one.get("/api/events", top=2), good
    assert bad.status_code == 200
    assert bad.content != good.content
    assert ("json" in bad.headers["content-type"]) == (kind != "html")
    assert len(bad.content) == int(bad.headers["content-length"])


def test_a_doubled_key(serve):
    one = serve(faults=(Fault("duplicate_key", calls=(1,)),))
    assert one.get("/api/events", top=1).text.count('"total":') == 2


def test_a_broken_connection(serve):
    one = serve(faults=(Fault("reset", calls=(1,)),))
    address = urlsplit(one.url)
    line = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    line.request("GET", "/api/events", headers={"Authorization": f"Bearer {one.key('auckland')}"})
    with pytest.raises(http.client.IncompleteRead):
        line.getresponse().read()
    line.close()
    assert one.get("/api/events").status_code == 200


def test_a_hang_ends_when_the_client_leaves(serve):
    one = serve(faults=(Fault("hang", calls=(1,), seconds=600),))
    headers = {"authorization": f"Bearer {one.key('auckland')}"}
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.get(f"{one.url}/api/events", headers=headers, timeout=0.2)
    assert one.get("/api/events").status_code == 200


def test_the_log_tells_every_call(serve):
    one = serve()
    one.get("/api/tickets", "frankfurt", top=7)
    httpx2.get(f"{one.url}/api/events?x=1")
    assert [
        (call.method, call.path, call.query, call.status, call.tenant) for call in one.state.log
    ] == [
        ("GET", "/api/tickets", "top=7", 200, "frankfurt"),
        ("GET", "/api/events", "x=1", 401, ""),
    ]


def test_the_door_for_tests_is_shut_without_a_key(serve, plain):
    assert admin(plain, "GET", "log", key="none").status_code == 403
    assert admin(plain, "GET", "log", key=plain.key("auckland")).status_code == 403
    one = serve(admin_key="let-me-in")
    assert admin(one, "GET", "log", key="guess").status_code == 403
    assert admin(one, "GET", "log").status_code == 200


def test_the_door_for_tests_opens_with_its_key(serve):
    one = serve(admin_key="let-me-in")
    one.get("/api/events", top=3)
    log = admin(one, "GET", "log").json()
    assert [call["path"] for call in log["calls"]] == ["/api/events"]
    assert log["writes"] == 0
    assert admin(one, "GET", "manifest").json() == one.sandbox.manifest
    assert admin(one, "POST", "faults", json=[{"status": 500, "calls": [1]}]).status_code == 200
    assert [one.get("/api/events").status_code for _ in range(2)] == [500, 200]
    admin(one, "POST", "clear")
    assert admin(one, "GET", "log").json()["calls"] == []
    assert admin(one, "POST", "faults", json=[{"colour": 1}]).status_code == 400
    assert admin(one, "POST", "nothing").status_code == 404


def test_one_ticket_can_be_changed(serve):
    one = serve(admin_key="let-me-in")
    ticket = one.get("/api/tickets", top=1, status="VALID").json()["rows"][0]
    total = one.get("/api/tickets").json()["total"]
    body = {"tenant": "auckland", "collection": "tickets", "id": ticket["_id"]}
    answer = admin(one, "POST", "change", json={**body, "set": {"status": "INVALID"}})
    assert answer.status_code == 200
    served = one.get(f"/api/tickets/{ticket['_id']}").json()
    age = time.time() - 200
    assert served == {**ticket, "status": "INVALID", "updatedAt": served["updatedAt"]}
    assert served["updatedAt"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(age))
    assert '"realPrice":' + f"{ticket['realPrice']:.2f}" in answer.text
    assert one.get("/api/tickets").json()["total"] == total
    exact = {**body, "set": {}, "at": "2027-01-01T00:00:00.000Z"}
    assert admin(one, "POST", "change", json=exact).json()["updatedAt"] == exact["at"]
    gone = {**body, "id": "nobody", "set": {}}
    assert admin(one, "POST", "change", json=gone).status_code == 400


def test_a_server_may_announce_start_and_stop(make):
    waiting = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message["type"])

    asyncio.run(make().app({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
