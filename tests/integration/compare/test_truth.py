"""The truth test: seeded differences of many kinds, one row each, all named and nothing else.

And no false alarm: equal tables match whatever order their rows are in, time and again.
"""

from __future__ import annotations

import random

import pytest

COLUMNS = {
    "id": "bigint PRIMARY KEY",
    "n": "integer",
    "name": "text",
    "code": "text",
    "note": "text",
    "a": "text",
    "b": "text",
    "price": "numeric(14,4)",
    "ratio": "double precision",
    "flag": "boolean",
    "at": "timestamptz",
    "day": "date",
    "uid": "uuid",
    "doc": "jsonb",
    "body": "bytea",
}

ROWS = """
INSERT INTO truth SELECT
    g * 3, (g * 7919 % 100003)::int, 'Zoë Brown ' || g, lpad((g % 99991 + 1)::text, 8, '0'),
    CASE g % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'note ' || g END,
    'left|' || g, 'right ' || g,
    (g % 100000) + 0.1236, sqrt(g::float8), g % 2 = 0,
    timestamptz '2020-01-01 10:11:12.345678+00' + g * interval '61 seconds',
    make_date((2000 + g % 20)::int, (1 + g % 11)::int, 12),
    md5(g::text)::uuid, jsonb_build_object('k', g, 'v', 1.0), decode(md5((g * 2)::text), 'hex')
FROM generate_series(1::bigint, {rows}) AS g
"""

UUID = (
    "uid = overlay(uid::text placing translate(left(uid::text, 1),"
    " '0123456789abcdef', '123456789abcdef0') from 1)::uuid"
)

# Kind: (columns that change, how, what `note` has to be, rule); of one row each.
KINDS = {
    "null to empty": (("note",), "note = ''", 0, "null or empty"),
    "empty to null": (("note",), "note = NULL", 1, "null or empty"),
    "value lost": (("note",), "note = NULL", 2, "null on one side"),
    "null filled": (("note",), "note = 'x'", 0, "null on one side"),
    "a word for null": (("note",), "note = '<null>'", 0, "null on one side"),
    "trailing blank": (("name",), "name = name || ' '", None, "trim"),
    "leading blank": (("name",), "name = ' ' || name", None, "trim"),
    "inner blank": (("name",), "name = replace(name, ' ', '  ')", None, "blanks"),
    "case": (("name",), "name = upper(name)", None, "case"),
    "Unicode form": (("name",), "name = normalize(name, NFD)", None, "Unicode form"),
    "mojibake": (("name",), "name = replace(name, 'ë', 'Ã«')", None, "wrong encoding"),
    "characters lost": (("name",), "name = replace(name, 'ë', '?')", None, "characters lost"),
    "accents": (("name",), "name = replace(name, 'ë', 'e')", None, "accents"),
    "cut off": (("name",), "name = left(name, 9)", None, "cut off"),
    "line end": (("name",), "name = name || chr(10)", None, "trim"),
    "leading zeros": (("code",), "code = ltrim(code, '0')", None, "leading zeros"),
    "separator": (("a", "b"), "a = 'left', b = split_part(a, '|', 2) || '|' || b", None, None),
    "columns exchanged": (("a", "b"), "a = b, b = a", None, "exchanged with"),
    "price rounded": (("price",), "price = round(price, 2)", None, "rounding to 2 digits"),
    "price cut": (("price",), "price = trunc(price, 3)", None, "cut to 3 digits"),
    "price sign": (("price",), "price = -price", None, "sign"),
    "price times 100": (("price",), "price = price * 100", None, "decimal point moved by 2"),
    "least of a price": (("price",), "price = price + 0.0001", None, None),
    "single precision": (("ratio",), "ratio = ratio::real::float8", None, "single precision"),
    "float noise": (
        ("ratio",),
        "ratio = (ratio * 3 + 1e-9) / 3 + ratio * 4e-16",
        None,
        "float noise",
    ),
    "flag": (("flag",), "flag = NOT flag", None, "true and false exchanged"),
    "microsecond": (("at",), "at = at + interval '1 microsecond'", None, None),
    "hour": (("at",), "at = at + interval '1 hour'", None, "shifted by 1 hour"),
    "seconds only": (("at",), "at = date_trunc('second', at)", None, "cut to seconds"),
    "milliseconds": (("at",), "at = date_trunc('milliseconds', at)", None, "cut to milliseconds"),
    "day": (("day",), "day = day + 1", None, "shifted by 1 day"),
    "integer": (("n",), "n = n + 1", None, None),
    "beyond 32 bits": (("id",), "id = id + 4294967296", None, None),
    "uuid": (("uid",), UUID, None, None),
    "json scale": (("doc",), "doc = jsonb_set(doc, '{v}', '1.00')", None, None),
    "byte": (("body",), "body = set_byte(body, 3, (get_byte(body, 3) + 1) % 256)", None, None),
    "row lost": ((), None, None, None),
    "row twice": ((), "", None, None),
}


SIZES = (
    pytest.param(20_000, 100, 5, id="small"),
    pytest.param(1_000_000, 500, 50, id="million", marks=pytest.mark.sweep),
)


@pytest.fixture
def filled(two_postgres):
    def fill(rows):
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        two_postgres.run(f"CREATE TABLE truth ({columns})", ROWS.format(rows=rows), "ANALYZE truth")
        return two_postgres

    return fill


def seeded(chance, rows, count):
    """(number of a row, kind) with every kind about as often, no row twice."""
    names = [list(KINDS)[place % len(KINDS)] for place in range(count)]
    free = chance.sample(range(1, rows + 1), rows // 4)
    for name in names:
        wanted = KINDS[name][2]
        place = next(i for i, number in enumerate(free) if wanted in (None, number % 3))
        yield free.pop(place), name


def damage(base, number, name):
    """Do it to the right side; what a comparison has to say of it: {key: (kind, columns)}."""
    key, (columns, how, _, _) = number * 3, KINDS[name]
    if how is None:
        base.run(f"DELETE FROM truth WHERE id = {key}")
        return {str(key): ("missing", ())}
    if not how:
        base.run(
            f"INSERT INTO truth SELECT id + 1, {', '.join(list(COLUMNS)[1:])}"
            f" FROM truth WHERE id = {key}"
        )
        return {str(key + 1): ("extra", ())}
    base.run(f"UPDATE truth SET {how} WHERE id = {key}")
    if columns == ("id",):
        return {str(key): ("missing", ()), str(key + 2**32): ("extra", ())}
    return {str(key): ("changed", columns)}


@pytest.mark.parametrize("rows, count, clean", SIZES)
def test_every_difference_is_found_and_named_and_nothing_else(filled, rows, count, clean):
    chance = random.Random(20_261_121)
    two = filled(rows)
    for _ in range(clean):
        some = chance.randrange(1, 50)
        # Rows move within the table and stay what they are.
        two.right.run(f"UPDATE truth SET n = n WHERE id % 50 = {some}")
        assert two.only().verdict == "MATCH"
    expected, rules = {}, {}
    for number, name in seeded(chance, rows, count):
        told = damage(two.right, number, name)
        expected |= told
        rules |= dict.fromkeys(told, KINDS[name][3])
    assert len(set(KINDS)) >= 20
    found = two.only(limit=100_000)
    assert found.verdict == "MISMATCH"
    assert found.findings.is_exact
    named = {dict(item.key)["id"]: (item.kind, item.columns) for item in found.findings.differences}
    assert named == expected
    assert len(found.findings.differences) == len(expected) >= count
    for item in found.findings.differences:
        wanted = rules[dict(item.key)["id"]]
        for _, rule in item.rules:
            assert wanted is None or wanted in rule, (item, wanted)
