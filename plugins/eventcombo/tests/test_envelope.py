from __future__ import annotations

from decimal import Decimal

import pytest

from messy_migration.errors import SourceError
from messy_migration_eventcombo.envelope import unwrap
from messy_migration_eventcombo.settings import Envelope

ROW = {"EventID": 1}


@pytest.mark.parametrize(
    "document, total",
    [
        ([ROW], None),
        ({"Result": [ROW]}, None),
        ({"Success": True, "Result": [ROW], "Total": 7}, 7),
        ({"Data": [ROW], "TotalCount": 7}, 7),
        ({"Version": "1", "StatusCode": 200, "Data": {"Items": [ROW], "TotalCount": 7}}, 7),
        ({"StatusCode": 200, "TotalCount": 7, "Data": {"Items": [ROW]}}, 7),
        ({"events": [ROW], "total": 7}, 7),
        ({"Events": [ROW]}, None),
        ({"Success": True, "Result": {"Items": [ROW], "Total": 7}}, 7),
        ({"success": True, "result": {"items": [ROW], "totalCount": 7}}, 7),
    ],
)
def test_every_known_wrapper_gives_records_and_total(document, total):
    found = unwrap(document, Envelope(), "/list")
    assert found.records == [ROW]
    assert found.total == total


def test_an_empty_list_is_a_list():
    assert unwrap({"Result": []}, Envelope(), "/list").records == []


def test_the_first_path_that_holds_a_list_wins():
    document = {"Result": {"Items": [2]}, "Data": [1]}
    assert unwrap(document, Envelope(), "/list").records == [1]


def test_paths_and_totals_are_settings():
    own = Envelope(paths=("Payload.Rows",), totals=("Payload.Count", "Count"))
    found = unwrap({"Payload": {"Rows": [ROW], "Count": 3}}, own, "/list")
    assert (found.records, found.total) == ([ROW], 3)


@pytest.mark.parametrize("total", [-1, "7", None, True, 7.5, Decimal("7.5")])
def test_a_total_that_is_no_count_is_not_believed(total):
    assert unwrap({"Result": [ROW], "Total": total}, Envelope(), "/list").total is None


@pytest.mark.parametrize(
    "document",
    [
        {"Success": False, "Result": []},
        {"success": "False", "result": []},
        {"StatusCode": 400, "Data": []},
        {"StatusCode": 500, "Data": [ROW]},
        {"statusCode": "403", "data": []},
        {"StatusCode": Decimal("500.0"), "Data": []},
    ],
)
def test_a_failure_inside_status_200_is_an_error_and_no_empty_page(document):
    with pytest.raises(SourceError, match="reports a failure"):
        unwrap(document, Envelope(), "/list")


@pytest.mark.parametrize(
    "document", [None, {}, "text", 5, {"Payload": [ROW]}, {"Result": None}, {"Result": {"x": 1}}]
)
def test_an_unknown_shape_is_an_error_that_says_where_to_set_it(document):
    with pytest.raises(SourceError) as caught:
        unwrap(document, Envelope(), "/list")
    assert "eventcombo.envelope.paths" in caught.value.next
    assert caught.value.where == "/list"


def test_the_error_names_fields_and_no_data():
    document = {"ana@mail.example": [1], "Rows": [{"Name": "Ana Secret"}]}
    with pytest.raises(SourceError) as caught:
        unwrap(document, Envelope(), "/list")
    assert "'Rows'" in caught.value.why
    assert "ana@" not in str(caught.value)
    assert "Secret" not in str(caught.value)
