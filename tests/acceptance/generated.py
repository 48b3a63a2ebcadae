"""The generated records: two streams with the shapes of the real inputs.

`flights` has a key of four columns in several files, `sales` has none and repeats records
exactly. Both hold padded and empty text, NULL, decimals and instants. Every value is kept, so
that tests compare with it and never with what the program says about itself.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

FLIGHTS = {
    "day": "date",
    "carrier": "text",
    "flight": "int32",
    "origin": "text",
    "fare": "decimal(10,2)",
    "departed": "timestamp",
    "tail": "text",
    "note": "text",
}
SALES = {
    "invoice": "text",
    "description": "text",
    "quantity": "int32",
    "sold": "timestamp",
    "price": "decimal(18,4)",
    "customer": "text",
}
COLUMNS = {"flights": FLIGHTS, "sales": SALES}
KEY = ("day", "carrier", "flight", "origin")
_NULL = {"flights": "NA", "sales": ""}
_TEXTS = ("", " ", "x", "x ", "  padded  ", "Ümlaut, quoted", 'say "hi"', "NULL", None)
_LONDON = ZoneInfo("Europe/London")


class Data:
    """The records of one folder: stream -> file -> rows, as Python values."""

    def __init__(self, seed=1, files=3, records=40, batch_records=1000):
        self.batch_records = batch_records
        chance = random.Random(seed)
        self.files = {"flights": {}, "sales": {}}
        for number in range(files):
            rows = [_flight(chance, number * records + place) for place in range(records)]
            self.files["flights"][f"{number + 1:02d}.csv"] = rows
        for number in range(2):
            rows = []
            for place in range(records):
                repeats = rows and chance.random() < 0.1
                rows.append(rows[-1] if repeats else _sale(chance, number * records + place))
            self.files["sales"][f"week-{number + 1}.csv"] = rows
        # What the tests of padding and NULL change by hand must be there for certain.
        for place, text in enumerate(("x", "", None, "x ")):
            first = self.files["flights"]["01.csv"]
            first[place] = (*first[place][:6], text, first[place][7])

    def rows(self, stream):
        """All rows of a stream, in the order of its files."""
        return [row for rows in self.files[stream].values() for row in rows]

    @property
    def records(self):
        """How many records there are."""
        return sum(len(self.rows(stream)) for stream in self.files)

    @property
    def batches(self):
        """How many batches that makes."""
        sizes = [len(rows) for files in self.files.values() for rows in files.values()]
        return sum(-(-size // self.batch_records) for size in sizes)

    def write(self, folder):
        """Write configuration, schema files and CSVs."""
        lines = ["[profiles.default]", 'plugins = ["files"]']
        lines.append(f"batch_records = {self.batch_records}")
        for stream in self.files:
            lines += [f"[files.streams.{stream}]", f'path = "{stream}/*.csv"']
            lines.append(f'schema = "{stream}.toml"')
            (folder / f"{stream}.toml").write_text(_schema(stream), encoding="utf-8")
            (folder / stream).mkdir()
            for name in self.files[stream]:
                self.write_file(folder, stream, name)
        (folder / "migrate.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write_file(self, folder, stream, name):
        """Write one file again, after a test has changed its rows."""
        lines = [",".join(COLUMNS[stream])]
        lines += [
            ",".join(_cell(stream, value) for value in row) for row in self.files[stream][name]
        ]
        text = "\n".join(lines) + "\n"
        (folder / stream / name).write_bytes(text.encode("utf-8"))


def _flight(chance, number):
    day = date(2013, 1, 1) + timedelta(days=chance.randrange(365))
    departed = datetime(day.year, day.month, day.day, tzinfo=UTC)
    departed += timedelta(seconds=chance.randrange(86_400))
    return (
        day,
        chance.choice(["AA", "UA", "B6"]),
        number,
        chance.choice(["EWR", "JFK", "LGA"]),
        chance.choice([None, Decimal(chance.randrange(-999_999, 9_999_999)).scaleb(-2)]),
        chance.choice([None, departed, departed]),
        chance.choice(_TEXTS),
        f"note {chance.randrange(1000):03d}",
    )


def _sale(chance, number):
    return (
        f"5{number:05d}",
        chance.choice(_TEXTS),
        chance.randrange(-20, 2000),
        datetime(2010, 6, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(40_000)),
        Decimal(chance.randrange(0, 10**8)).scaleb(-4),
        chance.choice([None, "", "17850"]),
    )


def _cell(stream, value):
    if value is None:
        return _NULL[stream]
    if isinstance(value, datetime):
        local = stream == "sales"
        zone = _LONDON if local else UTC
        return value.astimezone(zone).strftime(
            "%Y-%m-%d %H:%M:%S" if local else "%Y-%m-%dT%H:%M:%SZ"
        )
    text = str(value)
    needs_quotes = text in ("", _NULL[stream]) or any(char in text for char in ',"\n')
    return '"' + text.replace('"', '""') + '"' if needs_quotes else text


def _schema(stream):
    key = list(KEY) if stream == "flights" else []
    lines = [f'table = "{stream}"', f"key = {json.dumps(key)}", "[format]", 'kind = "csv"']
    lines += ['encoding = "utf-8"', 'delimiter = ","', f'null = ["{_NULL[stream]}"]', "[columns]"]
    for name, kind in COLUMNS[stream].items():
        more = (
            ', format = "%Y-%m-%d %H:%M:%S", timezone = "Europe/London"' if name == "sold" else ""
        )
        lines.append(f'{name} = {{ type = "{kind}"{more} }}')
    return "\n".join(lines) + "\n"
