"""Over real HTTP: what is asked, how often, and what becomes of answers that are no good."""

from __future__ import annotations

import json
from collections import Counter

import pytest

import messy_migration_eventcombo as plugin
from messy_migration.errors import SourceError
from messy_migration_eventcombo.sandbox import Fault

ENVELOPES = ("", "Result", "Data", "Data.Items", "events", "Events", "Result.Items")


def calls(app, text):
    return [call for call in app.calls if text in call.path]


@pytest.mark.parametrize("name", ["events", "ticket_types", "promo_codes", "orders", "attendees"])
def test_every_served_record_is_extracted(site, drain, name):
    truth = site.box.manifest["streams"][f"eventcombo.{name}"]
    found = drain(site.settings(), name)
    at_once = {"core.duplicate"} if name == "attendees" else set()
    assert {rule: n for rule, n in truth["filtered"].items() if rule in at_once} == found.filtered
    # The two lists of an order over two events are one duplicate to the core, which counts it.
    assert found.records == truth["extracted"]
    rejected = Counter(item.rule for item in found.rejected)
    assert rejected == {r: n for r, n in truth["quarantined"].items() if r == "eventcombo.no_id"}


@pytest.mark.parametrize("name", ["events", "ticket_types", "promo_codes", "orders", "attendees"])
def test_rows_money_and_rules_are_those_of_the_manifest(site, rows_of, name):
    manifest = site.box.manifest
    made = rows_of(site.settings(), name)
    core = {"eventcombo.no_id", "core.duplicate_key"}
    quarantined = manifest["streams"][f"eventcombo.{name}"]["quarantined"]
    assert Counter(made.errors) == {r: n for r, n in quarantined.items() if r not in core}
    expected = {r: n for r, n in manifest["warnings"].items() if r in made.warnings}
    assert {r: n for r, n in Counter(made.warnings).items() if "repeated" not in r} == expected
    for table, rows in made.rows.items():
        key = ("owner_id", "slug") if table == "custom_field_values" else ("id",)
        unique = {tuple(row[part] for part in key): row for row in rows}
        assert len(unique) == manifest["tables"][table], table
        for column in rows[0]:
            total = manifest["money"].get(f"{table}.{column}")
            if total is not None:
                assert f"{sum(row[column] for row in unique.values())}" == total


def test_every_warning_of_the_manifest_belongs_to_some_stream(site, rows_of):
    found = Counter()
    for name in ("events", "promo_codes", "orders"):
        found += Counter(rows_of(site.settings(), name).warnings)
    assert set(site.box.manifest["warnings"]) <= set(found)


def test_missing_parents_are_exactly_the_stubs_of_the_manifest(site, rows_of):
    rows = {}
    for name in ("events", "ticket_types", "promo_codes", "orders", "attendees"):
        rows |= rows_of(site.settings(), name).rows
    missing = {}
    for item in plugin.streams(settings=site.settings()):
        for table in item.tables:
            for foreign in table.foreign_keys:
                (column,) = foreign.columns
                there = {row["id"] for row in rows[foreign.parent]}
                gone = {row[column] for row in rows[table.name]} - there - {None}
                missing.setdefault(foreign.parent, set()).update(gone)
    counts = {table: len(keys) for table, keys in missing.items() if keys}
    assert counts == {table: len(keys) for table, keys in site.box.manifest["stubs"].items()}


def test_nothing_that_is_denied_comes_as_far_as_a_payload(site, drain):
    for name in ("events", "orders"):
        found = drain(site.settings(), name)
        assert not any("DENIED" in payload for payload in found.payloads)


@pytest.mark.parametrize("name", ["card-number", "CVV", "o_paypal_tokenid", "private password"])
def test_a_denied_field_in_a_new_spelling_comes_no_further_either(serve, drain, name):
    site = serve()
    site.app.change("events", 31_003, **{name: "DENIED", "Address": {"a": [{name: "DENIED"}]}})
    assert not any("DENIED" in payload for payload in drain(site.settings(), "events").payloads)


def test_numbers_stay_exact_in_the_payload(site, drain):
    payload = drain(site.settings(), "ticket_types").payloads[1]
    assert '"Price":59.90' in payload


def test_slices_together_are_the_whole_and_share_nothing(site, drain):
    whole = drain(site.settings(), "orders")
    parts = drain(site.settings(slices=5), "orders")
    assert Counter(parts.ids) == Counter(whole.ids)


def test_partitions_and_streams_ask_nobody(serve):
    site = serve()
    for item in plugin.streams(settings=site.settings()):
        plugin.partitions(stream=item, planned=None, settings=site.settings())
    assert site.app.calls == []


@pytest.mark.parametrize("place", ENVELOPES)
@pytest.mark.parametrize("case", ["pascal", "camel"])
def test_every_envelope_in_both_cases_gives_the_same_rows(serve, rows_of, place, case):
    entities = ("events", "ticket_types", "promo_codes", "orders", "attendees")
    site = serve(envelopes=dict.fromkeys(entities, place), case=case)
    made = rows_of(site.settings(), "events")
    assert len(made.rows["events"]) == 8
    assert made.rows["events"][0]["source_id"] == "31001"
    assert made.errors == []


def test_camel_case_records_make_the_same_rows(serve, rows_of):
    first = rows_of(serve().settings(), "orders").rows
    second = rows_of(serve(case="camel").settings(), "orders").rows

    def without_extra(rows):
        return [{k: v for k, v in row.items() if k != "extra"} for row in rows]

    for table, rows in first.items():
        assert without_extra(second[table]) == without_extra(rows)


@pytest.mark.parametrize("cap", [20, 33])
def test_a_page_cap_of_the_service_loses_nothing(serve, drain, cap):
    site = serve(page_cap=cap)
    truth = site.box.manifest["streams"]["eventcombo.orders"]["extracted"]
    assert drain(site.settings(), "orders").records == truth


def test_without_page_parameters_the_list_is_seen_to_be_short(serve, drain):
    site = serve()
    with pytest.raises(SourceError, match="INCOMPLETE") as caught:
        drain(site.settings(orders={"path": "/api/v2/Organizer/Order/List?eventId={event_id}",
                                    "paging": "none"}), "orders")  # fmt: skip
    assert 'paging = "page"' in caught.value.next


def test_one_token_serves_a_partition(serve, drain):
    site = serve()
    drain(site.settings(), "ticket_types")
    assert site.app.token_calls == 1
    assert len(calls(site.app, "/Tickets")) >= 8


@pytest.mark.parametrize("says_life", [True, False])
def test_a_token_that_expires_in_the_middle_is_replaced_once_each_time(serve, drain, says_life):
    site = serve(token_calls=6, says_life=says_life)
    found = drain(site.settings(), "ticket_types")
    assert found.records == site.box.manifest["streams"]["eventcombo.ticket_types"]["extracted"]
    refused = [call for call in site.app.calls if call.status == 401]
    assert len(refused) == site.app.token_calls - 1 > 0


def test_a_token_revoked_in_the_middle_is_replaced_once(serve, stream):
    site = serve()
    settings = site.settings(paging={"size": 50})
    own = stream(settings, "orders")
    (partition,) = plugin.partitions(stream=own, planned=None, settings=settings)
    items = plugin.extract(stream=own, partition=partition, settings=settings)
    next(items)
    site.app.revoke()
    list(items)
    assert site.app.token_calls == 2
    assert sum(call.status == 401 for call in site.app.calls) == 1


def test_a_token_that_never_works_is_an_error_after_one_renewal(serve, drain):
    site = serve(token_calls=0)
    with pytest.raises(SourceError, match="401"):
        drain(site.settings(), "events")
    assert site.app.token_calls == 2
    assert len(calls(site.app, "/Event/List")) == 2


@pytest.mark.parametrize("wrong", [{"password": "not-it"}, {"username": "nobody"}])
def test_a_wrong_password_is_one_call_and_an_error_without_it(serve, drain, wrong):
    site = serve()
    with pytest.raises(SourceError) as caught:
        drain(site.settings(**wrong), "events")
    assert [(call.method, call.path, call.status) for call in site.app.calls] == [
        ("POST", "/API/Token", 400)
    ]
    said = "".join(map(str, (caught.value, caught.value.as_dict())))
    assert not any(secret in said for secret in ("not-it", "nobody", "sandbox-password"))


def test_a_restricted_account_is_an_error_that_is_not_tried_again(serve, drain):
    site = serve(restricted="/Order/")
    with pytest.raises(SourceError, match="403"):
        drain(site.settings(), "orders")
    assert len(calls(site.app, "/Order/")) == 1


def test_an_assumed_path_that_does_not_exist_is_an_error(serve, drain):
    site = serve()
    with pytest.raises(SourceError, match="404"):
        drain(site.settings(orders={"path": "/api/v9/{event_id}/Orders"}), "orders")


def test_a_parameter_that_the_service_does_not_know_is_an_error(serve, drain):
    site = serve()
    with pytest.raises(SourceError, match="400"):
        drain(site.settings(paging={"size_param": "top"}), "orders")


@pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "truncated"])
def test_what_passes_is_tried_again_and_nothing_is_lost(serve, drain, kind):
    fault = Fault(kind, every=5, retry_after="seconds" if kind == "429" else "date")
    site = serve(faults=(fault,))
    truth = site.box.manifest["streams"]["eventcombo.orders"]["extracted"]
    assert drain(site.settings(), "orders").records == truth
    assert len(site.app.calls) > 10


@pytest.mark.parametrize("kind", ["429", "503", "reset", "truncated"])
def test_what_never_passes_ends_after_the_tries_of_the_settings(serve, drain, kind):
    site = serve(faults=(Fault(kind),))
    with pytest.raises(SourceError):
        drain(site.settings(), "events")
    assert len(calls(site.app, "/Event/List")) == 3


@pytest.mark.parametrize("times", [1, None])
def test_a_slow_answer_is_given_up_and_asked_for_again(serve, drain, times):
    site = serve(faults=(Fault("slow", times=times, seconds=1),))
    settings = site.settings(http={"base": 0, "cap": 0, "tries": 2, "read": 0.3})
    if times is None:
        with pytest.raises(SourceError, match="no whole answer"):
            drain(settings, "events")
    else:
        assert drain(settings, "events").records == 8


@pytest.mark.parametrize("kind", ["html", "empty", "null", "unknown", "not_success", "status_code"])
def test_an_answer_of_status_200_that_is_worth_nothing_is_an_error(serve, drain, kind):
    site = serve(faults=(Fault(kind, every=4, path="/Order/"),))
    with pytest.raises(SourceError) as caught:
        drain(site.settings(), "orders")
    assert "/Order/List" in caught.value.where
    assert len(calls(site.app, "/Order/")) == 4


def test_a_service_that_refuses_long_pages_is_read_with_shorter_ones(serve, drain):
    site = serve(refuse_above=50)
    with pytest.raises(SourceError):
        drain(site.settings(), "orders")
    truth = site.box.manifest["streams"]["eventcombo.orders"]["extracted"]
    assert drain(site.settings(paging={"size": 50}), "orders").records == truth


def test_a_changed_record_changes_its_own_row_only(serve, rows_of):
    site = serve()
    before = rows_of(site.settings(), "events").rows["events"]
    site.app.change("events", 31_003, EventTitle="Spring Gala")
    after = rows_of(site.settings(), "events").rows["events"]
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert [(row["source_id"], row["name"]) for row in changed] == [("31003", "Spring Gala")]


def test_an_event_whose_id_leads_elsewhere_is_not_asked_for(serve, drain):
    site = serve()
    site.app.change("events", 31_003, EventID="../../Account")
    with pytest.raises(SourceError, match="cannot be asked for"):
        drain(site.settings(), "ticket_types")
    assert not calls(site.app, "Account")


def test_only_the_token_is_ever_posted(site, drain):
    for name in ("events", "attendees"):
        drain(site.settings(), name)
    assert site.app.writes == 0
    assert {call.path for call in site.app.calls if call.method != "GET"} == {"/API/Token"}


def test_the_access_log_holds_no_secret(site, drain):
    drain(site.settings(), "events")
    log = json.dumps([[c.method, c.path, c.query] for c in site.app.calls])
    assert "sandbox-password" not in log
    assert "sandbox-token" not in log
