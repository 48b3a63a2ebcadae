"""A project whose streams are CSV files."""

from __future__ import annotations

import json

from messy_migration.testing.project import Project

COLUMNS = 'id = { type = "int64", required = true }\nname = { type = "text" }'


class Sheets(Project):
    """A folder with a migrate.toml, schema files and CSV files."""

    def __init__(self, folder, capture=None):
        super().__init__(folder, plugins=("files",), capture=capture)
        self.streams = {}

    def stream(self, name, *files, path=None, table=None, key="id", columns=COLUMNS, top=""):
        """Declare a stream; each file is its content, written as NAME_i.csv."""
        keys = json.dumps([key] if key else [])
        self.write(
            f"{name}.toml",
            f'table = "{table or name}"\nkey = {keys}\n{top}\n[format]\nkind = "csv"\n'
            'encoding = "utf-8"\ndelimiter = ","\nnull = [""]\n[columns]\n' + columns,
        )
        for number, content in enumerate(files, 1):
            self.write(f"{name}_{number}.csv", content)
        self.streams[name] = path or f"{name}_*"
        self.configure()

    def configure(self, profile="", sections=""):
        lines = []
        for name, path in self.streams.items():
            lines += [f"[files.streams.{name}]", f'path = "{path}"', f'schema = "{name}.toml"']
        super().configure(profile, "\n".join([*lines, sections]))

    def migrate(self, *argv, **variables):
        """Run a command; whatever happens, no defect is ours."""
        result = super().migrate(*argv, **variables)
        assert result.code != 1, result.err
        return result
