"""Text for people and one object for machines."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from messy_migration.cli.render import cell, emit_json, table


@pytest.mark.parametrize(
    "value, text",
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1_234_567, "1,234,567"),
        (-1_234, "-1,234"),
        (1234.5, "1,234.5"),
        (Decimal("1234.50"), "1,234.50"),
        (Decimal("1E+3"), "1,000"),
        ("plain é", "plain é"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202eabc", "\\u202eabc"),
    ],
)
def test_a_value_is_one_printable_piece_of_text(value, text):
    assert cell(value) == text


def test_columns_are_aligned_and_nothing_is_cut_off():
    found = table(["name", "rows"], [["a", 1], ["a long name", 12_345]], "lr")
    assert found.splitlines() == [
        "name           rows",
        "a                 1",
        "a long name  12,345",
    ]


def test_wide_and_combining_characters_count_by_their_place_on_the_screen():
    found = table(["n", "x"], [["日本", 1], ["e\u0301", 2]]).splitlines()
    assert found == ["n     x", "日本  1", "e\u0301     2"]


def test_a_table_without_rows_is_its_header():
    assert table(["a", "b"], []) == "a  b"


def test_json_is_one_object_with_its_schema_first(capsys):
    emit_json({"b": Decimal("1.50"), "a": "é"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"schema": 1, "b": "1.50", "a": "é"}
    assert next(iter(json.loads(out))) == "schema"
