"""Pairs of values over which other tools stumble: each is told apart, or is equal, as it is.

The pairs are those on which a comparison of texts joined by a separator, cut to a precision,
trimmed, or hashed with NULL written as a word goes wrong or breaks off.
"""

from __future__ import annotations

import pytest

POSTGRES = {"text": "text", "float": "float8", "numeric": "numeric", "timestamp": "timestamp"}
SQLITE = {"text": "TEXT", "float": "REAL", "numeric": "NUMERIC", "timestamp": "DATETIME"}

# id: (type of both columns, left row, right row, whether they differ); values as SQL.
PAIRS = {
    "separator-in-a-value": ("text", ("'a|b'", "'c'"), ("'a'", "'b|c'"), True),
    "no-separator": ("text", ("'ab'", "'c'"), ("'a'", "'bc'"), True),
    "word-for-null": ("text", ("'<null>'", "'x'"), ("NULL", "'x'"), True),
    "replacement-word": ("text", ("'DEFAULT_REPLACEMENT_STRING'", "'x'"), ("NULL", "'x'"), True),
    "value-or-null": ("text", ("'q'", "'x'"), ("NULL", "'x'"), True),
    "small-float": ("float", ("1e-20", "0"), ("1e-16", "0"), True),
    "one-ulp": ("float", ("0.1", "0"), ("0.10000000000000002", "0"), True),
    "one-ulp-of-a-large-float": (
        "float",
        ("1234567890123.5", "0"),
        ("1234567890123.5002", "0"),
        True,
    ),
    "huge-float": ("float", ("1e300", "0"), ("1e301", "0"), True),
    "infinity-is-infinity": ("float", ("INFINITY", "0"), ("INFINITY", "0"), False),
    "small-numeric": ("numeric", ("1e-30", "0"), ("2e-30", "0"), True),
    "trailing-blanks": ("text", ("'abc'", "'x'"), ("'abc   '", "'x'"), True),
    "one-microsecond": (
        "timestamp",
        ("'2024-01-01 12:00:00.000001'", "NULL"),
        ("'2024-01-01 12:00:00.000002'", "NULL"),
        True,
    ),
    "case": ("text", ("'Oslo'", "'x'"), ("'OSLO'", "'x'"), True),
    "composed-or-not": ("text", ("'\u00e9'", "'x'"), ("'e\u0301'", "'x'"), True),
    "json-scale": ("jsonb", ("'{\"a\": 1.0}'", "'[]'"), ("'{\"a\": 1.00}'", "'[]'"), True),
    "bytes": ("bytea", (r"'\x00ff'", r"'\x'"), (r"'\x00fe'", r"'\x'"), True),
    "scale-of-a-numeric": ("numeric", ("1.50", "0"), ("1.5", "0"), False),
}


def written(kind, value):
    """A value as this kind of database wants it written."""
    if value == "INFINITY":
        return "9e999" if kind == "sqlite" else "'Infinity'"
    return value


CASES = [
    (sides, name)
    for name, (type_, *_) in PAIRS.items()
    for sides in ("two_postgres", "two_files", "file_and_postgres")
    if sides == "two_postgres" or type_ in SQLITE
]


@pytest.mark.parametrize("sides, name", CASES)
def test_the_pair_is_judged_rightly(request, sides, name, listed):
    two = request.getfixturevalue(sides)
    type_, left, right, differs = PAIRS[name]
    for side, row in ((two.left, left), (two.right, right)):
        spelled = (SQLITE if side.kind == "sqlite" else POSTGRES).get(type_, type_)
        values = ", ".join(written(side.kind, value) for value in row)
        side.run(
            f"CREATE TABLE t (id integer PRIMARY KEY, a {spelled}, b {spelled})",
            f"INSERT INTO t VALUES (1, {values})",
            "INSERT INTO t VALUES (2, NULL, NULL)",
        )
    found = two.only()
    assert found.verdict == ("MISMATCH" if differs else "MATCH"), found
    if differs:
        ((kind, key, columns, rows),) = listed(found)
        assert (kind, key, rows) == ("changed", {"id": "1"}, 1)
        assert "a" in columns
        assert found.findings.is_exact


def test_there_are_eighteen_of_them():
    assert len(PAIRS) == 18
