"""A table that several tenants share is proven whole, not only the scopes of its streams."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from .small import Small

WAIVER = """
[[waivers]]
name = "by-hand"
table = "events"
reason = "made by hand before the migration"
kind = "extra"
key = { source_account = "Auckland" }
"""


def add_stray(path):
    """A copy of an event whose account is spelled in another case."""
    with closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(events)")]
        values = {"id": "'x' || id", "source_account": "'Auckland'"}
        cells = ", ".join(values.get(name, f'"{name}"') for name in names)
        connection.execute(
            f"INSERT INTO events SELECT {cells} FROM events"
            " WHERE source_account = 'auckland' LIMIT 1"
        )
        connection.commit()


def test_g10_rows_of_another_case_are_named_and_no_match(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    small = Small(tmp_path, capfd)
    written = small.folder / "migrate.toml"
    written.write_text(
        '[profiles.default]\nplugins = ["vivenu"]\nquarantine_limit = 100\nreport = "reports"\n'
    )
    options = ("--sandbox", "--target", small.target)
    first = small.migrate("run", "--select", "vivenu.events", *options)
    assert first.last.startswith("MATCH of what was loaded")
    add_stray(tmp_path / "m.db")
    told = small.migrate("reconcile", "--report", *options)
    assert told.code == 8
    assert told.last.startswith("MISMATCH  events: 0 missing, 1 extra, 0 changed")
    assert "1 row belongs to no stream" in told.out
    assert "source_account=Auckland" in told.out
    evidence, page = small.evidence
    assert small.migrate("report", "verify", str(evidence), str(page)).code == 0
    (extra,) = json.loads(evidence.read_text())["differences"]
    assert (extra["kind"], extra["rows"]) == ("extra", 1)
    assert "1 row belongs to no stream" in page.read_text()
    written.write_text(written.read_text() + WAIVER)
    told = small.migrate("reconcile", *options)
    assert (told.code, told.last[:19]) == (0, "MATCH with 1 waiver")
