from __future__ import annotations

import json
from decimal import Decimal

import pytest

from messy_migration.errors import SourceError
from messy_migration.model import Filtered, Frame
from messy_migration_vivenu.settings import VivenuSettings
from messy_migration_vivenu.source import records, total

SECRETS = {
    "secret": "keep-out-1",
    "seatingReservationToken": "keep-out-2",
    "_account": {"passwordResetToken": "keep-out-3"},
    "ipLookup": {"ip": "keep-out-4"},
    "userAgent": {"ua": "keep-out-5"},
    "hmacKey": "keep-out-6",
}
DOCUMENTED = {
    "/api/events": {"updatedAt[$gte]", "updatedAt[$lt]", "top", "skip"},
    "/api/customers/rich": {"updatedAt[$gte]", "updatedAt[$lt]", "top", "skip"},
    "/api/coupon/rich": {"top", "skip"},
    "/api/coupon/series": {"top", "skip"},
    "/api/transactions": {"updatedAt[$gte]", "updatedAt[$lt]", "top", "skip"},
    "/api/tickets": {"updatedAt[$gte]", "updatedAt[$lt]", "top", "skip"},
}
ENVELOPE = {
    "events": "rows", "customers": "docs", "coupons": "rows", "orders": "docs", "tickets": "rows",
}  # fmt: skip


def paged(envelope, listed):
    """A list in pages of what is asked for."""

    def answer(path, params):
        skip, top = int(params["skip"]), int(params["top"])
        page = listed[skip : skip + top]
        if path.endswith("/series"):
            return page if skip == 0 else []
        return {envelope: page, "total": len(listed)}

    return answer


def rows(found):
    return [row for item in found if isinstance(item, Frame) for row in item.table.to_pylist()]


def ticket(number, **fields):
    return {"_id": f"t{number}", "updatedAt": "2026-01-01T00:00:00.000Z", **fields}


@pytest.mark.parametrize("name", list(ENVELOPE))
def test_only_documented_parameters_are_sent(name, serve, stream_of, partition_of, settings):
    source = serve(paged(ENVELOPE[name], [ticket(n) for n in range(5)]))
    part = partition_of("2026-01-01T00:00:00.000Z")
    assert len(rows(records(stream_of(name), part, settings, source))) == 5
    assert total(stream_of(name), part, settings, source) == 5
    for path, params in source.calls:
        assert set(params) == DOCUMENTED[path]
        if "updatedAt[$gte]" in params:
            assert params["updatedAt[$gte]"] == part.bounds["from"]
            assert params["updatedAt[$lt]"] == part.bounds["to"]
    assert {headers["authorization"] for headers in source.headers} == {"Bearer key-of-auckland"}


def test_the_first_window_has_no_lower_bound(serve, stream_of, partition_of, settings):
    source = serve(paged("rows", [ticket(1)]))
    list(records(stream_of("tickets"), partition_of(), settings, source))
    assert all("updatedAt[$gte]" not in params for _, params in source.calls)


def test_500_records_are_asked_for_unless_told_otherwise(serve, stream_of, partition_of, settings):
    source = serve(paged("rows", []))
    tenants = {"tenants": {"auckland": {"token": "key"}}}
    plain = VivenuSettings.model_validate(tenants)
    list(records(stream_of("tickets"), partition_of(), plain, source))
    assert {params["top"] for _, params in source.calls} == {"500"}


def test_nothing_denied_is_in_what_is_stored(serve, stream_of, partition_of, settings):
    dirty = [ticket(1, **SECRETS, history=[{"deep": SECRETS}], barcode="B1")]
    source = serve(paged("rows", dirty))
    (frame,) = records(stream_of("tickets"), partition_of(), settings, source)
    stored = json.dumps(frame.table.to_pylist()) + frame.origin(0).raw.decode()
    assert "keep-out" not in stored
    assert not any(name in stored for name in SECRETS)
    assert "B1" in stored


def test_payloads_are_exact_and_say_where_they_are_from(serve, stream_of, partition_of, settings):
    body = (
        '{"rows": [{"_id": "t1", "updatedAt": "2026-01-01T00:00:00.000Z",'
        ' "realPrice": 19.999999999999999999, "new": null}], "total": 1}'
    )
    source = serve(lambda path, params: body)
    (frame,) = records(stream_of("tickets"), partition_of(), settings, source)
    (row,) = frame.table.to_pylist()
    assert (row["id"], row["updated_at"]) == ("t1", "2026-01-01T00:00:00.000Z")
    parsed = json.loads(row["payload"], parse_float=Decimal)
    assert parsed["realPrice"] == Decimal("19.999999999999999999")
    assert parsed["new"] is None
    assert frame.origin(0).where == "vivenu.tickets@auckland record t1"
    assert frame.origin(0).raw.decode() == row["payload"]


def test_two_versions_of_a_record_both_come_and_repeats_are_counted(
    serve, stream_of, partition_of, settings
):
    listed = [ticket(1, status="VALID"), ticket(2), ticket(2), ticket(1, status="INVALID")]
    source = serve(paged("rows", listed))
    found = list(records(stream_of("tickets"), partition_of(), settings, source))
    assert sorted(row["id"] for row in rows(found)) == ["t1", "t1", "t2"]
    assert [item for item in found if isinstance(item, Filtered)] == [Filtered("core.duplicate", 1)]


def test_a_record_without_an_id_is_not_lost(serve, stream_of, partition_of, settings):
    listed = [{"name": "a"}, {"_id": None, "name": "b"}, {"_id": "", "name": "c"}, ticket(1)]
    source = serve(paged("rows", listed))
    found = rows(records(stream_of("tickets"), partition_of(), settings, source))
    names = [row["id"] for row in found]
    assert len(set(names)) == 4
    assert sum(name.startswith("sha256:") for name in names) == 3


def test_a_coupon_carries_the_terms_of_its_series(serve, stream_of, partition_of, settings):
    coupons = [ticket(1, couponSeriesId="s1"), ticket(2, couponSeriesId="gone"), ticket(3)]
    series = [{"_id": "s1", "name": "Partner"}]

    def answer(path, params):
        if path == "/api/coupon/series":
            return series if params["skip"] == "0" else []
        return paged("rows", coupons)(path, params)

    source = serve(answer)
    found = rows(records(stream_of("coupons"), partition_of(), settings, source))
    terms = {row["id"]: json.loads(row["payload"]).get("_series") for row in found}
    assert terms == {"t1": {"_id": "s1", "name": "Partner"}, "t2": None, "t3": None}


def test_series_may_come_in_an_envelope_too(serve, stream_of, partition_of, settings):
    def answer(path, params):
        if path == "/api/coupon/series":
            return {"docs": [{"_id": "s1", "name": "Partner"}], "total": 1}
        return paged("rows", [ticket(1, couponSeriesId="s1")])(path, params)

    found = rows(records(stream_of("coupons"), partition_of(), settings, serve(answer)))
    assert json.loads(found[0]["payload"])["_series"]["name"] == "Partner"


@pytest.mark.parametrize(
    "body",
    [
        {"error": "x"},
        {"docs": [], "total": 0},
        [],
        {"rows": None, "total": 0},
        {"rows": {}, "total": 0},
        {"rows": ["text"], "total": 1},
        {},
    ],
)
def test_an_unknown_envelope_is_an_error_and_no_empty_list(
    body, serve, stream_of, partition_of, settings
):
    source = serve(lambda path, params: body)
    with pytest.raises(SourceError, match=r"tickets@auckland"):
        list(records(stream_of("tickets"), partition_of(), settings, source))


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_cannot_pass_is_asked_once(status, serve, stream_of, partition_of, settings):
    source = serve(lambda path, params: (status, {"message": "no"}))
    with pytest.raises(SourceError) as caught:
        list(records(stream_of("tickets"), partition_of(), settings, source))
    assert len(source.calls) == 1
    assert "key-of-auckland" not in str(caught.value)


@pytest.mark.parametrize("said", [None, "5", -1, True, 5.5])
def test_a_total_that_is_no_number_is_unknown(said, serve, stream_of, partition_of, settings):
    source = serve(lambda path, params: {"rows": [], "total": said})
    assert total(stream_of("tickets"), partition_of(), settings, source) is None
