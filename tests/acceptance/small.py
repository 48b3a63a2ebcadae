"""A folder with one small CSV stream, and the command line in this process."""

from __future__ import annotations

from messy_migration.testing.project import Project

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


class Small(Project):
    """A stream `files.s` of `s.csv` into a target of either kind."""

    def __init__(self, folder, capture):
        super().__init__(folder, plugins=("files",), capture=capture)
        self.configure()

    def configure(self, schema=SCHEMA, profile="", more=""):
        self.write("s.toml", schema)
        stream = '[files.streams.s]\npath = "s*.csv"\nschema = "s.toml"\n'
        super().configure(f'report = "reports"\n{profile}', stream + more)

    def write_rows(self, *rows, name="s.csv", header="id,amt"):
        self.write(name, "\n".join([header, *rows]) + "\n")

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
