"""Sources that answer badly: an error for what stays bad, patience for what passes, no loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from messy_migration import errors
from messy_migration_eventcombo.sandbox import Fault as OtherFault
from messy_migration_vivenu.sandbox import Fault

from .conftest import QUICK

CUSTOMERS, COUPONS, TICKETS = "/api/customers/rich", "/api/coupon/rich", "/api/tickets"
# Pages are not made smaller, so that what hangs is not asked for again and again.
PATIENCE = {**QUICK, "tries": 2}


@dataclass(frozen=True)
class Bad:
    """One stream whose source answers badly, and words of the error that has to come."""

    stream: str
    fault: object
    words: str


def vivenu(tenant, path, words, **fault):
    """A fault of vivenu, for one tenant and one list."""
    name = {CUSTOMERS: "customers", COUPONS: "coupons", TICKETS: "tickets"}[path]
    return Bad(f"vivenu.{name}@{tenant}", Fault(path=path, tenant=tenant, **fault), words)


def eventcombo(stream, kind, words):
    """A fault of EventCombo, on all lists of one kind."""
    path = {"ticket_types": "/Tickets", "promo_codes": "/PromoCode/List"}[stream]
    return Bad(f"eventcombo.{stream}@default", OtherFault(kind, path=path), words)


CASES = {
    "403 500 html truncated": (
        vivenu("auckland", CUSTOMERS, "something else than JSON", kind="html"),
        vivenu("auckland", COUPONS, "it is not JSON", kind="truncated"),
        vivenu("frankfurt", CUSTOMERS, "status 500", status=500),
        vivenu("frankfurt", COUPONS, "status 403", status=403),
        eventcombo("ticket_types", "null", "neither an object nor a list"),
        eventcombo("promo_codes", "unknown", "a shape that is not known"),
    ),
    "404 429 envelope hang": (
        vivenu("auckland", CUSTOMERS, "status 404", status=404),
        vivenu("auckland", COUPONS, "no whole answer in time", kind="hang"),
        vivenu("frankfurt", CUSTOMERS, "status 429", status=429, retry_after=0),
        vivenu("frankfurt", COUPONS, "another form than documented", kind="envelope"),
        eventcombo("ticket_types", "not_success", "Success is false"),
        eventcombo("promo_codes", "reset", "broke off"),
    ),
}


def spoil(sources, cases):
    """Let the sandboxes show the faults of these cases, and no others."""
    faults = [case.fault for case in cases]
    sources.vivenu.state.faults.set(tuple(it for it in faults if isinstance(it, Fault)))
    others = tuple(it for it in faults if isinstance(it, OtherFault))
    sources.eventcombo.knobs = replace(sources.eventcombo.knobs, faults=others)


@pytest.fixture(scope="module", params=CASES)
def spoilt(request, new_site, new_sources):
    """A run against sources that answer badly, and one after they were put right."""
    cases = CASES[request.param]
    with new_sources() as sources:
        site = new_site().configure(sources, http=PATIENCE, floor=50)
        spoil(sources, cases)
        bad = site.run()
        spoil(sources, ())
        yield site, cases, bad, site.run()


def test_an_answer_that_stays_bad_is_an_error_of_its_stream_and_no_other(spoilt):
    _, cases, result, _ = spoilt
    result.ended(5, "UNKNOWN")
    hit = {case.stream for case in cases}
    for table in result.json["tables"]:
        assert table["verdict"] in ("MATCH", "UNKNOWN"), table
        if table["stream"] in hit:
            assert table["verdict"] == "UNKNOWN", table
        if table["stream"].startswith(("vivenu.events", "eventcombo.events")):
            assert table["verdict"] == "MATCH", table
    for case in cases:
        told = [it for it in result.json["problems"] if it["where"].startswith(case.stream)]
        assert told, f"nothing is said about {case.stream}"
        assert all(case.words in f"{it['what']}: {it['why']}" for it in told), (case, told)
    kinds = {getattr(errors, problem["kind"]) for problem in result.json["problems"]}
    assert all(issubclass(kind, errors.SourceError) for kind in kinds), kinds


def test_nothing_is_loaded_of_a_partition_that_was_not_read_whole(spoilt):
    _, cases, result, _ = spoilt
    for case in cases:
        name, _, tenant = case.stream.partition("@")
        counts = result.stream(name, tenant)
        assert counts["extracted"] == counts["loaded"] == 0, case


def test_once_the_source_is_well_the_same_command_loads_everything(spoilt, undisturbed):
    _, _, _, healed = spoilt
    _, expected, *_ = undisturbed
    assert healed.matched().fingerprints == expected.fingerprints
    for stream in expected.json["streams"]:
        found = healed.stream(stream["stream"], stream["tenant"])
        assert found["extracted"] == stream["extracted"], stream["stream"]
        assert found["quarantined"] == stream["quarantined"], stream["stream"]


def test_no_bad_answer_brings_a_secret_out(spoilt):
    site, _, bad, healed = spoilt
    secrets = (*site.env.values(), "sandbox-token-", "keep-out-", "DENIED")
    texts = [bad.text, healed.text, *site.written()]
    for secret in secrets:
        assert not any(secret in text for text in texts), "a secret came out"


def test_what_passes_is_waited_for_and_costs_nothing(new_site, sources, undisturbed):
    _, expected, *_ = undisturbed
    passing = (
        vivenu("auckland", TICKETS, "", status=429, retry_after=1, times=1),
        vivenu("auckland", CUSTOMERS, "", kind="reset", times=2),
        vivenu("auckland", COUPONS, "", kind="truncated", times=1),
        vivenu("frankfurt", TICKETS, "", status=503, every=3),
        vivenu("frankfurt", CUSTOMERS, "", status=500, times=3),
        vivenu("frankfurt", COUPONS, "", kind="hang", times=1),
        eventcombo("ticket_types", "503", ""),
        eventcombo("promo_codes", "reset", ""),
    )
    passing = [
        replace(case, fault=replace(case.fault, times=2)) if "@default" in case.stream else case
        for case in passing
    ]
    spoil(sources, passing)
    http = {**QUICK, "asked": 5, "tries": 6}
    result = new_site().configure(sources, http=http).run()
    assert result.matched().fingerprints == expected.fingerprints
    statuses = [call.status for call in sources.calls]
    assert (statuses.count(429), statuses.count(500)) == (1, 3)
    assert statuses.count(503) >= 4
    (told,) = [call for call in sources.calls if call.status == 429]
    later = [
        call.at
        for call in sources.calls
        if (call.path, call.query, call.tenant) == (told.path, told.query, told.tenant)
        and call.at > told.at
    ]
    asked = datetime.fromisoformat(told.at) + timedelta(seconds=1)
    assert datetime.fromisoformat(min(later)) >= asked
