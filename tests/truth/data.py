"""The orders and notes that every site holds: the same rows as CSV and as SQL of each kind."""

from __future__ import annotations

ROWS, NOTES = 1_000, 12
SCHEMA = """
table = "orders"
key = ["id"]
[amounts]
total = "currency"
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = ["NIL"]
[columns]
id = { type = "int32", required = true }
name = { type = "text" }
total = { type = "decimal(12,2)" }
currency = { type = "text" }
changed = { type = "timestamp" }
weight = { type = "float64" }
born = { type = "date" }
token = { type = "uuid" }
paid = { type = "bool" }
doc = { type = "json" }
raw = { type = "bytes", encoding = "hex" }
"""
NOTE_SCHEMA = """
table = "notes"
key = []
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = ["NIL"]
[columns]
order_id = { type = "int32" }
body = { type = "text" }
"""
COLUMNS = {
    "id": ("integer PRIMARY KEY", "INT PRIMARY KEY", "INTEGER PRIMARY KEY"),
    "name": ("text", "LONGTEXT", "VARCHAR"),
    "total": ("numeric(12,2)", "DECIMAL(12,2)", "DECIMAL(12,2)"),
    "currency": ("text", "LONGTEXT", "VARCHAR"),
    "changed": ("timestamptz", "DATETIME(6)", "TIMESTAMPTZ"),
    "weight": ("float8", "DOUBLE", "DOUBLE"),
    "born": ("date", "DATE", "DATE"),
    "token": ("uuid", "CHAR(36)", "UUID"),
    "paid": ("boolean", "TINYINT(1)", "BOOLEAN"),
    "doc": ("jsonb", "LONGTEXT", "JSON"),
    "raw": ("bytea", "LONGBLOB", "BLOB"),
}
"""Column -> its type in PostgreSQL, MariaDB and DuckDB."""
TEXTS = ("name {n}", "Zoë {n}", "back\\slash {n}", "pipe|{n}", " padded ", "")


def orders(first=1, last=ROWS):
    """Rows as the texts of their cells."""
    return [
        (
            str(n),
            TEXTS[n % len(TEXTS)].format(n=n),
            f"{n}.25",
            ("EUR", "NZD")[n % 2],
            f"2024-03-10T02:30:00.{123400 + n}Z",
            repr(n / 7),
            f"2024-02-{1 + n % 29:02d}",
            f"01234567-89ab-cdef-0123-456789aa{n:04x}",
            ("false", "true")[n % 2],
            f'{{"n": {n}, "v": 1.0}}',
            f"00ff5c{n:04x}",
        )
        for n in range(first, last + 1)
    ]


def notes():
    """Rows without a key, one of them three times."""
    return [(str(n), f"note {n}") for n in range(1, NOTES - 1)] + [("3", "note 3")] * 2


def csv(header, rows):
    """A file of these rows."""
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    return "\n".join([",".join(header), *lines]) + "\n"


def mariadb():
    """Statements that make and fill both tables."""
    yield from _tables(1, " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    rows = []
    for *plain, changed, weight, born, token, paid, doc, raw in orders():
        cells = [_quoted(cell.replace("\\", "\\\\")) for cell in (*plain, changed.strip("Z"))]
        cells += [f"{weight}e0", _quoted(born), _quoted(token), paid, _quoted(doc), f"x'{raw}'"]
        rows.append(f"({', '.join(cells)})")
    yield f"INSERT INTO orders VALUES {', '.join(rows)}"
    yield from _notes()


def duckdb():
    """Statements that make and fill both tables."""
    yield "SET TimeZone = 'UTC'"
    yield from _tables(2, "")
    rows = []
    for *texts, raw in orders():
        blob = "".join(f"\\x{raw[place : place + 2]}" for place in range(0, len(raw), 2))
        rows.append(f"({', '.join(map(_quoted, (*texts, blob)))})")
    yield f"INSERT INTO orders VALUES {', '.join(rows)}"
    yield from _notes()


def _tables(place, more):
    columns = ", ".join(f"{name} {types[place]}" for name, types in COLUMNS.items())
    yield f"CREATE TABLE orders ({columns}){more}"
    text = COLUMNS["name"][place]
    yield f"CREATE TABLE notes (order_id INTEGER, body {text}){more}"


def _notes():
    rows = ", ".join(f"({number}, '{body}')" for number, body in notes())
    yield f"INSERT INTO notes VALUES {rows}"


def _quoted(text):
    return "'" + text.replace("'", "''") + "'"
