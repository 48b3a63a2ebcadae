"""Every text that becomes a typed value, held against Python's own types.

A source reads a column whole where it can and cell by cell where it cannot. So every piece is
read twice: as it was made, with texts that are nothing, and once more with only those that are
values.
"""

from __future__ import annotations

import json
import math
import random
import re
import struct
import uuid
from datetime import UTC, date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation

import pyarrow as pa
import pytest

from messy_migration.model import ColumnType
from messy_migration.model.conversion import cast_exactly, decimals
from messy_migration_files.convert import convert
from messy_migration_files.schema import SourceColumn
from messy_migration_sql.cells import to_array

SOME, ALL, PIECE = 4_000, 1_000_000, 1_000
EXACT = Context(prec=100_000, Emax=10**6, Emin=-(10**6), traps=[Inexact, InvalidOperation])
DECIMALS = [
    "decimal(10,2)",
    "decimal(18,4)",
    "decimal(38,0)",
    "decimal(38,18)",
    "decimal(38,30)",
    "decimal(38,38)",
    "decimal(1,1)",
    "decimal(9,0)",
]
KINDS = {kind: ColumnType.parse(kind) for kind in DECIMALS}
EDGES = [
    2**127,
    2**128,
    2**128 + 100,
    2**255,
    2**256,
    2**256 + 100,
    10**38,
    10**38 - 1,
    10**76,
    350_000_000,
    35,
    2**63,
    2**63 - 1,
    2**64,
    2**31,
    2**15,
    2**53 + 1,
]
JUNK = [
    "",
    " ",
    "-",
    ".",
    "+",
    "e",
    "NaN",
    "nan",
    "Infinity",
    "-inf",
    "null",
    "0x10",
    "1_000",
    "\u0663",
    "\uff11",
    "1,5",
    "--1",
    "1-2",
    "1.2.3",
    "1e",
    "e5",
    "\0",
    "1\0",
    "1\n",
    " 1",
    "1 ",
]


def digits_of(rng):
    kind = rng.random()
    if kind < 0.2:
        number = rng.choice(EDGES) + rng.randint(-2, 2)
        return str(abs(number))
    zeros = "0" * rng.choice((0, 0, 0, 1, 3, 40))
    width = rng.choice((0, 1, 2, 5, 9, 18, 19, 38, 39, 50, 80))
    return zeros + (f"{rng.randrange(10**width):0{width}}" if width else "")


def number_of(rng):
    if rng.random() < 0.05:
        return rng.choice(JUNK)
    text = rng.choice(("", "", "", "-", "+")) + digits_of(rng)
    if rng.random() < 0.7:
        text += (
            "."
            + digits_of(rng)[: rng.choice((0, 1, 2, 4, 18, 40))]
            + "0" * rng.choice((0, 0, 2, 40))
        )
    if rng.random() < 0.2:
        text += (
            rng.choice("eE")
            + rng.choice(("", "-", "+"))
            + str(rng.choice((0, 1, 5, 38, 40, 400, 10**6)))
        )
    return text


def fits(text, kind):
    """The number of a text, as Python's Decimal has it; None if the type does not hold it."""
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return None
    number = Decimal(text)
    try:
        scaled = number.quantize(Decimal(1).scaleb(-kind.scale), context=EXACT)
    except (Inexact, InvalidOperation):
        return None
    return scaled if scaled.copy_abs() < Decimal(10) ** (kind.precision - kind.scale) else None


def moment_of(rng):
    year = rng.choice(
        (0, 1, 1600, 1899, 1900, 1969, 1970, 2000, 2023, 2024, 9999, rng.randint(1, 9999))
    )
    text = f"{year:04}-{rng.randint(0, 13):02}-{rng.choice((0, 1, 28, 29, 30, 31, 32)):02}"
    if rng.random() < 0.05:
        return rng.choice(
            [*JUNK, text.replace("-", ""), text[2:], text + " ", f"+{text}", "-" + text]
        )
    if rng.random() < 0.2:
        return text
    text += rng.choice("T ") + f"{rng.randint(0, 24):02}:{rng.choice((0, 30, 59, 60)):02}"
    if rng.random() < 0.97:
        text += f":{rng.choice((0, 59, 60)):02}"
        if rng.random() < 0.5:
            text += f".{rng.randrange(10**6):06}"[: rng.choice((2, 4, 7))]
    return text + rng.choice(("", "", "Z", "Z", "+00:00", "-11:30", "+1400", "+24:00", "+01", "z"))


def instant(text, form):
    """What datetime says of a text in one of the forms that a source takes."""
    if not re.fullmatch(form, text, re.ASCII):
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def day(text, form=r"\d{4}-\d\d-\d\d"):
    try:
        return date.fromisoformat(text) if re.fullmatch(form, text, re.ASCII) else None
    except ValueError:
        return None


def uuid_of(rng):
    text = str(uuid.UUID(int=rng.getrandbits(128)))
    if rng.random() < 0.4:
        text = text.upper()
    change = rng.random()
    if change < 0.1:
        return text.replace("-", "")
    if change < 0.2:
        return f"{{{text}}}"
    if change < 0.5:
        place = rng.randrange(36)
        return (
            text[:place]
            + rng.choice(("_", "-", "g", " ", "+", "\u0661", "", "00"))
            + text[place + 1 :]
        )
    return text


def document_of(rng, depth=0):
    kind = rng.random()
    if kind < 0.3 or depth == 4:
        return rng.choice(
            [
                "1",
                "-0",
                "1.50",
                "1e400",
                "1e-400",
                "true",
                "null",
                '"x"',
                r'"\ud800"',
                r'"\u0000"',
                r'"\ud83d\ude00"',
                "NaN",
                "-Infinity",
                "01",
                "1.",
                ".5",
                '"',
                "nul",
                '"\t"',
            ]
        )
    if kind < 0.6:
        return "[" + ",".join(document_of(rng, depth + 1) for _ in range(rng.randint(0, 3))) + "]"
    pairs = (
        f'"{rng.choice("abcé")}":{document_of(rng, depth + 1)}' for _ in range(rng.randint(0, 3))
    )
    return "{" + ", ".join(pairs) + "}"


def unambiguous(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def real(text):
    if not math.isfinite(float(text)):
        raise ValueError
    return float(text)


def refuse(constant):
    raise ValueError(constant)


def document(text):
    try:
        found = json.loads(
            text, object_pairs_hook=unambiguous, parse_float=real, parse_constant=refuse
        )
        json.dumps(found, ensure_ascii=False).encode()
    except ValueError:
        return None
    return text


def float_of(text):
    if not re.fullmatch(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return None
    return float(text) if math.isfinite(float(text)) else None


def integer(bits):
    def read(text):
        if not re.fullmatch(r"-?\d+", text, re.ASCII):
            return None
        return int(text) if -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1) else None

    return read


def plain(kind):
    return lambda text: fits(text, kind) if re.fullmatch(r"-?[0-9.]*", text) else None


def bytes_of(rng):
    return "".join(
        rng.choices(rng.choice(("0123456789abcdefABCDEF", "0aF g\n")), k=rng.randint(0, 6))
    )


def octets(text):
    return bytes.fromhex(text) if re.fullmatch("(?:[0-9a-fA-F]{2})*", text) else None


def ieee(rng):
    if rng.random() < 0.5:
        return number_of(rng)
    found = struct.unpack(">d", rng.randbytes(8))[0]
    return rng.choice((repr, "{:.17e}".format, "{:.16e}".format, "{:.25e}".format))(found)


FILES_FORM = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)"
SQL_FORM = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
WORDS = {"true": True, "false": False}
IN_FILES = {
    **{kind: (number_of, plain(ColumnType.parse(kind))) for kind in DECIMALS},
    "int16": (number_of, integer(16)),
    "int32": (number_of, integer(32)),
    "int64": (number_of, integer(64)),
    "float64": (ieee, float_of),
    "date": (moment_of, day),
    "timestamp": (moment_of, lambda text: instant(text, FILES_FORM)),
    "uuid": (
        uuid_of,
        lambda text: (
            str(uuid.UUID(text))
            if re.fullmatch(
                "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text, re.IGNORECASE | re.ASCII
            )
            else None
        ),
    ),
    "json": (document_of, document),
    "bool": (
        lambda rng: rng.choice(["true", "false", "TRUE", "t", "1", "", "truefalse"]),
        WORDS.get,
    ),
    "bytes": (bytes_of, octets),
}
IN_SQLITE = {
    **{
        kind: (number_of, lambda text, kind=kind: fits(text.strip(), KINDS[kind]))
        for kind in DECIMALS
    },
    "date": (
        moment_of,
        lambda text: (
            day(text[:10]) if re.fullmatch(r".{10}([ T]00:00(:00(\.0+)?)?)?", text) else None
        ),
    ),
    "timestamp": (moment_of, lambda text: instant(text, SQL_FORM)),
    "uuid": (
        uuid_of,
        lambda text: (
            str(uuid.UUID(text))
            if re.fullmatch(
                r"\{[0-9a-f-]{36}\}|[0-9a-f-]{36}|[0-9a-f]{32}", text, re.IGNORECASE | re.ASCII
            )
            and re.fullmatch(
                "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}",
                text.strip("{}"),
                re.IGNORECASE | re.ASCII,
            )
            else None
        ),
    ),
}


def in_files(kind):
    options = {"encoding": "hex"} if kind == "bytes" else {}
    column = SourceColumn("c", "c", ColumnType.parse(kind), **options)

    def read(texts):
        converted = convert(pa.array(texts, pa.string()), column)
        return converted.values, set(converted.faults)

    return read


def in_sqlite(kind):
    def read(texts):
        values, refused = to_array(texts, ColumnType.parse(kind))
        return values, {row for row, _ in refused}

    return read


def in_core(kind):
    def read(texts):
        values, misfits = decimals(pa.array(texts, pa.string()), ColumnType.parse(kind))
        return values, set(misfits.tolist())

    return read


READERS = {
    **{f"files {kind}": (in_files(kind), *how) for kind, how in IN_FILES.items()},
    **{f"sqlite {kind}": (in_sqlite(kind), *how) for kind, how in IN_SQLITE.items()},
    **{
        f"core {kind}": (
            in_core(kind),
            number_of,
            lambda text, kind=kind: fits(text, KINDS[kind]),
        )
        for kind in DECIMALS
    },
}


def same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack(">d", one) == struct.pack(">d", other)
    return one == other


def hold(name, count):
    """How many texts of so many were values; each reading of each one is held against Python."""
    read, make, oracle = READERS[name]
    rng = random.Random(f"{name} {count}")
    good = 0
    for _ in range(0, count, PIECE):
        texts = [make(rng) for _ in range(PIECE)]
        both = [(text, oracle(text)) for text in texts]
        clean = [(text, wanted) for text, wanted in both if wanted is not None]
        for some in (both, clean):
            values, refused = read([text for text, _ in some])
            for (text, wanted), value in zip(some, values.to_pylist(), strict=True):
                assert same(value, wanted), f"{text!r}: {value!r} instead of {wanted!r}"
            assert refused == {row for row, (_, wanted) in enumerate(some) if wanted is None}
        good += len(clean)
    return good


@pytest.mark.parametrize("name", READERS)
def test_g01_what_a_text_becomes_is_what_python_says(name):
    good = hold(name, SOME)
    assert 0 < good < SOME, "the texts try only one side of the rule"


@pytest.mark.sweep
@pytest.mark.parametrize("name", READERS)
def test_g01_a_million_texts_of_each_type(name):
    count = ALL // len(DECIMALS) if name.split()[1] in KINDS else ALL
    assert 0 < hold(name, count) < count


def rescaled(rng, kinds):
    """Draw a decimal of one Arrow type and a target type; Python computes the expected value."""
    one, other = rng.choice(kinds), rng.choice(kinds)
    number = rng.randrange(10 ** rng.randint(1, one.precision)) * rng.choice((1, -1, 10**5))
    number = math.copysign(1, number) and number % 10**one.precision
    value = Decimal(number).scaleb(-one.scale, EXACT)
    return one, other, value, fits(format(value, "f"), other)


@pytest.mark.parametrize("count", [SOME, pytest.param(200_000, marks=pytest.mark.sweep)])
def test_g01_a_decimal_of_another_scale_is_the_same_number_or_none(count):
    rng = random.Random(count)
    kinds = [ColumnType("decimal", p, rng.randint(0, p)) for p in range(1, 39) for _ in range(3)]
    fitting = 0
    for _ in range(count):
        one, other, value, wanted = rescaled(rng, kinds)
        for source in (one.arrow, pa.decimal256(76, one.scale)):
            try:
                found = cast_exactly(pa.array([value], source), other.arrow)[0].as_py()
            except pa.ArrowInvalid:
                found = None
            assert found == wanted, (value, source, other)
        fitting += wanted is not None
    assert count // 10 < fitting < count
