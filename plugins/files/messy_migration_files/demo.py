"""Writes a small folder to try a migration on: `python -m messy_migration_files.demo DIR`.

Two streams, one with a key over several files and one without, with everything that a clean file
may hold: quotes, line ends in cells, accents, empty against null, decimals, timestamps. The
same files every time.
"""

from __future__ import annotations

import csv
import random
import sys
from datetime import datetime, timedelta
from pathlib import Path

from messy_migration.errors import ConfigurationError, MigrationError, UsageProblem

_MIGRATE = """\
[profiles.default]
target = "sqlite:///migration.db"
plugins = ["files"]

[files.streams.tickets]
path = "tickets/*.csv"
schema = "tickets.toml"

[files.streams.scans]
path = "scans/*.csv"
schema = "scans.toml"
"""

_TICKETS = """\
table = "tickets"
key = ["ticket_id"]

[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = [""]                              # an empty cell is NULL, "" is an empty text

[columns]
ticket_id = { from = "Ticket", type = "text", required = true }
event     = { from = "Event", type = "text", required = true }
holder    = { from = "Holder", type = "text" }
seat      = { from = "Seat", type = "text" }
price     = { from = "Price", type = "decimal(10,2)", required = true }
paid      = { from = "Paid", type = "bool", true = ["yes"], false = ["no"] }
sold_at   = { from = "Sold", type = "timestamp", format = "%d/%m/%Y %H:%M", timezone = "UTC" }
note      = { from = "Note", type = "text" }
"""

_SCANS = """\
table = "scans"
key = []                                 # none: a gate may scan one ticket twice in a second

[format]
kind = "csv"
encoding = "utf-8"
delimiter = ";"
null = ["-"]

[columns]
ticket_id  = { type = "text", required = true }
gate       = { type = "int16", required = true }
scanned_at = { type = "timestamp" }
admitted   = { type = "bool" }
"""

_FIRST = ("Zoë", "José", "Åsa", "Łukasz", "Siân", "Ngọc", "Mary-Jane", "Ann", "Ólafur", "Chloé")
_LAST = ("O'Neill", "Núñez", "Smith", 'Jones "JJ"', "de la Cruz", "Müller", "Brontë", "李", "Ng")
_EVENTS = ("Spring Gala", "Jazz, Late", 'The "Quiet" Night', "Fête de l'été")
_NOTES = ("", None, "vegan, no nuts", 'said "maybe"', "two lines\nof note", " padded ", "50 % off")
_TICKETS_PER_FILE, _TICKET_FILES = 600, 5
_SCANS_PER_FILE, _SCAN_FILES = 700, 3


def write_demo(directory: Path) -> int:
    """Write the folder and return the number of records in it.

    Raises:
        ConfigurationError: the folder is not empty, or cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise ConfigurationError(
                "the folder is not empty", str(directory), next="name one that does not exist yet"
            )
        for name, text in (
            ("migrate.toml", _MIGRATE),
            ("tickets.toml", _TICKETS),
            ("scans.toml", _SCANS),
        ):
            (directory / name).write_text(text, encoding="utf-8")
        chance = random.Random(20261121)  # noqa: S311
        tickets = _write_tickets(directory / "tickets", chance)
        return len(tickets) + _write_scans(directory / "scans", chance, tickets)
    except OSError as error:
        raise ConfigurationError(
            "the folder cannot be written", str(directory), error.strerror or ""
        ) from error


def main(arguments: list[str]) -> int:
    """Write the folder, say what to type next, and return the exit code."""
    try:
        if len(arguments) != 1 or arguments[0].startswith("-"):
            raise UsageProblem(
                "one folder is needed", next="python -m messy_migration_files.demo DIR"
            )
        records = write_demo(Path(arguments[0]))
    except MigrationError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(
        f"{records:,} records in {_TICKET_FILES + _SCAN_FILES} files in {arguments[0]}\n"
        f"next: cd {arguments[0]} && migrate run\n"
    )
    return 0


def _write_tickets(directory: Path, chance: random.Random) -> list[str]:
    directory.mkdir()
    sold = datetime(2026, 5, 4, 9, 0)  # noqa: DTZ001
    tickets: list[str] = []
    for number in range(_TICKET_FILES):
        lines = ["Ticket,Event,Holder,Seat,Price,Paid,Sold,Note"]
        for _ in range(_TICKETS_PER_FILE):
            ticket = f"T{len(tickets):05d}"
            sold += timedelta(minutes=chance.randrange(1, 30))
            holder = f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"
            seat = chance.choice([None, f"{chance.randrange(1, 40):03d}"])
            cells = [
                ticket,
                chance.choice(_EVENTS),
                holder,
                seat,
                f"{chance.randrange(0, 12_000) / 100:.2f}",
                chance.choice(["yes", "no"]),
                f"{sold:%d/%m/%Y %H:%M}",
                chance.choice(_NOTES),
            ]
            lines.append(",".join(map(_cell, cells)))
            tickets.append(ticket)
        text = "\r\n".join(lines) + "\r\n"
        (directory / f"2026-{number + 1:02d}.csv").write_bytes(text.encode("utf-8"))
    return tickets


def _cell(text: str | None) -> str:
    """A cell of which NULL is nothing at all and an empty text a pair of quotes."""
    if text is None:
        return ""
    plain = text and not any(character in text for character in ',"\r\n')
    return text if plain else '"' + text.replace('"', '""') + '"'


def _write_scans(directory: Path, chance: random.Random, tickets: list[str]) -> int:
    directory.mkdir()
    for number in range(_SCAN_FILES):
        at = datetime(2026, 9, number + 1, 18, 0)  # noqa: DTZ001
        with (directory / f"gate-{number + 1}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(["ticket_id", "gate", "scanned_at", "admitted"])
            row: list[object] = []
            for _ in range(_SCANS_PER_FILE):
                # One record in twenty repeats the one before it: a multiset keeps both.
                if not row or chance.random() >= 0.05:
                    at += timedelta(seconds=chance.randrange(0, 9))
                    admitted = chance.choice(["true", "true", "false", "-"])
                    row = [chance.choice(tickets), number + 1, f"{at.isoformat()}Z", admitted]
                writer.writerow(row)
    return _SCAN_FILES * _SCANS_PER_FILE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
