"""A folder with one small CSV stream, and the command line in this process."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import structlog
from sqlalchemy import create_engine, make_url, text

from messy_migration.cli.main import run

SCHEMA = """
table = "s"
key = ["id"]
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = [""]
[columns]
id = { type = "int64", required = true }
amt = { type = "decimal(18,4)" }
"""


@dataclass
class Told:
    """What a command said: its exit code, and both of its streams."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def last(self):
        """The line of the verdict."""
        words = ("MATCH", "MISMATCH", "UNKNOWN", "UNTOUCHED", "TOUCHED")
        return next(line for line in self.out.splitlines() if line.startswith(words))


class Small:
    """A stream `files.s` of `s.csv` into a target of either kind."""

    def __init__(self, folder: Path, target: str, capture) -> None:
        self.folder, self.target, self.capture = folder, target, capture
        self.configure()

    def configure(self, schema=SCHEMA, profile="", more=""):
        (self.folder / "s.toml").write_text(schema)
        (self.folder / "migrate.toml").write_text(
            f'[profiles.default]\nplugins = ["files"]\ntarget = "{self.target}"\nworkers = 1\n'
            f'report = "reports"\n{profile}\n'
            f'[files.streams.s]\npath = "s*.csv"\nschema = "s.toml"\n{more}'
        )

    def write(self, *rows, name="s.csv", header="id,amt"):
        (self.folder / name).write_text("\n".join([header, *rows]) + "\n")

    def migrate(self, *argv) -> Told:
        self.capture.readouterr()
        code = run(argv)
        out, err = self.capture.readouterr()
        assert "Traceback" not in out + err, err
        return Told(code, out, err)

    def query(self, statement):
        engine = create_engine(self.target)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement))
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    def ledger(self, name):
        is_postgres = make_url(self.target).get_backend_name() == "postgresql"
        return f"messy_migration.{name}" if is_postgres else f"messy_migration_{name}"

    def open_entries(self):
        """(rule, payload) of what waits in quarantine."""
        return self.query(
            f"SELECT rule, payload FROM {self.ledger('quarantine')}"
            " WHERE state = 'open' ORDER BY id"
        )

    @property
    def evidence(self):
        """The newest evidence file, and its page."""
        newest = max(
            (self.folder / "reports").glob("*.json"), key=lambda one: one.stat().st_mtime_ns
        )
        return newest, newest.with_suffix(".html")


def connect(url):
    """A connection of another program to a Postgres database."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return closing(psycopg.connect(plain, autocommit=True))


def take_back_logging():
    """Undo what a command set up for logging in this process."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if handler.get_name() == "messy_migration.handler":
            root.removeHandler(handler)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
